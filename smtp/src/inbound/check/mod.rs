// SPDX-License-Identifier: AGPL-3.0-or-later
//! What can be known of who sent a mail: one file per check, each gives a finding and decides nothing.
//!
//! All of it is mail-auth's work over the house's own resolver. No finding can lose a mail: when DNS does not
//! answer, or not in time, the findings are temperrors.

mod arc;
mod body;
mod dkim;
mod dkim2;
mod dmarc;
mod iprev;
mod lists;
mod spf;

use std::borrow::Cow;
use std::net::IpAddr;

use hearth_net::dns::Resolver;
use hearth_types::Address;
use hearth_wire::smtp::{Field, Fields};
use mail_auth::{AuthenticationResults, MessageAuthenticator};
use tokio::time::timeout;

pub(crate) use body::authenticated;
pub use dkim::DkimFinding;
pub use dmarc::{DmarcFinding, Policy};

use crate::limits::{CHECKS, SIGNATURES_MAX};
use crate::message::Message;
use crate::policy::Policy as HomePolicy;
use crate::trace;

/// What a check came to (RFC 8601 §2.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Finding {
    /// There was nothing to check, or it was not checked.
    #[default]
    None,
    /// It holds.
    Pass,
    /// It does not hold.
    Fail,
    /// SPF: probably not.
    SoftFail,
    /// It says nothing either way.
    Neutral,
    /// Not known now.
    TempError,
    /// What was published or written cannot be read.
    PermError,
}

/// All that was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// The owner of the home trusts the peer; nothing was looked up.
    pub trusted: bool,
    /// The peer's address has a name that leads back to it (RFC 8601 §2.7.3).
    pub iprev: Finding,
    /// That name.
    pub host: Option<String>,
    /// The envelope sender may send from that address (RFC 7208).
    pub spf: Finding,
    /// Each signature (RFC 6376).
    pub dkim: Vec<DkimFinding>,
    /// The chain of DKIM2 signatures; a draft still, and never decisive.
    pub dkim2: Finding,
    /// The domain in From is the one that SPF or DKIM vouches for (RFC 9989).
    pub dmarc: DmarcFinding,
    /// A chain of forwarders that each vouch for the one before (RFC 8617).
    pub arc: Finding,
    /// Who sealed that chain last is trusted by the owner of the home.
    pub sealer_is_trusted: bool,
    /// The list of senders of junk that the peer is on.
    pub blocked_by: Option<String>,
    /// The peer is on a list of servers that send none.
    pub is_vouched_for: bool,
    /// It came over a mailing list (RFC 2919 List-Id).
    pub from_list: bool,
    /// What goes behind `Authentication-Results:`, authserv-id included.
    pub results: String,
}

impl Findings {
    /// Did any signature hold?
    pub fn has_good_signature(&self) -> bool {
        self.dkim.iter().any(|signature| signature.finding == Finding::Pass)
    }
}

/// What is checked.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Who we are.
    pub hostname: &'a str,
    /// The peer.
    pub ip: IpAddr,
    /// What it calls itself.
    pub hello: &'a str,
    /// The envelope sender; `None` is the null sender.
    pub sender: Option<&'a Address>,
    /// The envelope recipients.
    pub recipients: &'a [Address],
    /// The message, whose header is bounded.
    pub message: &'a Message,
}

/// Findings of a peer that is trusted.
pub fn none(subject: &Subject<'_>) -> Findings {
    Findings { trusted: true, results: format!("{}; none", subject.hostname), ..Findings::default() }
}

/// Runs all checks, within [`CHECKS`].
pub async fn run(subject: &Subject<'_>, dns: &Resolver, policy: &HomePolicy) -> Findings {
    let from_list = Fields::of(subject.message.start()).any(|field| field.is("List-Id"));
    if dns.is_reachable().await
        && let Ok(Some(findings)) = timeout(CHECKS, look(subject, dns, policy)).await
    {
        return Findings { from_list, ..findings };
    }
    unknown(subject, from_list)
}

/// Nothing could be looked up.
fn unknown(subject: &Subject<'_>, from_list: bool) -> Findings {
    let temp = Finding::TempError;
    Findings {
        iprev: temp,
        spf: temp,
        arc: Finding::None,
        dmarc: DmarcFinding { finding: temp, policy: Policy::None, domain: String::new() },
        from_list,
        results: format!(
            "{};\r\n\tiprev=temperror;\r\n\tspf=temperror;\r\n\tdkim=temperror;\r\n\tdmarc=temperror",
            subject.hostname
        ),
        ..Findings::default()
    }
}

async fn look(subject: &Subject<'_>, dns: &Resolver, policy: &HomePolicy) -> Option<Findings> {
    let authenticator = MessageAuthenticator(dns.inner().await.clone());
    let few = with_few_signatures(subject.message);
    let message = match authenticated(&few, None).await {
        Ok(message) => message?,
        Err(error) => {
            tracing::error!(%error, "a large mail cannot be read; its signatures are not known now");
            return None;
        }
    };
    let sender = subject.sender.map(ToString::to_string).unwrap_or_default();
    let (iprev, spf, dkim, dkim2, arc, blocked_by, vouched) = tokio::join!(
        authenticator.verify_iprev(subject.ip),
        spf::look(&authenticator, dns, subject, &sender),
        authenticator.verify_dkim(&message),
        dkim2::look(&authenticator, subject, &message),
        authenticator.verify_arc(&message),
        lists::find(dns, subject.ip, &policy.blocklists),
        lists::find(dns, subject.ip, &policy.allowlists),
    );
    let dmarc = dmarc::look(&authenticator, subject, &message, &dkim, &spf).await;

    let seals = message.as_headers.iter().map(|header| &header.header);
    let sealer = seals.max_by_key(|seal| seal.i).map(|seal| seal.d.as_str());
    let mut results = AuthenticationResults::new(subject.hostname)
        .with_iprev_result(&iprev, subject.ip)
        .with_spf_mailfrom_result(&spf, subject.ip, &sender, subject.hello)
        .with_dkim_results(&dkim, message.from());
    if dkim2::finding(&dkim2) != Finding::None {
        results = results.with_dkim2_result(&dkim2);
    }
    let has_chain = !message.as_headers.is_empty();
    if has_chain {
        results = results.with_arc_result(&arc, subject.ip);
    }
    let mut results = dkim::in_words(&results.with_dmarc_result(&dmarc).to_string());
    if dkim.is_empty() {
        // RFC 8601 §2.7.1: said even when there was no signature.
        results.push_str(";\r\n\tdkim=none");
    }
    Some(Findings {
        trusted: false,
        iprev: iprev::finding(&iprev),
        host: iprev::host(&iprev),
        spf: spf::finding(&spf),
        dkim: dkim.iter().map(dkim::finding).collect(),
        dkim2: dkim2::finding(&dkim2),
        dmarc: dmarc::finding(&dmarc),
        arc: if has_chain { arc::finding(&arc) } else { Finding::None },
        sealer_is_trusted: sealer.is_some_and(|domain| policy.trusts_sealer(domain)),
        blocked_by,
        is_vouched_for: vouched.is_some(),
        from_list: false,
        results,
    })
}

/// Without the signatures beyond [`SIGNATURES_MAX`]: mail-auth makes a hash over the whole for each that is of another form.
fn with_few_signatures(message: &Message) -> Cow<'_, Message> {
    let raw = message.start();
    let is_signature = |field: &Field<'_>| field.is("DKIM-Signature");
    let Some(spare) = Fields::of(raw).filter(is_signature).nth(SIGNATURES_MAX) else { return Cow::Borrowed(message) };
    // Fields are pieces of the one message, so where they begin is their order.
    let from = spare.raw.as_ptr();
    trace::without(raw, |field| is_signature(field) && field.raw.as_ptr() >= from)
        .map_or(Cow::Borrowed(message), |start| Cow::Owned(message.with_start(start)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_bounded() {
        let mail = |count: usize| {
            let signatures: String = (0..count).map(|n| format!("DKIM-Signature: s={n};\r\n x\r\nX-Other: y\r\n")).collect();
            Message::from(format!("{signatures}\r\nDKIM-Signature: in the body\r\n").into_bytes())
        };
        assert!(matches!(with_few_signatures(&mail(SIGNATURES_MAX)), Cow::Borrowed(_)));
        let raw = mail(SIGNATURES_MAX + 3);
        let kept = String::from_utf8(with_few_signatures(&raw).start().to_vec()).expect("text");
        assert_eq!(kept.matches("DKIM-Signature: s=").count(), SIGNATURES_MAX);
        assert!(kept.contains("s=0;") && kept.contains(&format!("s={};", SIGNATURES_MAX - 1)));
        assert_eq!(kept.matches("X-Other").count(), SIGNATURES_MAX + 3, "all else stays");
        assert!(kept.ends_with("in the body\r\n"));
    }
}
