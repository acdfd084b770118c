// SPDX-License-Identifier: AGPL-3.0-or-later
//! Filters, sorting, text (RFC 8621 §4.4, RFC 9051 §6.4.4, RFC 5256).

use std::cmp::Ordering;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use hearth_types::{MailboxId, MessageId, ThreadId, Timestamp};
use hearth_wire::message::{Addr, Envelope};

use crate::body;
use crate::error::Result;
use crate::flags::{Flag, FlagSet};
use crate::index::{self, Scope};
use crate::term::{all_words, unquoted};
use crate::tx::MailTx;
use crate::{message, snippet as marking};

pub(crate) use crate::index::catch_up;

/// Which messages.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// Every one of these; of none: all messages.
    And(Vec<Filter>),
    /// At least one of these.
    Or(Vec<Filter>),
    /// Not this.
    Not(Box<Filter>),
    /// In this mailbox.
    InMailbox(MailboxId),
    /// In a mailbox that is none of these.
    InMailboxOtherThan(Vec<MailboxId>),
    /// One of these messages.
    Ids(Vec<MessageId>),
    /// Of this thread.
    InThread(ThreadId),
    /// Received before (exclusive).
    Before(Timestamp),
    /// Received at or after.
    After(Timestamp),
    /// Date field before (exclusive).
    SentBefore(Timestamp),
    /// Date field at or after.
    SentAfter(Timestamp),
    /// At least this many bytes.
    SizeMin(u64),
    /// Fewer bytes than this.
    SizeMax(u64),
    /// Has this flag (`\Deleted`: in any mailbox).
    Has(Flag),
    /// Each message of its thread has it.
    AllInThreadHave(Flag),
    /// Some message of its thread has it.
    SomeInThreadHave(Flag),
    /// Has an attachment.
    HasAttachment(bool),
    /// Substring, without case, of From, To, Cc, Bcc or Subject.
    Field(Field, String),
    /// A header field is there (and holds the text, without case): opens the body.
    Header(String, Option<String>),
    /// Words (each a prefix) and phrases in quotes in the text of the body. From the index, and from bodies not yet in it.
    Body(String),
    /// The same in body, addresses, subject and names of attachments.
    Text(String),
}

/// A field of the envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// From: name and address.
    From,
    /// To.
    To,
    /// Cc.
    Cc,
    /// Bcc.
    Bcc,
    /// Subject.
    Subject,
}

/// What to sort by; ties are broken by id, in the direction of the last one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sort {
    /// The property.
    pub by: SortBy,
    /// From low to high.
    pub ascending: bool,
}

/// A property to sort by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SortBy {
    /// receivedAt, ARRIVAL.
    ReceivedAt,
    /// sentAt, DATE (receivedAt when it is missing).
    SentAt,
    /// SIZE.
    Size,
    /// From: the first name or address.
    From,
    /// To.
    To,
    /// Cc.
    Cc,
    /// Base subject (RFC 5256 §2.1).
    Subject,
    /// hasKeyword.
    Has(Flag),
    /// allInThreadHaveKeyword.
    AllInThreadHave(Flag),
    /// someInThreadHaveKeyword.
    SomeInThreadHave(Flag),
}

/// A message that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The message.
    pub id: MessageId,
    /// Its thread (for collapseThreads).
    pub thread: ThreadId,
    /// Of its last change (for queryChanges).
    pub modseq: u64,
    /// Of its arrival.
    pub created_modseq: u64,
}

/// Every message that the filter admits, sorted; without a sort, by receivedAt, newest first. The
/// caller cuts the window and collapses threads.
pub fn query(tx: &mut MailTx<'_>, filter: &Filter, sort: &[Sort]) -> Result<Vec<Found>> {
    let mut looked = Looked::prepare(tx, filter, sort)?;
    let rows = candidates(tx, filter)?;
    let mut found = Vec::new();
    for row in rows {
        if admits(tx, filter, &row, &mut looked)? {
            let keys = sort_keys(tx, sort, &row, &looked)?;
            found.push((keys, row));
        }
    }
    found.sort_unstable_by(|a, b| compare(sort, a, b));
    let found = found.into_iter().map(|(_, row)| Found {
        id: row.id,
        thread: row.thread,
        modseq: row.modseq,
        created_modseq: row.created_modseq,
    });
    Ok(found.collect())
}

/// A message as a scan sees it.
struct Row {
    id: MessageId,
    thread: ThreadId,
    size_bytes: u64,
    received_at: Timestamp,
    sent_at: Timestamp,
    modseq: u64,
    created_modseq: u64,
    flags: FlagSet,
    has_attachment: bool,
    subject: String,
    sender: String,
}

fn read_row(row: &hearth_db::Row<'_>) -> hearth_db::Result<Row> {
    Ok(Row {
        id: row.get(0)?,
        thread: row.get(1)?,
        size_bytes: row.get(2)?,
        received_at: row.get(3)?,
        sent_at: row.get(4)?,
        modseq: row.get(5)?,
        created_modseq: row.get(6)?,
        flags: FlagSet::from_row(row.get(7)?, &row.get::<String>(8)?, false),
        has_attachment: row.get(9)?,
        subject: row.get(10)?,
        sender: row.get(11)?,
    })
}

/// The messages that can be meant at all: of one mailbox, when the filter says so at its top.
fn candidates(tx: &mut MailTx<'_>, filter: &Filter) -> Result<Vec<Row>> {
    let account = tx.account();
    let mailbox = match filter {
        Filter::InMailbox(mailbox) => Some(*mailbox),
        Filter::And(all) => all.iter().find_map(|filter| match filter {
            Filter::InMailbox(mailbox) => Some(*mailbox),
            _ => None,
        }),
        _ => None,
    };
    match mailbox {
        Some(mailbox) => tx.query(
            "SELECT m.id, m.thread, m.size_bytes, m.received_at, m.sent_at, m.modseq, m.created_modseq, m.flags, m.keywords,
                m.has_attachment, m.subject, m.sender
             FROM entry e JOIN message m ON m.account = e.account AND m.id = e.message
             WHERE e.account = $1 AND e.mailbox = $2",
            &[&account, &mailbox],
            read_row,
        ),
        None => tx.query(
            "SELECT id, thread, size_bytes, received_at, sent_at, modseq, created_modseq, flags, keywords,
                has_attachment, subject, sender
             FROM message WHERE account = $1",
            &[&account],
            read_row,
        ),
    }
}

/// What was looked up once for the whole query.
#[derive(Default)]
struct Looked {
    places: HashMap<MessageId, Vec<(MailboxId, bool)>>,
    /// Per thread: its messages, and how many of them have each flag that is asked for.
    threads: ThreadFlags,
    /// Per text term: the messages that have it.
    texts: HashMap<(Scope, String), HashSet<MessageId>>,
    /// The envelope of the message that is being looked at.
    envelope: Option<(MessageId, Envelope)>,
}

impl Looked {
    fn prepare(tx: &mut MailTx<'_>, filter: &Filter, sort: &[Sort]) -> Result<Self> {
        let mut looked = Self::default();
        let (mut needs_places, mut flags) = (false, Vec::new());
        let mut next = vec![filter];
        while let Some(filter) = next.pop() {
            match filter {
                Filter::And(all) | Filter::Or(all) => next.extend(all),
                Filter::Not(one) => next.push(one),
                Filter::InMailbox(_) | Filter::InMailboxOtherThan(_) | Filter::Has(Flag::Deleted) => needs_places = true,
                Filter::AllInThreadHave(flag) | Filter::SomeInThreadHave(flag) => flags.push(flag.clone()),
                Filter::Body(text) => looked.look_up(tx, Scope::Body, text)?,
                Filter::Text(text) => looked.look_up(tx, Scope::All, text)?,
                _ => {}
            }
        }
        flags.extend(sort.iter().filter_map(|sort| match &sort.by {
            SortBy::AllInThreadHave(flag) | SortBy::SomeInThreadHave(flag) => Some(flag.clone()),
            _ => None,
        }));
        if needs_places {
            looked.places = message::all_places(tx)?;
        }
        if !flags.is_empty() {
            looked.threads = count_in_threads(tx, &flags)?;
        }
        Ok(looked)
    }

    fn look_up(&mut self, tx: &mut MailTx<'_>, scope: Scope, text: &str) -> Result<()> {
        if let Entry::Vacant(new) = self.texts.entry((scope, text.to_string())) {
            new.insert(index::find(tx, scope, text)?);
        }
        Ok(())
    }

    fn has_text(&self, scope: Scope, text: &str, id: MessageId) -> bool {
        self.texts.get(&(scope, text.to_string())).is_some_and(|ids| ids.contains(&id))
    }

    fn thread_has(&self, thread: ThreadId, flag: &Flag) -> (u32, u32) {
        let counted = self.threads.get(&thread);
        counted.map_or((0, 0), |(total, flags)| (*total, flags.get(flag).copied().unwrap_or(0)))
    }

    fn envelope(&mut self, tx: &mut MailTx<'_>, id: MessageId) -> Result<&Envelope> {
        if self.envelope.as_ref().is_none_or(|(of, _)| *of != id) {
            let found = message::find(tx, id)?.map(|summary| summary.parsed.envelope).unwrap_or_default();
            self.envelope = Some((id, found));
        }
        Ok(self.envelope.as_ref().map_or(&EMPTY, |(_, envelope)| envelope))
    }
}

static EMPTY: std::sync::LazyLock<Envelope> = std::sync::LazyLock::new(Envelope::default);

/// Per thread: how many messages it has, and how many of them have each flag.
type ThreadFlags = HashMap<ThreadId, (u32, HashMap<Flag, u32>)>;

fn count_in_threads(tx: &mut MailTx<'_>, flags: &[Flag]) -> Result<ThreadFlags> {
    let account = tx.account();
    let mut threads = ThreadFlags::new();
    tx.each("SELECT thread, flags, keywords FROM message WHERE account = $1", &[&account], |row| {
        let set = FlagSet::from_row(row.get(1)?, &row.get::<String>(2)?, false);
        let (total, having) = threads.entry(row.get(0)?).or_default();
        *total += 1;
        for flag in flags.iter().filter(|flag| set.contains(flag)) {
            *having.entry(flag.clone()).or_default() += 1;
        }
        Ok(())
    })?;
    Ok(threads)
}

fn admits(tx: &mut MailTx<'_>, filter: &Filter, row: &Row, looked: &mut Looked) -> Result<bool> {
    Ok(match filter {
        Filter::And(all) => {
            for filter in in_order_of_cost(all) {
                if !admits(tx, filter, row, looked)? {
                    return Ok(false);
                }
            }
            true
        }
        Filter::Or(any) => {
            for filter in in_order_of_cost(any) {
                if admits(tx, filter, row, looked)? {
                    return Ok(true);
                }
            }
            false
        }
        Filter::Not(filter) => !admits(tx, filter, row, looked)?,
        Filter::InMailbox(mailbox) => looked.places.get(&row.id).is_some_and(|all| all.iter().any(|(id, _)| id == mailbox)),
        Filter::InMailboxOtherThan(not) => {
            looked.places.get(&row.id).is_some_and(|all| all.iter().any(|(id, _)| !not.contains(id)))
        }
        Filter::Ids(ids) => ids.contains(&row.id),
        Filter::InThread(thread) => row.thread == *thread,
        Filter::Before(at) => row.received_at < *at,
        Filter::After(at) => row.received_at >= *at,
        Filter::SentBefore(at) => row.sent_at < *at,
        Filter::SentAfter(at) => row.sent_at >= *at,
        Filter::SizeMin(size) => row.size_bytes >= *size,
        Filter::SizeMax(size) => row.size_bytes < *size,
        Filter::Has(Flag::Deleted) => looked.places.get(&row.id).is_some_and(|all| all.iter().any(|(_, deleted)| *deleted)),
        Filter::Has(flag) => row.flags.contains(flag),
        Filter::AllInThreadHave(flag) => {
            let (total, having) = looked.thread_has(row.thread, flag);
            total == having
        }
        Filter::SomeInThreadHave(flag) => looked.thread_has(row.thread, flag).1 > 0,
        Filter::HasAttachment(has) => row.has_attachment == *has,
        Filter::Field(field, text) => {
            let needle = unquoted(text).to_lowercase();
            said_in(looked.envelope(tx, row.id)?, *field).to_lowercase().contains(&needle)
        }
        Filter::Header(name, text) => has_header(tx, row.id, name, text.as_deref())?,
        Filter::Body(text) => looked.has_text(Scope::Body, text, row.id),
        Filter::Text(text) => looked.has_text(Scope::All, text, row.id),
    })
}

/// What opens a body comes last, what opens a summary before it.
fn in_order_of_cost(filters: &[Filter]) -> Vec<&Filter> {
    let mut ordered: Vec<&Filter> = filters.iter().collect();
    ordered.sort_by_key(|filter| cost(filter));
    ordered
}

fn cost(filter: &Filter) -> u8 {
    match filter {
        Filter::And(all) | Filter::Or(all) => all.iter().map(cost).max().unwrap_or(0),
        Filter::Not(one) => cost(one),
        Filter::Header(..) => 2,
        Filter::Field(..) => 1,
        _ => 0,
    }
}

/// The text of a field: names and addresses, or the subject.
pub(crate) fn said_in(envelope: &Envelope, field: Field) -> String {
    let list = match field {
        Field::From => &envelope.from,
        Field::To => &envelope.to,
        Field::Cc => &envelope.cc,
        Field::Bcc => &envelope.bcc,
        Field::Subject => return envelope.subject.clone().unwrap_or_default(),
    };
    let said = list.iter().map(|addr| match (&addr.name, addr.address()) {
        (Some(name), Some(address)) => format!("{name} <{address}>"),
        (name, address) => name.clone().or(address).or(addr.mailbox.clone()).unwrap_or_default(),
    });
    said.collect::<Vec<_>>().join(", ")
}

fn has_header(tx: &mut MailTx<'_>, id: MessageId, name: &str, text: Option<&str>) -> Result<bool> {
    let Some((body, header)) = body::find_with_header(tx, id)? else { return Ok(false) };
    let block = body.range(header)?;
    let needle = text.map(str::to_lowercase);
    let mut fields = hearth_wire::message::Headers::new(&block).filter(|field| field.is(name));
    Ok(fields.any(|field| needle.as_ref().is_none_or(|needle| field.text().to_lowercase().contains(needle))))
}

/// How well each message that has all words of a text fits it, by the index: more is better (RFC 6203 §4).
pub fn rank(tx: &mut MailTx<'_>, in_body_alone: bool, text: &str) -> Result<HashMap<MessageId, u64>> {
    let scope = if in_body_alone { Scope::Body } else { Scope::All };
    let ranked = index::rank(tx, scope, text)?;
    Ok(ranked.into_iter().map(|(id, score)| (id, u64::try_from(score).unwrap_or(0))).collect())
}

/// Mails that the text index does not know yet: a search puts them in first.
pub(crate) fn index_lag(tx: &mut MailTx<'_>) -> Result<u64> {
    index::lag(tx)
}

/// What a message is sorted by, in the order of the sorts.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Number(i64),
    Text(String),
}

fn sort_keys(tx: &mut MailTx<'_>, sort: &[Sort], row: &Row, looked: &Looked) -> Result<Vec<Key>> {
    let first_of = |tx: &mut MailTx<'_>, list: fn(&Envelope) -> &Vec<Addr>| -> Result<Key> {
        let envelope = message::find(tx, row.id)?.map(|summary| summary.parsed.envelope).unwrap_or_default();
        Ok(Key::Text(list(&envelope).first().map(message::sort_name).unwrap_or_default()))
    };
    sort.iter()
        .map(|sort| {
            Ok(match &sort.by {
                SortBy::ReceivedAt => Key::Number(row.received_at.millis()),
                SortBy::SentAt => Key::Number(row.sent_at.millis()),
                SortBy::Size => Key::Number(i64::try_from(row.size_bytes).unwrap_or(i64::MAX)),
                SortBy::From => Key::Text(row.sender.clone()),
                SortBy::To => first_of(tx, |envelope| &envelope.to)?,
                SortBy::Cc => first_of(tx, |envelope| &envelope.cc)?,
                SortBy::Subject => Key::Text(row.subject.clone()),
                SortBy::Has(flag) => Key::Number(i64::from(row.flags.contains(flag))),
                SortBy::AllInThreadHave(flag) => {
                    let (total, having) = looked.thread_has(row.thread, flag);
                    Key::Number(i64::from(total == having))
                }
                SortBy::SomeInThreadHave(flag) => Key::Number(i64::from(looked.thread_has(row.thread, flag).1 > 0)),
            })
        })
        .collect()
}

fn compare(sort: &[Sort], a: &(Vec<Key>, Row), b: &(Vec<Key>, Row)) -> Ordering {
    for ((sort, a), b) in sort.iter().zip(&a.0).zip(&b.0) {
        let order = if sort.ascending { a.cmp(b) } else { b.cmp(a) };
        if order.is_ne() {
            return order;
        }
    }
    match sort.last() {
        None => (b.1.received_at, b.1.id).cmp(&(a.1.received_at, a.1.id)),
        Some(last) if last.ascending => a.1.id.cmp(&b.1.id),
        Some(_) => b.1.id.cmp(&a.1.id),
    }
}

/// RFC 8621 §5: subject and a piece of the text with `<mark>` around what the filter looked for
/// (HTML-escaped); `None` where nothing was found.
pub fn snippet(tx: &mut MailTx<'_>, id: MessageId, filter: &Filter) -> Result<(Option<String>, Option<String>)> {
    let (mut subject_words, mut body_words) = (Vec::new(), Vec::new());
    let mut next = vec![filter];
    while let Some(filter) = next.pop() {
        match filter {
            Filter::And(all) | Filter::Or(all) => next.extend(all),
            Filter::Body(text) => body_words.extend(all_words(text)),
            Filter::Text(text) => {
                subject_words.extend(all_words(text));
                body_words.extend(all_words(text));
            }
            Filter::Field(Field::Subject, text) => subject_words.extend(all_words(text)),
            _ => {}
        }
    }
    let Some(summary) = message::find(tx, id)? else { return Ok((None, None)) };
    let subject = summary.parsed.envelope.subject.as_deref().and_then(|subject| marking::mark(subject, &subject_words));
    if body_words.is_empty() {
        return Ok((subject, None));
    }
    let Some(stored) = message::body(tx, id)? else { return Ok((subject, None)) };
    let text = body::parse_stored(&stored)?.text;
    Ok((subject, marking::mark(&text, &body_words)))
}
