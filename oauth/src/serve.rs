// SPDX-License-Identifier: AGPL-3.0-or-later
//! Opens the two doors, then answers on both sockets until it is asked to stop.

use anyhow::Context;
use hearth_boot::{Boot, Config, Engine};
use hearth_db::Source;
use hearth_identity::Directory;
use hearth_identity::vault::Vault;
use hearth_types::{Clock, Secret};

use crate::ctx::Ctx;
use crate::gate::{self, Doorkeeper};
use crate::server;

/// Runs the process.
pub async fn serve(boot: Boot) -> anyhow::Result<()> {
    let config = &boot.config;
    let clock = Clock::system();
    let directory = Directory::open(&source(config, "identity.db", "directory"), clock.clone()).await?;
    let vault = Vault::open(&source(config, "vault.db", "vault"), &config.path("vault.key"), clock.clone()).await?;
    let doorkeeper = Doorkeeper::with_issuer(vault, directory.clone(), clock.clone(), config.issuer());
    let listener = hearth_web::bind(&config.run_path("gate.sock"))?;
    let gate = gate::serve(listener, doorkeeper.clone(), boot.stop.requested());
    if boot.has_flag("--gate-only") {
        boot.ready();
        gate.await;
        return Ok(());
    }
    let ctx = Ctx::new(config.issuer(), config.domain().to_string(), directory, doorkeeper, clock).await;
    let ctx = ctx.map_err(|trouble| anyhow::anyhow!("the signing keys cannot be used: {trouble}"))?;
    let socket = config.run_path("oauth.sock");
    let listener = hearth_web::bind(&socket).context("the pages have no socket")?;
    boot.ready();
    let (served, ()) = tokio::join!(hearth_web::serve_on(listener, server::router(ctx), boot.stop.requested()), gate);
    Ok(served?)
}

/// Where one of the two doors is.
fn source(config: &Config, file: &str, schema: &str) -> Source {
    match config.store.engine {
        Engine::Sqlite => Source::Sqlite(config.path(file)),
        Engine::Postgres => Source::Postgres { url: Secret::new(config.store.url.clone()), schema: schema.to_string() },
    }
}
