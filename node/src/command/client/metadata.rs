// SPDX-License-Identifier: AGPL-3.0-or-later
//! `--metadata FILE`: what a program says of itself, as JSON (RFC 7591 §2), for what no option of the command line has.

use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use hearth_identity::grants::{NewClient, has_several_sectors, read_metadata};
use serde_json::{Map, Value};

use super::check_redirect;

/// Members that are columns of a client and not of its metadata.
const COLUMNS: [&str; 7] = [
    "client_name",
    "redirect_uris",
    "post_logout_redirect_uris",
    "grant_types",
    "response_types",
    "scope",
    "token_endpoint_auth_method",
];
const GRANTS: [&str; 5] = [
    "authorization_code",
    "refresh_token",
    "client_credentials",
    "urn:ietf:params:oauth:grant-type:device_code",
    "urn:ietf:params:oauth:grant-type:token-exchange",
];
const METHODS: [&str; 4] = ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"];

/// What a file says.
#[derive(Clone, Debug, Default)]
pub struct Described {
    asked: Map<String, Value>,
    /// What of it goes into the metadata.
    kept: Map<String, Value>,
}

impl Described {
    /// Reads a file.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
        Self::parse(&text).with_context(|| format!("{} does not hold", path.display()))
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let asked: Map<String, Value> = serde_json::from_str(text).context("it is not a JSON object (RFC 7591 §2)")?;
        let mut kept = read_metadata(&asked)?;
        for (name, value) in asked.iter().filter(|(_, value)| !value.is_null()) {
            if is_for_the_household(name, value)? {
                kept.insert(name.clone(), value.clone());
            }
        }
        Ok(Self { asked, kept })
    }

    /// Puts what the file says where nothing was said otherwise.
    pub fn fill(&self, new: &mut NewClient) -> anyhow::Result<()> {
        let own = new.clone();
        self.replace(new)?;
        new.public |= own.public;
        if !own.name.is_empty() {
            new.name = own.name;
        }
        for (into, own) in [
            (&mut new.redirect_uris, own.redirect_uris),
            (&mut new.post_logout_redirect_uris, own.post_logout_redirect_uris),
            (&mut new.grant_types, own.grant_types),
            (&mut new.scopes, own.scopes),
        ] {
            if !own.is_empty() {
                *into = own;
            }
        }
        Ok(())
    }

    /// Puts what the file says in the place of what is there; `null` takes a member away.
    pub fn replace(&self, new: &mut NewClient) -> anyhow::Result<()> {
        if let Some(name) = self.text("client_name")? {
            new.name = name;
        }
        if let Some(uris) = self.words("redirect_uris")? {
            new.redirect_uris = uris;
        }
        if let Some(uris) = self.words("post_logout_redirect_uris")? {
            new.post_logout_redirect_uris = uris;
        }
        new.redirect_uris.iter().chain(&new.post_logout_redirect_uris).try_for_each(|uri| check_redirect(uri))?;
        if let Some(grants) = self.words("grant_types")? {
            ensure!(grants.iter().all(|grant| GRANTS.contains(&grant.as_str())), "grant_types are of {}", GRANTS.join(", "));
            new.grant_types = grants;
        }
        if let Some(types) = self.words("response_types")? {
            ensure!(types == ["code"], "response_types is [\"code\"]");
        }
        if let Some(scope) = self.text("scope")? {
            new.scopes = scope.split_whitespace().map(str::to_owned).collect();
        }
        let mut metadata: Map<String, Value> = serde_json::from_str(&new.metadata).unwrap_or_default();
        let is_ours = |name: &str| matches!(name, "hearth_registration" | "hearth_service_account" | "hearth_read_at");
        metadata.retain(|name, _| is_ours(name) || !self.asked.get(name).is_some_and(Value::is_null));
        if let Some(method) = self.text("token_endpoint_auth_method")? {
            ensure!(METHODS.contains(&method.as_str()), "token_endpoint_auth_method is one of {}", METHODS.join(", "));
            new.public = method == "none";
            metadata.remove("token_endpoint_auth_method");
        }
        metadata.extend(self.kept.clone());
        new.metadata = Value::Object(metadata).to_string();
        Ok(())
    }

    /// The members that do nothing here.
    pub fn left_out(&self) -> Vec<&str> {
        let is_idle = |name: &str| !COLUMNS.contains(&name) && !self.kept.contains_key(name);
        let asked = self.asked.iter().filter(|(_, value)| !value.is_null() && **value != Value::Bool(false));
        asked.map(|(name, _)| name.as_str()).filter(|name| is_idle(name)).collect()
    }

    fn text(&self, name: &str) -> anyhow::Result<Option<String>> {
        match self.asked.get(name).filter(|value| !value.is_null()) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => bail!("{name} is a text"),
        }
    }

    fn words(&self, name: &str) -> anyhow::Result<Option<Vec<String>>> {
        self.asked.get(name).filter(|value| !value.is_null()).map(|value| words(name, value)).transpose()
    }
}

/// Core §8.1, and what one option says and another contradicts.
pub fn check_whole(new: &NewClient) -> anyhow::Result<()> {
    let metadata: Value = serde_json::from_str(&new.metadata).unwrap_or_default();
    if metadata["subject_type"] == "pairwise" && has_several_sectors(&new.redirect_uris) {
        bail!("names that no other program knows people by are for a program whose redirect URIs are all of one host");
    }
    ensure!(!(new.public && signs_in(&new.metadata)), "a public program has no key to prove itself with");
    let has_codes = new.grant_types.is_empty() || new.grant_types.iter().any(|grant| grant == "authorization_code");
    ensure!(!has_codes || !new.redirect_uris.is_empty(), "the program has no redirect URI: where would it get its answer?");
    Ok(())
}

/// Does it prove itself with a key? Then its secret counts for nothing, and is not shown.
pub fn signs_in(metadata: &str) -> bool {
    let metadata: Value = serde_json::from_str(metadata).unwrap_or_default();
    metadata["token_endpoint_auth_method"] == "private_key_jwt"
}

/// Is it a member that only the household chooses, not a program that registers itself?
fn is_for_the_household(name: &str, value: &Value) -> anyhow::Result<bool> {
    let one = |only: &str| if value == only { Ok(true) } else { bail!("{name} is {only:?}, or not there") };
    match name {
        "hearth_pkce" => one("optional"),
        "hearth_id_token" => one("lean"),
        "hearth_access_token" => one("jwt"),
        "hearth_resources" | "hearth_exchanges" => words(name, value).map(|_| true),
        "backchannel_logout_uri" | "frontchannel_logout_uri" => {
            let is_web = value.as_str().is_some_and(|uri| uri.starts_with("https://") || uri.starts_with("http://"));
            ensure!(is_web, "{name} is an address of the program; write it as https://...");
            Ok(true)
        }
        _ => Ok(false),
    }
}

fn words(name: &str, value: &Value) -> anyhow::Result<Vec<String>> {
    let all = value.as_array().with_context(|| format!("{name} is a list"))?;
    all.iter().map(|one| one.as_str().map(str::to_owned).with_context(|| format!("{name} is a list of texts"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn nobody() -> NewClient {
        NewClient {
            identifier: None,
            name: String::new(),
            public: false,
            redirect_uris: Vec::new(),
            post_logout_redirect_uris: Vec::new(),
            grant_types: Vec::new(),
            scopes: Vec::new(),
            preset: None,
            trusted: false,
            metadata: "{}".to_owned(),
        }
    }

    fn bank() -> Value {
        json!({
            "client_name": "Bank", "redirect_uris": ["https://bank.example/cb"], "scope": "openid email",
            "token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [{"kty": "EC", "crv": "P-256", "x": "x", "y": "y"}]},
            "require_pushed_authorization_requests": true, "dpop_bound_access_tokens": true,
            "userinfo_signed_response_alg": "ES256", "hearth_resources": ["https://api.example"], "logo_uri": "https://bank.example/l",
        })
    }

    #[test]
    fn a_program_that_pushes_signs_and_holds_a_key() {
        let described = Described::parse(&bank().to_string()).unwrap();
        assert_eq!(described.left_out(), ["logo_uri"]);
        let mut new = nobody();
        described.fill(&mut new).unwrap();
        check_whole(&new).unwrap();
        assert_eq!((new.name.as_str(), new.public, new.scopes.join(" ").as_str()), ("Bank", false, "openid email"));
        assert!(signs_in(&new.metadata) && new.metadata.contains("\"dpop_bound_access_tokens\":true"));
        // What the command line says comes first.
        let mut said = NewClient { name: "Ours".into(), scopes: vec!["openid".into()], ..nobody() };
        described.fill(&mut said).unwrap();
        assert_eq!((said.name.as_str(), said.scopes.len(), said.redirect_uris.len()), ("Ours", 1, 1));
        // A later file changes what it names, and leaves who the client is alone.
        new.metadata = new.metadata.replacen('{', "{\"hearth_service_account\":\"7\",", 1);
        let later = json!({"jwks": null, "token_endpoint_auth_method": "client_secret_basic", "hearth_service_account": null,
            "require_pushed_authorization_requests": false, "redirect_uris": ["https://bank.example/new"]});
        Described::parse(&later.to_string()).unwrap().replace(&mut new).unwrap();
        let metadata: Value = serde_json::from_str(&new.metadata).unwrap();
        assert_eq!((&metadata["jwks"], &metadata["hearth_service_account"]), (&json!(null), &json!("7")));
        assert_eq!((&metadata["require_pushed_authorization_requests"], signs_in(&new.metadata)), (&json!(false), false));
        assert_eq!((new.redirect_uris.concat().as_str(), new.name.as_str()), ("https://bank.example/new", "Bank"));
    }

    #[test]
    fn what_does_not_hold() {
        for bad in [
            json!([]),
            json!({"jwks_uri": "https://bank.example/keys"}),
            json!({"userinfo_encrypted_response_alg": "RSA-OAEP"}),
            json!({"hearth_pkce": "never"}),
            json!({"hearth_resources": "https://api.example"}),
            json!({"backchannel_logout_uri": "javascript:1"}),
        ] {
            assert!(Described::parse(&bad.to_string()).is_err(), "{bad}");
        }
        for bad in [
            json!({"client_name": 1}),
            json!({"redirect_uris": ["http://bank.example/cb"]}),
            json!({"grant_types": ["password"]}),
            json!({"response_types": ["token"]}),
            json!({"token_endpoint_auth_method": "tls_client_auth"}),
        ] {
            assert!(Described::parse(&bad.to_string()).unwrap().replace(&mut nobody()).is_err(), "{bad}");
        }
        for bad in [
            json!({"subject_type": "pairwise", "redirect_uris": ["https://a.example/", "https://b.example/"]}),
            json!({"client_name": "nowhere"}),
        ] {
            let mut new = nobody();
            Described::parse(&bad.to_string()).unwrap().replace(&mut new).unwrap();
            assert!(check_whole(&new).is_err(), "{bad}");
        }
        let public = NewClient { public: true, metadata: bank().to_string(), ..nobody() };
        assert!(check_whole(&public).is_err());
    }
}
