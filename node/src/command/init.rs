// SPDX-License-Identifier: AGPL-3.0-or-later
//! `hearth init`: a new home.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use hearth_boot::Config;
use hearth_identity::directory::{Kind, NewAccount};
use hearth_types::{Address, Secret};
use serde_json::json;

use crate::cli::{CaChoice, InitArgs};
use crate::gate::{OpenGate, refused};
use crate::init::{self, Found, Settings};
use crate::out::Out;
use crate::place::{self, chosen};
use crate::prompt;

/// Runs it.
pub async fn run(dir: Option<&Path>, args: InitArgs, out: &Out) -> anyhow::Result<()> {
    let dir = chosen(dir)?;
    if args.ca == CaChoice::Acme {
        bail!("certificates by ACME are not there yet; leave --ca out to use the node's own authority");
    }
    let domain = args.domain.trim_end_matches('.').to_ascii_lowercase();
    // Checked before anything is written.
    let admin = args.admin.as_deref().map(|name| parse_admin(name, &domain)).transpose()?;
    if init::look(&dir)? == Found::Home {
        bail!("{} is already set up; start it with: hearth up --dir {}", dir.display(), dir.display());
    }
    let settings = Settings {
        domain,
        hostname: args.hostname.map(|name| name.trim_end_matches('.').to_ascii_lowercase()).unwrap_or_default(),
        addresses: args.address,
        port_offset: args.port_offset,
        dns: args.dns,
        postgres: args.postgres.unwrap_or_default(),
        extra_roots: args.extra_root.iter().map(absolute).collect::<anyhow::Result<_>>()?,
    };
    let config = init::create(&dir, &settings).await?;
    let password = match &admin {
        Some(address) => Some(add_admin(&config, address).await?),
        None => None,
    };
    let mut value = json!({ "dir": dir, "domain": config.domain(), "issuer": config.issuer(), "ca": config.path("tls/ca.pem") });
    let mut lines = format!("{} is set up for {}.\n", dir.display(), config.domain());
    if let (Some(address), Some(password)) = (&admin, &password) {
        value["admin"] = json!({ "address": address.to_string(), "password": password.expose() });
        lines.push_str(&format!("{address} may change it; the password, shown once, is: {}\n", password.expose()));
    }
    lines.push_str(&format!(
        "Next:\n  hearth up --dir {0}                 start it\n  hearth domain records --dir {0}     what to publish in DNS\n",
        dir.display()
    ));
    out.result(&value, lines);
    Ok(())
}

/// A name, or an address in the domain of the home.
fn parse_admin(text: &str, domain: &str) -> anyhow::Result<Address> {
    let whole = if text.contains('@') { text.to_owned() } else { format!("{text}@{domain}") };
    let address = place::parse_address(&whole)?;
    if address.domain().as_str() != domain {
        bail!("{address} is not in {domain}; write --admin NAME@{domain}");
    }
    Ok(address)
}

fn absolute(path: &PathBuf) -> anyhow::Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("{} is no path", path.display()))
}

async fn add_admin(config: &Config, address: &Address) -> anyhow::Result<Secret<String>> {
    let directory = place::directory(config).await?;
    let new = NewAccount { address: address.clone(), kind: Kind::Person, name: String::new(), admin: true };
    let account = directory.add_account(new).await?;
    let password = prompt::generate()?;
    let gate = OpenGate::open(config).await?;
    let set = gate.gate().set_password(account.id, Some(&password)).await.map_err(refused);
    gate.close().await;
    set?;
    Ok(password)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_admin_is_a_name_or_an_address_of_this_home() {
        for name in ["alice", "alice@home.example", "alice@HOME.example"] {
            assert_eq!(parse_admin(name, "home.example").unwrap().to_string(), "alice@home.example", "{name}");
        }
        for name in ["", "@", "a b", "alice@", "@home.example", "alice@elsewhere.example", "alice@home.example@home.example"] {
            assert!(parse_admin(name, "home.example").is_err(), "{name}");
        }
    }
}
