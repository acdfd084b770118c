// SPDX-License-Identifier: AGPL-3.0-or-later
//! `hearth client`: programs that people sign in to.

mod change;
mod metadata;

use anyhow::{anyhow, bail};
use hearth_identity::Directory;
use hearth_identity::directory::Kind;
use hearth_identity::grants::{Client, NewClient, Registration};
use hearth_identity::preset;
use serde_json::{Value, json};

use crate::cli::{ClientAddArgs, ClientCommand};
use crate::out::Out;
use crate::place::{Place, account};
use metadata::Described;

/// What a client may ask for when nothing was said.
const SCOPES: [&str; 4] = ["openid", "profile", "email", "offline_access"];

/// Runs it.
pub async fn run(place: &Place, command: ClientCommand, out: &Out) -> anyhow::Result<()> {
    let directory = place.directory().await?;
    match command {
        ClientCommand::Add(args) => add(place, &directory, *args, out).await?,
        ClientCommand::Change(args) => change::run(&directory, *args, out).await?,
        ClientCommand::Presets => {
            let rows: Vec<Value> =
                preset::all()?.into_iter().map(|(name, preset)| json!({ "name": name, "app": preset.title })).collect();
            out.table(&rows, &["name", "app"], "There are none.");
        }
        ClientCommand::Allow { client_id, account: who } => {
            let client = directory.find_client(&client_id).await?.ok_or_else(|| missing(&client_id))?;
            let account = account(&directory, &who).await?;
            directory.add_client_access(client.id, account.id).await?;
            let listed = listed(&directory, &client).await?;
            out.result(
                &json!({ "client_id": client_id, "allowed": listed }),
                format!("{} is for {}", client.name, listed.join(", ")),
            );
        }
        ClientCommand::Deny { client_id, account: who } => {
            let client = directory.find_client(&client_id).await?.ok_or_else(|| missing(&client_id))?;
            let account = account(&directory, &who).await?;
            if !directory.remove_client_access(client.id, account.id).await? {
                bail!("{who} is not on the list of {client_id}");
            }
            let listed = listed(&directory, &client).await?;
            let says =
                if listed.is_empty() { "nobody; `hearth client open` lets everyone in".to_owned() } else { listed.join(", ") };
            out.result(&json!({ "client_id": client_id, "allowed": listed }), format!("{} is for {says}", client.name));
        }
        ClientCommand::Open { client_id } => {
            let client = directory.find_client(&client_id).await?.ok_or_else(|| missing(&client_id))?;
            directory.open_client(client.id).await?;
            out.result(&json!({ "client_id": client_id }), format!("everyone may use {}", client.name));
        }
        ClientCommand::Enable { client_id } => {
            let client = directory.find_client(&client_id).await?.ok_or_else(|| missing(&client_id))?;
            directory.enable_client(client.id).await?;
            out.result(&json!({ "client_id": client_id }), format!("{} is let in.", client.name));
        }
        ClientCommand::Disable { client_id } => {
            let client = directory.find_client(&client_id).await?.ok_or_else(|| missing(&client_id))?;
            directory.disable_client(client.id).await?;
            let says = format!("{} is let in no longer; what was signed in through it is signed out.", client.name);
            out.result(&json!({ "client_id": client_id }), says);
        }
        ClientCommand::Registration { choice } => registration(&directory, choice.as_deref(), out).await?,
        ClientCommand::List => {
            let rows: Vec<Value> = directory.list_clients().await?.iter().map(describe).collect();
            out.table(
                &rows,
                &["client_id", "name", "public", "trusted", "disabled"],
                "There are none. Add one: hearth client add NAME --redirect-uri URI",
            );
        }
        ClientCommand::Show { client_id } => {
            let client = directory.find_client(&client_id).await?.ok_or_else(|| missing(&client_id))?;
            let value = describe(&client);
            let lines = format!(
                "{}\n  name           {}\n  redirect URIs  {}\n  scopes         {}\n  public         {}\n  trusted        {}\n  issuer         {}",
                client.identifier,
                client.name,
                client.redirect_uris.join(" "),
                client.scopes.join(" "),
                client.is_public(),
                client.trusted,
                place.config.issuer()
            );
            out.result(&value, lines);
        }
        ClientCommand::Remove { client_id } => {
            directory.find_client(&client_id).await?.ok_or_else(|| missing(&client_id))?;
            directory.remove_client(&client_id).await?;
            out.result(&json!({ "client_id": client_id }), format!("{client_id} is gone; its sessions ended."));
        }
    }
    Ok(())
}

/// Says, or changes, what becomes of programs that register themselves.
async fn registration(directory: &Directory, choice: Option<&str>, out: &Out) -> anyhow::Result<()> {
    if let Some(choice) = choice {
        let chosen = Registration::parse(choice).ok_or_else(|| anyhow!("{choice:?} is not one of approved, open, off"))?;
        directory.change_registration(chosen).await?;
    }
    let chosen = directory.find_registration().await?;
    let says = match chosen {
        Registration::Approved => "Programs that register themselves wait for: hearth client enable CLIENT_ID",
        Registration::Open => "Programs that register themselves may be used at once; people are told that they are strangers.",
        Registration::Off => "Programs that register themselves are refused.",
    };
    out.result(&json!({ "registration": chosen.name() }), says);
    Ok(())
}

async fn listed(directory: &Directory, client: &Client) -> anyhow::Result<Vec<String>> {
    Ok(directory.list_client_access(client.id).await?.iter().map(ToString::to_string).collect())
}

async fn add(place: &Place, directory: &Directory, args: ClientAddArgs, out: &Out) -> anyhow::Result<()> {
    for uri in args.redirect_uri.iter().chain(&args.post_logout_redirect_uri) {
        check_redirect(uri)?;
    }
    for uri in args.backchannel_logout_uri.iter().chain(&args.frontchannel_logout_uri) {
        if !uri.starts_with("https://") && !uri.starts_with("http://") {
            bail!("{uri:?} is not an address of the program; write it as https://...");
        }
    }
    let described = args.metadata.as_deref().map(Described::open).transpose()?;
    let known = args.preset.as_deref().map(preset::find).transpose()?;
    let url = args.url.as_deref().map(preset::check_url).transpose()?.unwrap_or_default();
    let mut new = NewClient {
        identifier: args.client_id.clone(),
        name: args.name.clone().or_else(|| known.as_ref().map(|known| known.title.clone())).unwrap_or_default(),
        public: args.public,
        redirect_uris: args.redirect_uri.clone(),
        post_logout_redirect_uris: args.post_logout_redirect_uri.clone(),
        grant_types: grant_types(&args),
        scopes: args.scope.clone(),
        preset: args.preset.clone(),
        trusted: args.trusted,
        metadata: String::new(),
    };
    if let Some(described) = &described {
        described.fill(&mut new)?;
    }
    let mut metadata: Value = serde_json::from_str(&new.metadata).unwrap_or_else(|_| json!({}));
    if let Some(known) = &known {
        new.public |= known.is_public();
        new.trusted |= known.trusted;
        if new.grant_types.is_empty() {
            new.grant_types = known.grants();
        }
        if args.lean_id_token && known.reads_id_token_only() {
            bail!("{} reads nothing but the ID token: a lean one would tell it nothing", known.title);
        }
        new.redirect_uris.extend(known.redirect_uris(&url)?);
        new.post_logout_redirect_uris.extend(known.post_logout_redirect_uris(&url)?);
        if new.scopes.is_empty() {
            new.scopes = known.scopes();
        }
        for (name, value) in known.metadata(&url)?.as_object().into_iter().flatten() {
            metadata[name] = value.clone();
        }
    }
    if new.scopes.is_empty() {
        new.scopes = SCOPES.map(str::to_owned).to_vec();
    }
    choose(&args, &mut metadata);
    if let Some(who) = &args.service_account {
        let account = account(directory, who).await?;
        if account.kind != Kind::Service {
            bail!("{who} is not a service account; make one: hearth account add {who} --kind service");
        }
        metadata["hearth_service_account"] = json!(account.id.to_string());
    }
    new.metadata = metadata.to_string();
    metadata::check_whole(&new)?;
    let (client, secret) = directory.add_client(new).await?;
    let secret = secret.filter(|_| !metadata::signs_in(&client.metadata));
    let issuer = place.config.issuer();
    let mut value = json!({ "client_id": client.identifier });
    let mut lines = format!("client id      {}\n", client.identifier);
    if let Some(secret) = &secret {
        value["client_secret"] = json!(secret.expose());
        lines.push_str(&format!("client secret  {}   (shown once)\n", secret.expose()));
    }
    lines.push_str(&format!("issuer         {issuer}"));
    if let Some(left_out) = described.as_ref().map(Described::left_out).filter(|names| !names.is_empty()) {
        lines.push_str(&format!("\nNothing is done with {}.", left_out.join(", ")));
        value["left_out"] = json!(left_out);
    }
    if let Some(known) = &known {
        let secret = secret.as_ref().map(|secret| secret.expose().as_str()).unwrap_or_default();
        let paste = known.paste(&url, &issuer, &client.identifier, secret);
        lines.push_str(&format!("\nauthentication {}", known.auth_method()));
        if !known.claims().is_empty() {
            lines.push_str(&format!("\nclaims         {}", known.claims().join(" ")));
        }
        lines.push_str(&format!("\n\nFor {}:\n{paste}", known.title));
        value["paste"] = json!(paste);
        value["token_endpoint_auth_method"] = json!(known.auth_method());
        value["claims"] = json!(known.claims());
    }
    out.result(&value, lines);
    Ok(())
}

/// None for the usual two.
fn grant_types(args: &ClientAddArgs) -> Vec<String> {
    let mut grants: Vec<String> = Vec::new();
    if args.device || args.service_account.is_some() || !args.exchange.is_empty() {
        if !args.redirect_uri.is_empty() || args.preset.is_some() {
            grants.push("authorization_code".to_owned());
        }
        if args.device || !grants.is_empty() {
            grants.push("refresh_token".to_owned());
        }
    }
    if args.device {
        grants.push("urn:ietf:params:oauth:grant-type:device_code".to_owned());
    }
    if args.service_account.is_some() {
        grants.push("client_credentials".to_owned());
    }
    if !args.exchange.is_empty() {
        grants.push("urn:ietf:params:oauth:grant-type:token-exchange".to_owned());
    }
    grants
}

/// What was chosen on the command line, over what a preset says.
fn choose(args: &ClientAddArgs, metadata: &mut Value) {
    for (name, value) in [
        ("backchannel_logout_uri", args.backchannel_logout_uri.as_ref().map(|uri| json!(uri))),
        ("frontchannel_logout_uri", args.frontchannel_logout_uri.as_ref().map(|uri| json!(uri))),
        ("id_token_signed_response_alg", args.id_token_alg.as_ref().map(|algorithm| json!(algorithm))),
        ("hearth_id_token", args.lean_id_token.then(|| json!("lean"))),
        ("hearth_pkce", args.without_pkce.then(|| json!("optional"))),
        ("subject_type", args.pairwise.then(|| json!("pairwise"))),
        ("hearth_access_token", args.jwt_access_tokens.then(|| json!("jwt"))),
        ("hearth_exchanges", (!args.exchange.is_empty()).then(|| json!(args.exchange))),
        ("hearth_resources", (!args.resource.is_empty()).then(|| json!(args.resource))),
    ] {
        if let Some(value) = value {
            metadata[name] = value;
        }
    }
}

fn missing(client_id: &str) -> anyhow::Error {
    anyhow!("there is no client {client_id}; see: hearth client list")
}

/// RFC 6749 §3.1.2: absolute, without a fragment. RFC 8252 §7: a private scheme or a loopback address is a program's own.
fn check_redirect(uri: &str) -> anyhow::Result<()> {
    let Some((scheme, rest)) = uri.split_once(':') else { bail!("--redirect-uri {uri:?} has no scheme; write it as https://...") };
    if uri.contains(['#', ' ', '*']) || rest.is_empty() {
        bail!("--redirect-uri {uri:?} has a fragment, a blank or a star; write exactly what the program uses");
    }
    let loopback = ["//127.0.0.1", "//localhost", "//[::1]"].iter().any(|start| rest.starts_with(start));
    match scheme {
        "http" if !loopback => bail!("--redirect-uri {uri:?} would send the answer unencrypted; use https"),
        "javascript" | "data" | "file" => bail!("--redirect-uri {uri:?} is not a place that an answer can be sent to"),
        _ => Ok(()),
    }
}

fn describe(client: &Client) -> Value {
    json!({
        "client_id": client.identifier,
        "name": client.name,
        "redirect_uris": client.redirect_uris,
        "grant_types": client.grant_types,
        "scopes": client.scopes,
        "public": client.is_public(),
        "trusted": client.trusted,
        "disabled": client.disabled,
        "created_at": client.created_at.secs(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_an_answer_may_go() {
        for good in ["https://app.example.org/cb", "http://127.0.0.1:8080/cb", "http://localhost/", "org.example.app:/cb"] {
            assert!(check_redirect(good).is_ok(), "{good}");
        }
        for bad in [
            "app.example.org/cb",
            "http://app.example.org/cb",
            "https://a.org/#x",
            "https://*.a.org/",
            "javascript:alert(1)",
            "https:",
        ] {
            assert!(check_redirect(bad).is_err(), "{bad}");
        }
    }
}
