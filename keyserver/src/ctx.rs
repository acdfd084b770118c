// SPDX-License-Identifier: AGPL-3.0-or-later
//! What an endpoint may touch.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::SystemTime;

use hearth_identity::Directory;
use hearth_identity::login::Gate;
use hearth_types::{Clock, Domain, Timestamp, Trouble};
use hearth_web::Peer;
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};

use crate::answer::{Failure, Refusal};
use crate::find::Finder;
use crate::limits::{FINDS_AT_ONCE_MAX, INTAKE_WAIT_MAX, INTAKES_AT_ONCE_MAX};
use crate::rate::{Bucket, Rates};

/// Cheap to clone.
#[derive(Clone)]
pub struct Ctx {
    /// People, and their certificates.
    pub directory: Directory,
    /// The time.
    pub clock: Clock,
    /// Who we are.
    pub site: Arc<Site>,
    shared: Arc<Shared>,
    people: Option<Arc<People>>,
}

/// What the house's own people may ask: who they are, and who looks for them.
pub struct People {
    /// Who somebody is.
    pub gate: Gate,
    pub(crate) places: Semaphore,
    make: Box<dyn Fn() -> anyhow::Result<Finder> + Send + Sync>,
    finder: OnceCell<Finder>,
}

impl People {
    /// `make` is called when the first of them asks: a house where nobody does pays nothing.
    pub fn new(gate: Gate, make: impl Fn() -> anyhow::Result<Finder> + Send + Sync + 'static) -> Self {
        Self { gate, places: Semaphore::new(FINDS_AT_ONCE_MAX), make: Box::new(make), finder: OnceCell::new() }
    }

    pub(crate) async fn finder(&self) -> Result<&Finder, Trouble> {
        self.finder.get_or_try_init(|| async { (self.make)().map_err(|error| Trouble::new(format!("{error:#}"))) }).await
    }
}

/// Who we are, in letters and links.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The home's domain.
    pub domain: Domain,
    /// `https://keys.D`, with the port when it is not the scheme's own.
    pub url: String,
}

struct Shared {
    rates: Rates,
    intake: Semaphore,
    counts: Counts,
}

/// What was done since the start; never who or how many live here.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) found: AtomicU64,
    pub(crate) not_found: AtomicU64,
    pub(crate) uploads: AtomicU64,
    /// Asked for.
    pub(crate) letters: AtomicU64,
}

impl Ctx {
    /// For a server that has just started.
    pub fn new(directory: Directory, clock: Clock, site: Site) -> Self {
        let shared = Shared { rates: Rates::default(), intake: Semaphore::new(INTAKES_AT_ONCE_MAX), counts: Counts::default() };
        Self { directory, clock, site: Arc::new(site), shared: Arc::new(shared), people: None }
    }

    /// The house's own people may look for certificates elsewhere.
    #[must_use]
    pub fn with_people(mut self, people: People) -> Self {
        self.people = Some(Arc::new(people));
        self
    }

    /// What they may ask.
    pub(crate) fn people(&self) -> Option<&People> {
        self.people.as_deref()
    }

    /// What was done since the start.
    pub(crate) fn counts(&self) -> &Counts {
        &self.shared.counts
    }

    /// Counts a look-up that was answered.
    pub(crate) fn count(&self, found: bool) {
        let counts = self.counts();
        let count = if found { &counts.found } else { &counts.not_found };
        count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }

    /// Counts a request of this peer.
    pub(crate) fn admit(&self, bucket: Bucket, peer: &Peer) -> Result<(), Failure> {
        let admitted = self.shared.rates.admit(bucket, peer.ip, self.clock.now());
        admitted.map_err(|wait| {
            metrics::counter!("hearth_keyserver_rate_limited_total", "bucket" => format!("{bucket:?}")).increment(1);
            Failure::Peer(Refusal::come_back(wait))
        })
    }

    /// A place among the few submissions that are worked on.
    pub(crate) async fn intake(&self) -> Result<SemaphorePermit<'_>, Failure> {
        match tokio::time::timeout(INTAKE_WAIT_MAX, self.shared.intake.acquire()).await {
            Ok(permit) => Ok(permit.map_err(Trouble::from)?),
            Err(_) => Err(Failure::Peer(Refusal::busy())),
        }
    }

    /// The time, as the OpenPGP library takes it.
    pub(crate) fn system_time(&self) -> SystemTime {
        system_time(self.clock.now())
    }
}

/// A timestamp as the OpenPGP library takes it.
pub fn system_time(now: Timestamp) -> SystemTime {
    now.into()
}
