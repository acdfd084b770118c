// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a client says of itself beside its name and its places (RFC 7591 §2): one reading for those that register
//! themselves, describe themselves at their own address, or are added by hand (`hearth client`).
//!
//! What we cannot do is refused and not dropped, for a client that was told yes counts on it. What nobody has to do anything
//! for (`logo_uri`, `contacts`) is left out.

use serde_json::{Map, Value, json};
use url::{Host, Url};

use crate::error::{Error, Result};
use crate::limits::{ACR_VALUES_MAX, CLIENT_KEYS_MAX};

/// How a client may have things signed for it, and sign itself.
const ALGORITHMS: &[&str] = &["RS256", "ES256", "EdDSA"];
/// Members with a value out of a few.
const CHOICES: [(&str, &[&str]); 5] = [
    ("id_token_signed_response_alg", ALGORITHMS),
    ("userinfo_signed_response_alg", ALGORITHMS),
    ("request_object_signing_alg", ALGORITHMS),
    ("token_endpoint_auth_signing_alg", ALGORITHMS),
    ("subject_type", &["public", "pairwise"]),
];
/// Members that are yes or no.
const FLAGS: [&str; 4] = [
    "dpop_bound_access_tokens",
    "require_pushed_authorization_requests",
    "require_signed_request_object",
    // OpenID Connect Dynamic Client Registration §2: every ID token has `auth_time`.
    "require_auth_time",
];
/// Members that ask for what we do not do, and why.
const REFUSED: [(&str, &str); 14] = [
    ("jwks_uri", "keys are sent by value, in jwks"),
    ("sector_identifier_uri", "the sector is the one host of the redirect URIs"),
    ("request_uris", "requests are pushed, or signed by value"),
    ("id_token_encrypted_response_alg", "nothing is encrypted to clients"),
    ("id_token_encrypted_response_enc", "nothing is encrypted to clients"),
    ("userinfo_encrypted_response_alg", "nothing is encrypted to clients"),
    ("userinfo_encrypted_response_enc", "nothing is encrypted to clients"),
    ("request_object_encryption_alg", "no request is encrypted to us"),
    ("request_object_encryption_enc", "no request is encrypted to us"),
    ("authorization_signed_response_alg", "answers are not signed"),
    ("authorization_encrypted_response_alg", "answers are not signed"),
    ("authorization_encrypted_response_enc", "answers are not signed"),
    ("introspection_signed_response_alg", "introspection is not signed"),
    ("tls_client_certificate_bound_access_tokens", "tokens are bound by DPoP"),
];
/// RFC 7518 §6.2.2 and on: members of a private or symmetric key.
const SECRETS: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "k"];

/// What is kept of it, as it is told back.
pub fn read_metadata(asked: &Map<String, Value>) -> Result<Map<String, Value>> {
    let bad = |says: String| Err(Error::Invalid(says));
    let find = |name: &str| asked.get(name).filter(|value| !value.is_null());
    let mut kept = Map::new();
    for (name, why) in REFUSED {
        if find(name).is_some_and(|value| *value != json!(false)) {
            return bad(format!("{name} is not supported: {why}"));
        }
    }
    for (name, values) in CHOICES {
        if let Some(value) = find(name) {
            if !value.as_str().is_some_and(|value| values.contains(&value)) {
                return bad(format!("{name} is none of {}", values.join(", ")));
            }
            kept.insert(name.into(), value.clone());
        }
    }
    for name in FLAGS {
        match find(name) {
            Some(flag) if flag.is_boolean() => kept.insert(name.into(), flag.clone()),
            Some(_) => return bad(format!("{name} is true or false")),
            None => None,
        };
    }
    match find("default_max_age") {
        Some(age) if age.is_u64() => kept.insert("default_max_age".into(), age.clone()),
        Some(_) => return bad("default_max_age is a number of seconds".into()),
        None => None,
    };
    match find("default_acr_values") {
        Some(values) if are_words(values) => kept.insert("default_acr_values".into(), values.clone()),
        Some(_) => return bad(format!("default_acr_values is a list of {ACR_VALUES_MAX} names at most")),
        None => None,
    };
    let signs = find("token_endpoint_auth_method").is_some_and(|method| method == "private_key_jwt");
    match find("jwks") {
        Some(keys) if are_keys(keys) => kept.insert("jwks".into(), keys.clone()),
        Some(_) => return bad("jwks holds no public keys that can be used here".into()),
        None if signs => return bad("private_key_jwt needs jwks".into()),
        None => None,
    };
    if signs {
        kept.insert("token_endpoint_auth_method".into(), json!("private_key_jwt"));
    }
    Ok(kept)
}

fn are_words(values: &Value) -> bool {
    values.as_array().is_some_and(|values| values.len() <= ACR_VALUES_MAX && values.iter().all(Value::is_string))
}

/// Are these keys that a client may register? Public ones, of kinds that we read, and not too many.
pub fn are_keys(jwks: &Value) -> bool {
    let Some(keys) = jwks["keys"].as_array() else { return false };
    let is_public = |key: &Value| SECRETS.iter().all(|secret| key.get(secret).is_none());
    let is_known = |key: &Value| matches!(key["kty"].as_str(), Some("RSA" | "EC" | "OKP"));
    (1..=CLIENT_KEYS_MAX).contains(&keys.len()) && keys.iter().all(|key| is_public(key) && is_known(key))
}

/// The one host of all these places (OpenID Connect Core §8.1). None when there are several, or when it is a device's own.
pub fn sector_of(redirect_uris: &[String]) -> Option<String> {
    let mut hosts = redirect_uris.iter().map(|uri| host_of(uri));
    let first = hosts.next()??;
    hosts.all(|host| host.as_ref() == Some(&first)).then_some(first)
}

/// Are these places of several hosts? Then one of them could be somebody else's, whose people's names it would learn.
pub fn has_several_sectors(redirect_uris: &[String]) -> bool {
    let mut hosts = redirect_uris.iter().map(|uri| host_of(uri));
    let first = hosts.next();
    hosts.any(|host| Some(host) != first)
}

fn host_of(uri: &str) -> Option<String> {
    let url = Url::parse(uri).ok()?;
    let is_own = match url.host()? {
        Host::Domain(name) => name == "localhost" || !matches!(url.scheme(), "https" | "http"),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    };
    url.host_str().filter(|_| !is_own).map(str::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(asked: &Value) -> Option<Value> {
        read_metadata(asked.as_object()?).ok().map(Value::Object)
    }

    fn key() -> Value {
        json!({"kty": "EC", "crv": "P-256", "x": "x", "y": "y"})
    }

    #[test]
    fn what_is_kept_is_what_is_done() {
        let all = json!({
            "id_token_signed_response_alg": "ES256", "subject_type": "pairwise", "dpop_bound_access_tokens": true,
            "require_auth_time": false, "default_max_age": 0, "default_acr_values": ["2"], "jwks": {"keys": [key()]},
            "token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": "ES256",
        });
        assert_eq!(kept(&all), Some(all));
        let left_out = json!({
            "client_name": "x", "logo_uri": "javascript:alert(1)", "hearth_pkce": "optional", "hearth_registration": "x",
            "backchannel_logout_uri": "http://127.0.0.1/", "token_endpoint_auth_method": "none", "jwks_uri": null,
            "tls_client_certificate_bound_access_tokens": false,
        });
        assert_eq!(kept(&left_out), Some(json!({})));
        for (name, _) in REFUSED {
            assert_eq!(kept(&json!({ name: "x" })), None, "{name}");
        }
        for (name, values) in CHOICES {
            assert!(values.iter().all(|value| kept(&json!({ name: value })).is_some()), "{name}");
            for bad in [json!("none"), json!("HS256"), json!(1), json!(["RS256"])] {
                assert_eq!(kept(&json!({ name: bad })), None, "{name} {bad}");
            }
        }
        for (name, bad) in [
            ("require_auth_time", json!("true")),
            ("default_max_age", json!(-1)),
            ("default_max_age", json!(1.5)),
            ("default_acr_values", json!("2")),
            ("default_acr_values", json!([2])),
            ("jwks", json!({"keys": []})),
            ("token_endpoint_auth_method", json!("private_key_jwt")),
        ] {
            assert_eq!(kept(&json!({ name: bad })), None, "{name} {bad}");
        }
        let names = |count: usize| json!({"default_acr_values": vec!["2"; count]});
        assert!(kept(&names(ACR_VALUES_MAX)).is_some() && kept(&names(ACR_VALUES_MAX + 1)).is_none());
    }

    #[test]
    fn which_keys_may_be_registered() {
        assert!(are_keys(&json!({"keys": [key()]})) && are_keys(&json!({"keys": vec![key(); CLIENT_KEYS_MAX]})));
        let mut private = key();
        private["d"] = json!("x");
        for bad in [
            json!({}),
            json!({"keys": []}),
            json!({"keys": [private]}),
            json!({"keys": [{"kty": "oct", "k": "x"}]}),
            json!({"keys": vec![key(); CLIENT_KEYS_MAX + 1]}),
            json!([]),
        ] {
            assert!(!are_keys(&bad), "{bad}");
        }
    }

    #[test]
    fn whose_people_they_are() {
        for (uris, sector, several) in [
            (vec!["https://a.example/cb", "https://a.example:8443/other"], Some("a.example"), false),
            (vec!["https://a.example/cb", "https://b.example/cb"], None, true),
            (vec!["https://a.example/cb", "http://127.0.0.1/cb"], None, true),
            (vec!["https://a.example/cb", "com.example.app:/cb"], None, true),
            (vec!["http://127.0.0.1/cb", "http://[::1]/cb", "http://localhost/cb"], None, false),
            (vec!["com.example.app:/cb"], None, false),
            (vec!["com.example.app://a.example/cb"], None, false),
            (vec![], None, false),
        ] {
            let uris: Vec<String> = uris.into_iter().map(str::to_string).collect();
            assert_eq!((sector_of(&uris).as_deref(), has_several_sectors(&uris)), (sector, several), "{uris:?}");
        }
    }
}
