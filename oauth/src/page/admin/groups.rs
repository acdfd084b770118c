// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/admin/groups`: several people behind one address; also what apps are allowed by.

use hearth_identity::directory::{Account, Kind, MemberRole, NewAccount};
use hearth_types::{AccountId, Trouble};
use hearth_web::axum::response::Response;

use super::page::{Field, Form, Row, Said, Section, show};
use super::{Listing, Outcome, address_of, no_address, outcome};
use crate::ctx::Ctx;
use crate::page::visit::Visit;
use crate::request::params::Params;
use crate::{t, t1, t2};

pub(super) const PATH: &str = "/admin/groups";

/// The page.
pub(super) struct Groups;

impl Listing for Groups {
    const PATH: &'static str = PATH;

    async fn change(ctx: &Ctx, visit: &Visit, _: &Account, form: &Params) -> Outcome {
        if form.field("do") == "add" {
            let Some(address) = address_of(form, "address") else { return no_address() };
            let new = NewAccount {
                address: address.clone(),
                kind: Kind::Group,
                name: form.field("name").trim().to_string(),
                admin: false,
            };
            return outcome(visit.directory(ctx).add_account(new).await, t1("The group {} is here.", &address));
        }
        // The field `id` is the group; of a button in a row, the group and the member with a space between.
        let (group, member) = form.field("id").split_once(' ').unwrap_or((form.field("id"), ""));
        let group = match group.parse::<AccountId>() {
            Ok(id) => ctx.directory.find_account(id).await?.filter(|account| account.kind == Kind::Group),
            Err(_) => None,
        };
        let Some(group) = group else { return Ok(Said::bad(t("That group is gone."))) };
        match form.field("do") {
            "join" => {
                let Some(address) = address_of(form, "member") else { return no_address() };
                let Some(member) = ctx.directory.find_account_by_address(&address).await? else {
                    return Ok(Said::bad(t1("There is nobody with the address {} here.", &address)));
                };
                let done = t2("{} is in {} now.", &member.primary, &group.primary);
                outcome(visit.directory(ctx).add_group_member(group.id, member.id, MemberRole::Member).await, done)
            }
            "leave" => {
                let Ok(member) = member.parse::<AccountId>() else { return Ok(Said::bad(t("Nothing was changed."))) };
                let done = t1("They are in {} no longer, and out of every app that is for this group alone.", &group.primary);
                outcome(visit.directory(ctx).remove_group_member(group.id, member).await, done)
            }
            _ => Ok(Said::bad(t("Nothing was changed."))),
        }
    }

    async fn page(ctx: &Ctx, visit: &Visit, said: Option<Said>) -> Result<Response, Trouble> {
        let mut sections = Vec::new();
        for group in ctx.directory.list_accounts().await?.into_iter().filter(|account| account.kind == Kind::Group) {
            let members = ctx.directory.list_group_members(group.id).await?.into_iter().map(|member| {
                let address = member.address.to_string();
                let id = format!("{} {}", group.id, member.account);
                Row { forms: vec![Form::small("leave", t("Remove"), id, &address)], title: address, ..Row::default() }
            });
            let join = Form {
                id: group.id.to_string(),
                ..Form::of("join", t("Add to the group"), vec![Field::text("member", t("Address"), "")])
            };
            sections.push(Section {
                title: if group.name.is_empty() {
                    group.primary.to_string()
                } else {
                    format!("{} ({})", group.name, group.primary)
                },
                rows: members.collect(),
                forms: vec![join],
                ..Section::default()
            });
        }
        let fields = vec![
            Field::text("address", t("Address"), t("name@domain, in a domain of this home")),
            Field::optional("name", t("What people call it"), ""),
        ];
        sections.push(Section {
            title: t("Make a group").to_string(),
            text: t("Mail to its address reaches every member, and apps can be for a group alone.").to_string(),
            forms: vec![Form::of("add", t("Make the group"), fields)],
            ..Section::default()
        });
        Ok(show(ctx, visit, t("Groups"), PATH, sections, said))
    }
}
