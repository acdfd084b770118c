// SPDX-License-Identifier: AGPL-3.0-or-later
//! Which signatures hold (RFC 6376, RFC 8463)?

use mail_auth::dkim::DkimError;
use mail_auth::{DkimOutput, DkimResult, Error};

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

/// The same in the words of Authentication-Results.
pub(super) fn in_words(results: &str) -> String {
    results.replace("dkim=neutral (body hash did not verify)", "dkim=fail (body hash did not verify)")
}

pub(super) fn of(result: &DkimResult) -> Finding {
    match result {
        DkimResult::Pass => Finding::Pass,
        // RFC 8601 §2.7.1: what was changed on the way failed; (quirk: mail-auth 0.13 calls it neutral).
        DkimResult::Neutral(Error::Dkim(DkimError::FailedBodyHashMatch)) => Finding::Fail,
        DkimResult::Neutral(_) => Finding::Neutral,
        DkimResult::Fail(_) => Finding::Fail,
        DkimResult::PermError(_) => Finding::PermError,
        DkimResult::TempError(_) => Finding::TempError,
        DkimResult::None => Finding::None,
    }
}
