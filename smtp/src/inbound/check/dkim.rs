// SPDX-License-Identifier: AGPL-3.0-or-later
//! Which signatures hold (RFC 6376, RFC 8463)?

use mail_auth::{DkimOutput, DkimResult};

use super::Finding;

/// One signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DkimFinding {
    /// Whether it holds.
    pub finding: Finding,
    /// Who signed (`d=`); empty when that could not be read.
    pub domain: String,
}

pub(super) fn finding(output: &DkimOutput<'_>) -> DkimFinding {
    let domain = output.signature().map(|signature| signature.d.clone()).unwrap_or_default();
    DkimFinding { finding: of(output.result()), domain }
}

pub(super) fn of(result: &DkimResult) -> Finding {
    match result {
        DkimResult::Pass => Finding::Pass,
        DkimResult::Neutral(_) => Finding::Neutral,
        DkimResult::Fail(_) => Finding::Fail,
        DkimResult::PermError(_) => Finding::PermError,
        DkimResult::TempError(_) => Finding::TempError,
        DkimResult::None => Finding::None,
    }
}
