// SPDX-License-Identifier: AGPL-3.0-or-later
//! An app behind the home's own front door: `--preset forward-auth --url https://films.home.example --upstream http://127.0.0.1:8096`.

use std::net::IpAddr;

use anyhow::bail;
use hearth_boot::Config;
use hearth_identity::Directory;
use hearth_identity::grants::upstream::{UPSTREAM, check_upstream};
use serde_json::{Value, json};

use crate::cli::ClientAddArgs;

/// Says where the app is, when its preset wants that.
pub async fn choose(
    config: &Config,
    directory: &Directory,
    args: &ClientAddArgs,
    wants: bool,
    url: &str,
    metadata: &mut Value,
) -> anyhow::Result<()> {
    match (&args.upstream, wants) {
        (None, false) => Ok(()),
        (None, true) => bail!("say where the app is: --upstream http://127.0.0.1:8096"),
        (Some(_), false) => bail!("--upstream goes with --preset forward-auth"),
        (Some(upstream), true) => {
            let domains = directory.list_domains().await?;
            check_url(config, domains.iter().map(|domain| domain.name.as_str()), url)?;
            metadata[UPSTREAM] = json!(check_upstream(upstream)?);
            Ok(())
        }
    }
}

/// A name of its own, at the front door's port, by HTTPS: its cookie belongs to that host alone.
fn check_url<'d>(config: &Config, mut domains: impl Iterator<Item = &'d str>, url: &str) -> anyhow::Result<()> {
    let host = host_of(url);
    let films = format!("films.{}", config.domain());
    if config.https_url(host, "") != url {
        bail!("--url {url:?}: the front door of this home answers at {}", config.https_url(host, ""));
    }
    if !host.contains('.') || host.parse::<IpAddr>().is_ok() {
        bail!("--url {url:?}: an app has a name of its own, such as {}", config.https_url(&films, ""));
    }
    if domains.any(|domain| config.names(domain).iter().any(|name| name == host)) {
        bail!("--url {url:?}: {host} is the home itself; give the app a name of its own, such as {films}");
    }
    Ok(())
}

fn host_of(url: &str) -> &str {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = authority.split('/').next().unwrap_or_default();
    authority.rsplit_once(':').map_or(authority, |(host, _)| host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_has_a_name_of_its_own_at_the_front_door() {
        let check = |offset: u16, url: &str| {
            let text =
                format!("[home]\ndomain = \"home.example\"\n[listen]\naddresses = [\"127.0.0.1\"]\nport_offset = {offset}\n");
            let config = Config::from_text(std::path::Path::new("/nowhere"), &text, []).unwrap();
            check_url(&config, ["home.example", "second.example"].into_iter(), url)
        };
        assert!(check(0, "https://films.home.example").is_ok());
        assert!(check(0, "https://films.other.example").is_ok());
        assert!(check(10_000, "https://films.home.example:10443").is_ok());
        for bad in [
            "http://films.home.example",
            "https://films.home.example:8443",
            "https://films.home.example/sub",
            "https://id.home.example",
            "https://home.example",
            "https://id.second.example",
            "https://films",
            "https://192.0.2.1",
        ] {
            assert!(check(0, bad).is_err(), "{bad}");
        }
        assert!(check(10_000, "https://films.home.example").is_err());
    }
}
