// SPDX-License-Identifier: AGPL-3.0-or-later
//! EHLO and HELO (RFC 5321 §4.1.1.1): who the client says it is, and what we offer.

use hearth_wire::smtp::Reply;

use crate::ctx::{Ctx, Outcome};
use crate::registry::{Facts, keywords};
use crate::state::{Hello, State};

pub(crate) fn run(ctx: &Ctx, state: &mut State, name: &str, extended: bool) -> Outcome {
    // RFC 5321 §4.1.4: a second EHLO is also a RSET.
    state.transaction = None;
    state.hello = Some(Hello { name: name.to_string(), extended });
    let mut text = ctx.server.hostname.clone();
    if extended {
        let binding = ctx.binding();
        let facts = Facts {
            kind: state.kind,
            secured: state.secured,
            tls_available: ctx.server.tls.is_some(),
            signed_in: state.login.is_some(),
            size_bytes_max: ctx.server.size_bytes_max,
            binding: &binding,
        };
        for keyword in keywords(&facts) {
            text.push('\n');
            text.push_str(&keyword);
        }
    }
    Ok(Reply::plain(250, text))
}
