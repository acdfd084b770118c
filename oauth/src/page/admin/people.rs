// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/admin/people`: who lives here; somebody new is invited by a link.

use std::collections::HashSet;
use std::time::Duration;

use hearth_identity::directory::{Account, Kind, NewAccount};
use hearth_openpgp::Profile;
use hearth_openpgp::generate::AT_BIRTH;
use hearth_types::{AccountId, Trouble};
use hearth_web::axum::response::Response;

use super::page::{Field, Form, Row, Said, Section, show};
use super::{Listing, Outcome, address_of, no_address, note, person, refused};
use crate::ctx::Ctx;
use crate::keyring;
use crate::limits::INVITATION_LIFE;
use crate::page::visit::Visit;
use crate::request::params::Params;
use crate::{t, t1};

pub(super) const PATH: &str = "/admin/people";

/// The page.
pub(super) struct People;

impl Listing for People {
    const PATH: &'static str = PATH;

    async fn change(ctx: &Ctx, visit: &Visit, admin: &Account, form: &Params) -> Outcome {
        if form.field("do") == "keys" {
            return at_birth(ctx, visit, admin, form.field("profile")).await;
        }
        let Some(address) = address_of(form, "address") else { return no_address() };
        let new = NewAccount {
            address,
            kind: Kind::Person,
            name: form.field("name").trim().to_string(),
            admin: form.field("admin") == "yes",
        };
        let account = match visit.directory(ctx).add_account(new).await {
            Ok(account) => account,
            Err(error) => return refused(error),
        };
        keyring::make_at_birth(ctx, &account).await;
        let link = link(ctx, account.id, false, INVITATION_LIFE).await?;
        let says =
            t1("{} is here. Give them this link: whoever opens it within seven days chooses the password.", &account.primary);
        Ok(Said::good(says).with_code(link))
    }

    async fn page(ctx: &Ctx, visit: &Visit, said: Option<Said>) -> Result<Response, Trouble> {
        let with_password = ctx.vault().list_with_password().await?;
        let people = ctx.directory.list_accounts().await?.into_iter().filter(|account| account.kind != Kind::Group);
        let rows = people.map(|account| row(account, &with_password)).collect();
        let everybody = Section { title: t("Everybody").to_string(), rows, ..Section::default() };
        let fields = vec![
            Field::text("address", t("Address"), t("name@domain, in a domain of this home")),
            Field::optional("name", t("Name, as they write it"), ""),
            Field::tick("admin", t("Looks after the home too")),
        ];
        let invite = Section {
            title: t("Invite somebody").to_string(),
            text: t("They get a link and choose their password themselves; nobody else ever knows it.").to_string(),
            forms: vec![Form::of("add", t("Make the account and the link"), fields)],
            ..Section::default()
        };
        let wanted = ctx.directory.find_setting(AT_BIRTH).await?.unwrap_or_default();
        let choice = |name: &str, says: &str| (name.to_string(), says.to_string());
        let choices = vec![
            choice("off", t("None; they make one on their account page")),
            choice(Profile::Compatible.as_str(), t("Works everywhere")),
            choice(Profile::Modern.as_str(), t("Modern: for programs of 2024 and later (RFC 9580)")),
        ];
        let keys = Section {
            title: t("OpenPGP keys").to_string(),
            text: t("A key of somebody new is shown at once, so that others seal their mail to it. Choose one where everybody reads mail in a program that can open it.").to_string(),
            forms: vec![Form::of("keys", t("Save"), vec![Field::choice("profile", t("Somebody new gets"), choices, &wanted)])],
            ..Section::default()
        };
        Ok(show(ctx, visit, t("People"), PATH, vec![everybody, invite, keys], said))
    }
}

/// Which key somebody new gets.
async fn at_birth(ctx: &Ctx, visit: &Visit, admin: &Account, profile: &str) -> Outcome {
    let wanted = Profile::parse(profile).map_or("off", Profile::as_str);
    ctx.directory.change_setting(AT_BIRTH, wanted).await?;
    note(ctx, visit, admin, "keys.at-birth", None, wanted).await?;
    Ok(Said::good(t("That is how it is from now on.")))
}

/// A one-time link.
pub(super) async fn link(ctx: &Ctx, account: AccountId, forget_factors: bool, lives: Duration) -> Result<String, Trouble> {
    let token = ctx.vault().add_link(account, forget_factors, lives).await?;
    Ok(format!("{}/welcome/{}", ctx.issuer, token.expose()))
}

fn row(account: Account, with_password: &HashSet<AccountId>) -> Row {
    let mut marks = vec![account.primary.to_string()];
    if account.kind != Kind::Person {
        marks.push(t(person::kind(account.kind)).to_string());
    }
    if account.admin {
        marks.push(t("looks after the home").to_string());
    }
    if account.disabled {
        marks.push(t("disabled").to_string());
    } else if account.kind == Kind::Person && !with_password.contains(&account.id) {
        marks.push(t("has not opened the link yet").to_string());
    }
    Row {
        title: if account.name.is_empty() { account.primary.local().to_string() } else { account.name },
        says: marks.join(" · "),
        to: Some(format!("{PATH}/{}", account.id)),
        is_bad: account.disabled,
        ..Row::default()
    }
}
