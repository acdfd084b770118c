// SPDX-License-Identifier: AGPL-3.0-or-later
//! Mailboxes that people of the house share, by Python's imaplib; what a killed server leaves for QRESYNC.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use hearth_tests::{Home, Imap, missing, run, stranger};

const IMAPLIB: &str = r#"
import imaplib, ssl, sys
host, port, ca, alice, alice_password, bob, bob_password = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
context.check_hostname = False
def connect(user, password):
    imap = imaplib.IMAP4_SSL(host, int(port), ssl_context=context)
    imap.login(user, password)
    return imap
a, b = connect(alice, alice_password), connect(bob, bob_password)
theirs = f'"Other Users/{alice}/Photos"'
print(a.create("Photos")[0], a.setacl("Photos", bob, "lrsi")[0])
print(a.getacl("Photos")[1][0].decode())
print(b.namespace()[1][0].decode())
print([line.decode() for line in b.list('""', '"Other Users/*"')[1]])
print(b.myrights(theirs)[1][0].decode())
print(b.append(theirs, r"(\Seen \Flagged)", None, b"Subject: from carla\r\n\r\nx\r\n")[0])
print(a.select("Photos")[1], a.fetch("1", "(FLAGS)")[1])
print(b.select(theirs)[0], b.store("1", "-FLAGS", r"(\Seen)")[1], b.store("1", "+FLAGS", r"(\Deleted)")[0])
print(b.copy("1", "INBOX")[0], b.status("INBOX", "(MESSAGES)")[1])
print(b.setacl(theirs, "anyone", "l")[0], b.getacl(theirs)[0])
print(b.getquotaroot(theirs)[1])
print(a.getquota('""')[1], a.setquota('""', "(STORAGE 512)")[0])
print(a.deleteacl("Photos", bob)[0], a.myrights("Photos")[1][0].decode())
print(b.list('""', '"Other Users/*"')[1], b.status(theirs, "(MESSAGES)")[0])
"#;

const IMAPLIB_LOOKS: &str = r#"
import imaplib, ssl, sys
host, port, ca, alice, bob, bob_password = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
context.check_hostname = False
b = imaplib.IMAP4_SSL(host, int(port), ssl_context=context)
b.login(bob, bob_password)
print([line.decode() for line in b.list('""', '"Other Users/*/*"')[1] if line])
print(b.myrights(f'"Other Users/{alice}/INBOX"')[0])
"#;

#[test]
fn hearth_shares_for_who_cannot() -> Result<()> {
    if missing(&["python3"]) {
        return Ok(());
    }
    let home = Home::start()?;
    let carla = home.add_person("carla", "another long password")?;
    let (alice, carlas) = (home.alice.address.as_str(), carla.address.as_str());
    let looks = || -> Result<String> {
        let ran = run(stranger("python3")
            .args(["-c", IMAPLIB_LOOKS, &home.address.to_string(), &home.port(993).to_string()])
            .arg(home.ca())
            .args([alice, carlas, &carla.app_password]))?;
        Ok(ran.text)
    };
    ensure!(looks()? == "[]\nNO\n", "{}", looks()?);
    let share = |mailbox: &str, with: &str, may: &str| home.hearth_status(&["mailbox", "share", alice, mailbox, with, may], "");
    for (mailbox, with, may, status) in [
        ("inbox", carlas, "write", 0),
        ("Nowhere", carlas, "read", 1),
        ("INBOX", alice, "read", 1),
        ("INBOX", "nobody@home.localhost", "read", 1),
        ("INBOX", carlas, "eat", 2),
    ] {
        let (code, said, complained) = share(mailbox, with, may)?;
        ensure!(code == status, "{mailbox} {with} {may}: {code:?} {said} {complained}");
    }
    let seen = looks()?;
    ensure!(seen.contains(&format!("\"Other Users/{alice}/INBOX\"")) && seen.ends_with("\nOK\n"), "{seen}");
    let (_, listed, _) = home.hearth_status(&["mailbox", "shares", alice, "--json"], "")?;
    let listed: serde_json::Value = serde_json::from_str(&listed)?;
    let wanted = serde_json::json!([
        { "mailbox": "INBOX", "with": carlas, "may": "write", "rights": "lrswited", "negative": false }
    ]);
    ensure!(listed == wanted, "{listed}");
    share("INBOX", carlas, "off")?;
    ensure!(looks()? == "[]\nNO\n", "{}", looks()?);
    let (_, listed, _) = home.hearth_status(&["mailbox", "shares", alice, "--json"], "")?;
    ensure!(listed.trim() == "[]", "{listed}");
    Ok(())
}

#[test]
fn imaplib_shares_a_mailbox() -> Result<()> {
    if missing(&["python3"]) {
        return Ok(());
    }
    let home = Home::start()?;
    let carla = home.add_person("carla", "another long password")?;
    let ran = run(stranger("python3")
        .args(["-c", IMAPLIB, &home.address.to_string(), &home.port(993).to_string()])
        .arg(home.ca())
        .args([&home.alice.address, &home.alice.app_password, &carla.address, &carla.app_password]))?;
    let (alice, domain) = (&home.alice.address, &home.domain);
    let theirs = format!("\"Other Users/{alice}/Photos\"");
    let expected = [
        "OK OK".to_string(),
        format!("Photos {alice} lrswipkxteacd carla@{domain} lrsi"),
        "((\"\" \"/\")) ((\"Other Users/\" \"/\")) ((\"Shared/\" \"/\"))".to_string(),
        format!("['(\\\\HasNoChildren) \"/\" {theirs}', '(\\\\Noselect \\\\HasChildren) \"/\" \"Other Users/{alice}\"']"),
        format!("{theirs} lrsi"),
        "OK".to_string(),
        "[b'1'] [b'1 (FLAGS (\\\\Seen))']".to_string(),
        "OK [b'1 (UID 1 FLAGS ())'] NO".to_string(),
        "OK [b'INBOX (MESSAGES 1)']".to_string(),
        "NO NO".to_string(),
        format!("[[b'{theirs} \"#user/{alice}\"'], [b'\"#user/{alice}\" (STORAGE 1 10485760)']]"),
        "[b'\"\" (STORAGE 1 10485760)'] NO".to_string(),
        "OK Photos lrswipkxteacd".to_string(),
        "[None] NO".to_string(),
    ];
    let said: Vec<&str> = ran.text.lines().collect();
    ensure!(said == expected, "{}\nwanted\n{}", ran.text, expected.join("\n"));
    Ok(())
}

/// What a client knows: flags by UID.
type Known = BTreeMap<u32, String>;

fn number_after(line: &str, name: &str) -> Option<u64> {
    let rest = line.split_once(name)?.1;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Takes in FETCH and VANISHED lines; the highest modseq among them.
fn learn(known: &mut Known, lines: &[String]) -> u64 {
    let mut newest = 0;
    for line in lines {
        if let (Some(uid), Some((_, rest))) = (number_after(line, "UID "), line.split_once("FLAGS (")) {
            let mut flags: Vec<&str> = rest.split(')').next().unwrap_or_default().split(' ').collect();
            flags.sort_unstable();
            known.insert(u32::try_from(uid).unwrap_or(0), flags.join(" "));
            newest = newest.max(number_after(line, "MODSEQ (").unwrap_or(0));
        } else if let Some((_, set)) = line.split_once("VANISHED ") {
            for range in set.trim_start_matches("(EARLIER) ").split(',') {
                let (from, to) = range.split_once(':').unwrap_or((range, range));
                if let (Ok(from), Ok(to)) = (from.parse::<u32>(), to.parse::<u32>()) {
                    known.retain(|uid, _| !(from.min(to)..=from.max(to)).contains(uid));
                }
            }
        }
    }
    newest
}

async fn sign_in_again(home: &Home) -> Result<Imap> {
    let mut last = None;
    for _ in 0..200 {
        match Imap::sign_in(home, &home.alice.address, &home.alice.app_password).await {
            Ok(imap) => return Ok(imap),
            Err(error) => last = Some(error),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err(last.context("it was tried")?)
}

/// RFC 7162 §3.2.5: a client that was away while the server was killed is told exactly what it does not know, and no modseq
/// is below one that it was told before.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_qresync_gives_exactly_the_difference() -> Result<()> {
    let home = Home::start()?;
    let mut imap = sign_in_again(&home).await?;
    for _ in 0..20 {
        imap.ok("APPEND INBOX (\\Seen) {14+}\r\nSubject: x\r\n\r\n").await?;
    }
    let mut known = Known::new();
    let (mut validity, mut modseq) = (0, 0);
    for round in 0..4_u32 {
        imap.ok("ENABLE QRESYNC").await?;
        let selected = if round == 0 {
            imap.ok("SELECT INBOX").await?
        } else {
            imap.ok(&format!("SELECT INBOX (QRESYNC ({validity} {modseq}))")).await?
        };
        let told: Vec<String> =
            selected.iter().filter(|line| line.contains("FETCH") || line.contains("VANISHED")).cloned().collect();
        let newest = selected.iter().find_map(|line| number_after(line, "HIGHESTMODSEQ ")).context("HIGHESTMODSEQ")?;
        ensure!(newest >= modseq, "round {round}: HIGHESTMODSEQ goes back from {modseq} to {newest}");
        let before = known.clone();
        learn(&mut known, &told);
        let mut truth = Known::new();
        let fetched = imap.ok("UID FETCH 1:* (FLAGS MODSEQ)").await?;
        learn(&mut truth, &fetched);
        if round == 0 {
            known.clone_from(&truth);
        }
        ensure!(known == truth, "round {round}: with the difference it believes\n{known:?}, not\n{truth:?}");
        let changed = told.iter().filter(|line| line.contains("FETCH")).count();
        let differing = truth.iter().filter(|(uid, flags)| before.get(uid) != Some(flags)).count();
        ensure!(round == 0 || changed == differing, "round {round}: {changed} are told, {differing} differ");
        validity = selected.iter().find_map(|line| number_after(line, "UIDVALIDITY ")).context("UIDVALIDITY")?;
        modseq = newest;
        // The storm is another client's; this one is away.
        drop(imap);
        let mut other = sign_in_again(&home).await?;
        other.ok("SELECT INBOX").await?;
        for uid in truth.keys().skip(usize::try_from(round)?).step_by(3) {
            other.ok(&format!("UID STORE {uid} +FLAGS.SILENT ($round{round} \\Flagged)")).await?;
        }
        for uid in truth.keys().skip(1).step_by(5).take(2) {
            other.ok(&format!("UID STORE {uid} +FLAGS.SILENT (\\Deleted)")).await?;
        }
        other.ok("EXPUNGE").await?;
        other.ok("APPEND INBOX ($new) {14+}\r\nSubject: x\r\n\r\n").await?;
        // In the middle of a command.
        other.send("z UID STORE 1:* +FLAGS ($late)").await?;
        let pid = std::fs::read_to_string(home.dir.join("run/imap.pid"))?;
        ensure!(std::process::Command::new("kill").args(["-KILL", pid.trim()]).status()?.success());
        imap = sign_in_again(&home).await?;
    }
    Ok(())
}
