// SPDX-License-Identifier: AGPL-3.0-or-later
//! What the provider speaks, and what it chose not to.
//!
//! A row's name is `member=value` as the metadata of RFC 8414 has it: a `_supported` member is a list
//! with one row per value, another is an endpoint and its path. A name without `=` is a flag, or a path that
//! has no member. The
//! router, the metadata and `docs/protocols/` are made from this table alone.

use hearth_spec::{Row, Status};

const CORE: u16 = 0;

/// Everything, in the order in which it is shown.
pub const ROWS: &[Row] = &[
    Row::spoken("authorization_endpoint=/authorize", 6749, "§3.1"),
    Row::spoken("token_endpoint=/token", 6749, "§3.2"),
    Row::spoken("userinfo_endpoint=/userinfo", CORE, "OpenID Connect Core §5.3"),
    Row::spoken("jwks_uri=/jwks.json", 7517, "§5"),
    Row::spoken("revocation_endpoint=/revoke", 7009, "§2"),
    Row::spoken("introspection_endpoint=/introspect", 7662, "§2"),
    Row::spoken("end_session_endpoint=/logout", CORE, "OpenID Connect RP-Initiated Logout §2"),
    Row::spoken("pushed_authorization_request_endpoint=/par", 9126, "§2"),
    Row::spoken("registration_endpoint=/register", 7591, "§3; its management by RFC 7592"),
    Row::spoken("device_authorization_endpoint=/device-authorization", 8628, "§3.1"),
    Row::declined(
        "check_session_iframe=/session",
        CORE,
        "OpenID Connect Session Management §3.3",
        "it needs third-party cookies, which browsers no longer send",
    ),
    Row::spoken("response_types_supported=code", 6749, "§3.1.1"),
    Row::declined("response_types_supported=token", 6749, "§4.2", "implicit: tokens in addresses leak (RFC 9700 §2.1.2)"),
    Row::declined(
        "response_types_supported=id_token",
        CORE,
        "OpenID Connect Core §3.2",
        "implicit: the code flow does all that it did",
    ),
    Row::declined(
        "response_types_supported=code id_token",
        CORE,
        "OpenID Connect Core §3.3",
        "hybrid: two answers to check instead of one",
    ),
    Row::spoken("response_modes_supported=query", CORE, "OAuth 2.0 Multiple Response Types §2.1"),
    Row::declined("response_modes_supported=fragment", CORE, "OAuth 2.0 Multiple Response Types §2.1", "for the implicit flow"),
    Row::spoken("response_modes_supported=form_post", CORE, "OAuth 2.0 Form Post Response Mode §2"),
    Row::spoken("grant_types_supported=authorization_code", 6749, "§4.1"),
    Row::spoken("grant_types_supported=refresh_token", 6749, "§6"),
    Row::declined("grant_types_supported=implicit", 6749, "§4.2", "tokens in addresses leak (RFC 9700 §2.1.2)"),
    Row::declined("grant_types_supported=password", 6749, "§4.3", "no program shall learn a person's password (RFC 9700 §2.4)"),
    Row::spoken("grant_types_supported=client_credentials", 6749, "§4.4"),
    Row::spoken("grant_types_supported=urn:ietf:params:oauth:grant-type:device_code", 8628, "§3.4"),
    Row::spoken("grant_types_supported=urn:ietf:params:oauth:grant-type:token-exchange", 8693, "§2.1"),
    Row::spoken("code_challenge_methods_supported=S256", 7636, "§4.2"),
    Row::declined("code_challenge_methods_supported=plain", 7636, "§4.2", "it shows the verifier to whoever sees the request"),
    Row::spoken("/.well-known/openid-configuration", CORE, "OpenID Connect Discovery §4"),
    Row::spoken("/.well-known/oauth-authorization-server", 8414, "§3"),
    Row::spoken(
        "/.well-known/oauth-protected-resource",
        9728,
        "§3: of mail and of the issuer; told as protected_resources (§4) and in refusals (§5.1)",
    ),
    Row::spoken("/.well-known/webfinger", 7033, "§4: the issuer of an address, or of a domain"),
    Row::spoken("/.well-known/change-password", CORE, "W3C, A Well-Known URL for Changing Passwords"),
    Row::spoken("/.well-known/passkey-endpoints", CORE, "W3C, A Well-Known URL for Relying Party Passkey Endpoints"),
    Row::spoken("/device", 8628, "§3.3: where a person types the code"),
    Row::spoken("/register/{client}", 7592, "§2"),
    Row::spoken("/lists/leave/{list}/{token}", 8058, "§3.1: by one click, or by a page"),
    Row::spoken("/forward/check", CORE, "Hearth: nginx `auth_request`, Caddy `forward_auth`"),
    Row::spoken("/forward/start", CORE, "Hearth: to the sign-in, for an app behind a proxy"),
    Row::spoken("/forward/callback", CORE, "Hearth: and back"),
    Row::spoken("/forward/out", CORE, "Hearth: out of that app"),
    Row::declined(
        "error=insufficient_user_authentication",
        9470,
        "§3",
        "no resource of ours wants more than the sign-in had; the pages ask for more themselves",
    ),
    Row::spoken("token_endpoint_auth_methods_supported=client_secret_basic", 6749, "§2.3.1"),
    Row::spoken("token_endpoint_auth_methods_supported=client_secret_post", 6749, "§2.3.1"),
    Row::spoken("token_endpoint_auth_methods_supported=none", 7591, "§2"),
    Row::spoken("token_endpoint_auth_methods_supported=private_key_jwt", CORE, "OpenID Connect Core §9"),
    Row::spoken("token_endpoint_auth_signing_alg_values_supported=RS256", 8414, "§2"),
    Row::spoken("token_endpoint_auth_signing_alg_values_supported=ES256", 8414, "§2"),
    Row::spoken("token_endpoint_auth_signing_alg_values_supported=EdDSA", 8414, "§2"),
    Row::declined(
        "token_endpoint_auth_methods_supported=client_secret_jwt",
        CORE,
        "OpenID Connect Core §9",
        "it would have us keep the secret itself and not a hash",
    ),
    Row::spoken("revocation_endpoint_auth_methods_supported=client_secret_basic", 8414, "§2"),
    Row::spoken("revocation_endpoint_auth_methods_supported=client_secret_post", 8414, "§2"),
    Row::spoken("revocation_endpoint_auth_methods_supported=none", 8414, "§2"),
    Row::spoken("revocation_endpoint_auth_methods_supported=private_key_jwt", 8414, "§2"),
    Row::spoken("revocation_endpoint_auth_signing_alg_values_supported=RS256", 8414, "§2"),
    Row::spoken("revocation_endpoint_auth_signing_alg_values_supported=ES256", 8414, "§2"),
    Row::spoken("revocation_endpoint_auth_signing_alg_values_supported=EdDSA", 8414, "§2"),
    Row::spoken("introspection_endpoint_auth_methods_supported=client_secret_basic", 8414, "§2"),
    Row::spoken("introspection_endpoint_auth_methods_supported=client_secret_post", 8414, "§2"),
    Row::spoken("introspection_endpoint_auth_methods_supported=private_key_jwt", 8414, "§2"),
    Row::spoken("introspection_endpoint_auth_signing_alg_values_supported=RS256", 8414, "§2"),
    Row::spoken("introspection_endpoint_auth_signing_alg_values_supported=ES256", 8414, "§2"),
    Row::spoken("introspection_endpoint_auth_signing_alg_values_supported=EdDSA", 8414, "§2"),
    Row::spoken("scopes_supported=openid", CORE, "OpenID Connect Core §3.1.2.1"),
    Row::spoken("scopes_supported=email", CORE, "OpenID Connect Core §5.4"),
    Row::spoken("scopes_supported=profile", CORE, "OpenID Connect Core §5.4"),
    Row::spoken("scopes_supported=groups", CORE, "Hearth: the names of the groups, an array"),
    Row::spoken("scopes_supported=offline_access", CORE, "OpenID Connect Core §11"),
    Row::spoken("scopes_supported=mail", CORE, "Hearth: IMAP, SMTP, POP3, ManageSieve and JMAP by RFC 7628"),
    Row::spoken("scopes_supported=urn:ietf:params:oauth:scope:mail", CORE, "draft-ietf-mailmaint-oauth-public: the same as mail"),
    Row::spoken("scopes_supported=imap", CORE, "Hearth: the same as mail, as are the next four"),
    Row::spoken("scopes_supported=smtp", CORE, "Hearth"),
    Row::spoken("scopes_supported=pop3", CORE, "Hearth"),
    Row::spoken("scopes_supported=jmap", CORE, "Hearth"),
    Row::spoken("scopes_supported=sieve", CORE, "Hearth"),
    Row::spoken("scopes_supported=scim", CORE, "Hearth: people and groups by RFC 7644"),
    Row::spoken("claims_supported=sub", CORE, "OpenID Connect Core §5.1"),
    Row::spoken("claims_supported=iss", 7519, "§4.1.1"),
    Row::spoken("claims_supported=aud", 7519, "§4.1.3"),
    Row::spoken("claims_supported=exp", 7519, "§4.1.4"),
    Row::spoken("claims_supported=iat", 7519, "§4.1.6"),
    Row::spoken("claims_supported=auth_time", CORE, "OpenID Connect Core §2"),
    Row::spoken("claims_supported=nonce", CORE, "OpenID Connect Core §2"),
    Row::spoken("claims_supported=at_hash", CORE, "OpenID Connect Core §3.1.3.6"),
    Row::spoken("claims_supported=acr", CORE, "OpenID Connect Core §2"),
    Row::spoken("claims_supported=amr", 8176, "§1"),
    Row::spoken("claims_supported=sid", CORE, "OpenID Connect Front-Channel Logout §3"),
    Row::spoken("claims_supported=email", CORE, "OpenID Connect Core §5.1"),
    Row::spoken("claims_supported=email_verified", CORE, "OpenID Connect Core §5.1"),
    Row::spoken("claims_supported=groups", CORE, "Hearth: with the scope groups"),
    Row::spoken("claims_supported=name", CORE, "OpenID Connect Core §5.1"),
    Row::spoken("claims_supported=preferred_username", CORE, "OpenID Connect Core §5.1"),
    Row::spoken("acr_values_supported=1", CORE, "Hearth: one factor, a password"),
    Row::spoken("acr_values_supported=2", CORE, "Hearth: two factors"),
    Row::spoken("acr_values_supported=phr", CORE, "OpenID Connect Extended Authentication Profile ACR Values §2"),
    Row::spoken("prompt_values_supported=none", CORE, "OpenID Connect Core §3.1.2.1"),
    Row::spoken("prompt_values_supported=login", CORE, "OpenID Connect Core §3.1.2.1"),
    Row::spoken("prompt_values_supported=consent", CORE, "OpenID Connect Core §3.1.2.1"),
    Row::spoken("prompt_values_supported=select_account", CORE, "OpenID Connect Core §3.1.2.1"),
    Row::declined("prompt_values_supported=create", CORE, "Initiating User Registration §4", "the household makes its accounts"),
    Row::spoken("subject_types_supported=public", CORE, "OpenID Connect Core §8"),
    Row::spoken("subject_types_supported=pairwise", CORE, "OpenID Connect Core §8.1"),
    Row::spoken("id_token_signing_alg_values_supported=RS256", 7518, "§3.3"),
    Row::spoken("id_token_signing_alg_values_supported=ES256", 7518, "§3.4"),
    Row::spoken("id_token_signing_alg_values_supported=EdDSA", 8037, "§3.1"),
    Row::declined("id_token_signing_alg_values_supported=none", 7518, "§3.6", "a token that anybody could have made"),
    Row::declined(
        "id_token_signing_alg_values_supported=HS256",
        7518,
        "§3.2",
        "it would have us keep the secret itself and not a hash",
    ),
    Row::spoken("userinfo_signing_alg_values_supported=RS256", CORE, "OpenID Connect Core §5.3.2"),
    Row::spoken("userinfo_signing_alg_values_supported=ES256", CORE, "OpenID Connect Core §5.3.2"),
    Row::spoken("userinfo_signing_alg_values_supported=EdDSA", CORE, "OpenID Connect Core §5.3.2"),
    Row::spoken("dpop_signing_alg_values_supported=ES256", 9449, "§5.1"),
    Row::spoken("dpop_signing_alg_values_supported=EdDSA", 9449, "§5.1"),
    Row::spoken("dpop_signing_alg_values_supported=RS256", 9449, "§5.1"),
    Row::spoken("ui_locales_supported=en", 8414, "§2"),
    Row::spoken("ui_locales_supported=fr", 8414, "§2"),
    Row::spoken("authorization_response_iss_parameter_supported", 9207, "§3"),
    Row::spoken("client_id_metadata_document_supported", CORE, "draft-ietf-oauth-client-id-metadata-document §5"),
    Row::spoken("claims_parameter_supported", CORE, "OpenID Connect Core §5.5"),
    Row::spoken("backchannel_logout_supported", CORE, "OpenID Connect Back-Channel Logout §2.1"),
    Row::spoken("backchannel_logout_session_supported", CORE, "OpenID Connect Back-Channel Logout §2.1"),
    Row::spoken("frontchannel_logout_supported", CORE, "OpenID Connect Front-Channel Logout §3"),
    Row::spoken("frontchannel_logout_session_supported", CORE, "OpenID Connect Front-Channel Logout §3"),
    Row::spoken("request_parameter_supported", 9101, "§5.1"),
    Row::spoken("request_object_signing_alg_values_supported=RS256", 9101, "§10.5"),
    Row::spoken("request_object_signing_alg_values_supported=ES256", 9101, "§10.5"),
    Row::spoken("request_object_signing_alg_values_supported=EdDSA", 9101, "§10.5"),
    Row::declined("request_object_signing_alg_values_supported=none", 9101, "§10.5", "anybody could have written it"),
    Row::declined("request_uri_parameter_supported", 9101, "§5.2", "a request is pushed, or sent by value and signed"),
];

/// The endpoints that are served, with their paths.
pub fn endpoints() -> impl Iterator<Item = (&'static str, &'static str)> {
    spoken().filter_map(|row| row.name.split_once('=')).filter(|(_, value)| value.starts_with('/'))
}

/// The path of an endpoint that we speak. For `const { .. }`: a name that the table does not have is no program.
pub const fn path(endpoint: &str) -> &'static str {
    let mut rows = ROWS;
    while let [row, rest @ ..] = rows {
        let (name, length) = (row.name.as_bytes(), endpoint.len());
        if row.is_spoken()
            && let Some((member, value)) = name.split_at_checked(length)
            && let [b'=', b'/', ..] = value
            && is_same(member, endpoint.as_bytes())
            && let Some((_, path)) = row.name.split_at_checked(length + 1)
        {
            return path;
        }
        rows = rest;
    }
    panic!("the registry has no such endpoint")
}

/// A path that has a row of its own. For `const { .. }`, as [`path`].
pub const fn at(path: &'static str) -> &'static str {
    let mut rows = ROWS;
    while let [row, rest @ ..] = rows {
        if row.is_spoken() && is_same(row.name.as_bytes(), path.as_bytes()) {
            return path;
        }
        rows = rest;
    }
    panic!("the registry has no such path")
}

const fn is_same(mut one: &[u8], mut other: &[u8]) -> bool {
    while let ([a, one_rest @ ..], [b, other_rest @ ..]) = (one, other) {
        if *a != *b {
            return false;
        }
        (one, other) = (one_rest, other_rest);
    }
    one.is_empty() && other.is_empty()
}

/// The paths that have a row of their own.
pub fn paths() -> impl Iterator<Item = &'static str> {
    spoken().map(|row| row.name).filter(|name| name.starts_with('/'))
}

/// The values of a `_supported` member that we speak.
pub fn values(member: &str) -> impl Iterator<Item = &'static str> {
    spoken().filter_map(|row| row.name.split_once('=')).filter(move |(name, _)| *name == member).map(|(_, value)| value)
}

/// Do we speak this value?
pub fn speaks(member: &str, value: &str) -> bool {
    values(member).any(|known| known == value)
}

/// Every `_supported` list that has a value, once, in order.
pub fn members() -> Vec<&'static str> {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in spoken().filter_map(|row| row.name.split_once('=')) {
        if name.ends_with("_supported") && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// Every flag, and whether it is set. Those for later are left out: their default is false.
pub fn flags() -> impl Iterator<Item = (&'static str, bool)> {
    ROWS.iter().filter(|row| !row.name.contains(['=', '/']) && row.status != Status::Later).map(|row| (row.name, row.is_spoken()))
}

fn spoken() -> impl Iterator<Item = &'static Row> {
    ROWS.iter().filter(|row| row.is_spoken())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::jws;
    use crate::request::level::Level;
    use crate::request::scope::Scope;

    #[test]
    fn the_scopes_are_those_of_the_code() {
        let (mut told, mut known): (Vec<_>, Vec<_>) = (values("scopes_supported").collect(), Scope::names().collect());
        told.sort_unstable();
        known.sort_unstable();
        assert_eq!(told, known, "what works is told, and what is told works");
    }

    #[test]
    fn what_the_code_takes_is_told() {
        let sorted = |member: &str| {
            let mut all: Vec<_> = values(member).collect();
            all.sort_unstable();
            all
        };
        let mut algorithms = jws::ALGORITHMS.map(jws::name);
        algorithms.sort_unstable();
        for use_of in ["id_token", "userinfo", "request_object", "dpop"] {
            assert_eq!(sorted(&format!("{use_of}_signing_alg_values_supported")), algorithms, "{use_of}");
        }
        assert_eq!(sorted("token_endpoint_auth_signing_alg_values_supported"), algorithms);
        let mut levels = Level::ALL.map(Level::name);
        levels.sort_unstable();
        assert_eq!(sorted("acr_values_supported"), levels);
    }

    #[test]
    fn a_path_is_that_of_its_row() {
        for (name, path) in endpoints() {
            assert_eq!(super::path(name), path);
        }
        for path in paths() {
            assert_eq!(at(path), path);
        }
        for none in ["check_session_iframe", "token", "token_endpoint=", "", "response_types_supported"] {
            assert!(std::panic::catch_unwind(|| super::path(none)).is_err(), "{none}");
        }
        assert!(std::panic::catch_unwind(|| at("/.well-known/webfinger/")).is_err());
    }

    #[test]
    fn what_is_refused_has_its_reason() {
        for (member, value) in [
            ("grant_types_supported", "password"),
            ("grant_types_supported", "implicit"),
            ("response_types_supported", "token"),
            ("response_types_supported", "code id_token"),
            ("code_challenge_methods_supported", "plain"),
        ] {
            assert!(!speaks(member, value), "{member} {value}");
            let name = format!("{member}={value}");
            assert!(ROWS.iter().any(|row| row.name == name && matches!(row.status, Status::Declined(_))), "{name}");
        }
        assert!(speaks("code_challenge_methods_supported", "S256"));
    }

    #[test]
    fn a_name_is_there_once() {
        for (at, row) in ROWS.iter().enumerate() {
            assert!(!ROWS[..at].iter().any(|other| other.name == row.name), "{}", row.name);
        }
    }
}
