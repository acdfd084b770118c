// SPDX-License-Identifier: AGPL-3.0-or-later
//! The envelope, in IMAP's shape (RFC 9051 §7.5.2), with encoded words decoded.

use hearth_types::Timestamp;

/// One address of a list.
///
/// RFC 9051 §7.5.2: a group begins with a member whose `host` is `None` and whose `mailbox` is the
/// group's name, and ends with one where both are `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addr {
    /// Display name, decoded.
    pub name: Option<String>,
    /// Local part, or the group's name.
    pub mailbox: Option<String>,
    /// Domain.
    pub host: Option<String>,
}

impl Addr {
    /// `local@domain`, when it is an address (and not the edge of a group).
    pub fn address(&self) -> Option<String> {
        match (&self.mailbox, &self.host) {
            (Some(mailbox), Some(host)) if host.is_empty() => Some(mailbox.clone()),
            (Some(mailbox), Some(host)) => Some(format!("{mailbox}@{host}")),
            _ => None,
        }
    }

    /// Does a group begin here, and how is it called?
    pub fn group_start(&self) -> Option<&str> {
        self.host.is_none().then_some(())?;
        self.mailbox.as_deref()
    }

    /// Does a group end here?
    pub fn is_group_end(&self) -> bool {
        self.host.is_none() && self.mailbox.is_none()
    }
}

/// Who wrote to whom about what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    /// The Date field as written, without folds.
    pub date: Option<String>,
    /// The Date field as a moment.
    pub sent_at: Option<Timestamp>,
    /// Its zone: minutes east of UTC (JMAP's sentAt shows it).
    pub sent_zone_minutes: i16,
    /// Subject, decoded.
    pub subject: Option<String>,
    /// From.
    pub from: Vec<Addr>,
    /// Sender; IMAP shows From when it is empty.
    pub sender: Vec<Addr>,
    /// Reply-To; IMAP shows From when it is empty.
    pub reply_to: Vec<Addr>,
    /// To.
    pub to: Vec<Addr>,
    /// Cc.
    pub cc: Vec<Addr>,
    /// Bcc.
    pub bcc: Vec<Addr>,
    /// In-Reply-To: message ids without their angle brackets.
    pub in_reply_to: Vec<String>,
    /// Message-ID without its angle brackets (JMAP wants a list; more than one is broken).
    pub message_id: Vec<String>,
    /// References without angle brackets.
    pub references: Vec<String>,
}
