// SPDX-License-Identifier: AGPL-3.0-or-later
//! Who asks: a bearer access token (RFC 6750) or HTTP Basic with an app password (RFC 7617), both shown to the gate.
//!
//! A credential that was good is remembered for some seconds under a keyed hash, so that a client's next
//! request does not ask the gate again. Each remembered one watches its session: when that ends, it is
//! forgotten within a second, and so are event streams.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hearth_identity::Service;
use hearth_identity::login::{Gate, Login, Refusal, Revocations, Watch};
use hearth_types::{Clock, Secret, Timestamp, Trouble};

use crate::limits::{AUTHORIZATION_BYTES_MAX, CREDENTIAL_REMEMBERED, CREDENTIALS_REMEMBERED_MAX};

/// The door: everything that knows how to tell who somebody is.
pub struct Door {
    gate: Gate,
    revocations: Revocations,
    clock: Clock,
    /// Of this process's life; so a hash says nothing to anybody else.
    key: [u8; 32],
    known: Mutex<HashMap<[u8; 32], Known>>,
}

struct Known {
    login: Login,
    watch: Watch,
    until: Timestamp,
}

/// Why somebody was not let in.
#[derive(Debug)]
pub enum Denied {
    /// They showed nothing, or nothing that is a credential.
    Nothing,
    /// The gate said no.
    Refused(Refusal),
    /// The gate could not be asked.
    Ours(Trouble),
}

/// What an Authorization field shows.
enum Credential {
    Bearer(Secret<String>),
    Basic { user: String, password: Secret<String> },
}

impl Door {
    /// A door before a gate.
    pub fn new(gate: Gate, revocations: Revocations, clock: Clock) -> Result<Self, Trouble> {
        let mut key = [0; 32];
        getrandom::fill(&mut key)?;
        Ok(Self { gate, revocations, clock, key, known: Mutex::default() })
    }

    /// Lets somebody in by their Authorization field.
    pub async fn admit(&self, authorization: Option<&[u8]>, peer: IpAddr) -> Result<Login, Denied> {
        let field = authorization.filter(|field| field.len() <= AUTHORIZATION_BYTES_MAX).ok_or(Denied::Nothing)?;
        let hash = *blake3::keyed_hash(&self.key, field).as_bytes();
        if let Some(login) = self.remembered(&hash) {
            return Ok(login);
        }
        let asked = match parse_authorization(field).ok_or(Denied::Nothing)? {
            Credential::Bearer(token) => self.gate.bearer(&token, Service::Jmap, peer).await,
            Credential::Basic { user, password } => self.gate.password(&user, &password, Service::Jmap, peer).await,
        };
        let login = asked.map_err(Denied::Ours)?.map_err(Denied::Refused)?;
        self.remember(hash, &login);
        Ok(login)
    }

    /// Watches the session of a login.
    pub fn watch(&self, login: &Login) -> Watch {
        self.revocations.watch(login)
    }

    fn remembered(&self, hash: &[u8; 32]) -> Option<Login> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.get(hash)?;
        if found.watch.has_ended() || found.until <= self.clock.now() {
            known.remove(hash);
            return None;
        }
        Some(found.login.clone())
    }

    fn remember(&self, hash: [u8; 32], login: &Login) {
        let now = self.clock.now();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= CREDENTIALS_REMEMBERED_MAX {
            known.retain(|_, known| known.until > now && !known.watch.has_ended());
        }
        if known.len() >= CREDENTIALS_REMEMBERED_MAX
            && let Some(oldest) = known.iter().min_by_key(|(_, known)| known.until).map(|(hash, _)| *hash)
        {
            known.remove(&oldest);
        }
        known.insert(hash, Known { login: login.clone(), watch: self.watch(login), until: now.after(CREDENTIAL_REMEMBERED) });
    }
}

/// RFC 9110 §11.6.2: a scheme in any case, and what it wants.
fn parse_authorization(field: &[u8]) -> Option<Credential> {
    let (scheme, rest) = std::str::from_utf8(field).ok()?.split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return (!rest.is_empty()).then(|| Credential::Bearer(Secret::new(rest.to_string())));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    // RFC 7617 §2: user and password in UTF-8; the user has no colon.
    let pair = Secret::new(BASE64_STANDARD.decode(rest).ok()?);
    let (user, password) = std::str::from_utf8(pair.expose()).ok()?.split_once(':')?;
    let is_sound = !user.is_empty() && !user.chars().chain(password.chars()).any(char::is_control);
    is_sound.then(|| Credential::Basic { user: user.to_string(), password: Secret::new(password.to_string()) })
}

/// How long a refused client should wait.
pub const fn wait(refusal: Refusal) -> Option<Duration> {
    match refusal {
        Refusal::Wait(wait) => Some(wait),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(field: &str) -> Option<String> {
        parse_authorization(field.as_bytes()).map(|credential| match credential {
            Credential::Bearer(token) => format!("bearer {}", token.expose()),
            Credential::Basic { user, password } => format!("basic {user} {}", password.expose()),
        })
    }

    #[test]
    fn credentials_are_read() {
        let basic = |pair: &str| format!("Basic {}", BASE64_STANDARD.encode(pair));
        assert_eq!(read("Bearer abc"), Some("bearer abc".into()));
        assert_eq!(read("bEARER  abc "), Some("bearer abc".into()));
        assert_eq!(read(&basic("alice@x:a:b")), Some("basic alice@x a:b".into()));
        assert_eq!(read(&basic("jürgen@x:pä")), Some("basic jürgen@x pä".into()));
        for wrong in
            ["", "Bearer", "Bearer ", "Basic !!", "Digest x", &basic("nocolon"), &basic(":x"), &basic("a\0b:x"), &basic("a:\r\n")]
        {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
