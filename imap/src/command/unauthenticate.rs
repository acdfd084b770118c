// SPDX-License-Identifier: AGPL-3.0-or-later
//! UNAUTHENTICATE (RFC 8437): as if nobody had signed in.

use hearth_wire::imap::Bounds;
use hearth_wire::imap::response::{Code, Reply};
use tokio::time::Instant;

use crate::ctx::Ctx;
use crate::fault::Outcome;
use crate::limits::LOGIN_TIME_MAX;
use crate::session::deadlines;
use crate::state::Modes;

/// Forgets who it is, the open mailbox and all that was enabled; TLS stays.
pub async fn run(ctx: &mut Ctx) -> Outcome {
    if ctx.compressed {
        // A login does not go through a compressor (RFC 4978 §6).
        return Ok(Reply::no("a compressed connection cannot be used again").word("CANNOT"));
    }
    ctx.selected = None;
    ctx.notify = None;
    ctx.person = None;
    ctx.modes = Modes::default();
    ctx.login_by = Instant::now() + LOGIN_TIME_MAX;
    ctx.lines.set_deadlines(deadlines(false));
    ctx.fragmentizer.set_bounds(Bounds::BEFORE_LOGIN);
    Ok(Reply::ok("sign in again").with(Code::Capability(ctx.capabilities())))
}
