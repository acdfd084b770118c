// SPDX-License-Identifier: AGPL-3.0-or-later
//! Clients whose `client_id` is the address at which they describe themselves (draft-ietf-oauth-client-id-metadata-document).
//!
//! Such a client is a stranger like one that registers itself (RFC 7591), under the same choice of the household and the same
//! bounds. Its document is fetched for people of the house alone: before anybody is signed in, the request goes as far as
//! the sign-in page on the word of its address, and no further. What people see is the host of that address, never the name
//! that the document claims.

use hearth_identity::grants::{Client, NewClient, Registration};
use hearth_net::fetch::Fetched;
use hearth_types::{ClientId, Fault, Timestamp, Trouble};
use serde_json::{Value, json};
use url::Url;

use crate::ctx::Ctx;
use crate::endpoint::authorize::Ended;
use crate::endpoint::register;
use crate::error::Refusal;
use crate::limits::{CLIENT_DOCUMENT_FRESH, CLIENT_URL_BYTES_MAX};
use crate::page::visit::Visit;
use crate::request::authorization::Where;
use crate::request::params::Params;

/// What stands in the place of a registration token's hash, and is the hash of none.
const MARK: &str = "document";
/// Members that are addresses for people to open: of https alone.
const ADDRESSES: [&str; 4] = ["client_uri", "logo_uri", "policy_uri", "tos_uri"];

/// Is a `client_id` such an address? As it is written, for it is compared as a string: https without a port, a query, a
/// fragment or a user, with a path that has neither empty steps nor dots, written or encoded.
pub fn is_url(client_id: &str) -> bool {
    let Ok(url) = Url::parse(client_id) else { return false };
    let Some(steps) = client_id.strip_prefix("https://").and_then(|rest| rest.split_once('/')).map(|(_, path)| path) else {
        return false;
    };
    client_id.len() <= CLIENT_URL_BYTES_MAX
        // What a parser would write another way is not taken: dots, ports, upper case, backslashes, blanks.
        && url.as_str() == client_id
        && url.domain().is_some_and(|host| host.contains('.'))
        && url.port().is_none()
        && url.username().is_empty()
        && url.password().is_none()
        && !client_id.contains(['?', '#'])
        && !client_id.to_ascii_lowercase().contains("%2e")
        && steps.split('/').all(|step| !step.is_empty())
}

/// Until a person of the house is there to read its document for: one that can be named and nothing else.
pub fn unmet(client_id: &str, redirect_uri: &str, now: Timestamp) -> Client {
    Client {
        id: ClientId::new(now),
        identifier: client_id.to_string(),
        name: host(client_id),
        secret_hash: None,
        auth_method: "none".into(),
        redirect_uris: vec![redirect_uri.to_string()],
        post_logout_redirect_uris: Vec::new(),
        grant_types: vec!["authorization_code".into()],
        scopes: crate::request::scope::Scope::ALL.into_iter().map(|scope| scope.name().to_string()).collect(),
        preset: None,
        trusted: false,
        access: "everyone".into(),
        metadata: json!({ "hearth_registration": MARK }).to_string(),
        disabled: false,
        created_at: now,
    }
}

fn host(client_id: &str) -> String {
    Url::parse(client_id).ok().and_then(|url| url.host_str().map(str::to_string)).unwrap_or_default()
}

/// For somebody who is signed in: reads the document of the client of a request, when it is new or was read long ago.
pub async fn meet(ctx: &Ctx, visit: &Visit, query: &str) -> Result<(), Fault<Ended>> {
    let params = Params::parse(query.as_bytes());
    let Some(url) = params.find("client_id").filter(|client_id| visit.session.is_some() && is_url(client_id)) else {
        return Ok(());
    };
    let known = ctx.directory.find_client(url).await.map_err(Trouble::from)?;
    // One that somebody registered under that name is what they registered.
    let is_fresh =
        |client: &Client| read_at(client).is_none_or(|at| ctx.now().secs() - at < CLIENT_DOCUMENT_FRESH.as_secs() as i64);
    if known.as_ref().is_some_and(is_fresh) {
        return Ok(());
    }
    let chosen = ctx.directory.find_registration().await.map_err(Trouble::from)?;
    if chosen == Registration::Off {
        return Ok(());
    }
    let fetched = ctx.home.documents.get(url).await;
    let read = fetched.map_err(|error| error.to_string()).and_then(|fetched| read(url, &fetched, ctx.now().secs()));
    match (read, known) {
        (Ok(new), known) => keep(ctx, known, new, chosen).await,
        // What was read before counts until it can be read again.
        (Err(says), Some(_)) => {
            tracing::info!(client = url, says, "the document of a client could not be read again");
            Ok(())
        }
        (Err(says), None) => {
            tracing::info!(client = url, says, "the document of a client could not be read");
            Err(Fault::Peer(Ended::Page(Where::Document)))
        }
    }
}

/// When the document was read; `None` for a client of another kind.
fn read_at(client: &Client) -> Option<i64> {
    let metadata: Value = serde_json::from_str(&client.metadata).unwrap_or_default();
    metadata["hearth_read_at"].as_i64()
}

async fn keep(ctx: &Ctx, known: Option<Client>, new: NewClient, chosen: Registration) -> Result<(), Fault<Ended>> {
    match known {
        Some(client) => {
            // Who let it in let in what it was.
            let is_other = new.redirect_uris != client.redirect_uris || new.scopes != client.scopes;
            if new.public != client.is_public() {
                return Err(Fault::Peer(Ended::Page(Where::Document)));
            }
            if is_other && chosen == Registration::Approved {
                ctx.directory.disable_client(client.id).await.map_err(Trouble::from)?;
            }
            ctx.directory.change_client(client.id, new).await.map_err(Trouble::from)?;
        }
        None => {
            match register::make_room(ctx).await {
                Ok(()) => {}
                Err(Fault::Peer(Refusal { .. })) => return Err(Fault::Peer(Ended::Page(Where::Document))),
                Err(Fault::Ours(trouble)) => return Err(Fault::Ours(trouble)),
            }
            match ctx.directory.add_registered_client(new, chosen).await {
                // Another request of it was quicker.
                Ok(_) | Err(hearth_identity::Error::InUse(_)) => {}
                Err(error) => return Err(Fault::Ours(Trouble::from(error))),
            }
        }
    }
    Ok(())
}

/// The client that a document describes.
fn read(url: &str, fetched: &Fetched, now: i64) -> Result<NewClient, String> {
    let kind = fetched.content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if fetched.status != 200 || !(kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))) {
        return Err(format!("status {}, {kind:?}", fetched.status));
    }
    let mut document: Value = serde_json::from_slice(&fetched.body).map_err(|error| error.to_string())?;
    let members = document.as_object_mut().ok_or("not an object")?;
    if members.get("client_id").and_then(Value::as_str) != Some(url) {
        return Err("client_id is not the address".into());
    }
    if members.keys().any(|name| name.starts_with("client_secret")) {
        return Err("a secret that everybody can read".into());
    }
    let is_https = |name: &&str| members.get(*name).is_none_or(|uri| uri.as_str().is_some_and(|uri| uri.starts_with("https://")));
    if !ADDRESSES.iter().all(is_https) {
        return Err("an address without https".into());
    }
    let method = members.entry("token_endpoint_auth_method").or_insert(json!("none"));
    if method != "none" && method != "private_key_jwt" {
        return Err("it proves itself with a secret".into());
    }
    members.insert("client_name".into(), json!(host(url)));
    let mut new = register::read(document.to_string().as_bytes(), MARK).map_err(|refusal| refusal.says)?;
    let mut metadata: Value = serde_json::from_str(&new.metadata).unwrap_or_default();
    metadata["hearth_read_at"] = json!(now);
    new.metadata = metadata.to_string();
    new.identifier = Some(url.to_string());
    Ok(new)
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://app.example/oauth/client.json";

    #[test]
    fn addresses() {
        for good in [URL, "https://app.example/c", "https://a.b.example/x-y_z~/%20c"] {
            assert!(is_url(good), "{good}");
        }
        for bad in [
            "app",
            "http://app.example/c",
            "https://app.example",
            "https://app.example/",
            "https://app.example/c/",
            "https://app.example//c",
            "https://app.example/c?x",
            "https://app.example/c?",
            "https://app.example/c#x",
            "https://app.example/c#",
            "https://user@app.example/c",
            "https://user:@app.example/c",
            "https://@app.example/c",
            "https://app.example:443/c",
            "https://app.example:8443/c",
            "https://app.example:/c",
            "https://APP.example/c",
            "https://app.example/./c",
            "https://app.example/a/../c",
            "https://app.example/%2e/c",
            "https://app.example/%2E%2e/c",
            "https://app.example\\c/d",
            "https://app.example/c d",
            " https://app.example/c",
            "https://localhost/c",
            "https://127.0.0.1/c",
            "https://[::1]/c",
            "https:///c",
            "HTTPS://app.example/c",
        ] {
            assert!(!is_url(bad), "{bad}");
        }
        let long = |bytes: usize| format!("https://app.example/{}", "x".repeat(bytes - 20));
        assert!(is_url(&long(CLIENT_URL_BYTES_MAX)) && !is_url(&long(CLIENT_URL_BYTES_MAX + 1)));
    }

    fn document(change: impl FnOnce(&mut Value)) -> Fetched {
        let mut document = json!({"client_id": URL, "client_name": "Your bank", "redirect_uris": ["https://app.example/cb"]});
        change(&mut document);
        Fetched { status: 200, content_type: "application/json; charset=utf-8".into(), body: document.to_string().into_bytes() }
    }

    #[test]
    fn documents() {
        let new = read(URL, &document(|_| {}), 7).unwrap();
        assert_eq!((new.identifier.as_deref(), new.name.as_str(), new.public), (Some(URL), "app.example", true));
        assert!(new.metadata.contains("\"hearth_read_at\":7") && new.metadata.contains(MARK));
        for (member, value) in [
            ("client_id", json!("https://app.example/oauth/client.json/")),
            ("client_id", json!("https://app.example:443/oauth/client.json")),
            ("client_id", json!(["https://app.example/oauth/client.json"])),
            ("client_secret", json!("s")),
            ("client_secret_expires_at", json!(0)),
            ("token_endpoint_auth_method", json!("client_secret_basic")),
            ("token_endpoint_auth_method", json!("private_key_jwt")),
            ("redirect_uris", json!([])),
            ("redirect_uris", json!(["http://app.example/cb"])),
            ("redirect_uris", json!(["javascript:alert(1)"])),
            ("logo_uri", json!("http://app.example/logo.png")),
            ("client_uri", json!("javascript:alert(1)")),
            ("jwks_uri", json!("https://app.example/keys")),
            ("jwks", json!({"keys": [{"kty": "oct", "k": "AA"}]})),
            ("grant_types", json!(["client_credentials"])),
        ] {
            assert!(read(URL, &document(|document| document[member] = value.clone()), 0).is_err(), "{member} {value}");
        }
        let pairwise = |hosts: &[&str]| {
            document(|document| {
                document["subject_type"] = json!("pairwise");
                document["redirect_uris"] = hosts.iter().map(|host| json!(format!("https://{host}/cb"))).collect();
            })
        };
        assert!(read(URL, &pairwise(&["app.example"]), 0).is_ok());
        assert!(read(URL, &pairwise(&["app.example", "victim.example"]), 0).is_err(), "OpenID Connect Core §8.1");
        let whole = document(|_| {});
        for changed in [
            Fetched { status: 201, ..whole.clone() },
            Fetched { status: 404, ..whole.clone() },
            Fetched { content_type: "text/html".into(), ..whole.clone() },
            Fetched { content_type: String::new(), ..whole.clone() },
            Fetched { body: b"[]".to_vec(), ..whole.clone() },
            Fetched { body: b"{".to_vec(), ..whole.clone() },
        ] {
            assert!(read(URL, &changed, 0).is_err(), "{changed:?}");
        }
        assert!(read(URL, &Fetched { content_type: "application/cimd+json".into(), ..whole }, 0).is_ok());
    }
}
