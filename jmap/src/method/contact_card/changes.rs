// SPDX-License-Identifier: AGPL-3.0-or-later
//! ContactCard/changes (RFC 9610 §3.2).

use hearth_mailstore::changes;

use crate::ctx::Reading;
use crate::error::MethodError;
use crate::method::args::Args;
use crate::method::changes::{ChangesArgs, check_state, to_wire};
use crate::request::Arguments;

/// Carries out the call.
pub fn run(reading: &mut Reading<'_, '_>, args: Args) -> Result<Arguments, MethodError> {
    let own = reading.caller.account;
    let ChangesArgs { since, max } = ChangesArgs::take(args, own)?;
    check_state(since, reading.tx.modseq()?)?;
    Ok(to_wire(own, since, &changes::cards(reading.tx, since, max)?))
}
