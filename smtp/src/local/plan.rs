// SPDX-License-Identifier: AGPL-3.0-or-later
//! What is to be done with a mail for one person. Nothing is changed here.

use std::io::Read;
use std::sync::Arc;

use hearth_filter::junk::{self, Counts, Token};
use hearth_filter::sieve::{self, Action, Lookup, Place, Ran, Remember, Subject};
use hearth_filter::{Judgement, Placement, Reason, place};
use hearth_identity::directory::Account;
use hearth_mailstore::{MailTx, Role, Target, annotation, card, lesson, mailbox, memory, script};
use hearth_types::{AccountId, Address, Timestamp, Trouble};
use hearth_wire::message::{Parsed, Scanner, kept};
use hearth_wire::smtp::{Reply, body_offset};

use super::notice::PARTS_STAY;
use super::{Arrival, Copy, Plan, learn, leaving};
use crate::ctx::Server;
use crate::limits::{READ_AT_ONCE_BYTES_MAX, REJECTION_CHARS_MAX, SENDER_KNOWN, SIEVE_PART_BYTES_MAX, SIEVE_PARTS_BYTES_MAX};
use crate::message::Message;
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
    sender: Option<junk::Sender>,
    is_gtube: bool,
    /// What scripts see of the mail: all of a small one.
    shown: Arc<Vec<u8>>,
}

async fn words(arrival: &Arrival) -> Result<Words, Trouble> {
    if arrival.message.len() <= READ_AT_ONCE_BYTES_MAX as u64 {
        return Ok(read(&arrival.message)?);
    }
    let message = arrival.message.clone();
    Ok(tokio::task::spawn_blocking(move || read(&message)).await??)
}

fn read(message: &Message) -> std::io::Result<Words> {
    let mut scanner = Scanner::new();
    message.each(|piece| scanner.push(piece))?;
    let parsed = scanner.finish();
    let shown = match message.whole() {
        Some(whole) => Arc::clone(whole),
        None => Arc::new(cut(message, &parsed)?),
    };
    Ok(Words { is_gtube: junk::is_gtube(&parsed), sender: junk::sender(&parsed), tokens: Arc::new(junk::tokens(&parsed)), shown })
}

/// Of a large mail all headers, and of each part so much as rules may look at.
fn cut(message: &Message, parsed: &Parsed) -> std::io::Result<Vec<u8>> {
    let (mut reader, mut at, mut shown) = (message.reader()?, 0, Vec::new());
    let ranges = kept(&parsed.structure, message.len(), SIEVE_PART_BYTES_MAX as u64, SIEVE_PARTS_BYTES_MAX as u64);
    for range in ranges {
        std::io::copy(&mut (&mut reader).take(range.start - at), &mut std::io::sink())?;
        (&mut reader).take(range.end - range.start).read_to_end(&mut shown)?;
        at = range.end;
    }
    Ok(shown)
}

/// A mail as a script edited what it was shown of it; `None` when it changed more than the header of a large one.
fn grafted(message: &Message, shown: &[u8], edited: Arc<Vec<u8>>) -> Option<Message> {
    if message.whole().is_some() {
        return Some(Message::from(edited));
    }
    let (header, body) = edited.split_at_checked(body_offset(&edited))?;
    let (_, seen) = shown.split_at_checked(body_offset(shown))?;
    let (_, begun) = message.start().split_at_checked(body_offset(message.start()))?;
    (body == seen).then(|| message.with_start([header, begun].concat()))
}

async fn plan_one(
    server: &Server,
    arrival: &Arrival,
    words: &Words,
    account: AccountId,
    address: &Address,
) -> Result<Plan, Trouble> {
    let sender_id = format!("sender {}", arrival.sender.as_ref().map(Address::key).unwrap_or_default());
    let mut known = ask(server, arrival, words, account, &sender_id, true).await?;
    if known.is_none() {
        learn::catch_up(server, account).await;
        known = ask(server, arrival, words, account, &sender_id, false).await?;
    }
    let Known { score, judged: opinion, script, sender_until, in_address_book } = known.unwrap_or_default();
    let ours = arrival.reason.is_none();
    let judged = match arrival.judgement {
        Judgement::Welcome if words.is_gtube => {
            Some((Judgement::Suspect, Reason::new("It is the test mail that every junk filter must know (GTUBE).")))
        }
        // What our own people send each other is not junk.
        Judgement::Welcome if !ours => opinion,
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
        knows_sender: sender_until.is_some() || in_address_book,
        error: None,
        rejected: None,
    };
    let [before, after] = server.policy.sieve.clone();
    let scripts = [before.map(Rules::Home), script.map(Rules::Own), after.map(Rules::Home)];
    let scripts: Vec<Rules> = scripts.into_iter().flatten().collect();
    let owner = if scripts.is_empty() { None } else { server.directory.find_account(account).await? };
    let ran = match owner {
        Some(owner) => {
            let junk = if judgement == Judgement::Suspect { 1.0 } else { score };
            run(server, arrival, words, &plan, scripts, &owner, junk).await
        }
        None => Ran::usual(),
    };
    arrange(server, arrival, words, &mut plan, ran, judgement).await;
    // Written down anew when half of its time is over, and not with each mail.
    let is_fresh = sender_until.is_some_and(|until| until > server.clock.now().after(SENDER_KNOWN / 2));
    if !ours && judgement == Judgement::Welcome && !is_fresh {
        plan.remember.push(Remember { id: sender_id, seconds: SENDER_KNOWN.as_secs() });
    }
    Ok(plan)
}

/// What a person's own mail says of a new one.
#[derive(Default)]
struct Known {
    score: f64,
    judged: Option<(Judgement, Reason)>,
    script: Option<Vec<u8>>,
    /// The sender is known until then.
    sender_until: Option<Timestamp>,
    /// The author is in the address book, and proved to be it.
    in_address_book: bool,
}

/// All that is asked of an account, in one read. `None`, with `may_learn`: there is something to be learnt first.
async fn ask(
    server: &Server,
    arrival: &Arrival,
    words: &Words,
    account: AccountId,
    sender: &str,
    may_learn: bool,
) -> Result<Option<Known>, Trouble> {
    let (tokens, sender) = (Arc::clone(&words.tokens), sender.to_string());
    let (author, proven) = (words.sender.clone(), arrival.proven);
    let asked = server.store.read(account, move |tx| {
        if may_learn && learn::is_due(tx)? {
            return Ok::<_, hearth_mailstore::Error>(None);
        }
        let hashes: Vec<i64> = tokens.iter().map(|token| token.hash).collect();
        let (all, each) = lesson::counts(tx, &hashes)?;
        let opinion = junk::judge(&tokens, &each.into_iter().map(counts).collect::<Vec<_>>(), counts(all));
        let (judged, in_address_book) = match author {
            Some(author) => {
                let known = history(tx, &author, proven)?;
                (junk::decide(&author, &known, &opinion), known.is_in_address_book())
            }
            None => (opinion.judgement(), false),
        };
        let script = script::active(tx)?.map(|(_, text)| text);
        let sender_until = memory::remembered_until(tx, &sender)?;
        Ok(Some(Known { score: opinion.score, judged, script, sender_until, in_address_book }))
    });
    Ok(asked.await?)
}

/// What the person knows of this sender, and did with their mail before.
fn history(tx: &mut MailTx<'_>, author: &junk::Sender, proven: bool) -> hearth_mailstore::Result<junk::Known> {
    Ok(junk::Known {
        proven,
        in_address_book: match Address::parse(&author.address) {
            Ok(address) => card::knows(tx, &address.key())?,
            Err(_) => false,
        },
        written_to: memory::is_remembered(tx, &written_to(&author.address))?,
        address: counts(lesson::count_of(tx, author.of_address)?),
        domain: counts(lesson::count_of(tx, author.of_domain)?),
        thrown: lesson::count_of(tx, author.of_thrown)?.junk,
    })
}

/// As whom the people that somebody wrote to are remembered.
pub(crate) fn written_to(address: &str) -> String {
    format!("written to {}", address.to_lowercase())
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
async fn run(
    server: &Server,
    arrival: &Arrival,
    words: &Words,
    plan: &Plan,
    scripts: Vec<Rules>,
    owner: &Account,
    junk: f64,
) -> Ran {
    let raw = [plan.prefix.as_bytes(), &words.shown].concat();
    let is_cut = arrival.message.whole().is_none();
    let cut_from = is_cut.then(|| plan.prefix.len() as u64 + arrival.message.len());
    let (sender, recipient) = (arrival.sender.as_ref().map(ToString::to_string).unwrap_or_default(), plan.address.to_string());
    let (address, name, hostname) = (owner.primary.to_string(), owner.name.clone(), server.hostname.clone());
    let ran = server.store.read(plan.account, move |tx| {
        let mut house = House { tx, failed: None };
        let (mut raw, mut all) = (Arc::new(raw), Ran::usual());
        for rules in &scripts {
            let subject = Subject {
                raw: &raw,
                cut_from,
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
    let ran = match sieve::compile_for(text, subject.cut_from) {
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

    fn annotations(&mut self) -> Vec<(Option<String>, String, String)> {
        self.ask(|tx| annotation::texts(tx).map(Some)).unwrap_or_default()
    }

    fn script(&mut self, name: &str) -> Option<Vec<u8>> {
        self.ask(|tx| script::script(tx, name)).map(|(_, text)| text)
    }
}

/// The actions become copies and mails.
async fn arrange(server: &Server, arrival: &Arrival, words: &Words, plan: &mut Plan, ran: Ran, judgement: Judgement) {
    let mut too_large = false;
    let mut edit = |edited: Option<Arc<Vec<u8>>>| {
        let grafted = edited.map(|edited| grafted(&arrival.message, &words.shown, edited));
        too_large |= grafted == Some(None);
        grafted.flatten()
    };
    (plan.remember, plan.error) = (ran.remember, ran.error);
    let usual = place(judgement);
    // Nothing answers a forger, and nothing passes on what is suspect or goes in circles.
    let quiet = judgement == Judgement::Suspect
        || arrival.delivered_to.iter().any(|known| known.eq_ignore_ascii_case(&plan.address.to_string()));
    let mut kept_back = false;
    for action in ran.actions {
        match action {
            Action::File { place, flags, edited } => add_copy(plan, &usual, &place, flags, edit(edited)),
            Action::Redirect { to, edited } => match Address::parse(&to) {
                Ok(to) if !quiet => {
                    let redirected = redirect(server, arrival, plan, to, edit(edited)).await;
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
    if too_large {
        // What it is to hold is there, as it came.
        plan.error.get_or_insert_with(|| PARTS_STAY.to_string());
    }
    if plan.rejected.is_some() {
        (plan.copies, plan.leaving, plan.answers) = (Vec::new(), Vec::new(), Vec::new());
    } else if kept_back && plan.copies.is_empty() {
        add_copy(plan, &usual, &Place::Usual, hearth_mailstore::FlagSet::EMPTY, None);
    }
}

fn add_copy(plan: &mut Plan, usual: &Placement, place: &Place, flags: hearth_mailstore::FlagSet, edited: Option<Message>) {
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
async fn redirect(server: &Server, arrival: &Arrival, plan: &Plan, to: Address, edited: Option<Message>) -> NewMail {
    let sender = match &arrival.sender {
        Some(sender) => Some(server.forwarder(sender, &plan.address).await),
        None => None,
    };
    let (head, message) = match edited {
        Some(message) => (String::new(), message),
        None => (plan.prefix.clone(), arrival.message.clone()),
    };
    let seal = seal::seal(server, plan.address.domain(), &message, &arrival.results).await;
    let mail = leaving(sender, vec![to], (seal + &head).into_bytes(), message);
    NewMail { require_tls: arrival.require_tls, ..mail }
}

async fn sent(server: &Server, plan: &Plan, to: &[String], message: &Arc<Vec<u8>>, is_answer: bool) -> Option<NewMail> {
    let to: Vec<Address> = to.iter().filter_map(|address| Address::parse(address).ok()).collect();
    if to.is_empty() {
        return None;
    }
    let message = Message::from(Arc::clone(message));
    let head = server.signer.fields(plan.address.domain(), &message).await;
    // RFC 5230 §5.7: nothing answers an answer.
    let sender = if is_answer { None } else { Some(plan.address.clone()) };
    Some(leaving(sender, to, head.into_bytes(), message))
}
