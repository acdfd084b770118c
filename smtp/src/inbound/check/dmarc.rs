// SPDX-License-Identifier: AGPL-3.0-or-later
//! Does SPF or DKIM vouch for the domain in From, and what does that domain ask for if not (RFC 9989)?

use mail_auth::dmarc::{self, verify::DmarcParameters};
use mail_auth::{AuthenticatedMessage, DkimOutput, DmarcOutput, DmarcResult, MessageAuthenticator, SpfOutput};

use super::{Finding, Subject};

/// What the domain asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// Nothing.
    #[default]
    None,
    /// To suspect what fails.
    Quarantine,
    /// To refuse what fails.
    Reject,
}

/// What DMARC came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DmarcFinding {
    /// Whether it holds.
    pub finding: Finding,
    /// What the domain asks for.
    pub policy: Policy,
    /// The domain in From.
    pub domain: String,
}

pub(super) async fn look(
    authenticator: &MessageAuthenticator,
    subject: &Subject<'_>,
    message: &AuthenticatedMessage<'_>,
    dkim: &[DkimOutput<'_>],
    spf: &SpfOutput,
) -> DmarcOutput {
    let sender_domain = subject.sender.map_or(subject.hello, |sender| sender.domain().as_str());
    authenticator.verify_dmarc(DmarcParameters::new(message, dkim, sender_domain, spf)).await
}

pub(super) fn finding(output: &DmarcOutput) -> DmarcFinding {
    let finding = match output.result() {
        DmarcResult::Pass => Finding::Pass,
        DmarcResult::Fail(_) => Finding::Fail,
        DmarcResult::TempError(_) => Finding::TempError,
        DmarcResult::PermError(_) => Finding::PermError,
        DmarcResult::None => Finding::None,
    };
    let policy = match output.policy() {
        dmarc::Policy::Reject => Policy::Reject,
        dmarc::Policy::Quarantine => Policy::Quarantine,
        dmarc::Policy::None | dmarc::Policy::Unspecified => Policy::None,
    };
    DmarcFinding { finding, policy, domain: output.domain().to_string() }
}
