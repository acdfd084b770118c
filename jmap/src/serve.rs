// SPDX-License-Identifier: AGPL-3.0-or-later
//! The process: what it opens, in which order, and how it stops.

use std::sync::Arc;

use anyhow::Context;
use hearth_boot::{Boot, Config, Engine};
use hearth_db::Source;
use hearth_identity::Directory;
use hearth_identity::login::{Gate, Revocations};
use hearth_mailstore::{Backend, Store, StoreConfig};
use hearth_types::{Clock, Secret};

use crate::auth::Door;
use crate::ctx::{House, Urls};
use crate::endpoint::{App, router};
use crate::{limits, upload};

/// Serves until the process is asked to stop.
pub async fn serve(boot: Boot) -> anyhow::Result<()> {
    let (config, clock) = (&boot.config, Clock::system());
    let directory = Directory::open(&directory_source(config), clock.clone()).await.context("the directory cannot be opened")?;
    let store = Store::open(store_config(config, clock.clone())).await.context("the mail store cannot be opened")?;
    let uploads = config.path("mail/uploads");
    upload::clear(&uploads).with_context(|| format!("{} cannot be made", uploads.display()))?;
    let house = Arc::new(House {
        store: store.clone(),
        directory: directory.clone(),
        clock: clock.clone(),
        urls: Urls::new(config),
        size_upload_bytes_max: config.limits.message_size_bytes_max,
        attachments_bytes_max: limits::ATTACHMENTS_PER_EMAIL_BYTES_MAX.min(config.limits.message_size_bytes_max),
        uploads,
    });
    let door = Door::new(Gate::new(config.run_path("gate.sock")), Revocations::start(directory), clock)
        .map_err(|trouble| anyhow::anyhow!("{trouble}"))?;
    let app = Arc::new(App { house, door, places: Arc::default(), stop: boot.stop.clone() });

    let listener = hearth_web::bind(&config.run_path("jmap.sock"))?;
    boot.ready();
    let served = hearth_web::serve_on(listener, router(app), boot.stop.requested()).await;
    store.close().await.context("the mail store cannot be closed")?;
    Ok(served?)
}

fn directory_source(config: &Config) -> Source {
    match config.store.engine {
        Engine::Sqlite => Source::Sqlite(config.path("identity.db")),
        Engine::Postgres => Source::Postgres { url: Secret::new(config.store.url.clone()), schema: "directory".to_string() },
    }
}

fn store_config(config: &Config, clock: Clock) -> StoreConfig {
    let backend = match config.store.engine {
        Engine::Sqlite => Backend::Sqlite,
        Engine::Postgres => Backend::Postgres { url: Secret::new(config.store.url.clone()), schema: "mail".to_string() },
    };
    StoreConfig {
        dir: config.dir.clone(),
        backend,
        process: "jmap".to_string(),
        clock,
        quota_bytes: config.quota_bytes(),
        delivers: false,
    }
}
