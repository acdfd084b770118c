// SPDX-License-Identifier: AGPL-3.0-or-later
//! `hearth alias`: addresses that lead to other addresses.

use anyhow::{anyhow, bail};
use hearth_types::{Address, Domain};
use serde_json::{Value, json};

use crate::cli::AliasCommand;
use crate::out::Out;
use crate::place::{Place, account, parse_address};

/// Runs it.
pub async fn run(place: &Place, command: AliasCommand, out: &Out) -> anyhow::Result<()> {
    let directory = place.directory().await?;
    match command {
        AliasCommand::Add { address, targets } if wildcard(&address).is_some() => {
            let ([target], Some(domain)) = (targets.as_slice(), wildcard(&address)) else {
                bail!("{address} leads to one account; for several make a group: hearth group add GROUP MEMBERS");
            };
            let (domain, account) = (parse_domain(domain)?, account(&directory, target).await?);
            directory.change_catch_all(&domain, Some(account.id)).await?;
            out.result(
                &json!({ "address": address, "targets": [account.primary.to_string()] }),
                format!("Whatever is addressed to {domain} and leads nowhere else leads to {} now.", account.primary),
            );
        }
        AliasCommand::Remove { address } if wildcard(&address).is_some() => {
            let domain = parse_domain(wildcard(&address).unwrap_or_default())?;
            directory.change_catch_all(&domain, None).await?;
            out.result(&json!({ "address": address }), format!("{address} is gone."));
        }
        AliasCommand::Add { address, targets } => {
            let address = parse_address(&address)?;
            let targets: Vec<Address> = targets.iter().map(|target| parse_address(target)).collect::<anyhow::Result<_>>()?;
            directory.add_alias(&address, &targets).await?;
            let names: Vec<String> = targets.iter().map(ToString::to_string).collect();
            out.result(
                &json!({ "address": address.to_string(), "targets": names }),
                format!("{address} leads to {} now.", names.join(", ")),
            );
        }
        AliasCommand::Remove { address } => {
            let address = parse_address(&address)?;
            directory.remove_alias(&address).await?;
            out.result(&json!({ "address": address.to_string() }), format!("{address} is gone."));
        }
        AliasCommand::List => {
            let aliases = directory.list_aliases().await?;
            let mut rows: Vec<Value> = aliases
                .iter()
                .map(|alias| {
                    let targets: Vec<String> = alias.targets.iter().map(ToString::to_string).collect();
                    json!({ "address": alias.address.to_string(), "targets": targets })
                })
                .collect();
            for domain in directory.list_domains().await? {
                let Some(account) = domain.catch_all else { continue };
                let target = directory.find_account(account).await?.map(|account| account.primary.to_string());
                rows.push(json!({ "address": format!("*@{}", domain.name), "targets": target }));
            }
            out.table(&rows, &["address", "targets"], "There are no aliases.");
        }
    }
    Ok(())
}

/// The domain of `*@domain`.
fn wildcard(address: &str) -> Option<&str> {
    address.strip_prefix("*@")
}

fn parse_domain(domain: &str) -> anyhow::Result<Domain> {
    Domain::parse(domain).map_err(|error| anyhow!("{domain:?} is not a domain: {error}"))
}
