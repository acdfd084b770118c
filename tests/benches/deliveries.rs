// SPDX-License-Identifier: AGPL-3.0-or-later
//! Deliveries per second with all checks on: signed mails of 10 KB from a stranger, over a DNS server of this program, into
//! a home of its own; the processor time and the syncs that each costs the server. `tests/benches/deliveries` runs it.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use hearth_smtp::submission::sign::{Keys, Signer};
use hearth_tests::{Dns, Home, HomeBuilder, run};
use hearth_types::Domain;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

const DOMAIN: &str = "stranger.example";
const SIZE_BYTES: usize = 10_000;
const PEOPLE: usize = 50;
/// Different mails, signed before anything is measured.
const MAILS: usize = 200;

/// Whose mailboxes a mail goes to.
#[derive(Clone, Copy)]
enum Spread {
    /// All mails to one person.
    One,
    /// Each mail to one of fifty.
    Among,
    /// Each mail to all fifty.
    All,
}

impl Spread {
    const fn name(self) -> &'static str {
        match self {
            Self::One => "1 mailbox",
            Self::Among => "one of 50 mailboxes",
            Self::All => "all of 50 mailboxes",
        }
    }

    fn recipients(self, number: usize, people: &[String]) -> Vec<&str> {
        match self {
            Self::One => people.first().map(String::as_str).into_iter().collect(),
            Self::Among => people.get(number % people.len()).map(String::as_str).into_iter().collect(),
            Self::All => people.iter().map(String::as_str).collect(),
        }
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let messages: usize = std::env::args().nth(1).map_or(Ok(2_000), |count| count.parse())?;
    let folder = tempfile::tempdir()?;
    let record = make_key(folder.path())?;
    let pieces: Vec<String> =
        record.as_bytes().chunks(200).map(|piece| format!("\"{}\"", String::from_utf8_lossy(piece))).collect();
    let zone = format!(
        "@ 60 IN MX 10 mx.{DOMAIN}.\n@ 60 IN A 127.0.0.1\nmx 60 IN A 127.0.0.1\n@ 60 IN TXT \"v=spf1 ip4:127.0.0.0/8 -all\"\n\
         _dmarc 60 IN TXT \"v=DMARC1; p=reject\"\nrsa._domainkey 60 IN TXT {}\n",
        pieces.join(" ")
    );
    let dns = Dns::start(&[(DOMAIN, zone)])?;
    // No limits by address, network and sender: all the load comes from one of each.
    let home = HomeBuilder::default()
        .dns(dns.address)
        .env("HEARTH_SMTP__PACE_PERCENT", "1000000")
        .env("HEARTH_SMTP__FIRST_SENDER_DELAY_SECONDS", "0")
        .env("HEARTH_LIMITS__CONNECTIONS_PER_ADDRESS_MAX", "100000")
        .start()?;
    let mut people = vec![home.alice.address.clone(), home.bob.address.clone()];
    for number in people.len()..PEOPLE {
        people.push(home.add_person(&format!("u{number}"), "correct horse battery staple")?.address);
    }
    let keys = Signer::new(folder.path()).keys_of(&Domain::parse(DOMAIN)?).await.context("keys")?;
    let load = Load { at: home.at(25), mails: Arc::new(sign(&keys)?), people: Arc::new(people) };
    load.run(1, 20, Spread::All).await?;
    let out = &mut std::io::stdout();
    writeln!(out, "| sessions | to | mails/s | copies/s | processor ms per mail | syncs per mail |\n|---|---|---|---|---|---|")?;
    for spread in [Spread::One, Spread::Among, Spread::All] {
        for sessions in [1, 10, 50] {
            let count = if matches!(spread, Spread::All) { messages / 10 } else { messages };
            let before = processor(&home)?;
            let took = load.run(sessions, count, spread).await?;
            let cpu = processor(&home)?.saturating_sub(before);
            let rate = count as f64 / took.as_secs_f64();
            let copies = spread.recipients(0, &load.people).len() as f64;
            let syncs = syncs(&home, &load, sessions, count / 10, spread).await?;
            writeln!(
                out,
                "| {sessions} | {} | {rate:.0} | {:.0} | {:.2} | {} |",
                spread.name(),
                rate * copies,
                cpu.as_secs_f64() * 1e3 / count as f64,
                syncs.map_or_else(|| "-".to_string(), |syncs| format!("{syncs:.2}")),
            )?;
        }
    }
    Ok(())
}

/// An RSA key where a [`Signer`] finds it; its record.
fn make_key(folder: &Path) -> Result<String> {
    let dir = folder.join(DOMAIN);
    fs::create_dir_all(&dir)?;
    let (private, public) = (dir.join("rsa.key"), dir.join("public.der"));
    let mut make = Command::new("openssl");
    make.args(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out"]).arg(&private);
    run(&mut make)?;
    let mut show = Command::new("openssl");
    show.args(["pkey", "-pubout", "-outform", "DER", "-in"]).arg(&private).arg("-out").arg(&public);
    run(&mut show)?;
    Ok(format!("v=DKIM1; k=rsa; p={}", base64::prelude::BASE64_STANDARD.encode(fs::read(public)?)))
}

fn sign(keys: &Keys) -> Result<Vec<Vec<u8>>> {
    let mut mails = Vec::with_capacity(MAILS);
    for number in 0..MAILS {
        let mut mail = format!(
            "From: Ann <a@{DOMAIN}>\r\nTo: you:;\r\nSubject: Letter {number}\r\nDate: Mon, 23 Nov 2026 01:00:00 +0000\r\n\
             Message-ID: <{number}@{DOMAIN}>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
        );
        let mut word = number as u64 + 1;
        while mail.len() < SIZE_BYTES {
            for _ in 0..10 {
                word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                mail.push_str(&format!("word{} ", (word >> 33) % 3_000));
            }
            mail.push_str("\r\n");
        }
        let signature = keys.sign(&mail.as_bytes().into())?;
        mails.push([signature.as_bytes(), mail.as_bytes(), b".\r\n"].concat());
    }
    Ok(mails)
}

/// What is sent, to whom.
#[derive(Clone)]
struct Load {
    at: SocketAddr,
    mails: Arc<Vec<Vec<u8>>>,
    people: Arc<Vec<String>>,
}

impl Load {
    /// Sends so many mails over so many sessions at once; how long that took.
    async fn run(&self, sessions: usize, count: usize, spread: Spread) -> Result<Duration> {
        let (begun, next) = (Instant::now(), Arc::new(AtomicUsize::new(0)));
        let running: Vec<_> = (0..sessions)
            .map(|_| {
                let (load, next) = (self.clone(), Arc::clone(&next));
                tokio::spawn(async move { load.session(&next, count, spread).await })
            })
            .collect();
        for session in running {
            session.await??;
        }
        Ok(begun.elapsed())
    }

    async fn session(&self, next: &AtomicUsize, count: usize, spread: Spread) -> Result<()> {
        let mut stream = BufReader::new(TcpStream::connect(self.at).await?);
        stream.get_ref().set_nodelay(true)?;
        reply(&mut stream, "220").await?;
        stream.write_all(format!("EHLO mx.{DOMAIN}\r\n").as_bytes()).await?;
        reply(&mut stream, "250").await?;
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return Ok(());
            }
            let recipients = spread.recipients(number, &self.people);
            let mut envelope = format!("MAIL FROM:<a@{DOMAIN}>\r\n");
            recipients.iter().for_each(|to| envelope.push_str(&format!("RCPT TO:<{to}>\r\n")));
            envelope.push_str("DATA\r\n");
            stream.write_all(envelope.as_bytes()).await?;
            for _ in 0..=recipients.len() {
                reply(&mut stream, "250").await?;
            }
            reply(&mut stream, "354").await?;
            let mail = self.mails.get(number % self.mails.len()).context("a mail")?;
            stream.write_all(mail).await?;
            reply(&mut stream, "250").await?;
        }
    }
}

async fn reply(stream: &mut BufReader<TcpStream>, code: &str) -> Result<()> {
    loop {
        let mut line = String::new();
        ensure!(stream.read_line(&mut line).await? > 0, "cut off");
        if line.get(3..4) != Some("-") {
            ensure!(line.starts_with(code), "{line}");
            return Ok(());
        }
    }
}

fn pid(home: &Home) -> Result<String> {
    Ok(fs::read_to_string(home.dir.join("run/smtp.pid"))?.trim().to_string())
}

/// What the server has taken of the processor; its ticks are hundredths of a second.
fn processor(home: &Home) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid(home)?))?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|ticks| ticks.parse::<u64>().ok()).context("ticks");
    Ok(Duration::from_millis((ticks(11)? + ticks(12)?) * 10))
}

/// Syncs for each mail, counted by strace in a run of its own; `None` without strace.
async fn syncs(home: &Home, load: &Load, sessions: usize, count: usize, spread: Spread) -> Result<Option<f64>> {
    let trace = home.dir.join("run/syncs.trace");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-e", "trace=fsync,fdatasync", "-e", "signal=none", "-o"]).arg(&trace).args(["-p", &pid(home)?]);
    let Ok(mut strace) = strace.stdout(Stdio::null()).stderr(Stdio::null()).spawn() else { return Ok(None) };
    tokio::time::sleep(Duration::from_secs(1)).await;
    load.run(sessions, count.max(1), spread).await?;
    run(Command::new("kill").args(["-INT", &strace.id().to_string()]))?;
    strace.wait()?;
    let calls = fs::read_to_string(&trace)?.lines().filter(|line| !line.contains("resumed")).count();
    Ok(Some(calls as f64 / count.max(1) as f64))
}
