// SPDX-License-Identifier: AGPL-3.0-or-later
//! Does the peer's address have a name that leads back to it (RFC 8601 §2.7.3)?

use mail_auth::{IprevOutput, IprevResult};

use super::Finding;

pub(super) fn finding(output: &IprevOutput) -> Finding {
    match output.result {
        IprevResult::Pass => Finding::Pass,
        IprevResult::Fail(_) => Finding::Fail,
        IprevResult::TempError(_) => Finding::TempError,
        IprevResult::PermError(_) => Finding::PermError,
        IprevResult::None => Finding::None,
    }
}

/// The name, when it leads back.
pub(super) fn host(output: &IprevOutput) -> Option<String> {
    let names = output.ptr.as_ref().filter(|_| output.result == IprevResult::Pass)?;
    names.first().map(|name| name.trim_end_matches('.').to_ascii_lowercase())
}
