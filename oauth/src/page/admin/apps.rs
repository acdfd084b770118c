// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/admin/apps`: programs that people sign in to; those that wait to be let in; what becomes of strangers.

use hearth_identity::directory::Account;
use hearth_identity::grants::{Client, NewClient, Registration};
use hearth_identity::preset;
use hearth_types::Trouble;
use hearth_web::axum::response::Response;

use super::page::{Field, Form, Row, Said, Section, show};
use super::{Listing, Outcome, refused};
use crate::client::profile::Profile;
use crate::client::redirect;
use crate::ctx::Ctx;
use crate::page::visit::Visit;
use crate::request::params::Params;
use crate::{t, t1, t2};

pub(super) const PATH: &str = "/admin/apps";
/// What an app may ask for when no preset says.
const SCOPES: [&str; 4] = ["openid", "profile", "email", "offline_access"];

/// The page.
pub(super) struct Apps;

impl Listing for Apps {
    const PATH: &'static str = PATH;

    async fn change(ctx: &Ctx, visit: &Visit, _: &Account, form: &Params) -> Outcome {
        match form.field("do") {
            "preset" => by_preset(ctx, visit, form).await,
            "add" => by_hand(ctx, visit, form).await,
            "strangers" => {
                let Some(chosen) = Registration::parse(form.field("strangers")) else {
                    return Ok(Said::bad(t("Nothing was changed.")));
                };
                visit.directory(ctx).change_registration(chosen).await?;
                Ok(Said::good(t("That is how it is from now on.")))
            }
            _ => Ok(Said::bad(t("Nothing was changed."))),
        }
    }

    async fn page(ctx: &Ctx, visit: &Visit, said: Option<Said>) -> Result<Response, Trouble> {
        let clients = ctx.directory.list_clients().await?;
        let (waiting, known): (Vec<&Client>, Vec<&Client>) = clients.iter().partition(|client| waits(client));
        let mut sections = Vec::new();
        if !waiting.is_empty() {
            sections.push(Section {
            title: t("Waiting to be let in").to_string(),
            text: t("These programs introduced themselves. Let one in only when somebody of the home has just set it up; the name is what it says of itself.").to_string(),
            rows: waiting.into_iter().map(row).collect(),
            ..Section::default()
        });
        }
        sections.push(Section { title: t("Apps").to_string(), rows: known.into_iter().map(row).collect(), ..Section::default() });
        // What stands behind the front door needs a name in the home's certificate, which this process cannot sign.
        let known = preset::all()?.into_iter().filter(|(_, preset)| !preset.upstream);
        let presets = known.map(|(name, preset)| (name, preset.title)).collect();
        sections.push(Section {
            title: t("Add an app that we know").to_string(),
            forms: vec![Form::of(
                "preset",
                t("Add the app"),
                vec![
                    Field::choice("preset", t("App"), presets, ""),
                    Field::text("url", t("Where it is"), t("Such as https://photos.home.example")),
                ],
            )],
            ..Section::default()
        });
        sections.push(Section {
            title: t("Add another app").to_string(),
            forms: vec![Form::of(
                "add",
                t("Add the app"),
                vec![
                    Field::text("name", t("What people call it"), ""),
                    Field::text(
                        "redirect",
                        t("Where the answer goes"),
                        t("Its “redirect URI” or “callback URL”, exactly as its manual says; several with a space between"),
                    ),
                    Field::tick("public", t("It cannot keep a secret: an app on a phone or in a browser")),
                ],
            )],
            ..Section::default()
        });
        sections.push(strangers(ctx).await?);
        Ok(show(ctx, visit, t("Apps"), PATH, sections, said))
    }
}

async fn by_preset(ctx: &Ctx, visit: &Visit, form: &Params) -> Outcome {
    let read = || {
        let known = preset::find(form.field("preset"))?;
        let url = preset::check_url(form.field("url").trim())?;
        let new = NewClient {
            identifier: None,
            name: known.title.clone(),
            public: known.is_public(),
            redirect_uris: known.redirect_uris(&url)?,
            post_logout_redirect_uris: known.post_logout_redirect_uris(&url)?,
            grant_types: known.grants(),
            scopes: known.scopes(),
            preset: Some(form.field("preset").to_string()),
            trusted: known.trusted,
            metadata: known.metadata(&url)?.to_string(),
        };
        Ok((known, url, new))
    };
    let (known, url, new) = match read() {
        Ok((known, ..)) if known.upstream => return Ok(Said::bad(t("Nothing was changed."))),
        Ok(read) => read,
        Err(error) => return refused(error),
    };
    let (client, secret) = match visit.directory(ctx).add_client(new).await {
        Ok(added) => added,
        Err(error) => return refused(error),
    };
    let secret = secret.map(|secret| secret.expose().clone()).unwrap_or_default();
    let says = t1("{} is added. Paste this into its own settings; the secret is shown this once.", &client.name);
    Ok(Said::good(says).with_code(known.paste(&url, &ctx.issuer, &client.identifier, &secret)))
}

async fn by_hand(ctx: &Ctx, visit: &Visit, form: &Params) -> Outcome {
    let uris: Vec<String> = form.field("redirect").split_whitespace().map(str::to_string).collect();
    if uris.is_empty() || uris.iter().any(|uri| redirect::check(uri).is_err()) {
        return Ok(Said::bad(t(
            "The address for the answer cannot be used: write exactly what the app's manual says, with https.",
        )));
    }
    let new = NewClient {
        identifier: None,
        name: form.field("name").trim().to_string(),
        public: form.field("public") == "yes",
        redirect_uris: uris,
        post_logout_redirect_uris: Vec::new(),
        grant_types: Vec::new(),
        scopes: SCOPES.map(str::to_string).to_vec(),
        preset: None,
        trusted: false,
        metadata: "{}".to_string(),
    };
    let (client, secret) = match visit.directory(ctx).add_client(new).await {
        Ok(added) => added,
        Err(error) => return refused(error),
    };
    let mut lines = format!("issuer: {}\nclient id: {}", ctx.issuer, client.identifier);
    if let Some(secret) = secret {
        lines.push_str(&format!("\nclient secret: {}", secret.expose()));
    }
    let says = t1("{} is added. Paste this into its own settings; the secret is shown this once.", &client.name);
    Ok(Said::good(says).with_code(lines))
}

/// It registered itself, and nobody has let it in.
pub(super) fn waits(client: &Client) -> bool {
    client.disabled && Profile::of(client).registration.is_some()
}

fn row(client: &Client) -> Row {
    let place = client.redirect_uris.first().map(String::as_str).unwrap_or_default();
    let says = match (client.disabled, client.access == "listed") {
        (true, _) => t2("{} · {}", place, t("disabled")),
        (false, true) => t2("{} · {}", place, t("for some of the home")),
        (false, false) => place.to_string(),
    };
    Row { title: client.name.clone(), says, to: Some(format!("{PATH}/{}", client.id)), is_bad: client.disabled, ..Row::default() }
}

async fn strangers(ctx: &Ctx) -> Result<Section, Trouble> {
    let choices = Registration::ALL.map(|choice| {
        let says = match choice {
            Registration::Approved => t("wait until somebody who looks after the home lets them in"),
            Registration::Open => t("may be used at once; people are told that they are strangers"),
            Registration::Off => t("are refused"),
        };
        (choice.name().to_string(), says.to_string())
    });
    let chosen = ctx.directory.find_registration().await?;
    Ok(Section {
        title: t("Programs that introduce themselves").to_string(),
        text: t("Some mail programs make themselves known to a provider before anybody signs in.").to_string(),
        forms: vec![Form::of(
            "strangers",
            t("Choose"),
            vec![Field::choice("strangers", t("They"), choices.to_vec(), chosen.name())],
        )],
        ..Section::default()
    })
}
