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
    let add = ["client", "add", "Television", "--device", "--public", "--scope", "openid", "--scope", "mail", "--json"];
    let television: Value = serde_json::from_str(&home.hearth(&add)?)?;
    home.hearth(&["key", "generate", &carol])?;
    let mut pages = Command::new("node");
    pages
        .arg(script("pages.mjs")?)
        .env("ISSUER", home.url("id", ""))
        .env("ADDRESS", home.address.to_string())
        .env("PERSON", &carol)
        .env("PASSWORD", &home.alice.password)
        .env("KEYS", home.url("keys", ""))
        .env("CERTIFICATE", home.hearth(&["key", "export", &carol, "--armor"])?)
        .env("WELCOME", welcome)
        .env("AUTHORIZE", authorize)
        .env("DEVICE", text(&television, "/client_id"))
        .env("ALICE", &home.alice.address)
        .env("BOB", &home.bob.address)
        .env("BOB_PASSWORD", &home.bob.password)
        .env("IMAP", home.port(993).to_string())
        .env("MAIL_PASSWORD", &home.alice.app_password);
    pages.env("SHOTS", shots()?);
    let ran = run(&mut pages)?;
    let came: Value = serde_json::from_slice(&ran.stdout).with_context(|| ran.text.clone())?;
    ensure!(came["findings"] == serde_json::json!([]), "{:#}", came["findings"]);
    ensure!(came["pages"].as_u64() >= Some(54), "{came}");
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

/// GnuPG in a home of its own.
fn gpg(home: &Path, args: &[&str]) -> Command {
    let mut gpg = stranger("gpg");
    gpg.env("GNUPGHOME", home).args(["--batch", "--yes"]).args(args);
    gpg
}

fn new_gpg_home(below: &Path, name: &str) -> Result<PathBuf> {
    let home = below.join(name);
    run(stranger("mkdir").args(["-m", "700"]).arg(&home))?;
    Ok(home)
}

const PASSPHRASE: &str = "the white rabbit runs late";

/// With the passphrase of the file.
fn gpg_with_passphrase(home: &Path, args: &[&str]) -> Command {
    gpg(home, &[&["--pinentry-mode", "loopback", "--passphrase", PASSPHRASE], args].concat())
}

/// What OpenPGP.js says of a key; `tests/run` puts it where `keys/package-lock.json` says.
fn openpgp_js(published: &Path, secret: &Path) -> Result<String> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let place = here.join("../target/interop/keys/browser.mjs");
    std::fs::copy(here.join("interop/keys/browser.mjs"), &place).context("the packages of tests/interop/keys")?;
    let mut node = stranger("node");
    node.arg(place).env("PUBLISHED", published).env("SECRET", secret).env("PASSPHRASE", PASSPHRASE);
    Ok(run(&mut node)?.text)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_made_in_the_browser_and_gnupg_reads_with_it() -> Result<()> {
    if no_browser() || missing(&["gpg", "sq"]) {
        return Ok(());
    }
    let home = Home::start()?;
    let alice = &home.alice.address;
    let folder = tempfile::Builder::new().prefix("browser-key").tempdir()?;
    let at = |name: &str| folder.path().join(name);
    for profile in ["compatible", "modern"] {
        let mut browser = Command::new("node");
        browser
            .arg(script("key.mjs")?)
            .envs([
                ("ISSUER", home.url("id", "")),
                ("ADDRESS", home.address.to_string()),
                ("FILES", folder.path().display().to_string()),
            ])
            .envs([
                ("PERSON", alice.as_str()),
                ("PASSWORD", &home.alice.password),
                ("PROFILE", profile),
                ("PASSPHRASE", PASSPHRASE),
            ]);
        if let Some(shots) = std::env::var_os("HEARTH_TEST_SHOTS").filter(|_| profile == "compatible") {
            browser.env("SHOTS", shots);
        }
        let ran = run(&mut browser)?;
        let came: Value = serde_json::from_slice(&ran.stdout).with_context(|| ran.text.clone())?;
        ensure!(came["early"] == true && came["scripted"] == false && came["secret_was_sent"] == false, "{came}");
        ensure!(text(&came, "/unlike").contains("not the same") && text(&came, "/says").contains("It is here"), "{came}");
        let blocked = came["refused"].as_array().context("refused")?;
        ensure!(blocked.iter().all(|line| !line.as_str().unwrap_or_default().contains("Content Security Policy")), "{came}");

        // The home has what it was brought, and not the secret half of the one from the browser.
        let listed: Value = serde_json::from_str(&home.hearth(&["key", "list", alice, "--json"])?)?;
        let fingerprint = text(&came, "/name").rsplit('-').next().unwrap_or_default().trim_end_matches(".asc").to_string();
        let of_browser = listed.as_array().context("a list")?.iter().find(|one| one["fingerprint"] == fingerprint.as_str());
        let of_browser = of_browser.with_context(|| format!("{fingerprint} is not in {listed}"))?;
        ensure!(of_browser["secret"] == false, "{of_browser}");
        home.hearth(&["key", "publish", &fingerprint])?;
        let published = home.http()?.get(home.url("keys", &format!("/vks/v1/by-email/{alice}"))).send().await?.bytes().await?;
        std::fs::write(at("published.asc"), &published)?;
        let version = if profile == "modern" { 6 } else { 4 };
        ensure!(openpgp_js(&at("published.asc"), &at("browser.asc"))?.contains(&format!("version {version}: only for Alice")));
        if version == 6 {
            // Neither GnuPG nor Debian's Sequoia knows this version. Ours takes the file, and its passphrase opens it.
            home.hearth(&["key", "import", alice, &at("browser.asc").display().to_string()])?;
            let extend = ["key", "extend", fingerprint.as_str(), "--passphrase-stdin"];
            ensure!(home.hearth_with_input(&extend, "another one").is_err());
            home.hearth_with_input(&extend, PASSPHRASE)?;
            continue;
        }

        // A friend finds it and seals a mail to it; the owner opens it with the file.
        let (friend, owner) = (new_gpg_home(folder.path(), "friend")?, new_gpg_home(folder.path(), "owner")?);
        run(gpg(&friend, &["--import"]).arg(at("published.asc")))?;
        std::fs::write(at("text"), "only for Alice")?;
        run(gpg(&friend, &["--trust-model", "always", "--recipient", alice, "--output"])
            .arg(at("sealed"))
            .arg("--encrypt")
            .arg(at("text")))?;
        run(gpg_with_passphrase(&owner, &["--import"]).arg(at("browser.asc")))?;
        ensure!(run(gpg_with_passphrase(&owner, &["--decrypt"]).arg(at("sealed")))?.stdout == b"only for Alice");
        run(gpg_with_passphrase(&owner, &["--output"]).arg(at("signed")).arg("--sign").arg(at("text")))?;
        ensure!(run(gpg(&friend, &["--verify"]).arg(at("signed")))?.text.contains("Good signature"));
        let inspected = run(stranger("sq").arg("inspect").arg(at("published.asc")))?.text;
        ensure!(inspected.contains(&fingerprint) && !inspected.to_lowercase().contains("invalid"), "{inspected}");
        run(stranger("sq")
            .args(["encrypt", "--recipient-cert"])
            .arg(at("published.asc"))
            .arg("-o")
            .arg(at("by-sq"))
            .arg(at("text")))?;
        ensure!(run(gpg_with_passphrase(&owner, &["--decrypt"]).arg(at("by-sq")))?.stdout == b"only for Alice");

        // The revocation of its birth came along, sealed, and ends it.
        std::fs::write(at("birth.asc"), home.hearth(&["key", "export", &fingerprint, "--revocation", "--armor"])?)?;
        run(gpg(&friend, &["--import"]).arg(at("birth.asc")))?;
        let revoked = run(&mut gpg(&friend, &["--with-colons", "--list-keys", alice]))?.text;
        ensure!(revoked.contains("pub:r:"), "{revoked}");
        // The other, from the home without a script, opens with the same passphrase.
        run(gpg_with_passphrase(&owner, &["--import"]).arg(at("home.asc")))?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_page_does_its_work_without_a_script() -> Result<()> {
    if missing(&["gpg"]) {
        return Ok(());
    }
    let home = Home::start()?;
    let alice = home.alice.address.clone();
    let folder = tempfile::Builder::new().prefix("key-page").tempdir()?;
    let at = |name: &str| folder.path().join(name);
    let owner = new_gpg_home(folder.path(), "owner")?;
    let mut visitor = Visitor::sign_in(&home, &home.alice).await?;
    let page = visitor.get("/account/key").await?;
    let form = between(&page, "name=\"form\" value=\"", "\"")?.to_string();
    let list = || -> Result<Value> { Ok(serde_json::from_str(&home.hearth(&["key", "list", &alice, "--json"])?)?) };
    let handed_out = |page: &str, name: &str| -> Result<()> {
        use base64::Engine as _;
        let file = between(page, "data:application/pgp-keys;base64,", "\"")?.replace("&#43;", "+").replace("&#61;", "=");
        Ok(std::fs::write(at(name), base64::prelude::BASE64_STANDARD.decode(file)?)?)
    };

    // Made on the node, handed out once, sealed here too.
    let new = [("form", form.as_str()), ("new-passphrase", PASSPHRASE), ("again", PASSPHRASE)];
    let made =
        visitor.post("/account/key", &[&new[..], &[("do", "make"), ("profile", "compatible"), ("keep", "yes")]].concat()).await?;
    handed_out(&made, "made.asc")?;
    run(gpg_with_passphrase(&owner, &["--import"]).arg(at("made.asc")))?;
    let key = list()?[0]["fingerprint"].as_str().unwrap_or_default().to_string();
    let of_key = |what: &'static str| vec![("form", form.as_str()), ("do", what), ("key", key.as_str())];
    // The house says soon whose it is: the page asks `hearth up` for the round.
    let begun = std::time::Instant::now();
    while !visitor.get("/account/key").await?.contains("This home certifies until") {
        ensure!(begun.elapsed() < std::time::Duration::from_secs(120), "nobody certified it");
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }

    let extended = visitor.post("/account/key", &of_key("extend")).await?;
    ensure!(extended.contains("It is good for three more years."), "{extended}");
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    let rotated = visitor.post("/account/key", &of_key("rotate")).await?;
    ensure!(rotated.contains("It has a new encryption key."), "{rotated}");
    let taken = visitor.post("/account/key", &[&of_key("take")[..], &new[1..]].concat()).await?;
    handed_out(&taken, "rotated.asc")?;
    run(gpg_with_passphrase(&owner, &["--import"]).arg(at("rotated.asc")))?;
    let secrets = run(&mut gpg(&owner, &["--with-colons", "--list-secret-keys"]))?.text;
    ensure!(secrets.lines().filter(|line| line.starts_with("ssb:")).count() == 3, "{secrets}");

    // To another device: a mail in the inbox, and the code on the page.
    let sent = visitor.post("/account/key", &of_key("send")).await?;
    let code = between(&sent, "id=\"code\">", "<")?.to_string();
    ensure!(code.len() == 44, "{code}");
    let mut imap = Imap::sign_in(&home, &alice, &home.alice.app_password).await?;
    imap.ok("SELECT INBOX").await?;
    let mail = imap.ok("UID FETCH 1:* BODY.PEEK[]").await?.join("\n");
    let message =
        mail.split("-----BEGIN PGP MESSAGE-----").nth(1).context("the mail")?.split("-----END").next().unwrap_or_default();
    std::fs::write(at("setup.asc"), format!("-----BEGIN PGP MESSAGE-----{message}-----END PGP MESSAGE-----\n"))?;
    let opened = run(gpg(&owner, &["--pinentry-mode", "loopback", "--passphrase", &code, "--decrypt"]).arg(at("setup.asc")))?;
    ensure!(opened.text.contains("BEGIN PGP PRIVATE KEY BLOCK"));

    // Hidden, shown, on paper.
    let url = home.url("keys", &format!("/vks/v1/by-email/{alice}"));
    let status = || async { anyhow::Ok(home.http()?.get(&url).send().await?.status().as_u16()) };
    visitor.post("/account/key", &of_key("hide")).await?;
    ensure!(status().await? == 404);
    visitor.post("/account/key", &of_key("show")).await?;
    ensure!(status().await? == 200);
    let sheet = visitor.get(&format!("/account/key/sheet?key={key}")).await?;
    let revocation =
        between(&sheet, "<pre class=\"code keep\" id=\"revocation\">", "</pre>")?.replace("&#61;", "=").replace("&#43;", "+");
    std::fs::write(at("sheet.asc"), revocation.clone())?;

    // Somebody else's key stays out of reach, and wrong words change nothing.
    let mut bob = Visitor::sign_in(&home, &home.bob).await?;
    let page = bob.get("/account/key").await?;
    let his = between(&page, "name=\"form\" value=\"", "\"")?.to_string();
    for what in ["extend", "rotate", "take", "send", "revoke", "remove", "hide"] {
        let fields = [("form", his.as_str()), ("do", what), ("key", key.as_str()), ("sure", "yes"), new[1], new[2]];
        let refused = bob.post("/account/key", &fields).await;
        ensure!(refused.as_ref().is_err_and(|error| error.to_string().contains("That key is not here.")), "{what}: {refused:?}");
    }
    ensure!(bob.get(&format!("/account/key/sheet?key={key}")).await.is_err());
    let twisted = [("form", form.as_str()), ("do", "make"), new[1], ("again", "something else")];
    let refused = visitor.post("/account/key", &twisted).await;
    ensure!(refused.is_err_and(|error| error.to_string().contains("are not the same")));
    let nothing = visitor.post("/account/key", &[("form", form.as_str()), ("do", "bring"), ("keytext", "hello")]).await;
    ensure!(nothing.is_err_and(|error| error.to_string().contains("There is no OpenPGP key in this")));

    // One from GnuPG, under its own passphrase: it is asked for.
    let elsewhere = new_gpg_home(folder.path(), "elsewhere")?;
    let user_id = format!("Alice <{alice}>");
    run(&mut gpg_with_passphrase(&elsewhere, &["--quick-generate-key", &user_id, "future-default", "default", "1y"]))?;
    let armored = run(&mut gpg_with_passphrase(&elsewhere, &["--armor", "--export-secret-keys"]))?.stdout;
    let armored = String::from_utf8(armored)?;
    let brought = visitor.post("/account/key", &[("form", form.as_str()), ("do", "bring"), ("keytext", &armored)]).await?;
    ensure!(brought.contains("It is here, and whoever looks for your address finds it."), "{brought}");
    let all = list()?;
    let second = all.as_array().context("a list")?.iter().find(|one| one["fingerprint"] != key.as_str()).context("the second")?;
    let second = second["fingerprint"].as_str().unwrap_or_default().to_string();
    let care = |passphrase: &'static str| {
        vec![("form", form.as_str()), ("do", "extend"), ("key", second.as_str()), ("passphrase", passphrase)]
    };
    let wrong = visitor.post("/account/key", &care("wrong")).await;
    ensure!(wrong.is_err_and(|error| error.to_string().contains("does not open")));
    ensure!(visitor.post("/account/key", &care(PASSPHRASE)).await?.contains("three more years"));

    // The paper ends the first, the page the second; it is removed, and stays for those who must learn of it.
    let ended = visitor.post("/account/key", &[("form", form.as_str()), ("do", "bring"), ("keytext", &revocation)]).await?;
    ensure!(ended.contains("It is ended for good"), "{ended}");
    let fields = [("form", form.as_str()), ("do", "revoke"), ("key", &second), ("reason", "stolen"), ("passphrase", PASSPHRASE)];
    visitor.post("/account/key", &fields).await?;
    let by_key = home.http()?.get(home.url("keys", &format!("/pks/lookup?op=index&options=mr&search=0x{second}"))).send().await?;
    let by_key = by_key.text().await?;
    ensure!(by_key.contains(":r"), "{by_key}");
    let unsure = visitor.post("/account/key", &of_key("remove")).await;
    ensure!(unsure.is_err_and(|error| error.to_string().contains("Tick the box first")));
    visitor.post("/account/key", &[&of_key("remove")[..], &[("sure", "yes")]].concat()).await?;
    ensure!(home.hearth(&["key", "export", &key, "--secret"]).is_err(), "its secret half is wiped");
    let left = home.http()?.get(home.url("keys", &format!("/pks/lookup?op=index&options=mr&search=0x{key}"))).send().await?;
    let left = left.text().await?;
    ensure!(left.contains(":r") && !left.contains("uid:"), "revoked it stays, without addresses: {left}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_house_wants_it_everybody_new_has_a_key() -> Result<()> {
    let home = Home::start()?;
    let off: Value = serde_json::from_str(&home.hearth(&["key", "at-birth", "--json"])?)?;
    ensure!(off["at_birth"].is_null() && home.hearth(&["key", "list", "--json"])?.trim() == "[]", "off at first: {off}");
    home.hearth(&["key", "at-birth", "compatible"])?;
    let carol = home.add_person("carol", "a hedgehog and a flamingo")?;
    let by_email = |address: &str| home.url("keys", &format!("/vks/v1/by-email/{address}"));
    ensure!(home.http()?.get(by_email(&carol.address)).send().await?.status() == 200);
    // Invited on the admin page too.
    let eve = hearth_tests::Person {
        address: format!("eve@{}", home.domain),
        password: "caucus race after tea".into(),
        app_password: String::new(),
    };
    home.hearth_with_input(&["account", "add", &eve.address, "--admin", "--password-stdin"], &eve.password)?;
    let mut visitor = Visitor::sign_in(&home, &eve).await?;
    let page = visitor.get("/admin/people").await?;
    let form = between(&page, "name=\"form\" value=\"", "\"")?.to_string();
    let frank = format!("frank@{}", home.domain);
    visitor.post("/admin/people", &[("form", &form), ("do", "add"), ("address", &frank), ("name", "Frank")]).await?;
    ensure!(home.http()?.get(by_email(&frank)).send().await?.status() == 200);
    Ok(())
}
