// SPDX-License-Identifier: AGPL-3.0-or-later
//! One pure function from findings to what is done with a mail.
//!
//! The rule, in order: who the owner of the home trusts is believed. Where DMARC fails, the domain in From decides (RFC 9989
//! §5.4): `reject` refuses, unless a list or an intact ARC chain explains the failure: then the mail is suspect, or welcome
//! where the owner of the home trusts the last sealer;
//! `quarantine` makes it suspect. Where a domain asks for `reject` and it cannot be known now whether DMARC holds, the
//! sender is asked to come again (RFC 7489 §6.6.2). Without DMARC, a server on a blocklist (and on no
//! allowlist) makes a mail suspect, and so does SPF's hard fail without any good signature. All else is welcome: not knowing is never held against a mail.

use hearth_filter::{Judgement, Reason};
use hearth_wire::smtp::Reply;
use hearth_wire::smtp::replies::{DMARC_550_5_7_26, TRY_LATER_451_4_3_0};

use super::check::{Finding, Findings, Policy};
use crate::judges::Opinion;

/// What is done with a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes into the mailbox.
    Accept(Reason),
    /// It goes into Junk.
    Quarantine(Reason),
    /// The sender comes again later.
    Defer(Reply),
    /// The sender may keep it.
    Reject(Reply),
}

impl Verdict {
    /// For metrics and the log.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Accept(_) => "accept",
            Self::Quarantine(_) => "quarantine",
            Self::Defer(_) => "defer",
            Self::Reject(_) => "reject",
        }
    }

    /// What judges outside say besides: they make it worse, never better.
    pub(crate) fn with(self, opinion: Opinion) -> Self {
        match (self, opinion) {
            (Self::Accept(_), Opinion::Junk(why)) => Self::Quarantine(Reason::new(&why)),
            (Self::Accept(_) | Self::Quarantine(_), Opinion::Later(reply)) => Self::Defer(reply),
            (Self::Accept(_) | Self::Quarantine(_), Opinion::Refuse(reply)) => Self::Reject(reply),
            (verdict, _) => verdict,
        }
    }

    /// How a mail that is taken is judged, and why; or the reply to one that is not.
    pub fn judged(self) -> Result<(Judgement, Reason), Reply> {
        match self {
            Self::Accept(reason) => Ok((Judgement::Welcome, reason)),
            Self::Quarantine(reason) => Ok((Judgement::Suspect, reason)),
            Self::Defer(reply) | Self::Reject(reply) => Err(reply),
        }
    }
}

/// What is done with a mail of which this was found.
pub fn decide(findings: &Findings) -> Verdict {
    let domain = &findings.dmarc.domain;
    if findings.trusted {
        return Verdict::Accept(Reason::new("It comes from a server that this home trusts."));
    }
    match (findings.dmarc.finding, findings.dmarc.policy) {
        (Finding::Pass, _) => Verdict::Accept(Reason::new(&format!("It comes from {domain}, as it says."))),
        (Finding::Fail | Finding::PermError, Policy::Reject | Policy::Quarantine)
            if findings.arc == Finding::Pass && findings.sealer_is_trusted =>
        {
            Verdict::Accept(Reason::new(&format!("It was forwarded by a server that this home trusts, and comes from {domain}.")))
        }
        (Finding::Fail | Finding::PermError, Policy::Reject) if findings.from_list => Verdict::Quarantine(Reason::new(&format!(
            "A mailing list changed it, so it cannot be seen whether it comes from {domain}, as it says."
        ))),
        (Finding::Fail | Finding::PermError, Policy::Reject) if findings.arc == Finding::Pass => {
            Verdict::Quarantine(Reason::new(&format!("It was forwarded, and only the forwarder says that it comes from {domain}.")))
        }
        (Finding::Fail | Finding::PermError, Policy::Reject) => Verdict::Reject(DMARC_550_5_7_26),
        (Finding::Fail | Finding::PermError, Policy::Quarantine) => {
            Verdict::Quarantine(Reason::new(&format!("It says that it comes from {domain}, and that is not so.")))
        }
        (Finding::TempError, Policy::Reject) => {
            Verdict::Defer(TRY_LATER_451_4_3_0.saying("whether this comes from where it says cannot be looked up now, try later"))
        }
        _ => without_dmarc(findings),
    }
}

fn without_dmarc(findings: &Findings) -> Verdict {
    if let Some(list) = findings.blocked_by.as_ref().filter(|_| !findings.is_vouched_for) {
        return Verdict::Quarantine(Reason::new(&format!(
            "The server that it came from is on the list {list} of senders of junk."
        )));
    }
    if findings.spf == Finding::Fail && !findings.has_good_signature() {
        return Verdict::Quarantine(Reason::new("The sender's domain does not send mail from the server that this came from."));
    }
    if findings.dmarc.finding == Finding::TempError {
        return Verdict::Accept(Reason::new("Where it comes from could not be looked up."));
    }
    Verdict::Accept(Reason::new("Nothing speaks against it."))
}

#[cfg(test)]
mod tests {
    use super::super::check::{DkimFinding, DmarcFinding};
    use super::*;

    fn found(finding: Finding, policy: Policy) -> Findings {
        Findings { dmarc: DmarcFinding { finding, policy, domain: "bank.example".into() }, ..Findings::default() }
    }

    #[test]
    fn dmarc_decides_where_there_is_one() {
        use Finding::{Fail, None, Pass, PermError, TempError};
        for (finding, policy, verdict) in [
            (Pass, Policy::Reject, "accept"),
            (Fail, Policy::Reject, "reject"),
            (PermError, Policy::Reject, "reject"),
            (TempError, Policy::Reject, "defer"),
            (Fail, Policy::Quarantine, "quarantine"),
            (TempError, Policy::Quarantine, "accept"),
            (Fail, Policy::None, "accept"),
            (TempError, Policy::None, "accept"),
            (None, Policy::None, "accept"),
        ] {
            assert_eq!(decide(&found(finding, policy)).name(), verdict, "{finding:?} {policy:?}");
        }
    }

    #[test]
    fn a_list_or_a_chain_softens_a_refusal() {
        let failed = found(Finding::Fail, Policy::Reject);
        assert_eq!(decide(&Findings { from_list: true, ..failed.clone() }).name(), "quarantine");
        assert_eq!(decide(&Findings { arc: Finding::Pass, ..failed.clone() }).name(), "quarantine");
        assert_eq!(decide(&Findings { arc: Finding::Fail, ..failed.clone() }).name(), "reject");
        assert_eq!(decide(&Findings { trusted: true, ..failed }).name(), "accept");
    }

    #[test]
    fn judges_outside_make_it_worse_alone() {
        let (accept, reject) = (decide(&Findings::default()), decide(&found(Finding::Fail, Policy::Reject)));
        let suspect = decide(&found(Finding::Fail, Policy::Quarantine));
        let (junk, no) = (Opinion::Junk("x".into()), Opinion::Refuse(DMARC_550_5_7_26));
        for (verdict, opinion, outcome) in [
            (&accept, &Opinion::Fine, "accept"),
            (&accept, &junk, "quarantine"),
            (&accept, &no, "reject"),
            (&accept, &Opinion::Later(TRY_LATER_451_4_3_0), "defer"),
            (&suspect, &Opinion::Fine, "quarantine"),
            (&suspect, &no, "reject"),
            (&reject, &Opinion::Fine, "reject"),
            (&reject, &Opinion::Later(TRY_LATER_451_4_3_0), "reject"),
        ] {
            assert_eq!(verdict.clone().with(opinion.clone()).name(), outcome, "{verdict:?} {opinion:?}");
        }
    }

    #[test]
    fn a_trusted_sealer_is_believed() {
        let failed = found(Finding::Fail, Policy::Reject);
        let sealed = Findings { arc: Finding::Pass, sealer_is_trusted: true, ..failed.clone() };
        assert_eq!(decide(&sealed).name(), "accept");
        assert_eq!(decide(&Findings { arc: Finding::Fail, ..sealed }).name(), "reject");
    }

    #[test]
    fn lists_of_servers() {
        let blocked = Findings { blocked_by: Some("zen.example".into()), ..Findings::default() };
        assert_eq!(decide(&blocked).name(), "quarantine");
        assert_eq!(decide(&Findings { is_vouched_for: true, ..blocked.clone() }).name(), "accept");
        let signed = Findings { blocked_by: blocked.blocked_by, ..found(Finding::Pass, Policy::None) };
        assert_eq!(decide(&signed).name(), "accept", "its domain answers for it");
    }

    #[test]
    fn spf_alone_makes_suspect_and_never_refuses() {
        let failed = Findings { spf: Finding::Fail, ..Findings::default() };
        assert_eq!(decide(&failed).name(), "quarantine");
        let signed = DkimFinding { finding: Finding::Pass, domain: "x.org".into() };
        assert_eq!(decide(&Findings { dkim: vec![signed], ..failed }).name(), "accept");
        for spf in [Finding::SoftFail, Finding::Neutral, Finding::TempError, Finding::PermError, Finding::None] {
            assert_eq!(decide(&Findings { spf, ..Findings::default() }).name(), "accept", "{spf:?}");
        }
    }
}
