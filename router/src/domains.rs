// SPDX-License-Identifier: AGPL-3.0-or-later
//! The names that we answer to: those of the configuration at once, those added later (domains, and the household's
//! apps) when somebody asks for them.

use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use hearth_boot::Config;
use hearth_boot::config::Engine;
use hearth_db::Source;
use hearth_identity::Directory;
use hearth_types::{Clock, Secret};
use tokio::sync::Mutex;

use crate::limits::DOMAINS_CHECK;
use crate::route::Names;

/// The names, and when they were last read from the directory.
pub struct Domains {
    config: Arc<Config>,
    names: ArcSwap<Names>,
    looked: Mutex<Option<Instant>>,
}

impl Domains {
    /// The home's own domain; nothing is opened yet.
    pub fn new(config: Arc<Config>) -> Self {
        let names = Names { domains: vec![config.domain().to_owned()], hostname: config.hostname(), apps: Vec::new() };
        Self { config, names: ArcSwap::from_pointee(names), looked: Mutex::new(None) }
    }

    /// The names as known.
    pub fn now(&self) -> Arc<Names> {
        self.names.load_full()
    }

    /// The names after another look at the directory, at most every [`DOMAINS_CHECK`]. The directory is closed again:
    /// a home adds a domain once a year, and an open database costs memory all the time.
    pub async fn look_again(&self) -> Arc<Names> {
        let mut looked = self.looked.lock().await;
        if looked.is_none_or(|last| last.elapsed() >= DOMAINS_CHECK) {
            *looked = Some(Instant::now());
            match self.read().await {
                Ok(names) => self.names.store(Arc::new(names)),
                Err(error) => tracing::warn!(%error, "the list of domains cannot be read; going on with what is known"),
            }
        }
        self.now()
    }

    async fn read(&self) -> hearth_identity::Result<Names> {
        let source = match self.config.store.engine {
            Engine::Sqlite => Source::Sqlite(self.config.path("identity.db")),
            Engine::Postgres => Source::Postgres { url: Secret::new(self.config.store.url.clone()), schema: "directory".into() },
        };
        let directory = Directory::open(&source, Clock::system()).await?;
        let mut domains = vec![self.config.domain().to_owned()];
        for domain in directory.list_domains().await? {
            let name = domain.name.to_string();
            if !domains.contains(&name) {
                domains.push(name);
            }
        }
        Ok(Names { domains, hostname: self.config.hostname(), apps: directory.list_app_hosts().await? })
    }
}
