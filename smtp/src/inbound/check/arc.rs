// SPDX-License-Identifier: AGPL-3.0-or-later
//! Does the chain of forwarders hold (RFC 8617)?

use mail_auth::ArcOutput;

use super::{Finding, dkim};

pub(super) fn finding(output: &ArcOutput<'_>) -> Finding {
    dkim::of(output.result())
}
