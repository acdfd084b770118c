// SPDX-License-Identifier: AGPL-3.0-or-later
//! `DIR/hearth.toml`: what must be known before the stores open.
//!
//! Enters: the file's text and the environment. Leaves: a [`Config`] that has been checked, or a [`ConfigError`]
//! whose one line says what is wrong and what to do. Everything else that can be set lives in the stores.

mod check;
mod env;
mod error;
mod sections;

use std::fs;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use crate::limits::CONFIG_BYTES_MAX;
pub use error::ConfigError;
pub use sections::{Ca, Dns, Dnssec, Engine, Fetch, File, Home, Ldap, Limits, Listen, Log, LogFormat, Process, Smtp, Store, Tls};

/// The file's name inside the data directory.
pub const FILE_NAME: &str = "hearth.toml";
/// While this directory exists, `hearth init` has not finished.
pub const INIT_MARKER: &str = ".init";

/// The configuration of a node: its directory and the sections of `hearth.toml`.
#[derive(Clone, Debug)]
pub struct Config {
    /// The data directory, absolute.
    pub dir: PathBuf,
    /// Who this home is.
    pub home: Home,
    /// Where it listens.
    pub listen: Listen,
    /// Whom it asks for names.
    pub dns: Dns,
    /// Certificates.
    pub tls: Tls,
    /// Where the data is kept.
    pub store: Store,
    /// How much is accepted.
    pub limits: Limits,
    /// Whose mail is taken, and how it is judged.
    pub smtp: Smtp,
    /// Whom we ask for what others publish.
    pub fetch: Fetch,
    /// A directory for programs that know nothing newer.
    pub ldap: Ldap,
    /// What is written down.
    pub log: Log,
    /// The processes' rights.
    pub process: Process,
}

impl Config {
    /// Reads `dir/hearth.toml` and the environment.
    pub fn load(dir: &Path) -> Result<Self, ConfigError> {
        let text = read(dir)?;
        Self::from_text(dir, &text, std::env::vars())
    }

    /// The same from values: how tests and `hearth doctor` look at a configuration.
    pub fn from_text(dir: &Path, text: &str, variables: impl IntoIterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        let path = dir.join(FILE_NAME);
        let file: File = toml::from_str(text).map_err(|error| ConfigError::syntax(&path, text, &error))?;
        let file = env::overridden(file, variables)?;
        check::check(&file)?;
        let File { home, listen, dns, tls, store, limits, smtp, fetch, ldap, log, process } = file;
        Ok(Self { dir: dir.to_path_buf(), home, listen, dns, tls, store, limits, smtp, fetch, ldap, log, process })
    }

    /// The home's domain, in lower case.
    pub fn domain(&self) -> &str {
        &self.home.domain
    }

    /// The name the machine greets with: `home.hostname`, or `mail.<domain>`.
    pub fn hostname(&self) -> String {
        if self.home.hostname.is_empty() { format!("mail.{}", self.home.domain) } else { self.home.hostname.clone() }
    }

    /// A path inside the data directory.
    pub fn path(&self, below: &str) -> PathBuf {
        self.dir.join(below)
    }

    /// A path inside `DIR/run`, where sockets live.
    pub fn run_path(&self, below: &str) -> PathBuf {
        self.dir.join("run").join(below)
    }

    /// The port of a service: the standard one plus the offset.
    pub fn port(&self, standard: u16) -> u16 {
        // check::check has seen that the highest standard port plus the offset fits.
        standard.saturating_add(self.listen.port_offset)
    }

    /// The socket addresses of a service.
    pub fn addresses(&self, standard: u16) -> Vec<SocketAddr> {
        self.listen.addresses.iter().map(|ip| SocketAddr::new(*ip, self.port(standard))).collect()
    }

    /// The address a program on this machine connects to.
    pub fn local_address(&self, standard: u16) -> SocketAddr {
        let ip = match self.listen.addresses.first() {
            Some(ip) if !ip.is_unspecified() => *ip,
            _ => IpAddr::V4(Ipv4Addr::LOCALHOST),
        };
        SocketAddr::new(ip, self.port(standard))
    }

    /// The issuer of OpenID Connect: `https://id.<domain>`, with the port when it is not 443 and without a final slash.
    pub fn issuer(&self) -> String {
        self.https_url(&format!("id.{}", self.home.domain), "")
    }

    /// Bytes of mail that an account may keep when nothing else was said for it.
    pub fn quota_bytes(&self) -> Option<u64> {
        Some(self.limits.quota_bytes).filter(|bytes| *bytes > 0)
    }

    /// `https://<host>[:port]<path>`.
    pub fn https_url(&self, host: &str, path: &str) -> String {
        match self.port(443) {
            443 => format!("https://{host}{path}"),
            port => format!("https://{host}:{port}{path}"),
        }
    }

    /// The names of the node for `domain`, as its certificate carries them.
    pub fn names(&self, domain: &str) -> Vec<String> {
        let below = ["mail", "id", "openpgpkey", "keys", "mta-sts", "autoconfig"];
        let mut names: Vec<String> =
            std::iter::once(domain.to_owned()).chain(below.iter().map(|b| format!("{b}.{domain}"))).collect();
        let hostname = self.hostname();
        if !names.contains(&hostname) {
            names.push(hostname);
        }
        names
    }
}

fn read(dir: &Path) -> Result<String, ConfigError> {
    if dir.join(INIT_MARKER).exists() {
        return Err(ConfigError::HalfInitialised { dir: dir.to_path_buf() });
    }
    let path = dir.join(FILE_NAME);
    let file = fs::File::open(&path).map_err(|error| ConfigError::open(dir, &path, &error))?;
    let mut text = String::new();
    file.take(CONFIG_BYTES_MAX).read_to_string(&mut text).map_err(|error| ConfigError::open(dir, &path, &error))?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::from_text(Path::new("/srv/hearth"), text, variables)
    }

    const SMALL: &str = "[home]\ndomain = \"example.org\"\n";

    #[test]
    fn a_domain_is_enough() {
        let config = load(SMALL, &[]).unwrap();
        assert_eq!(config.hostname(), "mail.example.org");
        assert_eq!(config.issuer(), "https://id.example.org");
        assert_eq!(config.port(993), 993);
        assert_eq!(config.limits.message_size_bytes_max, 50 * 1024 * 1024);
        assert_eq!(config.run_path("gate.sock"), Path::new("/srv/hearth/run/gate.sock"));
    }

    #[test]
    fn the_offset_moves_every_port_and_shows_in_the_issuer() {
        let config = load(&format!("{SMALL}[listen]\naddresses = [\"127.0.0.1\"]\nport_offset = 10000\n"), &[]).unwrap();
        assert_eq!(config.addresses(143), vec!["127.0.0.1:10143".parse().unwrap()]);
        assert_eq!(config.issuer(), "https://id.example.org:10443");
    }

    #[test]
    fn an_unknown_key_is_an_error_of_one_line_that_names_the_line() {
        let error = load(&format!("{SMALL}colour = \"red\"\n"), &[]).unwrap_err().to_string();
        assert!(error.contains("line 3") && error.contains("colour"), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }

    #[test]
    fn an_unknown_section_is_an_error() {
        let error = load(&format!("{SMALL}[colours]\na = 1\n"), &[]).unwrap_err().to_string();
        assert!(error.contains("colours"), "{error}");
    }

    #[test]
    fn the_environment_overrides_every_kind_of_value() {
        let config = load(
            SMALL,
            &[
                ("HEARTH_LISTEN__PORT_OFFSET", "2000"),
                ("HEARTH_HOME__HOSTNAME", "mx.example.org"),
                ("HEARTH_LISTEN__ADDRESSES", "127.0.0.2, ::1"),
                ("HEARTH_LOG__FORMAT", "json"),
                ("HEARTH_DIR", "/elsewhere"),
            ],
        )
        .unwrap();
        assert_eq!(config.port(25), 2025);
        assert_eq!(config.hostname(), "mx.example.org");
        assert_eq!(config.listen.addresses.len(), 2);
        assert_eq!(config.log.format, LogFormat::Json);
    }

    #[test]
    fn an_unknown_variable_and_a_wrong_value_are_named() {
        let unknown = load(SMALL, &[("HEARTH_LISTEN__COLOUR", "red")]).unwrap_err().to_string();
        assert!(unknown.contains("HEARTH_LISTEN__COLOUR"), "{unknown}");
        let wrong = load(SMALL, &[("HEARTH_LISTEN__PORT_OFFSET", "many")]).unwrap_err().to_string();
        assert!(wrong.contains("HEARTH_LISTEN__PORT_OFFSET") && wrong.contains("number"), "{wrong}");
    }

    #[test]
    fn the_highest_port_must_fit() {
        let at = |offset: u32| load(&format!("{SMALL}[listen]\nport_offset = {offset}\n"), &[]);
        assert!(at(61_345).is_ok());
        assert!(at(61_346).unwrap_err().to_string().contains("port_offset"));
    }

    #[test]
    fn postgres_needs_a_url() {
        let error = load(&format!("{SMALL}[store]\nengine = \"postgres\"\n"), &[]).unwrap_err().to_string();
        assert!(error.contains("store.url"), "{error}");
    }

    #[test]
    fn a_missing_directory_a_missing_file_and_a_half_initialised_one_differ() {
        let dir = tempfile::tempdir().unwrap();
        let missing = Config::load(&dir.path().join("nowhere")).unwrap_err();
        assert!(matches!(missing, ConfigError::NoDirectory { .. }), "{missing}");
        let bare = Config::load(dir.path()).unwrap_err();
        assert!(matches!(bare, ConfigError::NotInitialised { .. }), "{bare}");
        fs::create_dir(dir.path().join(INIT_MARKER)).unwrap();
        let half = Config::load(dir.path()).unwrap_err();
        assert!(half.to_string().contains("half initialised; remove it and run init again"), "{half}");
    }
}
