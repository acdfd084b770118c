// SPDX-License-Identifier: AGPL-3.0-or-later
//! Reports to senders (RFC 3464 in a multipart/report, RFC 6522): failed, delayed, arrived.

use std::fmt::Write;

use hearth_types::id::Id;
use hearth_types::{Address, Domain, Timestamp};
use hearth_wire::smtp::{OriginalRecipient, Reply, encode_xtext};

use super::{NewMail, NewRecipient};
use crate::ctx::Server;
use crate::trace::date;

/// What happened to some recipients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// They will not have it.
    Failed,
    /// They do not have it yet.
    Delayed,
    /// They have it (RFC 3461 NOTIFY=SUCCESS).
    Delivered,
    /// A server has it that does not report by itself.
    Relayed,
}

/// A recipient, and what was said about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Who.
    pub recipient: Address,
    /// Who it was at first, as the sender wrote it.
    pub orcpt: Option<OriginalRecipient>,
    /// The last reply, the peer's or ours.
    pub reply: Reply,
    /// The host that gave it, when it was not us.
    pub host: Option<String>,
}

/// What is given back of the message.
#[derive(Clone, Copy, Debug)]
pub enum Returned<'a> {
    /// All of it.
    Message(&'a [u8]),
    /// Its header.
    Header(&'a [u8]),
}

/// A report before it is written.
#[derive(Clone, Debug)]
pub struct Report<'a> {
    /// Who we are.
    pub hostname: &'a str,
    /// Our name for the message.
    pub id: &'a str,
    /// To whom; a report is never made for the null sender.
    pub sender: &'a Address,
    /// The sender's name for it.
    pub envid: Option<&'a str>,
    /// When we took it.
    pub arrived_at: Timestamp,
    /// Now.
    pub now: Timestamp,
    /// What happened.
    pub action: Action,
    /// To whom.
    pub recipients: Vec<Failure>,
    /// What is given back.
    pub returned: Returned<'a>,
}

impl Action {
    const fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Delayed => "delayed",
            Self::Delivered => "delivered",
            Self::Relayed => "relayed",
        }
    }

    const fn subject(self) -> &'static str {
        match self {
            Self::Failed => "Your mail could not be delivered",
            Self::Delayed => "Your mail is delayed",
            Self::Delivered => "Your mail was delivered",
            Self::Relayed => "Your mail was passed on",
        }
    }

    const fn says(self) -> &'static str {
        match self {
            Self::Failed => "Your mail could not be delivered to:",
            Self::Delayed => {
                "Your mail has not been delivered yet. You need not do anything: it will be tried again for some days. It waits for:"
            }
            Self::Delivered => "Your mail was delivered to:",
            Self::Relayed => "Your mail was passed on to another server, which sends no report by itself, for:",
        }
    }
}

/// The report as a mail for the queue, signed by the domain that the host is named in: its null sender proves nothing, and
/// that domain may ask others to refuse what is not proven.
pub(crate) async fn signed(server: &Server, report: &Report<'_>) -> NewMail {
    let mut mail = write(report);
    let domain = report.hostname.split_once('.').and_then(|(_, domain)| Domain::parse(domain).ok());
    if let Some(domain) = domain {
        mail.head = server.signer.fields(&domain, &mail.message).await.into_bytes();
    }
    mail
}

/// The report as a mail for the queue, from the null sender (RFC 5321 §6.1).
pub fn write(report: &Report<'_>) -> NewMail {
    let utf8 = !report.sender.local().is_ascii() || report.recipients.iter().any(|one| !one.recipient.local().is_ascii());
    let boundary = format!("=_{}_{}", report.id, Id::new(report.now));
    let mut text = String::with_capacity(2048);
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "From: Mail Delivery System <MAILER-DAEMON@{host}>\r\nTo: <{to}>\r\nSubject: {subject}\r\nDate: {date}\r\n\
         Message-ID: <{boundary_id}@{host}>\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"{boundary}\"\r\n\r\n",
        host = report.hostname,
        to = report.sender,
        subject = report.action.subject(),
        date = date(report.now),
        boundary_id = boundary.trim_start_matches("=_"),
    );
    part(&mut text, &boundary, "text/plain; charset=utf-8", &for_people(report));
    let status = if utf8 { "message/global-delivery-status" } else { "message/delivery-status" };
    part(&mut text, &boundary, status, &for_programs(report));
    let (kind, returned) = match report.returned {
        Returned::Message(raw) => (if utf8 { "message/global" } else { "message/rfc822" }, raw),
        Returned::Header(raw) => (if utf8 { "message/global-headers" } else { "text/rfc822-headers" }, raw),
    };
    part(&mut text, &boundary, kind, "");
    let mut raw = text.into_bytes();
    raw.extend_from_slice(returned);
    raw.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    let to = NewRecipient { address: report.sender.clone(), notify: Some(hearth_wire::smtp::Notify::default()), orcpt: None };
    NewMail {
        sender: None,
        account: None,
        smtputf8: utf8,
        return_full: false,
        require_tls: false,
        envid: None,
        head: Vec::new(),
        message: raw.into(),
        recipients: vec![to],
    }
}

fn part(text: &mut String, boundary: &str, kind: &str, body: &str) {
    let _ = write!(text, "--{boundary}\r\nContent-Type: {kind}\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{body}");
}

fn for_people(report: &Report<'_>) -> String {
    let mut text = format!("{}\r\n\r\n", report.action.says());
    for one in &report.recipients {
        let _ = write!(text, "  {}\r\n", one.recipient);
        if report.action != Action::Delivered {
            let who = one.host.as_deref().unwrap_or(report.hostname);
            let _ = write!(text, "    {who} says: {}\r\n", one.reply);
        }
    }
    let _ = write!(text, "\r\nThis report was written by {}, which knows the mail as {}.\r\n", report.hostname, report.id);
    text
}

/// RFC 3464 §2: fields about the message, then a group for each recipient.
fn for_programs(report: &Report<'_>) -> String {
    let mut text = format!("Reporting-MTA: dns; {}\r\n", report.hostname);
    if let Some(envid) = report.envid {
        let _ = write!(text, "Original-Envelope-Id: {}\r\n", encode_xtext(envid));
    }
    let _ = write!(text, "Arrival-Date: {}\r\n", date(report.arrived_at));
    for one in &report.recipients {
        text.push_str("\r\n");
        if let Some(orcpt) = &one.orcpt {
            let _ = write!(text, "Original-Recipient: {}; {}\r\n", orcpt.kind, orcpt.address);
        }
        let kind = if one.recipient.local().is_ascii() { "rfc822" } else { "utf-8" };
        let _ = write!(text, "Final-Recipient: {kind}; {}\r\nAction: {}\r\n", one.recipient, report.action.word());
        let _ = write!(text, "Status: {}\r\n", status(report.action, &one.reply));
        if let Some(host) = &one.host {
            let _ = write!(text, "Remote-MTA: dns; {host}\r\nDiagnostic-Code: smtp; {}\r\n", one.reply);
        }
        let _ = write!(text, "Last-Attempt-Date: {}\r\n", date(report.now));
    }
    text.push_str("\r\n");
    text
}

/// RFC 3464 §2.3.4: the class agrees with what happened, whatever the reply's was.
fn status(action: Action, reply: &Reply) -> String {
    let class = match action {
        Action::Failed => 5,
        Action::Delayed => 4,
        Action::Delivered | Action::Relayed => 2,
    };
    let (subject, detail) = reply.enhanced.map_or((0, 0), |code| (code.1, code.2));
    format!("{class}.{subject}.{detail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(action: Action) -> String {
        let sender: Address = "a@x.org".parse().expect("an address");
        let failure = Failure {
            recipient: "b@y.org".parse().expect("an address"),
            orcpt: Some(OriginalRecipient { kind: "rfc822".into(), address: "list@y.org".into() }),
            reply: Reply::named(550, 1, 1, "no such user"),
            host: Some("mx.y.org".into()),
        };
        let mail = write(&Report {
            hostname: "mail.x.org",
            id: "abc",
            sender: &sender,
            envid: Some("e=1"),
            arrived_at: Timestamp::from_secs(0),
            now: Timestamp::from_secs(60),
            action,
            recipients: vec![failure],
            returned: Returned::Header(b"Subject: hi\r\n"),
        });
        assert_eq!((mail.sender, mail.recipients.len()), (None, 1));
        String::from_utf8_lossy(mail.message.start()).into_owned()
    }

    #[test]
    fn a_failure_is_told_to_people_and_programs() {
        let text = report(Action::Failed);
        for line in [
            "Auto-Submitted: auto-replied\r\n",
            "mx.y.org says: 550 5.1.1 no such user\r\n",
            "Reporting-MTA: dns; mail.x.org\r\nOriginal-Envelope-Id: e+3D1\r\n",
            "Original-Recipient: rfc822; list@y.org\r\nFinal-Recipient: rfc822; b@y.org\r\nAction: failed\r\nStatus: 5.1.1\r\n",
            "Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n",
            "Content-Type: text/rfc822-headers\r\n",
            "Subject: hi\r\n",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }

    #[test]
    fn it_is_a_mail_of_three_parts() {
        let text = report(Action::Delayed);
        let parsed = hearth_wire::message::parse(text.as_bytes());
        assert_eq!(parsed.envelope.subject.as_deref(), Some("Your mail is delayed"));
        assert!(text.contains("Action: delayed\r\nStatus: 4.1.1\r\n"));
        assert_eq!(text.matches("\r\nContent-Type: ").count(), 4);
    }
}
