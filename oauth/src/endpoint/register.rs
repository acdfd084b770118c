// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/register` (RFC 7591) and `/register/...` (RFC 7592): a program makes itself known, as mail programs do that
//! find their own settings.
//!
//! Whoever registers is a stranger, and is called one on the consent page. Unless the household chose otherwise it waits,
//! disabled, until somebody who looks after the home lets it in. There is a bound on how many one network registers and
//! on how many there are; one that nobody is signed in to is forgotten after a day, and the oldest that nobody ever used
//! makes room sooner. Its logout URIs are not kept: we call no address that a stranger named.

use std::sync::Arc;

use hearth_identity::grants::{Client, NewClient, Registration, has_several_sectors, hash_token, new_token, read_metadata};
use hearth_identity::naming;
use hearth_types::{Fault, Secret, Trouble, constant_time_eq};
use hearth_web::Peer;
use hearth_web::axum::body::Bytes;
use hearth_web::axum::extract::{Path, State};
use hearth_web::axum::http::{HeaderMap, StatusCode, header};
use hearth_web::axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::client::profile::Profile;
use crate::client::redirect;
use crate::ctx::Ctx;
use crate::error::{Answer, ErrorCode, Refusal, answered, json as json_response, ours, refuse};
use crate::gate::throttle::Deed;
use crate::limits::{REGISTERED_CLIENT_KEEP, REGISTERED_CLIENTS_MAX, REGISTERED_URIS_MAX};
use crate::registry;
use crate::request::scope::{Scope, Scopes};

/// The route of one client.
pub const ROUTE: &str = registry::at("/register/{client}");
/// What a client may ask for that does not say.
const SCOPES: &str = "openid email profile offline_access";
/// Characters of a client's name.
const NAME_CHARS_MAX: usize = 100;
/// Grants that a stranger may use.
const GRANTS: [&str; 3] = ["authorization_code", "refresh_token", crate::endpoint::device_grant::GRANT];
/// RFC 7592 §2.2: what we say and a client must not.
const OURS: [&str; 4] = ["registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at"];

/// POST.
pub async fn run(State(ctx): State<Arc<Ctx>>, headers: HeaderMap, body: Bytes) -> Response {
    answered(add(&ctx, &headers, &body).await)
}

async fn add(ctx: &Ctx, headers: &HeaderMap, body: &[u8]) -> Answer {
    let chosen = ctx.directory.find_registration().await.map_err(ours)?;
    if chosen == Registration::Off {
        return refuse(ErrorCode::AccessDenied, "this home takes no clients that register themselves");
    }
    let token = new_token();
    let new = read(body, &to_hex(&hash_token(token.expose()))).map_err(Fault::Peer)?;
    let peer = Peer::from_headers(headers).ip;
    ctx.doorkeeper.admit(Deed::Registration, peer).map_err(|wait| Fault::Peer(Refusal::busy(wait)))?;
    make_room(ctx).await?;
    let (client, secret) = ctx.directory.add_registered_client(new, chosen).await.map_err(ours)?;
    let mut told = describe(ctx, &client, token.expose());
    if let Some(secret) = secret.filter(|_| !Profile::of(&client).signs_in) {
        told["client_secret"] = json!(secret.expose());
        told["client_secret_expires_at"] = json!(0);
    }
    Ok(json_response(StatusCode::CREATED, &told))
}

/// Forgets strangers that nobody uses; refuses when there are too many all the same, each in use.
pub(crate) async fn make_room(ctx: &Ctx) -> Result<(), Fault<Refusal>> {
    let made = ctx.directory.make_room_for_stranger(REGISTERED_CLIENT_KEEP, REGISTERED_CLIENTS_MAX).await.map_err(ours)?;
    if !made {
        return refuse(ErrorCode::InvalidClientMetadata, "this home knows too many clients already; try again tomorrow");
    }
    Ok(())
}

/// What a stranger says of itself, if it can be taken.
pub(crate) fn read(body: &[u8], token_hash: &str) -> Result<NewClient, Refusal> {
    let bad = |says: &str| Refusal::new(ErrorCode::InvalidClientMetadata, says);
    let asked: Value = serde_json::from_slice(body).map_err(|_| bad("the body is not JSON"))?;
    let asked = asked.as_object().ok_or_else(|| bad("the body is not a JSON object"))?;
    let method = asked.get("token_endpoint_auth_method").and_then(Value::as_str).unwrap_or("client_secret_basic");
    if !registry::speaks("token_endpoint_auth_methods_supported", method) {
        return Err(bad("token_endpoint_auth_method is not spoken here"));
    }
    let grants = read_words(asked, "grant_types").unwrap_or_else(|| vec!["authorization_code".into(), "refresh_token".into()]);
    if !grants.iter().all(|grant| GRANTS.contains(&grant.as_str())) {
        return Err(bad("grant_types has one that a client that registers itself may not use"));
    }
    let redirect_uris = read_uris(asked, "redirect_uris")?;
    // RFC 7591 §2: a flow that sends nobody anywhere has no use for one.
    if redirect_uris.is_empty() && grants.iter().any(|grant| grant == "authorization_code") {
        return Err(Refusal::new(ErrorCode::InvalidRedirectUri, "redirect_uris is missing"));
    }
    if read_words(asked, "response_types").is_some_and(|types| types.iter().any(|kind| kind != "code")) {
        return Err(bad("response_types must be code"));
    }
    let scopes = Scopes::parse(asked.get("scope").and_then(Value::as_str).unwrap_or(SCOPES));
    // What changes the home is given by hand.
    let scopes: Scopes = scopes.iter().filter(|scope| *scope != Scope::Scim).collect();
    if scopes.is_empty() {
        return Err(bad("none of these scopes is known here"));
    }
    let mut metadata = read_metadata(asked).map_err(|error| bad(&error.to_string()))?;
    // OpenID Connect Core §8.1: another host's names of people are not to be had by naming it first.
    if metadata.get("subject_type").is_some_and(|kind| kind == "pairwise") && has_several_sectors(&redirect_uris) {
        return Err(bad("pairwise subjects are for a client whose redirect URIs are all of one host"));
    }
    metadata.insert("hearth_registration".into(), json!(token_hash));
    let name = asked.get("client_name").and_then(Value::as_str).unwrap_or("An app without a name");
    let name: String = name.chars().filter(|c| !naming::is_unseen(*c)).take(NAME_CHARS_MAX).collect();
    Ok(NewClient {
        identifier: None,
        name: if name.trim().is_empty() { "An app without a name".into() } else { name },
        public: method == "none",
        redirect_uris,
        post_logout_redirect_uris: read_uris(asked, "post_logout_redirect_uris")?,
        grant_types: grants,
        scopes: scopes.iter().map(|scope| scope.name().to_string()).collect(),
        preset: None,
        trusted: false,
        metadata: Value::Object(metadata).to_string(),
    })
}

fn read_words(asked: &Map<String, Value>, name: &str) -> Option<Vec<String>> {
    let words = asked.get(name)?.as_array()?;
    Some(words.iter().map(|word| word.as_str().unwrap_or_default().to_string()).collect())
}

/// RFC 6749 §3.1.2, RFC 8252 §7: https; http to this device alone; a scheme of the app's own with a dot in it.
fn read_uris(asked: &Map<String, Value>, name: &str) -> Result<Vec<String>, Refusal> {
    let bad = |says: String| Refusal::new(ErrorCode::InvalidRedirectUri, says);
    let Some(value) = asked.get(name).filter(|value| !value.is_null()) else {
        return Ok(Vec::new());
    };
    let uris = value.as_array().filter(|uris| uris.len() <= REGISTERED_URIS_MAX);
    let uris = uris.ok_or_else(|| bad(format!("{name} is a list of {REGISTERED_URIS_MAX} URIs at most")))?;
    let mut read = Vec::new();
    for uri in uris {
        let uri = uri.as_str().filter(|uri| redirect::check(uri).is_ok());
        read.push(uri.ok_or_else(|| bad(format!("{name} has one that cannot be used")))?.to_string());
    }
    Ok(read)
}

/// RFC 7591 §3.2.1, RFC 7592 §3. The secret is told once, for we keep its hash.
fn describe(ctx: &Ctx, client: &Client, token: &str) -> Value {
    let mut told: Map<String, Value> = serde_json::from_str(&client.metadata).unwrap_or_default();
    told.retain(|name, _| !name.starts_with("hearth_"));
    let path = const { registry::path("registration_endpoint") };
    for (name, value) in [
        ("client_id", json!(client.identifier)),
        ("client_id_issued_at", json!(client.created_at.secs())),
        ("client_name", json!(client.name)),
        ("redirect_uris", json!(client.redirect_uris)),
        ("post_logout_redirect_uris", json!(client.post_logout_redirect_uris)),
        ("grant_types", json!(client.grant_types)),
        ("response_types", json!(["code"])),
        ("scope", json!(client.scopes.join(" "))),
        (
            "token_endpoint_auth_method",
            json!(if Profile::of(client).signs_in { "private_key_jwt" } else { client.auth_method.as_str() }),
        ),
        ("registration_access_token", json!(token)),
        ("registration_client_uri", json!(format!("{}{path}/{}", ctx.issuer, client.identifier))),
    ] {
        told.insert(name.into(), value);
    }
    Value::Object(told)
}

fn to_hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// RFC 9110 §11.1: a scheme is the same in any case.
fn token_of(headers: &HeaderMap) -> &str {
    let field = headers.get(header::AUTHORIZATION).and_then(|field| field.to_str().ok()).unwrap_or_default();
    field.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("Bearer")).map_or("", |(_, token)| token.trim())
}

/// The client that a registration token speaks for; RFC 7592 §2: anybody else learns nothing.
async fn authorized(ctx: &Ctx, headers: &HeaderMap, identifier: &str) -> Result<Result<Client, Response>, Trouble> {
    let hash = to_hex(&hash_token(token_of(headers)));
    let found = ctx.directory.find_client(identifier).await?;
    let own =
        |client: &Client| Profile::of(client).registration.is_some_and(|known| constant_time_eq(known.as_bytes(), hash.as_bytes()));
    Ok(found
        .filter(own)
        .ok_or_else(|| (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")]).into_response()))
}

/// GET: what is registered.
pub async fn find(State(ctx): State<Arc<Ctx>>, headers: HeaderMap, Path(identifier): Path<String>) -> Response {
    answered::<Refusal>(match authorized(&ctx, &headers, &identifier).await {
        Ok(Ok(client)) => Ok(json_response(StatusCode::OK, &describe(&ctx, &client, token_of(&headers)))),
        Ok(Err(response)) => Ok(response),
        Err(trouble) => Err(Fault::Ours(trouble)),
    })
}

/// PUT: all of it anew (RFC 7592 §2.2).
pub async fn change(State(ctx): State<Arc<Ctx>>, headers: HeaderMap, Path(identifier): Path<String>, body: Bytes) -> Response {
    answered(replace(&ctx, &headers, &identifier, &body).await)
}

async fn replace(ctx: &Ctx, headers: &HeaderMap, identifier: &str, body: &[u8]) -> Answer {
    let client = match authorized(ctx, headers, identifier).await? {
        Ok(client) => client,
        Err(response) => return Ok(response),
    };
    let new = read(body, &Profile::of(&client).registration.unwrap_or_default()).map_err(Fault::Peer)?;
    let sent: Map<String, Value> = serde_json::from_slice(body).unwrap_or_default();
    if sent.get("client_id").is_none_or(|sent| *sent != client.identifier) || new.public != client.is_public() {
        return refuse(
            ErrorCode::InvalidClientMetadata,
            "client_id and the kind of client stay what they are, and client_id is sent",
        );
    }
    let is_own = |secret: &Value| secret.as_str().is_some_and(|secret| client.secret_matches(&Secret::new(secret.to_string())));
    if sent.get("client_secret").is_some_and(|secret| !is_own(secret)) || OURS.iter().any(|name| sent.contains_key(*name)) {
        return refuse(ErrorCode::InvalidClientMetadata, "what the server gives a client is not the client's to choose");
    }
    // Who let it in let in what it was: another name or another place waits anew.
    let is_other = new.name != client.name || new.redirect_uris != client.redirect_uris || new.scopes != client.scopes;
    if is_other && ctx.directory.find_registration().await.map_err(ours)? != Registration::Open {
        ctx.directory.disable_client(client.id).await.map_err(ours)?;
    }
    match ctx.directory.change_client(client.id, new).await.map_err(ours)? {
        Some(client) => Ok(json_response(StatusCode::OK, &describe(ctx, &client, token_of(headers)))),
        None => refuse(ErrorCode::InvalidClientMetadata, "the client is gone"),
    }
}

/// DELETE.
pub async fn remove(State(ctx): State<Arc<Ctx>>, headers: HeaderMap, Path(identifier): Path<String>) -> Response {
    answered::<Refusal>(match authorized(&ctx, &headers, &identifier).await {
        Ok(Ok(client)) => match ctx.directory.remove_client(&client.identifier).await {
            Ok(()) => Ok(StatusCode::NO_CONTENT.into_response()),
            Err(error) => Err(Fault::Ours(Trouble::from(error))),
        },
        Ok(Err(response)) => Ok(response),
        Err(trouble) => Err(Fault::Ours(trouble)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(body: &Value) -> Result<NewClient, ErrorCode> {
        read(body.to_string().as_bytes(), "00").map_err(|refusal| refusal.code)
    }

    #[test]
    fn what_a_stranger_may_register() {
        let sound = code(
            &json!({"redirect_uris": ["http://127.0.0.1/cb"], "token_endpoint_auth_method": "none", "scope": "openid mail x"}),
        );
        let sound = sound.unwrap();
        assert!(sound.public && !sound.trusted);
        assert_eq!((sound.scopes.join(" ").as_str(), sound.grant_types.len()), ("openid mail", 2));
        for uri in ["https://app.example/cb", "http://localhost:3000/cb", "http://[::1]/cb", "com.example.app:/cb"] {
            assert!(code(&json!({"redirect_uris": [uri]})).is_ok(), "{uri}");
        }
        for uri in [
            "http://app.example/cb",
            "http://127.0.0.1.evil.example/",
            "http://localhost@evil.example/",
            "https://user:pw@app.example/",
            "https://app.example/#x",
            "javascript:alert(1)",
            "data:text/html,x",
            "myapp:/cb",
            "https://",
            "x y",
            "",
        ] {
            assert_eq!(code(&json!({"redirect_uris": [uri]})).err(), Some(ErrorCode::InvalidRedirectUri), "{uri}");
        }
        let many = |count: usize| json!({"redirect_uris": vec!["https://app.example/"; count]});
        assert!(code(&many(REGISTERED_URIS_MAX)).is_ok());
        assert_eq!(code(&many(REGISTERED_URIS_MAX + 1)).err(), Some(ErrorCode::InvalidRedirectUri));
        assert_eq!(code(&many(10_000)).err(), Some(ErrorCode::InvalidRedirectUri), "31: a flood");
        assert_eq!(code(&json!({})).err(), Some(ErrorCode::InvalidRedirectUri));
        for (name, value) in [
            ("token_endpoint_auth_method", json!("client_secret_jwt")),
            ("grant_types", json!(["client_credentials"])),
            ("grant_types", json!([1])),
            ("response_types", json!(["token"])),
            ("scope", json!("admin")),
            ("id_token_signed_response_alg", json!("none")),
            ("userinfo_signed_response_alg", json!(1)),
            ("sector_identifier_uri", json!("http://127.0.0.1/")),
        ] {
            let mut body = json!({"redirect_uris": ["https://app.example/"]});
            body[name] = value.clone();
            assert_eq!(code(&body).err(), Some(ErrorCode::InvalidClientMetadata), "{name} {value}");
        }
        let long = json!({"redirect_uris": ["https://app.example/"], "client_name": format!("a\u{7}{}", "b".repeat(1000))});
        assert_eq!(code(&long).unwrap().name.len(), NAME_CHARS_MAX);
        let turned = json!({"redirect_uris": ["https://app.example/"], "client_name": "Your \u{202e}knab\u{200b}"});
        assert_eq!(code(&turned).unwrap().name, "Your knab", "it reads as it is");
        let sly = json!({"redirect_uris": ["https://app.example/"], "backchannel_logout_uri": "http://127.0.0.1/", "trusted": true, "hearth_pkce": "optional", "hearth_service_account": "x"});
        assert_eq!(code(&sly).unwrap().metadata, "{\"hearth_registration\":\"00\"}");
    }
}
