// SPDX-License-Identifier: AGPL-3.0-or-later
//! Mail programs that people look at: mutt, neomutt, alpine and aerc on a terminal, each reads, searches, marks and
//! moves letters; mutt and neomutt send one, and mutt keeps a copy. What they did is seen by another session.

use std::time::Duration;

use anyhow::{Result, ensure};
use hearth_tests::{Home, HomeBuilder, Imap, Machine, Terminal};

const DOMAIN: &str = "programs-home.test";
const ARRIVES_WITHIN: Duration = Duration::from_secs(30);

/// A home on the standard ports with four letters in alice's INBOX, a machine of hers, and a session that looks on.
async fn home_with_letters() -> Result<(Home, Machine, Imap)> {
    let home = HomeBuilder::default().domain(DOMAIN).offset(0).start()?;
    let machine = Machine::new(&home, &[])?;
    let mut imap = Imap::sign_in(&home, &home.alice.address, &home.alice.app_password).await?;
    for (number, (subject, body)) in
        [("aubergines", "one"), ("broccoli", "two"), ("cauliflower", "three, and a parsnip"), ("daikon", "four")].iter().enumerate()
    {
        append(&mut imap, number + 1, subject, body).await?;
    }
    Ok((home, machine, imap))
}

/// A letter comes, from another session.
async fn append(imap: &mut Imap, number: usize, subject: &str, body: &str) -> Result<()> {
    let letter = format!(
        "From: Greengrocer <green@x.example>\r\nTo: alice@{DOMAIN}\r\nSubject: {subject}\r\nDate: Fri, {number:02} Nov 2026 12:00:00 +0000\r\n\
         Message-ID: <{number}@x.example>\r\n\r\nText {body}.\r\n"
    );
    imap.ok(&format!("APPEND INBOX {{{}+}}\r\n{letter}", letter.len())).await.map(drop)
}

/// The subjects of a mailbox, each with its flags before it.
async fn letters(imap: &mut Imap, mailbox: &str) -> Result<Vec<String>> {
    imap.ok(&format!("EXAMINE {mailbox}")).await?;
    let told = imap.ok("UID FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])").await?;
    let one = |line: &String| {
        let flags = line.split("FLAGS (").nth(1).and_then(|rest| rest.split(')').next()).unwrap_or_default().to_string();
        let subject = line.split("Subject: ").nth(1).and_then(|rest| rest.split("\r\n").next()).unwrap_or_default().to_string();
        format!("{flags} {subject}")
    };
    Ok(told.iter().filter(|line| line.contains("FETCH")).map(one).collect())
}

/// Waits until a mailbox holds these.
async fn wait_for_letters(imap: &mut Imap, mailbox: &str, wanted: &[&str]) -> Result<()> {
    let begun = std::time::Instant::now();
    loop {
        let there = letters(imap, mailbox).await?;
        if there == wanted {
            return Ok(());
        }
        ensure!(begun.elapsed() < ARRIVES_WITHIN, "{mailbox}: {there:?} instead of {wanted:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mutt_searches_marks_moves_and_sends() -> Result<()> {
    if !Machine::is_possible(&["script", "stty", "mutt"]) {
        return Ok(());
    }
    by_a_mutt("mutt").await
}

#[tokio::test(flavor = "multi_thread")]
async fn neomutt_searches_marks_moves_and_sends() -> Result<()> {
    if !Machine::is_possible(&["script", "stty", "neomutt"]) {
        return Ok(());
    }
    by_a_mutt("neomutt").await
}

/// (quirk: Debian's mutt 2.2 and neomutt 2022 choose SCRAM-SHA-256-PLUS for SMTP, give gsasl no channel binding and do not try
/// another: `smtp_authenticators` has to be set, 2026-11.)
async fn by_a_mutt(program: &str) -> Result<()> {
    let (home, machine, mut imap) = home_with_letters().await?;
    let (user, password) = (&home.alice.address, &home.alice.app_password);
    let user_in_url = user.replace('@', "%40");
    machine.write_secret(
        ".muttrc",
        &format!(
            "set imap_user=\"{user}\" imap_pass=\"{password}\" smtp_pass=\"{password}\"\n\
             set folder=\"imaps://mail.{DOMAIN}/\" spoolfile=\"imaps://mail.{DOMAIN}/INBOX\" record=\"=Sent\" postponed=\"=Drafts\"\n\
             set smtp_url=\"smtps://{user_in_url}@mail.{DOMAIN}:465/\" from=\"{user}\" use_envelope_from=yes realname=Alice\n\
             set smtp_authenticators=\"plain\" ssl_ca_certificates_file=\"/etc/ssl/certs/ca-certificates.crt\" certificate_file=\"\"\n\
             set imap_condstore=yes imap_qresync=yes imap_idle=yes header_cache=\"{at}/headers\" message_cachedir=\"{at}/bodies\"\n\
             set timeout=1 mail_check=1 mark_old=no quit=yes confirmappend=no confirmcreate=no delete=yes move=no wait_key=no sort=mailbox-order copy=yes\n\
             set index_format=\"%C %s\" pager_index_lines=0\n",
            at = machine.folder().display(),
        ),
    )?;
    std::fs::create_dir(machine.folder().join("headers"))?;
    std::fs::create_dir(machine.folder().join("bodies"))?;
    let mut mutt = Terminal::start(&machine, &format!("{program} -F .muttrc"))?;
    mutt.wait_for("daikon")?;
    // SEARCH by the server, of a body.
    mutt.press("l=b parsnip\n")?;
    mutt.wait_for("cauliflower")?;
    mutt.press("\n")?;
    mutt.wait_for("and a parsnip")?;
    mutt.press("q")?;
    mutt.wait_for("cauliflower")?;
    // Flagged, then into another mailbox: COPY, STORE and EXPUNGE.
    mutt.press("F")?;
    mutt.press("s=Archive\n")?;
    mutt.press("l~A\n")?;
    mutt.press("$")?;
    wait_for_letters(&mut imap, "Archive", &["\\Seen \\Flagged cauliflower"]).await?;
    // What another session brings is seen without asking for it.
    append(&mut imap, 5, "endives", "five").await?;
    mutt.wait_for("endives")?;
    mutt.press("q")?;
    mutt.end()?;
    wait_for_letters(&mut imap, "INBOX", &[" aubergines", " broccoli", " daikon", " endives"]).await?;

    // A second start takes what it knows from its cache, by QRESYNC.
    imap.ok("SELECT INBOX").await?;
    imap.ok("UID STORE 2 +FLAGS.SILENT (\\Deleted)").await?;
    imap.ok("UID EXPUNGE 2").await?;
    let mut again = Terminal::start(&machine, &format!("{program} -F .muttrc"))?;
    again.wait_for("endives")?;
    again.press("l~s broccoli\n")?;
    again.wait_for("No messages matched")?;
    again.press("q")?;
    again.end()?;

    let sends = format!("printf Hello | {program} -F .muttrc -s salsify -- {}", home.bob.address);
    hearth_tests::run(&mut machine.shell(&sends))?;
    if program == "mutt" {
        // neomutt keeps no copy of what it sends without a terminal.
        wait_for_letters(&mut imap, "Sent", &["\\Seen salsify"]).await?;
    }
    let mut bob = Imap::sign_in(&home, &home.bob.address, &home.bob.app_password).await?;
    wait_for_letters(&mut bob, "INBOX", &[" salsify"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn alpine_reads_marks_and_moves() -> Result<()> {
    if !Machine::is_possible(&["script", "stty", "alpine"]) {
        return Ok(());
    }
    let (home, machine, mut imap) = home_with_letters().await?;
    let user = &home.alice.address;
    machine.write_secret(
        "pinerc",
        &format!(
            "personal-name=Alice\nuser-domain={DOMAIN}\ninbox-path={{mail.{DOMAIN}/ssl/user=\"{user}\"}}INBOX\n\
             folder-collections=Mail {{mail.{DOMAIN}/ssl/user=\"{user}\"}}[]\nsort-key=Arrival\n\
             feature-list=enable-aggregate-command-set,enable-flag-cmd,expunge-without-confirm,quit-without-confirm,\n\
             \tno-auto-move-read-msgs,no-enable-dot-files\nlast-version-used=99.0\n",
        ),
    )?;
    let mut alpine = Terminal::start(&machine, "alpine -p pinerc -i")?;
    loop {
        match alpine.wait_for_one(&["daikon", "PASSWORD", "Preserve password", "xit this greeting"])? {
            0 => break,
            1 => alpine.press(&format!("{}\r", home.alice.app_password))?,
            2 => alpine.press("n")?,
            _ => alpine.press("e")?,
        }
    }
    // Select by the text of the body, which the server looks for. What is found is the one that is looked at.
    for (keys, shown) in [
        (";", "criteria"),
        ("t", "Body"),
        ("b", "to match"),
        ("parsnip\r", "matched"),
        ("*", "Important"),
        ("*", "Flagged"),
        ("s", "SAVE"),
    ] {
        alpine.press(keys)?;
        alpine.wait_for(shown)?;
    }
    // What it says then is drawn over what it says meanwhile, if that took long: only the letters that differ.
    alpine.press("Archive\r")?;
    wait_for_letters(&mut imap, "Archive", &["\\Flagged cauliflower"]).await?;
    alpine.press("x")?;
    wait_for_letters(&mut imap, "INBOX", &[" aubergines", " broccoli", " daikon"]).await?;
    alpine.press("q")?;
    alpine.end()
}

#[tokio::test(flavor = "multi_thread")]
async fn aerc_reads_searches_marks_and_moves() -> Result<()> {
    if !Machine::is_possible(&["script", "stty", "aerc"]) {
        return Ok(());
    }
    let (home, machine, mut imap) = home_with_letters().await?;
    let user = home.alice.address.replace('@', "%40");
    machine.write_secret(
        ".config/aerc/accounts.conf",
        &format!(
            "[home]\nsource=imaps://{user}:{}@mail.{DOMAIN}\nfrom=Alice <{}>\ndefault=INBOX\ncopy-to=Sent\narchive=Archive\n",
            home.alice.app_password, home.alice.address
        ),
    )?;
    let mut aerc = Terminal::start(&machine, "aerc")?;
    aerc.wait_for("daikon")?;
    // The folders of the account are in its side bar.
    aerc.press(":search -b parsnip\r")?;
    aerc.wait_for("cauliflower")?;
    aerc.press(":next-result\r")?;
    aerc.press(":read\r")?;
    aerc.press(":flag -t -x Flagged\r")?;
    aerc.press(":move Archive\r")?;
    wait_for_letters(&mut imap, "Archive", &["\\Seen \\Flagged cauliflower"]).await?;
    wait_for_letters(&mut imap, "INBOX", &[" aubergines", " broccoli", " daikon"]).await?;
    // It idles, so that what comes is seen.
    append(&mut imap, 5, "endives", "five").await?;
    aerc.wait_for("endives")?;
    aerc.press(":quit\r")?;
    aerc.end()
}
