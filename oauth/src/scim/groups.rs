// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/Groups` (RFC 7643 §4.2): the groups of the home, which apps are allowed by and mail is sent to.

use std::collections::BTreeSet;

use hearth_identity::directory::{Account, Kind as AccountKind, Member, MemberRole, NewAccount};
use hearth_mailstore::{Durability, acl, quota};
use hearth_types::{AccountId, Fault, Trouble};
use serde_json::{Value, json};

use super::endpoint::Collection;
use super::patch::Patchable;
use super::refusal::Kind;
use super::users::{address_of, instant, may_change};
use super::{Asker, BASE, Outcome, Resource, find, find_text, ours, refuse};
use crate::ctx::Ctx;
use crate::request::claims::name_of;

/// The kind.
pub(super) struct Groups;

impl Collection for Groups {
    const NAME: &'static str = "Group";
    const PATH: &'static str = "/Groups";
    const MAY: Patchable =
        Patchable { writable: &["members", "externalId"], fixed: &["id", "schemas", "meta", "displayName"], kept: &[] };

    async fn list(ctx: &Ctx) -> Outcome<Vec<Resource>> {
        let everybody = ctx.directory.list_everybody().await.map_err(ours)?;
        let groups = everybody.accounts.iter().filter(|account| account.kind == AccountKind::Group);
        Ok(groups.map(|group| describe(ctx, group, everybody.members_of(group.id))).collect())
    }

    async fn find(ctx: &Ctx, id: AccountId) -> Outcome<Option<Resource>> {
        match ctx.directory.find_account(id).await.map_err(ours)?.filter(|account| account.kind == AccountKind::Group) {
            Some(group) => {
                let members = ctx.directory.list_group_members(group.id).await.map_err(ours)?;
                Ok(Some(describe(ctx, &group, &members)))
            }
            None => Ok(None),
        }
    }

    async fn add(ctx: &Ctx, asker: &Asker, wanted: &Resource) -> Outcome<AccountId> {
        let address = address_of(ctx, find_text(wanted, "displayName").unwrap_or_default())?;
        let members = members_of(ctx, wanted).await?;
        let new = NewAccount { address, kind: AccountKind::Group, name: String::new(), admin: false };
        let group = asker.directory(ctx).add_account(new).await.map_err(ours)?;
        fill(ctx, asker, group.id, &BTreeSet::new(), &members).await?;
        Ok(group.id)
    }

    async fn change(ctx: &Ctx, asker: &Asker, id: AccountId, known: &Resource, wanted: &Resource) -> Outcome<()> {
        if let Some(name) = find_text(wanted, "displayName")
            && address_of(ctx, name)?.key() != address_of(ctx, find_text(known, "displayName").unwrap_or_default())?.key()
        {
            return refuse(Kind::Mutability, "displayName is given once: it is the group's address");
        }
        let (before, after) = (members_of(ctx, known).await?, members_of(ctx, wanted).await?);
        fill(ctx, asker, id, &before, &after).await
    }

    async fn remove(ctx: &Ctx, asker: &Asker, id: AccountId) -> Outcome<()> {
        if asks_twice(ctx, id).await? {
            return refuse(Kind::Forbidden, "a rule of the home rests on this group: change the rule first");
        }
        remove_mailboxes(ctx, id).await?;
        asker.directory(ctx).remove_account(id).await.map_err(ours)
    }
}

/// Puts in who is not there yet, takes out who is there no longer; the roles of the others stay.
async fn fill(
    ctx: &Ctx,
    asker: &Asker,
    group: AccountId,
    before: &BTreeSet<AccountId>,
    after: &BTreeSet<AccountId>,
) -> Outcome<()> {
    if asks_twice(ctx, group).await? {
        // What protects who looks after the home is not taken from them by a program.
        for member in before.difference(after) {
            may_change(ctx, *member).await?;
        }
    }
    for member in after.difference(before) {
        asker.directory(ctx).add_group_member(group, *member, MemberRole::Member).await.map_err(ours)?;
    }
    for member in before.difference(after) {
        asker.directory(ctx).remove_group_member(group, *member).await.map_err(ours)?;
    }
    Ok(())
}

/// What the group has of mailboxes, and what it was given of others'. One that has mail is not removed by a program.
async fn remove_mailboxes(ctx: &Ctx, group: AccountId) -> Outcome<()> {
    let store = ctx.mail().await.map_err(Fault::Ours)?;
    let kept = store.read(group, quota::find).await.map_err(Trouble::from)?;
    if kept.messages > 0 {
        return refuse(Kind::Mutability, "the group has mail: who looks after the home removes it");
    }
    for owner in ctx.directory.list_owners_sharing_with(group).await.map_err(ours)? {
        store.write(owner, Durability::Synced, move |tx| acl::forget_grantee(tx, group)).await.map_err(Trouble::from)?;
    }
    store.remove_account(group).await.map_err(Trouble::from)?;
    Ok(())
}

/// Do the home's rules ask the members of a group for two factors?
async fn asks_twice(ctx: &Ctx, group: AccountId) -> Outcome<bool> {
    Ok(ctx.policy().await.map_err(Fault::Ours)?.asks_twice(group))
}

async fn members_of(ctx: &Ctx, wanted: &Resource) -> Outcome<BTreeSet<AccountId>> {
    let none = Vec::new();
    let listed = match find(wanted, "members") {
        None => &none,
        Some(Value::Array(members)) => members,
        Some(_) => return refuse(Kind::InvalidValue, "members is not a list"),
    };
    let mut members = BTreeSet::new();
    for member in listed {
        let id = member["value"].as_str().and_then(|id| id.parse::<AccountId>().ok());
        let account = match id {
            Some(id) => ctx.directory.find_account(id).await.map_err(ours)?,
            None => None,
        };
        match account.filter(|account| account.kind != AccountKind::Group) {
            Some(account) => members.insert(account.id),
            None => return refuse(Kind::InvalidValue, "a member is nobody of this home"),
        };
    }
    Ok(members)
}

fn describe(ctx: &Ctx, account: &Account, members: &[Member]) -> Resource {
    let members: Vec<Value> = members
        .iter()
        .map(|member| {
            let at = format!("{}{BASE}/Users/{}", ctx.issuer, member.account);
            json!({ "value": member.account.to_string(), "$ref": at, "type": "User" })
        })
        .collect();
    let mut resource = Resource::new();
    resource.insert("id".into(), json!(account.id.to_string()));
    resource.insert("displayName".into(), json!(name_of(&account.primary, &ctx.domain)));
    resource.insert("members".into(), json!(members));
    resource.insert("created".into(), json!(instant(account.created_at)));
    resource
}
