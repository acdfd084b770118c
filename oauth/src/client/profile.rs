// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a client chose of the things that a client may choose: the members of RFC 7591 that are kept as its
//! metadata, and a few of our own (`hearth_...`). Pure; what cannot be read counts as not chosen.

use std::time::Duration;

use hearth_identity::grants::{Client, sector_of};
use hearth_identity::vault::Algorithm;
use hearth_types::AccountId;
use serde_json::Value;
use url::Url;

use crate::jose::jws;

/// What a client chose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// `id_token_signed_response_alg`; RS256 when it says nothing, for more clients fail at anything else than
    /// at any other thing.
    pub id_token: Option<Algorithm>,
    /// `hearth_id_token` is `lean`: what the scopes tell of somebody is for userinfo alone (OpenID Connect Core §5.4).
    pub lean_id_token: bool,
    /// `userinfo_signed_response_alg`: userinfo as a signed token.
    pub userinfo: Option<Algorithm>,
    /// `subject_type`: its own `sub` for each person, that tells nothing to another client. The sector is the
    /// host of its redirect URIs; where a stranger named several, or none, it is a sector of its own.
    pub sector: Option<String>,
    /// `hearth_pkce` is `optional`: for a confidential client that cannot.
    pub pkce_optional: bool,
    /// `require_pushed_authorization_requests` (RFC 9126 §6).
    pub pushed_only: bool,
    /// `dpop_bound_access_tokens` (RFC 9449 §5.2).
    pub bound_only: bool,
    /// `hearth_access_token` is `jwt`: access tokens of RFC 9068.
    pub signed_access: bool,
    /// `hearth_resources`: what its tokens can be for (RFC 8707).
    pub resources: Vec<String>,
    /// `hearth_exchanges`: the resources that it is; tokens for them it may exchange (RFC 8693).
    pub exchanges: Vec<String>,
    /// `backchannel_logout_uri`.
    pub backchannel: Option<String>,
    /// `frontchannel_logout_uri`.
    pub frontchannel: Option<String>,
    /// `hearth_service_account`: whom it acts as when it acts for itself.
    pub service: Option<AccountId>,
    /// `jwks`: the keys that it signs with (RFC 7591 §2).
    pub keys: Vec<Value>,
    /// `token_endpoint_auth_method` is `private_key_jwt`: no secret counts.
    pub signs_in: bool,
    /// `require_signed_request_object` (RFC 9101 §10.5).
    pub signed_only: bool,
    /// `token_endpoint_auth_signing_alg`: the one way in which it signs who it is, when it named one.
    pub proof: Option<Algorithm>,
    /// `request_object_signing_alg`: the one way in which it signs what it asks, when it named one.
    pub request: Option<Algorithm>,
    /// `default_max_age`, where a request says nothing.
    pub max_age: Option<Duration>,
    /// `default_acr_values`, where a request says nothing.
    pub acr_values: Vec<String>,
    /// `hearth_registration`: it registered itself; the hash of the token by which it may change that.
    pub registration: Option<String>,
}

impl Profile {
    /// Reads a client's choices.
    pub fn of(client: &Client) -> Self {
        let metadata: Value = serde_json::from_str(&client.metadata).unwrap_or_default();
        let text = |name: &str| metadata[name].as_str().map(str::to_string);
        let texts = |name: &str| -> Vec<String> {
            let all = metadata[name].as_array().map(Vec::as_slice).unwrap_or_default();
            all.iter().filter_map(|one| one.as_str().map(str::to_string)).collect()
        };
        let flag = |name: &str| metadata[name].as_bool().unwrap_or(false);
        let algorithm = |name: &str| metadata[name].as_str().and_then(jws::parse_algorithm);
        let registration = text("hearth_registration");
        let host = || match registration {
            Some(_) => sector_of(&client.redirect_uris),
            // The household's own word counts, and people keep the names that they have.
            None => client.redirect_uris.first().and_then(|uri| Url::parse(uri).ok()?.host_str().map(str::to_string)),
        };
        Self {
            id_token: algorithm("id_token_signed_response_alg"),
            lean_id_token: metadata["hearth_id_token"] == "lean",
            userinfo: algorithm("userinfo_signed_response_alg"),
            sector: if metadata["subject_type"] == "pairwise" { host().or(Some(client.identifier.clone())) } else { None },
            pkce_optional: metadata["hearth_pkce"] == "optional" && !client.is_public(),
            pushed_only: flag("require_pushed_authorization_requests"),
            bound_only: flag("dpop_bound_access_tokens"),
            signed_access: metadata["hearth_access_token"] == "jwt",
            resources: texts("hearth_resources"),
            exchanges: texts("hearth_exchanges"),
            backchannel: text("backchannel_logout_uri"),
            frontchannel: text("frontchannel_logout_uri"),
            service: metadata["hearth_service_account"].as_str().and_then(|id| id.parse().ok()),
            keys: metadata["jwks"]["keys"].as_array().cloned().unwrap_or_default(),
            signs_in: metadata["token_endpoint_auth_method"] == "private_key_jwt",
            signed_only: flag("require_signed_request_object"),
            proof: algorithm("token_endpoint_auth_signing_alg"),
            request: algorithm("request_object_signing_alg"),
            max_age: metadata["default_max_age"].as_u64().map(Duration::from_secs),
            acr_values: texts("default_acr_values"),
            registration,
        }
    }

    /// It pushes what it asks, signs who it is, and holds a key for its tokens: a client of the FAPI 2.0 Security Profile.
    pub const fn is_strict(&self) -> bool {
        self.pushed_only && self.bound_only && self.signs_in
    }

    /// How its ID tokens are signed.
    pub fn id_token_algorithm(&self) -> Algorithm {
        self.id_token.unwrap_or(if self.is_strict() { Algorithm::Es256 } else { Algorithm::Rs256 })
    }

    /// How it may sign who it is.
    pub fn proofs(&self) -> &[Algorithm] {
        self.admitted(self.proof.as_ref())
    }

    /// How it may sign what it asks.
    pub fn requests(&self) -> &[Algorithm] {
        self.admitted(self.request.as_ref())
    }

    fn admitted<'a>(&self, only: Option<&'a Algorithm>) -> &'a [Algorithm] {
        match only {
            Some(only) => std::slice::from_ref(only),
            // FAPI 2.0 Security Profile §5.4.1: PS256, ES256 or EdDSA.
            None if self.is_strict() => &[Algorithm::Es256, Algorithm::EdDsa],
            None => &jws::ALGORITHMS,
        }
    }
}
