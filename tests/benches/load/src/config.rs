// SPDX-License-Identifier: AGPL-3.0-or-later
//! A server under test, described by one TOML file.
use serde::Deserialize;

#[derive(Clone, Debug, Deserialize)]
pub struct Server {
    pub name: String,
    #[serde(default)]
    pub users: Users,
    pub smtp: Option<Endpoint>,
    pub submission: Option<Endpoint>,
    pub imap: Option<Endpoint>,
    pub oidc: Option<Oidc>,
    pub keys: Option<Keys>,
    #[serde(default)]
    pub proc: Proc,
    #[serde(default)]
    pub sink: Sink,
}

/// `{n}` in `login` is replaced by the user number (0..count).
#[derive(Clone, Debug, Deserialize)]
pub struct Users {
    pub login: String,
    pub address: String,
    pub password: String,
    /// What each person's mail program signs in with, where that is another one.
    #[serde(default)]
    pub app_passwords: Vec<String>,
    pub count: usize,
}
impl Default for Users {
    fn default() -> Self {
        Users {
            login: "u{n}@bench.test".into(),
            address: "u{n}@bench.test".into(),
            password: "pw".into(),
            app_passwords: vec![],
            count: 50,
        }
    }
}
impl Users {
    pub fn login(&self, n: usize) -> String {
        self.login.replace("{n}", &(n % self.count).to_string())
    }
    pub fn mail_password(&self, n: usize) -> &str {
        self.app_passwords.get(n % self.count).unwrap_or(&self.password)
    }
    pub fn address(&self, n: usize) -> String {
        self.address.replace("{n}", &(n % self.count).to_string())
    }
}

#[derive(Clone, Debug, Deserialize)]
pub struct Endpoint {
    pub addr: String,
    /// "none", "starttls" or "implicit"
    #[serde(default = "none")]
    pub tls: String,
    #[serde(default = "localhost")]
    pub host: String,
}
fn none() -> String {
    "none".into()
}
fn localhost() -> String {
    "localhost".into()
}

#[derive(Clone, Debug, Deserialize)]
pub struct Oidc {
    pub discovery: Option<String>,
    pub authorize: Option<String>,
    pub token: String,
    pub userinfo: Option<String>,
    pub introspect: Option<String>,
    pub jwks: Option<String>,
    /// The page where somebody adds a passkey
    pub passkeys: Option<String>,
    pub client_id: String,
    #[serde(default)]
    pub client_secret: String,
    /// "basic", "post" or "none"
    #[serde(default = "basic")]
    pub client_auth: String,
    #[serde(default)]
    pub redirect_uri: String,
    #[serde(default = "openid")]
    pub scope: String,
    /// Scope for client_credentials ("" = leave it out).
    #[serde(default)]
    pub cc_scope: String,
    /// Extra form fields sent with every token request
    #[serde(default)]
    pub resource: String,
}
fn basic() -> String {
    "basic".into()
}
fn openid() -> String {
    "openid".into()
}

#[derive(Clone, Debug, Deserialize)]
pub struct Keys {
    pub wkd: Option<String>,
    pub hkp: Option<String>,
    pub hkp_add: Option<String>,
    pub vks_upload: Option<String>,
    /// Directory made by `loadgen genkeys` (holds index.tsv)
    pub dir: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct Proc {
    /// pid files of the root processes; their descendants are counted too
    #[serde(default)]
    pub pidfiles: Vec<String>,
    #[serde(default)]
    pub start: String,
    #[serde(default)]
    pub stop: String,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Sink {
    pub addr: String,
    pub domain: String,
}
impl Default for Sink {
    fn default() -> Self {
        Sink { addr: "127.0.0.1:31999".into(), domain: "sink.test".into() }
    }
}

pub fn load(path: &str) -> Result<Server, String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("{path}: {e}"))?;
    toml::from_str(&text).map_err(|e| format!("{path}: {e}"))
}

/// `--key value` / `--flag` arguments.
#[derive(Clone, Debug, Default)]
pub struct Args(pub std::collections::BTreeMap<String, String>);
impl Args {
    pub fn str(&self, k: &str, d: &str) -> String {
        self.0.get(k).cloned().unwrap_or_else(|| d.to_string())
    }
    pub fn num(&self, k: &str, d: usize) -> usize {
        match self.0.get(k) {
            None => d,
            Some(v) => {
                let (n, m) = match v.as_bytes().last() {
                    Some(b'k') => (&v[..v.len() - 1], 1024),
                    Some(b'm') => (&v[..v.len() - 1], 1 << 20),
                    _ => (&v[..], 1),
                };
                n.parse::<usize>().unwrap_or_else(|_| panic!("--{k}: not a number: {v}")) * m
            }
        }
    }
    /// Seconds and the like, with a fraction.
    pub fn real(&self, k: &str, d: f64) -> f64 {
        self.0.get(k).and_then(|v| v.parse().ok()).unwrap_or(d)
    }
    pub fn flag(&self, k: &str) -> bool {
        self.0.contains_key(k)
    }
    pub fn list(&self, k: &str) -> Option<Vec<String>> {
        self.0.get(k).map(|v| v.split(',').map(|s| s.to_string()).collect())
    }
}
