// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/admin/apps/...`: one app: whom it is for, and whether it gets anybody in.

use hearth_identity::directory::Account;
use hearth_identity::grants::Client;
use hearth_types::{ClientId, Trouble};
use hearth_web::axum::response::Response;

use super::page::{Field, Form, Row, Said, Section, show};
use super::{Outcome, Single, address_of, apps, no_address, outcome};
use crate::ctx::Ctx;
use crate::page::done::Done;
use crate::page::visit::Visit;
use crate::request::params::Params;
use crate::{t, t1, t2};

pub(super) const ROUTE: &str = "/admin/apps/{id}";

/// The page.
pub(super) struct App;

impl Single for App {
    type One = Client;
    const LIST: &'static str = apps::PATH;
    const GONE: Done = Done::AppRemoved;

    async fn find(ctx: &Ctx, id: &str) -> Result<Option<Client>, Trouble> {
        match id.parse::<ClientId>() {
            Ok(id) => Ok(ctx.directory.find_client_by_id(id).await?),
            Err(_) => Ok(None),
        }
    }

    async fn change(ctx: &Ctx, visit: &Visit, _admin: &Account, client: &Client, form: &Params) -> Result<Option<Said>, Trouble> {
        if form.field("do") == "remove" {
            visit.directory(ctx).remove_client(&client.identifier).await?;
            return Ok(None);
        }
        change(ctx, visit, client, form).await.map(Some)
    }

    async fn page(ctx: &Ctx, visit: &Visit, client: &Client, said: Option<Said>) -> Result<Response, Trouble> {
        page(ctx, visit, client, said).await
    }
}

async fn change(ctx: &Ctx, visit: &Visit, client: &Client, form: &Params) -> Outcome {
    let directory = visit.directory(ctx);
    match form.field("do") {
        "enable" => outcome(directory.enable_client(client.id).await, t1("{} is let in.", &client.name)),
        "disable" => {
            let done = t1("{} is let in no longer; what was signed in through it is signed out.", &client.name);
            outcome(directory.disable_client(client.id).await, done)
        }
        "renew" => Ok(match directory.change_client_secret(client.id).await? {
            Some(secret) => {
                let says = t("This is the new secret. Paste it into the app's own settings; it is shown this once.");
                Said::good(says).with_code(secret.expose().clone())
            }
            None => Said::bad(t("Nothing was changed.")),
        }),
        "open" => outcome(directory.open_client(client.id).await, t1("Everybody may use {}.", &client.name)),
        "allow" | "deny" => {
            let allows = form.field("do") == "allow";
            let Some(address) = address_of(form, if allows { "who" } else { "id" }) else { return no_address() };
            let Some(who) = directory.find_account_by_address(&address).await? else {
                return Ok(Said::bad(t1("There is nobody with the address {} here.", &address)));
            };
            if allows {
                let done = t2("{} may use {}.", &who.primary, &client.name);
                outcome(directory.add_client_access(client.id, who.id).await, done)
            } else {
                let done = t2("{} may use {} no longer.", &who.primary, &client.name);
                outcome(directory.remove_client_access(client.id, who.id).await, done)
            }
        }
        _ => Ok(Said::bad(t("Nothing was changed."))),
    }
}

async fn page(ctx: &Ctx, visit: &Visit, client: &Client, said: Option<Said>) -> Result<Response, Trouble> {
    let row = |title: &str, says: String| Row { title: title.to_string(), says, ..Row::default() };
    let state = match (apps::waits(client), client.disabled) {
        (true, _) => t("waits to be let in"),
        (false, true) => t("disabled"),
        (false, false) => t("let in"),
    };
    let mut forms = vec![match client.disabled {
        true => Form::of("enable", t("Let it in"), Vec::new()),
        false => Form::of("disable", t("Let it in no longer"), Vec::new()),
    }];
    if !client.is_public() {
        forms.push(Form::of("renew", t("Give it a new secret"), Vec::new()).costing(t(
            "The old one is worth nothing at once: nobody can sign in to the app until the new one is pasted into its settings.",
        )));
    }
    forms.push(Form::of("remove", t("Remove the app"), Vec::new()).costing(t(
        "Everybody who signed in through it is signed out, and its secret is worth nothing any more. Added again, it has another one.",
    )));
    let facts = Section {
        title: t("Facts").to_string(),
        rows: vec![
            Row { is_bad: client.disabled, ..row(t("State"), state.to_string()) },
            row(t("Client id"), client.identifier.clone()),
            row(t("Where the answer goes"), client.redirect_uris.join(" ")),
            row(t("May ask for"), client.scopes.join(" ")),
        ],
        forms,
        ..Section::default()
    };
    Ok(show(ctx, visit, client.name.clone(), apps::PATH, vec![facts, access(ctx, client).await?], said))
}

async fn access(ctx: &Ctx, client: &Client) -> Result<Section, Trouble> {
    let is_listed = client.access == "listed";
    let rows = ctx.directory.list_client_access(client.id).await?.into_iter().map(|address| {
        let address = address.to_string();
        Row { forms: vec![Form::small("deny", t("Remove"), &address, &address)], title: address, ..Row::default() }
    });
    let who = Field::text("who", t("Address"), t("Of a person or a group"));
    let mut forms = vec![Form::of("allow", t("Let them use it"), vec![who])];
    if is_listed {
        forms.push(Form::of("open", t("Let everybody use it"), Vec::new()));
    }
    let text = if is_listed {
        t("Those who stand here, and nobody else.")
    } else {
        t("Everybody of the home. As soon as somebody is named here, nobody else.")
    };
    Ok(Section {
        title: t("Who may use it").to_string(),
        text: text.to_string(),
        rows: rows.collect(),
        forms,
        ..Section::default()
    })
}
