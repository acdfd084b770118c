// SPDX-License-Identifier: AGPL-3.0-or-later
//! A mail that somebody of this home gets: what their own mail says of it, what their own rules want, the mailboxes.
//!
//! `plan.rs` finds out, per person and without changing anything, what is to be done; [`carry_out`] does it: what
//! leaves the house goes into the queue first, aside; then the mailboxes; then it goes on, for those whose mailbox took
//! the mail, and what must be remembered is written down. Both port 25 and the queue's worker come through here, so that
//! a mail from a neighbour is filtered like one from a stranger.
//!
//! **It fails** as a whole before anything is in a mailbox, or not at all: rules that are wrong, a classifier that
//! cannot be asked, an answer that cannot be written never cost the mail.

mod at_rest;
mod autocrypt;
mod learn;
mod notice;
mod plan;
pub(crate) mod rejects;

use hearth_filter::sieve::Remember;
use hearth_filter::{Judgement, Reason};
use hearth_mailstore::{Delivery, Durability, Error as StoreError, FlagSet, Recipient, Refusal, Target, lesson, memory};
use hearth_types::id::Id;
use hearth_types::{AccountId, Address, Fault, Timestamp, Trouble};
use hearth_wire::smtp::Reply;
use hearth_wire::smtp::replies::NO_SPACE_452_4_3_1;
use metrics::counter;

use crate::ctx::Server;
use crate::inbound::not_queued;
use crate::message::Message;
use crate::queue::{NewMail, NewRecipient};

pub(crate) use plan::{plan, written_to};

/// A mail, and what was thought of it so far.
pub(crate) struct Arrival {
    /// Names the delivery: the same again delivers nothing twice.
    pub id: String,
    /// The envelope sender; `None` is the null sender.
    pub sender: Option<Address>,
    /// The fields that we put in front of every copy.
    pub trace: String,
    /// The mail.
    pub message: Message,
    /// When it came.
    pub received_at: Timestamp,
    /// What was thought of its sender.
    pub judgement: Judgement,
    /// Why; `None` for our own people's mail.
    pub reason: Option<Reason>,
    /// The one author that From names proved to be it.
    pub proven: bool,
    /// Our Authentication-Results; empty for our own people's mail.
    pub results: String,
    /// The addresses that it says it was delivered to before.
    pub delivered_to: Vec<String>,
    /// RFC 8689: it may not leave without TLS.
    pub require_tls: bool,
}

/// What is to be done for one person.
#[derive(Debug)]
pub(crate) struct Plan {
    account: AccountId,
    address: Address,
    prefix: String,
    copies: Vec<Copy>,
    leaving: Vec<NewMail>,
    answers: Vec<NewMail>,
    remember: Vec<Remember>,
    judged_junk: bool,
    /// The person had mail from this sender before.
    pub knows_sender: bool,
    error: Option<String>,
    /// The person's rules refuse it, with this for the sender.
    pub rejected: Option<Reply>,
}

/// One message in some mailboxes of one person.
#[derive(Debug)]
struct Copy {
    /// Other bytes than those that came, whole.
    edited: Option<Message>,
    targets: Vec<Target>,
    flags: FlagSet,
}

impl Plan {
    /// What leaves the house, for who queues it with more.
    pub(crate) fn take_leaving(&mut self) -> Vec<NewMail> {
        std::mem::take(&mut self.leaving)
    }
}

/// Does what was planned. The outcomes are in the order of the plans; a rejected one is `Ok` and nobody's mailbox
/// has it. An `Err` means that nothing was done.
pub(crate) async fn carry_out(
    server: &Server,
    arrival: &Arrival,
    plans: Vec<Plan>,
) -> Result<Vec<Result<(), Refusal>>, Fault<Reply>> {
    let (mut queued, mut plans) = (Vec::new(), plans);
    at_rest::seal(server, arrival, &mut plans).await.map_err(Fault::Ours)?;
    for (at, plan) in plans.iter_mut().enumerate() {
        for mail in plan.take_leaving() {
            // Aside: what a mailbox has no room for comes again, and may not have left before.
            match server.queue.enqueue_aside(mail).await {
                Ok(id) => queued.push((at, id)),
                Err(error) => {
                    take_back(server, queued).await;
                    return Err(not_queued(error));
                }
            }
        }
    }
    let outcomes = match into_mailboxes(server, arrival, &plans).await {
        Ok(outcomes) => outcomes,
        Err(error) => {
            // The sender comes again with all of it.
            take_back(server, queued).await;
            return Err(not_stored(error));
        }
    };
    let (leave, stay): (Vec<_>, Vec<_>) = queued.into_iter().partition(|(at, _)| outcomes.get(*at).is_some_and(Result::is_ok));
    take_back(server, stay).await;
    for (_, id) in leave {
        if let Err(error) = server.queue.retry(Some(id)).await {
            tracing::error!(queue = %id, %error, "a copy that may leave could not be sent on at once; it waits for a lease's time");
        }
    }
    for (plan, outcome) in plans.into_iter().zip(&outcomes) {
        if outcome.is_ok() {
            finish(server, arrival, plan).await;
        }
    }
    Ok(outcomes)
}

async fn take_back(server: &Server, queued: Vec<(usize, Id)>) {
    for (_, id) in queued {
        if let Err(error) = server.queue.drop_mail(id).await {
            tracing::error!(queue = %id, %error, "a copy that should not leave could not be taken back");
        }
    }
}

/// The copy that everybody has is one delivery, copies that are somebody's own (edited, sealed) are one each; all of them
/// are accepted as one.
async fn into_mailboxes(server: &Server, arrival: &Arrival, plans: &[Plan]) -> Result<Vec<Result<(), Refusal>>, StoreError> {
    let mut outcomes: Vec<Result<(), Refusal>> = vec![Ok(()); plans.len()];
    let (mut deliveries, mut places) = (Vec::new(), Vec::new());
    let mut shared = Delivery {
        id: arrival.id.clone(),
        content: arrival.message.content(),
        received_at: arrival.received_at,
        recipients: Vec::new(),
    };
    let mut sharing = Vec::new();
    for (at, plan) in plans.iter().enumerate() {
        for (number, copy) in plan.copies.iter().enumerate() {
            let recipient = Recipient {
                account: plan.account,
                prefix: if copy.edited.is_some() { Vec::new() } else { plan.prefix.clone().into_bytes() },
                targets: copy.targets.clone(),
                flags: copy.flags.clone(),
            };
            let Some(message) = &copy.edited else {
                shared.recipients.push(recipient);
                sharing.push(at);
                continue;
            };
            deliveries.push(Delivery {
                id: format!("{}-{}-{number}", arrival.id, plan.account),
                content: message.content(),
                received_at: arrival.received_at,
                recipients: vec![recipient],
            });
            places.push(vec![at]);
        }
    }
    if !shared.recipients.is_empty() {
        deliveries.push(shared);
        places.push(sharing);
    }
    let delivered = server.store.deliver_all(deliveries).await?;
    for (at, outcome) in places.into_iter().flatten().zip(delivered.into_iter().flatten()) {
        note(server, plans, at, outcome, &mut outcomes).await;
    }
    Ok(outcomes)
}

async fn note(
    server: &Server,
    plans: &[Plan],
    at: usize,
    outcome: Result<hearth_mailstore::Delivered, Refusal>,
    outcomes: &mut [Result<(), Refusal>],
) {
    match (outcome, plans.get(at), outcomes.get_mut(at)) {
        (Err(refusal), _, Some(slot)) => *slot = Err(refusal),
        (Ok(delivered), Some(plan), _) if plan.judged_junk => {
            // Not written, it would only be taken for the person's own doing.
            let noted = server.store.write(plan.account, Durability::Committed, move |tx| lesson::judged_junk(tx, delivered.id));
            if let Err(error) = noted.await {
                tracing::warn!(account = %plan.account, %error, "that a mail was judged could not be noted");
            }
        }
        _ => {}
    }
}

/// The mail is in its place: answers leave, and what was seen is remembered. What fails here is logged, no more.
async fn finish(server: &Server, arrival: &Arrival, plan: Plan) {
    autocrypt::note(server, arrival, &plan).await;
    if !plan.remember.is_empty() {
        let now = server.clock.now();
        let remember = plan.remember;
        let done = server.store.write(plan.account, Durability::Committed, move |tx| {
            remember
                .iter()
                .try_for_each(|one| memory::remember(tx, &one.id, now.after(std::time::Duration::from_secs(one.seconds))))
        });
        if let Err(error) = done.await {
            // Better no answer than one to each mail.
            tracing::warn!(account = %plan.account, %error, "what a script saw could not be remembered; nobody is answered");
            return;
        }
    }
    for answer in plan.answers {
        counter!("smtp_sieve_answers_total").increment(1);
        if let Err(error) = server.queue.enqueue(answer).await {
            tracing::warn!(account = %plan.account, %error, "an answer of a script could not be queued");
        }
    }
    if let Some(error) = plan.error {
        counter!("smtp_sieve_errors_total").increment(1);
        tracing::info!(account = %plan.account, mail = %arrival.id, error, "a person's rules failed; the mail was kept");
        notice::tell_owner(server, plan.account, &plan.address, &notice::RULES_FAIL, &error).await;
    }
}

/// A copy of a mail that goes on to another home.
pub(crate) fn leaving(sender: Option<Address>, to: Vec<Address>, head: Vec<u8>, message: Message) -> NewMail {
    NewMail {
        smtputf8: to.iter().chain(&sender).any(needs_utf8),
        sender,
        account: None,
        return_full: false,
        require_tls: false,
        envid: None,
        head,
        message,
        recipients: to.into_iter().map(NewRecipient::to).collect(),
    }
}

pub(crate) fn needs_utf8(address: &Address) -> bool {
    !address.local().is_ascii()
}

pub(crate) fn not_stored(error: StoreError) -> Fault<Reply> {
    match error {
        StoreError::Full => {
            tracing::error!("the disk is full; mail is put off");
            Fault::Peer(NO_SPACE_452_4_3_1)
        }
        error => Fault::Ours(Trouble::from(error)),
    }
}
