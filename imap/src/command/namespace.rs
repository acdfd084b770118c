// SPDX-License-Identifier: AGPL-3.0-or-later
//! NAMESPACE (RFC 9051 §6.3.10): one's own mailboxes, at the top; nobody else's yet.

use hearth_wire::imap::response::Reply;

use crate::ctx::Ctx;
use crate::fault::Outcome;

/// One personal namespace without a prefix.
pub async fn run(ctx: &mut Ctx) -> Outcome {
    ctx.write(b"* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n").await?;
    Ok(Reply::ok("done"))
}
