// SPDX-License-Identifier: AGPL-3.0-or-later
//! ID (RFC 2971): who the programs are.

use hearth_wire::imap::response::Reply;

use crate::ctx::Ctx;
use crate::fault::Outcome;

/// Logs what the client says of itself, and says who we are; no version, for strangers hear it too.
pub async fn run(ctx: &mut Ctx, pairs: &[(String, Option<String>)]) -> Outcome {
    let said =
        |name: &str| pairs.iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).and_then(|(_, value)| value.as_deref());
    tracing::debug!(peer = %ctx.peer, client = said("name"), version = said("version"), "client");
    ctx.write(b"* ID (\"name\" \"Hearth\")\r\n").await?;
    Ok(Reply::ok("done"))
}
