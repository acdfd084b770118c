// SPDX-License-Identifier: AGPL-3.0-or-later
//! `hearth client`: programs that people sign in to.

use anyhow::{anyhow, bail};
use hearth_identity::grants::{Client, NewClient};
use serde_json::{Value, json};

use crate::cli::ClientCommand;
use crate::out::Out;
use crate::place::Place;

/// What a client may ask for when nothing was said.
const SCOPES: [&str; 4] = ["openid", "profile", "email", "offline_access"];

/// Runs it.
pub async fn run(place: &Place, command: ClientCommand, out: &Out) -> anyhow::Result<()> {
    let directory = place.directory().await?;
    match command {
        ClientCommand::Add { name, redirect_uri, public, client_id, scope, trusted } => {
            for uri in &redirect_uri {
                check_redirect(uri)?;
            }
            let scopes = if scope.is_empty() { SCOPES.map(str::to_owned).to_vec() } else { scope };
            let new = NewClient {
                identifier: client_id,
                name,
                public,
                redirect_uris: redirect_uri,
                post_logout_redirect_uris: Vec::new(),
                scopes,
                preset: None,
                trusted,
                metadata: "{}".to_owned(),
            };
            let (client, secret) = directory.add_client(new).await?;
            let mut value = json!({ "client_id": client.identifier });
            let mut lines = format!("client id      {}\n", client.identifier);
            if let Some(secret) = &secret {
                value["client_secret"] = json!(secret.expose());
                lines.push_str(&format!("client secret  {}   (shown once)\n", secret.expose()));
            }
            lines.push_str(&format!("issuer         {}", place.config.issuer()));
            out.result(&value, lines);
        }
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
