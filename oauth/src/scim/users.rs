// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/Users` (RFC 7643 §4.1): the people of the home.
//!
//! `userName` is the address, as programs that provision have it; a bare name is taken for one in the home's own domain. It
//! is given once, for an address is never given to another. Services and guests are not shown.

use hearth_identity::directory::{Account, AddressEntry, Kind as AccountKind, NewAccount};
use hearth_types::{AccountId, Address, Timestamp};
use serde_json::{Value, json};

use super::endpoint::Collection;
use super::patch::Patchable;
use super::refusal::Kind;
use super::{Asker, BASE, Outcome, Resource, find, find_text, ours, refuse};
use crate::ctx::Ctx;
use crate::keyring;
use crate::notice::Notice;
use crate::request::claims;

/// The kind.
pub(super) struct Users;

impl Collection for Users {
    const NAME: &'static str = "User";
    const PATH: &'static str = "/Users";
    const MAY: Patchable = Patchable {
        writable: &["displayName", "active", "externalId"],
        fixed: &["id", "schemas", "meta", "userName", "emails", "groups"],
        kept: &["active"],
    };

    async fn list(ctx: &Ctx) -> Outcome<Vec<Resource>> {
        let hidden = ctx.directory.list_withdrawn().await.map_err(ours)?;
        let everybody = ctx.directory.list_everybody().await.map_err(ours)?;
        let shown = |account: &&Account| account.kind == AccountKind::Person && !hidden.contains(&account.id);
        let describe =
            |account: &Account| describe(ctx, account, everybody.addresses_of(account.id), everybody.groups_of(account.id));
        Ok(everybody.accounts.iter().filter(shown).map(describe).collect())
    }

    async fn find(ctx: &Ctx, id: AccountId) -> Outcome<Option<Resource>> {
        let account = ctx.directory.find_account(id).await.map_err(ours)?;
        let hidden = ctx.directory.list_withdrawn().await.map_err(ours)?;
        let Some(account) = account.filter(|account| account.kind == AccountKind::Person && !hidden.contains(&account.id)) else {
            return Ok(None);
        };
        let addresses = ctx.directory.list_open_addresses(account.id).await.map_err(ours)?;
        let groups = ctx.directory.list_groups_of(account.id).await.map_err(ours)?;
        Ok(Some(describe(ctx, &account, &addresses, &groups)))
    }

    async fn add(ctx: &Ctx, asker: &Asker, wanted: &Resource) -> Outcome<AccountId> {
        let address = address_of(ctx, find_text(wanted, "userName").unwrap_or_default())?;
        let name = name_of(wanted)?;
        let active = active_of(wanted)?.unwrap_or(true);
        let new = NewAccount { address, kind: AccountKind::Person, name, admin: false };
        let account = asker.directory(ctx).add_account(new).await.map_err(ours)?;
        keyring::make_at_birth(ctx, &account).await;
        if !active {
            asker.directory(ctx).disable_account(account.id).await.map_err(ours)?;
        }
        Ok(account.id)
    }

    async fn change(ctx: &Ctx, asker: &Asker, id: AccountId, known: &Resource, wanted: &Resource) -> Outcome<()> {
        if let Some(name) = find_text(wanted, "userName")
            && address_of(ctx, name)?.key() != address_of(ctx, find_text(known, "userName").unwrap_or_default())?.key()
        {
            return refuse(Kind::Mutability, "userName is given once");
        }
        let (name, active) = (name_of(wanted)?, active_of(wanted)?);
        let (known_name, known_active) = (name_of(known)?, active_of(known)?);
        if name == known_name && (active.is_none() || active == known_active) {
            return Ok(());
        }
        may_change(ctx, id).await?;
        if name != known_name {
            asker.directory(ctx).change_account_name(id, &name).await.map_err(ours)?;
        }
        match active.filter(|_| active != known_active) {
            Some(true) => {
                asker.directory(ctx).enable_account(id).await.map_err(ours)?;
                asker.tell(ctx, id, Notice::AccountEnabled).await
            }
            Some(false) => {
                asker.directory(ctx).disable_account(id).await.map_err(ours)?;
                asker.tell(ctx, id, Notice::AccountDisabled).await
            }
            None => Ok(()),
        }
    }

    async fn remove(ctx: &Ctx, asker: &Asker, id: AccountId) -> Outcome<()> {
        may_change(ctx, id).await?;
        asker.directory(ctx).withdraw_account(id).await.map_err(ours)?;
        asker.tell(ctx, id, Notice::AccountDisabled).await
    }
}

/// Whoever looks after the home is changed by hand alone: a program that was led astray locks nobody out of it.
pub(super) async fn may_change(ctx: &Ctx, id: AccountId) -> Outcome<()> {
    match ctx.directory.find_account(id).await.map_err(ours)? {
        Some(account) if account.admin => refuse(Kind::Forbidden, "who looks after the home is not changed here"),
        _ => Ok(()),
    }
}

fn describe(ctx: &Ctx, account: &Account, addresses: &[AddressEntry], groups: &[(AccountId, Address)]) -> Resource {
    let emails: Vec<Value> = addresses
        .iter()
        .map(|entry| json!({ "value": entry.address.to_string(), "primary": entry.address.key() == account.primary.key() }))
        .collect();
    let groups: Vec<Value> = groups
        .iter()
        .map(|(id, address)| {
            let display = claims::name_of(address, &ctx.domain);
            json!({ "value": id.to_string(), "display": display, "$ref": format!("{}{BASE}/Groups/{id}", ctx.issuer) })
        })
        .collect();
    let mut resource = Resource::new();
    resource.insert("id".into(), json!(account.id.to_string()));
    resource.insert("userName".into(), json!(account.primary.to_string()));
    if !account.name.is_empty() {
        resource.insert("displayName".into(), json!(account.name));
    }
    resource.insert("active".into(), json!(!account.disabled));
    resource.insert("emails".into(), json!(emails));
    // RFC 7643 §2.5: an empty list is the same as none.
    if !groups.is_empty() {
        resource.insert("groups".into(), json!(groups));
    }
    resource.insert("created".into(), json!(instant(account.created_at)));
    resource
}

/// RFC 7643 §2.3.5: a dateTime of XML Schema.
pub(super) fn instant(at: Timestamp) -> String {
    let at = time::OffsetDateTime::from_unix_timestamp(at.secs()).unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    at.format(&time::format_description::well_known::Rfc3339).unwrap_or_default()
}

/// `alice`, in the home's own domain, or a whole address.
pub(super) fn address_of(ctx: &Ctx, name: &str) -> Outcome<Address> {
    let whole = if name.contains('@') { name.to_string() } else { format!("{name}@{}", ctx.domain) };
    Address::parse(&whole).or_else(|_| refuse(Kind::InvalidValue, "the name is neither a name nor an address"))
}

/// What somebody is called: as it is shown, or of its parts.
fn name_of(wanted: &Resource) -> Outcome<String> {
    let name = find(wanted, "name").and_then(Value::as_object);
    let part = |part: &str| name.and_then(|name| find_text(name, part)).unwrap_or_default();
    match find(wanted, "displayName") {
        Some(Value::String(name)) => Ok(name.trim().to_string()),
        Some(_) => refuse(Kind::InvalidValue, "displayName is not a string"),
        None if !part("formatted").is_empty() => Ok(part("formatted").trim().to_string()),
        None => Ok(format!("{} {}", part("givenName"), part("familyName")).trim().to_string()),
    }
}

/// Entra ID writes `"True"` (quirk: Microsoft Entra, 2026).
fn active_of(wanted: &Resource) -> Outcome<Option<bool>> {
    match find(wanted, "active") {
        None => Ok(None),
        Some(Value::Bool(active)) => Ok(Some(*active)),
        Some(Value::String(word)) if word.eq_ignore_ascii_case("true") => Ok(Some(true)),
        Some(Value::String(word)) if word.eq_ignore_ascii_case("false") => Ok(Some(false)),
        Some(_) => refuse(Kind::InvalidValue, "active is not true or false"),
    }
}
