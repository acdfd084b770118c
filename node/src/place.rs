// SPDX-License-Identifier: AGPL-3.0-or-later
//! The data directory of a command, and what can be opened in it.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use hearth_boot::config::Engine;
use hearth_boot::{Config, rights};
use hearth_db::Source;
use hearth_identity::Directory;
use hearth_identity::directory::{Account, By};
use hearth_mailstore::{Backend, Store, StoreConfig};
use hearth_types::{AccountId, Address, Clock, Secret};

/// A set-up data directory.
pub struct Place {
    /// Its configuration.
    pub config: Config,
}

impl Place {
    /// Loads the configuration of `dir`. As root, with a user in the configuration, becomes that user first: a file
    /// that root made could not be written by the servers.
    pub fn load(dir: Option<&Path>) -> anyhow::Result<Self> {
        let config = Config::load(&chosen(dir)?)?;
        rights::become_user(&config.process.user)?;
        Ok(Self { config })
    }

    /// The directory of people.
    pub async fn directory(&self) -> anyhow::Result<Directory> {
        directory(&self.config).await
    }
}

/// The directory of people. What is changed through it is written down as this command's.
pub async fn directory(config: &Config) -> anyhow::Result<Directory> {
    Ok(Directory::open(&source(config, "identity.db", "directory"), Clock::system()).await?.by(By::command()))
}

/// One of the node's databases on either engine.
pub fn source(config: &Config, file: &str, schema: &str) -> Source {
    match config.store.engine {
        Engine::Sqlite => Source::Sqlite(config.path(file)),
        Engine::Postgres => Source::Postgres { url: Secret::new(config.store.url.clone()), schema: schema.to_owned() },
    }
}

/// The absolute path of `--dir`.
pub fn chosen(dir: Option<&Path>) -> anyhow::Result<PathBuf> {
    let dir = dir.ok_or_else(|| anyhow!("which data directory? say --dir DIR or set HEARTH_DIR"))?;
    std::path::absolute(dir).with_context(|| format!("{} is no path", dir.display()))
}

/// The program `name` beside this one.
pub fn sibling(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("cannot find my own program file")?;
    let path = own.with_file_name(name);
    if path.is_file() {
        return Ok(path);
    }
    let folder = own.parent().unwrap_or(Path::new("."));
    Err(anyhow!("{name} is not in {}; build or install the whole suite there", folder.display()))
}

/// An address that somebody typed.
pub fn parse_address(text: &str) -> anyhow::Result<Address> {
    Address::parse(text).map_err(|error| anyhow!("{text:?} is not an address: {error}; write it as name@domain"))
}

/// The account that somebody typed: by an address, or by its id.
pub async fn account(directory: &Directory, text: &str) -> anyhow::Result<Account> {
    let found = match text.parse::<AccountId>() {
        Ok(id) if !text.contains('@') => directory.find_account(id).await?,
        _ => directory.find_account_by_address(&parse_address(text)?).await?,
    };
    found.ok_or_else(|| anyhow!("there is no account {text}; see them all with: hearth account list"))
}

/// The mail of all accounts; close it at the end.
pub async fn mail(config: &Config) -> anyhow::Result<Store> {
    let backend = match config.store.engine {
        Engine::Sqlite => Backend::Sqlite,
        Engine::Postgres => Backend::Postgres { url: Secret::new(config.store.url.clone()), schema: "mail".to_owned() },
    };
    let open = StoreConfig {
        dir: config.dir.clone(),
        backend,
        process: "hearth".to_owned(),
        clock: Clock::system(),
        quota_bytes: config.quota_bytes(),
        delivers: false,
    };
    Ok(Store::open(open).await?)
}
