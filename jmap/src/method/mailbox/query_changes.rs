// SPDX-License-Identifier: AGPL-3.0-or-later
//! Mailbox/queryChanges (RFC 8621 §2.4): a home has few mailboxes; asking anew costs one read.

use crate::ctx::Reading;
use crate::error::MethodError;
use crate::method::args::Args;
use crate::request::Arguments;

/// Carries out the call. RFC 8620 §5.5: Mailbox/query says so beforehand, with `canCalculateChanges`.
pub fn run(reading: &mut Reading<'_, '_>, mut args: Args) -> Result<Arguments, MethodError> {
    args.check_account(reading.caller.account)?;
    args.need::<String>("sinceQueryState")?;
    Err(MethodError::CannotCalculateChanges)
}
