// SPDX-License-Identifier: AGPL-3.0-or-later
//! A mail from a stranger: checked, judged, delivered; durable in every mailbox before 250.
//!
//! `check/` finds, `verdict.rs` decides, this file acts. There is no queue between: the store's journal is what makes
//! a delivery durable. What an alias sends elsewhere goes into the queue.

pub mod check;
pub mod pace;
mod told;
pub mod verdict;
mod wishes;

use std::collections::BTreeMap;

use hearth_filter::Judgement;
use hearth_mailstore::Refusal;
use hearth_types::id::Id;
use hearth_types::{AccountId, Address, Fault, Timestamp, Trouble};
use hearth_wire::smtp::replies::{
    ACCEPTED_250_2_6_0, HEADER_TOO_BIG_554_5_6_0, LOOP_554_5_4_6, MAILBOX_FULL_452_4_2_2, NO_SPACE_452_4_3_1, NOBODY_HERE_450_4_2_1,
};
use hearth_wire::smtp::{Reply, header_is_bounded};
use metrics::counter;

use crate::ctx::{Ctx, Outcome, Server};
use crate::judges::{self, Case, Opinion};
use crate::limits::RECEIVED_MAX;
use crate::local::{self, Arrival};
use crate::message::Message;
use crate::queue::worker::for_the_house;
use crate::queue::{NewMail, QueueError};
use crate::state::{Goal, Hello, Transaction};
use crate::{binary, lists, reports, seal, submission, trace};
use told::{Asked, Became};
use verdict::Verdict;
use wishes::Wishes;

/// A full mailbox, where others have the mail already and nobody comes again with it.
const MAILBOX_FULL_552_5_2_2: Reply = Reply::named(552, 2, 2, "the mailbox is full");

/// What a report says in place of a reply that puts off: nobody comes again with the mail.
pub(crate) fn last_word(reply: Reply) -> Reply {
    match () {
        () if reply == MAILBOX_FULL_452_4_2_2 => MAILBOX_FULL_552_5_2_2,
        () if reply == NOBODY_HERE_450_4_2_1 => Reply::named(550, 2, 1, "nobody lives here yet"),
        () => reply,
    }
}

/// Which way a mail came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// Port 25.
    Mx,
    /// From a mail server of the same home, which has judged it.
    Lmtp,
}

/// Takes a whole message.
pub(crate) async fn accept(ctx: &Ctx, door: Door, hello: Option<&Hello>, transaction: Transaction, message: Message) -> Outcome {
    let now = ctx.server.clock.now();
    let id = Id::new(now).to_string();
    if !header_is_bounded(message.start()) {
        return Err(Fault::Peer(HEADER_TOO_BIG_554_5_6_0));
    }
    if trace::hops(message.start()) > RECEIVED_MAX {
        return Err(Fault::Peer(LOOP_554_5_4_6));
    }
    let trusted = door == Door::Lmtp || ctx.is_trusted();
    let name = hello.map_or("unknown", |hello| hello.name.as_str());
    let hostname = ctx.server.hostname.as_str();
    let (findings, verdict, message) = judge(ctx, (&id, name, trusted), &transaction, message).await;
    let message = if transaction.is_binary() { binary::to_lines(&ctx.server, message).await? } else { message };
    counter!("smtp_messages_received_total", "verdict" => verdict.name()).increment(1);
    tracing::info!(
        mail = %id, peer = %ctx.ip(), bytes = message.len(), recipients = transaction.recipients.len(), verdict = verdict.name(),
        spf = ?findings.spf, dmarc = ?findings.dmarc.finding, signed = findings.has_good_signature(), "a mail came"
    );
    let refusal = match &verdict {
        Verdict::Defer(reply) => return Err(Fault::Peer(reply.clone())),
        Verdict::Reject(reply) => Some(reply.clone()),
        Verdict::Accept(_) | Verdict::Quarantine(_) => None,
    };
    let (judgement, reason) = verdict.judged().ok().unzip();
    let trace = head(ctx, door, hello, &transaction, &findings, &id, now);
    let delivered_to = trace::delivered_to(message.start());
    let message = match trace::without_claims(message.start(), hostname) {
        Some(start) => message.with_start(start),
        None => message,
    };
    let sender = transaction.sender.clone();
    let proven = match submission::authors(message.start()).as_deref() {
        Ok([author]) => lists::is_proven(author, sender.as_ref(), Some(&findings)),
        _ => false,
    };
    let arrival = Arrival {
        id,
        sender,
        trace,
        message,
        received_at: now,
        judgement: judgement.unwrap_or(Judgement::Suspect),
        reason,
        proven,
        results: if findings.trusted { String::new() } else { findings.results.clone() },
        delivered_to,
        require_tls: transaction.params.require_tls,
    };
    if let Some(reply) = refusal {
        let people: Vec<_> = goals(&transaction).0.into_iter().map(|(account, address)| (account, address.clone())).collect();
        local::rejects::keep(&ctx.server, &arrival, &reply.text, &people).await;
        return Err(Fault::Peer(reply));
    }
    hand_out(ctx, trusted, &findings, transaction, arrival).await
}

/// What is found of a mail, what is to be done with it, and the mail as the judges left it.
async fn judge(
    ctx: &Ctx,
    (id, name, trusted): (&str, &str, bool),
    transaction: &Transaction,
    message: Message,
) -> (check::Findings, Verdict, Message) {
    let hostname = ctx.server.hostname.as_str();
    let recipients: Vec<Address> = transaction.recipients.iter().map(|known| known.address.clone()).collect();
    let subject = check::Subject {
        hostname,
        ip: ctx.ip(),
        hello: name,
        sender: transaction.sender.as_ref(),
        recipients: &recipients,
        message: &message,
    };
    let findings = if trusted { check::none(&subject) } else { check::run(&subject, &ctx.server.dns, &ctx.server.policy).await };
    let verdict = verdict::decide(&findings);
    let case = Case {
        id,
        hostname,
        ip: ctx.ip(),
        port: ctx.peer.remote.port(),
        host: findings.host.as_deref(),
        hello: name,
        sender: transaction.sender.as_ref(),
        recipients: &recipients,
        message: &message,
    };
    let (opinion, changed) = match &verdict {
        Verdict::Accept(_) | Verdict::Quarantine(_) if !trusted => ask_judges(ctx, &findings, case).await,
        _ => (Opinion::Fine, None),
    };
    (findings, verdict.with(opinion), changed.unwrap_or(message))
}

/// To whomever it is for; the sender hears of each as they asked (RFC 3461 §4.1).
async fn hand_out(ctx: &Ctx, trusted: bool, findings: &check::Findings, mut transaction: Transaction, arrival: Arrival) -> Outcome {
    let asked = Asked::of(&transaction);
    let mut became = Became::default();
    if arrival.judgement == Judgement::Welcome {
        became.arrived = reports::take(&ctx.server, findings, &mut transaction, &arrival.message).await?;
    }
    if transaction.recipients.is_empty() {
        told::tell(ctx, &arrival, &asked, became).await?;
        return Ok(ACCEPTED_250_2_6_0.saying(format!("accepted as {}", arrival.id)));
    }
    let wishes = wishes::ask(&ctx.server, findings, &mut transaction, &arrival).await?;
    let is_posted = !wishes.posted.is_empty();
    if let ([(_, reply), ..], true, false) = (wishes.refused.as_slice(), transaction.recipients.is_empty(), is_posted) {
        return Err(Fault::Peer(reply.clone()));
    }
    became.add(deliver(ctx, trusted, &transaction, &arrival, wishes).await?);
    told::tell(ctx, &arrival, &asked, became).await?;
    Ok(ACCEPTED_250_2_6_0.saying(format!("accepted as {}", arrival.id)))
}

/// Judges see what we found, in our name, and nobody else's word in it.
async fn ask_judges(ctx: &Ctx, findings: &check::Findings, case: Case<'_>) -> (Opinion, Option<Message>) {
    let policy = &ctx.server.policy;
    if policy.judges.is_empty() {
        return (Opinion::Fine, None);
    }
    let own = trace::without_claims(case.message.start(), case.hostname);
    let start = [trace::results(&findings.results).as_bytes(), own.as_deref().unwrap_or(case.message.start())].concat();
    let message = &case.message.with_start(start);
    judges::ask(&policy.judges, policy.judges_must_answer, &Case { message, ..case }).await
}

/// Received and Authentication-Results.
fn head(
    ctx: &Ctx,
    door: Door,
    hello: Option<&Hello>,
    transaction: &Transaction,
    findings: &check::Findings,
    id: &str,
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
        with: match door {
            Door::Mx => {
                trace::protocol(hello.is_some_and(|hello| hello.extended), ctx.tls.is_some(), false, transaction.params.smtputf8)
            }
            Door::Lmtp => "LMTP",
        },
        tls: ctx.tls.as_ref().map(|tls| (tls.version, tls.cipher.as_str())),
        id,
        recipient,
        at: now,
    };
    trace::received(&hop) + &trace::results(&findings.results)
}

async fn deliver(
    ctx: &Ctx,
    trusted: bool,
    transaction: &Transaction,
    arrival: &Arrival,
    wishes: Wishes,
) -> Result<Became, Fault<Reply>> {
    let (server, lists) = (&ctx.server, wishes.posted.len());
    let mut refused = wishes.refused;
    let at_house = transaction.recipients.iter().filter(|recipient| recipient.goal == Goal::House).count();
    if lists == 0 && at_house == transaction.recipients.len() {
        return only_for_the_house(server, transaction, arrival, refused).await;
    }
    let (mailboxes, forwards) = goals(transaction);
    if forwards.values().any(|through| arrival.delivered_to.contains(&through.to_string().to_lowercase())) {
        return Err(Fault::Peer(LOOP_554_5_4_6));
    }
    let people: Vec<(AccountId, Address)> = mailboxes.into_iter().map(|(account, address)| (account, address.clone())).collect();
    let mut plans = local::plan(server, arrival, &people).await?;
    if !trusted && !plans.is_empty() && !plans.iter().any(|plan| plan.knows_sender) {
        // Who has many addresses to try has no time; who writes a letter has.
        counter!("smtp_first_senders_total").increment(1);
        tokio::time::sleep(server.policy.first_sender_delay).await;
    }
    if let ([plan], true, 0) = (plans.as_mut_slice(), forwards.is_empty(), lists + at_house)
        && let Some(reply) = plan.rejected.take()
    {
        // RFC 5429 §2.1: the refusal of the only recipient is the server's own, and no report is written.
        return Err(Fault::Peer(reply));
    }
    let rejected: Vec<Option<Reply>> = plans.iter_mut().map(|plan| plan.rejected.take()).collect();
    let mut onward = forward(ctx, transaction, arrival, forwards).await;
    onward.extend(wishes.copies);
    // All or none: a sender that comes again doubles nothing.
    let forwarded = server.queue.enqueue_all(onward).await.map_err(not_queued)?;
    let outcomes = match local::carry_out(server, arrival, plans).await {
        Ok(outcomes) => outcomes,
        Err(fault) => {
            for queued in forwarded {
                // The sender comes again with all of it.
                server.queue.drop_mail(queued).await.map_err(Trouble::from)?;
            }
            return Err(fault);
        }
    };
    let full = outcomes.iter().filter(|outcome| **outcome == Err(Refusal::OverQuota)).count();
    if full > 0 && full == outcomes.len() && forwarded.is_empty() && lists + at_house == 0 {
        return Err(Fault::Peer(MAILBOX_FULL_452_4_2_2));
    }
    counter!("smtp_mailboxes_delivered_total").increment((people.len() - full) as u64);
    // Last: what is put down for the house cannot be taken back, and nobody comes again from here on.
    for address in houses(transaction) {
        let reply = for_the_house(server, address, &arrival.message).await.unwrap_or_else(|trouble| {
            tracing::error!(mail = %arrival.id, trouble = %trouble, "a mail for the house could not be put down; its sender is told");
            Reply::named(554, 3, 0, "it could not be put down")
        });
        if reply != ACCEPTED_250_2_6_0 {
            refused.push((address.clone(), reply));
        }
    }
    let became = people.iter().zip(outcomes).zip(rejected).map(|(((account, _), outcome), rejected)| match outcome {
        Err(Refusal::OverQuota) => (*account, Some(MAILBOX_FULL_552_5_2_2)),
        Ok(()) => (*account, rejected),
    });
    let became = by_address(transaction, &became.collect());
    Ok(told_of(became, refused, wishes.posted, arrival))
}

/// Where all that is left of a transaction is the house's: nothing else can go twice when the sender comes again.
async fn only_for_the_house(
    server: &Server,
    transaction: &Transaction,
    arrival: &Arrival,
    mut refused: Vec<(Address, Reply)>,
) -> Result<Became, Fault<Reply>> {
    let before = refused.len();
    for address in houses(transaction) {
        let reply = for_the_house(server, address, &arrival.message).await?;
        if reply != ACCEPTED_250_2_6_0 {
            refused.push((address.clone(), reply));
        }
    }
    match refused.get(before) {
        Some((_, reply)) if refused.len() - before == transaction.recipients.len() => Err(Fault::Peer(reply.clone())),
        _ => Ok(told_of(by_address(transaction, &BTreeMap::new()), refused, Vec::new(), arrival)),
    }
}

/// The addresses that a server of the house answers.
fn houses(transaction: &Transaction) -> impl Iterator<Item = &Address> {
    transaction.recipients.iter().filter(|recipient| recipient.goal == Goal::House).map(|recipient| &recipient.address)
}

/// What the sender may hear of it.
fn told_of(mut became: Became, refused: Vec<(Address, Reply)>, posted: Vec<Address>, arrival: &Arrival) -> Became {
    became.arrived.retain(|address| refused.iter().all(|(refused, _)| refused != address));
    became.arrived.extend(posted);
    if arrival.judgement == Judgement::Welcome {
        became.failed.extend(refused.into_iter().map(|(address, reply)| (address, last_word(reply))));
    } else {
        // Nobody writes to a forger.
        (became.arrived, became.relayed) = (Vec::new(), Vec::new());
    }
    became
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

/// RFC 3461 §5.2: what came of each address that was written to, though several may lead to one person. An address that
/// stands for several failed when one of them did not get it.
fn by_address(transaction: &Transaction, people: &BTreeMap<AccountId, Option<Reply>>) -> Became {
    let mut became = Became::default();
    for recipient in &transaction.recipients {
        let address = recipient.address.clone();
        match &recipient.goal {
            Goal::Here { accounts, forwards } => match accounts.iter().find_map(|account| people.get(account)?.clone()) {
                Some(reply) => became.failed.push((address, reply)),
                // RFC 3461 §5.2.7.1: what an alias sends on asks for no report any more.
                None if !forwards.is_empty() => became.relayed.push(address),
                None => became.arrived.push(address),
            },
            Goal::House => became.arrived.push(address),
            Goal::List { .. } | Goal::Vacant | Goal::Elsewhere => {}
        }
    }
    became
}

/// What aliases send to other homes; one mail for each alias, whose address rewrites the sender and whose domain seals.
async fn forward(ctx: &Ctx, transaction: &Transaction, arrival: &Arrival, forwards: BTreeMap<&Address, &Address>) -> Vec<NewMail> {
    let mut by_alias: BTreeMap<&Address, Vec<Address>> = BTreeMap::new();
    for (to, through) in forwards {
        by_alias.entry(through).or_default().push(to.clone());
    }
    let mut mails = Vec::with_capacity(by_alias.len());
    for (through, to) in by_alias {
        let sender = match &arrival.sender {
            Some(sender) => Some(ctx.server.forwarder(sender, through).await),
            None => None,
        };
        let seal = seal::seal(&ctx.server, through.domain(), &arrival.message, &arrival.results).await;
        let head = format!("Delivered-To: {through}\r\n{seal}{}", arrival.trace);
        mails.push(NewMail {
            smtputf8: transaction.params.smtputf8,
            require_tls: transaction.params.require_tls,
            ..local::leaving(sender, to, head.into_bytes(), arrival.message.clone())
        });
    }
    mails
}

/// The queue's errors as a session sees them.
pub(crate) fn not_queued(error: QueueError) -> Fault<Reply> {
    if error.is_full() {
        tracing::error!("the disk is full; mail is put off");
        return Fault::Peer(NO_SPACE_452_4_3_1);
    }
    Fault::Ours(Trouble::from(error))
}
