// SPDX-License-Identifier: AGPL-3.0-or-later
//! hearth-keyserver: opens the directory and serves `DIR/run/keyserver.sock`, and `finder.sock` for
//! the account page.

use std::process::ExitCode;
use std::sync::Arc;

use hearth_boot::{Boot, Config, Engine};
use hearth_db::Source;
use hearth_identity::Directory;
use hearth_identity::finding::SOCKET;
use hearth_identity::login::Gate;
use hearth_keyserver::ctx::{Ctx, People, Site};
use hearth_keyserver::find::Finder;
use hearth_keyserver::{app, finder, wks};
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
    let finders = hearth_web::bind(&boot.config.run_path(SOCKET))?;
    let (config, finder_directory, finder_clock) = (Arc::clone(&boot.config), directory.clone(), clock.clone());
    let make = move || Finder::of_config(&config, finder_directory.clone(), finder_clock.clone());
    let people = People::new(Gate::new(boot.config.run_path("gate.sock")), make);
    boot.ready();
    let ctx = Ctx::new(directory, clock, site).with_people(people);
    let (ours, stop) = (ctx.clone(), boot.stop.clone());
    tokio::spawn(async move { finder::serve(ours, finders, stop.requested()).await });
    let (mails, stop) = (ctx.clone(), boot.stop.clone());
    tokio::spawn(async move { wks::run(mails, stop.requested()).await });
    hearth_web::serve_on(listener, app(ctx), boot.stop.requested()).await?;
    Ok(())
}

fn source(config: &Config) -> Source {
    match config.store.engine {
        Engine::Sqlite => Source::Sqlite(config.path("identity.db")),
        Engine::Postgres => Source::Postgres { url: Secret::new(config.store.url.clone()), schema: "directory".to_string() },
    }
}
