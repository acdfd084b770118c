// SPDX-License-Identifier: AGPL-3.0-or-later
//! Mail into a home: from Postfix, through judges of Debian's (rspamd, opendkim), and while the server is killed.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use hearth_tests::{Home, HomeBuilder, Imap, Running, missing, rspamd, run, stranger, wait_for};

/// Deliveries of the test that kills.
const DELIVERIES: usize = 1_000;
const SENDERS: usize = 4;
/// Fewer prove little.
const KILLS_MIN: usize = 5;
/// More would only meet the supervisor's longer waits.
const KILLS_MAX: usize = 8;

/// A conversation over which one mail goes; any end but a whole reply is an error.
struct Smtp(BufReader<TcpStream>);

impl Smtp {
    fn open(at: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(at)?;
        stream.set_read_timeout(Some(Duration::from_secs(120)))?;
        let mut smtp = Self(BufReader::new(stream));
        smtp.expect("220")?;
        smtp.say("EHLO mx.stranger.example\r\n", "250")?;
        Ok(smtp)
    }

    fn say(&mut self, command: &str, code: &str) -> Result<()> {
        self.0.get_mut().write_all(command.as_bytes())?;
        self.expect(code)
    }

    fn expect(&mut self, code: &str) -> Result<()> {
        loop {
            let mut line = String::new();
            ensure!(self.0.read_line(&mut line)? > 0 && line.ends_with("\r\n"), "cut off");
            if line.get(3..4) == Some("-") {
                continue;
            }
            ensure!(line.starts_with(code), "{line}");
            return Ok(());
        }
    }

    fn send(&mut self, to: &str, subject: &str, body: &str) -> Result<()> {
        self.say("MAIL FROM:<a@stranger.example>\r\n", "250")?;
        self.say(&format!("RCPT TO:<{to}>\r\n"), "250")?;
        self.say("DATA\r\n", "354")?;
        self.say(&format!("From: a@stranger.example\r\nSubject: {subject}\r\n\r\n{body}\r\n.\r\n"), "250")
    }
}

/// Chance that needs no crate: the low bits of the clock, stirred.
fn chance(below: u64) -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |time| time.as_nanos() as u64);
    ((now ^ (now >> 17)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33) % below.max(1)
}

/// How often each subject is in the INBOX.
async fn subjects(home: &Home) -> Result<HashMap<String, usize>> {
    let mut imap = Imap::sign_in(home, &home.alice.address, &home.alice.app_password).await?;
    imap.ok("SELECT INBOX").await?;
    let mut count = HashMap::new();
    for line in imap.ok("FETCH 1:* (BODY.PEEK[HEADER.FIELDS (SUBJECT)])").await? {
        if let Some(subject) = line.split("Subject: ").nth(1).and_then(|rest| rest.split("\r\n").next()) {
            *count.entry(subject.to_string()).or_default() += 1;
        }
    }
    Ok(count)
}

/// 250 means on disk: the server is killed at random points of a thousand deliveries, and each that was acknowledged is
/// there, once; what was not acknowledged is there once or not at all.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_deliveries_and_kills() -> Result<()> {
    let home = HomeBuilder::default().env("HEARTH_SMTP__TRUSTED_NETWORKS", "127.0.0.0/8").start()?;
    let (sent, killed, done) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
    let (to, at) = (home.alice.address.clone(), home.at(25));
    let (mut acknowledged, mut tried) = (Vec::new(), 0);
    let goes_on = || sent.load(Ordering::SeqCst) < DELIVERIES || killed.load(Ordering::SeqCst) < KILLS_MIN;
    let begun = Instant::now();
    std::thread::scope(|scope| -> Result<()> {
        let senders: Vec<_> = (0..SENDERS)
            .map(|sender| {
                let (to, sent, goes_on) = (&to, &sent, &goes_on);
                scope.spawn(move || {
                    let (mut acknowledged, mut number, mut open) = (Vec::new(), 0, None);
                    // A mail that was not acknowledged is given up and the next one is tried: so a second copy is no retry.
                    while goes_on() && begun.elapsed() < Duration::from_secs(240) {
                        let Some(smtp) = open.as_mut() else {
                            open = Smtp::open(at).ok();
                            std::thread::sleep(Duration::from_millis(5));
                            continue;
                        };
                        number += 1;
                        let subject = format!("n{sender}-{number}");
                        // Of many sizes; the largest lie in files beside the database.
                        let body = "x".repeat(60).repeat(1 + number % 50);
                        match Smtp::send(smtp, to, &subject, &body) {
                            Ok(()) => {
                                sent.fetch_add(1, Ordering::SeqCst);
                                acknowledged.push(subject);
                            }
                            Err(_) => open = None,
                        }
                    }
                    (acknowledged, number)
                })
            })
            .collect();
        let killer = scope.spawn(|| {
            while !done.load(Ordering::SeqCst) && killed.load(Ordering::SeqCst) < KILLS_MAX {
                std::thread::sleep(Duration::from_millis(150 + chance(900)));
                let Ok(pid) = fs::read_to_string(home.dir.join("run/smtp.pid")) else { continue };
                if TcpStream::connect(at).is_ok() && !done.load(Ordering::SeqCst) {
                    let status = Command::new("kill").args(["-KILL", pid.trim()]).stderr(Stdio::null()).status();
                    killed.fetch_add(usize::from(status.is_ok_and(|status| status.success())), Ordering::SeqCst);
                }
            }
        });
        for sender in senders {
            let (more, number) = sender.join().map_err(|_| anyhow::anyhow!("a sender broke"))?;
            acknowledged.extend(more);
            tried += number;
        }
        done.store(true, Ordering::SeqCst);
        killer.join().map_err(|_| anyhow::anyhow!("the killer broke"))?;
        Ok(())
    })?;
    ensure!(acknowledged.len() >= DELIVERIES, "{} of {tried} were acknowledged in {:?}", acknowledged.len(), begun.elapsed());
    let kills = killed.load(Ordering::SeqCst);
    ensure!(kills >= KILLS_MIN, "killed {kills} times");
    // The journal is replayed when the server is back.
    let back = Instant::now();
    while Smtp::open(at).is_err() {
        ensure!(back.elapsed() < Duration::from_secs(60), "smtp did not come back");
        std::thread::sleep(Duration::from_millis(100));
    }
    let there = subjects(&home).await?;
    let lost: Vec<_> = acknowledged.iter().filter(|subject| !there.contains_key(*subject)).collect();
    let doubled: Vec<_> = there.iter().filter(|(_, count)| **count > 1).collect();
    ensure!(lost.is_empty() && doubled.is_empty(), "{kills} kills, {tried} tried: lost {lost:?}, doubled {doubled:?}");
    Ok(())
}

/// swaks from outside; its transcript.
fn swaks(home: &Home, body: &str) -> Result<String> {
    let mut swaks = stranger("swaks");
    swaks.args(["--server", &home.address.to_string(), "--port", &home.port(25).to_string(), "--to", &home.alice.address]);
    swaks.args(["--from", "a@stranger.example", "--ehlo", "mx.stranger.example", "--h-Subject", "judged", "--body", body]);
    let output = swaks.output()?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

async fn in_mailbox(home: &Home, mailbox: &str) -> Result<Vec<String>> {
    let mut imap = Imap::sign_in(home, &home.alice.address, &home.alice.app_password).await?;
    let (_, selected) = imap.command(&format!("SELECT {mailbox}")).await?;
    if !selected.starts_with("OK") {
        return Ok(Vec::new());
    }
    let (mails, _) = imap.command("FETCH 1:* BODY.PEEK[]").await?;
    // What the home itself writes to its people (a password was set) is no part of this.
    let of_the_house = format!("\r\nFrom: <postmaster@{}>\r\n", home.domain);
    Ok(mails.into_iter().filter(|line| line.contains("FETCH") && !line.contains(&of_the_house)).collect())
}

const GTUBE: &str = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";

#[tokio::test(flavor = "multi_thread")]
async fn rspamd_and_opendkim_judge() -> Result<()> {
    if missing(&["swaks", "rspamd", "opendkim"]) {
        return Ok(());
    }
    let temp = tempfile::tempdir()?;
    run(stranger("chmod").arg("755").arg(temp.path()))?;
    let dns = hearth_tests::Dns::start(&[(
        "stranger.example",
        "@ 60 IN MX 10 mx.stranger.example.\n@ 60 IN TXT \"v=spf1 ip4:127.0.0.0/8 -all\"\n@ 60 IN A 127.0.0.9\nmx 60 IN A 127.0.0.9\n".into(),
    )])?;
    let folder = temp.path().join("rspamd");
    fs::create_dir(&folder)?;
    let (_rspamd, scan, milter) = rspamd(&folder, dns.address)?;
    let socket = temp.path().join("opendkim.sock");
    let log = temp.path().join("opendkim.out");
    // Nothing of the system's configuration.
    let conf = temp.path().join("opendkim.conf");
    fs::write(&conf, "AuthservID judge.example\nAlwaysAddARHeader yes\nUserID root\n")?;
    let mut opendkim = stranger("opendkim");
    opendkim.args(["-f", "-b", "v", "-x"]).arg(&conf).arg("-p").arg(format!("local:{}", socket.display()));
    let _opendkim = Running::start(&mut opendkim, &log)?;
    wait_for("opendkim", || socket.exists(), &log)?;

    for (judges, name) in [
        (format!("milter:{},milter:127.0.0.1:{milter}", socket.display()), "milters"),
        (format!("rspamd:127.0.0.1:{scan}"), "HTTP"),
    ] {
        let builder = HomeBuilder::default().dns(dns.address).env("HEARTH_SMTP__JUDGES", &judges);
        let home = builder.env("HEARTH_SMTP__JUDGES_MUST_ANSWER", "true").start()?;
        let said = swaks(&home, "hello, how are you?")?;
        ensure!(said.contains("accepted as"), "{name}: {said}\n{}", home.log());
        let [mail] = &in_mailbox(&home, "INBOX").await?[..] else { bail!("{name}: one mail\n{}", home.log()) };
        if name == "milters" {
            ensure!(mail.contains("Authentication-Results: judge.example;"), "opendkim wrote nothing: {mail}");
        } else {
            ensure!(mail.contains("X-Rspamd-Score: "), "{mail}");
        }
        let said = swaks(&home, GTUBE)?;
        let junk = in_mailbox(&home, "Junk").await?;
        ensure!(said.contains("5.7.1 Gtube pattern") || junk.len() == 1, "{name}: GTUBE was taken: {said}");
    }
    Ok(())
}

/// What a large provider writes once a day (RFC 9990).
const AGGREGATE: &str = "<?xml version=\"1.0\"?>\n<feedback><report_metadata><org_name>Big Mail</org_name><email>a@stranger.example</email>\
    <report_id>1</report_id><date_range><begin>1795000000</begin><end>1795086400</end></date_range></report_metadata>\
    <policy_published><domain>DOMAIN</domain><adkim>r</adkim><aspf>r</aspf><p>reject</p><sp>reject</sp><pct>100</pct></policy_published>\
    <record><row><source_ip>192.0.2.9</source_ip><count>3</count><policy_evaluated><disposition>none</disposition><dkim>pass</dkim>\
    <spf>pass</spf></policy_evaluated></row><identifiers><header_from>DOMAIN</header_from></identifiers>\
    <auth_results><spf><domain>DOMAIN</domain><result>pass</result></spf></auth_results></record></feedback>\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_report_of_a_stranger_is_shown() -> Result<()> {
    if missing(&["swaks", "gzip"]) {
        return Ok(());
    }
    let home = Home::start()?;
    let reports = format!("reports@{}", home.domain);
    // Whose the address is gets the mail as well.
    home.hearth(&["address", "add", &home.alice.address, &reports])?;
    let temp = tempfile::tempdir()?;
    let at = |name: &str| temp.path().join(name);
    fs::write(at("report.xml"), AGGREGATE.replace("DOMAIN", &home.domain))?;
    run(stranger("gzip").arg(at("report.xml")))?;
    let none: serde_json::Value = serde_json::from_str(&home.hearth(&["domain", "reports", &home.domain, "--json"])?)?;
    ensure!(none.as_array().is_some_and(Vec::is_empty), "{none}");
    let mut swaks = stranger("swaks");
    swaks.args(["--server", &home.address.to_string(), "--port", &home.port(25).to_string()]);
    swaks.args(["--to", &reports, "--from", "a@stranger.example", "--ehlo", "mx.stranger.example"]);
    swaks.args(["--h-Subject", &format!("Report Domain: {}", home.domain), "--attach-type", "application/gzip"]);
    swaks.args(["--attach-name", "report.xml.gz", "--attach", &format!("@{}", at("report.xml.gz").display())]);
    run(&mut swaks)?;
    let shown: serde_json::Value = serde_json::from_str(&home.hearth(&["domain", "reports", &home.domain, "--json"])?)?;
    ensure!(shown[0]["reporter"] == "Big Mail" && shown[0]["good"] == 3 && shown[1].is_null(), "{shown}\n{}", home.log());
    ensure!(shown[0]["sources"][0].to_string().contains("192.0.2.9"), "{shown}");
    let shown = home.hearth(&["domain", "reports", &home.domain])?;
    ensure!(shown.contains("Big Mail"), "{shown}");
    ensure!(in_mailbox(&home, "INBOX").await?.len() == 1, "it is not with whom the address belongs to");
    Ok(())
}

/// A Postfix of its own, whose way to everybody is this home.
struct Postfix(std::path::PathBuf);

impl Postfix {
    fn start(folder: &Path, home: &Home) -> Result<Self> {
        let of = |name: &str| folder.join(name);
        for name in ["etc", "queue", "data"] {
            fs::create_dir_all(of(name))?;
        }
        run(stranger("chown").arg("postfix").arg(of("data")))?;
        let main = format!(
            "compatibility_level = 3.6\nqueue_directory = {queue}\ndata_directory = {data}\ncommand_directory = /usr/sbin\n\
             daemon_directory = /usr/lib/postfix/sbin\nmyhostname = mx.stranger.example\nmyorigin = stranger.example\n\
             mydestination =\ninet_interfaces = loopback-only\ninet_protocols = ipv4\nmynetworks = 127.0.0.0/8\nalias_maps =\n\
             alias_database =\nrelayhost = [{host}]:{port}\nsmtp_bind_address = 127.0.0.9\nsmtp_tls_security_level = encrypt\n\
             smtp_tls_CAfile = {ca}\nsmtp_host_lookup = native\nmaillog_file = {log}\nmaillog_file_prefixes = /\n\
             smtputf8_enable = yes\nsmtp_tls_loglevel = 1\ndebug_peer_list = {host}\nminimal_backoff_time = 5s\nqueue_run_delay = 5s\n",
            queue = of("queue").display(),
            data = of("data").display(),
            host = home.address,
            port = home.port(25),
            ca = home.ca().display(),
            log = of("maillog").display(),
        );
        fs::write(of("etc/main.cf"), main)?;
        let master = "pickup unix n - n 60 1 pickup\ncleanup unix n - n - 0 cleanup\nqmgr unix n - n 300 1 qmgr\n\
            tlsmgr unix - - n 1000? 1 tlsmgr\nrewrite unix - - n - - trivial-rewrite\nbounce unix - - n - 0 bounce\n\
            defer unix - - n - 0 bounce\ntrace unix - - n - 0 bounce\nsmtp unix - - n - - smtp\nerror unix - - n - - error\n\
            retry unix - - n - - error\nproxymap unix - - n - - proxymap\nscache unix - - n - 1 scache\n\
            postlog unix-dgram n - n - 1 postlogd\n";
        fs::write(of("etc/master.cf"), master)?;
        run(stranger("postfix").arg("-c").arg(of("etc")).arg("start"))?;
        Ok(Self(folder.to_path_buf()))
    }

    fn send(&self, words: &[&str], mail: &str) -> Result<()> {
        let mut sendmail = stranger("sendmail");
        sendmail.arg("-C").arg(self.0.join("etc")).args(words).stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut child = sendmail.spawn()?;
        child.stdin.take().context("piped")?.write_all(mail.as_bytes())?;
        let output = child.wait_with_output()?;
        ensure!(output.status.success(), "sendmail: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.0.join("maillog")).unwrap_or_default()
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        let _ = stranger("postfix").arg("-c").arg(self.0.join("etc")).arg("stop").output();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postfix_sends_to_us() -> Result<()> {
    if missing(&["postfix", "sendmail", "smtp-source"]) {
        return Ok(());
    }
    let home = HomeBuilder::default().env("HEARTH_SMTP__TRUSTED_NETWORKS", "127.0.0.0/8").start()?;
    home.hearth(&["account", "show", &home.alice.address])?;
    let temp = tempfile::Builder::new().prefix("hearth-postfix-").tempdir_in("/var/tmp")?;
    run(stranger("chmod").arg("755").arg(temp.path()))?;
    let postfix = Postfix::start(temp.path(), &home)?;
    let mail = |subject: &str| {
        format!("From: Grüße <a@stranger.example>\nTo: {}\nSubject: {subject}\n\n.a dot\nand größe\n", home.alice.address)
    };
    postfix.send(&["-f", "a@stranger.example", &home.alice.address, &home.bob.address], &mail("plain"))?;
    postfix.send(&["-N", "success,failure", "-f", "a@stranger.example", &home.alice.address], &mail("asked"))?;
    // An unknown user comes back to the sender as a report of Postfix's.
    postfix.send(&["-f", "a@stranger.example", &format!("nobody@{}", home.domain)], &mail("lost"))?;
    let begun = Instant::now();
    let mails = loop {
        let mails = in_mailbox(&home, "INBOX").await?;
        if mails.len() == 2 && postfix.log().contains("status=bounced") {
            break mails;
        }
        ensure!(begun.elapsed() < Duration::from_secs(60), "{} mails; {}", mails.len(), postfix.log());
        std::thread::sleep(Duration::from_millis(200));
    };
    for mail in &mails {
        ensure!(mail.contains("SMTPS\r\n"), "TLS: {mail}");
        ensure!(mail.contains("\r\n.a dot\r\nand größe\r\n"), "{mail}");
    }
    ensure!(postfix.log().contains("550 5.1.1"), "{}", postfix.log());
    let log = postfix.log();
    // It passes on what the sender wants to hear (RFC 3461), and the report of success is ours to send.
    ensure!(log.contains("NOTIFY=SUCCESS,FAILURE"), "{log}");
    ensure!(!log.contains("sender delivery status notification"), "{log}");
    let queue = home.hearth(&["queue", "list"])?;
    ensure!(queue.contains("a@stranger.example"), "{queue}");
    // It speaks in groups (RFC 2920): DATA is on its way before the reply to MAIL is read.
    let spoken: Vec<&str> = log.lines().filter(|line| line.contains("]: > ") || line.contains("]: < ")).collect();
    let is_group =
        |lines: &[&str]| ["MAIL FROM", "RCPT TO", "DATA"].iter().zip(lines).all(|(word, line)| line.contains(&format!(": {word}")));
    ensure!(spoken.windows(3).any(is_group), "{log}");
    // An address that is not ASCII, on both sides (RFC 6531).
    let juergen = format!("jürgen@{}", home.domain);
    home.hearth(&["alias", "add", &juergen, &home.bob.address])?;
    let mail = format!("From: <grüße@stranger.example>\nTo: <{juergen}>\nSubject: schön\n\nhällo\n");
    postfix.send(&["-f", "grüße@stranger.example", &juergen], &mail)?;
    let begun = Instant::now();
    let mail = loop {
        let mut imap = Imap::sign_in(&home, &home.bob.address, &home.bob.app_password).await?;
        imap.ok("SELECT INBOX").await?;
        let (mails, _) = imap.command("FETCH 1:* BODY.PEEK[]").await?;
        if let Some(mail) = mails.into_iter().find(|mail| mail.contains("schön")) {
            break mail;
        }
        ensure!(begun.elapsed() < Duration::from_secs(60), "{}\n{}", postfix.log(), home.log());
        std::thread::sleep(Duration::from_millis(200));
    };
    ensure!(mail.contains("Return-Path: <grüße@stranger.example>\r\nDelivered-To: jürgen@"), "{mail}");
    ensure!(mail.contains("with UTF8SMTPS\r\n"), "{mail}");
    // Many at once, of 10 KiB, over ten connections.
    let at = format!("inet:{}:{}", home.address, home.port(25));
    let words = ["-s", "10", "-m", "200", "-l", "10240", "-c", "-f", "a@stranger.example", "-t", &home.bob.address, &at];
    run(stranger("smtp-source").args(words))?;
    let mut imap = Imap::sign_in(&home, &home.bob.address, &home.bob.app_password).await?;
    let status = imap.ok("STATUS INBOX (MESSAGES)").await?;
    ensure!(status.iter().any(|line| line.contains("MESSAGES 202")), "{status:?}");
    Ok(())
}
