// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a command may touch: the stores, the peer's facts, the clock.

use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hearth_identity::Directory;
use hearth_identity::login::{ChannelBinding, Gate, Revocations};
use hearth_mailstore::Store;
use hearth_net::dns::Resolver;
use hearth_net::listen::Peer;
use hearth_net::tls::{Facts, Tls};
use hearth_types::{Address, Clock, Fault, Trouble};
use hearth_wire::smtp::Reply;
use tokio::sync::{OnceCell, Semaphore};

use crate::inbound::pace::{Of, Pace};
use crate::limits::{MEMORY_STEP_BYTES, MESSAGES_IN_MEMORY_BYTES_MAX, MESSAGES_SPOOLED_BYTES_MAX};
use crate::policy::Policy;
use crate::queue::Queue;
use crate::srs::{self, Rewriter};
use crate::submission::sign::Signer;

/// Where the directory keeps the key of rewritten senders.
const SRS_KEY: &str = "smtp.srs_key";

/// What a command comes to.
pub(crate) type Outcome = Result<Reply, Fault<Reply>>;

/// What all sessions of the process share.
pub struct Server {
    /// The name that we greet with, and the authserv-id of our results (RFC 8601 §2.5).
    pub hostname: String,
    /// `https://id.D`: where people's pages are.
    pub issuer: String,
    /// The largest message.
    pub size_bytes_max: u64,
    /// People.
    pub directory: Directory,
    /// Mail.
    pub store: Store,
    /// Who somebody is.
    pub gate: Gate,
    /// Whose sign-in has ended.
    pub revocations: Revocations,
    /// Names.
    pub dns: Resolver,
    /// What waits to be sent on.
    pub queue: Queue,
    /// DKIM keys.
    pub signer: Signer,
    /// Our certificate.
    pub tls: Option<Tls>,
    /// What the owner of the home has decided.
    pub policy: Policy,
    /// How fast strangers may be.
    pub pace: Pace,
    /// Time.
    pub clock: Clock,
    /// Requested when the process is to end.
    pub stop: hearth_boot::Stop,
    memory: Arc<Semaphore>,
    disk: Arc<Semaphore>,
    rewriter: OnceCell<Rewriter>,
}

/// The parts that a [`Server`] is made of.
pub struct Parts {
    /// See [`Server::hostname`].
    pub hostname: String,
    /// See [`Server::issuer`].
    pub issuer: String,
    /// See [`Server::size_bytes_max`].
    pub size_bytes_max: u64,
    /// See [`Server::directory`].
    pub directory: Directory,
    /// See [`Server::store`].
    pub store: Store,
    /// See [`Server::gate`].
    pub gate: Gate,
    /// See [`Server::dns`].
    pub dns: Resolver,
    /// See [`Server::queue`].
    pub queue: Queue,
    /// See [`Server::signer`].
    pub signer: Signer,
    /// See [`Server::tls`].
    pub tls: Option<Tls>,
    /// See [`Server::policy`].
    pub policy: Policy,
    /// See [`Server::clock`].
    pub clock: Clock,
    /// See [`Server::stop`].
    pub stop: hearth_boot::Stop,
}

impl Server {
    /// Puts the parts together; needs a runtime.
    pub fn new(parts: Parts) -> Arc<Self> {
        let Parts { hostname, issuer, size_bytes_max, directory, store, gate, dns, queue, signer, tls, policy, clock, stop } =
            parts;
        let revocations = Revocations::start(directory.clone());
        let memory = Arc::new(Semaphore::new(MESSAGES_IN_MEMORY_BYTES_MAX / MEMORY_STEP_BYTES));
        let disk = Arc::new(Semaphore::new(MESSAGES_SPOOLED_BYTES_MAX / MEMORY_STEP_BYTES));
        Arc::new(Self {
            hostname,
            issuer,
            size_bytes_max,
            directory,
            store,
            gate,
            revocations,
            dns,
            queue,
            signer,
            tls,
            policy,
            pace: Pace::default(),
            clock,
            stop,
            memory,
            disk,
            rewriter: OnceCell::new(),
        })
    }

    /// What rewrites the senders of forwarded mail; its key is made once and kept in the directory.
    pub(crate) async fn rewriter(&self) -> Result<&Rewriter, Trouble> {
        self.rewriter.get_or_try_init(|| self.load_rewriter()).await
    }

    async fn load_rewriter(&self) -> Result<Rewriter, Trouble> {
        let kept = self.directory.find_setting(SRS_KEY).await?.and_then(|text| BASE64_STANDARD.decode(text).ok());
        if let Some(key) = kept.and_then(|key| <[u8; 32]>::try_from(key).ok()) {
            return Ok(Rewriter::new(key));
        }
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(Trouble::new)?;
        self.directory.change_setting(SRS_KEY, &BASE64_STANDARD.encode(key)).await?;
        Ok(Rewriter::new(key))
    }

    /// The envelope sender of a mail that `through` passes on: ours stays, a stranger's is rewritten, and what cannot
    /// be becomes `through` itself, who then hears of failures.
    pub(crate) async fn forwarder(&self, sender: &Address, through: &Address) -> Address {
        if matches!(self.directory.find_domain(sender.domain()).await, Ok(Some(_))) {
            return sender.clone();
        }
        let wrapped = self.rewriter().await.map(|rewriter| rewriter.wrap(sender, through.domain(), self.clock.now()));
        wrapped.ok().flatten().unwrap_or_else(|| through.clone())
    }

    /// Whose mail a report is about that came to a rewritten address; `None` when it is no such address of ours.
    pub(crate) async fn rewritten(&self, address: &Address) -> Result<Option<Address>, Trouble> {
        if !srs::is_wrapped(address) || self.directory.find_domain(address.domain()).await?.is_none() {
            return Ok(None);
        }
        Ok(self.rewriter().await?.unwrap(address, self.clock.now()))
    }

    /// An account of what one message takes.
    pub(crate) fn hold(&self) -> Held {
        let of = |free: &Arc<Semaphore>| Share { free: Arc::clone(free), held: Vec::new(), bytes: 0 };
        Held { memory: of(&self.memory), disk: of(&self.disk) }
    }
}

/// What is held for one message, given back when dropped.
#[derive(Debug)]
pub(crate) struct Held {
    /// Memory.
    pub memory: Share,
    /// Space on the disk.
    pub disk: Share,
}

/// Part of what all messages share.
#[derive(Debug)]
pub(crate) struct Share {
    free: Arc<Semaphore>,
    held: Vec<tokio::sync::OwnedSemaphorePermit>,
    bytes: u64,
}

impl Share {
    /// Holds as much as `bytes`; false when all messages together would take too much.
    pub(crate) fn grow_to(&mut self, bytes: u64) -> bool {
        while self.bytes < bytes {
            match Arc::clone(&self.free).try_acquire_owned() {
                Ok(permit) => self.held.push(permit),
                Err(_) => return false,
            }
            self.bytes += MEMORY_STEP_BYTES as u64;
        }
        true
    }
}

/// One connection.
#[derive(Clone)]
pub struct Ctx {
    /// What all share.
    pub server: Arc<Server>,
    /// Who is at the other end.
    pub peer: Peer,
    /// What is known of the TLS around it.
    pub tls: Option<Facts>,
}

impl Ctx {
    /// The peer's address.
    pub fn ip(&self) -> IpAddr {
        self.peer.ip()
    }

    /// Is mail from there neither judged nor slowed?
    pub fn is_trusted(&self) -> bool {
        self.server.policy.trusts(self.ip())
    }

    /// Takes a token out of a bucket; false when there is none.
    pub(crate) fn takes(&self, of: Of<'_>) -> bool {
        let (server, now) = (&self.server, self.server.clock.now());
        server.pace.take(of, server.policy.rates.of(&of), server.policy.pace_percent, now)
    }

    /// What SCRAM-PLUS can bind to.
    pub fn binding(&self) -> ChannelBinding {
        self.tls.as_ref().map_or_else(ChannelBinding::none, |facts| ChannelBinding {
            exporter: facts.binding.exporter.clone(),
            server_end_point: Some(facts.binding.server_end_point.clone()).filter(|hash| !hash.is_empty()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_and_given_back() {
        let free = Arc::new(Semaphore::new(2));
        let account = || Share { free: Arc::clone(&free), held: Vec::new(), bytes: 0 };
        let (step, mut first) = (MEMORY_STEP_BYTES as u64, account());
        assert!(first.grow_to(step * 2));
        assert!(!first.grow_to(step * 2 + 1));
        assert!(!account().grow_to(1));
        drop(first);
        assert!(account().grow_to(1));
    }
}
