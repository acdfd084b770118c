// SPDX-License-Identifier: AGPL-3.0-or-later
//! GETQUOTA and GETQUOTAROOT (RFC 9208 §4.1): one root, of the account, named "".

use hearth_mailstore::quota::{self, Quota};
use hearth_mailstore::{Error, mailbox};
use hearth_wire::imap::response::Reply;
use hearth_wire::imap::{MailboxName, encode_mailbox};

use crate::ctx::Ctx;
use crate::fault::{Failure, Outcome};

/// GETQUOTA
pub async fn run(ctx: &mut Ctx, root: &str) -> Outcome {
    if !root.is_empty() {
        return Ok(Reply::no("there is one quota root, \"\"").word("NONEXISTENT"));
    }
    let account = ctx.account()?;
    let found = ctx.shared.store.read(account, quota::find).await.map_err(Failure::from)?;
    ctx.write(line(found).as_bytes()).await?;
    Ok(Reply::ok("done"))
}

/// GETQUOTAROOT
pub async fn run_root(ctx: &mut Ctx, name: MailboxName) -> Outcome {
    let account = ctx.account()?;
    let path = name.as_str().to_string();
    let work = move |tx: &mut hearth_mailstore::MailTx<'_>| {
        mailbox::find_by_name(tx, &path)?.ok_or(Error::NoSuchMailbox)?;
        Ok::<_, Failure>(quota::find(tx)?)
    };
    let found = ctx.shared.store.read(account, work).await?;
    let mut out = b"* QUOTAROOT ".to_vec();
    encode_mailbox(&mut out, name.as_str(), ctx.charset());
    out.extend_from_slice(b" \"\"\r\n");
    out.extend_from_slice(line(found).as_bytes());
    ctx.write(&out).await?;
    Ok(Reply::ok("done"))
}

/// RFC 9208 §5.1: STORAGE counts 1,024 octets. Without a limit there is nothing to list.
fn line(quota: Quota) -> String {
    match quota.limit_bytes {
        Some(limit) => format!("* QUOTA \"\" (STORAGE {} {})\r\n", quota.used_bytes.div_ceil(1024), limit / 1024),
        None => "* QUOTA \"\" ()\r\n".to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn storage_is_in_kibibytes() {
        let quota = Quota { used_bytes: 1025, messages: 1, limit_bytes: Some(4096) };
        assert_eq!(line(quota), "* QUOTA \"\" (STORAGE 2 4)\r\n");
        assert_eq!(line(Quota::default()), "* QUOTA \"\" ()\r\n");
    }
}
