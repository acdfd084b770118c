// SPDX-License-Identifier: AGPL-3.0-or-later
//! What the page shows: each certificate with what can be done with it, and what the person knows of others' keys.

use askama::Template;
use hearth_identity::certs::{Summary, Told};
use hearth_identity::directory::Account;
use hearth_openpgp::authority::AUTHORITY;
use hearth_openpgp::{Profile, secret, show};
use hearth_types::{Fault, Trouble};
use hearth_web::axum::http::StatusCode;
use hearth_web::axum::response::Response;
use serde_json::json;

use super::{CHANGE, SHEET, Said};
use crate::ctx::Ctx;
use crate::keyring;
use crate::limits::{KEY_ENDS_SOON, PASSPHRASE_CHARS_MIN};
use crate::page::account::kit;
use crate::page::visit::Visit;
use crate::page::when;
use crate::{t, t1, t2};

#[derive(Template)]
#[template(path = "key.html")]
struct Page {
    says: Option<(bool, String)>,
    code: Option<String>,
    keys: Vec<Key>,
    has_one: bool,
    profiles: [(&'static str, &'static str); 3],
    browser_profiles: [(&'static str, &'static str); 2],
    /// What is done with a secret half that is here: its name, its button, its hint.
    cares: [(&'static str, &'static str, &'static str); 2],
    others: Vec<Other>,
    options: String,
    passphrase_min: usize,
    form: String,
}

/// One certificate.
struct Key {
    fingerprint: String,
    groups: String,
    picture: String,
    /// In a sentence: shown for whom, since when, until when.
    says: Vec<String>,
    warns: Option<String>,
    /// Where others see it.
    look: Option<String>,
    is_ended: bool,
    is_here: bool,
    is_locked: bool,
    may_end: bool,
    sheet: String,
}

/// A correspondent's.
struct Other {
    address: String,
    groups: String,
    says: String,
}

pub(super) async fn page(ctx: &Ctx, visit: &Visit, account: &Account, said: Option<Said>) -> Result<Response, Trouble> {
    let mut keys = Vec::new();
    for cert in ctx.directory.list_certs(Some(account.id)).await? {
        keys.push(key(ctx, account, cert).await?);
    }
    // The newest first: it is the one that somebody comes for.
    keys.reverse();
    let addresses = ctx.directory.list_open_addresses(account.id).await?;
    let addresses: Vec<String> = addresses.into_iter().map(|entry| entry.address.to_string()).collect();
    let others = ctx.directory.list_told_certs(account.id).await?;
    let (says, code) = match said {
        Some(Said::Says(is_good, says)) => (Some((is_good, says)), None),
        Some(Said::Sent(code)) => (None, Some(code.expose().clone())),
        _ => (None, None),
    };
    let status = if says.as_ref().is_some_and(|(is_good, _)| !is_good) { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let everywhere = (Profile::Compatible.as_str(), t("Works everywhere"));
    let modern = (Profile::Modern.as_str(), t("Modern: for programs of 2024 and later (RFC 9580)"));
    let post_quantum = (Profile::PostQuantum.as_str(), t("Safe from quantum computers: for programs of 2026 and later (RFC 9980)"));
    let page = Page {
        says,
        code,
        has_one: keys.iter().any(|key| !key.is_ended),
        keys,
        profiles: [everywhere, modern, post_quantum],
        browser_profiles: [everywhere, modern],
        cares: [
            ("extend", t("Three more years"), t("It ends three years from today.")),
            ("rotate", t("A new encryption key"), t("Once a year, or when a device was lost. The old one opens old mail.")),
        ],
        others: others.into_iter().map(other).collect(),
        options: json!({
            "name": account.name,
            "address": account.primary.to_string(),
            "addresses": addresses,
            "passphrase_min": PASSPHRASE_CHARS_MIN,
        })
        .to_string(),
        passphrase_min: PASSPHRASE_CHARS_MIN,
        form: visit.form(ctx, CHANGE),
    };
    Ok(visit.script_page(status, &page, None))
}

async fn key(ctx: &Ctx, account: &Account, cert: Summary) -> Result<Key, Trouble> {
    let now = ctx.now();
    let kept = match keyring::keepsake(ctx, account.id, &cert.fingerprint).await {
        Ok(kept) => kept,
        Err(Fault::Ours(trouble)) => return Err(trouble),
        Err(Fault::Peer(_)) => Default::default(),
    };
    let shown: Vec<String> = cert.addresses.iter().filter(|named| named.published).map(|named| named.address.to_string()).collect();
    let is_over = cert.expires_at.is_some_and(|end| end <= now);
    let mut says = vec![t1("Made {}.", when::ago(cert.created_at, now))];
    says.push(match (&cert.expires_at, is_over) {
        (None, _) => t("It has no end.").to_string(),
        (Some(end), true) => t1("It ended on {}.", when::day(*end)),
        (Some(end), false) => t1("It is good until {}.", when::day(*end)),
    });
    says.push(if shown.is_empty() { t("It is not shown to others.").to_string() } else { t1("Shown for {}.", shown.join(", ")) });
    if let Some(until) = certified_until(ctx, &cert.fingerprint).await? {
        says.push(t1("This home certifies until {} that it is yours.", until));
    }
    let ends_soon = cert.expires_at.is_some_and(|end| end <= now.after(KEY_ENDS_SOON));
    Ok(Key {
        groups: show::in_groups(&cert.fingerprint),
        picture: kit::picture(&show::uri(&cert.fingerprint))?,
        warns: match (cert.revoked, is_over, ends_soon) {
            (true, ..) => Some(t("It is ended for good. It stays listed so that others learn of it.").to_string()),
            (_, true, _) => Some(t("Nobody can seal mail to it now.").to_string()),
            (.., true) => Some(t("It ends soon.").to_string()),
            _ => None,
        },
        says,
        look: (!shown.is_empty()).then(|| format!("{}/search?q={}", ctx.home.keys, cert.fingerprint)),
        is_ended: cert.revoked,
        is_here: kept.secret.is_some(),
        is_locked: kept.secret.as_ref().map(secret::is_locked).transpose()?.unwrap_or(false),
        may_end: !cert.revoked && (kept.secret.is_some() || kept.revocation.is_some()),
        sheet: format!("{SHEET}?key={}", cert.fingerprint),
        fingerprint: cert.fingerprint,
    })
}

/// Until when this home says whose it is.
async fn certified_until(ctx: &Ctx, fingerprint: &str) -> Result<Option<String>, Trouble> {
    let Some(home) = ctx.directory.find_setting(AUTHORITY).await? else { return Ok(None) };
    let vouches = ctx.directory.list_vouches(fingerprint).await?;
    let ours = vouches.into_iter().filter(|vouch| vouch.issuer == home && vouch.expires_at > ctx.now());
    Ok(ours.map(|vouch| vouch.expires_at).min().map(when::day))
}

fn other(told: Told) -> Other {
    let found = where_found(told.source.as_deref().unwrap_or("local"), told.via.as_deref().unwrap_or_default());
    // As HKP counts: 120 is complete.
    let sure = match told.confidence.unwrap_or(120) {
        120.. => t("certain"),
        80..120 => t("good"),
        40..80 => t("some"),
        _ => t("little"),
    };
    Other { address: told.address, groups: show::in_groups(&told.fingerprint), says: t2("Found {}. Confidence: {}.", found, sure) }
}

/// By which way a certificate was found, after "Found".
pub(in crate::page::account) fn where_found(source: &str, via: &str) -> String {
    match source {
        "wkd" => t1("published by {}", via),
        "dane" => t1("in the signed DNS of {}", via),
        "friend" => t1("from the home {}", via),
        "keyserver" => t1("from the key server {}", via),
        "autocrypt" => t("from a mail of theirs").to_string(),
        _ => t("of this home").to_string(),
    }
}
