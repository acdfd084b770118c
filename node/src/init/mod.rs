// SPDX-License-Identifier: AGPL-3.0-or-later
//! Writing a data directory: everything, or nothing that could be mistaken for it.
//!
//! All pieces are made in `DIR/.init` and moved out at the end; `hearth.toml` goes last. While `.init` is there, every
//! program of the house says that DIR is half initialised.

pub mod certificate;
pub mod dkim;
mod settings;
pub mod write;

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use hearth_boot::Config;
use hearth_boot::config::{FILE_NAME, INIT_MARKER};
use hearth_types::Domain;

pub use settings::Settings;

use crate::limits::DIR_BYTES_MAX;
use crate::place;
use write::{folder, replace, sync_folder};

/// Folders of a new home.
const FOLDERS: [&str; 6] = ["tls", "dkim", "run", "mail", "mail/journal", "queue"];

/// What is at the place of a data directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing, or an empty folder.
    Nothing,
    /// A home.
    Home,
}

/// Looks before anything is written. A half-initialised or a stranger's directory is an error.
pub fn look(dir: &Path) -> anyhow::Result<Found> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => bail!("cannot read {}: {error}; choose another directory or change its owner", dir.display()),
    };
    if dir.join(INIT_MARKER).exists() {
        bail!("{} is half initialised; remove it and run init again", dir.display());
    }
    if dir.join(FILE_NAME).exists() {
        return Ok(Found::Home);
    }
    match entries.count() {
        0 => Ok(Found::Nothing),
        _ => bail!("{} is not empty and not a Hearth directory; choose another", dir.display()),
    }
}

/// Makes a home in `dir`, which [`look`] found to be nothing.
pub async fn create(dir: &Path, settings: &Settings) -> anyhow::Result<Config> {
    let text = settings.to_toml();
    // The configuration as it will be read, before anything is written; variables count now as they will then.
    let config = Config::from_text(dir, &text, std::env::vars())?;
    if dir.as_os_str().len() > DIR_BYTES_MAX {
        bail!("the path {} is too long for the sockets inside; use at most {DIR_BYTES_MAX} characters", dir.display());
    }
    for root in &settings.extra_roots {
        fs::metadata(root).with_context(|| format!("cannot read --extra-root {}", root.display()))?;
    }
    folder(dir)?;
    let making = dir.join(INIT_MARKER);
    folder(&making)?;
    for below in FOLDERS {
        folder(&making.join(below))?;
    }
    certificate::create(&config, &config.names(config.domain()), &making.join("tls"))?;
    dkim::create(&making.join("dkim"), config.domain())?;
    people(&config, &making).await?;
    replace(&making.join(FILE_NAME), text.as_bytes(), 0o600)?;
    move_out(&making, dir)?;
    Ok(config)
}

/// The directory of people with the home's domain. On PostgreSQL it may be there already.
async fn people(config: &Config, making: &Path) -> anyhow::Result<()> {
    let mut there = config.clone();
    there.dir = making.to_path_buf();
    let directory = place::directory(&there).await?;
    let domain = Domain::parse(config.domain())?;
    if directory.find_domain(&domain).await?.is_none() {
        directory.add_domain(&domain).await?;
    }
    // Closed now, so that its log is gone before the files are moved.
    directory.database().rest();
    Ok(())
}

fn move_out(making: &Path, dir: &Path) -> anyhow::Result<()> {
    let failed = || format!("cannot finish {}; remove it and run init again", dir.display());
    let mut names: Vec<_> = fs::read_dir(making)
        .and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect::<std::io::Result<_>>())
        .with_context(failed)?;
    names.sort_by_key(|name| name == FILE_NAME);
    for name in names {
        fs::rename(making.join(&name), dir.join(&name)).with_context(failed)?;
    }
    sync_folder(dir)?;
    fs::remove_dir(making).with_context(failed)?;
    sync_folder(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings { domain: "example.org".into(), addresses: vec!["127.0.0.1".parse().unwrap()], ..Settings::default() }
    }

    #[tokio::test]
    async fn a_home_has_everything_and_no_marker() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("home");
        assert_eq!(look(&dir).unwrap(), Found::Nothing);
        create(&dir, &settings()).await.unwrap();
        assert_eq!(look(&dir).unwrap(), Found::Home);
        for path in [
            "hearth.toml",
            "identity.db",
            "tls/ca.pem",
            "tls/ca.key",
            "tls/node.pem",
            "tls/node.key",
            "dkim/example.org/rsa.key",
            "mail/journal",
            "run",
        ] {
            assert!(dir.join(path).exists(), "{path}");
        }
        let config = Config::load(&dir).unwrap();
        let domains = place::directory(&config).await.unwrap().list_domains().await.unwrap();
        assert_eq!(domains.iter().map(|domain| domain.name.to_string()).collect::<Vec<_>>(), ["example.org"]);
    }

    #[test]
    fn what_is_not_ours_is_left_alone() {
        let temp = tempfile::tempdir().unwrap();
        fs::write(temp.path().join("letter.txt"), "dear").unwrap();
        assert!(look(temp.path()).unwrap_err().to_string().contains("not empty and not a Hearth directory"));
    }

    #[test]
    fn an_interrupted_init_is_recognised() {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir(temp.path().join(INIT_MARKER)).unwrap();
        assert!(look(temp.path()).unwrap_err().to_string().contains("half initialised; remove it and run init again"));
    }

    #[tokio::test]
    async fn a_wrong_domain_writes_nothing() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("home");
        let wrong = Settings { domain: "Not A Domain".into(), ..settings() };
        assert!(create(&dir, &wrong).await.is_err());
        assert!(!dir.exists());
    }

    #[tokio::test]
    async fn a_path_too_long_for_sockets_is_refused_before_anything_is_written() {
        let long = |bytes: usize| Path::new("/").join("x".repeat(bytes - 1));
        let says = create(&long(DIR_BYTES_MAX + 1), &settings()).await.unwrap_err().to_string();
        assert!(says.contains("too long"), "{says}");
    }
}
