// SPDX-License-Identifier: AGPL-3.0-or-later
//! ENABLE (RFC 9051 §6.3.1).

use hearth_wire::imap::response::Reply;

use crate::ctx::Ctx;
use crate::fault::Outcome;

/// Switches on what can be; what cannot is passed over in silence.
pub async fn run(ctx: &mut Ctx, names: &[String]) -> Outcome {
    let mut enabled = String::new();
    for name in names {
        if ctx.modes.enable(name) {
            enabled.push(' ');
            enabled.push_str(if name == "IMAP4REV2" { "IMAP4rev2" } else { name });
        }
    }
    ctx.write(format!("* ENABLED{enabled}\r\n").as_bytes()).await?;
    Ok(Reply::ok("done"))
}
