// SPDX-License-Identifier: AGPL-3.0-or-later
//! Who can be asked for a certificate, in which order, and how sure an answer makes us.

use std::time::Duration;

use futures_util::future::join_all;
use hearth_net::dns::DnsError;
use hearth_net::fetch::{Bounds, FetchError};
use hearth_types::{AccountId, Address, Domain, Trouble};
use hearth_wire::{openpgpkey, wkd};

use super::Finder;
use crate::limits::{ASKED_WITHIN, FETCH_BYTES_MAX, FETCH_REDIRECTS_MAX, FRIENDS_ASKED_MAX};

/// A way to a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// This house: its owner proved the address, by living here or by a letter.
    Local,
    /// A friend's home.
    Friend,
    /// The Web Key Directory of the address's domain.
    Wkd,
    /// DNS of the address's domain, signed (RFC 7929).
    Dane,
    /// A public key server, which asked the address by mail.
    Keyserver,
    /// An Autocrypt field in a mail from the address.
    Autocrypt,
}

/// What somebody who was asked said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A certificate for the address.
    Found,
    /// Nothing of it.
    Nothing,
    /// Something that is no certificate for the address.
    Unusable,
    /// They could not be asked.
    Failed(String),
}

impl Asked {
    /// For a person.
    pub fn says(&self) -> String {
        match self {
            Self::Found => "found".into(),
            Self::Nothing => "nothing".into(),
            Self::Unusable => "no certificate for this address".into(),
            Self::Failed(why) => why.clone(),
        }
    }
}

/// Who was asked, and the octets or why there are none.
type Said = (String, Result<Vec<u8>, Asked>);

impl Source {
    /// In the order in which they are asked.
    pub const ALL: [Self; 6] = [Self::Local, Self::Friend, Self::Wkd, Self::Dane, Self::Keyserver, Self::Autocrypt];

    /// Who is asked at the same time. The two that ask the address's own domain tell nobody else that we look for it; a
    /// public key server is asked only when neither knows.
    pub(super) const ORDER: [&[Self]; 5] =
        [&[Self::Local], &[Self::Friend], &[Self::Wkd, Self::Dane], &[Self::Keyserver], &[Self::Autocrypt]];

    /// Is it in this house, so that asking needs nobody's answer?
    pub(super) const fn is_here(self) -> bool {
        matches!(self, Self::Local | Self::Autocrypt)
    }

    /// As tables and programs have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Friend => "friend",
            Self::Wkd => "wkd",
            Self::Dane => "dane",
            Self::Keyserver => "keyserver",
            Self::Autocrypt => "autocrypt",
        }
    }

    /// What [`Source::as_str`] gave.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.as_str() == text)
    }

    /// How sure an answer makes us, 0 to 120 (complete), before anybody's certification is weighed: a domain speaks for
    /// its own addresses, a friend of somebody else's repeats what it heard, a mail field is anybody's word. What is published
    /// here says itself how sure the house is ([`Shown::confidence`](hearth_identity::certs::Shown::confidence)).
    pub fn confidence(self, via: &str, address: &Address) -> u8 {
        match self {
            Self::Local => 0,
            Self::Friend if via == address.domain().as_str() => 110,
            Self::Wkd | Self::Dane => 80,
            Self::Friend | Self::Keyserver => 40,
            Self::Autocrypt => 20,
        }
    }
}

impl Finder {
    /// Asks, for so long and no longer.
    pub(super) async fn ask_within(
        &self,
        time: Duration,
        source: Source,
        person: AccountId,
        address: &Address,
    ) -> Result<Vec<Said>, Trouble> {
        if source.is_here() {
            return self.ask(source, person, address).await;
        }
        let late = || vec![(address.domain().to_string(), Err(Asked::Failed("no answer in time".into())))];
        tokio::time::timeout(time.min(ASKED_WITHIN), self.ask(source, person, address)).await.unwrap_or_else(|_| Ok(late()))
    }

    pub(super) async fn ask(&self, source: Source, person: AccountId, address: &Address) -> Result<Vec<Said>, Trouble> {
        Ok(match source {
            Source::Local => self.ask_local(address).await?,
            Source::Friend => self.ask_friends(address).await?,
            Source::Wkd => self.ask_wkd(address).await,
            Source::Dane => self.ask_dane(address).await,
            Source::Keyserver => self.ask_keyserver(address).await,
            Source::Autocrypt => self.ask_mail(person, address).await?,
        })
    }

    async fn ask_local(&self, address: &Address) -> Result<Vec<Said>, Trouble> {
        let shown = self.directory.find_shown_certs_by_address(address).await?;
        let bytes: Vec<u8> = shown.iter().flat_map(hearth_identity::certs::Shown::to_bytes).collect();
        Ok(if bytes.is_empty() { Vec::new() } else { vec![("this house".into(), Ok(bytes))] })
    }

    /// The friend whose domain it is, and those who let us look up keys: all at once, the answers in the order of their
    /// domains.
    async fn ask_friends(&self, address: &Address) -> Result<Vec<Said>, Trouble> {
        let mut asked = Vec::new();
        let mut friends = self.directory.list_friends().await?;
        friends.sort_by_key(|friend| friend.domain != *address.domain());
        for friend in friends.into_iter().filter(|friend| friend.state == "paired") {
            let is_its_own = friend.domain == *address.domain();
            if asked.len() < FRIENDS_ASKED_MAX && (is_its_own || self.directory.friend_lets(&friend.domain, "keys").await?) {
                asked.push(friend.domain);
            }
        }
        let ask = |friend: Domain| async move {
            let url = format!("https://{}/pks/v2/certs/by-identity/{}", friend.below("keys"), escape(&address.to_string()));
            // Each in its own time: one that is away does not silence the others.
            let fetched = tokio::time::timeout(ASKED_WITHIN.mul_f32(0.8), self.fetch(&url)).await;
            (friend.to_string(), fetched.unwrap_or_else(|_| Err(Asked::Failed("no answer in time".into()))))
        };
        Ok(join_all(asked.into_iter().map(ask)).await)
    }

    /// Draft §3.1: the advanced way; the direct one only where the name of the advanced one does not exist.
    async fn ask_wkd(&self, address: &Address) -> Vec<Said> {
        let domain = address.domain();
        let (name, local) = (wkd::encode_local_part(address.local()), escape(address.local()));
        let host = domain.below("openpgpkey");
        let advanced = format!("https://{host}/.well-known/openpgpkey/{domain}/hu/{name}?l={local}");
        match self.fetcher.get(&advanced, &bounds()).await {
            Err(FetchError::NoAddress(_)) => {
                let direct = format!("https://{domain}/.well-known/openpgpkey/hu/{name}?l={local}");
                vec![(domain.to_string(), self.fetch(&direct).await)]
            }
            fetched => vec![(host, body(fetched))],
        }
    }

    /// Only a validated answer is one.
    async fn ask_dane(&self, address: &Address) -> Vec<Said> {
        let ask = |name: String| async move {
            let octets = match self.resolver.openpgpkey(&name).await {
                Ok(answer) if answer.records.is_empty() => Err(Asked::Nothing),
                Ok(answer) if !answer.secure => Err(Asked::Failed("the zone is not signed, or DNS here does not say so".into())),
                Ok(answer) => Ok(answer.records.concat()),
                Err(DnsError::Bogus(_)) => Err(Asked::Failed("the signature of the zone is wrong".into())),
                Err(error) => Err(Asked::Failed(error.to_string())),
            };
            (name, octets)
        };
        join_all(openpgpkey::names_of(address).into_iter().map(ask)).await
    }

    async fn ask_keyserver(&self, address: &Address) -> Vec<Said> {
        let Some(server) = &self.keyserver else { return Vec::new() };
        let url = format!("{server}/vks/v1/by-email/{}", escape(&address.to_string()));
        vec![(server.trim_start_matches("https://").to_string(), self.fetch(&url).await)]
    }

    async fn ask_mail(&self, person: AccountId, address: &Address) -> Result<Vec<Said>, Trouble> {
        let peer = self.directory.find_autocrypt_peer(person, address).await?;
        Ok(peer.map(|peer| ("their mail".to_string(), Ok(peer.keydata))).into_iter().collect())
    }

    /// What the key server of a home has of a certificate (HKP v2).
    pub(super) async fn ask_home_for(&self, domain: &Domain, fingerprint: &str) -> Result<Vec<u8>, Asked> {
        let version = if fingerprint.len() == 64 { "06" } else { "04" };
        let url = format!("https://{}/pks/v2/certs/by-vfingerprint/{version}{fingerprint}", domain.below("keys"));
        self.fetch(&url).await
    }

    /// What the key server of a home answers at a path, in JSON; or why not, for a person.
    pub async fn fetch_json(&self, domain: &Domain, path: &str) -> Result<serde_json::Value, String> {
        let url = format!("https://{}{path}", domain.below("keys"));
        let octets = self.fetch(&url).await.map_err(|why| why.says())?;
        serde_json::from_slice(&octets).map_err(|_| "the answer is no JSON".to_string())
    }

    async fn fetch(&self, url: &str) -> Result<Vec<u8>, Asked> {
        body(self.fetcher.get(url, &bounds()).await)
    }
}

fn body(fetched: Result<hearth_net::fetch::Fetched, FetchError>) -> Result<Vec<u8>, Asked> {
    match fetched {
        Ok(fetched) if fetched.status == 200 && !fetched.body.is_empty() => Ok(fetched.body),
        Ok(fetched) if matches!(fetched.status, 200 | 404 | 410) => Err(Asked::Nothing),
        Ok(fetched) => Err(Asked::Failed(format!("answered with status {}", fetched.status))),
        Err(error) => Err(Asked::Failed(error.to_string())),
    }
}

const fn bounds() -> Bounds {
    Bounds { body_bytes_max: FETCH_BYTES_MAX, time: ASKED_WITHIN, redirects_max: FETCH_REDIRECTS_MAX }
}

/// RFC 3986 §2.1: what is neither a letter, a digit nor one of `-._~` is escaped.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for octet in text.bytes() {
        if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) {
            escaped.push(char::from(octet));
        } else {
            escaped.push_str(&format!("%{octet:02X}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_source_is_worth() {
        let bob = Address::parse("bob@b.example").unwrap();
        let worth = |source: Source, via: &str| source.confidence(via, &bob);
        assert_eq!((worth(Source::Friend, "b.example"), worth(Source::Friend, "c.example")), (110, 40));
        assert!(worth(Source::Wkd, "b.example") > worth(Source::Keyserver, "keys.openpgp.org"));
        for source in Source::ALL {
            assert_eq!(Source::parse(source.as_str()), Some(source));
        }
        assert_eq!(Source::ORDER.concat(), Source::ALL, "each is asked once, in order");
    }

    #[test]
    fn escapes_are_of_octets() {
        assert_eq!(escape("Jo+é@b.example"), "Jo%2B%C3%A9%40b.example");
    }
}
