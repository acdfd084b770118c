// SPDX-License-Identifier: AGPL-3.0-or-later
//! Debian's Thunderbird without a screen, driven over Marionette: it is set up by autoconfig, sends, receives, searches,
//! flags and moves, finds a key by WKD, and takes an add-on of ours that sets up one more account. What it does is in `thunderbird/*.js`, in its own words.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use hearth_tests::{Home, HomeBuilder, Imap, Machine, Visitor, between};
use serde_json::{Value, json};

const DOMAIN: &str = "thunder-home.test";
const STARTS_WITHIN: Duration = Duration::from_secs(60);
const ANSWERS_WITHIN: Duration = Duration::from_secs(100);

/// A running Thunderbird.
struct Thunderbird {
    child: Child,
    marionette: BufReader<TcpStream>,
    number: u32,
}

impl Thunderbird {
    fn start(machine: &Machine) -> Result<Self> {
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let settings = [
            ("marionette.port", json!(port)),
            ("app.update.enabled", json!(false)),
            ("datareporting.policy.dataSubmissionEnabled", json!(false)),
            ("datareporting.policy.dataSubmissionPolicyBypassNotification", json!(true)),
            ("mail.provider.suppress_dialog_on_startup", json!(true)),
            ("mail.spotlight.firstRunDone", json!(true)),
            ("mail.winsearch.firstRunDone", json!(true)),
            ("mail.shell.checkDefaultClient", json!(false)),
            ("mail.rights.version", json!(1)),
            ("mailnews.start_page.enabled", json!(false)),
            ("mailnews.auto_config_url", json!("")),
            ("network.captive-portal-service.enabled", json!(false)),
            ("network.connectivity-service.enabled", json!(false)),
            ("extensions.update.enabled", json!(false)),
            ("services.settings.server", json!("data:,#remote-settings-dummy/v1")),
            ("security.OCSP.enabled", json!(0)),
        ];
        let lines: String = settings.iter().map(|(name, value)| format!("user_pref(\"{name}\", {value});\n")).collect();
        machine.write_secret("profile/user.js", &lines)?;
        let line = "exec /usr/lib/thunderbird/thunderbird --headless --marionette --remote-allow-system-access --no-remote \
                    --profile profile";
        let mut command = machine.shell(line);
        command.env("MOZ_HEADLESS", "1").env("MOZ_CRASHREPORTER_DISABLE", "1");
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let begun = Instant::now();
        let stream = loop {
            match TcpStream::connect(("127.0.0.1", port)) {
                Ok(stream) => break stream,
                Err(error) => ensure!(begun.elapsed() < STARTS_WITHIN, "it does not start: {error}"),
            }
            std::thread::sleep(Duration::from_millis(100));
        };
        stream.set_read_timeout(Some(ANSWERS_WITHIN))?;
        let mut thunderbird = Self { child, marionette: BufReader::new(stream), number: 0 };
        thunderbird.read()?;
        thunderbird.command("WebDriver:NewSession", &json!({}))?;
        thunderbird.command("WebDriver:SetTimeouts", &json!({"script": 90_000}))?;
        thunderbird.command("Marionette:SetContext", &json!({"value": "chrome"}))?;
        Ok(thunderbird)
    }

    /// `length:JSON`
    fn read(&mut self) -> Result<Value> {
        let mut length = Vec::new();
        self.marionette.read_until(b':', &mut length)?;
        let length = std::str::from_utf8(&length)?.trim_end_matches(':').parse()?;
        let mut text = vec![0; length];
        self.marionette.read_exact(&mut text)?;
        Ok(serde_json::from_slice(&text)?)
    }

    fn command(&mut self, name: &str, words: &Value) -> Result<Value> {
        self.number += 1;
        let text = json!([0, self.number, name, words]).to_string();
        self.marionette.get_mut().write_all(format!("{}:{text}", text.len()).as_bytes())?;
        let answer = self.read()?;
        ensure!(answer[2].is_null(), "{name}: {}", answer[2]);
        Ok(answer[3].clone())
    }

    /// Runs a script inside; what it returns.
    fn script(&mut self, script: &str, words: &Value) -> Result<Value> {
        let body = format!(
            "const done = arguments[arguments.length - 1]; const A = arguments;\n(async () => {{\n{UNTIL}\n{script}\n}})()\
             .then(value => done({{ value }}), error => done({{ error: `${{error}} ${{error.stack}}` }}));"
        );
        let words = json!({"script": body, "args": words, "sandbox": "system", "newSandbox": false});
        let done = self.command("WebDriver:ExecuteAsyncScript", &words)?;
        ensure!(done["value"]["error"].is_null(), "{}", done["value"]["error"]);
        Ok(done["value"]["value"].clone())
    }
}

impl Drop for Thunderbird {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.command("Marionette:Quit", &json!({"flags": ["eForceQuit"]}));
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How every script waits.
const UNTIL: &str = include_str!("thunderbird/until.js");

#[tokio::test(flavor = "multi_thread")]
async fn thunderbird_is_set_up_sends_receives_searches_moves_finds_a_key_and_takes_the_add_on() -> Result<()> {
    if !Machine::is_possible(&["thunderbird"]) {
        return Ok(());
    }
    let home = HomeBuilder::default().domain(DOMAIN).offset(0).start()?;
    home.hearth(&["key", "generate", &home.bob.address])?;
    let machine = Machine::new(&home, &[])?;
    let mut thunderbird = Thunderbird::start(&machine)?;

    let pem = std::fs::read_to_string(home.ca())?;
    let authority: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let alice = &home.alice;
    let account =
        thunderbird.script(include_str!("thunderbird/account.js"), &json!([authority, alice.address, alice.app_password]))?;
    ensure!(account["incoming"].as_str().is_some_and(|said| said.starts_with(&format!("mail.{DOMAIN}:993 "))), "{account}");
    ensure!(account["outgoing"].as_str().is_some_and(|said| said.starts_with(&format!("mail.{DOMAIN}:465 "))), "{account}");

    let did = thunderbird.script(include_str!("thunderbird/mail.js"), &json!([alice.address, "a letter of mine", "parsnip"]))?;
    ensure!(did["found"] == json!(["a letter of mine"]), "{did}");
    for folder in ["Archive", "Drafts", "Sent", "Trash"] {
        ensure!(did["folders"].as_array().is_some_and(|all| all.iter().any(|name| name == folder)), "{folder}: {did}");
    }
    let mut imap = Imap::sign_in(&home, &alice.address, &alice.app_password).await?;
    for (mailbox, flags) in [("Archive", Some("\\Flagged")), ("Sent", Some("\\Seen")), ("INBOX", None)] {
        let examined = imap.ok(&format!("EXAMINE {mailbox}")).await?;
        let Some(flag) = flags else {
            ensure!(examined.iter().any(|line| line == "* 0 EXISTS"), "{mailbox}: {examined:?}");
            continue;
        };
        let told = imap.ok("FETCH 1:* (FLAGS ENVELOPE)").await?;
        ensure!(told.len() == 1 && told[0].contains("a letter of mine") && told[0].contains(flag), "{mailbox}: {told:?}");
    }
    // Every program names the mailboxes as they are: none was made twice.
    ensure!(imap.ok("LIST \"\" *").await?.len() == 6);

    let key = thunderbird.script(include_str!("thunderbird/key.js"), &json!([home.bob.address]))?;
    ensure!(key["octets"].as_u64().context("octets")? > 100, "{key}");
    ensure!(key["url"].as_str().is_some_and(|url| url.starts_with(&format!("https://openpgpkey.{DOMAIN}/"))), "{key}");
    the_add_on(&home, &machine, &mut thunderbird).await
}

/// Bob makes an app password on his page, and puts the add-on into the Thunderbird in which alice has her account already.
async fn the_add_on(home: &Home, machine: &Machine, thunderbird: &mut Thunderbird) -> Result<()> {
    let bob = &home.bob.address;
    let mut visitor = Visitor::sign_in(home, &home.bob).await?;
    let page = visitor.get("/account/app-passwords/new").await?;
    let main = between(&page, "<main", "</main>")?;
    let fields = [("form", between(main, "name=\"form\" value=\"", "\"")?), ("label", "Thunderbird"), ("for", "mail")];
    let shown = visitor.post("/account/app-passwords/new", &fields).await?;
    let main = between(&shown, "action=\"/account/app-passwords/addon\"", "</form>")?;
    let field = |name: &str| between(main, &format!("name=\"{name}\" value=\""), "\"");
    let password = field("password")?;
    let file = visitor.download("/account/app-passwords/addon", &[("form", field("form")?), ("password", password)]).await?;
    let place = machine.path("hearth.xpi");
    std::fs::write(&place, file)?;
    let letter = "Subject: for bob\r\n\r\nA letter with a parsnip.\r\n";
    let mut imap = Imap::sign_in(home, bob, &home.bob.app_password).await?;
    imap.ok(&format!("APPEND INBOX {{{}+}}\r\n{letter}", letter.len())).await?;

    let look = include_str!("thunderbird/accounts.js");
    let before = thunderbird.script(look, &json!([]))?;
    let install = json!({"path": place.display().to_string(), "temporary": false});
    thunderbird.command("Addon:Install", &install)?;
    let waiting = thunderbird.script(look, &json!([]))?;
    ensure!(waiting["settings"] == before["settings"] && waiting["addons"] == json!([format!("Hearth: {bob}")]), "{waiting}");

    let press = include_str!("thunderbird/press.js");
    let added = thunderbird.script(press, &json!(["add"]))?;
    ensure!(added["shown"].as_str().is_some_and(|text| text.contains(bob) && text.contains("port 993, TLS")), "{added}");
    ensure!(added["says"].as_str().is_some_and(|text| text.starts_with("Done")), "{added}");
    let after = thunderbird.script(look, &json!([]))?;
    let accounts = after["accounts"].as_array().context("accounts")?;
    ensure!(accounts.len() == 2 && accounts[0] == before["accounts"][0], "{after}");
    // TLS from the first octet is 3, a plain password inside of it is 3.
    let expected = [("incoming", 993), ("outgoing", 465)];
    let is_set = |(side, port)| accounts[1][side] == json!([format!("mail.{DOMAIN}"), port, 3, 3, bob]);
    ensure!(expected.into_iter().all(is_set) && accounts[1]["identity"] == json!([bob, bob]), "{after}");
    for scheme in ["imap", "smtp"] {
        let login = json!([format!("{scheme}://mail.{DOMAIN}"), bob, password]);
        ensure!(after["logins"].as_array().is_some_and(|all| all.contains(&login)), "{login} is not in {}", after["logins"]);
    }
    // Of all that was set before, nothing is set otherwise but the number of the last account.
    let settings = before["settings"].as_object().context("settings")?;
    for (name, value) in settings.iter().filter(|(name, _)| *name != "mail.account.lastKey") {
        ensure!(after["settings"][name] == *value, "{name} was {value}, and is {}", after["settings"][name]);
    }
    for login in before["logins"].as_array().context("logins")? {
        ensure!(after["logins"].as_array().is_some_and(|all| all.contains(login)), "{}", after["logins"]);
    }
    let read = thunderbird.script(include_str!("thunderbird/read.js"), &json!([bob, "for bob"]))?;
    ensure!(read.as_str().is_some_and(|text| text.contains("a parsnip")), "{read}");

    // It takes itself away; and put in again, it finds the account and adds none.
    thunderbird.script(press, &json!(["remove"]))?;
    ensure!(thunderbird.script(look, &json!([]))?["addons"] == json!([]));
    thunderbird.command("Addon:Install", &install)?;
    let again = thunderbird.script(press, &json!(["add"]))?;
    ensure!(again["says"].as_str().is_some_and(|text| text.contains("here already")), "{again}");
    let last = thunderbird.script(look, &json!([]))?;
    ensure!(last["accounts"] == after["accounts"] && last["logins"] == after["logins"], "{last}");
    Ok(())
}
