// SPDX-License-Identifier: AGPL-3.0-or-later
//! `hearth doctor`: what is wrong, in plain words, with the one next step.
//!
//! Each check is one function that returns its findings; none changes anything.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use hearth_boot::Config;
use hearth_boot::config::Engine;
use hearth_smtp::queue::QueuedMail;
use hearth_types::{Clock, Timestamp};
use serde_json::{Value, json};

use hearth_net::records::State;

use super::domain;
use super::{queue, status};
use crate::init::certificate;
use crate::limits::{CERTIFICATE_RENEW_DAYS, DISK_FREE_BYTES_MIN, INDEX_LAG_MAX, INDEXES_LOOKED_AT_MAX, QUEUE_AGE};
use crate::out::Out;
use crate::place::{Place, directory};
use crate::supervisor::{PROCESSES, lock};

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    check: &'static str,
    ok: bool,
    says: String,
    /// The next step; empty when there is none to take.
    step: String,
}

impl Finding {
    fn fine(check: &'static str, says: impl Into<String>) -> Self {
        Self { check, ok: true, says: says.into(), step: String::new() }
    }

    fn wrong(check: &'static str, says: impl Into<String>, step: impl Into<String>) -> Self {
        Self { check, ok: false, says: says.into(), step: step.into() }
    }
}

/// Runs it. It finds fault with the home and not with the command line: the exit status is 0 when it could look.
pub async fn run(dir: Option<&Path>, out: &Out) -> anyhow::Result<()> {
    // A command line without a directory is the person's to correct.
    crate::place::chosen(dir)?;
    let findings = match Place::load(dir) {
        Err(error) => {
            vec![Finding::wrong("configuration", error.to_string(), "correct what the line says and run hearth doctor again")]
        }
        Ok(place) => look(&place.config).await,
    };
    if out.is_json() {
        let rows: Vec<Value> = findings
            .iter()
            .map(|finding| json!({ "check": finding.check, "ok": finding.ok, "says": finding.says, "do": finding.step }))
            .collect();
        out.result(&Value::from(rows), "");
        return Ok(());
    }
    let mut lines = String::new();
    for finding in &findings {
        lines.push_str(&format!("{:4} {:14} {}\n", if finding.ok { "ok" } else { "BAD" }, finding.check, finding.says));
        if !finding.step.is_empty() {
            lines.push_str(&format!("     {:14} do: {}\n", "", finding.step));
        }
    }
    let wrong = findings.iter().filter(|finding| !finding.ok).count();
    lines.push_str(&if wrong == 0 {
        "Nothing is wrong.".to_owned()
    } else {
        format!("{wrong} of {} checks found something.", findings.len())
    });
    out.line(&lines);
    Ok(())
}

async fn look(config: &Config) -> Vec<Finding> {
    let mut findings = vec![Finding::fine("configuration", format!("{} is understood", config.path("hearth.toml").display()))];
    let running = lock::holder(config).is_some();
    findings.push(permissions(config));
    findings.extend(certificates(config));
    findings.push(clock(config));
    findings.push(disk(config));
    findings.push(databases(config).await);
    findings.push(admin(config).await);
    findings.push(rules(config).await);
    findings.push(processes(config, running));
    findings.push(ports(config, running).await);
    findings.push(text_index(config).await);
    findings.push(queue_age(config).await);
    findings.push(dns(config).await);
    findings
}

/// Keys are for their owner alone, and everything belongs to who asks.
fn permissions(config: &Config) -> Finding {
    let mut secrets: Vec<PathBuf> =
        vec![config.path("tls/ca.key"), config.path("tls/node.key"), config.path("vault.db"), config.path("hearth.toml")];
    if let Ok(domains) = fs::read_dir(config.path("dkim")) {
        for domain in domains.flatten() {
            secrets.extend(["rsa.key", "ed25519.key"].map(|name| domain.path().join(name)));
        }
    }
    let owner = fs::metadata(&config.dir).map(|facts| facts.uid()).ok();
    for path in secrets {
        let Ok(facts) = fs::metadata(&path) else { continue };
        if facts.permissions().mode() & 0o077 != 0 {
            return Finding::wrong(
                "permissions",
                format!("{} can be read by others", path.display()),
                format!("chmod 600 {}", path.display()),
            );
        }
        if Some(facts.uid()) != owner {
            let says = format!("{} does not belong to the owner of {}", path.display(), config.dir.display());
            return Finding::wrong("permissions", says, format!("chown --reference={} {}", config.dir.display(), path.display()));
        }
    }
    Finding::fine("permissions", "keys can be read by their owner alone")
}

fn certificates(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.push(match certificate::facts(&config.path("tls/ca.pem")) {
        Ok(facts) if facts.days_left > 90 => {
            Finding::fine("authority", format!("the node's authority is good for {} days", facts.days_left))
        }
        Ok(facts) => Finding::wrong(
            "authority",
            format!("the node's authority ends in {} days", facts.days_left),
            "make a new home and move the mail, or ask for help",
        ),
        Err(error) => Finding::wrong("authority", format!("{error:#}"), "put tls/ca.pem back from a backup"),
    });
    findings.push(match certificate::facts(&config.path("tls/node.pem")) {
        Err(error) => Finding::wrong("certificate", format!("{error:#}"), "put tls/node.pem back from a backup"),
        Ok(facts) => certificate(config, &facts),
    });
    findings
}

fn certificate(config: &Config, facts: &certificate::Facts) -> Finding {
    let missing: Vec<String> = config.names(config.domain()).into_iter().filter(|name| !facts.names.contains(name)).collect();
    if !missing.is_empty() {
        let says = format!("the certificate does not name {}", missing.join(" "));
        return Finding::wrong("certificate", says, "set home.domain and home.hostname in hearth.toml back to what they were");
    }
    if facts.days_left <= CERTIFICATE_RENEW_DAYS {
        let says = format!("the certificate ends in {} days", facts.days_left);
        return Finding::wrong("certificate", says, "start the node again; it renews it then");
    }
    Finding::fine("certificate", format!("good for {} days", facts.days_left))
}

/// A clock that is behind breaks certificates and logins.
fn clock(config: &Config) -> Finding {
    let now = Clock::system().now();
    let written = fs::metadata(config.path("tls/node.pem")).map(|facts| Timestamp::from_secs(facts.mtime()));
    match written {
        Ok(written) if written > now => {
            Finding::wrong("clock", "the clock is behind: the certificate was written in its future", "timedatectl set-ntp true")
        }
        _ => Finding::fine("clock", "the clock goes forward"),
    }
}

fn disk(config: &Config) -> Finding {
    match rustix::fs::statvfs(&config.dir) {
        Ok(facts) => {
            let free = facts.f_bavail.saturating_mul(facts.f_frsize);
            let says = format!("{} MB are free", free / 1_000_000);
            if free < DISK_FREE_BYTES_MIN {
                Finding::wrong("disk", says, "free some space; mail is refused when there is none")
            } else {
                Finding::fine("disk", says)
            }
        }
        Err(error) => Finding::wrong("disk", format!("the disk cannot be asked: {error}"), "look at the machine's log"),
    }
}

async fn databases(config: &Config) -> Finding {
    let opened = match directory(config).await {
        Ok(opened) => opened,
        Err(error) => return Finding::wrong("databases", format!("{error:#}"), "do what the line says, or restore a backup"),
    };
    if config.store.engine == Engine::Postgres {
        return Finding::fine("databases", "the PostgreSQL server answers");
    }
    match opened.database().check().await {
        Ok(None) => Finding::fine("databases", "the directory of people is sound"),
        Ok(Some(says)) => {
            Finding::wrong("databases", format!("identity.db is damaged: {says}"), "stop the node and restore a backup")
        }
        Err(error) => {
            Finding::wrong("databases", format!("identity.db cannot be checked: {error}"), "stop the node and restore a backup")
        }
    }
}

/// Somebody must look after the home, and have what is written to postmaster@ (RFC 5321 §4.5.1).
async fn admin(config: &Config) -> Finding {
    let found = async {
        let directory = directory(config).await?;
        let caretaker = directory.find_caretaker().await?;
        Ok::<_, anyhow::Error>(match caretaker {
            Some(id) => directory.find_account(id).await?.map(|account| (account.primary.to_string(), account.admin)),
            None => None,
        })
    };
    match found.await {
        Ok(caretaker) => caretaker_is(caretaker, config.domain()),
        Err(error) => Finding::wrong("admin", format!("{error:#}"), "do what the line says, or restore a backup"),
    }
}

/// What the household asks of those who sign in can be read.
async fn rules(config: &Config) -> Finding {
    let found = async { Ok::<_, anyhow::Error>(directory(config).await?.find_rules().await?) };
    match found.await {
        Ok(Some(_)) => Finding::fine("rules", "who signs in with two factors is known"),
        Ok(None) => Finding::wrong(
            "rules",
            "the rules for signing in cannot be read: everybody is asked for two factors",
            "look at them on the page /admin/rules and save them anew",
        ),
        Err(error) => Finding::wrong("rules", format!("{error:#}"), "do what the line says, or restore a backup"),
    }
}

fn caretaker_is(caretaker: Option<(String, bool)>, domain: &str) -> Finding {
    let step = format!("hearth account add NAME@{domain} --admin");
    match caretaker {
        Some((address, true)) => Finding::fine("admin", format!("{address} has the mail to postmaster@ and abuse@")),
        Some((address, false)) => {
            Finding::wrong("admin", format!("this home has no admin: {address} has the mail to postmaster@ and abuse@"), step)
        }
        None => Finding::wrong("admin", "nobody lives here: mail to postmaster@ and abuse@ is put off, reports are kept", step),
    }
}

/// How far the text index is behind the mail. A search catches up first, so that it finds all; it only takes longer.
async fn text_index(config: &Config) -> Finding {
    match index_lags(config).await {
        Ok(lags) => lag(&lags),
        Err(error) => Finding::wrong("search", format!("{error:#}"), "do what the line says, or restore a backup"),
    }
}

async fn index_lags(config: &Config) -> anyhow::Result<Vec<(String, u64)>> {
    let people = directory(config).await?.list_accounts().await?;
    let store = crate::place::mail(config).await?;
    let mut lags = Vec::new();
    for person in people.iter().take(INDEXES_LOOKED_AT_MAX) {
        lags.push((person.primary.to_string(), store.index_lag(person.id).await?));
    }
    store.close().await?;
    Ok(lags)
}

fn lag(lags: &[(String, u64)]) -> Finding {
    let all: u64 = lags.iter().map(|(_, lag)| lag).sum();
    match lags.iter().max_by_key(|(_, lag)| *lag) {
        Some((address, lag)) if *lag > INDEX_LAG_MAX => Finding::wrong(
            "search",
            format!("{lag} mails of {address} wait for the text index"),
            "look whether the node runs and the disk has room; the next search puts them in",
        ),
        _ => Finding::fine("search", format!("{all} mails wait for the text index")),
    }
}

/// Mail that waits long says that the world does not take it.
async fn queue_age(config: &Config) -> Finding {
    let mails = match queue::open(config).await {
        Ok(queue) => queue.list().await.map_err(anyhow::Error::from),
        Err(error) => Err(error),
    };
    match mails {
        Ok(mails) => old_mail(&mails, Clock::system().now()),
        Err(error) => Finding::wrong("queue", format!("{error:#}"), "do what the line says, or restore a backup"),
    }
}

fn old_mail(mails: &[QueuedMail], now: Timestamp) -> Finding {
    match mails.iter().find(|mail| now.since(mail.created_at) > QUEUE_AGE) {
        None => Finding::fine("queue", format!("{} mails wait, none for long", mails.len())),
        Some(mail) => {
            let hours = now.since(mail.created_at).as_secs() / 3600;
            Finding::wrong("queue", format!("a mail has waited for {hours} hours"), format!("hearth queue show {}", mail.id))
        }
    }
}

fn processes(config: &Config, running: bool) -> Finding {
    if !running {
        return Finding::wrong("processes", "the node is not running", format!("hearth up --dir {}", config.dir.display()));
    }
    let dead: Vec<&str> = PROCESSES.iter().copied().filter(|name| !alive(config, name)).collect();
    match dead.as_slice() {
        [] => Finding::fine("processes", format!("all {} are running", PROCESSES.len())),
        dead => Finding::wrong(
            "processes",
            format!("not running: {}", dead.join(" ")),
            "look at the log for the line that says why; it is started again by itself",
        ),
    }
}

fn alive(config: &Config, name: &str) -> bool {
    fs::read_to_string(config.run_path(&format!("{name}.pid"))).is_ok_and(|pid| Path::new("/proc").join(pid.trim()).exists())
}

async fn ports(config: &Config, running: bool) -> Finding {
    if running {
        let silent: Vec<String> = status::ports(config)
            .await
            .iter()
            .filter(|row| row["answers"] != true)
            .map(|row| format!("{} ({})", row["service"].as_str().unwrap_or_default(), row["address"].as_str().unwrap_or_default()))
            .collect();
        return match silent.as_slice() {
            [] => Finding::fine("ports", "every port answers"),
            silent => Finding::wrong(
                "ports",
                format!("no answer from {}", silent.join(", ")),
                "look at the log; a firewall on this machine may be in the way",
            ),
        };
    }
    first_taken(config).unwrap_or_else(|| Finding::fine("ports", "every port is free"))
}

/// Whether a node could bind its ports now; the error says what to do.
pub(super) fn ports_are_free(config: &Config) -> anyhow::Result<()> {
    match first_taken(config) {
        Some(finding) if lock::holder(config).is_none() => anyhow::bail!("{}; {}", finding.says, finding.step),
        _ => Ok(()),
    }
}

fn first_taken(config: &Config) -> Option<Finding> {
    status::services(config).flat_map(|(_, standard)| config.addresses(standard)).find_map(taken)
}

fn taken(address: SocketAddr) -> Option<Finding> {
    match TcpListener::bind(address) {
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Some(Finding::wrong(
            "ports",
            format!("port {} on {} is in use by another program", address.port(), address.ip()),
            "stop that program, or choose another listen.port_offset in hearth.toml",
        )),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Some(Finding::wrong(
            "ports",
            format!("port {} needs a right that this user does not have", address.port()),
            "start as root with process.user set, or set listen.port_offset in hearth.toml",
        )),
        _ => None,
    }
}

async fn dns(config: &Config) -> Finding {
    let name = config.domain();
    if name == "localhost" || name.ends_with(".localhost") {
        return Finding::fine("dns", format!("{name} is for this machine alone and needs no DNS"));
    }
    let checked = match domain::check(config, name).await {
        Ok(checked) => checked,
        Err(error) => {
            return Finding::wrong("dns", format!("{error:#}"), "correct dns.servers in hearth.toml, or the machine's network");
        }
    };
    let wrong = |needed: bool| checked.iter().filter(move |(record, state)| record.needed == needed && *state != State::Right);
    let missing: Vec<String> = wrong(true).map(|(record, _)| format!("{} {}", record.name, record.type_name)).collect();
    let step = format!("hearth domain check {name}");
    if !missing.is_empty() {
        return Finding::wrong("dns", format!("not published as it should be: {}", missing.join(", ")), step);
    }
    match wrong(false).count() {
        0 => Finding::fine("dns", "everything is published"),
        count => Finding { step, ..Finding::fine("dns", format!("what is needed is published; {count} useful records are not")) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(dir: &Path) -> Config {
        let text = "[home]\ndomain = \"home.localhost\"\n[listen]\naddresses = [\"127.0.0.1\"]\n";
        Config::from_text(dir, text, []).unwrap()
    }

    #[test]
    fn an_index_far_behind_is_a_fault() {
        let of = |lag: u64| super::lag(&[("a@x".into(), 0), ("b@x".into(), lag)]);
        assert!(of(INDEX_LAG_MAX).ok && of(7).says.starts_with("7 mails"));
        assert!(!of(INDEX_LAG_MAX + 1).ok && of(INDEX_LAG_MAX + 1).says.contains("b@x"));
        assert!(super::lag(&[]).ok);
    }

    #[tokio::test]
    async fn rules_that_cannot_be_read_are_found() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path());
        assert!(rules(&config).await.ok);
        directory(&config).await.unwrap().change_setting("oauth.policy", "{\"two_factor_groups\": 7}").await.unwrap();
        assert!(!rules(&config).await.ok);
    }

    #[tokio::test]
    async fn a_home_without_an_admin_is_told_who_has_its_mail() {
        let led = |admin| caretaker_is(Some(("a@x".to_owned(), admin)), "x");
        assert!(led(true).ok && !led(false).ok && led(false).says.contains("a@x has the mail to postmaster@"));
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path());
        let empty = admin(&config).await;
        assert!(!empty.ok && empty.step == "hearth account add NAME@home.localhost --admin", "{empty:?}");
    }

    #[test]
    fn a_key_that_others_may_read_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path());
        fs::create_dir(dir.path().join("tls")).unwrap();
        let key = dir.path().join("tls/node.key");
        fs::write(&key, "secret").unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(permissions(&config).ok);
        fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
        let finding = permissions(&config);
        assert!(!finding.ok && finding.step.starts_with("chmod 600 "), "{finding:?}");
    }

    #[test]
    fn a_certificate_that_ends_soon_or_lacks_a_name_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path());
        let names = config.names(config.domain());
        let facts = |names: &[String], days_left| certificate::Facts { names: names.to_vec(), days_left, key_hash: Vec::new() };
        assert!(certificate(&config, &facts(&names, CERTIFICATE_RENEW_DAYS + 1)).ok);
        assert!(!certificate(&config, &facts(&names, CERTIFICATE_RENEW_DAYS)).ok);
        assert!(!certificate(&config, &facts(&names[1..], 300)).ok);
    }

    #[test]
    fn a_mail_that_waits_longer_than_the_bound_is_found() {
        let now = Timestamp::from_secs(1_000_000);
        let mail = |age| QueuedMail {
            id: hearth_types::id::Id::from_i64(1),
            sender: String::new(),
            size_bytes: 1,
            created_at: now.before(age),
            expires_at: now,
            recipients: Vec::new(),
        };
        assert!(old_mail(&[mail(QUEUE_AGE)], now).ok);
        assert!(!old_mail(&[mail(QUEUE_AGE + std::time::Duration::from_millis(1))], now).ok);
    }

    #[test]
    fn a_port_of_ldap_that_another_program_has_is_found() {
        let held = TcpListener::bind(("127.0.0.86", 0)).unwrap();
        let offset = held.local_addr().unwrap().port() - 636;
        let dir = tempfile::tempdir().unwrap();
        let found = |more: &str| {
            let text = format!(
                "[home]\ndomain = \"home.localhost\"\n[listen]\naddresses = [\"127.0.0.86\"]\nport_offset = {offset}\n{more}"
            );
            first_taken(&Config::from_text(dir.path(), &text, []).unwrap())
        };
        let finding = found("[ldap]\nenabled = true\n").unwrap();
        assert!(!finding.ok && finding.says.contains(&held.local_addr().unwrap().port().to_string()), "{finding:?}");
        let port = held.local_addr().unwrap().port().to_string();
        assert!(found("").is_none_or(|finding| !finding.says.contains(&port)), "a home without LDAP has no use for it");
    }

    #[tokio::test]
    async fn a_home_that_is_down_is_told_how_to_start() {
        let dir = tempfile::tempdir().unwrap();
        let finding = processes(&config(dir.path()), false);
        assert!(!finding.ok && finding.step.starts_with("hearth up --dir "));
        assert!(dns(&config(dir.path())).await.ok, "localhost needs no DNS");
    }
}
