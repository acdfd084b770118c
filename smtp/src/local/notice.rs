// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a person is told of their own wishes: that they cannot be carried out, at most once a day.

use std::time::Duration;

use hearth_mailstore::{Content, Delivery, Durability, FlagSet, Recipient, Role, Target, memory};
use hearth_types::id::Id;
use hearth_types::{AccountId, Address};

use crate::ctx::Server;
use crate::trace::date;

/// RFC 5228 §2.10.6 wants the owner told; once a day is enough.
const TOLD_EVERY: Duration = Duration::from_secs(24 * 3600);

/// What somebody may be told.
pub(super) struct Notice {
    /// What is remembered when it was told.
    told: &'static str,
    subject: &'static str,
    /// Before the error, and behind it.
    says: [&'static str; 2],
}

pub(super) const RULES_FAIL: Notice = Notice {
    told: "sieve-error-told",
    subject: "Your mail rules have an error",
    says: [
        "The rules (the Sieve script) that sort your mail have an error:",
        "No mail is lost: until it is put right, what the rules cannot sort stays in your inbox.",
    ],
};

pub(super) const NOT_SEALED: Notice = Notice {
    told: "not-sealed-told",
    subject: "Your mail is not encrypted on the disk",
    says: [
        "Your new mail should be encrypted to your own key before it is stored, and that failed:",
        "No mail is lost: until it is put right (hearth key seal), new mail is stored as it comes.",
    ],
};

/// Puts a mail into the person's INBOX, unless one was put there today.
pub(super) async fn tell_owner(server: &Server, account: AccountId, address: &Address, notice: &Notice, error: &str) {
    let told = notice.told;
    let now = server.clock.now();
    let first = server.store.write(account, Durability::Committed, move |tx| {
        let known = memory::is_remembered(tx, told)?;
        if !known {
            memory::remember(tx, told, now.after(TOLD_EVERY))?;
        }
        Ok::<_, hearth_mailstore::Error>(!known)
    });
    match first.await {
        Ok(true) => {}
        Ok(false) => return,
        Err(error) => {
            tracing::warn!(%account, %error, "a person could not be told of a failure");
            return;
        }
    }
    let id = Id::new(now).to_string();
    let text = format!(
        "From: Your mail server <postmaster@{domain}>\r\nTo: <{address}>\r\nSubject: {subject}\r\nDate: {date}\r\n\
         Message-ID: <{id}@{host}>\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
         {before}\r\n\r\n    {error}\r\n\r\n{behind}\r\n\
         You are told of this at most once a day.\r\n",
        subject = notice.subject,
        before = notice.says[0],
        behind = notice.says[1],
        domain = address.domain(),
        date = date(now),
        host = server.hostname,
    );
    let recipient = Recipient { account, prefix: Vec::new(), targets: vec![Target::Role(Role::Inbox)], flags: FlagSet::EMPTY };
    let delivery = Delivery { id, content: Content::Bytes(text.into_bytes()), received_at: now, recipients: vec![recipient] };
    if let Err(error) = server.store.deliver(delivery).await {
        tracing::warn!(%account, %error, "a person could not be told of a failure");
    }
}
