// SPDX-License-Identifier: AGPL-3.0-or-later
//! `hearth key trust`: what another home says of its own people is believed, and of nobody else.

use anyhow::{anyhow, bail};
use hearth_keyserver::cert::authority;
use hearth_keyserver::find::{Finder, Source};
use hearth_types::{Clock, Domain};
use serde_json::{Value, json};

use super::house::{day, home_address};
use super::{house, now};
use crate::gate::OpenGate;
use crate::out::Out;
use crate::place::Place;

/// Lists the homes that are trusted.
pub(super) async fn list(place: &Place, out: &Out) -> anyhow::Result<()> {
    let directory = place.directory().await?;
    let homes = directory.list_trusted_homes().await?;
    let rows: Vec<Value> = homes
        .iter()
        .map(|home| json!({ "domain": home.domain.to_string(), "fingerprint": home.fingerprint, "since": day(home.since) }))
        .collect();
    out.table(&rows, &["domain", "fingerprint", "since"], "No other home is trusted. Trust one: hearth key trust DOMAIN");
    Ok(())
}

/// Ends it.
pub(super) async fn end(place: &Place, domain: &str, out: &Out) -> anyhow::Result<()> {
    let directory = place.directory().await?;
    let domain = Domain::parse(domain)?;
    if !directory.remove_trusted_home(&domain).await? {
        bail!("{domain} was not trusted");
    }
    out.result(&json!({ "domain": domain.to_string(), "trusted": false }), format!("{domain} is not trusted any more"));
    Ok(())
}

/// Finds the home's certificate where its domain publishes it; trusts it when the fingerprint is the one that was said.
pub(super) async fn begin(place: &Place, domain: &str, fingerprint: Option<&str>, out: &Out) -> anyhow::Result<()> {
    let directory = place.directory().await?;
    let domain = Domain::parse(domain)?;
    if directory.find_domain(&domain).await?.is_some() {
        bail!("{domain} is this home's own");
    }
    let address = home_address(domain.as_str())?;
    let finder = Finder::of_config(&place.config, directory.clone(), Clock::system())?;
    let found = finder.find_published(&address).await.map_err(|trouble| anyhow!("{}", trouble.cause()))?;
    let Some(found) = found.into_iter().find(|found| matches!(found.source, Source::Wkd | Source::Dane)) else {
        bail!("{domain} publishes no certificate of its home ({address})")
    };
    let Some(said) = fingerprint else {
        let lines = format!(
            "{}\nIf the people of {domain} read you the same (hearth key list there), say: hearth key trust {domain} --fingerprint {}",
            found.fingerprint, found.fingerprint
        );
        out.result(&json!({ "domain": domain.to_string(), "fingerprint": found.fingerprint, "trusted": false }), lines);
        return Ok(());
    };
    let said: String = said.chars().filter(char::is_ascii_hexdigit).collect();
    if !said.eq_ignore_ascii_case(&found.fingerprint) {
        bail!("{domain} publishes {}, which is not {said}; nothing was changed", found.fingerprint);
    }
    let gate = OpenGate::open(&place.config).await?;
    let house = house::open(&directory, gate.gate()).await;
    gate.close().await;
    let bytes = authority::trust(&house?.secret, &found.bytes, &domain, now())?;
    directory.store_trusted_home(&domain, &found.fingerprint, bytes).await?;
    let lines = format!("{domain} is trusted for addresses of {domain}");
    out.result(&json!({ "domain": domain.to_string(), "fingerprint": found.fingerprint, "trusted": true }), lines);
    Ok(())
}
