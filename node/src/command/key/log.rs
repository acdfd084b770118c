// SPDX-License-Identifier: AGPL-3.0-or-later
//! `hearth key log`: what this house published, and whether its log, or another home's, holds together.

use anyhow::{anyhow, bail, ensure};
use hearth_identity::Directory;
use hearth_identity::certs::log::{HASH_OCTETS, LOG_PAGE_MAX, first_head, head_after, leaf_of, statement};
use hearth_keyserver::find::{AUTHORITY, Finder};
use hearth_openpgp::authority;
use hearth_types::{Clock, Timestamp};
use serde_json::{Value, json};

use super::house::home_address;
use super::now;
use crate::out::Out;
use crate::place::Place;

/// Entries of another home that are read.
const ENTRIES_MAX: u64 = 1_000_000;

/// Prints it, of one address or all.
pub(super) async fn list(place: &Place, address: Option<&str>, out: &Out) -> anyhow::Result<()> {
    let directory = place.directory().await?;
    let wanted = address.map(str::to_lowercase);
    let mut rows = Vec::new();
    let mut after = 0;
    loop {
        let page = directory.list_cert_log(after, LOG_PAGE_MAX).await?;
        let Some(last) = page.last() else { break };
        after = last.seq;
        for entry in &page {
            let parts: Vec<&str> = entry.entry.split(' ').collect();
            let [at, verb, fingerprint, named, _] = parts.as_slice() else { continue };
            if wanted.as_deref().is_some_and(|wanted| wanted != *named) {
                continue;
            }
            rows.push(json!({
                "seq": entry.seq, "at": at.parse::<i64>().ok(), "what": verb, "fingerprint": fingerprint, "address": named,
                "nonce": hex(&entry.nonce), "leaf": hex(&entry.leaf),
            }));
        }
    }
    out.table(&rows, &["seq", "what", "fingerprint", "address"], "Nothing was published yet.");
    Ok(())
}

/// Computes the chain again, and looks at the signature over its head.
pub(super) async fn verify(place: &Place, out: &Out) -> anyhow::Result<()> {
    let directory = place.directory().await?;
    let (size, end) = directory.find_cert_log_head().await?;
    let signed = directory.find_signed_head().await?;
    let (mut after, mut head, mut signed_head) = (0, first_head(), None);
    loop {
        let page = directory.list_cert_log(after, LOG_PAGE_MAX).await?;
        if page.is_empty() {
            break;
        }
        for entry in page {
            ensure!(entry.seq == after + 1, "entry {} is missing: somebody changed the log", after + 1);
            ensure!(leaf_of(&entry.nonce, &entry.entry) == entry.leaf, "entry {} was changed", entry.seq);
            head = head_after(&head, &entry.leaf);
            ensure!(head == entry.head, "the chain breaks at entry {}", entry.seq);
            after = entry.seq;
            if signed.as_ref().is_some_and(|signed| signed.size == after) {
                signed_head = Some(head.clone());
            }
        }
    }
    ensure!(after == size && head == end, "the log ends at entry {after}, and should at {size}");
    if let Some(signed) = &signed {
        check_signed(&directory, place.config.domain(), &signed.statement, &signed.signature, signed.size, signed_head).await?;
    }
    let lines = format!("{size} entries, the chain holds{}", if signed.is_some() { ", and its head is signed" } else { "" });
    out.result(&json!({ "size": size, "head": hex(&head), "signed": signed.map(|signed| signed.size) }), lines);
    Ok(())
}

async fn check_signed(
    directory: &Directory,
    domain: &str,
    said: &str,
    signature: &str,
    size: u64,
    head: Option<Vec<u8>>,
) -> anyhow::Result<()> {
    let Some(fingerprint) = directory.find_setting(AUTHORITY).await? else { bail!("the house has no certificate") };
    let Some(kept) = directory.find_kept(&fingerprint).await? else { bail!("the house's certificate is gone") };
    check_statement(said, domain, size, &head.unwrap_or_else(first_head))?;
    ensure!(authority::verify(&kept.whole, said, signature, now())?, "the signature over the head is wrong");
    Ok(())
}

fn check_statement(said: &str, domain: &str, size: u64, head: &[u8]) -> anyhow::Result<()> {
    let at = said.lines().nth(4).and_then(|line| line.parse().ok()).map(Timestamp::from_secs);
    let Some(at) = at else { bail!("the signed head cannot be read") };
    ensure!(statement(domain, size, head, at) == said, "the signed head is not the head of this log");
    Ok(())
}

/// The same for another home, by what it shows to everybody.
pub(super) async fn verify_home(place: &Place, domain: &str, out: &Out) -> anyhow::Result<()> {
    let directory = place.directory().await?;
    let finder = Finder::of_config(&place.config, directory.clone(), Clock::system())?;
    let address = home_address(domain)?;
    let trouble = |trouble: hearth_types::Trouble| anyhow!("{}", trouble.cause());
    let signed = finder.fetch_json(address.domain(), "/log").await.map_err(|why| anyhow!("{domain}: {why}"))?;
    let text = |name: &str| signed.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let size = signed.get("size").and_then(Value::as_u64).unwrap_or(0);
    ensure!(size <= ENTRIES_MAX, "the log of {domain} has {size} entries, which is too many");
    let found = finder.find_published(&address).await.map_err(trouble)?;
    let Some(home) = found.iter().find(|found| found.fingerprint == text("fingerprint")) else {
        bail!("{domain} does not publish the certificate that it signs with")
    };
    let (mut after, mut head) = (0, first_head());
    while after < size {
        let page = finder.fetch_json(address.domain(), &format!("/log/{after}")).await.map_err(|why| anyhow!("{domain}: {why}"))?;
        let rows = page.as_array().cloned().unwrap_or_default();
        ensure!(!rows.is_empty(), "the log of {domain} ends at entry {after}, and should at {size}");
        for row in rows.iter().take(usize::try_from(size - after).unwrap_or(usize::MAX)) {
            let leaf = row.get("leaf").and_then(Value::as_str).and_then(unhex).filter(|leaf| leaf.len() == HASH_OCTETS);
            let Some(leaf) = leaf else { bail!("entry {} of {domain} cannot be read", after + 1) };
            after += 1;
            ensure!(row.get("seq").and_then(Value::as_u64) == Some(after), "entry {after} of {domain} is missing");
            head = head_after(&head, &leaf);
        }
    }
    check_statement(&text("statement"), domain, size, &head)?;
    ensure!(authority::verify(&home.bytes, &text("statement"), &text("signature"), now())?, "the signature of {domain} is wrong");
    let lines = format!("{domain}: {size} entries, the chain holds, and its head is signed by {}", home.fingerprint);
    out.result(&json!({ "domain": domain, "size": size, "head": hex(&head), "fingerprint": home.fingerprint }), lines);
    Ok(())
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pair = |at: usize| text.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    text.len().is_multiple_of(2).then(|| (0..text.len()).step_by(2).map(pair).collect::<Option<Vec<u8>>>())?
}
