// SPDX-License-Identifier: AGPL-3.0-or-later
//! The text of a new `hearth.toml`.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use toml::Value;

/// What a new home is.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The domain of the people's addresses.
    pub domain: String,
    /// The machine's name; empty for `mail.<domain>`.
    pub hostname: String,
    /// Where it listens; empty for everywhere.
    pub addresses: Vec<IpAddr>,
    /// Added to every port.
    pub port_offset: u16,
    /// Name servers; empty for the system's.
    pub dns: Vec<SocketAddr>,
    /// Where PostgreSQL keeps the data; empty for files.
    pub postgres: String,
    /// Roots to trust beside the public ones.
    pub extra_roots: Vec<PathBuf>,
}

impl Settings {
    /// The file's text.
    pub fn to_toml(&self) -> String {
        let hostname = if self.hostname.is_empty() { format!("mail.{}", self.domain) } else { self.hostname.clone() };
        let addresses =
            if self.addresses.is_empty() { vec!["0.0.0.0".to_owned(), "::".to_owned()] } else { texts(&self.addresses) };
        let roots: Vec<String> = self.extra_roots.iter().map(|path| path.display().to_string()).collect();
        format!(
            "# What must be known before the stores open. All else is changed with the hearth command while it runs.
# Every key can be overridden by an environment variable, for example HEARTH_LISTEN__PORT_OFFSET=10000.

[home]
# The domain of the people's addresses. It names the issuer of logins too: it does not change later.
domain = {}
# The name that the machine greets with and that its MX record names.
hostname = {}

[listen]
addresses = {}
# Added to every standard port.
port_offset = {}

[dns]
# Name servers as \"IP:port\"; none for those of the system.
servers = {}

[tls]
# \"self\": the node's own certificate authority (tls/ca.pem) signs.
ca = \"self\"
# PEM files of certificates that are trusted beside the public authorities.
extra_roots = {}

[store]
# \"sqlite\": files in this directory. \"postgres\" needs url = \"postgres://user@host/database\".
engine = {}
url = {}
",
            text(&self.domain),
            text(&hostname),
            list(&addresses),
            self.port_offset,
            list(&texts(&self.dns)),
            list(&roots),
            text(if self.postgres.is_empty() { "sqlite" } else { "postgres" }),
            text(&self.postgres),
        )
    }
}

fn texts<T: ToString>(values: &[T]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

fn text(value: &str) -> String {
    Value::String(value.to_owned()).to_string()
}

fn list(values: &[String]) -> String {
    Value::Array(values.iter().cloned().map(Value::String).collect()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_boot::Config;
    use std::path::Path;

    #[test]
    fn what_is_written_is_read() {
        let settings = Settings {
            domain: "example.org".into(),
            hostname: String::new(),
            addresses: vec!["127.0.0.2".parse().unwrap()],
            port_offset: 10_000,
            dns: vec!["127.0.0.1:5353".parse().unwrap()],
            postgres: "postgres://hearth@localhost/home".into(),
            extra_roots: vec!["/etc/a \"quoted\"\\path.pem".into()],
        };
        let config = Config::from_text(Path::new("/srv/hearth"), &settings.to_toml(), []).unwrap();
        assert_eq!(config.domain(), settings.domain);
        assert_eq!(config.hostname(), "mail.example.org");
        assert_eq!(config.listen.addresses, settings.addresses);
        assert_eq!(config.listen.port_offset, 10_000);
        assert_eq!(config.dns.servers, settings.dns);
        assert_eq!(config.tls.extra_roots, settings.extra_roots);
        assert_eq!(config.store.engine, hearth_boot::config::Engine::Postgres);
        assert_eq!(config.store.url, settings.postgres);
        let files = Settings { postgres: String::new(), ..settings };
        let config = Config::from_text(Path::new("/srv/hearth"), &files.to_toml(), []).unwrap();
        assert_eq!(config.store.engine, hearth_boot::config::Engine::Sqlite);
    }
}
