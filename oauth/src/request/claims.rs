// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a client learns of a person, by scope.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hearth_identity::directory::Account;
use hearth_identity::grants::Client;
use hearth_identity::vault::Algorithm;
use hearth_types::{AccountId, Address, SessionId, Timestamp, Trouble};
use serde_json::{Map, Value, json};

use crate::client::profile::Profile;
use crate::ctx::Ctx;
use crate::jose::jws;
use crate::limits::{GROUPS_MAX, ID_TOKEN_LIFE};
use crate::request::level::Level;
use crate::request::scope::{Scope, Scopes};

/// Somebody as one client knows them.
#[derive(Clone, Debug)]
pub struct Person {
    /// `sub`.
    pub subject: String,
    /// Who it is.
    pub account: Account,
    /// The names of their groups; looked up for the scope `groups` alone.
    pub groups: Vec<String>,
}

/// The `sub` of somebody for a client: opaque, stable, at most 64 characters of `[A-Za-z0-9_-]`; for a client
/// that wants it so, one that tells nothing to another (OpenID Connect Core §8.1).
pub fn subject(ctx: &Ctx, client: &Client, account: AccountId) -> String {
    match Profile::of(client).sector {
        Some(sector) => {
            let data = [sector.as_bytes(), &[0], &account.as_i64().to_be_bytes()].concat();
            let hash = ctx.vault().keyed_hash("pairwise subject", &data);
            let (half, _) = hash.split_at(hash.len() / 2);
            URL_SAFE_NO_PAD.encode(half)
        }
        None => account.to_string(),
    }
}

/// Somebody as `client` knows them by these scopes.
pub async fn person(ctx: &Ctx, client: &Client, account: &Account, scopes: Scopes) -> Result<Person, Trouble> {
    let mut groups = Vec::new();
    if scopes.has(Scope::Groups) {
        let all = ctx.directory.list_groups_of(account.id).await?;
        groups = all.iter().take(GROUPS_MAX).map(|(_, address)| name_of(address, &ctx.domain)).collect();
    }
    Ok(Person { subject: subject(ctx, client, account.id), account: account.clone(), groups })
}

impl Person {
    /// The claims of the scopes (OpenID Connect Core §5.4): in the ID token too, for many apps read nothing else,
    /// unless the client wants a lean one.
    pub fn claims(&self, scopes: Scopes, domain: &str) -> Map<String, Value> {
        let mut claims = of_person(&self.account, scopes, domain);
        claims.insert("sub".into(), json!(self.subject));
        if scopes.has(Scope::Groups) {
            // An array always, and an empty one rather than none: apps stumble over anything else.
            claims.insert("groups".into(), json!(self.groups));
        }
        claims
    }
}

fn of_person(account: &Account, scopes: Scopes, domain: &str) -> Map<String, Value> {
    let mut claims = Map::new();
    claims.insert("sub".into(), json!(account.id.to_string()));
    if scopes.has(Scope::Email) {
        claims.insert("email".into(), json!(account.primary.to_string()));
        // We are the mail server of that address.
        claims.insert("email_verified".into(), json!(true));
    }
    if scopes.has(Scope::Profile) {
        let username = user_name(account, domain);
        let name = if account.name.is_empty() { &username } else { &account.name };
        claims.insert("name".into(), json!(name));
        claims.insert("preferred_username".into(), json!(username));
    }
    claims
}

/// The local part in the home's own domain; the whole address elsewhere, so that no name can pose as another.
pub fn user_name(account: &Account, domain: &str) -> String {
    name_of(&account.primary, domain)
}

/// The same of an address, as of a group's.
pub fn name_of(address: &Address, domain: &str) -> String {
    if address.domain().as_str() == domain { address.local().to_string() } else { address.to_string() }
}

/// What an ID token says beside the person.
#[derive(Clone, Copy, Debug)]
pub struct IdToken<'a> {
    /// `iss`.
    pub issuer: &'a str,
    /// `aud`.
    pub client: &'a str,
    /// `iat`; `exp` follows from it.
    pub now: Timestamp,
    /// `auth_time`.
    pub auth_time: Timestamp,
    /// `nonce`, of the authorization request alone.
    pub nonce: Option<&'a str>,
    /// `sid`: the browser session.
    pub session: Option<SessionId>,
    /// `amr`, with a space between.
    pub auth_methods: &'a str,
    /// The `acr` that the client takes alone; none when it takes any.
    pub acr: &'a [Level],
    /// What `at_hash` is of.
    pub access_token: &'a str,
    /// How it will be signed.
    pub algorithm: Algorithm,
}

/// OpenID Connect Core §2.
pub fn of_id_token(token: &IdToken<'_>, person: Map<String, Value>) -> Value {
    let mut claims = person;
    let mut add = |name: &str, value: Value| claims.insert(name.into(), value);
    add("iss", json!(token.issuer));
    add("aud", json!(token.client));
    add("iat", json!(token.now.secs()));
    add("exp", json!(token.now.after(ID_TOKEN_LIFE).secs()));
    add("auth_time", json!(token.auth_time.secs()));
    add("at_hash", json!(jws::half_hash(token.algorithm, token.access_token)));
    if let Some(nonce) = token.nonce {
        add("nonce", json!(nonce));
    }
    if let Some(session) = token.session {
        add("sid", json!(session.to_string()));
    }
    // RFC 8176 §1: an array of strings.
    let methods: Vec<_> = token.auth_methods.split(' ').filter(|method| !method.is_empty()).collect();
    if !methods.is_empty() {
        add("acr", json!(Level::of(token.auth_methods).told(token.acr).name()));
        add("amr", json!(methods));
    }
    Value::Object(claims)
}

#[cfg(test)]
mod tests {
    use hearth_identity::directory::Kind;

    use super::*;

    fn account(address: &str, name: &str) -> Account {
        Account {
            id: AccountId::from_i64(1_234_567),
            kind: Kind::Person,
            primary: Address::parse(address).unwrap(),
            name: name.into(),
            admin: false,
            disabled: false,
            language: None,
            quota_bytes: None,
            created_at: Timestamp::default(),
        }
    }

    #[test]
    fn by_scope() {
        let alice = account("alice@home.example", "Alice");
        let of = |scopes: &str| Value::Object(of_person(&alice, Scopes::parse(scopes), "home.example"));
        let sub = alice.id.to_string();
        assert_eq!(of("openid mail"), json!({"sub": sub}));
        assert_eq!(of("openid email"), json!({"sub": sub, "email": "alice@home.example", "email_verified": true}));
        assert_eq!(of("openid profile"), json!({"sub": sub, "name": "Alice", "preferred_username": "alice"}));
    }

    #[test]
    fn groups_are_an_array_always() {
        let person = |groups: &[&str]| Person {
            subject: "s".into(),
            account: account("alice@home.example", ""),
            groups: groups.iter().map(ToString::to_string).collect(),
        };
        let of = |groups: &[&str], scopes: &str| Value::Object(person(groups).claims(Scopes::parse(scopes), "home.example"));
        assert_eq!(of(&["family"], "openid groups"), json!({"sub": "s", "groups": ["family"]}));
        assert_eq!(of(&[], "openid groups"), json!({"sub": "s", "groups": []}));
        assert_eq!(of(&["family"], "openid"), json!({"sub": "s"}));
    }

    #[test]
    fn a_name_of_another_domain_is_whole() {
        let alice = account("alice@other.example", "");
        let claims = of_person(&alice, Scopes::parse("profile"), "home.example");
        assert_eq!(
            (&claims["preferred_username"], &claims["name"]),
            (&json!("alice@other.example"), &json!("alice@other.example"))
        );
    }

    #[test]
    fn sub_is_opaque_and_short() {
        let sub = account("alice@home.example", "").id.to_string();
        assert!(sub.len() <= 64 && sub.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
        assert!(!sub.contains("alice"));
    }

    #[test]
    fn an_id_token() {
        let token = IdToken {
            issuer: "https://id.example",
            client: "app",
            now: Timestamp::from_secs(1000),
            auth_time: Timestamp::from_secs(900),
            nonce: Some("n"),
            session: Some(SessionId::from_i64(7)),
            auth_methods: "pwd",
            acr: &[],
            access_token: "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y",
            algorithm: Algorithm::Rs256,
        };
        let claims = of_id_token(&token, Map::new());
        let expected = json!({"iss": "https://id.example", "aud": "app", "iat": 1000, "exp": 1600, "auth_time": 900, "nonce": "n",
            "sid": SessionId::from_i64(7).to_string(), "acr": "1", "amr": ["pwd"], "at_hash": "77QmUPtjPfzWtF2AnpK9RQ"});
        assert_eq!(claims, expected);
    }
}
