// SPDX-License-Identifier: AGPL-3.0-or-later
//! From a configuration to a server: opens the stores, binds the ports, runs sessions and the queue's worker.

use std::sync::Arc;

use anyhow::Context;
use hearth_boot::{Boot, Config, Engine};
use hearth_db::Source;
use hearth_identity::Directory;
use hearth_identity::login::Gate;
use hearth_mailstore::{Backend, Store, StoreConfig};
use hearth_net::dns::{Options, Resolver};
use hearth_net::listen::{self, Admission};
use hearth_net::tls::{Connector, Tls};
use hearth_types::{Clock, Secret};

use crate::ctx::{Parts, Server};
use crate::outbound::Outbound;
use crate::policy::Policy;
use crate::queue::{Queue, letters, worker};
use crate::session;
use crate::state::Kind;
use crate::submission::sign::Signer;
use crate::{desk, lmtp, proxied};

/// What a connection beyond the limits hears.
const TOO_MANY: &[u8] = b"421 4.7.0 too many connections\r\n";
/// The port of other homes.
const SMTP: u16 = 25;

/// Serves until the boot is asked to stop.
pub async fn run(boot: Boot) -> anyhow::Result<()> {
    let config = Arc::clone(&boot.config);
    // Ports first: one that is in use is said before anything else is touched.
    let mx = listen::bind_all(&config.addresses(SMTP))?;
    let submissions = listen::bind_all(&config.addresses(465))?;
    let submission = listen::bind_all(&config.addresses(587))?;
    let server = open(&config, boot.stop.clone()).await?;
    let outbound = outbound(&config, &server)?;
    let admission = Admission::new(config.limits.connections_max, config.limits.connections_per_address_max);
    let working = tokio::spawn(worker::run(Arc::clone(&server), outbound));
    let writing = tokio::spawn(letters::run(Arc::clone(&server)));
    boot.ready();
    let door = |listeners, kind, implicit_tls| {
        let server = Arc::clone(&server);
        let stop = boot.stop.clone();
        listen::serve(listeners, admission.clone(), TOO_MANY, async move { stop.requested().await }, move |stream, peer| {
            let server = Arc::clone(&server);
            async move {
                if let Some((stream, peer)) = proxied::peer(&server.policy, stream, peer).await {
                    session::run(server, kind, implicit_tls, peer, stream).await;
                }
            }
        })
    };
    let desk = tokio::spawn(desk::serve(Arc::clone(&server), config.run_path(hearth_identity::desk::SOCKET)));
    let before_us = tokio::spawn(lmtp::serve(Arc::clone(&server), config.run_path(lmtp::SOCKET)));
    tokio::join!(door(mx, Kind::Mx, false), door(submissions, Kind::Submission, true), door(submission, Kind::Submission, false));
    before_us.await.context("the LMTP socket broke")?;
    desk.await.context("the desk broke")?;
    working.await.context("the queue's worker broke")?;
    writing.await.context("the reader of letters broke")?;
    server.store.close().await.context("the mail store did not close")?;
    Ok(())
}

async fn open(config: &Config, stop: hearth_boot::Stop) -> anyhow::Result<Arc<Server>> {
    let clock = Clock::system();
    let mut policy = Policy::new(&config.smtp)?;
    policy.read_scripts(&config.dir, &config.smtp)?;
    let directory = Directory::open(&source(config, "identity.db", "directory"), clock.clone()).await?;
    let backend = match config.store.engine {
        Engine::Sqlite => Backend::Sqlite,
        Engine::Postgres => Backend::Postgres { url: Secret::new(config.store.url.clone()), schema: "mail".to_string() },
    };
    let store = StoreConfig {
        dir: config.dir.clone(),
        backend,
        process: "smtp".to_string(),
        clock: clock.clone(),
        quota_bytes: config.quota_bytes(),
        delivers: true,
    };
    let store = Store::open(store).await?;
    let queue = open_queue(config, clock.clone()).await?;
    queue.recover().await?;
    let dns = Resolver::new(&Options {
        servers: config.dns.servers.clone(),
        validate: config.dns.validate(),
        trust_anchor: config.dns.trust_anchor(),
    })?;
    let tls = Tls::load(&config.path("tls/node.pem"), &config.path("tls/node.key"), &[])?;
    Ok(Server::new(Parts {
        hostname: config.hostname(),
        issuer: config.issuer(),
        size_bytes_max: config.limits.message_size_bytes_max,
        directory,
        store,
        gate: Gate::new(config.run_path("gate.sock")),
        dns,
        queue,
        signer: Signer::new(config.path("dkim")),
        tls: Some(tls),
        policy,
        clock,
        stop,
    }))
}

/// Opens the queue of a node: for the server, and for the `hearth queue` command beside it.
pub async fn open_queue(config: &Config, clock: Clock) -> anyhow::Result<Queue> {
    let dir = config.path("queue");
    tokio::fs::create_dir_all(&dir).await.with_context(|| format!("cannot make {}", dir.display()))?;
    Ok(Queue::open(&source(config, "queue/queue.db", "queue"), dir, clock).await?)
}

fn source(config: &Config, file: &str, schema: &str) -> Source {
    match config.store.engine {
        Engine::Sqlite => Source::Sqlite(config.path(file)),
        Engine::Postgres => Source::Postgres { url: Secret::new(config.store.url.clone()), schema: schema.to_string() },
    }
}

fn outbound(config: &Config, server: &Server) -> anyhow::Result<Outbound> {
    let mut own_names = config.names(config.domain());
    own_names.push(config.hostname());
    Ok(Outbound {
        hostname: config.hostname(),
        own_names: own_names.into(),
        own_addresses: config.listen.addresses.clone().into(),
        port: SMTP,
        dns: server.dns.clone(),
        connector: Connector::new(&config.tls.extra_roots)?,
    })
}
