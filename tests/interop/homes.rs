// SPDX-License-Identifier: AGPL-3.0-or-later
//! Two homes on the standard ports, and DNS between them made of what `hearth domain records` prints.

use std::net::Ipv4Addr;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use hearth_tests::{Dns, Home, HomeBuilder, Imap, Person, missing, run, stranger};
use serde_json::Value;

const ARRIVES_WITHIN: Duration = Duration::from_secs(30);

/// Two homes that know each other by DNS.
fn two_homes() -> Result<(Home, Home, Dns)> {
    let ours = HomeBuilder::default().domain("ours.test").offset(0).prepare()?;
    let theirs = HomeBuilder::default().domain("theirs.test").offset(0).prepare()?;
    let zone = |home: &Home| home.hearth(&["domain", "records", &home.domain]);
    let dns = Dns::start(&[("ours.test", zone(&ours)?), ("theirs.test", zone(&theirs)?)])?;
    for home in [&ours, &theirs] {
        home.set_env("HEARTH_DNS__SERVERS", &dns.address.to_string())?;
    }
    Ok((ours, theirs, dns))
}

fn may_use_port_25() -> bool {
    let bound = std::net::TcpListener::bind((Ipv4Addr::new(127, 255, 0, 1), 25));
    bound.is_ok() || std::env::var("HEARTH_TEST_STRANGERS").as_deref() == Ok("all")
}

fn submit(home: &Home, from: &Person, to: &str, subject: &str) -> Command {
    let mut swaks = stranger("swaks");
    swaks
        .args(["--server", &home.address.to_string(), "--port", "465", "--tls-on-connect", "--auth", "PLAIN"])
        .args(["--auth-user", &from.address, "--auth-password", &from.app_password])
        .args([
            "--from",
            &from.address,
            "--to",
            to,
            "--header",
            &format!("Subject: {subject}"),
            "--body",
            "From one home to the other.",
        ]);
    swaks
}

/// The newest message in the INBOX of a person, once there are `count`.
async fn newest(home: &Home, person: &Person, count: usize) -> Result<String> {
    let begun = Instant::now();
    loop {
        let mut imap = Imap::sign_in(home, &person.address, &person.app_password).await?;
        let selected = imap.ok("SELECT INBOX").await?;
        if selected.iter().any(|line| *line == format!("* {count} EXISTS")) {
            return Ok(imap.ok(&format!("FETCH {count} BODY.PEEK[]")).await?.join("\n"));
        }
        if begun.elapsed() > ARRIVES_WITHIN {
            bail!("not {count} messages: {selected:?}\nqueue: {}", home.hearth(&["queue", "list"])?);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_between_two_homes_is_signed_and_passes() -> Result<()> {
    if missing(&["swaks"]) || !may_use_port_25() {
        return Ok(());
    }
    let (mut ours, mut theirs, _dns) = two_homes()?;
    ours.up()?;
    theirs.up()?;
    run(&mut submit(&ours, &ours.alice, &theirs.bob.address, "between homes"))?;
    let mail = newest(&theirs, &theirs.bob, 1).await?;

    let results = mail.split("Authentication-Results:").nth(1).unwrap_or_default();
    let results = results.split("\r\n").take_while(|line| line.starts_with([' ', '\t'])).collect::<Vec<_>>().join(" ");
    for expected in ["dkim=pass", "spf=pass", "dmarc=pass"] {
        ensure!(results.contains(expected), "{expected} is not in {results}\n{mail}");
    }
    // iprev is left out: a resolver answers for loopback addresses itself (RFC 6761 §6.3).
    ensure!(!["dkim", "spf", "dmarc"].iter().any(|method| results.contains(&format!("{method}=fail"))), "{results}");
    for algorithm in ["a=rsa-sha256", "a=ed25519-sha256"] {
        ensure!(mail.contains(algorithm), "{algorithm} is not in\n{mail}");
    }
    ensure!(results.matches("dkim=pass").count() == 2, "both signatures pass: {results}");
    ensure!(mail.contains("with ESMTPS"), "it came over TLS: {mail}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_waits_for_a_home_that_is_down() -> Result<()> {
    if missing(&["swaks"]) || !may_use_port_25() {
        return Ok(());
    }
    let (mut ours, mut theirs, _dns) = two_homes()?;
    ours.up()?;
    run(&mut submit(&ours, &ours.alice, &theirs.bob.address, "wait for me"))?;

    let begun = Instant::now();
    let id = loop {
        let queue: Value = serde_json::from_str(&ours.hearth(&["queue", "list", "--json"])?)?;
        let entry = queue.as_array().and_then(|entries| entries.first()).cloned().unwrap_or_default();
        if entry["recipients"][0]["attempts"].as_i64().unwrap_or(0) > 0 {
            break entry["id"].as_str().unwrap_or_default().to_string();
        }
        ensure!(begun.elapsed() < ARRIVES_WITHIN, "it was never tried: {queue}");
        std::thread::sleep(Duration::from_millis(100));
    };

    // The queue outlives the process that filled it.
    ours.down()?;
    ours.up()?;
    theirs.up()?;
    ours.hearth(&["queue", "retry", &id])?;
    let mail = newest(&theirs, &theirs.bob, 1).await?;
    ensure!(mail.contains("Subject: wait for me"), "{mail}");
    let queue: Value = serde_json::from_str(&ours.hearth(&["queue", "list", "--json"])?)?;
    ensure!(queue.as_array().is_some_and(Vec::is_empty), "delivered, and still in the queue: {queue}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_to_an_unknown_person_comes_back() -> Result<()> {
    if missing(&["swaks"]) || !may_use_port_25() {
        return Ok(());
    }
    let (mut ours, mut theirs, _dns) = two_homes()?;
    ours.up()?;
    theirs.up()?;
    run(&mut submit(&ours, &ours.alice, "nobody@theirs.test", "who are you"))?;
    let bounce = newest(&ours, &ours.alice, 1).await?;
    for expected in
        ["multipart/report", "message/delivery-status", "Final-Recipient: rfc822; nobody@theirs.test", "Action: failed", "5.1.1"]
    {
        ensure!(bounce.contains(expected), "{expected} is not in\n{bounce}");
    }
    ensure!(bounce.contains("Return-Path: <>"), "{bounce}");
    Ok(())
}
