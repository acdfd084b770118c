// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a person signs in to.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A protocol that asks who somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// Submission.
    Smtp,
    /// IMAP.
    Imap,
    /// POP3.
    Pop3,
    /// ManageSieve.
    Sieve,
    /// JMAP.
    Jmap,
    /// The sign-in page: human passwords only.
    Web,
    /// Looking for other people's keys.
    Keys,
    /// Printers, file servers and media servers that ask who somebody is.
    Ldap,
}

impl Service {
    /// Every service.
    const ALL: [Self; 8] = [Self::Smtp, Self::Imap, Self::Pop3, Self::Sieve, Self::Jmap, Self::Web, Self::Keys, Self::Ldap];
    /// Every protocol that mail programs use: what an app password opens unless it is told otherwise.
    pub const MAIL: [Self; 5] = [Self::Smtp, Self::Imap, Self::Pop3, Self::Sieve, Self::Jmap];

    /// Its name in tables, on the command line and in logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Imap => "imap",
            Self::Pop3 => "pop3",
            Self::Sieve => "sieve",
            Self::Jmap => "jmap",
            Self::Web => "web",
            Self::Keys => "keys",
            Self::Ldap => "ldap",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The word names no service.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no service `{0}`: want smtp, imap, pop3, sieve, jmap, keys or ldap")]
pub struct NotAService(String);

impl FromStr for Service {
    type Err = NotAService;

    fn from_str(text: &str) -> Result<Self, NotAService> {
        Self::ALL.into_iter().find(|service| service.name() == text).ok_or_else(|| NotAService(text.to_string()))
    }
}

/// A set of services; written as their names with a space between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Services(u8);

impl Services {
    /// All of [`Service::MAIL`].
    pub fn mail() -> Self {
        Service::MAIL.into_iter().collect()
    }

    /// Is this service one of them? Who may read or write mail may look for the keys that it takes.
    pub fn admits(self, service: Service) -> bool {
        let with_mail = service == Service::Keys && self.0 & Self::mail().0 != 0;
        with_mail || self.has(service)
    }

    const fn has(self, service: Service) -> bool {
        self.0 & service.bit() != 0
    }

    /// Is there none?
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = Service> {
        Service::ALL.into_iter().filter(move |service| self.has(*service))
    }
}

impl FromIterator<Service> for Services {
    fn from_iter<I: IntoIterator<Item = Service>>(services: I) -> Self {
        Self(services.into_iter().fold(0, |all, service| all | service.bit()))
    }
}

impl fmt::Display for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.iter().map(Service::name).collect();
        f.write_str(&names.join(" "))
    }
}

impl FromStr for Services {
    type Err = NotAService;

    /// Names with spaces or commas between.
    fn from_str(text: &str) -> Result<Self, NotAService> {
        text.split([' ', ',']).filter(|word| !word.is_empty()).map(str::parse).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_and_read_again() {
        let some: Services = "imap,smtp".parse().expect("two services");
        assert_eq!(some.to_string(), "smtp imap");
        assert_eq!(some.to_string().parse(), Ok(some));
        assert!(some.admits(Service::Imap) && !some.admits(Service::Pop3));
        assert!(!Services::mail().admits(Service::Web) && !Services::mail().admits(Service::Ldap));
        let keys: Services = "keys".parse().expect("a service");
        assert!(some.admits(Service::Keys) && keys.admits(Service::Keys) && !keys.admits(Service::Imap));
        assert!(!Services::default().admits(Service::Keys) && some.to_string() == "smtp imap");
        assert_eq!("".parse(), Ok(Services::default()));
        assert_eq!("imap ftp".parse::<Services>(), Err(NotAService("ftp".into())));
    }
}
