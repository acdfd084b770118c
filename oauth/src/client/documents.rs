// SPDX-License-Identifier: AGPL-3.0-or-later
//! Reads what a client says of itself at its own address: through the one guarded door of `hearth_net::fetch`, which is made
//! for each reading, for most homes never need it.

use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use hearth_net::dns::{Options, Resolver};
use hearth_net::fetch::{Bounds, Fetched, Fetcher};
use hearth_net::tls::Connector;
use hearth_types::Trouble;

use crate::limits::{CLIENT_DOCUMENT_BYTES_MAX, CLIENT_DOCUMENT_WITHIN};

type Reading = Pin<Box<dyn Future<Output = Result<Fetched, Trouble>> + Send>>;

/// The way to them; none by default.
#[derive(Clone, Default)]
pub struct Documents(Option<Arc<dyn Fn(String) -> Reading + Send + Sync>>);

impl Documents {
    /// Another way: what a test says is there.
    pub fn by(read: impl Fn(String) -> Reading + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(read)))
    }

    /// Names are looked up, every address is checked, and that address is connected to; `networks` off the Internet may be
    /// reached too (`fetch.private_networks`).
    pub fn guarded(dns: Options, extra_roots: Vec<PathBuf>, networks: Vec<String>) -> Self {
        Self::by(move |url| {
            let (dns, extra_roots, networks) = (dns.clone(), extra_roots.clone(), networks.clone());
            Box::pin(async move {
                let networks: Result<Vec<_>, _> = networks.iter().map(|network| network.parse()).collect();
                let networks = networks.map_err(|_| Trouble::new("fetch.private_networks in hearth.toml holds no network"))?;
                let fetcher = Fetcher::new(Resolver::new(&dns)?, Connector::new(&extra_roots)?, networks);
                let bounds = Bounds { body_bytes_max: CLIENT_DOCUMENT_BYTES_MAX, time: CLIENT_DOCUMENT_WITHIN, redirects_max: 0 };
                Ok(fetcher.get(&url, &bounds).await?)
            })
        })
    }

    /// What is there.
    pub async fn get(&self, url: &str) -> Result<Fetched, Trouble> {
        match &self.0 {
            Some(read) => read(url.to_string()).await,
            None => Err(Trouble::new("nothing is fetched here")),
        }
    }
}

impl fmt::Debug for Documents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Documents").field(&self.0.is_some()).finish()
    }
}
