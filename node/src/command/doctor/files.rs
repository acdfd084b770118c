// SPDX-License-Identifier: AGPL-3.0-or-later
//! Who may read what must be kept.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;

use hearth_boot::Config;

use super::Finding;

/// Keys are for their owner alone, and everything belongs to who asks.
pub(super) fn permissions(config: &Config) -> Finding {
    let mut secrets: Vec<PathBuf> =
        vec![config.path("tls/ca.key"), config.path("tls/node.key"), config.path("vault.db"), config.path("hearth.toml")];
    if let Ok(domains) = fs::read_dir(config.path("dkim")) {
        for domain in domains.flatten() {
            secrets.extend(["rsa.key", "ed25519.key"].map(|name| domain.path().join(name)));
        }
    }
    let owner = fs::metadata(&config.dir).map(|facts| facts.uid()).ok();
    for path in secrets {
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
    Finding::fine("permissions", "keys can be read by their owner alone")
}

#[cfg(test)]
mod tests {
    use super::super::tests::config;
    use super::*;

    #[test]
    fn a_key_that_others_may_read_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path());
        fs::create_dir(dir.path().join("tls")).unwrap();
        let key = dir.path().join("tls/node.key");
        fs::write(&key, "secret").unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(permissions(&config).ok);
        fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
        let finding = permissions(&config);
        assert!(!finding.ok && finding.step.starts_with("chmod 600 "), "{finding:?}");
    }
}
