// SPDX-License-Identifier: AGPL-3.0-or-later
//! `hearth address`: further addresses of an account.

use hearth_identity::Directory;
use hearth_identity::directory::Masked;
use serde_json::{Value, json};

use crate::cli::AddressCommand;
use crate::gate::tell;
use crate::out::Out;
use crate::place::{Place, account, parse_address};

/// Runs it.
pub async fn run(place: &Place, command: AddressCommand, out: &Out) -> anyhow::Result<()> {
    let directory = place.directory().await?;
    match command {
        AddressCommand::Add { account: who, address, again } => {
            let account = account(&directory, &who).await?;
            let address = parse_address(&address)?;
            if again {
                directory.forget_former_address(&address).await?;
            }
            directory.add_address(account.id, &address).await?;
            tell(&place.config, account.id, "address.added", &address.to_string()).await;
            out.result(
                &json!({ "address": address.to_string(), "account": account.primary.to_string() }),
                format!("{address} leads to {} now.", account.primary),
            );
        }
        AddressCommand::Mask { account: who, label, open } => {
            let account = account(&directory, &who).await?;
            let masked = directory.add_masked(account.id, account.primary.domain(), &label, !open).await?;
            let who = if open { "everybody may write to it" } else { "the first who writes to it is the only one who may" };
            out.result(&describe(&masked), format!("{}\nleads to {}; {who}.", masked.address, account.primary));
        }
        AddressCommand::Masks { account: who } => {
            let account = account(&directory, &who).await?;
            let rows: Vec<Value> = directory.list_masked(account.id).await?.iter().map(describe).collect();
            out.table(
                &rows,
                &["address", "for", "from", "off"],
                "There are none. Make one: hearth address mask ACCOUNT --for WHOM",
            );
        }
        AddressCommand::Off { address } => switch(&directory, &address, true, out).await?,
        AddressCommand::On { address } => switch(&directory, &address, false, out).await?,
        AddressCommand::Remove { address } => {
            let address = parse_address(&address)?;
            let owner = directory.find_account_by_address(&address).await?;
            directory.remove_address(&address).await?;
            if let Some(owner) = owner {
                tell(&place.config, owner.id, "address.removed", &address.to_string()).await;
            }
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

async fn switch(directory: &Directory, address: &str, off: bool, out: &Out) -> anyhow::Result<()> {
    let address = parse_address(address)?;
    directory.change_masked(&address, off).await?;
    let says = if off { "takes no mail now" } else { "takes mail again" };
    out.result(&json!({ "address": address.to_string(), "off": off }), format!("{address} {says}."));
    Ok(())
}

fn describe(masked: &Masked) -> Value {
    let from = match &masked.locked_to {
        Some(domain) => domain.to_string(),
        None if masked.locks => "the first".to_owned(),
        None => "everybody".to_owned(),
    };
    json!({ "address": masked.address.to_string(), "for": masked.label, "from": from, "off": masked.off })
}
