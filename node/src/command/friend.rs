// SPDX-License-Identifier: AGPL-3.0-or-later
//! `hearth friend`: other homes. What a friend's home says of its own people is believed, and of nobody else; everything
//! further is a right of its own, off until somebody switches it on.

use anyhow::{anyhow, bail};
use hearth_identity::directory::{Directory, Event};
use hearth_keyserver::find::{Finder, Found, Source};
use hearth_openpgp::{Clean, authority};
use hearth_types::{Clock, Domain};
use serde_json::{Value, json};

use super::key::house::{self, day, home_address};
use super::key::now;
use crate::cli::{FriendCommand, Switch};
use crate::gate::OpenGate;
use crate::out::Out;
use crate::place::Place;

/// They look up keys for us: whoever is asked learns whom we write to.
const LOOKS_UP: (&str, &str) = ("received", "keys");

/// Runs it.
pub async fn run(place: &Place, command: FriendCommand, out: &Out) -> anyhow::Result<()> {
    match command {
        FriendCommand::Add { domain, fingerprint } => add(place, &domain, fingerprint.as_deref(), out).await,
        FriendCommand::List => list(place, out).await,
        FriendCommand::Rights { domain, looks_up_keys } => rights(place, &domain, looks_up_keys, out).await,
        FriendCommand::End { domain } => end(place, &domain, out).await,
    }
}

/// Whom the house believes is its own affair: it stands in the log.
async fn note(directory: &Directory, event: &'static str, domain: &Domain) -> anyhow::Result<()> {
    let detail = domain.to_string();
    Ok(directory.add_audit(Event { event, actor: None, subject: None, peer: None, service: None, detail }).await?)
}

async fn list(place: &Place, out: &Out) -> anyhow::Result<()> {
    let directory = place.directory().await?;
    let mut rows: Vec<Value> = Vec::new();
    for friend in directory.list_friends().await? {
        rows.push(json!({
            "domain": friend.domain.to_string(),
            "state": friend.state,
            "fingerprint": friend.node_fingerprint,
            "since": day(friend.since),
            "ended": friend.ended_at.map(day),
            "looks_up_keys": directory.friend_lets(&friend.domain, LOOKS_UP.1).await?,
        }));
    }
    out.table(&rows, &["domain", "state", "fingerprint", "since"], "There is no friend yet. Make one: hearth friend add DOMAIN");
    Ok(())
}

async fn end(place: &Place, domain: &str, out: &Out) -> anyhow::Result<()> {
    let directory = place.directory().await?;
    let domain = Domain::parse(domain)?;
    if !directory.end_friend(&domain).await? {
        bail!("{domain} was no friend");
    }
    note(&directory, "friend.ended", &domain).await?;
    let lines = format!("{domain} is no friend any more: nothing that it says is believed, and it has no rights here");
    out.result(&json!({ "domain": domain.to_string(), "state": "ended" }), lines);
    Ok(())
}

async fn rights(place: &Place, domain: &str, looks_up_keys: Option<Switch>, out: &Out) -> anyhow::Result<()> {
    let directory = place.directory().await?;
    let domain = Domain::parse(domain)?;
    let (direction, right) = LOOKS_UP;
    if let Some(switch) = looks_up_keys
        && !directory.change_friend_right(&domain, direction, right, switch == Switch::On).await?
    {
        bail!("{domain} is no friend; make it one with: hearth friend add {domain}");
    }
    if looks_up_keys.is_some() {
        note(&directory, "friend.rights", &domain).await?;
    }
    let is_on = directory.friend_lets(&domain, right).await?;
    let says = if is_on { "is asked for the key of anybody" } else { "is asked for keys of its own people alone" };
    out.result(&json!({ "domain": domain.to_string(), "looks_up_keys": is_on }), format!("{domain} {says}"));
    Ok(())
}

/// For the daily round: what each friend's home says of its own certificate now. How many were changed, and what somebody
/// should know. A friend who is away is asked again tomorrow.
pub(super) async fn refresh(place: &Place, directory: &Directory, own: &str) -> anyhow::Result<(usize, Vec<String>)> {
    let (mut changed, mut says) = (0, Vec::new());
    let homes = directory.list_trusted_homes().await?;
    if homes.is_empty() {
        return Ok((changed, says));
    }
    let finder = Finder::of_config(&place.config, directory.clone(), Clock::system())?;
    for home in homes {
        let address = home_address(home.domain.as_str())?;
        let found = finder.find_again(&address, &home.fingerprint).await.map_err(|trouble| anyhow!("{}", trouble.cause()))?;
        let Some(found) = found else {
            says.push(format!(
                "{} does not answer, or publishes another certificate of its home than the one you compared",
                home.domain
            ));
            continue;
        };
        let bytes = match authority::refreshed(own, &home.bytes, &found, &home.domain, now()) {
            Ok(bytes) => bytes,
            Err(error) => {
                says.push(format!("what {} publishes of its home cannot be used: {error}", home.domain));
                continue;
            }
        };
        let is_revoked = Clean::from_stored(&bytes, now())?.is_revoked();
        if bytes != home.bytes && directory.refresh_friend(&home, bytes, is_revoked).await? {
            changed += 1;
        }
        if is_revoked {
            says.push(format!(
                "{} ended the certificate of its home: its word counts no more. Compare the new one with its people: hearth friend add {}",
                home.domain, home.domain
            ));
        }
    }
    Ok((changed, says))
}

/// Finds the home's certificate where its domain publishes it; makes it a friend when the fingerprint is the one that was
/// said.
async fn add(place: &Place, domain: &str, fingerprint: Option<&str>, out: &Out) -> anyhow::Result<()> {
    let directory = place.directory().await?;
    let domain = Domain::parse(domain)?;
    if directory.find_domain(&domain).await?.is_some() {
        bail!("{domain} is this home's own");
    }
    let address = home_address(domain.as_str())?;
    let finder = Finder::of_config(&place.config, directory.clone(), Clock::system())?;
    let found = finder.find_published(&address).await.map_err(|trouble| anyhow!("{}", trouble.cause()))?;
    let is_published = |found: &Found| matches!(found.source, Source::Wkd | Source::Dane);
    let Some(found) = found.into_iter().filter(is_published).min_by_key(|found| found.revoked) else {
        bail!("{domain} publishes no certificate of its home ({address})")
    };
    if found.revoked {
        bail!("{domain} ended the certificate of its home, {}, and publishes no other", found.fingerprint);
    }
    let Some(said) = fingerprint else {
        let lines = format!(
            "{}\nIf the people of {domain} read you the same (hearth key show openpgp-ca@{domain} there), say: \
             hearth friend add {domain} --fingerprint {}",
            found.fingerprint, found.fingerprint
        );
        out.result(&json!({ "domain": domain.to_string(), "fingerprint": found.fingerprint, "state": "found" }), lines);
        return Ok(());
    };
    let said: String = said.chars().filter(char::is_ascii_hexdigit).collect();
    if !said.eq_ignore_ascii_case(&found.fingerprint) {
        bail!("{domain} publishes {}, which is not {said}; nothing was changed", found.fingerprint);
    }
    let gate = OpenGate::open(&place.config).await?;
    let opened = async {
        let turn = house::take_turn(&place.config).await?;
        anyhow::Ok((house::open(&directory, gate.gate()).await?, turn))
    };
    let opened = opened.await;
    gate.close().await;
    let (house, _turn) = opened?;
    let house = house.ok_or_else(|| anyhow!("this house ended its own certificate; a new one: hearth key generate --house"))?;
    let bytes = authority::trust(&house.secret, &found.bytes, &domain, now())?;
    directory.add_friend(&domain, &found.fingerprint, bytes).await?;
    note(&directory, "friend.added", &domain).await?;
    let lines = format!(
        "{domain} is a friend: its word counts for addresses of {domain}, and it is asked first for their keys. \
         Everything else is off; see: hearth friend rights {domain}"
    );
    out.result(&json!({ "domain": domain.to_string(), "fingerprint": found.fingerprint, "state": "paired" }), lines);
    Ok(())
}
