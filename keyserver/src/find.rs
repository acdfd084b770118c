// SPDX-License-Identifier: AGPL-3.0-or-later
//! Finding the certificate of anybody, for the house's own people: first in this house, then with friends, then where the
//! address's domain publishes it, and so on down the table of [`Source`]. Each answer says where it comes from and how
//! sure that makes us; what was found is remembered, and a person is told when it is another one than before.
//!
//! It is never asked by strangers: that would be a proxy, and would tell them whom we write to.

pub mod source;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::SystemTime;

use futures_util::future::join_all;
use hearth_boot::Config;
use hearth_identity::Directory;
use hearth_identity::certs::{Seen, Shown, TrustedHome};
use hearth_net::dns::{Options, Resolver};
use hearth_net::fetch::Fetcher;
use hearth_net::tls::Connector;
use hearth_types::{AccountId, Address, Clock, Timestamp, Trouble};
use sequoia_openpgp::Cert;
use sequoia_openpgp::cert::amalgamation::ValidAmalgamation as _;
use sequoia_openpgp::parse::Parse as _;
use sequoia_openpgp::policy::StandardPolicy;
use sequoia_openpgp::types::RevocationStatus;
use tokio::time::Instant;

pub use crate::cert::authority::AUTHORITY;
use crate::cert::authority::{self, COMPLETE};
use crate::cert::{Clean, Raw, read_submission};
use crate::ctx::system_time;
use crate::limits::{FOUND_FRESH_FOR, FOUND_MAX, FOUND_WITHIN};
pub use source::{Asked, Source};

/// Looks. Cheap to clone.
#[derive(Clone)]
pub struct Finder {
    directory: Directory,
    resolver: Resolver,
    fetcher: Fetcher,
    clock: Clock,
    /// A public key server, where the house allows one.
    keyserver: Option<String>,
}

/// A certificate that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Of the primary key.
    pub fingerprint: String,
    /// By which way.
    pub source: Source,
    /// Who was asked.
    pub via: String,
    /// How sure we are, 0 to 120.
    pub confidence: u8,
    /// Can mail be encrypted to it now?
    pub usable: bool,
    /// Did its owner end it?
    pub revoked: bool,
    /// When it was first found this way; `None` for now.
    pub first_seen_at: Option<Timestamp>,
    /// From memory: when it was last found.
    pub remembered_at: Option<Timestamp>,
    /// The certificate with the identities of the address alone.
    pub bytes: Vec<u8>,
}

/// What a look-up came to, the surest first.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The certificates.
    pub found: Vec<Found>,
    /// Who was asked, and what they said.
    pub asked: Vec<(Source, String, Asked)>,
    /// The person was told of another certificate before, this one, at that time.
    pub changed_from: Option<(String, Timestamp)>,
}

impl Finder {
    /// `keyserver` is a URL without a path, if the house asks one at all.
    pub fn new(directory: Directory, resolver: Resolver, fetcher: Fetcher, clock: Clock, keyserver: &str) -> Self {
        let keyserver = Some(keyserver.trim_end_matches('/').to_string()).filter(|url| !url.is_empty());
        Self { directory, resolver, fetcher, clock, keyserver }
    }

    /// As the configuration wants it.
    pub fn of_config(config: &Config, directory: Directory, clock: Clock) -> anyhow::Result<Self> {
        let resolver = Resolver::new(&Options {
            servers: config.dns.servers.clone(),
            validate: config.dns.validate(),
            trust_anchor: config.dns.trust_anchor(),
        })?;
        let networks: Result<Vec<_>, _> = config.fetch.private_networks.iter().map(|text| text.parse()).collect();
        let networks = networks.map_err(|error| anyhow::anyhow!("fetch.private_networks in hearth.toml: {error}"))?;
        let fetcher = Fetcher::new(resolver.clone(), Connector::new(&config.tls.extra_roots)?, networks);
        Ok(Self::new(directory, resolver, fetcher, clock, &config.fetch.keyserver))
    }

    /// Looks for an address on behalf of a person. With `fresh`, what is remembered is no answer while somebody can be
    /// asked.
    pub async fn find(&self, person: AccountId, address: &Address, fresh: bool) -> Result<Answer, Trouble> {
        let mut answer = Answer::default();
        let seen = self.directory.list_seen_certs(address).await?;
        let now = self.clock.now();
        let recent = |seen: &&Seen| now.since(seen.last_seen_at) < FOUND_FRESH_FOR;
        if !fresh && seen.iter().any(|seen| recent(&seen)) {
            answer.found = seen.iter().filter(recent).filter_map(|seen| remembered(seen, now)).collect();
        }
        if !answer.found.iter().any(|found| found.usable) {
            answer.found = self.ask_around(person, address, &seen, &mut answer.asked).await?;
            if answer.found.is_empty() {
                // Nobody knows it now; what was known is better than nothing, and says so.
                answer.found = seen.iter().filter_map(|seen| remembered(seen, now)).collect();
            }
        }
        for found in &mut answer.found {
            found.first_seen_at = seen
                .iter()
                .find(|seen| seen.fingerprint == found.fingerprint && seen.source == found.source.as_str())
                .map(|seen| seen.first_seen_at);
        }
        answer.found.sort_by_key(|found| (!found.usable, std::cmp::Reverse(found.confidence)));
        answer.found.truncate(FOUND_MAX);
        if let Some(best) = answer.found.first() {
            answer.changed_from = self.directory.tell_of_cert(person, address, &best.fingerprint).await?;
        }
        Ok(answer)
    }

    /// What the domain of an address itself publishes for it; nothing is remembered.
    pub async fn find_published(&self, address: &Address) -> Result<Vec<Found>, Trouble> {
        let now = system_time(self.clock.now());
        let scales = Arc::new(Scales {
            address: address.clone(),
            authority: None,
            homes: Vec::new(),
            seen: Vec::new(),
            shown: Vec::new(),
            now,
        });
        let mut all = Vec::new();
        for source in [Source::Wkd, Source::Dane] {
            for (via, said) in self.ask_within(FOUND_WITHIN, source, AccountId::from_i64(0), address).await? {
                let Ok(bytes) = said else { continue };
                all.extend(scales.weigh(bytes, source, &via).await?);
            }
        }
        Ok(all)
    }

    /// A certificate that is known already, as its home has it now: at its key server, where one that was replaced or revoked
    /// is found too, or else where the domain publishes it. Nothing is remembered.
    pub async fn find_again(&self, address: &Address, fingerprint: &str) -> Result<Option<Vec<u8>>, Trouble> {
        let now = system_time(self.clock.now());
        if let Ok(bytes) = self.ask_home_for(address.domain(), fingerprint).await {
            let wanted = fingerprint.to_string();
            let read = move || {
                let certs = read_submission(&bytes, now).ok()?.certs.into_iter().take(FOUND_MAX);
                let clean = certs.filter_map(|raw| Clean::from_raw(raw, now).ok()).find(|clean| clean.fingerprint() == wanted)?;
                Some(clean.whole())
            };
            if let Some(whole) = tokio::task::spawn_blocking(read).await.map_err(Trouble::from)? {
                return Ok(Some(whole));
            }
        }
        let published = self.find_published(address).await?;
        Ok(published.into_iter().find(|found| found.fingerprint == fingerprint).map(|found| found.bytes))
    }

    /// One source after the other (some at the same time), until one has a certificate that can be used.
    async fn ask_around(
        &self,
        person: AccountId,
        address: &Address,
        seen: &[Seen],
        asked: &mut Vec<(Source, String, Asked)>,
    ) -> Result<Vec<Found>, Trouble> {
        let scales = Arc::new(Scales {
            address: address.clone(),
            authority: authority_of(&self.directory).await?,
            homes: self.directory.list_trusted_homes().await?,
            seen: seen.to_vec(),
            shown: self.directory.find_shown_certs_by_address(address).await?,
            now: system_time(self.clock.now()),
        });
        let begun = Instant::now();
        let mut all = Vec::new();
        for together in Source::ORDER {
            let left = FOUND_WITHIN.saturating_sub(begun.elapsed());
            let ask = |source: &'static Source| self.ask_within(left, *source, person, address);
            for (source, said) in together.iter().zip(join_all(together.iter().map(ask)).await) {
                for (via, said) in said? {
                    let said = match said {
                        Ok(bytes) => {
                            let found = scales.weigh(bytes, *source, &via).await?;
                            let is_none = found.is_empty();
                            all.extend(found);
                            if is_none { Asked::Unusable } else { Asked::Found }
                        }
                        Err(why) => why,
                    };
                    asked.push((*source, via, said));
                }
            }
            if all.iter().any(|found: &Found| found.usable) {
                break;
            }
        }
        let of_others: Vec<Seen> = all.iter().filter(|found| found.source != Source::Local).map(to_seen).collect();
        if !of_others.is_empty() {
            self.directory.note_seen_certs(address, of_others).await?;
        }
        Ok(all)
    }
}

/// The house's own certificate, if it has one.
pub(crate) async fn authority_of(directory: &Directory) -> Result<Option<Vec<u8>>, Trouble> {
    let Some(fingerprint) = directory.find_setting(AUTHORITY).await? else { return Ok(None) };
    Ok(directory.find_kept(&fingerprint).await?.map(|kept| kept.whole))
}

/// What somebody's word about an address is weighed with.
struct Scales {
    address: Address,
    authority: Option<Vec<u8>>,
    homes: Vec<TrustedHome>,
    seen: Vec<Seen>,
    /// What is published here for it.
    shown: Vec<Shown>,
    now: SystemTime,
}

impl Scales {
    /// On a blocking thread.
    async fn weigh(self: &Arc<Self>, bytes: Vec<u8>, source: Source, via: &str) -> Result<Vec<Found>, Trouble> {
        let (scales, via) = (Arc::clone(self), via.to_string());
        tokio::task::spawn_blocking(move || scales.read(&bytes, source, &via)).await.map_err(Trouble::from)
    }

    /// What somebody sent for an address, as far as it is for the address: bounded, verified, and weighed.
    fn read(&self, bytes: &[u8], source: Source, via: &str) -> Vec<Found> {
        let Ok(submission) = read_submission(bytes, self.now) else { return Vec::new() };
        let issuers: BTreeSet<String> = self.homes.iter().map(|home| home.fingerprint.clone()).collect();
        let trusted: Vec<Vec<u8>> = self.homes.iter().map(|home| home.bytes.clone()).collect();
        let mut all = Vec::new();
        for raw in submission.certs.into_iter().take(FOUND_MAX) {
            let Some(clean) = self.with_what_is_known(raw) else { continue };
            let Some(own) = clean.only_of(&self.address) else { continue };
            let vouched = authority::certifications_by(&issuers, bytes, clean.fingerprint(), &self.address);
            let whole = authority::with_certifications(&own, &vouched).unwrap_or(own);
            let root = self.authority.as_deref();
            let flows = root.and_then(|root| authority::confidence(root, &trusted, &whole, self.now).ok()).unwrap_or(0);
            all.push(Found {
                fingerprint: clean.fingerprint().to_string(),
                source,
                via: via.to_string(),
                confidence: self.worth(source, via, clean.fingerprint()).max(flows).min(COMPLETE),
                usable: is_usable(&whole, self.now),
                revoked: clean.is_revoked(),
                first_seen_at: None,
                remembered_at: None,
                bytes: whole,
            });
        }
        all
    }

    /// How sure an answer makes us by itself: of what is published here it depends on how that was proven.
    fn worth(&self, source: Source, via: &str, fingerprint: &str) -> u8 {
        match source {
            Source::Local => self.shown.iter().find(|shown| shown.fingerprint == fingerprint).map_or(0, Shown::confidence),
            _ => source.confidence(via, &self.address),
        }
    }

    /// Verified, and with what was seen of it before: who shows an old copy does not undo a revocation.
    fn with_what_is_known(&self, raw: Raw) -> Option<Clean> {
        let clean = Clean::from_raw(raw.clone(), self.now).ok()?;
        let known = self.seen.iter().find(|seen| seen.fingerprint == clean.fingerprint());
        let known = known.and_then(|seen| Clean::from_stored(&seen.bytes, self.now).ok());
        known.and_then(|known| known.merge(raw, self.now).ok()).or(Some(clean))
    }
}

/// Can mail for its user ids be encrypted to it, by the rules of today?
fn is_usable(bytes: &[u8], now: SystemTime) -> bool {
    let policy = StandardPolicy::new();
    let Ok(cert) = Cert::from_bytes(bytes) else { return false };
    let Ok(valid) = cert.with_policy(&policy, now) else { return false };
    let is_revoked = |status| matches!(status, RevocationStatus::Revoked(_));
    valid.alive().is_ok()
        && !is_revoked(valid.revocation_status())
        && valid.userids().any(|user_id| !is_revoked(user_id.revocation_status()))
        && valid.keys().supported().alive().revoked(false).for_transport_encryption().next().is_some()
}

fn remembered(seen: &Seen, now: Timestamp) -> Option<Found> {
    let clean = Clean::from_stored(&seen.bytes, system_time(now)).ok()?;
    Some(Found {
        fingerprint: seen.fingerprint.clone(),
        source: Source::parse(&seen.source)?,
        via: seen.via.clone(),
        confidence: seen.confidence,
        usable: is_usable(&seen.bytes, system_time(now)),
        revoked: clean.is_revoked(),
        first_seen_at: Some(seen.first_seen_at),
        remembered_at: Some(seen.last_seen_at),
        bytes: seen.bytes.clone(),
    })
}

/// What is of no use is noted as such: a memory of it is no reason to encrypt to it.
fn to_seen(found: &Found) -> Seen {
    Seen {
        fingerprint: found.fingerprint.clone(),
        source: found.source.as_str().to_string(),
        via: found.via.clone(),
        confidence: if found.usable && !found.revoked { found.confidence } else { 0 },
        bytes: found.bytes.clone(),
        first_seen_at: Timestamp::default(),
        last_seen_at: Timestamp::default(),
    }
}
