// SPDX-License-Identifier: AGPL-3.0-or-later
//! How sure we are of somebody (`acr`, OpenID Connect Core §2; RFC 9470). Pure.

/// The levels, the surest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// One factor: a password.
    One,
    /// Two factors.
    Two,
    /// Two factors that nobody can be tricked out of: a passkey whose device checked its owner.
    PhishingResistant,
}

impl Level {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::One, Self::Two, Self::PhishingResistant];

    /// Its name on the wire; `phr` is of the OpenID Connect EAP ACR values.
    pub const fn name(self) -> &'static str {
        match self {
            Self::One => "1",
            Self::Two => "2",
            Self::PhishingResistant => "phr",
        }
    }

    /// What ways of signing in (values of RFC 8176 with a space between) amount to.
    pub fn of(auth_methods: &str) -> Self {
        let has = |method: &str| auth_methods.split(' ').any(|known| known == method);
        match has("mfa") {
            false => Self::One,
            true if (has("hwk") || has("swk")) && !has("pwd") => Self::PhishingResistant,
            true => Self::Two,
        }
    }

    /// Those that a client would take, as far as we know them.
    pub fn of_names<'n>(names: impl IntoIterator<Item = &'n str>) -> Vec<Self> {
        names.into_iter().filter_map(|name| Self::ALL.into_iter().find(|level| level.name() == name)).collect()
    }

    /// What a client is told that would take `these` alone: the surest of them that this level is enough for (OpenID Connect
    /// Core §5.5.1.1); what it is, when there is none.
    pub fn told(self, these: &[Self]) -> Self {
        these.iter().copied().filter(|wanted| *wanted <= self).max().unwrap_or(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_ways_in() {
        for (methods, level) in [
            ("", Level::One),
            ("pwd", Level::One),
            ("pwd otp mfa", Level::Two),
            ("pwd hwk mfa", Level::Two),
            ("hwk user mfa", Level::PhishingResistant),
            ("swk user mfa", Level::PhishingResistant),
            ("hwk user", Level::One),
        ] {
            assert_eq!(Level::of(methods), level, "{methods}");
        }
        assert_eq!(Level::of_names(["phr", "2", "gold"]), [Level::PhishingResistant, Level::Two]);
        assert_eq!(Level::of_names(["gold"]), []);
        assert_eq!(Level::PhishingResistant.told(&[Level::One, Level::Two]), Level::Two);
        assert_eq!((Level::Two.told(&[]), Level::One.told(&[Level::Two])), (Level::Two, Level::One));
    }
}
