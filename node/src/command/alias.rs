// SPDX-License-Identifier: AGPL-3.0-or-later
//! `hearth alias`: addresses that lead to other addresses.

use hearth_types::Address;
use serde_json::{Value, json};

use crate::cli::AliasCommand;
use crate::out::Out;
use crate::place::{Place, parse_address};

/// Runs it.
pub async fn run(place: &Place, command: AliasCommand, out: &Out) -> anyhow::Result<()> {
    let directory = place.directory().await?;
    match command {
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
            let rows: Vec<Value> = aliases
                .iter()
                .map(|alias| {
                    let targets: Vec<String> = alias.targets.iter().map(ToString::to_string).collect();
                    json!({ "address": alias.address.to_string(), "targets": targets })
                })
                .collect();
            out.table(&rows, &["address", "targets"], "There are no aliases.");
        }
    }
    Ok(())
}
