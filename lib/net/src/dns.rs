// SPDX-License-Identifier: AGPL-3.0-or-later
//! DNS: addresses, mail exchangers, texts and names of addresses, from the servers of the
//! configuration, with DNSSEC validation (RFC 4035 §5) where these pass signatures on.
//!
//! A name that does not exist, or has no such record, is an empty answer. An error is always one of
//! the moment ([`DnsError`]): the caller tries again later and never takes it for a no.
//!
//! Lookups fail by timeout when no server answers at all, one after the other. [`Resolver::is_reachable`]
//! says so beforehand, so that a machine without DNS does not wait seconds for each mail that it takes.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError as Semantic, NetError};
use hickory_resolver::proto::dnssec::TrustAnchors;
use hickory_resolver::proto::rr::{RData, RecordType};
use tokio::sync::OnceCell;

/// One question to one server.
pub const QUERY: Duration = Duration::from_secs(3);
/// Questions to a server before it counts as silent.
pub const ATTEMPTS: usize = 2;
/// Answers kept in memory.
pub const CACHED_ANSWERS_MAX: u64 = 1024;
/// Records of one answer that are looked at.
pub const RECORDS_MAX: usize = 64;
/// Whether the servers answer at all is looked at this often while they do ...
const REACHABLE_FOR: Duration = Duration::from_secs(60);
/// ... and this often while they do not.
const UNREACHABLE_FOR: Duration = Duration::from_secs(10);
/// The first look may take this long; mail waits for it.
const PROBE: Duration = Duration::from_millis(1500);

/// How names are looked up.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The servers to ask; empty: those of the system.
    pub servers: Vec<SocketAddr>,
    /// Validate by DNSSEC from the root on: what is signed and wrong is then an error, and [`Answer::secure`] can
    /// be true. `None`: while the servers pass the root's signatures on, as many a home's router does not.
    pub validate: Option<bool>,
    /// The root's keys as DNSKEY records; without it, those of the Internet.
    pub trust_anchor: Option<PathBuf>,
}

/// A question that has no answer now.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DnsError {
    /// Signed, and the signature is wrong.
    #[error("the DNS answer for {0} fails DNSSEC validation")]
    Bogus(String),
    /// No answer, or a server's failure.
    #[error("no DNS answer for {name}: {cause}")]
    Temporary {
        /// What was asked for.
        name: String,
        /// What happened.
        cause: String,
    },
    /// The configuration does not make a resolver.
    #[error("cannot set up DNS: {0}; correct [dns] in hearth.toml")]
    Setup(String),
}

/// What was found; empty when the name or the record does not exist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer<T> {
    /// The records.
    pub records: Vec<T>,
    /// Validated by DNSSEC. False when validation is off.
    pub secure: bool,
}

/// A mail exchanger (RFC 5321 §5.1).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mx {
    /// The lower, the sooner.
    pub preference: u16,
    /// A host name in lower case without a final dot; empty for the null MX (RFC 7505).
    pub host: String,
}

/// Asks, and remembers what was answered. Cheap to clone.
#[derive(Clone)]
pub struct Resolver(Arc<Inner>);

struct Inner {
    plain: TokioResolver,
    validating: TokioResolver,
    validate: Option<bool>,
    has_servers: bool,
    first_look: OnceCell<()>,
    reach: Mutex<Reach>,
}

#[derive(Default)]
struct Reach {
    answers: Option<bool>,
    validates: bool,
    looked_at: Option<Instant>,
    looking: bool,
}

impl Resolver {
    /// Sets up; nothing is asked yet.
    pub fn new(options: &Options) -> Result<Self, DnsError> {
        let config = match options.servers.as_slice() {
            [] => of_the_system(),
            servers => ResolverConfig::from_parts(None, Vec::new(), servers.iter().map(|server| name_server(*server)).collect()),
        };
        let has_servers = !config.name_servers().is_empty();
        let anchors = options.trust_anchor.as_deref().map(anchors).transpose()?.unwrap_or_default();
        Ok(Self(Arc::new(Inner {
            plain: resolver(config.clone(), None)?,
            validating: resolver(config, Some(Arc::new(anchors)))?,
            validate: options.validate,
            has_servers,
            first_look: OnceCell::new(),
            reach: Mutex::default(),
        })))
    }

    /// The resolver below, as it is asked now; it shares its cache with this one: for mail-auth.
    pub async fn inner(&self) -> &TokioResolver {
        let validates = match self.0.validate {
            Some(validate) => validate,
            None => self.is_reachable().await && self.reach().validates,
        };
        if validates { &self.0.validating } else { &self.0.plain }
    }

    /// Are answers validated now?
    pub async fn validates(&self) -> bool {
        std::ptr::eq(self.inner().await, &raw const self.0.validating)
    }

    /// Does any server answer? Everybody waits for the first look; later ones go on behind the scenes.
    pub async fn is_reachable(&self) -> bool {
        if !self.0.has_servers {
            return false;
        }
        self.0.first_look.get_or_init(|| self.look()).await;
        let (answers, look) = {
            let mut reach = self.reach();
            let keep = if reach.answers == Some(true) { REACHABLE_FOR } else { UNREACHABLE_FOR };
            let stale = reach.looked_at.is_none_or(|at| at.elapsed() > keep);
            let look = stale && !reach.looking;
            reach.looking |= look;
            (reach.answers, look)
        };
        if look {
            let resolver = self.clone();
            tokio::spawn(async move { resolver.look().await });
        }
        answers.unwrap_or(false)
    }

    /// Asks for the root's servers, which every resolver knows; any answer will do, even a refusal. Whether it is
    /// signed says whether the servers pass signatures on.
    async fn look(&self) {
        let resolver = if self.0.validate == Some(false) { &self.0.plain } else { &self.0.validating };
        resolver.clear_lookup_cache(".", RecordType::NS);
        let looked = tokio::time::timeout(PROBE, resolver.lookup(".", RecordType::NS)).await;
        let answers = matches!(looked, Ok(Ok(_) | Err(NetError::Dns(_))));
        let validates = matches!(&looked, Ok(Ok(lookup)) if is_secure(lookup));
        let mut reach = self.reach();
        if reach.answers != Some(answers) || reach.validates != validates {
            tracing::info!(answers, validates, "whether the DNS servers answer, and pass signatures on");
        }
        *reach = Reach { answers: Some(answers), validates, looked_at: Some(Instant::now()), looking: false };
    }

    fn reach(&self) -> std::sync::MutexGuard<'_, Reach> {
        self.0.reach.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The mail exchangers of a domain, the most preferred first.
    pub async fn mx(&self, domain: &str) -> Result<Answer<Mx>, DnsError> {
        let mut answer = self
            .ask(domain, RecordType::MX, |data| match data {
                RData::MX(mx) => Some(Mx { preference: mx.preference, host: host_text(&mx.exchange.to_ascii()) }),
                _ => None,
            })
            .await?;
        answer.records.sort();
        Ok(answer)
    }

    /// IPv4 addresses.
    pub async fn ipv4(&self, host: &str) -> Result<Answer<IpAddr>, DnsError> {
        self.ask(host, RecordType::A, |data| match data {
            RData::A(a) => Some(IpAddr::V4(a.0)),
            _ => None,
        })
        .await
    }

    /// IPv6 addresses.
    pub async fn ipv6(&self, host: &str) -> Result<Answer<IpAddr>, DnsError> {
        self.ask(host, RecordType::AAAA, |data| match data {
            RData::AAAA(aaaa) => Some(IpAddr::V6(aaaa.0)),
            _ => None,
        })
        .await
    }

    /// Addresses of both kinds, IPv6 first. One kind that cannot be had is forgiven when the other is there.
    pub async fn addresses(&self, host: &str) -> Result<Answer<IpAddr>, DnsError> {
        let (v6, v4) = tokio::join!(self.ipv6(host), self.ipv4(host));
        match (v6, v4) {
            (Ok(mut v6), Ok(v4)) => {
                v6.secure &= v4.secure;
                v6.records.extend(v4.records);
                Ok(v6)
            }
            (Ok(one), Err(error)) | (Err(error), Ok(one)) if one.records.is_empty() => Err(error),
            (Ok(one), Err(_)) | (Err(_), Ok(one)) => Ok(one),
            (Err(error), Err(_)) => Err(error),
        }
    }

    /// Texts; the strings of one record joined.
    pub async fn txt(&self, name: &str) -> Result<Answer<String>, DnsError> {
        self.ask(name, RecordType::TXT, |data| match data {
            RData::TXT(txt) => Some(txt.txt_data.iter().map(|part| String::from_utf8_lossy(part)).collect()),
            _ => None,
        })
        .await
    }

    /// Certificates (OPENPGPKEY, RFC 7929), binary. Only a validated answer says whose they are: look at
    /// [`Answer::secure`].
    pub async fn openpgpkey(&self, name: &str) -> Result<Answer<Vec<u8>>, DnsError> {
        self.ask(name, RecordType::OPENPGPKEY, |data| match data {
            RData::OPENPGPKEY(key) => Some(key.public_key.clone()),
            _ => None,
        })
        .await
    }

    /// The names that an address claims.
    pub async fn ptr(&self, address: IpAddr) -> Result<Answer<String>, DnsError> {
        let name = hickory_resolver::proto::rr::Name::from(address).to_ascii();
        self.ask(&name, RecordType::PTR, |data| match data {
            RData::PTR(ptr) => Some(host_text(&ptr.0.to_ascii())),
            _ => None,
        })
        .await
    }

    async fn ask<T>(&self, name: &str, kind: RecordType, read: impl Fn(&RData) -> Option<T>) -> Result<Answer<T>, DnsError> {
        // A final dot: the search list of the machine has no part in mail.
        let asked = format!("{}.", name.trim_end_matches('.'));
        match self.inner().await.lookup(asked, kind).await {
            Ok(lookup) => answer(name, &lookup, kind, read),
            Err(NetError::Dns(Semantic::NoRecordsFound(_) | Semantic::Nsec { .. })) => {
                Ok(Answer { records: Vec::new(), secure: false })
            }
            Err(NetError::Dns(Semantic::DnssecBogus)) => Err(DnsError::Bogus(name.to_string())),
            Err(error) => Err(DnsError::Temporary { name: name.to_string(), cause: error.to_string() }),
        }
    }
}

fn answer<T>(name: &str, lookup: &Lookup, kind: RecordType, read: impl Fn(&RData) -> Option<T>) -> Result<Answer<T>, DnsError> {
    let records = || lookup.answers().iter().filter(|record| record.record_type() == kind);
    if records().any(|record| record.proof.is_bogus()) {
        return Err(DnsError::Bogus(name.to_string()));
    }
    // Aliases on the way count too: one that is not signed could lead anywhere.
    let secure = is_secure(lookup);
    Ok(Answer { records: records().filter_map(|record| read(&record.data)).take(RECORDS_MAX).collect(), secure })
}

fn is_secure(lookup: &Lookup) -> bool {
    lookup.answers().iter().all(|record| record.proof.is_secure())
}

/// Validating when there are `anchors`.
fn resolver(config: ResolverConfig, anchors: Option<Arc<TrustAnchors>>) -> Result<TokioResolver, DnsError> {
    let mut opts = ResolverOpts::default();
    opts.timeout = QUERY;
    opts.attempts = ATTEMPTS;
    opts.cache_size = CACHED_ANSWERS_MAX;
    opts.validate = anchors.is_some();
    opts.edns0 = true;
    opts.try_tcp_on_error = true;
    let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).with_options(opts);
    let builder = match anchors {
        Some(anchors) => builder.with_trust_anchor(anchors),
        None => builder,
    };
    builder.with_tls_config(no_tls()?).build().map_err(|error| DnsError::Setup(error.to_string()))
}

fn anchors(path: &Path) -> Result<TrustAnchors, DnsError> {
    TrustAnchors::from_file(path).map_err(|error| DnsError::Setup(format!("dns.trust_anchor {}: {error}", path.display())))
}

fn host_text(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

fn of_the_system() -> ResolverConfig {
    match hickory_resolver::system_conf::read_system_conf() {
        Ok((config, _)) => config,
        Err(error) => {
            tracing::warn!(%error, "the system names no DNS servers; set dns.servers in hearth.toml");
            ResolverConfig::from_parts(None, Vec::new(), Vec::new())
        }
    }
}

fn name_server(server: SocketAddr) -> NameServerConfig {
    let mut config = NameServerConfig::udp_and_tcp(server.ip());
    for connection in &mut config.connections {
        connection.port = server.port();
    }
    config
}

/// We ask over UDP and TCP. Without this, the system's certificates would be read and held for nothing.
fn no_tls() -> Result<rustls::ClientConfig, DnsError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| DnsError::Setup(error.to_string()))?;
    Ok(builder.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn without_servers_it_says_so_at_once() {
        // TEST-NET-1 answers nobody.
        let resolver = Resolver::new(&Options { servers: vec!["192.0.2.1:53".parse().unwrap()], ..Options::default() }).unwrap();
        let begun = Instant::now();
        assert!(!resolver.is_reachable().await);
        assert!(begun.elapsed() < QUERY);
        let again = Instant::now();
        assert!(!resolver.is_reachable().await);
        assert!(again.elapsed() < Duration::from_millis(100));
    }

    #[tokio::test]
    async fn all_who_come_at_first_wait_for_the_first_look() {
        let resolver = Resolver::new(&Options { servers: vec!["192.0.2.1:53".parse().unwrap()], ..Options::default() }).unwrap();
        assert_eq!(tokio::join!(resolver.is_reachable(), resolver.is_reachable(), resolver.is_reachable()), (false, false, false));
    }

    #[test]
    fn the_null_mx_is_an_empty_host() {
        assert_eq!(host_text("."), "");
        assert_eq!(host_text("MX.Example.Org."), "mx.example.org");
    }
}
