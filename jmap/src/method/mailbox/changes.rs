// SPDX-License-Identifier: AGPL-3.0-or-later
//! Mailbox/changes (RFC 8621 §2.2).

use hearth_mailstore::changes;
use serde_json::{Value, json};

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
    let (changes, only_counts) = changes::mailboxes(reading.tx, since, max)?;
    let mut arguments = to_wire(own, since, &changes);
    // RFC 8621 §2.2: when only counts changed, the client need not fetch the rest.
    let properties = if only_counts && !changes.updated.is_empty() {
        json!(["totalEmails", "unreadEmails", "totalThreads", "unreadThreads"])
    } else {
        Value::Null
    };
    arguments.insert("updatedProperties".to_string(), properties);
    Ok(arguments)
}
