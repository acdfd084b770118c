// SPDX-License-Identifier: AGPL-3.0-or-later
//! `hearth group`: one account for several people.

use anyhow::bail;
use hearth_identity::Directory;
use hearth_identity::directory::{Account, Kind, MemberRole, NewAccount};
use serde_json::{Value, json};

use crate::cli::GroupCommand;
use crate::out::Out;
use crate::place::{Place, account, parse_address};

/// Runs it.
pub async fn run(place: &Place, command: GroupCommand, out: &Out) -> anyhow::Result<()> {
    let directory = place.directory().await?;
    match command {
        GroupCommand::Add { group, members } => {
            let group = found_or_made(&directory, &group).await?;
            for member in &members {
                let member = account(&directory, member).await?;
                directory.add_group_member(group.id, member.id, MemberRole::Member).await?;
            }
            let value = json!({ "id": group.id.to_string(), "address": group.primary.to_string(), "added": members.len() });
            out.result(&value, format!("{} has {} more members.", group.primary, members.len()));
        }
        GroupCommand::Remove { group, members } => {
            let group = account(&directory, &group).await?;
            for member in &members {
                let member = account(&directory, member).await?;
                directory.remove_group_member(group.id, member.id).await?;
            }
            let value = json!({ "address": group.primary.to_string(), "removed": members.len() });
            out.result(&value, format!("{} has {} members less.", group.primary, members.len()));
        }
        GroupCommand::List { group: None } => {
            let accounts = directory.list_accounts().await?;
            let groups = accounts.iter().filter(|account| account.kind == Kind::Group);
            let rows: Vec<Value> = groups
                .map(|group| json!({ "address": group.primary.to_string(), "name": group.name, "id": group.id.to_string() }))
                .collect();
            out.table(&rows, &["address", "name", "id"], "There are no groups.");
        }
        GroupCommand::List { group: Some(group) } => {
            let group = account(&directory, &group).await?;
            let members = directory.list_group_members(group.id).await?;
            let rows: Vec<Value> =
                members.iter().map(|member| json!({ "address": member.address.to_string(), "role": member.role.name() })).collect();
            out.table(&rows, &["address", "role"], "It has no members.");
        }
    }
    Ok(())
}

async fn found_or_made(directory: &Directory, group: &str) -> anyhow::Result<Account> {
    let address = parse_address(group)?;
    match directory.find_account_by_address(&address).await? {
        Some(account) if account.kind == Kind::Group => Ok(account),
        Some(account) => bail!("{} is a {}, not a group; choose another address", account.primary, account.kind.name()),
        None => Ok(directory.add_account(NewAccount { address, kind: Kind::Group, name: String::new(), admin: false }).await?),
    }
}
