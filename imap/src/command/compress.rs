// SPDX-License-Identifier: AGPL-3.0-or-later
//! COMPRESS (RFC 4978 §3): what follows the OK goes through DEFLATE, both ways.

use std::sync::Arc;

use hearth_wire::imap::response::Reply;

use crate::ctx::Ctx;
use crate::fault::Outcome;

/// Says whether it can be; the session then wraps its stream.
pub async fn run(ctx: &mut Ctx, algorithm: &str) -> Outcome {
    if algorithm != "DEFLATE" {
        return Ok(Reply::bad("DEFLATE is the only algorithm"));
    }
    if ctx.compressed {
        return Ok(Reply::no("DEFLATE is active already").word("COMPRESSIONACTIVE"));
    }
    // RFC 4978 §3: the client waits for the OK; octets that are here already were not compressed.
    if !ctx.lines.is_empty() {
        return Err(Reply::bye("nothing may follow COMPRESS before its answer").into());
    }
    let Ok(permit) = Arc::clone(&ctx.shared.compressors).try_acquire_owned() else {
        return Ok(Reply::no("too many sessions compress; go on without").word("LIMIT"));
    };
    ctx.compressor = Some(permit);
    Ok(Reply::ok("DEFLATE begins"))
}
