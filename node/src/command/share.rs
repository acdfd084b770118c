// SPDX-License-Identifier: AGPL-3.0-or-later
//! `hearth mailbox share` and `shares`: what others may do with a mailbox (RFC 4314), for those whose mail program cannot say it.

use anyhow::{Context, bail};
use hearth_identity::Directory;
use hearth_identity::directory::{Account, Kind};
use hearth_mailstore::acl::{self, ANYONE, Entry};
use hearth_mailstore::{Durability, MailTx, Rights, Store, mailbox};
use hearth_types::AccountId;
use serde_json::{Value, json};

use crate::cli::ShareLevel;
use crate::out::Out;
use crate::place;

/// How everybody who lives here is called.
const EVERYBODY: &str = "anyone";

/// Says what somebody may do with a mailbox, in place of what they might before.
pub async fn share(
    (directory, store): (&Directory, &Store),
    owner: &Account,
    path: &str,
    with: &str,
    level: ShareLevel,
    out: &Out,
) -> anyhow::Result<()> {
    let (grantee, name) = find_grantee(directory, with).await?;
    if grantee == owner.id {
        bail!("{name} owns it and may do everything with it");
    }
    if level != ShareLevel::Off {
        // Before the list says so, for nobody looks where the directory names no one.
        directory.add_share(owner.id, grantee).await?;
    }
    let (rights, wanted) = (rights_of(level), path.to_string());
    let found = store.write(owner.id, Durability::Synced, move |tx| change(tx, &wanted, grantee, rights)).await?;
    let Some(path) = found else { bail!("{} has no mailbox {path}; sign in with a mail program to see them all", owner.primary) };
    wake(directory, store, grantee).await?;
    let value = json!({ "mailbox": path, "with": name, "rights": rights.to_string(), "may": word_of(rights) });
    let line = match level {
        ShareLevel::Off => format!("{path} of {} is no longer shared with {name}.", owner.primary),
        _ => format!("{name} may {} {path} of {}.", word_of(rights), owner.primary),
    };
    out.result(&value, line);
    Ok(())
}

/// Who may do what with which mailboxes of an account.
pub async fn list(directory: &Directory, store: &Store, owner: AccountId, out: &Out) -> anyhow::Result<()> {
    let work = |tx: &mut MailTx<'_>| Ok::<_, hearth_mailstore::Error>((mailbox::list(tx)?, acl::list_all(tx)?));
    let (mailboxes, entries) = store.read(owner, work).await?;
    let mut rows: Vec<(String, String, Value)> = Vec::new();
    for (id, entry) in entries {
        let Some(found) = mailboxes.iter().find(|found| found.id == id) else { continue };
        let with = match entry.grantee {
            ANYONE => EVERYBODY.to_string(),
            grantee => match directory.find_account(grantee).await? {
                Some(account) => account.primary.to_string(),
                // Who is no more has no rights.
                None => continue,
            },
        };
        let may = if entry.negative { format!("not {}", entry.rights) } else { word_of(entry.rights) };
        let row = json!({ "mailbox": found.path, "with": with, "may": may, "rights": entry.rights.to_string(), "negative": entry.negative });
        rows.push((found.path.clone(), with, row));
    }
    rows.sort_by(|one, other| (&one.0, &one.1).cmp(&(&other.0, &other.1)));
    let rows: Vec<Value> = rows.into_iter().map(|(_, _, row)| row).collect();
    out.table(&rows, &["mailbox", "with", "may"], "Nothing is shared.");
    Ok(())
}

/// The name of the mailbox, when there is one.
fn change(tx: &mut MailTx<'_>, path: &str, grantee: AccountId, rights: Rights) -> hearth_mailstore::Result<Option<String>> {
    let Some(found) = mailbox::find_by_name(tx, path)? else { return Ok(None) };
    acl::change(tx, found.id, Entry { grantee, negative: false, rights })?;
    Ok(Some(found.path))
}

async fn find_grantee(directory: &Directory, with: &str) -> anyhow::Result<(AccountId, String)> {
    if with == EVERYBODY {
        return Ok((ANYONE, EVERYBODY.to_string()));
    }
    let account = place::account(directory, with).await?;
    if account.kind == Kind::Guest {
        bail!("{} is a guest and has no mail here", account.primary);
    }
    Ok((account.id, account.primary.to_string()))
}

/// Who watches the mailboxes of others (NOTIFY) looks again; of anyone, they do with their next news.
async fn wake(directory: &Directory, store: &Store, grantee: AccountId) -> anyhow::Result<()> {
    let awake = match directory.find_account(grantee).await? {
        None => Vec::new(),
        Some(account) if account.kind == Kind::Group => {
            directory.list_group_members(grantee).await?.into_iter().map(|member| member.account).collect()
        }
        Some(account) => vec![account.id],
    };
    for account in awake {
        store.write(account, Durability::Committed, acl::wake).await.context("it is shared, but who may see it was not told")?;
    }
    Ok(())
}

/// The rights that a word stands for.
fn rights_of(level: ShareLevel) -> Rights {
    // \Seen is shared as all flags are: who reads, sets it.
    let read = Rights::LOOKUP.with(Rights::READ).with(Rights::SEEN);
    match level {
        ShareLevel::Off => Rights::NONE,
        ShareLevel::Read => read,
        ShareLevel::Write => read.with(Rights::WRITE).with(Rights::INSERT).with(Rights::MARK_DELETED).with(Rights::EXPUNGE),
        ShareLevel::Manage => Rights::ALL,
    }
}

/// The word for rights; letters, where a mail program has given others.
fn word_of(rights: Rights) -> String {
    let words = [(ShareLevel::Read, "read"), (ShareLevel::Write, "write"), (ShareLevel::Manage, "manage")];
    let word = words.into_iter().find(|(level, _)| rights_of(*level) == rights);
    word.map_or_else(|| rights.to_string(), |(_, word)| word.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_letters() {
        for (level, word, letters) in [
            (ShareLevel::Read, "read", "lrs"),
            (ShareLevel::Write, "write", "lrswited"),
            (ShareLevel::Manage, "manage", "lrswipkxteacd"),
        ] {
            let rights = rights_of(level);
            assert_eq!((word_of(rights).as_str(), Rights::parse(letters)), (word, Some(rights)));
        }
        assert!(rights_of(ShareLevel::Off).is_empty());
        assert_eq!(word_of(Rights::LOOKUP.with(Rights::READ)), "lr");
    }
}
