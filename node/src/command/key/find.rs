// SPDX-License-Identifier: AGPL-3.0-or-later
//! `hearth key find`: the certificate of anybody, wherever it is published.

use std::path::Path;

use anyhow::{Context, bail};
use hearth_identity::Directory;
use hearth_keyserver::endpoint::find::describe;
use hearth_keyserver::find::{Answer, Finder, Found};
use hearth_openpgp::armor;
use hearth_types::{AccountId, Clock};
use sequoia_openpgp::armor::Kind;

use super::export::write;
use crate::out::Out;
use crate::place::{Place, account, parse_address};

/// How it is asked.
pub(super) struct How<'a> {
    pub(super) person: Option<&'a str>,
    pub(super) fresh: bool,
    pub(super) output: Option<&'a Path>,
}

pub(super) async fn run(place: &Place, address: &str, how: How<'_>, out: &Out) -> anyhow::Result<()> {
    let directory = place.directory().await?;
    let person = person(&directory, how.person).await?;
    let address = parse_address(address)?;
    let finder = Finder::of_config(&place.config, directory, Clock::system())?;
    let answer = finder.find(person, &address, how.fresh).await.map_err(|trouble| anyhow::anyhow!("{}", trouble.cause()))?;
    let Some(best) = answer.found.first() else {
        if out.is_json() {
            out.result(&describe(&answer), "");
            return Ok(());
        }
        bail!("nobody has a certificate for {address}: {}", asked(&answer))
    };
    if let Some(path) = how.output {
        write(path, &armor(&best.bytes, Kind::PublicKey)?)?;
    }
    let mut lines: Vec<String> = answer.found.iter().map(says).collect();
    if let Some((before, _)) = &answer.changed_from {
        lines.push(format!("CHANGED: it was {before} before. Ask {address} by telephone whether this is right."));
    }
    out.result(&describe(&answer), lines.join("\n"));
    Ok(())
}

/// On whose behalf: what was said, or the one who looks after the house.
async fn person(directory: &Directory, who: Option<&str>) -> anyhow::Result<AccountId> {
    if let Some(who) = who {
        return Ok(account(directory, who).await?.id);
    }
    let accounts = directory.list_accounts().await?;
    let chosen = accounts.iter().find(|account| account.admin).or(accounts.first());
    Ok(chosen.context("nobody lives here yet; add somebody with: hearth account add ADDRESS")?.id)
}

fn says(found: &Found) -> String {
    let state = match (found.revoked, found.usable) {
        (true, _) => ", REVOKED",
        (_, false) => ", cannot be encrypted to",
        _ => "",
    };
    let memory = if found.remembered_at.is_some() { " (remembered)" } else { "" };
    format!(
        "{} from {} at {}{memory}, confidence {} of 120{state}",
        found.fingerprint,
        found.source.as_str(),
        found.via,
        found.confidence
    )
}

fn asked(answer: &Answer) -> String {
    let said: Vec<String> =
        answer.asked.iter().map(|(source, via, said)| format!("{} at {via}: {}", source.as_str(), said.says())).collect();
    if said.is_empty() { "nobody could be asked".into() } else { said.join("; ") }
}
