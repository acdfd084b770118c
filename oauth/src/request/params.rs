// SPDX-License-Identifier: AGPL-3.0-or-later
//! The parameters of a request: `application/x-www-form-urlencoded`, in a query or a body.

use std::fmt;

use url::form_urlencoded;

use crate::limits::PARAMETERS_MAX;

/// What a client or a form sent, in its order. Its `Debug` shows names alone: passwords, codes and secrets are among the values.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Params(Vec<(String, String)>);

/// Why parameters are refused as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParamsError {
    /// RFC 6749 §3.1: a parameter must not be included more than once.
    #[error("the parameter {0} is there twice")]
    Twice(String),
    /// More than [`PARAMETERS_MAX`].
    #[error("there are too many parameters")]
    TooMany,
}

impl Params {
    /// Reads them. What appears twice is found by [`Params::check`], so that a caller can look at
    /// the others first.
    pub fn parse(octets: &[u8]) -> Self {
        Self(
            form_urlencoded::parse(octets)
                .take(PARAMETERS_MAX + 1)
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect(),
        )
    }

    /// Refuses doubles and floods. A name that we do not know may come as often as it likes to
    /// (RFC 6749 §3.1: unrecognized parameters are ignored).
    pub fn check(&self, known: &[&str]) -> Result<(), ParamsError> {
        if self.0.len() > PARAMETERS_MAX {
            return Err(ParamsError::TooMany);
        }
        match known.iter().find(|name| self.all(name).nth(1).is_some()) {
            Some(name) => Err(ParamsError::Twice((*name).to_string())),
            None => Ok(()),
        }
    }

    /// The value of a parameter; RFC 6749 §3.1: one without a value is as if it were not there.
    pub fn find(&self, name: &str) -> Option<&str> {
        self.all(name).find(|value| !value.is_empty())
    }

    /// Every value of a parameter: the boxes that were ticked.
    pub fn all<'p>(&'p self, name: &str) -> impl Iterator<Item = &'p str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The value of a field of a form, empty when it is not there.
    pub fn field(&self, name: &str) -> &str {
        self.find(name).unwrap_or_default()
    }

    /// Each name with its value, in their order.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// All but `name`.
    pub fn without(mut self, name: &str) -> Self {
        self.0.retain(|(key, _)| key != name);
        self
    }

    /// With one more.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.0.push((name.to_string(), value.to_string()));
        self
    }

    /// Written as a query.
    pub fn encode(&self) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.0).finish()
    }
}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_is_in_no_log() {
        let params = Params::parse(b"username=alice&password=hunter2&code=123456");
        assert_eq!(format!("{params:?}"), r#"["username", "password", "code"]"#);
    }

    #[test]
    fn read_and_written() {
        let params = Params::parse(b"scope=openid+email&state=a%26b&empty=&x");
        assert_eq!(params.find("scope"), Some("openid email"));
        assert_eq!(params.find("state"), Some("a&b"));
        assert_eq!(params.find("empty"), None);
        assert_eq!(params.field("nothing"), "");
        assert_eq!(Params::parse(params.encode().as_bytes()), params);
        assert_eq!(params.without("state").with("y", "ü").encode(), "scope=openid+email&empty=&x=&y=%C3%BC");
    }

    #[test]
    fn doubles_of_what_we_know() {
        let params = Params::parse(b"client_id=a&client_id=a&z=1&z=2");
        assert_eq!(params.check(&["client_id"]), Err(ParamsError::Twice("client_id".into())));
        assert_eq!(params.check(&["scope"]), Ok(()));
    }

    #[test]
    fn as_many_as_fit() {
        let many = |count: usize| Params::parse("a=b&".repeat(count).as_bytes());
        assert_eq!(many(PARAMETERS_MAX).check(&[]), Ok(()));
        assert_eq!(many(PARAMETERS_MAX + 1).check(&[]), Err(ParamsError::TooMany));
        assert_eq!(many(100_000).check(&[]), Err(ParamsError::TooMany));
    }
}
