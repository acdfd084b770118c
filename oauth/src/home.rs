// SPDX-License-Identifier: AGPL-3.0-or-later
//! What the pages know of the machine: names, addresses, ports, where the mail lies. From the configuration alone.

use std::net::IpAddr;
use std::path::PathBuf;

use hearth_boot::{Config, Engine};
use hearth_identity::desk::{Desk, SOCKET};
use hearth_identity::finding::{self, Finding};
use hearth_mailstore::{Backend, StoreConfig};
use hearth_net::dns::{Options, Resolver};
use hearth_net::records::{Facts, Record, State, check, of};
use hearth_types::{Clock, Secret, Trouble};

use crate::client::documents::Documents;

/// The selectors of the DKIM keys that `hearth init` and `hearth domain add` make.
const SELECTORS: [&str; 2] = ["rsa", "ed25519"];

fn options(config: &Config) -> Options {
    Options { servers: config.dns.servers.clone(), validate: config.dns.validate(), trust_anchor: config.dns.trust_anchor() }
}

/// The machine.
#[derive(Clone, Debug, Default)]
pub struct Home {
    /// Its name in DNS: where mail programs connect to.
    pub hostname: String,
    /// Its addresses, when somebody said which.
    pub addresses: Vec<IpAddr>,
    /// Every port is this much higher.
    pub port_offset: u16,
    /// Below it is a folder of each domain with the keys that sign mail.
    pub dkim: PathBuf,
    /// Where the mail is: for the scripts of people.
    pub mail: Option<StoreConfig>,
    /// Where OpenPGP certificates are looked up.
    pub keys: String,
    /// A file that is made when the house has something to certify: `hearth up` looks for it.
    pub tend: Option<PathBuf>,
    /// Whom to ask for names.
    pub dns: Options,
    /// The mail server's desk: what waits, what others report.
    pub desk: Desk,
    /// Who looks for the certificates of others: the key server.
    pub finding: Finding,
    /// What clients say of themselves at their own addresses.
    pub documents: Documents,
}

impl Home {
    /// Reads the configuration.
    pub fn of(config: &Config, clock: Clock) -> Self {
        let backend = match config.store.engine {
            Engine::Sqlite => Backend::Sqlite,
            Engine::Postgres => Backend::Postgres { url: Secret::new(config.store.url.clone()), schema: "mail".to_string() },
        };
        Self {
            hostname: config.hostname(),
            addresses: config.listen.addresses.iter().copied().filter(|address| !address.is_unspecified()).collect(),
            port_offset: config.listen.port_offset,
            dkim: config.path("dkim"),
            mail: Some(StoreConfig {
                dir: config.dir.clone(),
                backend,
                process: "oauth".to_string(),
                clock,
                quota_bytes: config.quota_bytes(),
                delivers: false,
            }),
            desk: Desk::new(config.run_path(SOCKET)),
            finding: Finding::new(config.run_path(finding::SOCKET)),
            keys: config.https_url(&format!("keys.{}", config.domain()), ""),
            tend: Some(config.run_path("tend")),
            documents: Documents::guarded(options(config), config.tls.extra_roots.clone(), config.fetch.private_networks.clone()),
            dns: options(config),
        }
    }

    /// A port as mail programs use it here.
    pub fn port(&self, standard: u16) -> u16 {
        standard.saturating_add(self.port_offset)
    }

    /// What to publish for a domain; without the key for DANE, which only `hearth domain records` knows.
    pub fn records(&self, domain: &str) -> Vec<Record> {
        let key = |selector: &&str| {
            let value = std::fs::read_to_string(self.dkim.join(domain).join(format!("{selector}.txt"))).ok()?;
            Some(((*selector).to_string(), value.trim().to_string()))
        };
        of(&Facts {
            domain: domain.to_string(),
            hostname: self.hostname.clone(),
            addresses: self.addresses.clone(),
            dkim: SELECTORS.iter().filter_map(key).collect(),
            key_hash: Vec::new(),
            policy_id: "1".to_string(),
            port_offset: self.port_offset,
        })
    }

    /// Compares them with DNS; `None` when no server answers.
    pub async fn check(&self, domain: &str) -> Result<Option<Vec<(Record, State)>>, Trouble> {
        let resolver = Resolver::new(&self.dns)?;
        if !resolver.is_reachable().await {
            return Ok(None);
        }
        Ok(Some(check(&resolver, self.records(domain)).await))
    }
}
