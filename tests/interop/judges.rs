// SPDX-License-Identifier: AGPL-3.0-or-later
//! Debian's judges and ours on the same mails: opendkim, opendmarc and rspamd agree with our verdicts; ClamAV refuses.
//!
//! The senders have addresses on the Internet: the test speaks as a proxy in front (PROXY protocol, version 2).

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use hearth_tests::{Dns, Home, HomeBuilder, Imap, Running, missing, own_loopback_address, rspamd, run, stranger, wait_for};
use serde_json::{Value, json};

/// The server of good.example and strict.example, the forwarder, and somebody else.
const OWN: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 10);
const FORWARDER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 20);
const STRANGER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 66);

/// Sends a mail as the server at that address would; the reply to it.
fn send(home: &Home, from: Ipv4Addr, sender: &str, mail: &str) -> Result<String> {
    let mut stream = TcpStream::connect(home.at(25))?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    header.extend(from.octets());
    header.extend([192, 0, 2, 1, 0x9c, 0x40, 0, 25]);
    stream.write_all(&header)?;
    let mut lines = BufReader::new(stream.try_clone()?);
    let mut last = String::new();
    let domain = sender.rsplit_once('@').map_or("", |(_, domain)| domain);
    for line in [
        String::new(),
        format!("EHLO mx.{domain}\r\n"),
        format!("MAIL FROM:<{sender}>\r\n"),
        format!("RCPT TO:<{}>\r\n", home.alice.address),
        "DATA\r\n".into(),
        format!("{mail}.\r\n"),
    ] {
        ensure!(last.is_empty() || last.starts_with(['2', '3']), "{last}");
        stream.write_all(line.as_bytes())?;
        loop {
            last.clear();
            ensure!(lines.read_line(&mut last)? > 0, "cut off after {line:?}");
            if last.as_bytes().get(3) != Some(&b'-') {
                break;
            }
        }
    }
    Ok(last)
}

/// What rspamd says of the mail by itself: its symbols.
fn symbols(at: u16, from: Ipv4Addr, sender: &str, mail: &str) -> Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", at))?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let domain = sender.rsplit_once('@').map_or("", |(_, domain)| domain);
    let head = format!(
        "POST /checkv2 HTTP/1.0\r\nIp: {from}\r\nHelo: mx.{domain}\r\nFrom: <{sender}>\r\nRcpt: <alice@home.test>\r\nContent-Length: {}\r\n\r\n",
        mail.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(mail.as_bytes())?;
    let mut said = String::new();
    stream.read_to_string(&mut said)?;
    Ok(said)
}

/// A program that asks the DNS server at this address, as if it were the machine's.
fn with_dns(folder: &Path, dns: SocketAddr, words: &[&str]) -> Result<Command> {
    let resolv = folder.join("resolv.conf");
    fs::write(&resolv, format!("nameserver {}\noptions timeout:2 attempts:2\n", dns.ip()))?;
    let mut command = stranger("unshare");
    command.args(["-m", "--propagation", "private", "sh", "-c"]);
    command.arg(format!("mount --bind {} /etc/resolv.conf && exec \"$@\"", resolv.display())).arg("sh").args(words);
    Ok(command)
}

/// Text through a program.
fn piped(program: &str, words: &[&str], input: &str) -> Result<String> {
    let mut child = stranger(program).args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    child.stdin.take().context("piped")?.write_all(input.as_bytes())?;
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.replace("\r\n", "\n").replace('\n', "\r\n"))
}

fn zone(server: Ipv4Addr, policy: &str, key: &str) -> String {
    let key: Vec<String> = key.as_bytes().chunks(200).map(|part| format!("\"{}\"", String::from_utf8_lossy(part))).collect();
    format!(
        "@ 60 IN MX 10 mx\nmx 60 IN A {server}\n@ 60 IN A {server}\n@ 60 IN TXT \"v=spf1 ip4:{server} -all\"\n\
         _dmarc 60 IN TXT \"v=DMARC1; p={policy}\"\nsel._domainkey 60 IN TXT \"v=DKIM1; k=rsa; p=\" {}\n",
        key.join(" ")
    )
}

/// The newest mail, wherever it is.
async fn newest(home: &Home, subject: &str) -> Result<(String, String)> {
    let mut imap = Imap::sign_in(home, &home.alice.address, &home.alice.app_password).await?;
    for mailbox in ["INBOX", "Junk"] {
        let (_, selected) = imap.command(&format!("SELECT {mailbox}")).await?;
        ensure!(selected.starts_with("OK"), "{selected}");
        let (mails, _) = imap.command("FETCH 1:* BODY.PEEK[]").await?;
        if let Some(mail) = mails.into_iter().rfind(|mail| mail.contains(&format!("Subject: {subject}\r\n"))) {
            return Ok((mailbox.to_string(), mail.replace("\r\n\t", " ").replace("\r\n ", " ")));
        }
    }
    bail!("{subject} is nowhere\n{}", home.log())
}

/// The Authentication-Results of one, unfolded.
fn results_of<'m>(mail: &'m str, who: &str) -> Vec<&'m str> {
    let start = format!("Authentication-Results: {who};");
    mail.lines().filter_map(|line| line.strip_prefix(start.as_str())).collect()
}

/// Why the mail is where it is, as the person's program hears it over JMAP.
async fn reason_over_jmap(home: &Home, subject: &str) -> Result<String> {
    let (http, alice) = (home.http()?, &home.alice);
    let sign_in = |request: reqwest::RequestBuilder| request.basic_auth(&alice.address, Some(&alice.app_password));
    let mut session = sign_in(http.get(home.url("mail", "/.well-known/jmap"))).send().await?;
    if let Some(to) = session.headers().get("location") {
        let to = to.to_str()?.to_string();
        session = sign_in(http.get(if to.starts_with('/') { home.url("mail", &to) } else { to })).send().await?;
    }
    let session: Value = session.json().await?;
    let account = session["primaryAccounts"]["urn:ietf:params:jmap:mail"].as_str().context("an account")?;
    let calls = json!({"using": ["urn:ietf:params:jmap:core", "urn:ietf:params:jmap:mail"], "methodCalls": [
        ["Email/query", {"accountId": account, "filter": {"subject": subject}}, "0"],
        ["Email/get", {"accountId": account, "#ids": {"resultOf": "0", "name": "Email/query", "path": "/ids"},
            "properties": ["header:X-Hearth-Reason:asText"]}, "1"],
    ]});
    let url = session["apiUrl"].as_str().context("an address")?;
    let answer: Value = sign_in(http.post(url)).json(&calls).send().await?.json().await?;
    let reason = answer["methodResponses"][1][1]["list"][0]["header:X-Hearth-Reason:asText"].as_str();
    Ok(reason.with_context(|| answer.to_string())?.to_string())
}

/// (what, from where, envelope sender, mail, ours, opendkim, opendmarc, rspamd's symbols, mailbox)
struct Row {
    what: &'static str,
    from: Ipv4Addr,
    sender: &'static str,
    mail: String,
    ours: &'static [&'static str],
    opendkim: &'static str,
    opendmarc: &'static str,
    rspamd: &'static [&'static str],
    mailbox: &'static str,
}

fn rows(sign: impl Fn(&str) -> Result<String>, seal: impl Fn(&str) -> Result<String>) -> Result<Vec<Row>> {
    let mail = |what: &str, domain: &str| {
        format!(
            "From: Carol <carol@{domain}>\r\nTo: alice@home.test\r\nDate: {}\r\nMessage-ID: <{what}@{domain}>\r\nSubject: {what}\r\n\r\nhello, how are you?\r\n",
            "Mon, 30 Nov 2026 12:00:00 +0000"
        )
    };
    Ok(vec![
        Row {
            what: "good",
            from: OWN,
            sender: "carol@good.example",
            mail: sign(&mail("good", "good.example"))?,
            ours: &["spf=pass", "dkim=pass", "dmarc=pass"],
            opendkim: "dkim=pass",
            opendmarc: "dmarc=pass",
            rspamd: &["R_SPF_ALLOW", "R_DKIM_ALLOW", "DMARC_POLICY_ALLOW"],
            mailbox: "INBOX",
        },
        Row {
            what: "broken",
            from: OWN,
            sender: "carol@good.example",
            mail: sign(&mail("broken", "good.example"))?.replace("hello", "jello"),
            ours: &["spf=pass", "dkim=fail", "dmarc=pass"],
            opendkim: "dkim=fail",
            opendmarc: "dmarc=pass",
            rspamd: &["R_SPF_ALLOW", "R_DKIM_REJECT", "DMARC_POLICY_ALLOW"],
            mailbox: "INBOX",
        },
        Row {
            what: "elsewhere",
            from: STRANGER,
            sender: "carol@good.example",
            mail: sign(&mail("elsewhere", "good.example"))?,
            ours: &["spf=fail", "dkim=pass", "dmarc=pass"],
            opendkim: "dkim=pass",
            opendmarc: "dmarc=pass",
            rspamd: &["R_SPF_FAIL", "R_DKIM_ALLOW", "DMARC_POLICY_ALLOW"],
            mailbox: "INBOX",
        },
        Row {
            what: "forged",
            from: STRANGER,
            sender: "carol@good.example",
            mail: mail("forged", "good.example"),
            ours: &["spf=fail", "dkim=none", "dmarc=fail"],
            opendkim: "dkim=none",
            opendmarc: "dmarc=fail",
            rspamd: &["R_SPF_FAIL", "R_DKIM_NA", "DMARC_POLICY_QUARANTINE"],
            mailbox: "Junk",
        },
        Row {
            what: "forwarded",
            from: FORWARDER,
            sender: "list@forwarder.example",
            mail: seal(&sign(&mail("forwarded", "good.example"))?)?,
            ours: &["spf=pass", "dkim=pass", "arc=pass", "dmarc=pass"],
            opendkim: "dkim=pass",
            opendmarc: "dmarc=pass",
            rspamd: &["R_SPF_ALLOW", "R_DKIM_ALLOW", "ARC_ALLOW", "DMARC_POLICY_ALLOW"],
            mailbox: "INBOX",
        },
        Row {
            what: "refused",
            from: STRANGER,
            sender: "carol@strict.example",
            mail: mail("refused", "strict.example"),
            ours: &[],
            opendkim: "",
            opendmarc: "",
            rspamd: &["R_SPF_FAIL", "R_DKIM_NA", "DMARC_POLICY_REJECT"],
            mailbox: "",
        },
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn the_judges_agree() -> Result<()> {
    if missing(&["rspamd", "opendkim", "opendmarc", "dkimsign", "arcsign", "openssl", "unshare"]) {
        return Ok(());
    }
    let temp = tempfile::tempdir()?;
    run(stranger("chmod").arg("755").arg(temp.path()))?;
    let at = |name: &str| -> PathBuf { temp.path().join(name) };
    let key = at("key.pem").display().to_string();
    run(stranger("openssl").args(["genrsa", "-traditional", "-out", &key, "2048"]))?;
    let public = run(stranger("sh").args(["-c", &format!("openssl rsa -in {key} -pubout -outform DER | base64 -w 0")]))?;
    let public = String::from_utf8(public.stdout)?;
    let dns = Dns::start_at(
        Some(SocketAddr::new(own_loopback_address(), 53)),
        &[
            ("good.example", zone(OWN, "quarantine", &public)),
            ("strict.example", zone(OWN, "reject", &public)),
            ("forwarder.example", zone(FORWARDER, "none", &public)),
        ],
    )?;
    fs::create_dir(at("rspamd"))?;
    let (_rspamd, scan, _) = rspamd(&at("rspamd"), dns.address)?;
    let (dkim, dmarc) = (at("opendkim.sock"), at("opendmarc.sock"));
    // Its own resolver would ask the root of the Internet.
    let unbound = format!(
        "server:\n do-not-query-localhost: no\n module-config: \"iterator\"\nforward-zone:\n name: \".\"\n forward-addr: {}@{}\n",
        dns.address.ip(),
        dns.address.port()
    );
    fs::write(at("unbound.conf"), unbound)?;
    let conf = format!(
        "AuthservID opendkim.test\nAlwaysAddARHeader yes\nUserID root\nResolverConfiguration {}\n",
        at("unbound.conf").display()
    );
    fs::write(at("opendkim.conf"), conf)?;
    let (conf, socket) = (at("opendkim.conf").display().to_string(), format!("local:{}", dkim.display()));
    let mut opendkim = stranger("opendkim");
    opendkim.args(["-f", "-b", "v", "-x", &conf, "-p", &socket]);
    let _opendkim = Running::start(&mut opendkim, &at("opendkim.out"))?;
    wait_for("opendkim", || dkim.exists(), &at("opendkim.out"))?;
    let conf = "AuthservID opendmarc.test\nTrustedAuthservIDs opendkim.test\nSPFSelfValidate true\nSPFIgnoreResults true\n\
        RejectFailures false\nUserID root\nPublicSuffixList /usr/share/publicsuffix/public_suffix_list.dat\n";
    fs::write(at("opendmarc.conf"), conf)?;
    let (conf, socket) = (at("opendmarc.conf").display().to_string(), format!("local:{}", dmarc.display()));
    let mut opendmarc = with_dns(temp.path(), dns.address, &["opendmarc", "-f", "-c", &conf, "-p", &socket])?;
    let _opendmarc = Running::start(&mut opendmarc, &at("opendmarc.out"))?;
    wait_for("opendmarc", || dmarc.exists(), &at("opendmarc.out"))?;
    let judges = format!("milter:{},milter:{}", dkim.display(), dmarc.display());
    let home = HomeBuilder::default().dns(dns.address).env("HEARTH_SMTP__JUDGES", &judges);
    let home = home.env("HEARTH_SMTP__JUDGES_MUST_ANSWER", "true").env("HEARTH_SMTP__PROXIES", "127.0.0.0/8").start()?;

    let sign = |mail: &str| piped("dkimsign", &["sel", "good.example", &key], mail);
    let seal = |mail: &str| {
        let found = format!(
            "Authentication-Results: forwarder.example; spf=pass smtp.mailfrom=carol@good.example; dkim=pass header.d=good.example; dmarc=pass header.from=good.example\r\n{mail}"
        );
        piped("arcsign", &["sel", "forwarder.example", &key, "forwarder.example"], &found)
    };
    let ours = format!("mail.{}", home.domain);
    for row in rows(sign, seal)? {
        let what = row.what;
        let seen = symbols(scan, row.from, row.sender, &row.mail)?;
        for symbol in row.rspamd {
            ensure!(seen.contains(&format!("\"{symbol}\"")), "{what}: rspamd does not say {symbol}: {seen}");
        }
        let reply = send(&home, row.from, row.sender, &row.mail)?;
        if row.mailbox.is_empty() {
            ensure!(reply.starts_with("550 5.7.26"), "{what}: {reply}");
            continue;
        }
        ensure!(reply.starts_with("250 2.6.0"), "{what}: {reply}\n{}", home.log());
        let (mailbox, mail) = newest(&home, what).await?;
        ensure!(mailbox == row.mailbox, "{what}: {mailbox}: {mail}");
        let reason = reason_over_jmap(&home, what).await?;
        ensure!(mail.contains(&format!("X-Hearth-Reason: {reason}\r\n")) && reason.ends_with('.'), "{what}: {reason}: {mail}");
        let [found] = results_of(&mail, &ours)[..] else { bail!("{what}: {mail}") };
        for want in row.ours {
            ensure!(found.contains(want), "{what}: {want} is not in {found}");
        }
        let said = |who: &str, want: &str| results_of(&mail, who).iter().any(|results| results.contains(want));
        ensure!(said("opendkim.test", row.opendkim), "{what}: opendkim does not say {}: {mail}", row.opendkim);
        ensure!(said("opendmarc.test", row.opendmarc), "{what}: opendmarc does not say {}: {mail}", row.opendmarc);
    }
    Ok(())
}

/// The file that every judge of viruses must know (<https://www.eicar.org/download-anti-malware-testfile/>), in two
/// pieces, so that none finds it here.
const EICAR: [&str; 2] = [r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR", "-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"];

#[tokio::test(flavor = "multi_thread")]
async fn clamav_refuses_what_it_knows() -> Result<()> {
    if missing(&["clamd", "clamav-milter"]) {
        return Ok(());
    }
    let temp = tempfile::tempdir()?;
    run(stranger("chmod").arg("755").arg(temp.path()))?;
    let at = |name: &str| -> PathBuf { temp.path().join(name) };
    fs::create_dir(at("db"))?;
    // A signature of our own is all that it knows: name, any kind of file, anywhere, these octets.
    let octets: String = EICAR.concat().bytes().map(|octet| format!("{octet:02x}")).collect();
    fs::write(at("db").join("own.ndb"), format!("Test.Eicar:0:*:{octets}\n"))?;
    let (clamd, milter) = (at("clamd.sock"), at("milter.sock"));
    let conf = format!("LocalSocket {}\nDatabaseDirectory {}\nForeground yes\nScanMail yes\n", clamd.display(), at("db").display());
    fs::write(at("clamd.conf"), conf)?;
    let conf = format!(
        "MilterSocket unix:{}\nClamdSocket unix:{}\nForeground yes\nOnInfected Reject\nRejectMsg It has %v in it\nAddHeader Replace\n",
        milter.display(),
        clamd.display()
    );
    fs::write(at("milter.conf"), conf)?;
    let _clamd = Running::start(stranger("clamd").arg("-c").arg(at("clamd.conf")), &at("clamd.out"))?;
    wait_for("clamd", || clamd.exists(), &at("clamd.out"))?;
    let _milter = Running::start(stranger("clamav-milter").arg("-c").arg(at("milter.conf")), &at("milter.out"))?;
    wait_for("clamav-milter", || milter.exists(), &at("milter.out"))?;
    let home = HomeBuilder::default().env("HEARTH_SMTP__JUDGES", &format!("milter:{}", milter.display()));
    let home = home.env("HEARTH_SMTP__JUDGES_MUST_ANSWER", "true").env("HEARTH_SMTP__PROXIES", "127.0.0.0/8").start()?;
    let mail = |subject: &str, body: &str| format!("From: a@stranger.example\r\nSubject: {subject}\r\n\r\n{body}\r\n");
    let reply = send(&home, STRANGER, "a@stranger.example", &mail("clean", "hello"))?;
    ensure!(reply.starts_with("250 2.6.0"), "{reply}\n{}", home.log());
    let (_, clean) = newest(&home, "clean").await?;
    ensure!(clean.contains("X-Virus-Status: Clean\r\n"), "{clean}");
    let reply = send(&home, STRANGER, "a@stranger.example", &mail("infected", &EICAR.concat()))?;
    ensure!(reply.starts_with("550 5.7.1 It has Test.Eicar"), "{reply}\n{}", home.log());
    ensure!(newest(&home, "infected").await.is_err());
    Ok(())
}
