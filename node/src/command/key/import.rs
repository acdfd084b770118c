// SPDX-License-Identifier: AGPL-3.0-or-later
//! `hearth key import`

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use hearth_identity::Directory;
use hearth_identity::certs::{Source, Summary};
use hearth_identity::directory::Account;
use hearth_keyserver::limits::UPLOAD_BYTES_MAX;
use hearth_openpgp::secret::{Brought, Keepsake, read_secret};
use hearth_openpgp::{Clean, Dropped, approved, read_submission};
use hearth_types::Secret;
use sequoia_openpgp::packet::Signature;
use serde_json::{Value, json};

use super::{addresses_of, keepsake, note, now};
use crate::gate::{OpenGate, refused};
use crate::out::Out;
use crate::place::{Place, account};

pub(super) async fn run(place: &Place, who: &str, file: Option<&Path>, publish: bool, out: &Out) -> anyhow::Result<()> {
    let directory = place.directory().await?;
    let account = account(&directory, who).await?;
    let bytes = read(file)?;
    let mut rows = Vec::new();
    if let Some(Brought { clean, secret }) = read_secret(bytes.expose(), now())? {
        clean.check_safe(now())?;
        // Refused before the vault is asked when it is somebody else's.
        let clean = merge(&directory, &account, clean).await?;
        seal(place, &account, clean.fingerprint(), secret).await?;
        rows.push(store(&directory, &account, &clean, true, publish, Dropped::default()).await?);
    } else {
        let submission = read_submission(bytes.expose(), now())?;
        for raw in submission.certs {
            let clean = Clean::from_raw(raw, now())?;
            clean.check_safe(now())?;
            let clean = merge(&directory, &account, clean).await?;
            rows.push(store(&directory, &account, &clean, false, publish, submission.dropped).await?);
            if let Some(approved) = approved::read(bytes.expose(), clean.fingerprint(), now()) {
                directory.replace_approved(clean.fingerprint(), approved.made_at, approved.vouches).await?;
            }
        }
        for revocation in submission.revocations {
            rows.push(revoke(&directory, &account, revocation).await?);
        }
    }
    let lines: Vec<&str> = rows.iter().filter_map(|row| row.get("says").and_then(Value::as_str)).collect();
    let lines = lines.join("\n");
    out.result(&Value::from(rows.clone()), lines);
    Ok(())
}

fn read(file: Option<&Path>) -> anyhow::Result<Secret<Vec<u8>>> {
    let limit = u64::try_from(UPLOAD_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    match file.filter(|path| *path != Path::new("-")) {
        Some(path) => {
            let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
            file.take(limit).read_to_end(&mut bytes).with_context(|| format!("cannot read {}", path.display()))?
        }
        None => std::io::stdin().take(limit).read_to_end(&mut bytes).context("cannot read standard input")?,
    };
    Ok(Secret::new(bytes))
}

/// What is brought, with what is here already.
async fn merge(directory: &Directory, account: &Account, clean: Clean) -> anyhow::Result<Clean> {
    let Some(held) = directory.find_kept(clean.fingerprint()).await? else { return Ok(clean) };
    // Nobody's here (the house's own, or proven by a letter): who is named in it takes it, and nobody else.
    let is_theirs = match held.account {
        Some(owner) => owner == account.id,
        None => !clean.named_and_owned(&addresses_of(directory, account.id).await?).is_empty(),
    };
    if !is_theirs {
        bail!("{} belongs to another account", held.fingerprint);
    }
    let update =
        read_submission(&clean.whole(), now())?.certs.into_iter().next().ok_or_else(|| anyhow!("there is no key in it"))?;
    Ok(Clean::from_stored(&held.whole, now())?.merge(update, now())?)
}

/// Into the vault, beside the revocation that may be there.
async fn seal(place: &Place, account: &Account, fingerprint: &str, secret: Secret<Vec<u8>>) -> anyhow::Result<()> {
    let gate = OpenGate::open(&place.config).await?;
    let sealed = async {
        let kept = keepsake(gate.gate(), fingerprint).await?;
        let both = Keepsake { revocation: kept.revocation, secret: Some(secret) };
        gate.gate().store_secret_key(account.id, fingerprint, &both.to_bytes()).await.map_err(refused)
    };
    let sealed = sealed.await;
    gate.close().await;
    sealed
}

async fn store(
    directory: &Directory,
    account: &Account,
    clean: &Clean,
    secret: bool,
    publish: bool,
    dropped: Dropped,
) -> anyhow::Result<Value> {
    let owned = addresses_of(directory, account.id).await?;
    directory.store_cert(clean.for_store(account.id, Source::Imported, secret, &owned)).await?;
    let fingerprint = clean.fingerprint();
    let named = clean.named_and_owned(&owned);
    if publish {
        directory.publish_cert(fingerprint, named.clone()).await?;
    }
    note(directory, "key.imported", account.id, fingerprint).await?;
    // It may have been shown before it was brought again.
    let certs = directory.list_certs(Some(account.id)).await?;
    let is_this = |cert: &&Summary| cert.fingerprint == fingerprint;
    let shown = certs.iter().find(is_this).is_some_and(|cert| cert.addresses.iter().any(|named| named.published));
    let named: Vec<String> = named.iter().map(ToString::to_string).collect();
    let mut says = format!("{fingerprint} is here{}", if secret { ", its secret key sealed" } else { "" });
    says += &match (named.is_empty(), shown) {
        (true, _) => format!(". It names no address of {}, so nobody who looks for one finds it", account.primary),
        (false, true) => format!(" and published for {}", named.join(", ")),
        (false, false) => format!(". To show it: hearth key publish {fingerprint}"),
    };
    let left_out = dropped.foreign_signatures + dropped.excess_signatures + dropped.excess_components + dropped.other_packets;
    if left_out > 0 {
        says += &format!(
            ". Left out: {} signatures by others, {} other things",
            dropped.foreign_signatures,
            left_out - dropped.foreign_signatures
        );
    }
    Ok(json!({ "fingerprint": fingerprint, "addresses": named, "published": shown, "secret": secret, "says": says }))
}

/// A revocation alone, of a certificate of this account.
async fn revoke(directory: &Directory, account: &Account, revocation: Signature) -> anyhow::Result<Value> {
    let issuers = revocation.get_issuers();
    let issuer = issuers.first().map(|issuer| issuer.to_hex()).context("the revocation does not say of which key it is")?;
    let held = directory.find_certs_by_key(&issuer).await?.into_iter().find(|held| held.account == account.id);
    let held = held.with_context(|| format!("{} has no certificate {issuer} to revoke", account.primary))?;
    let clean = Clean::from_stored(&held.whole, now())?.revoke(revocation, now())?;
    if !clean.is_revoked() {
        bail!("this revocation was not made by the key {}", held.fingerprint);
    }
    let owned = addresses_of(directory, account.id).await?;
    directory.store_cert(clean.for_store(account.id, Source::Imported, false, &owned)).await?;
    note(directory, "key.revoked", account.id, &held.fingerprint).await?;
    Ok(json!({ "fingerprint": held.fingerprint, "revoked": true, "says": format!("{} is revoked", held.fingerprint) }))
}
