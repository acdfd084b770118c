// SPDX-License-Identifier: AGPL-3.0-or-later
//! The commands that need no more than a line: RSET, NOOP, VRFY, EXPN, HELP.

use hearth_spec::Status;
use hearth_types::Fault;
use hearth_wire::smtp::replies::{CANNOT_VERIFY_252_2_1_5, HELP_214_2_0_0, NOT_IMPLEMENTED_502_5_5_1, OK_250_2_0_0};

use crate::ctx::Outcome;
use crate::registry;
use crate::state::State;

/// RFC 5321 §4.1.1.5.
pub(crate) fn rset(state: &mut State) -> Outcome {
    state.transaction = None;
    Ok(OK_250_2_0_0)
}

/// RFC 5321 §4.1.1.9.
pub(crate) fn noop() -> Outcome {
    Ok(OK_250_2_0_0)
}

/// RFC 5321 §3.5.3, §7.3: 252 tells address harvesters nothing.
pub(crate) fn vrfy() -> Outcome {
    Ok(CANNOT_VERIFY_252_2_1_5)
}

/// The registry says why not.
pub(crate) fn expn() -> Outcome {
    match registry::find("EXPN").map(|row| row.status) {
        Some(Status::Declined(why)) => Err(Fault::Peer(NOT_IMPLEMENTED_502_5_5_1.saying(why))),
        _ => Err(Fault::Peer(NOT_IMPLEMENTED_502_5_5_1)),
    }
}

/// RFC 5321 §4.1.1.8.
pub(crate) fn help() -> Outcome {
    Ok(HELP_214_2_0_0)
}
