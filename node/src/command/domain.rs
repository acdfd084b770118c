// SPDX-License-Identifier: AGPL-3.0-or-later
//! `hearth domain`: domains of this home, and what to publish in DNS for them.

use anyhow::{anyhow, bail};
use hearth_boot::Config;
use hearth_identity::Directory;
use hearth_net::dns::{Options, Resolver};
use hearth_net::records::{self, Facts, Record, State};
use hearth_types::Domain;
use serde_json::{Value, json};

use super::reports;
use crate::cli::DomainCommand;
use crate::init::{certificate, dkim};
use crate::out::Out;
use crate::place::Place;

/// Runs it.
pub async fn run(place: &Place, command: DomainCommand, out: &Out) -> anyhow::Result<()> {
    let directory = place.directory().await?;
    match command {
        DomainCommand::Add { domain } => add(place, &directory, &domain, out).await,
        DomainCommand::List => {
            let rows: Vec<Value> = directory
                .list_domains()
                .await?
                .iter()
                .map(|entry| json!({ "domain": entry.name.to_string(), "primary": entry.is_primary }))
                .collect();
            out.table(&rows, &["domain", "primary"], "There are none.");
            Ok(())
        }
        DomainCommand::Remove { domain } => {
            let domain = parse(&domain)?;
            directory.remove_domain(&domain).await?;
            certificate::renew_for_all(&place.config, &directory).await?;
            out.result(&json!({ "domain": domain.to_string() }), format!("{domain} is not a domain of this home any more."));
            Ok(())
        }
        DomainCommand::Records { domain } => {
            let domain = known(place, &directory, domain).await?;
            let records = records::of(&facts(&place.config, &domain)?);
            let mut lines = records::to_zone(&records);
            if place.config.listen.addresses.iter().all(|address| address.is_unspecified()) {
                lines.push_str(&format!(
                    "; and for each name above an A (AAAA) record with the public address of this machine: {}\n",
                    place.config.names(&domain).join(" ")
                ));
            }
            let rows: Vec<Value> = records.iter().map(describe).collect();
            out.result(&Value::from(rows), lines);
            Ok(())
        }
        DomainCommand::Check { domain } => {
            let domain = known(place, &directory, domain).await?;
            let checked = check(&place.config, &domain).await?;
            let rows: Vec<Value> = checked
                .iter()
                .map(|(record, state)| {
                    let mut row = describe(record);
                    row["ok"] = json!(*state == State::Right);
                    row["says"] = json!(says(state));
                    row
                })
                .collect();
            out.table(&rows, &["ok", "type", "name", "says"], "There is nothing to check.");
            Ok(())
        }
        DomainCommand::Reports { domain, sources } => {
            let domain = parse(&known(place, &directory, domain).await?)?;
            let queue = super::queue::open(&place.config).await?;
            reports::show(&queue.list_reports(&domain).await?, &domain, sources, out);
            Ok(())
        }
    }
}

fn says(state: &State) -> String {
    match state {
        State::Right => "published".to_owned(),
        State::Missing => "not published; see: hearth domain records".to_owned(),
        State::Different(found) => format!("DNS has {found}"),
        State::Unknown(why) => why.clone(),
    }
}

/// Compares the records of a domain with DNS.
pub(super) async fn check(config: &Config, domain: &str) -> anyhow::Result<Vec<(Record, State)>> {
    let resolver = Resolver::new(&Options {
        servers: config.dns.servers.clone(),
        validate: config.dns.validate(),
        trust_anchor: config.dns.trust_anchor(),
    })?;
    if !resolver.is_reachable().await {
        bail!("no DNS server answers; correct dns.servers in hearth.toml or the machine's network");
    }
    Ok(records::check(&resolver, records::of(&facts(config, domain)?)).await)
}

/// The facts of a domain of this home.
pub(super) fn facts(config: &Config, domain: &str) -> anyhow::Result<Facts> {
    let mut keys = Vec::new();
    for selector in dkim::SELECTORS {
        let path = config.path(&format!("dkim/{domain}/{selector}.txt"));
        if let Ok(value) = std::fs::read_to_string(&path) {
            keys.push((selector.to_owned(), value.trim().to_owned()));
        }
    }
    let certificate = certificate::facts(&config.path("tls/node.pem"))?;
    Ok(Facts {
        domain: domain.to_owned(),
        hostname: config.hostname(),
        addresses: config.listen.addresses.iter().copied().filter(|address| !address.is_unspecified()).collect(),
        dkim: keys,
        key_hash: certificate.key_hash,
        policy_id: "1".to_owned(),
        port_offset: config.listen.port_offset,
    })
}

async fn add(place: &Place, directory: &Directory, domain: &str, out: &Out) -> anyhow::Result<()> {
    let domain = parse(domain)?;
    let known = directory.find_domain(&domain).await?.is_some();
    // Keys first: a domain without them would send unsigned mail. What is there is kept, so this can be repeated.
    if !place.config.path(&format!("dkim/{domain}/ed25519.txt")).exists() {
        dkim::create(&place.config.path("dkim"), domain.as_str())?;
    }
    if known {
        bail!("{domain} is already a domain of this home; see: hearth domain records {domain}");
    }
    directory.add_domain(&domain).await?;
    certificate::renew_for_all(&place.config, directory).await?;
    out.result(
        &json!({ "domain": domain.to_string() }),
        format!("{domain} is a domain of this home now. What to publish in DNS: hearth domain records {domain}"),
    );
    Ok(())
}

async fn known(place: &Place, directory: &Directory, domain: Option<String>) -> anyhow::Result<String> {
    let Some(domain) = domain else { return Ok(place.config.domain().to_owned()) };
    let domain = parse(&domain)?;
    match directory.find_domain(&domain).await? {
        Some(_) => Ok(domain.to_string()),
        None => Err(anyhow!("{domain} is not a domain of this home; see: hearth domain list")),
    }
}

fn parse(domain: &str) -> anyhow::Result<Domain> {
    Domain::parse(domain).map_err(|error| anyhow!("{domain:?} is not a domain: {error}"))
}

fn describe(record: &Record) -> Value {
    json!({ "name": record.name, "type": record.type_name, "value": record.value, "why": record.why, "needed": record.needed })
}
