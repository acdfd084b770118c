// SPDX-License-Identifier: AGPL-3.0-or-later
//! Who may read what must be kept.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use hearth_boot::Config;

use super::Finding;
use crate::limits::MAILBOXES_LOOKED_AT_MAX;

/// Below the data directory.
const SECRETS: [&str; 7] = ["hearth.toml", "tls/ca.key", "tls/node.key", "vault.key", "vault.db", "identity.db", "queue/queue.db"];

/// Keys are for their owner alone, and everything belongs to who asks.
pub(super) fn permissions(config: &Config) -> Finding {
    let owner = fs::metadata(&config.dir).map(|facts| facts.uid()).ok();
    for path in secrets(config) {
        let Ok(facts) = fs::metadata(&path) else { continue };
        if facts.permissions().mode() & 0o077 != 0 {
            return Finding::wrong(
                "permissions",
                format!("{} can be read by others", path.display()),
                format!("chmod 600 {}", path.display()),
            );
        }
        if Some(facts.uid()) != owner {
            let says = format!("{} does not belong to the owner of {}", path.display(), config.dir.display());
            return Finding::wrong("permissions", says, format!("chown --reference={} {}", config.dir.display(), path.display()));
        }
    }
    Finding::fine("permissions", "keys and databases can be read by their owner alone")
}

/// What holds a secret, or somebody's mail.
fn secrets(config: &Config) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = SECRETS.iter().map(|name| config.path(name)).collect();
    for domain in folders(&config.path("dkim")) {
        all.extend(["rsa.key", "ed25519.key"].map(|name| domain.join(name)));
    }
    let accounts = folders(&config.path("mail")).into_iter().flat_map(|shelf| folders(&shelf));
    for account in accounts.take(MAILBOXES_LOOKED_AT_MAX) {
        all.extend(["mail.db", "search.db"].map(|name| account.join(name)));
    }
    all
}

/// What lies in a folder, in its order; nothing when it is not there.
fn folders(place: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        fs::read_dir(place).map(|all| all.flatten().map(|entry| entry.path()).collect()).unwrap_or_default();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::super::tests::config;
    use super::*;

    #[test]
    fn each_file_that_others_may_read_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path());
        for name in [
            "hearth.toml",
            "tls/ca.key",
            "tls/node.key",
            "vault.key",
            "vault.db",
            "identity.db",
            "queue/queue.db",
            "dkim/home.localhost/rsa.key",
            "dkim/home.localhost/ed25519.key",
            "mail/92/1m8qrbbxrzf92/mail.db",
            "mail/92/1m8qrbbxrzf92/search.db",
            "mail/wy/1m8qrt261mmwy/mail.db",
        ] {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "secret").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            assert!(permissions(&config).ok, "{name}");
            for mode in [0o640, 0o604, 0o660] {
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
                let finding = permissions(&config);
                assert!(!finding.ok && finding.step == format!("chmod 600 {}", path.display()), "{name}: {finding:?}");
            }
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }
    }

    #[test]
    fn so_many_mailboxes_are_looked_at() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path());
        let open = |number: usize| {
            let folder = dir.path().join(format!("mail/aa/{number:05}"));
            fs::create_dir_all(&folder).unwrap();
            let mail = folder.join("mail.db");
            fs::write(&mail, "mail").unwrap();
            fs::set_permissions(&mail, fs::Permissions::from_mode(0o644)).unwrap();
            mail
        };
        for number in 0..MAILBOXES_LOOKED_AT_MAX {
            fs::create_dir_all(dir.path().join(format!("mail/aa/{number:05}"))).unwrap();
        }
        open(MAILBOXES_LOOKED_AT_MAX);
        assert!(permissions(&config).ok, "beyond the bound");
        open(MAILBOXES_LOOKED_AT_MAX - 1);
        assert!(!permissions(&config).ok);
    }
}
