// SPDX-License-Identifier: AGPL-3.0-or-later
//! A mail from a stranger: checked, judged, delivered; durable in every mailbox before 250.
//!
//! `check/` finds, `verdict.rs` decides, this file acts. There is no queue between: the store's journal is what makes
//! a delivery durable. What an alias sends elsewhere goes into the queue.

pub mod check;
pub mod verdict;

use std::collections::BTreeMap;

use hearth_filter::{Reason, place};
use hearth_mailstore::{Content, Delivery, Error as StoreError, Recipient, Refusal};
use hearth_types::id::Id;
use hearth_types::{AccountId, Address, Fault, Timestamp, Trouble};
use hearth_wire::smtp::replies::{
    ACCEPTED_250_2_6_0, HEADER_TOO_BIG_554_5_6_0, LOOP_554_5_4_6, MAILBOX_FULL_452_4_2_2, NO_SPACE_452_4_3_1,
};
use hearth_wire::smtp::{Reply, header_is_bounded};
use metrics::counter;

use crate::ctx::{Ctx, Outcome};
use crate::limits::RECEIVED_MAX;
use crate::queue::bounce::{self, Failure};
use crate::queue::{NewMail, NewRecipient, QueueError};
use crate::state::{Goal, Hello, Transaction};
use crate::trace;

/// Takes a whole message from port 25.
pub(crate) async fn accept(ctx: &Ctx, hello: Option<&Hello>, transaction: Transaction, raw: Vec<u8>) -> Outcome {
    let now = ctx.server.clock.now();
    let id = Id::new(now).to_string();
    if !header_is_bounded(&raw) {
        return Err(Fault::Peer(HEADER_TOO_BIG_554_5_6_0));
    }
    if trace::hops(&raw) > RECEIVED_MAX {
        return Err(Fault::Peer(LOOP_554_5_4_6));
    }
    let name = hello.map_or("unknown", |hello| hello.name.as_str());
    let hostname = ctx.server.hostname.as_str();
    let subject = check::Subject { hostname, ip: ctx.ip(), hello: name, sender: transaction.sender.as_ref(), raw: &raw };
    let findings =
        if ctx.is_this_machine() { check::none_for_this_machine(&subject) } else { check::run(&subject, &ctx.server.dns).await };
    let verdict = verdict::decide(&findings);
    counter!("smtp_messages_received_total", "verdict" => verdict.name()).increment(1);
    tracing::info!(
        mail = %id, peer = %ctx.ip(), bytes = raw.len(), recipients = transaction.recipients.len(), verdict = verdict.name(),
        spf = ?findings.spf, dmarc = ?findings.dmarc.finding, signed = findings.has_good_signature(), "a mail came"
    );
    let (judgement, reason) = verdict.judged().map_err(Fault::Peer)?;
    let trace = head(ctx, hello, &transaction, &findings, &id, &reason, now);
    let raw = trace::without_claims(&raw, hostname).unwrap_or(raw);
    let mail = Mail { id, trace, raw, received_at: now };
    deliver(ctx, &transaction, mail, &place(judgement)).await
}

/// Received, Authentication-Results and the reason.
fn head(
    ctx: &Ctx,
    hello: Option<&Hello>,
    transaction: &Transaction,
    findings: &check::Findings,
    id: &str,
    reason: &Reason,
    now: Timestamp,
) -> String {
    let recipient = match transaction.recipients.as_slice() {
        [only] => Some(&only.address),
        _ => None,
    };
    let hop = trace::Hop {
        hello: hello.map_or("unknown", |hello| hello.name.as_str()),
        from: Some((ctx.ip(), findings.host.as_deref())),
        by: &ctx.server.hostname,
        with: trace::protocol(hello.is_some_and(|hello| hello.extended), ctx.tls.is_some(), false),
        tls: ctx.tls.as_ref().map(|tls| (tls.version, tls.cipher.as_str())),
        id,
        recipient,
        at: now,
    };
    trace::received(&hop) + &trace::results(&findings.results, reason.as_str())
}

struct Mail {
    id: String,
    trace: String,
    raw: Vec<u8>,
    received_at: Timestamp,
}

async fn deliver(ctx: &Ctx, transaction: &Transaction, mail: Mail, placement: &hearth_filter::Placement) -> Outcome {
    let sender = transaction.sender.as_ref();
    let (mailboxes, forwards) = goals(transaction);
    let forwarded = forward(ctx, transaction, &mail, forwards).await?;
    let (accounts, addresses): (Vec<AccountId>, Vec<&Address>) = mailboxes.into_iter().unzip();
    let recipients = accounts.iter().zip(&addresses).map(|(account, address)| Recipient {
        account: *account,
        prefix: (trace::delivery(sender, address) + &mail.trace).into_bytes(),
        targets: placement.targets.clone(),
        flags: placement.flags.clone(),
    });
    let delivery = Delivery {
        id: mail.id.clone(),
        content: Content::Bytes(mail.raw),
        received_at: mail.received_at,
        recipients: recipients.collect(),
    };
    let outcomes = if delivery.recipients.is_empty() { Ok(Vec::new()) } else { ctx.server.store.deliver(delivery).await };
    let outcomes = match outcomes {
        Ok(outcomes) => outcomes,
        Err(error) => {
            if let Some(queued) = forwarded {
                // The sender comes again with all of it.
                ctx.server.queue.drop_mail(queued).await.map_err(Trouble::from)?;
            }
            return Err(not_stored(error));
        }
    };
    let full: Vec<&Address> = addresses
        .iter()
        .zip(&outcomes)
        .filter(|(_, outcome)| **outcome == Err(Refusal::OverQuota))
        .map(|(address, _)| *address)
        .collect();
    if !full.is_empty() && full.len() == outcomes.len() && forwarded.is_none() {
        return Err(Fault::Peer(MAILBOX_FULL_452_4_2_2));
    }
    tell_of_full(ctx, sender, &mail.id, &mail.trace, &full).await?;
    counter!("smtp_mailboxes_delivered_total").increment((outcomes.len() - full.len()) as u64);
    Ok(ACCEPTED_250_2_6_0.saying(format!("accepted as {}", mail.id)))
}

/// Every mailbox once, with the address that led to it first; and every address elsewhere once.
fn goals(transaction: &Transaction) -> (BTreeMap<AccountId, &Address>, BTreeMap<&Address, &Address>) {
    let (mut mailboxes, mut elsewhere) = (BTreeMap::new(), BTreeMap::new());
    for recipient in &transaction.recipients {
        if let Goal::Here { accounts, forwards } = &recipient.goal {
            for account in accounts {
                mailboxes.entry(*account).or_insert(&recipient.address);
            }
            for forward in forwards {
                elsewhere.entry(forward).or_insert(&recipient.address);
            }
        }
    }
    (mailboxes, elsewhere)
}

/// What aliases send to other homes waits in the queue, from the envelope sender that it came with; (todo: SRS)
async fn forward(
    ctx: &Ctx,
    transaction: &Transaction,
    mail: &Mail,
    forwards: BTreeMap<&Address, &Address>,
) -> Result<Option<Id>, Fault<Reply>> {
    if forwards.is_empty() {
        return Ok(None);
    }
    let recipients = forwards.into_keys().map(|address| NewRecipient::to(address.clone())).collect();
    let queued = ctx.server.queue.enqueue(NewMail {
        sender: transaction.sender.clone(),
        account: None,
        smtputf8: transaction.params.smtputf8,
        return_full: false,
        envid: None,
        head: mail.trace.clone().into_bytes(),
        raw: mail.raw.clone(),
        recipients,
    });
    Ok(Some(queued.await.map_err(not_queued)?))
}

/// Some got it, so the sender hears 250; those whose mailbox is full are told of in a report.
async fn tell_of_full(ctx: &Ctx, sender: Option<&Address>, id: &str, header: &str, full: &[&Address]) -> Result<(), Fault<Reply>> {
    let Some(sender) = sender.filter(|_| !full.is_empty()) else { return Ok(()) };
    let failures = full.iter().map(|address| Failure {
        recipient: (*address).clone(),
        orcpt: None,
        reply: Reply::named(552, 2, 2, "the mailbox is full"),
        host: None,
    });
    let report = bounce::Report {
        hostname: &ctx.server.hostname,
        id,
        sender,
        envid: None,
        arrived_at: ctx.server.clock.now(),
        now: ctx.server.clock.now(),
        action: bounce::Action::Failed,
        recipients: failures.collect(),
        returned: bounce::Returned::Header(header.as_bytes()),
    };
    ctx.server.queue.enqueue(bounce::write(&report)).await.map_err(not_queued)?;
    Ok(())
}

fn not_stored(error: StoreError) -> Fault<Reply> {
    match error {
        StoreError::Full => {
            tracing::error!("the disk is full; mail is put off");
            Fault::Peer(NO_SPACE_452_4_3_1)
        }
        error => Fault::Ours(Trouble::from(error)),
    }
}

/// The queue's errors as a session sees them.
pub(crate) fn not_queued(error: QueueError) -> Fault<Reply> {
    if error.is_full() {
        tracing::error!("the disk is full; mail is put off");
        return Fault::Peer(NO_SPACE_452_4_3_1);
    }
    Fault::Ours(Trouble::from(error))
}
