// SPDX-License-Identifier: AGPL-3.0-or-later
//! GETQUOTA, GETQUOTAROOT and SETQUOTA (RFC 9208 §4.1): one root of each account. One's own is named "", that of
//! another `#user/anna@home.example`.

use hearth_identity::directory::Account;
use hearth_mailstore::quota::{self, Quota};
use hearth_mailstore::{Durability, MailTx};
use hearth_types::{AccountId, Address, Trouble};
use hearth_wire::imap::response::{Reply, encode_string};
use hearth_wire::imap::{Charset, MailboxName, encode_mailbox};

use crate::access::{find_spot, refusal};
use crate::ctx::Ctx;
use crate::fault::{Failure, Outcome};
use hearth_mailstore::Rights;

/// What stands before the address of another in the name of their root.
const USER: &str = "#user/";

/// GETQUOTA. Of others, an admin is told alone; of a mailbox that is shared, GETQUOTAROOT tells.
pub async fn run(ctx: &mut Ctx, root: &str) -> Outcome {
    let (account, me) = find_root(ctx, root).await?;
    if account != me.id && !me.admin {
        return Err(refusal());
    }
    tell(ctx, root, account).await
}

/// GETQUOTAROOT
pub async fn run_root(ctx: &mut Ctx, name: MailboxName) -> Outcome {
    let spot = find_spot(ctx, name.as_str()).await?;
    let account = spot.account;
    let root = if spot.is_foreign() {
        let owner = ctx.shared.directory.find_account(account).await.map_err(Trouble::from)?;
        owner.map(|owner| format!("{USER}{}", owner.primary)).unwrap_or_default()
    } else {
        String::new()
    };
    // RFC 9208 §6
    ctx.shared.store.read(account, move |tx| spot.find(tx, Rights::READ)).await?;
    let mut out = b"* QUOTAROOT ".to_vec();
    encode_mailbox(&mut out, name.as_str(), ctx.charset());
    out.push(b' ');
    encode_string(&mut out, root.as_bytes(), Charset::Utf8);
    out.extend_from_slice(b"\r\n");
    ctx.write(&out).await?;
    tell(ctx, &root, account).await
}

/// SETQUOTA: for who may change this home. Limits that are not named are lifted.
pub async fn run_set(ctx: &mut Ctx, root: &str, limits: &[(String, u64)]) -> Outcome {
    let (account, me) = find_root(ctx, root).await?;
    if !me.admin {
        return Err(refusal());
    }
    let limit = |name: &str| limits.iter().find(|(resource, _)| resource == name).map(|(_, limit)| *limit);
    if limits.iter().any(|(resource, _)| !matches!(resource.as_str(), "STORAGE" | "MESSAGE")) {
        return Ok(Reply::no("STORAGE and MESSAGE can be limited").word("CANNOT"));
    }
    let (bytes, messages) = (limit("STORAGE").map(|limit| limit.saturating_mul(1024)), limit("MESSAGE"));
    if bytes.is_some_and(|bytes| i64::try_from(bytes).is_err()) {
        return Ok(Reply::no("that is no limit").word("CANNOT"));
    }
    let work = move |tx: &mut MailTx<'_>| {
        quota::set_limit(tx, bytes)?;
        quota::set_message_limit(tx, messages)
    };
    ctx.shared.store.write(account, Durability::Synced, work).await.map_err(Failure::from)?;
    tell(ctx, root, account).await
}

/// The account of a root, and who asks.
async fn find_root(ctx: &mut Ctx, root: &str) -> Result<(AccountId, Account), Failure> {
    let directory = &ctx.shared.directory;
    let no_root = || Failure::from(Reply::no("there is no such quota root").word("NONEXISTENT"));
    let me = directory.find_account(ctx.account()?).await.map_err(Trouble::from)?.ok_or_else(no_root)?;
    if root.is_empty() {
        return Ok((me.id, me));
    }
    let address = root.strip_prefix(USER).and_then(|name| Address::parse(name).ok()).ok_or_else(no_root)?;
    let found = directory.find_account_by_address(&address).await.map_err(Trouble::from)?;
    match found {
        Some(found) => Ok((found.id, me)),
        // Who lives here is not told to everybody.
        None if me.admin => Err(no_root()),
        None => Err(refusal()),
    }
}

async fn tell(ctx: &mut Ctx, root: &str, account: AccountId) -> Outcome {
    let found = ctx.shared.store.read(account, quota::find).await.map_err(Failure::from)?;
    let mut out = b"* QUOTA ".to_vec();
    encode_string(&mut out, root.as_bytes(), Charset::Utf8);
    out.extend_from_slice(format!(" ({})\r\n", resources(found)).as_bytes());
    ctx.write(&out).await?;
    Ok(Reply::ok("done"))
}

/// RFC 9208 §5.1: STORAGE counts 1,024 octets. What has no limit is not listed (§4.2.1).
fn resources(quota: Quota) -> String {
    let storage = quota.limit_bytes.map(|limit| format!("STORAGE {} {}", quota.used_bytes.div_ceil(1024), limit / 1024));
    let message = quota.limit_messages.map(|limit| format!("MESSAGE {} {limit}", quota.messages));
    [storage, message].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_limited_is_listed() {
        let quota = Quota { used_bytes: 1025, messages: 7, limit_bytes: Some(4096), limit_messages: None };
        assert_eq!(resources(quota), "STORAGE 2 4");
        assert_eq!(resources(Quota { limit_messages: Some(9), ..quota }), "STORAGE 2 4 MESSAGE 7 9");
        assert_eq!(resources(Quota::default()), "");
    }
}
