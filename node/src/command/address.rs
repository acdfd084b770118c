// SPDX-License-Identifier: AGPL-3.0-or-later
//! `hearth address`: further addresses of an account.

use serde_json::{Value, json};

use crate::cli::AddressCommand;
use crate::out::Out;
use crate::place::{Place, account, parse_address};

/// Runs it.
pub async fn run(place: &Place, command: AddressCommand, out: &Out) -> anyhow::Result<()> {
    let directory = place.directory().await?;
    match command {
        AddressCommand::Add { account: who, address } => {
            let account = account(&directory, &who).await?;
            let address = parse_address(&address)?;
            directory.add_address(account.id, &address).await?;
            out.result(
                &json!({ "address": address.to_string(), "account": account.primary.to_string() }),
                format!("{address} leads to {} now.", account.primary),
            );
        }
        AddressCommand::Remove { address } => {
            let address = parse_address(&address)?;
            directory.remove_address(&address).await?;
            out.result(&json!({ "address": address.to_string() }), format!("{address} is gone."));
        }
        AddressCommand::List { account: who } => {
            let accounts = match who {
                Some(who) => vec![account(&directory, &who).await?],
                None => directory.list_accounts().await?,
            };
            let mut rows = Vec::new();
            for account in accounts {
                for entry in directory.list_addresses(account.id).await? {
                    let primary = entry.address.key() == account.primary.key();
                    rows.push(
                        json!({ "address": entry.address.to_string(), "account": account.primary.to_string(), "primary": primary }),
                    );
                }
            }
            let rows: Vec<Value> = rows;
            out.table(
                &rows,
                &["address", "account", "primary"],
                "There are no addresses yet. Add somebody: hearth account add NAME@DOMAIN",
            );
        }
    }
    Ok(())
}
