// SPDX-License-Identifier: AGPL-3.0-or-later
//! Login, as other people's programs do it: openid-client asks, a browser fills the pages in, jose
//! verifies, and curl opens the mailbox with the token.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use hearth_tests::{Home, Imap, Visitor, between, missing, run, stranger};
use serde_json::Value;

/// Where `tests/run` puts the packages of `login/package-lock.json`.
fn packages() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/interop/login")
}

/// A script finds packages beside itself.
fn script(name: &str) -> Result<PathBuf> {
    let folder = packages();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("interop/login").join(name);
    let (fresh, place) = (folder.join(format!("{}.{name}", std::process::id())), folder.join(name));
    std::fs::copy(&source, &fresh).with_context(|| format!("{}", source.display()))?;
    std::fs::rename(&fresh, &place)?;
    Ok(place)
}

/// Are the browser and the packages there? `tests/run` sees to it.
fn no_browser() -> bool {
    if missing(&["node", "chromium"]) {
        return true;
    }
    let installed = packages().join("node_modules/openid-client").is_dir();
    assert!(installed || std::env::var("HEARTH_TEST_STRANGERS").as_deref() != Ok("all"), "npm packages are not installed");
    !installed
}

/// Where the pictures of the pages are kept, for whoever wants to look at them after the run.
fn shots() -> Result<PathBuf> {
    let folder = match std::env::var_os("HEARTH_TEST_SHOTS") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/shots"),
    };
    std::fs::create_dir_all(&folder).with_context(|| format!("{}", folder.display()))?;
    Ok(folder)
}

fn text<'v>(value: &'v Value, path: &str) -> &'v str {
    value.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

#[test]
fn openid_client_and_a_browser() -> Result<()> {
    if no_browser() {
        return Ok(());
    }
    let home = Home::start()?;
    let add = ["client", "add", "Holiday photos", "--redirect-uri", "http://127.0.0.1/callback"];
    let scopes = ["openid", "email", "profile", "offline_access", "mail"].into_iter().flat_map(|scope| ["--scope", scope]);
    let added = home.hearth(&add.into_iter().chain(scopes).chain(["--json"]).collect::<Vec<_>>())?;
    let client: Value = serde_json::from_str(&added)?;
    let mut login = Command::new("node");
    login
        .arg(script("login.mjs")?)
        .env("ISSUER", home.url("id", ""))
        .env("ADDRESS", home.address.to_string())
        .env("CLIENT_ID", text(&client, "/client_id"))
        .env("CLIENT_SECRET", text(&client, "/client_secret"))
        .env("PERSON", &home.alice.address)
        .env("PASSWORD", &home.alice.password)
        .env("NODE_EXTRA_CA_CERTS", home.ca());
    login.env("SHOTS", shots()?);
    let ran = run(&mut login)?;
    let came: Value = serde_json::from_slice(&ran.stdout).with_context(|| ran.text.clone())?;

    assert_eq!(text(&came, "/iss"), home.url("id", ""), "RFC 9207");
    assert_eq!(text(&came, "/algorithm"), "RS256");
    assert_eq!(text(&came, "/claims/sub"), text(&came, "/person/sub"));
    assert_eq!(text(&came, "/person/email"), home.alice.address);
    assert_eq!(text(&came, "/person/preferred_username"), "alice");
    assert_eq!(came["claims"]["amr"], serde_json::json!(["pwd"]));
    assert_eq!(text(&came, "/scope"), "openid email profile offline_access mail");
    assert_eq!((came["rotated"].as_bool(), came["active"].as_bool()), (Some(true), Some(true)));
    assert!(text(&came, "/alert").contains("do not go together"), "{came}");
    for said in ["Holiday photos", "See your mail address", "Read, change and send all your mail", &home.alice.address] {
        assert!(text(&came, "/asked").contains(said), "{said}: {came}");
    }
    for said in ["Holiday photos", "Thunderbird on the laptop", "(this one)"] {
        assert!(text(&came, "/account").contains(said), "{said}: {came}");
    }
    assert!(!text(&came, "/afterwards").contains("Holiday photos"), "{came}");
    assert_eq!(text(&came, "/ended"), "invalid_grant");
    assert_eq!(text(&came, "/signed_out"), "You are signed out");
    // The first two are the sign-ins that were refused on purpose.
    let refused = came["refused"].as_array().context("refused")?;
    assert!(refused.iter().all(|line| !line.as_str().unwrap_or_default().contains("Content Security Policy")), "{refused:?}");
    opens_mail(&home, text(&came, "/app_password"))
}

#[test]
fn a_passkey_in_a_browser() -> Result<()> {
    if no_browser() {
        return Ok(());
    }
    let home = Home::start()?;
    let mut passkey = Command::new("node");
    passkey
        .arg(script("passkey.mjs")?)
        .env("ISSUER", home.url("id", ""))
        .env("ADDRESS", home.address.to_string())
        .env("PERSON", &home.alice.address)
        .env("PASSWORD", &home.alice.password);
    passkey.env("SHOTS", shots()?);
    let ran = run(&mut passkey)?;
    let came: Value = serde_json::from_slice(&ran.stdout).with_context(|| ran.text.clone())?;
    assert_eq!((came["codes"].as_u64(), &came["resident"]), (Some(10), &serde_json::json!([true])), "{came}");
    assert!(text(&came, "/listed").contains("The virtual phone"), "{came}");
    assert_eq!((text(&came, "/by_button"), text(&came, "/by_itself")), ("Your account", "Your account"), "{came}");
    assert_eq!(text(&came, "/second"), "One more step");
    assert!(!text(&came, "/afterwards").contains("The virtual phone"), "{came}");
    let refused = came["refused"].as_array().context("refused")?;
    assert!(refused.iter().all(|line| !line.as_str().unwrap_or_default().contains("Content Security Policy")), "{refused:?}");
    Ok(())
}

#[test]
fn every_page_is_read_by_everybody() -> Result<()> {
    if no_browser() {
        return Ok(());
    }
    let home = Home::start()?;
    let add = [
        "client",
        "add",
        "Holiday photos",
        "--redirect-uri",
        "http://127.0.0.1/callback",
        "--public",
        "--scope",
        "openid",
        "--scope",
        "mail",
        "--json",
    ];
    let client: Value = serde_json::from_str(&home.hearth(&add)?)?;
    let carol = format!("carol@{}", home.domain);
    home.hearth_with_input(&["account", "add", &carol, "--admin", "--password-stdin", "--json"], &home.alice.password)?;
    home.hearth(&["group", "add", &format!("family@{}", home.domain), &home.alice.address])?;
    let link: Value = serde_json::from_str(&home.hearth(&["account", "link", &home.bob.address, "--json"])?)?;
    let welcome = text(&link, "/link").strip_prefix(home.url("id", "").as_str()).context("a link of ours")?.to_string();
    let authorize = format!(
        "/authorize?client_id={}&redirect_uri=http://127.0.0.1/callback&response_type=code&scope=openid+mail\
         &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256",
        text(&client, "/client_id")
    );
    let mut pages = Command::new("node");
    pages
        .arg(script("pages.mjs")?)
        .env("ISSUER", home.url("id", ""))
        .env("ADDRESS", home.address.to_string())
        .env("PERSON", &carol)
        .env("PASSWORD", &home.alice.password)
        .env("WELCOME", welcome)
        .env("AUTHORIZE", authorize);
    pages.env("SHOTS", shots()?);
    let ran = run(&mut pages)?;
    let came: Value = serde_json::from_slice(&ran.stdout).with_context(|| ran.text.clone())?;
    ensure!(came["findings"] == serde_json::json!([]), "{:#}", came["findings"]);
    ensure!(came["pages"].as_u64() >= Some(30), "{came}");
    Ok(())
}

#[tokio::test]
async fn what_is_ended_on_the_page_is_cut_within_a_second() -> Result<()> {
    let home = Home::start()?;
    let mut visitor = Visitor::sign_in(&home, &home.alice).await?;
    let page = visitor.get("/account/app-passwords/new").await?;
    let form = between(&page, "name=\"form\" value=\"", "\"")?;
    let shown = visitor.post("/account/app-passwords/new", &[("form", form), ("label", "Phone")]).await?;
    let password = between(&shown, "id=\"app-password\">", "<")?;
    let mut imap = Imap::sign_in(&home, &home.alice.address, password).await?;
    imap.ok("SELECT INBOX").await?;
    imap.send("i1 IDLE").await?;
    while !imap.line().await?.starts_with('+') {}
    let account = visitor.get("/account").await?;
    let row = between(&account, "<strong>Phone</strong>", "</form>")?;
    let (form, id) = (between(row, "name=\"form\" value=\"", "\"")?, between(row, "name=\"id\" value=\"", "\"")?);
    visitor.post("/account/app-passwords/end", &[("form", form), ("id", id)]).await?;
    let begun = std::time::Instant::now();
    let mut said = imap.line().await?;
    while !said.starts_with("* BYE") {
        said = imap.line().await?;
    }
    // A second is what we promise; a busy machine is given some more.
    ensure!(begun.elapsed() < std::time::Duration::from_secs(5), "cut after {:?}", begun.elapsed());
    ensure!(Imap::sign_in(&home, &home.alice.address, password).await.is_err(), "it opens mail again");
    Ok(())
}

/// The app password that the page showed is one.
fn opens_mail(home: &Home, app_password: &str) -> Result<()> {
    let user = format!("{}:{app_password}", home.alice.address);
    run(imap(home).args(["--user", &user]))?;
    Ok(())
}

fn imap(home: &Home) -> Command {
    let host = format!("mail.{}", home.domain);
    let mut curl = stranger("curl");
    curl.args(["--silent", "--show-error", "--max-time", "20", "--cacert"]).arg(home.ca());
    curl.args(["--resolve", &format!("{host}:{}:{}", home.port(993), home.address)]);
    curl.arg(format!("imaps://{host}:{}/", home.port(993)));
    curl
}

#[tokio::test]
async fn a_token_opens_the_mailbox() -> Result<()> {
    if missing(&["curl"]) {
        return Ok(());
    }
    let home = Home::start()?;
    let token = home.access_token(&home.alice).await?;
    let other = home.tokens(&home.alice, "openid email").await?;
    let other = text(&other, "/access_token").to_string();
    for mechanism in ["XOAUTH2", "OAUTHBEARER"] {
        let login = |token: &str, user: &str| {
            let mut curl = imap(&home);
            curl.args(["--login-options", &format!("AUTH={mechanism}"), "--oauth2-bearer", token, "--user", &format!("{user}:")]);
            run(&mut curl)
        };
        login(&token, &home.alice.address).with_context(|| mechanism.to_string())?;
        ensure!(login(&other, &home.alice.address).is_err(), "{mechanism}: a token without the scope opens mail");
        ensure!(login("nonsense", &home.alice.address).is_err(), "{mechanism}: any token opens mail");
        ensure!(login(&token, &home.bob.address).is_err(), "{mechanism}: a token opens another's mail");
    }
    Ok(())
}
