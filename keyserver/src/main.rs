// SPDX-License-Identifier: AGPL-3.0-or-later
//! hearth-keyserver: opens the directory and serves `DIR/run/keyserver.sock`.

use std::process::ExitCode;

use hearth_boot::{Boot, Config, Engine};
use hearth_db::Source;
use hearth_identity::Directory;
use hearth_keyserver::app;
use hearth_keyserver::ctx::{Ctx, Site};
use hearth_types::{Clock, Domain, Secret};

fn main() -> ExitCode {
    hearth_boot::run("keyserver", serve)
}

async fn serve(boot: Boot) -> anyhow::Result<()> {
    let clock = Clock::system();
    let directory = Directory::open(&source(&boot.config), clock.clone()).await?;
    let domain = Domain::parse(boot.config.domain())?;
    let url = boot.config.https_url(&domain.below("keys"), "");
    let site = Site { domain, url: url.trim_end_matches('/').to_string() };
    let listener = hearth_web::bind(&boot.config.run_path("keyserver.sock"))?;
    boot.ready();
    hearth_web::serve_on(listener, app(Ctx::new(directory, clock, site)), boot.stop.requested()).await?;
    Ok(())
}

fn source(config: &Config) -> Source {
    match config.store.engine {
        Engine::Sqlite => Source::Sqlite(config.path("identity.db")),
        Engine::Postgres => Source::Postgres { url: Secret::new(config.store.url.clone()), schema: "directory".to_string() },
    }
}
