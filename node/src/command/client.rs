// SPDX-License-Identifier: AGPL-3.0-or-later
//! `hearth client`: programs that people sign in to.

mod app;
mod change;
mod metadata;

use anyhow::{anyhow, bail};
use hearth_identity::Directory;
use hearth_identity::directory::Kind;
use hearth_identity::grants::{Client, NewClient, Registration, redirect_uri};
use hearth_identity::preset::{self, Preset};
use hearth_types::AccountId;
use serde_json::{Value, json};

use crate::cli::{ClientAddArgs, ClientCommand};
use crate::init::certificate;
use crate::out::Out;
use crate::place::{Place, account};
use metadata::Described;

/// What a client may ask for when nothing was said.
const SCOPES: [&str; 4] = ["openid", "profile", "email", "offline_access"];

/// Runs it.
pub async fn run(place: &Place, command: ClientCommand, out: &Out) -> anyhow::Result<()> {
    let directory = place.directory().await?;
    match command {
        ClientCommand::Add(args) => add(place, &directory, *args, out).await,
        ClientCommand::Change(args) => change::run(&directory, *args, out).await,
        ClientCommand::Presets => presets(out),
        ClientCommand::Allow { client_id, account } => allow(&directory, &client_id, &account, out).await,
        ClientCommand::Deny { client_id, account } => deny(&directory, &client_id, &account, out).await,
        ClientCommand::Open { client_id } => open(&directory, &client_id, out).await,
        ClientCommand::Enable { client_id } => enable(&directory, &client_id, out).await,
        ClientCommand::Disable { client_id } => disable(&directory, &client_id, out).await,
        ClientCommand::Registration { choice } => registration(&directory, choice.as_deref(), out).await,
        ClientCommand::List => list(&directory, out).await,
        ClientCommand::Show { client_id } => show(place, &directory, &client_id, out).await,
        ClientCommand::Remove { client_id } => remove(&directory, &client_id, out).await,
    }
}

/// The client that somebody typed.
async fn find(directory: &Directory, client_id: &str) -> anyhow::Result<Client> {
    let found = directory.find_client(client_id).await?;
    found.ok_or_else(|| anyhow!("there is no client {client_id}; see: hearth client list"))
}

fn presets(out: &Out) -> anyhow::Result<()> {
    let known = preset::all()?.into_iter();
    let rows: Vec<Value> = known.map(|(name, preset)| json!({ "name": name, "app": preset.title })).collect();
    out.table(&rows, &["name", "app"], "There are none.");
    Ok(())
}

async fn allow(directory: &Directory, client_id: &str, who: &str, out: &Out) -> anyhow::Result<()> {
    let client = find(directory, client_id).await?;
    let account = account(directory, who).await?;
    directory.add_client_access(client.id, account.id).await?;
    let listed = listed(directory, &client).await?;
    let says = format!("{} is for {}", client.name, listed.join(", "));
    out.result(&json!({ "client_id": client_id, "allowed": listed }), says);
    Ok(())
}

async fn deny(directory: &Directory, client_id: &str, who: &str, out: &Out) -> anyhow::Result<()> {
    let client = find(directory, client_id).await?;
    let account = account(directory, who).await?;
    if !directory.remove_client_access(client.id, account.id).await? {
        bail!("{who} is not on the list of {client_id}");
    }
    let listed = listed(directory, &client).await?;
    let says = if listed.is_empty() { "nobody; `hearth client open` lets everyone in".to_owned() } else { listed.join(", ") };
    out.result(&json!({ "client_id": client_id, "allowed": listed }), format!("{} is for {says}", client.name));
    Ok(())
}

async fn open(directory: &Directory, client_id: &str, out: &Out) -> anyhow::Result<()> {
    let client = find(directory, client_id).await?;
    directory.open_client(client.id).await?;
    out.result(&json!({ "client_id": client_id }), format!("everyone may use {}", client.name));
    Ok(())
}

async fn enable(directory: &Directory, client_id: &str, out: &Out) -> anyhow::Result<()> {
    let client = find(directory, client_id).await?;
    directory.enable_client(client.id).await?;
    out.result(&json!({ "client_id": client_id }), format!("{} is let in.", client.name));
    Ok(())
}

async fn disable(directory: &Directory, client_id: &str, out: &Out) -> anyhow::Result<()> {
    let client = find(directory, client_id).await?;
    directory.disable_client(client.id).await?;
    let says = format!("{} is let in no longer; what was signed in through it is signed out.", client.name);
    out.result(&json!({ "client_id": client_id }), says);
    Ok(())
}

async fn list(directory: &Directory, out: &Out) -> anyhow::Result<()> {
    let rows: Vec<Value> = directory.list_clients().await?.iter().map(describe).collect();
    let none = "There are none. Add one: hearth client add NAME --redirect-uri URI";
    out.table(&rows, &["client_id", "name", "public", "trusted", "disabled"], none);
    Ok(())
}

async fn show(place: &Place, directory: &Directory, client_id: &str, out: &Out) -> anyhow::Result<()> {
    let client = find(directory, client_id).await?;
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
    out.result(&describe(&client), lines);
    Ok(())
}

async fn remove(directory: &Directory, client_id: &str, out: &Out) -> anyhow::Result<()> {
    find(directory, client_id).await?;
    directory.remove_client(client_id).await?;
    out.result(&json!({ "client_id": client_id }), format!("{client_id} is gone; its sessions ended."));
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
    check_addresses(&args)?;
    let described = args.metadata.as_deref().map(Described::open).transpose()?;
    let known = args.preset.as_deref().map(preset::find).transpose()?;
    let url = args.url.as_deref().map(preset::check_url).transpose()?.unwrap_or_default();
    let mut new = asked(&args);
    if let Some(described) = &described {
        described.fill(&mut new)?;
    }
    let mut metadata = serde_json::from_str(&new.metadata).unwrap_or_else(|_| json!({}));
    if let Some(known) = &known {
        fill_in(&mut new, &mut metadata, known, &args, &url)?;
    }
    if new.scopes.is_empty() {
        new.scopes = SCOPES.map(str::to_owned).to_vec();
    }
    choose(&args, &mut metadata);
    let wants_upstream = known.as_ref().is_some_and(|known| known.upstream);
    app::choose(&place.config, directory, &args, wants_upstream, &url, &mut metadata).await?;
    if let Some(who) = &args.service_account {
        metadata["hearth_service_account"] = json!(service_account(directory, who).await?.to_string());
    }
    new.metadata = metadata.to_string();
    metadata::check_whole(&new)?;
    let (client, secret) = directory.add_client(new).await?;
    if client.upstream().is_some() {
        certificate::renew_for_all(&place.config, directory).await?;
    }
    let secret = secret.as_ref().filter(|_| !metadata::signs_in(&client.metadata)).map(|secret| secret.expose().as_str());
    let issuer = place.config.issuer();
    let (mut value, mut lines) = what_to_paste(&client.identifier, secret, &issuer);
    if let Some(left_out) = described.as_ref().map(Described::left_out).filter(|names| !names.is_empty()) {
        lines.push_str(&format!("\nNothing is done with {}.", left_out.join(", ")));
        value["left_out"] = json!(left_out);
    }
    if let Some(known) = &known {
        let paste = known.paste(&url, &issuer, &client.identifier, secret.unwrap_or_default());
        say_of_preset(known, paste, &mut value, &mut lines);
    }
    out.result(&value, lines);
    Ok(())
}

fn check_addresses(args: &ClientAddArgs) -> anyhow::Result<()> {
    for uri in args.redirect_uri.iter().chain(&args.post_logout_redirect_uri) {
        check_redirect(uri)?;
    }
    for uri in args.backchannel_logout_uri.iter().chain(&args.frontchannel_logout_uri) {
        if !uri.starts_with("https://") && !uri.starts_with("http://") {
            bail!("{uri:?} is not an address of the program; write it as https://...");
        }
    }
    Ok(())
}

/// A place where an answer may go.
fn check_redirect(uri: &str) -> anyhow::Result<()> {
    redirect_uri::check(uri).map_err(|why| anyhow!("{uri:?} {why}"))
}

/// What the command line says of the client itself.
fn asked(args: &ClientAddArgs) -> NewClient {
    NewClient {
        identifier: args.client_id.clone(),
        name: args.name.clone().unwrap_or_default(),
        public: args.public,
        redirect_uris: args.redirect_uri.clone(),
        post_logout_redirect_uris: args.post_logout_redirect_uri.clone(),
        grant_types: grant_types(args),
        scopes: args.scope.clone(),
        preset: args.preset.clone(),
        trusted: args.trusted,
        metadata: String::new(),
    }
}

/// What is known of the app, where the command line says nothing; the choices that the app wants.
fn fill_in(new: &mut NewClient, metadata: &mut Value, known: &Preset, args: &ClientAddArgs, url: &str) -> anyhow::Result<()> {
    if args.lean_id_token && known.reads_id_token_only() {
        bail!("{} reads nothing but the ID token: a lean one would tell it nothing", known.title);
    }
    if new.name.is_empty() {
        new.name = known.title.clone();
    }
    new.public |= known.is_public();
    new.trusted |= known.trusted;
    if new.grant_types.is_empty() {
        new.grant_types = known.grants();
    }
    new.redirect_uris.extend(known.redirect_uris(url)?);
    new.post_logout_redirect_uris.extend(known.post_logout_redirect_uris(url)?);
    if new.scopes.is_empty() {
        new.scopes = known.scopes();
    }
    for (name, value) in known.metadata(url)?.as_object().into_iter().flatten() {
        metadata[name] = value.clone();
    }
    Ok(())
}

async fn service_account(directory: &Directory, who: &str) -> anyhow::Result<AccountId> {
    let account = account(directory, who).await?;
    if account.kind != Kind::Service {
        bail!("{who} is not a service account; make one: hearth account add {who} --kind service");
    }
    Ok(account.id)
}

fn what_to_paste(client_id: &str, secret: Option<&str>, issuer: &str) -> (Value, String) {
    let mut value = json!({ "client_id": client_id });
    let mut lines = format!("client id      {client_id}\n");
    if let Some(secret) = secret {
        value["client_secret"] = json!(secret);
        lines.push_str(&format!("client secret  {secret}   (shown once)\n"));
    }
    lines.push_str(&format!("issuer         {issuer}"));
    (value, lines)
}

fn say_of_preset(known: &Preset, paste: String, value: &mut Value, lines: &mut String) {
    lines.push_str(&format!("\nauthentication {}", known.auth_method()));
    if !known.claims().is_empty() {
        lines.push_str(&format!("\nclaims         {}", known.claims().join(" ")));
    }
    lines.push_str(&format!("\n\nFor {}:\n{paste}", known.title));
    value["paste"] = json!(paste);
    value["token_endpoint_auth_method"] = json!(known.auth_method());
    value["claims"] = json!(known.claims());
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
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn args(more: &[&str]) -> ClientAddArgs {
        let line = ["hearth", "client", "add", "App", "--redirect-uri", "https://app.example.org/cb"].iter().chain(more);
        match Cli::try_parse_from(line).unwrap().command {
            Command::Client(ClientCommand::Add(args)) => *args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn where_an_answer_may_go() {
        for option in ["--redirect-uri", "--post-logout-redirect-uri"] {
            let checked = |uri: &str| check_addresses(&args(&[option, uri])).map_err(|error| error.to_string());
            for good in ["https://app.example.org/cb", "http://127.0.0.1:8080/cb", "http://localhost/", "org.example.app:/cb"] {
                assert_eq!(checked(good), Ok(()), "{good}");
            }
            for (bad, why) in [
                ("app.example.org/cb", "has no scheme"),
                ("http://app.example.org/cb", "unencrypted"),
                ("http://127.0.0.1.evil.example/cb", "unencrypted"),
                ("http://localhost@evil.example/cb", "unencrypted"),
                ("https://a.org/#x", "has a fragment"),
                ("https://*.a.org/", "a star"),
                ("https://user:pw@app.example.org/cb", "more than a host"),
                ("javascript:alert(1)", "is not a place"),
                ("vbscript:x", "is not a place"),
                ("https:", "has no host"),
            ] {
                let says = checked(bad).unwrap_err();
                assert!(says.starts_with(&format!("{bad:?} ")) && says.contains(why), "{says}");
            }
        }
    }
}
