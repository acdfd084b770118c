// SPDX-License-Identifier: AGPL-3.0-or-later
//! Two homes that are friends: they find each other's keys, are sure of them, and notice when that ends.

use anyhow::{Result, ensure};
use hearth_tests::{Dns, Home, HomeBuilder};
use serde_json::Value;

use super::{json, may_do_this};

/// Two homes that find each other by DNS and trust each other's authority.
fn two_homes() -> Result<(Home, Home, Dns)> {
    let ours = HomeBuilder::default().domain("ours.test").offset(0).prepare()?;
    let theirs = HomeBuilder::default().domain("theirs.test").offset(0).prepare()?;
    let zone = |home: &Home| home.hearth(&["domain", "records", &home.domain]);
    let dns = Dns::start(&[("ours.test", zone(&ours)?), ("theirs.test", zone(&theirs)?)])?;
    for (home, other) in [(&ours, &theirs), (&theirs, &ours)] {
        home.set_env("HEARTH_DNS__SERVERS", &dns.address.to_string())?;
        home.set_env("HEARTH_FETCH__PRIVATE_NETWORKS", "127.0.0.0/8")?;
        home.set_env("HEARTH_TLS__EXTRA_ROOTS", &other.ca().display().to_string())?;
    }
    Ok((ours, theirs, dns))
}

#[tokio::test(flavor = "multi_thread")]
async fn two_homes_find_each_others_keys_and_are_sure_of_them() -> Result<()> {
    if !may_do_this() {
        return Ok(());
    }
    let (mut ours, mut theirs, _dns) = two_homes()?;
    ours.up()?;
    theirs.up()?;
    let bob = theirs.bob.address.clone();
    let find = |fresh: bool| -> Result<Value> {
        let fresh: &[&str] = if fresh { &["--fresh"] } else { &[] };
        json(&ours.hearth(&[&["key", "find", &bob, "--json"], fresh].concat())?)
    };
    ensure!(find(false)?["found"] == Value::Array(Vec::new()), "there is none yet");
    let made = json(&theirs.hearth(&["key", "generate", &bob, "--json"])?)?;

    // By the domain's own directory, and then from memory.
    let found = find(false)?;
    let best = &found["found"][0];
    ensure!(best["fingerprint"] == made["fingerprint"] && best["source"] == "wkd" && best["confidence"] == 80, "{found}");
    let again = find(false)?;
    ensure!(again["found"][0]["remembered_at"].is_i64() && again["asked"] == Value::Array(Vec::new()), "{again}");

    // Their home's word for it, once we trust their home for its domain.
    let asked = json(&ours.hearth(&["friend", "add", "theirs.test", "--json"])?)?;
    let authority = asked["fingerprint"].as_str().unwrap_or_default().to_string();
    let (wrong, ..) = ours.hearth_status(&["friend", "add", "theirs.test", "--fingerprint", &"0".repeat(40)], "")?;
    ensure!(wrong == 1, "another fingerprint than the published one");
    ours.hearth(&["friend", "add", "theirs.test", "--fingerprint", &authority])?;
    let sure = find(true)?;
    ensure!(sure["found"][0]["confidence"] == 120, "{sure}");
    let checked = ours.hearth(&["key", "log", "--home", "theirs.test"])?;
    ensure!(checked.contains("the chain holds, and its head is signed"), "{checked}");

    // Another key in its place is noticed.
    theirs.hearth(&["key", "revoke", made["fingerprint"].as_str().unwrap_or_default(), "--reason", "superseded"])?;
    theirs.hearth(&["key", "generate", &bob])?;
    let changed = find(true)?;
    ensure!(changed["changed_from"]["fingerprint"] == made["fingerprint"], "{changed}");

    // Over HTTP for our own people, and for nobody else.
    let client = ours.http()?;
    let url = ours.url("keys", &format!("/find/{bob}"));
    ensure!(client.get(&url).send().await?.status() == 401, "strangers look nothing up");
    let wrong = client.get(&url).basic_auth(&ours.alice.address, Some("wrong")).send().await?;
    ensure!(wrong.status() == 401);
    let told = client.get(&url).basic_auth(&ours.alice.address, Some(&ours.alice.app_password)).send().await?;
    ensure!(told.status() == 200, "{told:?}");
    let told: Value = told.json().await?;
    ensure!(told["found"][0]["fingerprint"] == changed["found"][0]["fingerprint"], "{told}");

    // A friend is asked first, and no more when the friendship ends.
    ensure!(changed["found"][0]["source"] == "friend", "{changed}");
    let friends = json(&ours.hearth(&["friend", "list", "--json"])?)?;
    ensure!(friends[0]["state"] == "paired" && friends[0]["looks_up_keys"] == false, "{friends}");
    ours.hearth(&["friend", "rights", "theirs.test", "--looks-up-keys", "on"])?;
    ours.hearth(&["friend", "end", "theirs.test"])?;
    let by_wkd = find(true)?;
    ensure!(by_wkd["found"][0]["source"] == "wkd" && by_wkd["found"][0]["confidence"] == 80, "{by_wkd}");

    // A friend whose home's certificate changes: the daily round notices, and its word counts still.
    ours.hearth(&["friend", "add", "theirs.test", "--fingerprint", &authority])?;
    let tend = || json(&ours.hearth(&["key", "tend", "--json"])?);
    ensure!(find(true)?["found"][0]["confidence"] == 120);
    theirs.hearth(&["domain", "add", "elsewhere.test"])?;
    theirs.hearth(&["key", "tend"])?;
    let tended = tend()?;
    ensure!(tended["friends_changed"] == 1 && tended["says"] == Value::Array(Vec::new()), "{tended}");
    ensure!(tend()?["friends_changed"] == 0 && find(true)?["found"][0]["confidence"] == 120, "nothing new, and still trusted");

    // With the right to look up, it is asked for somebody of another domain too: what it has heard is believed a little.
    let carol = "carol@elsewhere.test";
    theirs.hearth_with_input(&["account", "add", carol, "--password-stdin"], "correct horse battery staple 42\n")?;
    let hers = json(&theirs.hearth(&["key", "generate", carol, "--json"])?)?;
    let find_carol = || json(&ours.hearth(&["key", "find", carol, "--fresh", "--json"])?);
    let asked_alone = find_carol()?;
    ensure!(
        asked_alone["found"] == Value::Array(Vec::new()) && !asked_alone["asked"].to_string().contains("friend"),
        "{asked_alone}"
    );
    ours.hearth(&["friend", "rights", "theirs.test", "--looks-up-keys", "on"])?;
    let by_friend = find_carol()?;
    let best = &by_friend["found"][0];
    ensure!(
        best["fingerprint"] == hers["fingerprint"]
            && best["source"] == "friend"
            && best["via"] == "theirs.test"
            && best["confidence"] == 40,
        "{by_friend}"
    );
    let successor = a_home_ends_its_certificate(&ours, &theirs, &authority).await?;
    the_successors_are_believed(&ours, &theirs, &authority, &successor)?;
    a_home_closes_and_opens_again(&ours, &theirs, &successor)
}

/// By which way their bob is found now, and how sure that makes us.
fn how_sure(ours: &Home, theirs: &Home) -> Result<(String, i64)> {
    let found = json(&ours.hearth(&["key", "find", &theirs.bob.address, "--fresh", "--json"])?)?;
    let best = &found["found"][0];
    Ok((best["source"].as_str().unwrap_or_default().to_string(), best["confidence"].as_i64().unwrap_or(0)))
}

fn tend(home: &Home) -> Result<Value> {
    json(&home.hearth(&["key", "tend", "--json"])?)
}

/// Another takes its place; its friend notices, and what the old one certified is no longer sure. The successor.
async fn a_home_ends_its_certificate(ours: &Home, theirs: &Home, authority: &str) -> Result<String> {
    ensure!(how_sure(ours, theirs)? == ("friend".to_string(), 120));
    let ended = json(&theirs.hearth(&["key", "revoke", "--house", "--reason", "compromised", "--message", "stolen", "--json"])?)?;
    let successor = ended["successor"].as_str().unwrap_or_default().to_string();
    ensure!(ended["fingerprint"] == authority && successor.len() == 40 && successor != authority, "{ended}");
    ensure!(ended["certified"].as_u64() >= Some(2), "its people are certified anew: {ended}");

    // It is served by fingerprint; the directory of its address has the next one.
    let lookup = theirs.url("keys", &format!("/pks/lookup?op=index&options=mr&search=0x{authority}"));
    let index = theirs.http()?.get(lookup).send().await?.text().await?;
    ensure!(index.lines().any(|line| line.starts_with("pub:") && line.ends_with(":r")), "{index}");
    let shown = json(&theirs.hearth(&["key", "show", "openpgp-ca@theirs.test", "--json"])?)?;
    ensure!(shown["fingerprint"] == successor.as_str() && shown["revoked"] == false, "{shown}");

    // The friend's home notices on its round, and wants a comparison before anything is believed again.
    let tended = tend(ours)?;
    ensure!(tended["friends_changed"] == 1 && tended["says"].to_string().contains("ended the certificate of its home"), "{tended}");
    ensure!(how_sure(ours, theirs)? == ("wkd".to_string(), 80));
    let friends = json(&ours.hearth(&["friend", "list", "--json"])?)?;
    ensure!(friends[0]["state"] == "suspended", "{friends}");
    Ok(successor)
}

/// Theirs once it was compared, and ours, which goes on believing the same friends.
fn the_successors_are_believed(ours: &Home, theirs: &Home, authority: &str, successor: &str) -> Result<()> {
    ours.hearth(&["friend", "add", "theirs.test", "--fingerprint", successor])?;
    ensure!(how_sure(ours, theirs)? == ("friend".to_string(), 120));
    for (home, how) in [(ours, ["--home", "theirs.test"].as_slice()), (theirs, &["--verify"])] {
        let checked = home.hearth(&[&["key", "log"], how].concat())?;
        ensure!(checked.contains("the chain holds, and its head is signed"), "{checked}");
    }
    let log = theirs.hearth(&["key", "log"])?;
    let has = |what: &str, fingerprint: &str| log.lines().any(|line| line.contains(what) && line.contains(fingerprint));
    ensure!(has("revoked", authority) && has("published", successor), "{log}");

    ours.hearth(&["key", "revoke", "--house", "--reason", "superseded"])?;
    ensure!(how_sure(ours, theirs)? == ("friend".to_string(), 120));
    Ok(())
}

/// A home that closes has no certificate, until somebody opens it again.
fn a_home_closes_and_opens_again(ours: &Home, theirs: &Home, authority: &str) -> Result<()> {
    theirs.hearth(&["key", "revoke", "--house", "--reason", "retired"])?;
    ensure!(tend(theirs)?["fingerprint"].is_null());
    let shown = json(&theirs.hearth(&["key", "show", authority, "--json"])?)?;
    ensure!(shown["revoked"] == true, "{shown}");
    ensure!(tend(ours)?["says"].to_string().contains("ended the certificate of its home"));
    let (refused, ..) = ours.hearth_status(&["friend", "add", "theirs.test"], "")?;
    ensure!(refused == 1, "there is none to compare");
    let again = json(&theirs.hearth(&["key", "generate", "--house", "--json"])?)?;
    ensure!(tend(theirs)?["fingerprint"] == again["fingerprint"] && again["fingerprint"] != authority, "{again}");
    let (refused, ..) = theirs.hearth_status(&["key", "generate", "--house"], "")?;
    ensure!(refused == 1, "there is one already");
    Ok(())
}
