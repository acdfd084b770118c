// SPDX-License-Identifier: AGPL-3.0-or-later
//! Letters that other servers of the house put down in the directory: signed, and into the queue under their own id.
//! To somebody who lives here a letter goes straight into the INBOX: rules that somebody else has written there would
//! else hide the very letter that tells of them.
//!
//! A letter is removed from the directory after the queue has it on disk. A process that dies in between finds it in both
//! and removes it; only when the queue has passed it on by then is it sent a second time.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use hearth_identity::directory::{Letter, Resolution};
use hearth_mailstore::{Content, Delivery, FlagSet, Recipient};

use super::{NewMail, NewRecipient};
use crate::ctx::Server;
use crate::message::Message;
use crate::trace;

/// How often the directory is looked at: a person waits for the letter.
const LETTERS_LOOK: Duration = Duration::from_secs(2);
/// Letters that are taken at once.
const LETTERS_AT_ONCE: u32 = 16;

/// Takes letters until the process stops.
pub async fn run(server: Arc<Server>) {
    while !server.stop.is_requested() {
        if let Err(error) = take(&server).await {
            tracing::error!(%error, "letters of the house wait; trying again");
        }
        tokio::select! {
            () = tokio::time::sleep(LETTERS_LOOK) => {}
            () = server.stop.requested() => {}
        }
    }
}

/// Takes those that wait.
pub(crate) async fn take(server: &Server) -> anyhow::Result<()> {
    for letter in server.directory.list_letters(LETTERS_AT_ONCE).await? {
        let id = letter.id;
        if deliver_here(server, &letter).await? {
            tracing::info!(letter = %id, "a letter of the house was delivered");
        } else if server.queue.show(id).await?.is_none() {
            let mail = seal(server, letter).await?;
            server.queue.enqueue_as(id, mail).await?;
            tracing::info!(queue = %id, "a letter of the house was queued");
        }
        server.directory.remove_letter(id).await?;
    }
    Ok(())
}

/// Into the INBOX of whose address it is; `false` when it is nobody's here, or there is no room. The delivery has the
/// letter's id: a second time delivers nothing.
async fn deliver_here(server: &Server, letter: &Letter) -> anyhow::Result<bool> {
    let Resolution::Account(account) = server.directory.resolve(&letter.recipient).await? else { return Ok(false) };
    let recipient = Recipient {
        account,
        prefix: trace::delivery(None, &letter.recipient).into_bytes(),
        targets: Vec::new(),
        flags: FlagSet::EMPTY,
    };
    let delivery = Delivery {
        id: format!("letter-{}", letter.id),
        content: Content::Bytes(letter.raw.clone()),
        received_at: server.clock.now(),
        recipients: vec![recipient],
    };
    Ok(server.store.deliver(delivery).await?.iter().all(Result::is_ok))
}

/// From the null sender, signed by the home's own domain.
async fn seal(server: &Server, letter: Letter) -> anyhow::Result<NewMail> {
    let domains = server.directory.list_domains().await?;
    let domain = domains.into_iter().next().context("this home has no domain")?.name;
    let keys = server.signer.keys_of(&domain).await;
    let message = Message::from(letter.raw);
    let signed = message.clone();
    let head = tokio::task::spawn_blocking(move || keys.map(|keys| keys.sign(&signed)).transpose()).await?;
    let head = head.unwrap_or_else(|error| {
        tracing::error!(%domain, %error, "a letter could not be signed; it goes out unsigned");
        None
    });
    Ok(NewMail {
        sender: None,
        account: None,
        smtputf8: !letter.recipient.local().is_ascii(),
        return_full: false,
        envid: None,
        head: head.unwrap_or_default().into_bytes(),
        message,
        recipients: vec![NewRecipient::to(letter.recipient)],
        require_tls: false,
    })
}
