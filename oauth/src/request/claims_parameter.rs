// SPDX-License-Identifier: AGPL-3.0-or-later
//! The `claims` parameter (OpenID Connect Core §5.5). Pure.
//!
//! A claim that is asked for by name is given when its scope is: asking for `email` is asking for the scope
//! `email`, and the person is asked the same question. `sub` with a value says who must be signed in; `acr`
//! says how sure we must be.

use serde_json::Value;

use crate::request::level::Level;
use crate::request::scope::Scope;

/// Octets of the parameter.
const CLAIMS_BYTES_MAX: usize = 4096;

/// What the parameter asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The scopes that cover the claims.
    pub scopes: Vec<Scope>,
    /// Who must be signed in.
    pub subject: Option<String>,
    /// How sure we are to be: one of these, as far as we know them.
    pub acr: Vec<Level>,
    /// Nothing else will do.
    pub acr_is_essential: bool,
}

/// Reads the parameter; `None` when it is not JSON of the right shape.
pub fn read(text: &str) -> Option<Wanted> {
    if text.len() > CLAIMS_BYTES_MAX {
        return None;
    }
    let asked: Value = serde_json::from_str(text).ok()?;
    asked.as_object()?;
    let mut wanted = Wanted::default();
    for place in ["userinfo", "id_token"] {
        let Some(claims) = asked.get(place).filter(|claims| !claims.is_null()) else {
            continue;
        };
        for (name, how) in claims.as_object()? {
            let scope = match name.as_str() {
                "email" | "email_verified" => Some(Scope::Email),
                "name" | "preferred_username" => Some(Scope::Profile),
                "groups" => Some(Scope::Groups),
                _ => None,
            };
            wanted.scopes.extend(scope);
            match name.as_str() {
                "sub" => wanted.subject = how["value"].as_str().map(str::to_string).or(wanted.subject),
                "acr" if place == "id_token" => {
                    let values = how["values"].as_array().map(Vec::as_slice).unwrap_or_default();
                    let names: Vec<&str> = values.iter().chain(how.get("value")).filter_map(Value::as_str).collect();
                    // Without a value any will do, and one is given always.
                    wanted.acr_is_essential = how["essential"] == true && !names.is_empty();
                    wanted.acr = Level::of_names(names);
                }
                _ => {}
            }
        }
    }
    Some(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::scope::Scopes;

    #[test]
    fn scopes_that_cover_the_claims() {
        let wanted = read(r#"{"userinfo":{"email":null,"given_name":null},"id_token":{"groups":{"essential":true},"sub":{"value":"s"},"acr":{"essential":true,"values":["2","phr"]}}}"#).unwrap();
        assert_eq!(wanted.scopes.into_iter().collect::<Scopes>(), Scopes::parse("email groups"));
        assert_eq!(
            (wanted.subject.as_deref(), wanted.acr, wanted.acr_is_essential),
            (Some("s"), vec![Level::Two, Level::PhishingResistant], true)
        );
        let gold = read(r#"{"id_token":{"acr":{"essential":true,"value":"gold"}}}"#).unwrap();
        assert!(gold.acr.is_empty() && gold.acr_is_essential);
        assert!(!read(r#"{"id_token":{"acr":{"essential":true}}}"#).unwrap().acr_is_essential);
        for nothing in ["{}", r#"{"userinfo":null}"#, r#"{"userinfo":{},"id_token":null}"#] {
            assert_eq!(read(nothing), Some(Wanted::default()), "{nothing}");
        }
        for bad in ["", "[]", "1", "{\"userinfo\":1}", "{", &format!("{{\"x\":\"{}\"}}", "a".repeat(CLAIMS_BYTES_MAX))] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
