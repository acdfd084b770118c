// SPDX-License-Identifier: AGPL-3.0-or-later
//! Scopes: what a client may see and do, each with the sentence that the consent page says.

use std::fmt;

/// One scope that we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// OpenID Connect Core §3.1.2.1: an ID token.
    Openid,
    /// OpenID Connect Core §5.4: the address.
    Email,
    /// OpenID Connect Core §5.4: the name.
    Profile,
    /// The names of the groups, as many apps want them.
    Groups,
    /// OpenID Connect Core §11: refresh tokens.
    OfflineAccess,
    /// Ours: IMAP, SMTP and JMAP with the access token (RFC 7628).
    Mail,
    /// Ours: people and groups by SCIM; counts for who looks after the home alone.
    Scim,
}

impl Scope {
    /// All of them, in the order in which they are written.
    pub const ALL: [Self; 7] =
        [Self::Openid, Self::Email, Self::Profile, Self::Groups, Self::OfflineAccess, Self::Mail, Self::Scim];

    /// Its name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Openid => "openid",
            Self::Email => "email",
            Self::Profile => "profile",
            Self::Groups => "groups",
            Self::OfflineAccess => "offline_access",
            Self::Mail => "mail",
            Self::Scim => "scim",
        }
    }

    /// What a client can do with it, said to the person who decides.
    pub const fn says(self) -> &'static str {
        match self {
            Self::Openid => "Know that it is you",
            Self::Email => "See your mail address",
            Self::Profile => "See your name",
            Self::Groups => "See which groups you are in",
            Self::OfflineAccess => "Stay connected until you end it",
            Self::Mail => "Read, change and send all your mail",
            Self::Scim => "Add, disable and group the people of this home, if you look after it",
        }
    }
}

/// Other names of a scope: that of the draft for mail programs, and what programs ask for that know one protocol. The answer
/// says what was granted (RFC 6749 §3.3).
const ALIASES: [(&str, Scope); 6] = [
    ("urn:ietf:params:oauth:scope:mail", Scope::Mail),
    ("imap", Scope::Mail),
    ("smtp", Scope::Mail),
    ("pop3", Scope::Mail),
    ("jmap", Scope::Mail),
    ("sieve", Scope::Mail),
];

impl Scope {
    /// Every word that stands for one.
    pub fn names() -> impl Iterator<Item = &'static str> {
        Self::ALL.into_iter().map(Self::name).chain(ALIASES.into_iter().map(|(alias, _)| alias))
    }
}

/// A set of scopes; written with a space between (RFC 6749 §3.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scopes {
    /// Reads the scopes that we know; RFC 6749 §3.3 lets us ignore the others, and clients do ask
    /// for what other providers have.
    pub fn parse(text: &str) -> Self {
        let known = |word: &str| {
            let named = Scope::ALL.into_iter().find(|scope| scope.name() == word);
            named.or_else(|| ALIASES.into_iter().find(|(alias, _)| *alias == word).map(|(_, scope)| scope))
        };
        text.split(' ').filter_map(known).collect()
    }

    /// Is it there?
    pub const fn has(self, scope: Scope) -> bool {
        self.0 & (1 << scope as u8) != 0
    }

    /// Is every one of mine in `other`?
    pub const fn within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// What both have.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Is there none?
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each of them, in order.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.has(*scope))
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |all, scope| all | 1 << scope as u8))
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.iter().map(Scope::name).collect();
        f.write_str(&names.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_ones_in_order() {
        let scopes = Scopes::parse("email openid phone  openid");
        assert_eq!(scopes.to_string(), "openid email");
        assert!(scopes.has(Scope::Openid) && !scopes.has(Scope::Mail));
        assert!(Scopes::parse("Openid").is_empty());
        assert_eq!(Scopes::parse("urn:ietf:params:oauth:scope:mail imap").to_string(), "mail");
        assert_eq!(Scopes::parse(&Scope::ALL.into_iter().collect::<Scopes>().to_string()).iter().count(), 7);
    }

    #[test]
    fn sets() {
        let (few, many) = (Scopes::parse("openid"), Scopes::parse("openid mail"));
        assert!(few.within(many) && !many.within(few) && few.within(few));
        assert_eq!(many.and(few), few);
    }
}
