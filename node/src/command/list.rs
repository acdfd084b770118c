// SPDX-License-Identifier: AGPL-3.0-or-later
//! `hearth list`: mailing lists.

use hearth_identity::directory::{List, Posting};
use serde_json::{Value, json};

use crate::cli::ListCommand;
use crate::out::Out;
use crate::place::{Place, parse_address};

/// Runs it.
pub async fn run(place: &Place, command: ListCommand, out: &Out) -> anyhow::Result<()> {
    let directory = place.directory().await?;
    match command {
        ListCommand::Add { address, members, name, posting } => {
            let address = parse_address(&address)?;
            let members = members.iter().map(|member| parse_address(member)).collect::<anyhow::Result<Vec<_>>>()?;
            let known = directory.list_lists().await?.iter().any(|list| list.address.key() == address.key());
            if !known {
                directory.add_list(List { address: address.clone(), name, posting: Posting::Members }).await?;
            }
            if let Some(posting) = posting {
                directory.change_posting(&address, Posting::parse(&posting)).await?;
            }
            for member in &members {
                directory.add_list_member(&address, member).await?;
            }
            let value = json!({ "address": address.to_string(), "added": members.len() });
            out.result(&value, format!("{address} has {} more members.", members.len()));
        }
        ListCommand::Remove { address, members } => {
            let address = parse_address(&address)?;
            if members.is_empty() {
                directory.remove_list(&address).await?;
                out.result(&json!({ "address": address.to_string() }), format!("{address} is gone."));
                return Ok(());
            }
            for member in &members {
                directory.remove_list_member(&address, &parse_address(member)?).await?;
            }
            let value = json!({ "address": address.to_string(), "removed": members.len() });
            out.result(&value, format!("{address} has {} members less.", members.len()));
        }
        ListCommand::List { address: None } => {
            let lists = directory.list_lists().await?;
            let rows: Vec<Value> = lists
                .iter()
                .map(|list| json!({ "address": list.address.to_string(), "name": list.name, "posting": list.posting.name() }))
                .collect();
            out.table(&rows, &["address", "name", "posting"], "There are no lists.");
        }
        ListCommand::List { address: Some(address) } => {
            let members = directory.list_list_members(&parse_address(&address)?).await?;
            let rows: Vec<Value> = members.iter().map(|member| json!({ "address": member.to_string() })).collect();
            out.table(&rows, &["address"], "It has no members.");
        }
    }
    Ok(())
}
