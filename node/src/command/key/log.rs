// SPDX-License-Identifier: AGPL-3.0-or-later
//! `hearth key log`: what this house published, and whether its log, or another home's, holds together.

use anyhow::{anyhow, bail, ensure};
use hearth_identity::Directory;
use hearth_identity::certs::SignedHead;
use hearth_identity::certs::log::{HASH_OCTETS, LOG_PAGE_MAX, first_head, head_after, leaf_of, statement};
use hearth_keyserver::find::{AUTHORITY, Finder};
use hearth_openpgp::{Clean, authority};
use hearth_types::{Clock, Timestamp};
use serde_json::{Value, json};

use super::house::{home_address, is_closed};
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
    let (is_signed, says) = match &signed {
        Some(signed) if check_signed(&directory, place.config.domain(), signed, signed_head).await? => {
            (true, ", and its head is signed")
        }
        Some(_) => (false, ". The house closed, and the head stands unsigned since"),
        None => (false, ""),
    };
    let signed = signed.filter(|_| is_signed).map(|signed| signed.size);
    out.result(&json!({ "size": size, "head": hex(&head), "signed": signed }), format!("{size} entries, the chain holds{says}"));
    Ok(())
}

/// `false` when nobody can sign: the house closed, and by the way in which it ended its certificate that signed nothing.
async fn check_signed(directory: &Directory, domain: &str, signed: &SignedHead, head: Option<Vec<u8>>) -> anyhow::Result<bool> {
    let Some(fingerprint) = directory.find_setting(AUTHORITY).await? else { bail!("the house has no certificate") };
    let Some(kept) = directory.find_kept(&fingerprint).await? else { bail!("the house's certificate is gone") };
    check_statement(&signed.statement, domain, signed.size, &head.unwrap_or_else(first_head))?;
    if authority::verify(&kept.whole, &signed.statement, &signed.signature, now())? {
        return Ok(true);
    }
    let has_ended = is_closed(directory).await? && Clean::from_stored(&kept.whole, now())?.is_revoked();
    ensure!(has_ended, "the signature over the head is wrong");
    Ok(false)
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

#[cfg(test)]
mod tests {
    use hearth_identity::certs::Source;
    use hearth_openpgp::authority::CLOSED;
    use hearth_openpgp::secret::{Reason, revoke};
    use hearth_types::Domain;

    use super::*;

    #[tokio::test]
    async fn a_house_that_closed_as_compromised_has_no_signed_head_and_no_wrong_one() {
        let folder = tempfile::tempdir().unwrap();
        let source = hearth_db::Source::Sqlite(folder.path().join("identity.db"));
        let directory = Directory::open(&source, Clock::system()).await.unwrap();
        let domain = Domain::parse("home.example").unwrap();
        directory.add_domain(&domain).await.unwrap();
        let after = now() + std::time::Duration::from_secs(5);
        let made = authority::generate(std::slice::from_ref(&domain), now()).unwrap();
        let stored = |clean: &Clean| clean.to_certificate(None, Source::House, false, |_| true);
        directory.store_cert(stored(&made.clean)).await.unwrap();
        directory.change_setting(AUTHORITY, made.clean.fingerprint()).await.unwrap();
        let signed_at = Clock::system().now();
        let said = statement(domain.as_str(), 0, &first_head(), signed_at);
        let signature = authority::sign(&made.secret, &said).unwrap();
        let signed = SignedHead { size: 0, statement: said, signature, signed_at };
        let check = || check_signed(&directory, domain.as_str(), &signed, None);
        assert!(check().await.unwrap());
        let ended = made.clean.revoke(revoke(&made.secret, None, Reason::Compromised, "").unwrap(), after).unwrap();
        directory.store_cert(stored(&ended)).await.unwrap();
        assert!(check().await.is_err(), "a successor would have signed");
        directory.change_setting(CLOSED, "yes").await.unwrap();
        assert!(!check().await.unwrap());
        // Another's signature is a wrong one all the same, while the certificate is in force.
        directory.store_cert(stored(&made.clean)).await.unwrap();
        let another = authority::generate(std::slice::from_ref(&domain), now()).unwrap();
        let forged = SignedHead { signature: authority::sign(&another.secret, &signed.statement).unwrap(), ..signed.clone() };
        assert!(check_signed(&directory, domain.as_str(), &forged, None).await.is_err());
    }
}
