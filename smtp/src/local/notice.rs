// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a person is told of their own rules: that they fail, at most once a day.

use std::time::Duration;

use hearth_mailstore::{Content, Delivery, Durability, FlagSet, Recipient, Role, Target, memory};
use hearth_types::id::Id;
use hearth_types::{AccountId, Address};

use crate::ctx::Server;
use crate::trace::date;

/// RFC 5228 §2.10.6 wants the owner told; once a day is enough.
const TOLD_EVERY: Duration = Duration::from_secs(24 * 3600);
const TOLD: &str = "sieve-error-told";

/// Puts a mail into the person's INBOX, unless one was put there today.
pub(super) async fn tell_owner(server: &Server, account: AccountId, address: &Address, error: &str) {
    let now = server.clock.now();
    let first = server.store.write(account, Durability::Committed, move |tx| {
        let told = memory::is_remembered(tx, TOLD)?;
        if !told {
            memory::remember(tx, TOLD, now.after(TOLD_EVERY))?;
        }
        Ok::<_, hearth_mailstore::Error>(!told)
    });
    match first.await {
        Ok(true) => {}
        Ok(false) => return,
        Err(error) => {
            tracing::warn!(%account, %error, "a person could not be told of their rules");
            return;
        }
    }
    let id = Id::new(now).to_string();
    let text = format!(
        "From: Your mail server <postmaster@{domain}>\r\nTo: <{address}>\r\nSubject: Your mail rules have an error\r\nDate: {date}\r\n\
         Message-ID: <{id}@{host}>\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
         The rules (the Sieve script) that sort your mail have an error:\r\n\r\n    {error}\r\n\r\n\
         No mail is lost: until it is put right, what the rules cannot sort stays in your inbox.\r\n\
         You are told of this at most once a day.\r\n",
        domain = address.domain(),
        date = date(now),
        host = server.hostname,
    );
    let recipient = Recipient { account, prefix: Vec::new(), targets: vec![Target::Role(Role::Inbox)], flags: FlagSet::EMPTY };
    let delivery = Delivery { id, content: Content::Bytes(text.into_bytes()), received_at: now, recipients: vec![recipient] };
    if let Err(error) = server.store.deliver(delivery).await {
        tracing::warn!(%account, %error, "a person could not be told of their rules");
    }
}
