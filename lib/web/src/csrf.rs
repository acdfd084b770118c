// SPDX-License-Identifier: AGPL-3.0-or-later
//! Forms that only our own pages can send.
//!
//! A token is an HMAC over the visitor's cookie and the purpose of the form. Nothing is stored; a
//! token is of no use to another visitor or another form, and a page that another site shows cannot
//! read it. The `Origin` that browsers send is looked at as well.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hearth_types::{Secret, constant_time_eq};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, header};
use sha2::Sha256;

/// The form did not come from a page of ours, or from an older visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the form is not from this visit")]
pub struct Forged;

/// Makes and checks the tokens of forms.
#[derive(Clone)]
pub struct Csrf(Secret<[u8; 32]>);

impl Csrf {
    /// With a key that stays as long as forms shall outlive a restart.
    pub fn new(key: Secret<[u8; 32]>) -> Self {
        Self(key)
    }

    /// With a key that ends with the process.
    pub fn fresh() -> Result<Self, getrandom::Error> {
        let mut key = [0; 32];
        getrandom::fill(&mut key)?;
        Ok(Self(Secret::new(key)))
    }

    /// The token for a form of `purpose`, for whoever holds the cookie value `visit`.
    pub fn token(&self, visit: &str, purpose: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.expose()).expect("HMAC takes a key of any length");
        // The length keeps `a` + `bc` apart from `ab` + `c`.
        mac.update(&(visit.len() as u64).to_be_bytes());
        mac.update(visit.as_bytes());
        mac.update(purpose.as_bytes());
        URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    }

    /// Is `token` for this visit and this purpose? An empty visit never passes.
    pub fn check(&self, visit: &str, purpose: &str, token: &str) -> Result<(), Forged> {
        let sound = !visit.is_empty() && constant_time_eq(self.token(visit, purpose).as_bytes(), token.as_bytes());
        if sound { Ok(()) } else { Err(Forged) }
    }
}

/// Does the browser say that this comes from a page of `origin` (`https://id.example`)? A client that
/// says nothing passes: the token decides. RFC 6454 §7.3: `null` is an origin that hides itself.
pub fn same_origin(headers: &HeaderMap, origin: &str) -> Result<(), Forged> {
    let fits = match headers.get(header::ORIGIN) {
        Some(sent) => sent.as_bytes().eq_ignore_ascii_case(origin.as_bytes()),
        None => headers.get("sec-fetch-site").is_none_or(|site| site == "same-origin" || site == "none"),
    };
    if fits { Ok(()) } else { Err(Forged) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_for_one_visit_and_one_purpose() {
        let csrf = Csrf::new(Secret::new([7; 32]));
        let token = csrf.token("visit", "sign-in");
        assert_eq!(csrf.check("visit", "sign-in", &token), Ok(()));
        for (visit, purpose) in [("other", "sign-in"), ("visit", "sign-out"), ("visits", "ign-in"), ("", "sign-in")] {
            assert_eq!(csrf.check(visit, purpose, &token), Err(Forged), "{visit} {purpose}");
        }
        assert_eq!(csrf.check("visit", "sign-in", ""), Err(Forged));
        assert_eq!(csrf.check("", "sign-in", &csrf.token("", "sign-in")), Err(Forged));
        assert_eq!(Csrf::new(Secret::new([8; 32])).check("visit", "sign-in", &token), Err(Forged));
    }

    #[test]
    fn another_origin_is_refused() {
        let with =
            |name: &'static str, value: &str| HeaderMap::from_iter([(http::HeaderName::from_static(name), value.parse().unwrap())]);
        let ours = "https://id.home.localhost:10443";
        assert_eq!(same_origin(&with("origin", ours), ours), Ok(()));
        assert_eq!(same_origin(&HeaderMap::new(), ours), Ok(()));
        assert_eq!(same_origin(&with("sec-fetch-site", "same-origin"), ours), Ok(()));
        for bad in ["https://id.home.localhost", "https://evil.example", "null", ""] {
            assert_eq!(same_origin(&with("origin", bad), ours), Err(Forged), "{bad}");
        }
        assert_eq!(same_origin(&with("sec-fetch-site", "cross-site"), ours), Err(Forged));
    }
}
