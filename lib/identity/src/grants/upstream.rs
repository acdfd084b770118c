// SPDX-License-Identifier: AGPL-3.0-or-later
//! Apps of the household behind its own front door: clients that say where their app is.

use serde_json::Value;

use super::Client;
use super::scope;
use crate::Directory;
use crate::error::{Error, Result};

/// The member of a client's metadata that says where its app is: `http://HOST:PORT`.
pub const UPSTREAM: &str = "hearth_upstream";
/// Where the app's own host leads back from the sign-in.
pub const CALLBACK: &str = "/.hearth/callback";

impl Client {
    /// Where its app is, when the front door leads there.
    pub fn upstream(&self) -> Option<String> {
        upstream(&self.metadata)
    }
}

impl Directory {
    /// The hosts of the apps behind the front door.
    pub async fn list_app_hosts(&self) -> Result<Vec<String>> {
        let clients = self
            .scan(|tx| {
                Ok(tx.query("SELECT redirect_uris, metadata FROM client WHERE NOT disabled", &[], |row| {
                    Ok((row.get::<String>(0)?, row.get::<String>(1)?))
                })?)
            })
            .await?;
        let apps = clients.into_iter().filter(|(_, metadata)| upstream(metadata).is_some());
        Ok(apps.flat_map(|(uris, _)| scope::parse(&uris).iter().filter_map(|uri| host_of(uri)).collect::<Vec<_>>()).collect())
    }
}

fn upstream(metadata: &str) -> Option<String> {
    // Most have none; those are not parsed.
    let chosen: Value = metadata.contains(UPSTREAM).then(|| serde_json::from_str(metadata).ok())??;
    chosen[UPSTREAM].as_str().map(str::to_owned)
}

fn host_of(uri: &str) -> Option<String> {
    let authority = uri.strip_prefix("https://")?.strip_suffix(CALLBACK)?;
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    Some(host.to_ascii_lowercase())
}

/// Where an app is, as it was typed: a host or an address of the household's network, with a port; no path, for the app
/// keeps its own.
pub fn check_upstream(text: &str) -> Result<String> {
    let sound = text.strip_prefix("http://").map(|rest| rest.trim_end_matches('/')).filter(|rest| {
        let (host, port) = rest.rsplit_once(':').unwrap_or((rest, "80"));
        let letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']');
        !host.is_empty() && host.bytes().all(letter) && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    match sound {
        Some(rest) => Ok(format!("http://{rest}")),
        None => Err(Error::Invalid(format!("{text:?} is not where an app can be; write it as http://127.0.0.1:8096"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_an_app_can_be() {
        for good in ["http://127.0.0.1:8096", "http://[::1]:80", "http://films.lan"] {
            assert_eq!(check_upstream(good).unwrap(), good);
        }
        assert_eq!(check_upstream("http://10.0.0.2:80/").unwrap(), "http://10.0.0.2:80");
        for bad in
            ["127.0.0.1:80", "https://a", "http://", "http://a:0", "http://a:65536", "http://a/b", "http://u@a", "http://a b"]
        {
            assert!(check_upstream(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_host_of_an_app() {
        assert_eq!(host_of("https://Films.home.example:10443/.hearth/callback"), Some("films.home.example".into()));
        assert_eq!(host_of("https://films.home.example/.hearth/callback"), Some("films.home.example".into()));
        assert_eq!((host_of("https://films.home.example/cb"), host_of("http://films/.hearth/callback")), (None, None));
    }
}
