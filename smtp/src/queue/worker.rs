// SPDX-License-Identifier: AGPL-3.0-or-later
//! The worker: claims what is due, delivers here or sends elsewhere, settles what came of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use hearth_filter::Judgement;
use hearth_identity::directory::{List, Resolution};
use hearth_identity::limits::HOUSE_MAIL_BYTES_MAX;
use hearth_mailstore::Refusal;
use hearth_types::{AccountId, Address, Domain, Fault, Trouble};
use hearth_wire::smtp::replies::{
    ACCEPTED_250_2_6_0, MAILBOX_FULL_452_4_2_2, NO_SUCH_USER_550_5_1_1, NOBODY_HERE_450_4_2_1, TOO_BIG_552_5_3_4,
    TRY_LATER_451_4_3_0,
};
use hearth_wire::smtp::{Notify, Reply, body_offset};
use metrics::counter;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::bounce::{self, Action, Failure};
use super::claim::{Claimed, Due, Settled};
use super::schedule::{self, Next};
use super::{NewMail, QueueError};
use crate::ctx::Server;
use crate::inbound::check::Findings;
use crate::inbound::last_word;
use crate::limits::{DESTINATIONS_MAX, LEASE, QUEUE_LOOK, RETURNED_BYTES_MAX};
use crate::lists::{self, Post};
use crate::local::{self, Arrival};
use crate::message::Message;
use crate::outbound::{Outbound, Outgoing, OutgoingRecipient, Sent};
use crate::trace;

/// Works until the process stops; what is under way then is finished, or its lease is ended at the next start.
pub async fn run(server: Arc<Server>, outbound: Outbound) {
    let places = Arc::new(Semaphore::new(DESTINATIONS_MAX));
    let mut working = JoinSet::new();
    while !server.stop.is_requested() {
        match server.queue.claim().await {
            Ok(claimed) => {
                for (domain, mail) in by_domain(claimed) {
                    let (server, outbound, places) = (Arc::clone(&server), outbound.clone(), Arc::clone(&places));
                    working.spawn(async move {
                        let _place = places.acquire_owned().await;
                        work(&server, &outbound, &domain, mail).await;
                    });
                }
            }
            Err(error) => tracing::error!(%error, "the queue cannot be read; trying again"),
        }
        rest(&server, &mut working).await;
    }
    while working.join_next().await.is_some() {}
}

/// Until a mail comes in, something is due, a piece of work ends, or it is time to look.
async fn rest(server: &Server, working: &mut JoinSet<()>) {
    // With all places taken there is no use in claiming more.
    while working.len() >= DESTINATIONS_MAX * 4 {
        working.join_next().await;
    }
    while working.try_join_next().is_some() {}
    let wait = server.queue.due_in().await.ok().flatten().map_or(QUEUE_LOOK, |due| due.min(QUEUE_LOOK));
    let wait = wait.max(std::time::Duration::from_millis(50));
    tokio::select! {
        () = server.queue.woken() => {}
        () = tokio::time::sleep(wait) => {}
        () = server.stop.requested() => {}
    }
}

/// One piece of work: the recipients of one message in one domain.
fn by_domain(claimed: Vec<Claimed>) -> Vec<(Domain, Claimed)> {
    let mut pieces = Vec::new();
    for mut mail in claimed {
        let mut domains: BTreeMap<Domain, Vec<Due>> = BTreeMap::new();
        for due in std::mem::take(&mut mail.recipients) {
            domains.entry(due.address.domain().clone()).or_default().push(due);
        }
        pieces.extend(domains.into_iter().map(|(domain, recipients)| (domain, Claimed { recipients, ..mail.clone() })));
    }
    pieces
}

async fn work(server: &Server, outbound: &Outbound, domain: &Domain, mail: Claimed) {
    // The lease must outlive the attempt: else a second worker would send the same mail beside us.
    let attempt = timeout(LEASE * 3 / 4, attempt(server, outbound, domain, &mail));
    let mut onward = Vec::new();
    let sent = match attempt.await {
        Ok(Ok((sent, mails))) => {
            onward = mails;
            sent
        }
        Ok(Err(trouble)) => {
            tracing::error!(queue = %mail.id, trouble = %trouble, "a queued mail could not be worked on");
            vec![Sent::ours(TRY_LATER_451_4_3_0.saying(format!("something failed here [{}]", trouble.id()))); mail.recipients.len()]
        }
        Err(_) => vec![Sent::ours(TRY_LATER_451_4_3_0.saying("the attempt took too long")); mail.recipients.len()],
    };
    if let Err(error) = settle(server, mail, sent, onward).await {
        tracing::error!(%error, "what came of a queued mail could not be written down; it is tried again");
    }
}

/// What came of each recipient, and the mails that go on from here: those are queued in the transaction that settles, so
/// that a crash between the two neither loses nor doubles them.
async fn attempt(
    server: &Server,
    outbound: &Outbound,
    domain: &Domain,
    mail: &Claimed,
) -> Result<(Vec<Sent>, Vec<NewMail>), Trouble> {
    let Some(message) = server.queue.body(mail.id).await? else {
        let gone = Sent::ours(Reply::named(554, 3, 0, "the message is gone from the queue"));
        return Ok((vec![gone; mail.recipients.len()], Vec::new()));
    };
    if server.directory.find_domain(domain).await?.is_some() {
        let (mut sent, mut here) = (Vec::with_capacity(mail.recipients.len()), Here::default());
        for due in &mail.recipients {
            here.passed_on = false;
            let reply = deliver_here(server, mail, due, &message, &mut here).await?;
            sent.push(Sent { passed_on: here.passed_on, ..Sent::ours(reply) });
        }
        return Ok((sent, here.onward));
    }
    let recipients = mail.recipients.iter().map(|due| OutgoingRecipient {
        address: due.address.clone(),
        notify: due.notify,
        orcpt: due.orcpt.clone(),
    });
    let outgoing = Outgoing {
        id: mail.id.to_string(),
        sender: mail.sender.clone(),
        is_ascii: is_ascii(&message).await?,
        message,
        smtputf8: mail.smtputf8,
        return_full: mail.return_full,
        require_tls: mail.require_tls,
        envid: mail.envid.clone(),
        recipients: recipients.collect(),
    };
    Ok((outbound.send(domain, &outgoing).await, Vec::new()))
}

/// Are all octets ASCII? If not, other servers are told (RFC 6152).
async fn is_ascii(message: &Message) -> Result<bool, Trouble> {
    if let Some(whole) = message.whole() {
        return Ok(whole.is_ascii());
    }
    let message = message.clone();
    let read = tokio::task::spawn_blocking(move || {
        let mut ascii = true;
        message.each(|piece| ascii &= piece.is_ascii()).map(|()| ascii)
    });
    Ok(read.await??)
}

/// What came of one message's recipients here.
#[derive(Default)]
struct Here {
    onward: Vec<NewMail>,
    /// What was tried last goes on to another home.
    passed_on: bool,
    /// Who has it, or the reply of who has not: several addresses of one person are one delivery, and one answer to each.
    became: BTreeMap<AccountId, Option<Reply>>,
}

/// To mailboxes here. The delivery is named after the queued message, so that a second attempt doubles nothing.
async fn deliver_here(server: &Server, mail: &Claimed, due: &Due, message: &Message, here: &mut Here) -> Result<Reply, Trouble> {
    if let Some(sender) = server.rewritten(&due.address).await? {
        // A report about a mail that we passed on goes back to where that came from.
        if mail.sender.is_none() {
            here.onward.push(local::leaving(None, vec![sender], Vec::new(), message.clone()));
        }
        return Ok(ACCEPTED_250_2_6_0);
    }
    let (accounts, forwards) = match server.directory.resolve(&due.address).await? {
        Resolution::Account(account) => (vec![account], Vec::new()),
        Resolution::Members { accounts, forwards } => (accounts, forwards),
        Resolution::List(list, members) => {
            return to_list(server, mail, due, message, (&list, &members), here).await;
        }
        Resolution::Vacant => return Ok(NOBODY_HERE_450_4_2_1),
        Resolution::House => return for_the_house(server, &due.address, message).await,
        Resolution::Disabled => return Ok(Reply::named(550, 2, 1, "this mailbox takes no mail")),
        Resolution::TooMany => return Ok(Reply::named(550, 4, 6, "this address stands for too many, or for itself")),
        Resolution::NoSuchUser | Resolution::NotOurDomain => return Ok(NO_SUCH_USER_550_5_1_1),
    };
    if let Some(reply) = to_mailboxes(server, mail, due, message, &accounts, here).await? {
        return Ok(reply);
    }
    let replies: Vec<Option<&Reply>> = accounts.iter().map(|account| here.became.get(account)?.as_ref()).collect();
    let failed = replies.iter().flatten().next().map(|reply| (*reply).clone());
    if let Some(reply) = &failed
        && replies.iter().all(|reply| reply.is_some_and(|reply| forwards.is_empty() || *reply == MAILBOX_FULL_452_4_2_2))
    {
        return Ok(reply.clone());
    }
    if !forwards.is_empty() {
        let head = format!("Delivered-To: {}\r\n", due.address);
        let forwarded = NewMail {
            account: mail.account,
            smtputf8: mail.smtputf8,
            return_full: mail.return_full,
            require_tls: mail.require_tls,
            ..local::leaving(mail.sender.clone(), forwards, head.into_bytes(), message.clone())
        };
        here.onward.push(forwarded);
        here.passed_on = true;
    }
    Ok(match failed {
        None => ACCEPTED_250_2_6_0,
        // Others behind the address have it: a second attempt would be one for them too, so this is the last word.
        Some(reply) => last_word(reply),
    })
}

/// Into those mailboxes that do not have it yet, and what became of each; a reply, when none of it could be.
async fn to_mailboxes(
    server: &Server,
    mail: &Claimed,
    due: &Due,
    message: &Message,
    accounts: &[AccountId],
    here: &mut Here,
) -> Result<Option<Reply>, Trouble> {
    let arrival = Arrival {
        id: format!("queue-{}", mail.id),
        sender: mail.sender.clone(),
        trace: String::new(),
        message: message.clone(),
        received_at: server.clock.now(),
        judgement: Judgement::Welcome,
        reason: None,
        proven: true,
        results: String::new(),
        delivered_to: trace::delivered_to(message.start()),
        require_tls: mail.require_tls,
    };
    let people: Vec<_> = accounts.iter().filter(|account| !here.became.contains_key(account)).collect();
    let people: Vec<_> = people.into_iter().map(|account| (*account, due.address.clone())).collect();
    let mut plans = local::plan(server, &arrival, &people).await?;
    let rejected: Vec<Option<Reply>> = plans.iter_mut().map(|plan| plan.rejected.take()).collect();
    // With all else that goes on, in the transaction that settles this: tried again, nothing leaves twice.
    let leaving: Vec<Vec<NewMail>> = plans.iter_mut().map(local::Plan::take_leaving).collect();
    let outcomes = match local::carry_out(server, &arrival, plans).await {
        Ok(outcomes) => outcomes,
        Err(Fault::Peer(reply)) => return Ok(Some(reply)),
        Err(Fault::Ours(trouble)) => return Err(trouble),
    };
    for ((((account, _), outcome), rejected), leaving) in people.into_iter().zip(outcomes).zip(rejected).zip(leaving) {
        let reply = match outcome {
            Ok(()) => {
                here.onward.extend(leaving);
                rejected
            }
            // It is tried again with all that its rules do.
            Err(Refusal::OverQuota) => Some(MAILBOX_FULL_452_4_2_2),
        };
        here.became.insert(account, reply);
    }
    Ok(None)
}

/// A copy to each member, as the list has it.
async fn to_list(
    server: &Server,
    mail: &Claimed,
    due: &Due,
    message: &Message,
    (list, members): (&List, &[Address]),
    here: &mut Here,
) -> Result<Reply, Trouble> {
    // Of what our own people send it is known who wrote it; a copy of another list or a redirect proves nothing.
    let unproven = Findings::default();
    let post = Post {
        list,
        members,
        at: &due.address,
        sender: mail.sender.as_ref(),
        findings: mail.account.is_none().then_some(&unproven),
        suspect: false,
        trace: "",
        delivered_to: &trace::delivered_to(message.start()),
        message,
        require_tls: mail.require_tls,
    };
    Ok(match lists::take(server, &post).await? {
        Ok(copies) => {
            here.onward.extend(copies);
            ACCEPTED_250_2_6_0
        }
        Err(refusal) => refusal,
    })
}

/// For a server of the house that reads its mail from the directory.
pub(crate) async fn for_the_house(server: &Server, address: &Address, message: &Message) -> Result<Reply, Trouble> {
    let Some(whole) = message.whole().filter(|whole| whole.len() <= HOUSE_MAIL_BYTES_MAX) else { return Ok(TOO_BIG_552_5_3_4) };
    server.directory.add_house_mail(address, whole.to_vec()).await?;
    Ok(ACCEPTED_250_2_6_0)
}

/// What a report would be about, by what happened.
#[derive(Default)]
struct Told {
    failed: Vec<Failure>,
    delayed: Vec<Failure>,
    delivered: Vec<Failure>,
    relayed: Vec<Failure>,
}

async fn settle(server: &Server, mail: Claimed, sent: Vec<Sent>, onward: Vec<NewMail>) -> Result<(), QueueError> {
    let now = server.clock.now();
    let (mut settled, mut told) = (Vec::with_capacity(sent.len()), Told::default());
    for (due, sent) in mail.recipients.iter().zip(sent) {
        log(&mail, due, &sent);
        let notify = due.notify.unwrap_or(Notify::USUAL);
        let failure = Failure {
            recipient: due.address.clone(),
            orcpt: due.orcpt.clone(),
            reply: sent.reply.clone(),
            host: sent.host.clone(),
        };
        if sent.is_done() {
            match &sent.host {
                _ if !notify.success => {}
                None if sent.passed_on => told.relayed.push(failure),
                None => told.delivered.push(failure),
                Some(_) if !sent.host_reports => told.relayed.push(failure),
                Some(_) => {}
            }
            settled.push(Settled::Done(due.position));
            continue;
        }
        let next = if sent.is_final() { Next::GiveUp } else { schedule::next(due.attempts + 1, now, mail.expires_at, chance()) };
        match next {
            Next::GiveUp => {
                if notify.failure {
                    told.failed.push(failure);
                }
                settled.push(Settled::Done(due.position));
            }
            Next::At(at) => {
                let tell = schedule::is_delay_due(mail.created_at, now, due.delay_told);
                if tell && notify.delay {
                    told.delayed.push(failure);
                }
                settled.push(Settled::Later {
                    position: due.position,
                    at,
                    reply: sent.reply.to_string(),
                    delay_told: due.delay_told || tell,
                });
            }
        }
    }
    let mut new = reports(server, &mail, told).await?;
    new.extend(onward);
    server.queue.settle(mail.id, settled, new).await
}

/// Reports to the sender; none to the null sender, so that no report ever answers a report (RFC 5321 §6.1).
async fn reports(server: &Server, mail: &Claimed, told: Told) -> Result<Vec<NewMail>, QueueError> {
    let Some(sender) = &mail.sender else { return Ok(Vec::new()) };
    let groups = [
        (Action::Failed, told.failed),
        (Action::Delayed, told.delayed),
        (Action::Delivered, told.delivered),
        (Action::Relayed, told.relayed),
    ];
    if groups.iter().all(|(_, recipients)| recipients.is_empty()) {
        return Ok(Vec::new());
    }
    let message = server.queue.body(mail.id).await.unwrap_or_default().unwrap_or_default();
    let header = message.start().get(..body_offset(message.start())).unwrap_or(message.start());
    let mut mails = Vec::with_capacity(groups.len());
    for (action, recipients) in groups.into_iter().filter(|(_, recipients)| !recipients.is_empty()) {
        let whole = message.whole().filter(|whole| mail.return_full && whole.len() <= RETURNED_BYTES_MAX);
        // RFC 8689 §5: the way back is no more proven than the way out was.
        let whole = whole.filter(|_| action == Action::Failed && !mail.require_tls);
        let report = bounce::Report {
            hostname: &server.hostname,
            id: &mail.id.to_string(),
            sender,
            envid: mail.envid.as_deref(),
            arrived_at: mail.created_at,
            now: server.clock.now(),
            action,
            recipients,
            returned: whole.map_or(bounce::Returned::Header(header), |whole| bounce::Returned::Message(whole)),
        };
        mails.push(bounce::signed(server, &report).await);
    }
    Ok(mails)
}

fn log(mail: &Claimed, due: &Due, sent: &Sent) {
    let outcome = match () {
        () if sent.is_done() => "done",
        () if sent.is_final() => "failed",
        () => "later",
    };
    counter!("smtp_queue_outcomes_total", "outcome" => outcome).increment(1);
    let domain = Address::domain(&due.address);
    let host = sent.host.as_deref().unwrap_or("here");
    tracing::info!(queue = %mail.id, %domain, host, outcome, attempt = due.attempts + 1, reply = %sent.reply, "a recipient was tried");
}

fn chance() -> u32 {
    // Only spreads attempts; without a random source they meet, and nothing worse.
    getrandom::u32().unwrap_or_default()
}
