// SPDX-License-Identifier: AGPL-3.0-or-later
//! `hearth demo`: a home to play with.

use std::path::Path;

use anyhow::{Context, ensure};
use hearth_boot::Config;
use hearth_identity::Directory;
use hearth_identity::Services;
use hearth_identity::directory::{Account, Kind, NewAccount};
use hearth_types::{Address, Secret};

use super::doctor;
use crate::gate::{OpenGate, refused};
use crate::init::{self, Found, Settings};
use crate::out::Out;
use crate::place::{self, chosen};
use crate::{prompt, sample, supervisor};

const DOMAIN: &str = "home.localhost";
const DEFAULT_DIR: &str = "hearth-demo";
const PORT_OFFSET: u16 = 10_000;
/// alice comes last: when she is there, everything is.
const PEOPLE: [(&str, &str); 2] = [("bob", "Bob"), ("alice", "Alice")];

/// Somebody's secrets, shown once.
struct Shown {
    address: Address,
    password: Secret<String>,
    app_password: Secret<String>,
}

/// Runs it until it is asked to stop, or with `set_up_only` until it is set up.
pub async fn run(dir: Option<&Path>, set_up_only: bool, out: &Out) -> anyhow::Result<()> {
    let dir = chosen(Some(dir.unwrap_or(Path::new(DEFAULT_DIR))))?;
    if set_up_only {
        out.line(&set_up(&dir).await?);
        return Ok(());
    }
    if init::look(&dir)? == Found::Nothing {
        out.progress(&format!("setting up {}", dir.display()));
    }
    let welcome = set_up_apart(&dir).await?;
    supervisor::supervise(&Config::load(&dir)?, async || {
        out.line(&welcome);
        out.line("hearth: ready");
        Ok(())
    })
    .await
}

/// Sets up in a process of its own, which takes with it the memory that making keys and databases needed.
async fn set_up_apart(dir: &Path) -> anyhow::Result<String> {
    let own = std::env::current_exe().context("cannot find my own program file")?;
    let made = tokio::process::Command::new(own).args(["demo", "--set-up-only", "--dir"]).arg(dir).output().await?;
    let says = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    ensure!(made.status.success(), "{}", says(&made.stderr).trim_start_matches("hearth: "));
    Ok(says(&made.stdout))
}

/// Makes what is not there yet; gives the words of welcome.
async fn set_up(dir: &Path) -> anyhow::Result<String> {
    let config = match init::look(dir)? {
        Found::Home => Config::load(dir)?,
        Found::Nothing => init::create(dir, &settings()).await?,
    };
    // Before anybody is made: passwords are shown once, and a start that fails would swallow them.
    doctor::ports_are_free(&config)?;
    let shown = people(&config).await?;
    Ok(welcome(&config, &shown))
}

fn settings() -> Settings {
    Settings {
        domain: DOMAIN.to_owned(),
        addresses: vec![std::net::Ipv4Addr::LOCALHOST.into()],
        port_offset: PORT_OFFSET,
        ..Settings::default()
    }
}

/// Makes the people who are not there yet; what is returned has been made just now.
async fn people(config: &Config) -> anyhow::Result<Vec<Shown>> {
    let directory = place::directory(config).await?;
    let alice = Address::parse(&format!("alice@{}", config.domain()))?;
    if directory.find_account_by_address(&alice).await?.is_some() {
        return Ok(Vec::new());
    }
    let gate = OpenGate::open(config).await?;
    let made = make(config, &directory, &gate).await;
    gate.close().await;
    made
}

async fn make(config: &Config, directory: &Directory, gate: &OpenGate) -> anyhow::Result<Vec<Shown>> {
    let mut shown = Vec::new();
    for (local, name) in PEOPLE {
        let address = Address::parse(&format!("{local}@{}", config.domain()))?;
        let account = person(directory, &address, name, local == "alice").await?;
        let password = prompt::generate()?;
        gate.gate().set_password(account.id, Some(&password)).await.map_err(refused)?;
        let (_, app_password) = gate.gate().add_app_password(account.id, "demo", Services::mail(), None).await.map_err(refused)?;
        shown.push(Shown { address, password, app_password });
    }
    shown.reverse();
    if let [alice, bob] = shown.as_slice() {
        let account = place::account(directory, &alice.address.to_string()).await?;
        sample::deliver(config, account.id, &bob.address, &alice.address).await?;
    }
    Ok(shown)
}

async fn person(directory: &Directory, address: &Address, name: &str, admin: bool) -> anyhow::Result<Account> {
    if let Some(account) = directory.find_account_by_address(address).await? {
        return Ok(account);
    }
    let new = NewAccount { address: address.clone(), kind: Kind::Person, name: name.to_owned(), admin };
    Ok(directory.add_account(new).await?)
}

fn welcome(config: &Config, shown: &[Shown]) -> String {
    let dir = config.dir.display();
    let domain = config.domain();
    let host = config.local_address(993).ip();
    let mut lines = format!("\nA home for {domain} is running in {dir}.\n\n");
    if shown.is_empty() {
        lines.push_str(&format!(
            "  passwords    shown when the home was made, and stored nowhere. New ones:\n\
             \x20              hearth app-password add alice@{domain} --label NEW --dir {dir}\n\
             \x20              hearth account set-password alice@{domain} --dir {dir}\n"
        ));
    }
    for person in shown {
        lines.push_str(&format!(
            "  {}   password {}   app password {}\n",
            person.address,
            person.password.expose(),
            person.app_password.expose()
        ));
    }
    lines.push_str(&format!(
        "\n  mail program   incoming IMAP {host} port {}, outgoing SMTP {host} port {}, both TLS; user name: the address;\n\
         \x20                password: the app password; certificate authority: {dir}/tls/ca.pem\n\
         \x20 sign-in page   {}\n\n\
         One command to try for each:\n",
        config.port(993),
        config.port(465),
        config.https_url(&format!("id.{domain}"), "/account"),
    ));
    let (user, shell_dir) =
        (shown.first().map_or_else(|| "APP-PASSWORD".to_owned(), |alice| alice.app_password.expose().clone()), dir.to_string());
    lines.push_str(&format!(
        "  mail    curl -sS --cacert {shell_dir}/tls/ca.pem --user 'alice@{domain}:{user}' --resolve mail.{domain}:{}:{host} 'imaps://mail.{domain}:{}/INBOX;MAILINDEX=1'\n",
        config.port(993),
        config.port(993),
    ));
    lines.push_str(&format!(
        "  login   curl -sS --cacert {shell_dir}/tls/ca.pem --resolve id.{domain}:{}:{host} {}\n",
        config.port(443),
        config.https_url(&format!("id.{domain}"), "/.well-known/openid-configuration"),
    ));
    lines.push_str(&format!("  keys    hearth key generate alice@{domain} --dir {shell_dir}\n\nStop it with Ctrl-C.\n"));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config::from_text(Path::new("/tmp/demo"), &settings().to_toml(), []).unwrap()
    }

    #[test]
    fn the_first_start_shows_everything_a_mail_program_needs() {
        let shown = vec![Shown {
            address: Address::parse("alice@home.localhost").unwrap(),
            password: Secret::new("human".into()),
            app_password: Secret::new("machine".into()),
        }];
        let text = welcome(&config(), &shown);
        for part in [
            "password human",
            "app password machine",
            "port 10993",
            "port 10465",
            "https://id.home.localhost:10443/account",
            "tls/ca.pem",
            "hearth key generate",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn the_second_start_says_how_to_make_new_passwords() {
        assert!(welcome(&config(), &[]).contains("hearth app-password add alice@home.localhost --label NEW"));
    }
}
