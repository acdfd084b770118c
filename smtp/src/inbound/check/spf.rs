// SPDX-License-Identifier: AGPL-3.0-or-later
//! May the envelope sender send from this address (RFC 7208)?

use mail_auth::spf::verify::SpfParameters;
use mail_auth::{MessageAuthenticator, SpfOutput, SpfResult};

use super::{Finding, Subject};

pub(super) async fn look(authenticator: &MessageAuthenticator, subject: &Subject<'_>, sender: &str) -> SpfOutput {
    // RFC 7208 §5: an IPv4 address in IPv6 clothes is an IPv4 address.
    let ip = subject.ip.to_canonical();
    let parameters = if sender.is_empty() {
        // RFC 7208 §2.4: the null sender stands for postmaster at the HELO name.
        SpfParameters::verify_ehlo(ip, subject.hello, subject.hostname)
    } else {
        SpfParameters::verify_mail_from(ip, subject.hello, subject.hostname, sender)
    };
    authenticator.verify_spf(parameters).await
}

pub(super) fn finding(output: &SpfOutput) -> Finding {
    match output.result() {
        SpfResult::Pass => Finding::Pass,
        SpfResult::Fail => Finding::Fail,
        SpfResult::SoftFail => Finding::SoftFail,
        SpfResult::Neutral => Finding::Neutral,
        SpfResult::TempError => Finding::TempError,
        SpfResult::PermError => Finding::PermError,
        SpfResult::None => Finding::None,
    }
}
