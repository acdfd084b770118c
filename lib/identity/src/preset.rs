// SPDX-License-Identifier: AGPL-3.0-or-later
//! Apps that households run, and what each wants of a provider: the table `presets.toml`, read and filled in.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::error::{Error, Result};

const TABLE: &str = include_str!("presets.toml");

/// An app as the table has it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    /// What people call it.
    pub title: String,
    redirect: Vec<String>,
    #[serde(default)]
    logout: Vec<String>,
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default)]
    auth: Auth,
    pkce: Option<Pkce>,
    id_token: Option<IdToken>,
    algorithm: Option<String>,
    #[serde(default)]
    claims: Vec<String>,
    #[serde(default)]
    grants: Vec<String>,
    access_token: Option<AccessToken>,
    backchannel: Option<String>,
    /// Belongs to the house: nobody is asked for consent.
    #[serde(default)]
    pub trusted: bool,
    /// It stands behind the home's own front door, which has to be told where it is.
    #[serde(default)]
    pub upstream: bool,
    paste: Vec<String>,
}

/// How it proves itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Auth {
    #[default]
    Basic,
    Post,
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Pkce {
    Optional,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum IdToken {
    Lean,
    Only,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum AccessToken {
    Jwt,
}

/// All of them, by name.
pub fn all() -> Result<BTreeMap<String, Preset>> {
    toml::from_str(TABLE).map_err(|error| Error::Invalid(format!("the table of presets cannot be read: {error}")))
}

/// The one of a name.
pub fn find(name: &str) -> Result<Preset> {
    let mut all = all()?;
    let names = all.keys().cloned().collect::<Vec<_>>().join(", ");
    all.remove(name).ok_or_else(|| Error::Missing(format!("preset {name}; there are: {names}")))
}

impl Preset {
    /// Where its answers go, for an app at `url`.
    pub fn redirect_uris(&self, url: &str) -> Result<Vec<String>> {
        fill(&self.redirect, url)
    }

    /// Where a browser goes after a sign-out.
    pub fn post_logout_redirect_uris(&self, url: &str) -> Result<Vec<String>> {
        fill(&self.logout, url)
    }

    /// What it may ask for.
    pub fn scopes(&self) -> Vec<String> {
        if self.scopes.is_empty() { ["openid", "profile", "email"].map(str::to_owned).to_vec() } else { self.scopes.clone() }
    }

    /// Has it no secret?
    pub fn is_public(&self) -> bool {
        self.auth == Auth::None
    }

    /// How it proves itself (RFC 7591 §2), for whoever sets it up. A client with a secret may do so either way: some use one
    /// at one endpoint and the other at the next.
    pub fn auth_method(&self) -> &'static str {
        match self.auth {
            Auth::Basic => "client_secret_basic",
            Auth::Post => "client_secret_post",
            Auth::None => "none",
        }
    }

    /// What it reads of a person.
    pub fn claims(&self) -> &[String] {
        &self.claims
    }

    /// How it gets tokens; none for the usual two.
    pub fn grants(&self) -> Vec<String> {
        self.grants.clone()
    }

    /// Does it read nothing but the ID token? Then that has to say who somebody is.
    pub fn reads_id_token_only(&self) -> bool {
        self.id_token == Some(IdToken::Only)
    }

    /// What it chooses of what a client may choose.
    pub fn metadata(&self, url: &str) -> Result<Value> {
        let mut chosen = Map::new();
        if self.pkce == Some(Pkce::Optional) {
            chosen.insert("hearth_pkce".into(), json!("optional"));
        }
        if self.id_token == Some(IdToken::Lean) {
            chosen.insert("hearth_id_token".into(), json!("lean"));
        }
        if let Some(algorithm) = &self.algorithm {
            chosen.insert("id_token_signed_response_alg".into(), json!(algorithm));
        }
        if self.access_token == Some(AccessToken::Jwt) {
            chosen.insert("hearth_access_token".into(), json!("jwt"));
        }
        if let Some(uri) = &self.backchannel {
            chosen.insert("backchannel_logout_uri".into(), json!(fill(std::slice::from_ref(uri), url)?.concat()));
        }
        Ok(Value::Object(chosen))
    }

    /// The lines for the app's own settings.
    pub fn paste(&self, url: &str, issuer: &str, client_id: &str, client_secret: &str) -> String {
        let authority = issuer.strip_prefix("https://").unwrap_or(issuer);
        let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
        let filled = self.paste.iter().map(|line| {
            line.replace("{issuer}", issuer)
                .replace("{issuer_host}", host)
                .replace("{issuer_authority}", authority)
                .replace("{client_id}", client_id)
                .replace("{client_secret}", client_secret)
                .replace("{url}", url)
        });
        filled.collect::<Vec<_>>().join("\n")
    }
}

/// The address of an app as it was typed: with a scheme, without a query, without slashes at its end.
pub fn check_url(url: &str) -> Result<String> {
    let sound = url.split_once("://").is_some_and(|(scheme, rest)| {
        matches!(scheme, "https" | "http")
            && !rest.is_empty()
            && !rest.starts_with('/')
            && !rest.contains(['?', '#', ' ', '@', '*'])
    });
    if !sound {
        return Err(Error::Invalid(format!("{url:?} is not the address of an app; write it as https://photos.home.example")));
    }
    Ok(url.trim_end_matches('/').to_owned())
}

fn fill(templates: &[String], url: &str) -> Result<Vec<String>> {
    if url.is_empty() && templates.iter().any(|template| template.contains("{url")) {
        return Err(Error::Invalid("say where the app is, such as https://photos.home.example".into()));
    }
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let host = rest.split('/').next().unwrap_or_default();
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()));
    let port = if scheme == "http" { 80 } else { 443 };
    let with_port = if has_port { url.to_owned() } else { url.replacen(host, &format!("{host}:{port}"), 1) };
    Ok(templates.iter().map(|template| template.replace("{url443}", &with_port).replace("{url}", url)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_whole() {
        let all = all().unwrap();
        assert!(all.len() >= 30, "{}", all.len());
        for (name, preset) in &all {
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'), "{name}");
            let uris = preset.redirect_uris("https://app.home.example").unwrap();
            let has_codes = preset.grants.is_empty() || preset.grants.iter().any(|grant| grant == "authorization_code");
            assert!(uris.is_empty() != has_codes && uris.iter().all(|uri| !uri.contains(['{', ' ', '#'])), "{name}: {uris:?}");
            let metadata = preset.metadata("https://app.home.example").unwrap();
            let read = crate::grants::read_metadata(metadata.as_object().unwrap());
            assert!(read.is_ok(), "{name}: {read:?}");
            // What it reads comes with what it asks for.
            let scopes = preset.scopes();
            for claim in &preset.claims {
                let scope = match claim.as_str() {
                    "sub" => "openid",
                    "email" | "email_verified" => "email",
                    "name" | "preferred_username" => "profile",
                    "groups" => "groups",
                    other => panic!("{name}: nobody gives {other}"),
                };
                assert!(scopes.iter().any(|asked| asked == scope), "{name}: {claim} without {scope}");
            }
            assert!(!(preset.reads_id_token_only() && preset.claims.is_empty()), "{name}: what does it read there?");
            assert!(preset.scopes().contains(&"openid".to_owned()) || !has_codes, "{name}");
            let lines = preset.paste("https://app.home.example", "https://id.home.example", "ID", "SECRET");
            assert!(lines.contains("id.home.example") && lines.contains("ID"), "{name}: {lines}");
            assert!(
                !["{issuer}", "{issuer_host}", "{issuer_authority}", "{url}", "{client_id}", "{client_secret}"]
                    .iter()
                    .any(|left| lines.contains(left)),
                "{name}"
            );
            assert!(!preset.is_public() || !lines.contains("SECRET"), "{name}: a public client has no secret to paste");
            assert!(!preset.is_public() || preset.pkce.is_none(), "{name}: a public client uses PKCE");
            assert!(preset.metadata("https://app.home.example").unwrap().is_object());
        }
    }

    #[test]
    fn exact_addresses() {
        for (name, url, expected) in [
            (
                "immich",
                "https://photos.example",
                "https://photos.example/auth/login https://photos.example/user-settings app.immich:///oauth-callback",
            ),
            ("nextcloud", "https://cloud.example", "https://cloud.example/apps/user_oidc/code"),
            ("freshrss", "https://rss.example", "https://rss.example:443/i/oidc/"),
            ("freshrss", "https://rss.example:8443", "https://rss.example:8443/i/oidc/"),
            ("proxmox", "https://pve.example:8006", "https://pve.example:8006"),
            ("vaultwarden", "https://vault.example", "https://vault.example/identity/connect/oidc-signin"),
            ("grafana", "https://g.example/sub", "https://g.example/sub/login/generic_oauth"),
            ("kubelogin", "", "http://localhost:8000 http://localhost:18000"),
        ] {
            assert_eq!(find(name).unwrap().redirect_uris(url).unwrap().join(" "), expected);
        }
        assert!(find("immich").unwrap().redirect_uris("").is_err());
        assert!(find("nothing").unwrap_err().to_string().contains("immich"));
    }

    #[test]
    fn the_address_of_an_app() {
        assert_eq!(check_url("https://photos.example/").unwrap(), "https://photos.example");
        assert_eq!(check_url("http://192.168.1.5:2283").unwrap(), "http://192.168.1.5:2283");
        for bad in
            ["photos.example", "https://", "https:///x", "https://a/?b", "ftp://a", "https://a b", "https://*.a", "https://u@a"]
        {
            assert!(check_url(bad).is_err(), "{bad}");
        }
    }
}
