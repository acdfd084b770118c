// SPDX-License-Identifier: AGPL-3.0-or-later
//! NAMESPACE (RFC 9051 §6.3.10): one's own mailboxes at the top; below their names what persons and what groups share.

use hearth_wire::imap::SEPARATOR;
use hearth_wire::imap::response::Reply;

use crate::access::{OTHER_USERS, SHARED};
use crate::ctx::Ctx;
use crate::fault::Outcome;

/// A namespace of each kind.
pub async fn run(ctx: &mut Ctx) -> Outcome {
    let named = |name: &str| format!("((\"{name}{SEPARATOR}\" \"{SEPARATOR}\"))");
    let line = format!("* NAMESPACE ((\"\" \"{SEPARATOR}\")) {} {}\r\n", named(OTHER_USERS), named(SHARED));
    ctx.write(line.as_bytes()).await?;
    Ok(Reply::ok("done"))
}
