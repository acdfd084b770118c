// SPDX-License-Identifier: AGPL-3.0-or-later
//! A mail from one of our own people: it must be theirs, is made complete, signed, and waits in the queue (RFC 6409).
//!
//! Everything a submission accepts is in the queue, synced, before 250; recipients of this home too.

mod compose;
pub mod sign;

use hearth_identity::login::Login;
use hearth_mailstore::{Durability, memory};
use hearth_types::id::Id;
use hearth_types::{AccountId, Address, Fault, Timestamp, Trouble};
use hearth_wire::autocrypt::{self, Autocrypt};
use hearth_wire::smtp::replies::{
    ACCEPTED_250_2_6_0, HEADER_TOO_BIG_554_5_6_0, LOOP_554_5_4_6, NO_FROM_550_5_6_0, NOT_YOUR_FROM_550_5_7_1,
};
use hearth_wire::smtp::{Fields, Reply, Return, body_offset, header_is_bounded};
use metrics::counter;

use crate::ctx::{Ctx, Outcome};
use crate::inbound::not_queued;
use crate::limits::{RECEIVED_MAX, WRITTEN_TO_KEPT, WRITTEN_TO_MAX};
use crate::message::Message;
use crate::queue::{NewMail, NewRecipient};
use crate::state::{Hello, Transaction};
use crate::{binary, local, trace};

/// Takes a whole message from a submission port.
pub(crate) async fn accept(ctx: &Ctx, login: &Login, hello: Option<&Hello>, transaction: Transaction, message: Message) -> Outcome {
    let now = ctx.server.clock.now();
    let id = Id::new(now);
    if !header_is_bounded(message.start()) {
        return Err(Fault::Peer(HEADER_TOO_BIG_554_5_6_0));
    }
    if trace::hops(message.start()) > RECEIVED_MAX {
        return Err(Fault::Peer(LOOP_554_5_4_6));
    }
    let message = if transaction.is_binary() { binary::to_lines(&ctx.server, message).await? } else { message };
    let authors = authors(message.start()).map_err(Fault::Peer)?;
    for author in &authors {
        if !ctx.server.directory.may_send_as(login.account, author).await.map_err(Trouble::from)? {
            tracing::info!(account = %login.account, "a From that is not the account's own was refused");
            return Err(Fault::Peer(NOT_YOUR_FROM_550_5_7_1));
        }
    }
    let domain = authors.first().map(|author| author.domain().clone()).unwrap_or_else(|| login.address.domain().clone());
    let autocrypt = autocrypt(ctx, &authors, now).await;
    let start = compose::complete(message.start(), &domain, &id.to_string(), now, autocrypt);
    let message = start.map_or_else(|| message.clone(), |start| message.with_start(start));
    let mut head = ctx.server.signer.fields(&domain, &message).await;
    head.push_str(&received(ctx, hello, &transaction, &id, now));
    let people = transaction.recipients.iter().map(|accepted| accepted.address.to_string());
    let people: Vec<String> = people.take(WRITTEN_TO_MAX).collect();
    let recipients = transaction.recipients.into_iter().map(|accepted| NewRecipient {
        notify: accepted.params.notify,
        orcpt: accepted.params.orcpt,
        address: accepted.address,
    });
    let mail = NewMail {
        sender: transaction.sender,
        account: Some(login.account),
        smtputf8: transaction.params.smtputf8,
        return_full: transaction.params.ret != Some(Return::Headers),
        require_tls: transaction.params.require_tls,
        envid: transaction.params.envid,
        head: head.into_bytes(),
        message,
        recipients: recipients.collect(),
    };
    let (bytes, count) = (mail.message.len(), mail.recipients.len());
    ctx.server.queue.enqueue_as(id, mail).await.map_err(not_queued)?;
    note_people(ctx, login.account, people).await;
    counter!("smtp_messages_submitted_total").increment(1);
    tracing::info!(queue = %id, account = %login.account, bytes, recipients = count, "a mail was submitted");
    Ok(ACCEPTED_250_2_6_0.saying(format!("queued as {id}")))
}

/// Whom somebody writes to is no stranger to them. The mail is queued, so no error is the client's to hear.
async fn note_people(ctx: &Ctx, account: AccountId, people: Vec<String>) {
    let until = ctx.server.clock.now().after(WRITTEN_TO_KEPT);
    let noted = ctx.server.store.write(account, Durability::Committed, move |tx| {
        people.iter().try_for_each(|address| memory::remember(tx, &local::written_to(address), until))
    });
    if let Err(error) = noted.await {
        tracing::warn!(%account, %error, "whom somebody wrote to could not be noted");
    }
}

/// The key that the author published, for those who get the mail. A mail without it is as good, so no error keeps it.
async fn autocrypt(ctx: &Ctx, authors: &[Address], now: Timestamp) -> Option<String> {
    let [author] = authors else { return None };
    let shown = match ctx.server.directory.find_shown_certs_by_address(author).await {
        Ok(shown) => shown,
        Err(error) => {
            tracing::warn!(%error, "a mail goes out without its author's key");
            return None;
        }
    };
    let good = shown.into_iter().find(|shown| !shown.revoked && shown.expires_at.is_none_or(|end| end > now))?;
    autocrypt::encode(&Autocrypt { address: author.clone(), mutual: false, keydata: good.to_bytes() })
}

/// The addresses in From: at least one, in one field (RFC 5322 §3.6.2).
pub(crate) fn authors(raw: &[u8]) -> Result<Vec<Address>, Reply> {
    if Fields::of(raw).filter(|field| field.is("From")).count() != 1 {
        return Err(NO_FROM_550_5_6_0);
    }
    let header = raw.get(..body_offset(raw)).unwrap_or(raw);
    let from = hearth_wire::message::parse(header).envelope.from;
    let addresses: Result<Vec<Address>, _> =
        from.iter().filter_map(|addr| addr.address()).map(|text| Address::parse(&text)).collect();
    match addresses {
        Ok(addresses) if !addresses.is_empty() => Ok(addresses),
        _ => Err(NO_FROM_550_5_6_0),
    }
}

fn received(ctx: &Ctx, hello: Option<&Hello>, transaction: &Transaction, id: &Id, now: Timestamp) -> String {
    let recipient = match transaction.recipients.as_slice() {
        [only] => Some(&only.address),
        _ => None,
    };
    trace::received(&trace::Hop {
        hello: hello.map_or("unknown", |hello| hello.name.as_str()),
        from: None,
        by: &ctx.server.hostname,
        with: trace::protocol(hello.is_some_and(|hello| hello.extended), true, true, transaction.params.smtputf8),
        tls: ctx.tls.as_ref().map(|tls| (tls.version, tls.cipher.as_str())),
        id: &id.to_string(),
        recipient,
        at: now,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authors_are_those_in_the_one_from() {
        let read = |text: &str| authors(text.as_bytes()).map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(read("From: A <a@x.org>\r\n\r\n"), Ok(vec!["a@x.org".to_string()]));
        assert_eq!(read("From: a@x.org,\r\n \"b, c\" <b@y.org>\r\n\r\n"), Ok(vec!["a@x.org".to_string(), "b@y.org".to_string()]));
        for text in [
            "To: a@x.org\r\n\r\n",
            "From: a@x.org\r\nFrom: b@x.org\r\n\r\n",
            "From: nobody\r\n\r\n",
            "From:\r\n\r\n",
            "\r\nFrom: a@x.org\r\n",
        ] {
            assert_eq!(read(text), Err(NO_FROM_550_5_6_0), "{text}");
        }
    }
}
