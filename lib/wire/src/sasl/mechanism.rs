// SPDX-License-Identifier: AGPL-3.0-or-later
//! The mechanisms by name, and what a TLS connection can be bound by.

/// A mechanism that we speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mechanism {
    /// RFC 7677 with channel binding.
    ScramSha256Plus,
    /// RFC 7677.
    ScramSha256,
    /// RFC 7628.
    OAuthBearer,
    /// The older form of OAUTHBEARER, which Thunderbird and Gmail's clients send.
    XOAuth2,
    /// RFC 4616.
    Plain,
    /// draft-murchison-sasl-login, which Outlook sends.
    Login,
}

impl Mechanism {
    /// All of them, the best first: the order in which they are advertised.
    pub const ALL: [Self; 6] =
        [Self::ScramSha256Plus, Self::ScramSha256, Self::OAuthBearer, Self::XOAuth2, Self::Plain, Self::Login];

    /// Its name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ScramSha256Plus => "SCRAM-SHA-256-PLUS",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::OAuthBearer => "OAUTHBEARER",
            Self::XOAuth2 => "XOAUTH2",
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
        }
    }

    /// The mechanism of a name, in any case (RFC 4422 §3.1 has them in upper case; clients differ).
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mechanism| mechanism.name().eq_ignore_ascii_case(name))
    }

    /// Does it bind the login to the TLS connection?
    pub const fn binds(self) -> bool {
        matches!(self, Self::ScramSha256Plus)
    }

    /// May it be offered? Everything that shows a secret or a token wants TLS, and SCRAM is offered
    /// with it too, for a home has no reason to let anybody sign in without.
    pub fn is_offered(self, tls: bool, binding: &ChannelBinding) -> bool {
        tls && (!self.binds() || binding.exporter.is_some() || binding.server_end_point.is_some())
    }
}

/// What ties a login to the TLS connection below it (RFC 5056).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChannelBinding {
    /// `tls-exporter` (RFC 9266); there with TLS 1.3, and with 1.2 when it has extended master secret.
    pub exporter: Option<Vec<u8>>,
    /// `tls-server-end-point` (RFC 5929 §4): the hash of our certificate.
    pub server_end_point: Option<Vec<u8>>,
}

impl ChannelBinding {
    /// No TLS, or nothing known of it.
    pub fn none() -> Self {
        Self::default()
    }

    /// The data of a binding type by its registered name.
    pub fn find(&self, name: &str) -> Option<&[u8]> {
        match name {
            "tls-exporter" => self.exporter.as_deref(),
            "tls-server-end-point" => self.server_end_point.as_deref(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_again() {
        for mechanism in Mechanism::ALL {
            assert_eq!(Mechanism::parse(mechanism.name()), Some(mechanism));
            assert_eq!(Mechanism::parse(&mechanism.name().to_lowercase()), Some(mechanism));
        }
        assert_eq!(Mechanism::parse("CRAM-MD5"), None);
    }

    #[test]
    fn nothing_is_offered_in_the_clear() {
        let bound = ChannelBinding { exporter: Some(vec![1]), server_end_point: None };
        for mechanism in Mechanism::ALL {
            assert!(!mechanism.is_offered(false, &bound));
            assert!(mechanism.is_offered(true, &bound));
            assert_eq!(mechanism.is_offered(true, &ChannelBinding::none()), !mechanism.binds());
        }
    }
}
