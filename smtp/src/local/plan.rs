// SPDX-License-Identifier: AGPL-3.0-or-later
//! What is to be done with a mail for one person. Nothing is changed here.

use std::sync::Arc;

use hearth_filter::junk::{self, Counts, Token};
use hearth_filter::sieve::{self, Action, Lookup, Place, Ran, Remember, Subject};
use hearth_filter::{Judgement, Placement, Reason, place};
use hearth_identity::directory::Account;
use hearth_mailstore::{MailTx, Role, Target, lesson, mailbox, memory, script};
use hearth_types::{AccountId, Address, Trouble};
use hearth_wire::smtp::Reply;

use super::{Arrival, Copy, Plan, learn, leaving};
use crate::ctx::Server;
use crate::limits::{REJECTION_CHARS_MAX, SENDER_KNOWN};
use crate::queue::NewMail;
use crate::{seal, trace};

/// Plans for each of these people; the address is the one that led to them.
pub(crate) async fn plan(server: &Server, arrival: &Arrival, people: &[(AccountId, Address)]) -> Result<Vec<Plan>, Trouble> {
    let words = words(arrival).await?;
    let mut plans = Vec::with_capacity(people.len());
    for (account, address) in people {
        plans.push(plan_one(server, arrival, &words, *account, address).await?);
    }
    Ok(plans)
}

/// What a classifier looks at, once for everybody.
struct Words {
    tokens: Arc<Vec<Token>>,
    is_gtube: bool,
}

async fn words(arrival: &Arrival) -> Result<Words, Trouble> {
    let raw = Arc::clone(&arrival.raw);
    let read = tokio::task::spawn_blocking(move || {
        let parsed = hearth_wire::message::parse(&raw);
        Words { is_gtube: junk::is_gtube(&parsed), tokens: Arc::new(junk::tokens(&parsed)) }
    });
    Ok(read.await?)
}

async fn plan_one(
    server: &Server,
    arrival: &Arrival,
    words: &Words,
    account: AccountId,
    address: &Address,
) -> Result<Plan, Trouble> {
    learn::catch_up(server, account).await;
    let tokens = Arc::clone(&words.tokens);
    let sender_id = format!("sender {}", arrival.sender.as_ref().map(Address::key).unwrap_or_default());
    let known = sender_id.clone();
    let asked = server.store.read(account, move |tx| {
        let hashes: Vec<i64> = tokens.iter().map(|token| token.hash).collect();
        let (all, each) = lesson::counts(tx, &hashes)?;
        let opinion = junk::judge(&tokens, &each.into_iter().map(counts).collect::<Vec<_>>(), counts(all));
        let knows_sender = memory::is_remembered(tx, &known)?;
        Ok::<_, hearth_mailstore::Error>((opinion, script::active(tx)?.map(|(_, text)| text), knows_sender))
    });
    let (opinion, script, knows_sender) = asked.await?;
    let ours = arrival.reason.is_none();
    let judged = match arrival.judgement {
        Judgement::Welcome if words.is_gtube => {
            Some((Judgement::Suspect, Reason::new("It is the test mail that every junk filter must know (GTUBE).")))
        }
        // What our own people send each other is not junk.
        Judgement::Welcome if !ours => opinion.judgement(),
        _ => None,
    };
    let (judgement, reason) = match judged {
        Some((judgement, reason)) => (judgement, Some(reason)),
        None => (arrival.judgement, arrival.reason.clone()),
    };
    let prefix = trace::delivery(arrival.sender.as_ref(), address)
        + &arrival.trace
        + &reason.as_ref().map(|reason| trace::reason(reason.as_str())).unwrap_or_default();
    let mut plan = Plan {
        account,
        address: address.clone(),
        prefix,
        copies: Vec::new(),
        leaving: Vec::new(),
        answers: Vec::new(),
        remember: Vec::new(),
        judged_junk: judgement == Judgement::Suspect,
        knows_sender,
        error: None,
        rejected: None,
    };
    let [before, after] = server.policy.sieve.clone();
    let scripts = [before.map(Rules::Home), script.map(Rules::Own), after.map(Rules::Home)];
    let scripts: Vec<Rules> = scripts.into_iter().flatten().collect();
    let owner = if scripts.is_empty() { None } else { server.directory.find_account(account).await? };
    let ran = match owner {
        Some(owner) => {
            let junk = if judgement == Judgement::Suspect { 1.0 } else { opinion.score };
            run(server, arrival, &plan, scripts, &owner, junk).await
        }
        None => Ran::usual(),
    };
    arrange(server, arrival, &mut plan, ran, judgement).await;
    if !ours && judgement == Judgement::Welcome {
        plan.remember.push(Remember { id: sender_id, seconds: SENDER_KNOWN.as_secs() });
    }
    Ok(plan)
}

fn counts(counts: lesson::Counts) -> Counts {
    Counts { good: counts.good, junk: counts.junk }
}

/// Whose rules they are: an error in the home's is the owner of the home's, not the person's.
enum Rules {
    Home(Arc<Vec<u8>>),
    Own(Vec<u8>),
}

/// Runs the scripts, one after the other; a panic in one is an error like any other.
async fn run(server: &Server, arrival: &Arrival, plan: &Plan, scripts: Vec<Rules>, owner: &Account, junk: f64) -> Ran {
    let mut raw = Vec::with_capacity(plan.prefix.len() + arrival.raw.len());
    raw.extend_from_slice(plan.prefix.as_bytes());
    raw.extend_from_slice(&arrival.raw);
    let (sender, recipient) = (arrival.sender.as_ref().map(ToString::to_string).unwrap_or_default(), plan.address.to_string());
    let (address, name, hostname) = (owner.primary.to_string(), owner.name.clone(), server.hostname.clone());
    let ran = server.store.read(plan.account, move |tx| {
        let mut house = House { tx, failed: None };
        let (mut raw, mut all) = (Arc::new(raw), Ran::usual());
        for rules in &scripts {
            let subject = Subject {
                raw: &raw,
                sender: &sender,
                recipient: &recipient,
                owner: &address,
                owner_name: &name,
                hostname: &hostname,
                junk: Some(junk),
            };
            let next = run_one(rules, &subject, &mut house);
            if let Some(error) = house.failed.take() {
                return Err(error);
            }
            all = all.then(next);
            if !all.only_keeps() {
                break;
            }
            if let Some(edited) = all.edited() {
                raw = Arc::clone(edited);
            }
        }
        Ok(all)
    });
    match ran.await {
        Ok(ran) => ran,
        Err(error) => {
            let error: hearth_mailstore::Error = error;
            tracing::error!(account = %plan.account, %error, "a script could not be run; the mail is kept");
            Ran::usual()
        }
    }
}

fn run_one(rules: &Rules, subject: &Subject<'_>, house: &mut House<'_, '_>) -> Ran {
    let text = match rules {
        Rules::Home(text) => text.as_slice(),
        Rules::Own(text) => text.as_slice(),
    };
    let ran = match sieve::compile(text) {
        Ok(script) => script.run(subject, house),
        Err(error) => Ran { error: Some(error.to_string()), ..Ran::usual() },
    };
    match (rules, &ran.error) {
        (Rules::Home(_), Some(error)) => {
            tracing::error!(error, "the home's own Sieve script failed; it is passed over");
            Ran::usual()
        }
        _ => ran,
    }
}

/// What a script may ask, answered from one read of the account.
struct House<'h, 't> {
    tx: &'h mut MailTx<'t>,
    failed: Option<hearth_mailstore::Error>,
}

impl House<'_, '_> {
    fn ask<T>(&mut self, question: impl FnOnce(&mut MailTx<'_>) -> hearth_mailstore::Result<Option<T>>) -> Option<T> {
        match question(self.tx) {
            Ok(answer) => answer,
            Err(error) => {
                self.failed.get_or_insert(error);
                None
            }
        }
    }
}

impl Lookup for House<'_, '_> {
    fn mailbox(&mut self, path: &str) -> bool {
        self.ask(|tx| mailbox::find_as_named(tx, path)).is_some()
    }

    fn mailbox_by_id(&mut self, id: &str) -> Option<String> {
        self.ask(|tx| Ok(mailbox::list(tx)?.into_iter().find(|mailbox| mailbox.id.to_string() == id))).map(|mailbox| mailbox.path)
    }

    fn mailbox_by_use(&mut self, special_use: &str) -> Option<String> {
        let role = Role::parse(&special_use.trim_start_matches('\\').to_ascii_lowercase())?;
        self.ask(|tx| mailbox::find_by_role(tx, role)).map(|mailbox| mailbox.path)
    }

    fn is_remembered(&mut self, id: &str) -> bool {
        self.ask(|tx| memory::is_remembered(tx, id).map(Some)).unwrap_or(false)
    }

    fn script(&mut self, name: &str) -> Option<Vec<u8>> {
        self.ask(|tx| script::script(tx, name)).map(|(_, text)| text)
    }
}

/// The actions become copies and mails.
async fn arrange(server: &Server, arrival: &Arrival, plan: &mut Plan, ran: Ran, judgement: Judgement) {
    (plan.remember, plan.error) = (ran.remember, ran.error);
    let usual = place(judgement);
    // Nothing answers a forger, and nothing passes on what is suspect or goes in circles.
    let quiet = judgement == Judgement::Suspect
        || arrival.delivered_to.iter().any(|known| known.eq_ignore_ascii_case(&plan.address.to_string()));
    let mut kept_back = false;
    for action in ran.actions {
        match action {
            Action::File { place, flags, edited } => add_copy(plan, &usual, &place, flags, edited),
            Action::Redirect { to, edited } => match Address::parse(&to) {
                Ok(to) if !quiet => {
                    let redirected = redirect(server, arrival, plan, to, edited).await;
                    plan.leaving.push(redirected);
                }
                _ => kept_back = true,
            },
            // RFC 5429 §2.1.1: without anybody to tell, it is kept.
            Action::Reject { reason } if !quiet && arrival.sender.is_some() => {
                let reason: String = reason.chars().take(REJECTION_CHARS_MAX).collect();
                plan.rejected = Some(Reply::named(550, 7, 1, "").saying(reason.trim().replace("\r\n", "\n")));
            }
            Action::Reject { .. } => kept_back = true,
            Action::Send { to, message, is_answer } if !quiet => {
                plan.answers.extend(sent(server, plan, &to, &message, is_answer).await);
            }
            Action::Send { .. } => {}
        }
    }
    if plan.rejected.is_some() {
        (plan.copies, plan.leaving, plan.answers) = (Vec::new(), Vec::new(), Vec::new());
    } else if kept_back && plan.copies.is_empty() {
        add_copy(plan, &usual, &Place::Usual, hearth_mailstore::FlagSet::EMPTY, None);
    }
}

fn add_copy(plan: &mut Plan, usual: &Placement, place: &Place, flags: hearth_mailstore::FlagSet, edited: Option<Arc<Vec<u8>>>) {
    let (targets, mut all) = match place {
        Place::Usual => (usual.targets.clone(), usual.flags.clone()),
        Place::Path { path, create } => {
            (vec![Target::Path { path: path.clone(), create: *create }], hearth_mailstore::FlagSet::EMPTY)
        }
    };
    all.extend(flags.iter());
    match plan.copies.iter_mut().find(|copy| copy.edited == edited) {
        // One message in two mailboxes: keywords are the message's (RFC 8621 §4.1.1).
        Some(copy) => {
            copy.targets.extend(targets);
            copy.flags.extend(all.iter());
        }
        None => plan.copies.push(Copy { edited, targets, flags: all }),
    }
}

/// RFC 5228 §4.2. The sender stays who it was, rewritten so that SPF holds and a bounce finds its way back.
async fn redirect(server: &Server, arrival: &Arrival, plan: &Plan, to: Address, edited: Option<Arc<Vec<u8>>>) -> NewMail {
    let sender = match &arrival.sender {
        Some(sender) => Some(server.forwarder(sender, &plan.address).await),
        None => None,
    };
    let (head, raw) = match &edited {
        Some(raw) => (String::new(), raw),
        None => (plan.prefix.clone(), &arrival.raw),
    };
    let seal = seal::seal(server, plan.address.domain(), raw, &arrival.results).await;
    let mail = leaving(sender, vec![to], (seal + &head).into_bytes(), raw.to_vec());
    NewMail { require_tls: arrival.require_tls, ..mail }
}

async fn sent(server: &Server, plan: &Plan, to: &[String], message: &Arc<Vec<u8>>, is_answer: bool) -> Option<NewMail> {
    let to: Vec<Address> = to.iter().filter_map(|address| Address::parse(address).ok()).collect();
    if to.is_empty() {
        return None;
    }
    let head = server.signer.fields(plan.address.domain(), message).await;
    // RFC 5230 §5.7: nothing answers an answer.
    let sender = if is_answer { None } else { Some(plan.address.clone()) };
    Some(leaving(sender, to, head.into_bytes(), message.to_vec()))
}
