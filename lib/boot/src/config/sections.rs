// SPDX-License-Identifier: AGPL-3.0-or-later
//! The sections of `hearth.toml`. The doc comments are the manual.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The whole file.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Who this home is.
    pub home: Home,
    /// Where it listens.
    #[serde(default)]
    pub listen: Listen,
    /// Whom it asks for names.
    #[serde(default)]
    pub dns: Dns,
    /// Certificates.
    #[serde(default)]
    pub tls: Tls,
    /// Where the data is kept.
    #[serde(default)]
    pub store: Store,
    /// How much is accepted.
    #[serde(default)]
    pub limits: Limits,
    /// Whose mail is taken, and how it is judged.
    #[serde(default)]
    pub smtp: Smtp,
    /// Whom we ask for what others publish.
    #[serde(default)]
    pub fetch: Fetch,
    /// A directory for programs that know nothing newer.
    #[serde(default)]
    pub ldap: Ldap,
    /// What is written down.
    #[serde(default)]
    pub log: Log,
    /// The processes' rights.
    #[serde(default)]
    pub process: Process,
}

/// `[home]`: who this home is.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Home {
    /// The domain of the people's addresses. It names the issuer of logins too, so it does not change later.
    pub domain: String,
    /// The name the machine greets with and that its MX record names. Empty: `mail.<domain>`.
    #[serde(default)]
    pub hostname: String,
}

/// `[listen]`: where the servers listen.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Listen {
    /// The addresses of this machine to listen on. Default: all, IPv4 and IPv6.
    pub addresses: Vec<IpAddr>,
    /// Added to every standard port: 10000 makes IMAP listen on 10143. Default 0.
    pub port_offset: u16,
}

impl Default for Listen {
    fn default() -> Self {
        Self { addresses: vec![IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)], port_offset: 0 }
    }
}

/// `[dns]`: whom we ask for names.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dns {
    /// Name servers as `IP:port`. Empty: those of the system (`/etc/resolv.conf`).
    pub servers: Vec<SocketAddr>,
    /// Whether answers are validated (RFC 4035 §5): `auto`, `on` or `off`.
    pub dnssec: Dnssec,
    /// A file with the root's keys as DNSKEY records, for a DNS of one's own. Empty: the Internet's.
    pub trust_anchor: PathBuf,
}

impl Dns {
    /// Whether answers are validated; `None`: while the servers pass signatures on.
    pub fn validate(&self) -> Option<bool> {
        match self.dnssec {
            Dnssec::Auto => None,
            Dnssec::On => Some(true),
            Dnssec::Off => Some(false),
        }
    }

    /// The root's keys, if they are not the Internet's.
    pub fn trust_anchor(&self) -> Option<PathBuf> {
        Some(self.trust_anchor.clone()).filter(|path| !path.as_os_str().is_empty())
    }
}

/// Whether answers are validated by DNSSEC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Dnssec {
    /// While the servers pass signatures on, as many a home's router does not.
    #[default]
    Auto,
    /// Always: without signatures nothing is found, and mail waits.
    On,
    /// Never.
    Off,
}

/// Who signs the node's certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Ca {
    /// The node's own certificate authority, `DIR/tls/ca.pem`.
    #[default]
    #[serde(rename = "self")]
    Own,
    /// A public one, by ACME.
    Acme,
}

/// `[tls]`: certificates.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// `"self"`: the node's own certificate authority signs. Default `"self"`.
    pub ca: Ca,
    /// Files of PEM certificates that are trusted beside the public authorities when we connect to others.
    pub extra_roots: Vec<PathBuf>,
}

/// Which database engine keeps the data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// Files in the data directory.
    #[default]
    Sqlite,
    /// A PostgreSQL server.
    Postgres,
}

/// `[store]`: where the data is kept.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Store {
    /// `"sqlite"` (files in this directory) or `"postgres"`. Default `"sqlite"`.
    pub engine: Engine,
    /// For PostgreSQL: `postgres://user@host/database`.
    pub url: String,
}

/// `[limits]`: how much is accepted.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// The largest mail, in bytes. Default 50 MiB.
    pub message_size_bytes_max: u64,
    /// Connections to one server at the same time. Default 2000.
    pub connections_max: usize,
    /// Of these, from one address (an IPv6 network of 64 bits counts as one). Default 200.
    pub connections_per_address_max: usize,
    /// Bytes of mail that an account may keep when nothing else was said for it; 0 for any number. Default 10 GiB.
    pub quota_bytes: u64,
    /// Memory for checking passwords, in bytes: one is computed at a time for each 32 MiB of it, and one always. Default 64 MiB.
    pub password_memory_bytes: u64,
    /// How long a stopping server waits for the commands in flight, in seconds. Default 8.
    pub drain_seconds: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_size_bytes_max: 50 * 1024 * 1024,
            connections_max: 2000,
            connections_per_address_max: 200,
            quota_bytes: 10 * 1024 * 1024 * 1024,
            password_memory_bytes: 64 * 1024 * 1024,
            drain_seconds: 8,
        }
    }
}

/// `[smtp]`: whose mail is taken, and how it is judged.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Smtp {
    /// Addresses and networks (`"192.0.2.0/24"`) whose mail is neither judged nor slowed. Default: none, not even this machine.
    pub trusted_networks: Vec<String>,
    /// Proxies that say in front of each connection for whom it is (PROXY protocol, version 2). Default: none.
    pub proxies: Vec<String>,
    /// A stranger's first mail is put off for some minutes. Default false.
    pub greylisting: bool,
    /// How long the first mail of a sender waits for its reply, in seconds. Default 3.
    pub first_sender_delay_seconds: u64,
    /// How fast strangers may send, in percent of what is usual; 0 is without bounds. Default 100.
    pub pace_percent: u32,
    /// How many mails at once, and how many in an hour, from or to one of a kind, in place of what is usual:
    /// `"address=50/200"`, `"network=.."`, `"sender=.."`, `"recipient=.."`, `"connection=.."`. Default: none.
    pub rates: Vec<String>,
    /// Zones that list servers which send junk (DNSBL). Default: none.
    pub blocklists: Vec<String>,
    /// Zones that list servers which do not (DNSWL). Default: none.
    pub allowlists: Vec<String>,
    /// Domains of forwarders and lists whose ARC seals are believed. Default: none.
    pub arc_sealers: Vec<String>,
    /// Programs that judge mail beside us, asked in this order: `"milter:HOST:PORT"`, `"milter:/PATH"` (rspamd, ClamAV,
    /// opendkim), `"rspamd:HOST:PORT"` (rspamd's HTTP API). Default: none.
    pub judges: Vec<String>,
    /// When one of them does not answer, mail is put off; else it is taken without that one's word. Default false.
    pub judges_must_answer: bool,
    /// A Sieve script that is asked about each person's mail before their own, a file in this directory. Default: none.
    pub sieve_before: PathBuf,
    /// One that is asked after their own, when that only kept the mail. Default: none.
    pub sieve_after: PathBuf,
}

impl Default for Smtp {
    fn default() -> Self {
        Self {
            trusted_networks: Vec::new(),
            proxies: Vec::new(),
            greylisting: false,
            first_sender_delay_seconds: 3,
            pace_percent: 100,
            rates: Vec::new(),
            blocklists: Vec::new(),
            allowlists: Vec::new(),
            arc_sealers: Vec::new(),
            judges: Vec::new(),
            judges_must_answer: false,
            sieve_before: PathBuf::new(),
            sieve_after: PathBuf::new(),
        }
    }
}

/// `[ldap]`: people and groups for printers, file servers and media servers; they can be read, and passwords checked.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ldap {
    /// Listen on 389 (StartTLS) and 636. Default false: OpenID is better where it can be had.
    pub enabled: bool,
}

/// `[fetch]`: whom we ask for what others publish, such as the keys of the people that we write to.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fetch {
    /// Networks off the Internet (`"192.168.0.0/16"`) that may be asked too. Default: none, so that nobody reaches the
    /// machines of the house by a name that leads to them.
    pub private_networks: Vec<String>,
    /// A public key server that is asked last, for example `"https://keys.openpgp.org"`. It learns whom we look for.
    /// Default: none.
    pub keyserver: String,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For reading.
    #[default]
    Human,
    /// For programs: one JSON object a line.
    Json,
}

/// `[log]`: what is written down.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `"human"` or `"json"`. Default `"human"`.
    pub format: LogFormat,
    /// `"error"`, `"warn"`, `"info"`, `"debug"`, or a filter such as `"info,hearth_smtp=debug"`. Default `"info"`.
    pub level: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Human, level: "info".to_owned() }
    }
}

/// `[process]`: the processes' rights.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Process {
    /// The user that the servers become when started as root. Empty: they stay who they are.
    pub user: String,
}
