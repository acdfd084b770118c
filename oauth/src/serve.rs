// SPDX-License-Identifier: AGPL-3.0-or-later
//! Opens the two doors, then answers on both sockets until it is asked to stop.

use std::future::Future;
use std::sync::Arc;

use anyhow::Context;
use hearth_boot::{Boot, Config, Engine};
use hearth_db::Source;
use hearth_identity::Directory;
use hearth_identity::vault::Vault;
use hearth_types::{Clock, Secret};

use crate::ctx::Ctx;
use crate::endpoint::logout_token;
use crate::gate::{self, Doorkeeper};
use crate::home::Home;
use crate::limits::KEYS_LOOK_EVERY;
use crate::{ldap, server};

/// Runs the process.
pub async fn serve(boot: Boot) -> anyhow::Result<()> {
    let config = &boot.config;
    let clock = Clock::system();
    let directory = Directory::open(&source(config, "identity.db", "directory"), clock.clone()).await?;
    let (place, key) = (source(config, "vault.db", "vault"), config.path("vault.key"));
    let vault = Vault::open_within(&place, &key, clock.clone(), config.limits.password_memory_bytes).await?;
    let doorkeeper = Doorkeeper::with_issuer(vault, directory.clone(), clock.clone(), config.issuer());
    let listener = hearth_web::bind(&config.run_path("gate.sock"))?;
    let gate = gate::serve(listener, doorkeeper.clone(), boot.stop.requested());
    if boot.has_flag("--gate-only") {
        boot.ready();
        gate.await;
        return Ok(());
    }
    let ctx =
        Ctx::new(config.issuer(), config.domain().to_string(), Home::of(config, clock.clone()), directory, doorkeeper, clock).await;
    let ctx = ctx.map_err(|trouble| anyhow::anyhow!("the signing keys cannot be used: {trouble}"))?;
    let socket = config.run_path("oauth.sock");
    let listener = hearth_web::bind(&socket).context("the pages have no socket")?;
    let doors = ldap::bind(config)?;
    boot.ready();
    let told = logout_token::follow(ctx.clone(), config.tls.extra_roots.clone(), boot.stop.requested());
    let turned = turn_keys(ctx.clone(), boot.stop.requested());
    let looked_up = ldap::serve(ctx.clone(), &boot, doors);
    let served = hearth_web::serve_on(listener, server::router(ctx), boot.stop.requested());
    let (served, (), (), (), looked_up) = tokio::join!(served, gate, told, turned, looked_up);
    served?;
    looked_up
}

/// Looks now and then whether the signing keys want to be turned.
async fn turn_keys(ctx: Arc<Ctx>, stop: impl Future<Output = ()>) {
    let mut stop = std::pin::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => return,
            () = tokio::time::sleep(KEYS_LOOK_EVERY) => {}
        }
        if let Err(trouble) = ctx.turn_keys().await {
            tracing::error!(id = trouble.id(), %trouble, "the signing keys could not be turned");
        }
    }
}

/// Where one of the two doors is.
fn source(config: &Config, file: &str, schema: &str) -> Source {
    match config.store.engine {
        Engine::Sqlite => Source::Sqlite(config.path(file)),
        Engine::Postgres => Source::Postgres { url: Secret::new(config.store.url.clone()), schema: schema.to_string() },
    }
}
