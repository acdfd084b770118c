// SPDX-License-Identifier: AGPL-3.0-or-later
//! Pure: does a message match (RFC 9051 §6.4.4)?
//!
//! What is known of a message grows in three steps: its line in the mailbox view, its row in the store,
//! its text. A [`Test`] answers [`Answer::Unknown`] as long as it needs more, so that a body is opened
//! only when nothing cheaper has decided. Texts are found as substrings by
//! i;unicode-casemap (RFC 5051), as RFC 5255 §4 asks for I18NLEVEL=1.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use hearth_mailstore::term::{Term, terms};
use hearth_mailstore::{Flag, FlagSet, Summary};
use hearth_types::{MailboxId, MessageId, ThreadId, Timestamp};
use hearth_wire::imap::{DateOf, Day, SearchKey, SequenceSet, When, contains};
use hearth_wire::message::{Addr, Headers, Parsed, Part, casemap};

use crate::limits::SEARCH_TEXT_BYTES_MAX;
use crate::view::Line;

/// One key, ready to be asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// Every message, or none.
    Constant(bool),
    /// A flag, set or not.
    Flag(Flag, bool),
    /// Message numbers.
    Numbers(Vec<RangeInclusive<u32>>),
    /// UIDs.
    Uids(Vec<RangeInclusive<u32>>),
    /// Changed at this modseq or later.
    ModSeq(u64),
    /// This message.
    Email(MessageId),
    /// This thread.
    Thread(ThreadId),
    /// A date.
    Date(DateOf, When, Day),
    /// Received at or before.
    ReceivedUntil(Timestamp),
    /// Received at or after.
    ReceivedFrom(Timestamp),
    /// More octets than this.
    Larger(u64),
    /// Fewer.
    Smaller(u64),
    /// A header field (in lower case) holds a text (in its one case).
    Header(String, String),
    /// The body does.
    Body(String),
    /// Header or body do.
    Text(String),
    /// One of these, which the text index has found.
    Ranked(Arc<HashMap<MessageId, u64>>),
    /// A header field (in lower case) has words that begin with each of these, and phrases (without marks, in their one case).
    Words(String, Vec<Term>),
    /// Not this.
    Not(Box<Test>),
    /// One of these.
    Or(Box<Test>, Box<Test>),
    /// All of these.
    And(Vec<Test>),
}

/// What a test says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It matches.
    Yes,
    /// It does not.
    No,
    /// More has to be known.
    Unknown,
}

/// What the text index says of each text that is looked for by its words: in the body alone, or anywhere.
pub type Ranks = HashMap<(bool, String), Arc<HashMap<MessageId, u64>>>;

/// The text of a message.
#[derive(Clone, Debug, Default)]
pub struct Content {
    /// Header fields: names in lower case, decoded values in their one case.
    fields: Vec<(String, String)>,
    /// The header fields of its parts, and the names of attachments, in their one case.
    parts: Vec<String>,
    /// The decoded text parts, in their one case.
    text: String,
}

impl Content {
    /// From the octets of a message and what was read from them.
    pub fn new(raw: &[u8], parsed: &Parsed) -> Self {
        let at = |octet: u64| usize::try_from(octet).unwrap_or(usize::MAX).min(raw.len());
        let block = |part: &Part| raw.get(at(part.header.start)..at(part.header.end)).unwrap_or_default();
        let root = &parsed.structure;
        let fields = Headers::new(block(root)).map(|field| (field.name.to_lowercase(), casemap(&field.text()))).collect();
        let mut parts = Vec::new();
        for part in root.walk() {
            // A name in pieces (RFC 2231) is found as it is shown.
            parts.extend(part.file_name().map(casemap));
            if part.header != root.header {
                parts.extend(Headers::new(block(part)).map(|field| casemap(&format!("{}: {}", field.name, field.text()))));
            }
        }
        Self { fields, parts, text: casemap(&parsed.text) }
    }

    /// RFC 9051 §6.4.4 TEXT: in the header, the MIME header fields included, or in the body.
    fn has(&self, text: &str) -> bool {
        self.text.contains(text)
            || self.fields.iter().any(|(name, value)| value.contains(text) || casemap(name).contains(text))
            || self.parts.iter().any(|part| part.contains(text))
    }
}

impl Content {
    /// For a test that looks at no header.
    pub fn of_text(parsed: &Parsed) -> Self {
        Self { text: casemap(&parsed.text), ..Self::default() }
    }

    /// From the header of a message alone, for a test that looks at these fields and at no text.
    pub fn of_fields(header: &[u8], names: &[&str]) -> Self {
        let named = |name: String| names.contains(&name.as_str()).then_some(name);
        let fields = Headers::new(header).filter_map(|field| Some((named(field.name.to_lowercase())?, casemap(&field.text()))));
        Self { fields: fields.collect(), ..Self::default() }
    }
}

/// What is known of a message.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// Its number.
    pub number: u32,
    /// Its line.
    pub line: &'a Line,
    /// Its flags.
    pub flags: &'a FlagSet,
    /// The open mailbox.
    pub mailbox: MailboxId,
    /// Its row, from the second step on.
    pub summary: Option<&'a Summary>,
    /// Its text, in the third.
    pub content: Option<&'a Content>,
}

/// What keys are read against.
#[derive(Clone, Copy)]
pub struct Against<'a> {
    /// The largest message number.
    pub largest_number: u32,
    /// The largest UID.
    pub largest_uid: u32,
    /// What `$` stands for: UIDs, ascending.
    pub saved: &'a [u32],
    /// The time.
    pub now: Timestamp,
    /// What FUZZY texts were found by.
    pub ranks: &'a Ranks,
}

/// Makes one test of keys that all have to hold; an error says why they cannot be asked.
pub fn compile(keys: &[SearchKey], against: Against<'_>) -> Result<Test, &'static str> {
    compile_all(keys, against, false)
}

fn compile_all(keys: &[SearchKey], against: Against<'_>, fuzzy: bool) -> Result<Test, &'static str> {
    keys.iter().map(|key| compile_key(key, against, fuzzy)).collect::<Result<_, _>>().map(Test::And)
}

fn compile_key(key: &SearchKey, against: Against<'_>, fuzzy: bool) -> Result<Test, &'static str> {
    let earlier = |seconds: u32| Timestamp::from_secs(against.now.secs() - i64::from(seconds));
    Ok(match key {
        SearchKey::All | SearchKey::SaveDateSupported => Test::Constant(true),
        // We keep no \Recent: nothing is recent, all is old.
        SearchKey::Recent => Test::Constant(false),
        SearchKey::Flag(name, set) => match Flag::from_imap(name) {
            Some(flag) => Test::Flag(flag, *set),
            None => Test::Constant(!set),
        },
        SearchKey::Numbers(SequenceSet::Saved) | SearchKey::Uids(SequenceSet::Saved) => {
            Test::Uids(against.saved.iter().map(|&uid| uid..=uid).collect())
        }
        SearchKey::Numbers(set) => Test::Numbers(set.normalize(against.largest_number)),
        SearchKey::Uids(set) => Test::Uids(set.normalize(against.largest_uid)),
        SearchKey::ModSeq(modseq) => Test::ModSeq(*modseq),
        SearchKey::EmailId(id) => id.parse().map_or(Test::Constant(false), Test::Email),
        SearchKey::ThreadId(id) => id.parse().map_or(Test::Constant(false), Test::Thread),
        SearchKey::Date(of, when, day) => Test::Date(*of, *when, *day),
        SearchKey::Older(seconds) => Test::ReceivedUntil(earlier(*seconds)),
        SearchKey::Younger(seconds) => Test::ReceivedFrom(earlier(*seconds)),
        SearchKey::Larger(size) => Test::Larger(*size),
        SearchKey::Smaller(size) => Test::Smaller(*size),
        SearchKey::Header(name, text) if fuzzy => Test::Words(name.to_lowercase(), plain_terms(&needle(text)?)),
        SearchKey::Body(text) | SearchKey::Text(text) if fuzzy => {
            let ranked = against.ranks.get(&(matches!(key, SearchKey::Body(_)), text.clone()));
            Test::Ranked(ranked.cloned().unwrap_or_default())
        }
        SearchKey::Header(name, text) => Test::Header(name.to_lowercase(), needle(text)?),
        SearchKey::Body(text) => Test::Body(needle(text)?),
        SearchKey::Text(text) => Test::Text(needle(text)?),
        // RFC 6203 §3: it says how the key in it is to be taken; what is not a text is taken as ever.
        SearchKey::Fuzzy(key) => compile_key(key, against, true)?,
        // They were put in already.
        SearchKey::Filter(_) => Test::Constant(false),
        SearchKey::Not(key) => Test::Not(Box::new(compile_key(key, against, fuzzy)?)),
        SearchKey::Or(one, other) => {
            Test::Or(Box::new(compile_key(one, against, fuzzy)?), Box::new(compile_key(other, against, fuzzy)?))
        }
        SearchKey::And(keys) => compile_all(keys, against, fuzzy)?,
    })
}

/// The texts that the text index is to be asked for: in the body alone or anywhere, and what.
pub fn fuzzy_texts(keys: &[SearchKey]) -> Vec<(bool, String)> {
    let mut texts = Vec::new();
    let mut next: Vec<(&SearchKey, bool)> = keys.iter().map(|key| (key, false)).collect();
    while let Some((key, fuzzy)) = next.pop() {
        match key {
            SearchKey::Fuzzy(key) => next.push((key.as_ref(), true)),
            SearchKey::Not(key) => next.push((key.as_ref(), fuzzy)),
            SearchKey::Or(one, other) => next.extend([(one.as_ref(), fuzzy), (other.as_ref(), fuzzy)]),
            SearchKey::And(keys) => next.extend(keys.iter().map(|key| (key, fuzzy))),
            SearchKey::Body(text) | SearchKey::Text(text) if fuzzy => {
                texts.push((matches!(key, SearchKey::Body(_)), text.clone()));
            }
            _ => {}
        }
    }
    texts.sort_unstable();
    texts.dedup();
    texts
}

/// How relevant these messages are, 1 to 100 (RFC 6203 §4): the best of them is 100.
pub fn relevancy(ranks: &Ranks, ids: &[MessageId]) -> Vec<u8> {
    let score = |id: &MessageId| ranks.values().filter_map(|ranked| ranked.get(id)).sum::<u64>();
    let scores: Vec<u64> = ids.iter().map(score).collect();
    let best = scores.iter().copied().max().unwrap_or(0);
    let part = |score: u64| if best == 0 { 100 } else { 1 + u128::from(score) * 99 / u128::from(best) };
    scores.into_iter().map(|score| u8::try_from(part(score)).unwrap_or(100)).collect()
}

/// A text in its one case, without the marks on its letters.
fn plain(text: &str) -> String {
    let is_mark = |c: &char| ('\u{300}'..='\u{36f}').contains(c);
    text.chars().filter(|c| !is_mark(c)).collect()
}

fn plain_terms(text: &str) -> Vec<Term> {
    terms(&plain(text))
}

/// Does the text have each of these?
fn has_terms(text: &str, wanted: &[Term]) -> bool {
    let plain = plain(text);
    let words = plain.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let there: Vec<String> = words.map(str::to_lowercase).collect();
    wanted.iter().all(|term| term.is_in(&there))
}

fn needle(text: &str) -> Result<String, &'static str> {
    if text.len() > SEARCH_TEXT_BYTES_MAX { Err("the text to look for is too long") } else { Ok(casemap(text)) }
}

impl From<bool> for Answer {
    fn from(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}

impl Test {
    /// Does its answer need nothing of a message's header, be it in the envelope or not?
    pub fn is_of_text(&self) -> bool {
        match self {
            Self::Header(..) | Self::Words(..) | Self::Text(_) => false,
            Self::Not(test) => test.is_of_text(),
            Self::Or(one, other) => one.is_of_text() && other.is_of_text(),
            Self::And(tests) => tests.iter().all(Self::is_of_text),
            _ => true,
        }
    }

    /// Does nothing but the text and what the row says of its own decide it, so that the envelope is not needed?
    pub fn is_of_row(&self) -> bool {
        match self {
            Self::Header(..) | Self::Words(..) | Self::Date(DateOf::Sent, ..) => false,
            Self::Not(test) => test.is_of_row(),
            Self::Or(one, other) => one.is_of_row() && other.is_of_row(),
            Self::And(tests) => tests.iter().all(Self::is_of_row),
            _ => true,
        }
    }

    /// The header fields that decide it; `None` when the body does. A body costs a hundred times what a field costs.
    pub fn fields(&self) -> Option<Vec<&str>> {
        match self {
            Self::Header(name, _) | Self::Words(name, _) => Some(vec![name]),
            Self::Not(test) => test.fields(),
            Self::Or(one, other) => Some([one.fields()?, other.fields()?].concat()),
            Self::And(tests) => Some(tests.iter().map(Self::fields).collect::<Option<Vec<_>>>()?.concat()),
            Self::Constant(_) | Self::Flag(..) | Self::Numbers(_) | Self::Uids(_) | Self::ModSeq(_) | Self::Email(_) => {
                Some(Vec::new())
            }
            Self::Thread(_) | Self::Date(..) | Self::ReceivedUntil(_) | Self::ReceivedFrom(_) => Some(Vec::new()),
            Self::Larger(_) | Self::Smaller(_) => Some(Vec::new()),
            _ => None,
        }
    }

    /// Asks it.
    pub fn ask(&self, facts: Facts<'_>) -> Answer {
        match self {
            Self::Constant(answer) => (*answer).into(),
            Self::Flag(flag, set) => (facts.flags.contains(flag) == *set).into(),
            Self::Numbers(ranges) => contains(ranges, facts.number).into(),
            Self::Uids(ranges) => contains(ranges, facts.line.uid).into(),
            Self::ModSeq(modseq) => (facts.line.modseq >= *modseq).into(),
            Self::Email(id) => (facts.line.id == *id).into(),
            Self::Ranked(ranked) => ranked.contains_key(&facts.line.id).into(),
            Self::Not(test) => match test.ask(facts) {
                Answer::Yes => Answer::No,
                Answer::No => Answer::Yes,
                Answer::Unknown => Answer::Unknown,
            },
            Self::Or(one, other) => match (one.ask(facts), other.ask(facts)) {
                (Answer::Yes, _) | (_, Answer::Yes) => Answer::Yes,
                (Answer::No, Answer::No) => Answer::No,
                _ => Answer::Unknown,
            },
            Self::And(tests) => ask_all(tests, facts),
            _ => facts.summary.map_or(Answer::Unknown, |summary| self.ask_row(facts, summary)),
        }
    }

    fn ask_row(&self, facts: Facts<'_>, summary: &Summary) -> Answer {
        match self {
            Self::Thread(id) => (summary.thread == *id).into(),
            Self::Larger(size) => (summary.size_bytes > *size).into(),
            Self::Smaller(size) => (summary.size_bytes < *size).into(),
            Self::ReceivedUntil(time) => (summary.received_at <= *time).into(),
            Self::ReceivedFrom(time) => (summary.received_at >= *time).into(),
            Self::Date(of, when, day) => date_of(*of, summary, facts.mailbox).is_some_and(|date| compare(date, *when, *day)).into(),
            Self::Header(name, text) => ask_field(facts, summary, name, |value| value.contains(text)),
            Self::Words(name, words) => ask_field(facts, summary, name, |value| has_terms(value, words)),
            Self::Body(text) => facts.content.map_or(Answer::Unknown, |content| content.text.contains(text).into()),
            Self::Text(text) => facts.content.map_or(Answer::Unknown, |content| content.has(text).into()),
            _ => Answer::No,
        }
    }
}

/// A field is there, and its text in its one case is so.
fn ask_field(facts: Facts<'_>, summary: &Summary, name: &str, is_so: impl Fn(&str) -> bool) -> Answer {
    match envelope_text(name, summary) {
        Some(value) => value.is_some_and(|value| is_so(&casemap(&value))).into(),
        None => facts
            .content
            .map_or(Answer::Unknown, |content| content.fields.iter().any(|(field, value)| field == name && is_so(value)).into()),
    }
}

fn ask_all(tests: &[Test], facts: Facts<'_>) -> Answer {
    let mut all = Answer::Yes;
    for test in tests {
        match test.ask(facts) {
            Answer::No => return Answer::No,
            Answer::Unknown => all = Answer::Unknown,
            Answer::Yes => {}
        }
    }
    all
}

/// RFC 9051 §6.4.4: dates are compared without time and zone; the Date header's own zone counts.
fn date_of(of: DateOf, summary: &Summary, mailbox: MailboxId) -> Option<Day> {
    let envelope = &summary.parsed.envelope;
    match of {
        DateOf::Received => Some(Day::of(summary.received_at)),
        DateOf::Sent => {
            let zone_secs = i64::from(envelope.sent_zone_minutes) * 60;
            envelope.sent_at.map(|time| Day::of(Timestamp::from_secs(time.secs() + zone_secs)))
        }
        DateOf::Saved => summary.places.iter().find(|place| place.mailbox == mailbox).map(|place| Day::of(place.saved_at)),
    }
}

fn compare(date: Day, when: When, day: Day) -> bool {
    match when {
        When::Before => date < day,
        When::On => date == day,
        When::Since => date >= day,
    }
}

/// The text of a field that the envelope holds; `Some(None)` when the message does not have the field, `None` for
/// a field that only the header holds.
fn envelope_text(name: &str, summary: &Summary) -> Option<Option<String>> {
    let envelope = &summary.parsed.envelope;
    let ids = |ids: &[String]| (!ids.is_empty()).then(|| ids.iter().map(|id| format!("<{id}>")).collect::<Vec<_>>().join(" "));
    Some(match name {
        "from" => addresses(&envelope.from),
        "to" => addresses(&envelope.to),
        "cc" => addresses(&envelope.cc),
        "bcc" => addresses(&envelope.bcc),
        "sender" => addresses(&envelope.sender),
        "reply-to" => addresses(&envelope.reply_to),
        "subject" => envelope.subject.clone(),
        "date" => envelope.date.clone(),
        "message-id" => ids(&envelope.message_id),
        "in-reply-to" => ids(&envelope.in_reply_to),
        _ => return None,
    })
}

/// `Name <local@domain>, ..`
fn addresses(list: &[Addr]) -> Option<String> {
    let text = |addr: &Addr| match (&addr.name, addr.address()) {
        (Some(name), Some(address)) => format!("{name} <{address}>"),
        (None, Some(address)) => format!("<{address}>"),
        (_, None) => addr.group_start().unwrap_or_default().to_string(),
    };
    (!list.is_empty()).then(|| list.iter().map(text).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::Snapshot;
    use hearth_mailstore::Entry;
    use hearth_mailstore::message::Place;
    use hearth_wire::imap::{Charset, Command, parse_command};
    use hearth_wire::message::parse;

    const MAIL: &[u8] = b"From: Anna <anna@x.org>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nDate: Wed, 17 Jul 1996 23:30:00 -0700\r\nX-Odd: yes\r\n\r\nHello World\r\n";

    fn summary() -> Summary {
        let flags = FlagSet::from(Flag::Seen);
        let place = Place { mailbox: MailboxId::from_i64(1), uid: 7, deleted: false, saved_at: Timestamp::from_secs(86_400) };
        Summary {
            id: MessageId::from_i64(5),
            thread: ThreadId::from_i64(6),
            received_at: Timestamp::from_secs(1000),
            size_bytes: 100,
            modseq: 9,
            created_modseq: 9,
            flags,
            places: vec![place],
            parsed: parse(MAIL),
        }
    }

    /// The answers of the three steps.
    fn answers(search: &str) -> [Answer; 3] {
        let command = parse_command(format!("a SEARCH {search}\r\n").as_bytes(), Charset::Utf7).expect(search).command;
        let Command::Search(parsed) = command else { panic!("{search}") };
        let ranked = |id: i64| Arc::new(HashMap::from([(MessageId::from_i64(id), 9)]));
        let ranks = HashMap::from([((false, "helo".into()), ranked(5)), ((true, "helo".into()), ranked(6))]);
        let against = Against { largest_number: 3, largest_uid: 7, saved: &[7], now: Timestamp::from_secs(2000), ranks: &ranks };
        let test = compile(&parsed.keys, against).expect(search);
        let summary = summary();
        let entry = Entry { uid: 7, id: summary.id, modseq: 9, flags: summary.flags.clone() };
        let snapshot = Snapshot::new(vec![entry], 9);
        let content = Content::new(MAIL, &summary.parsed);
        let line = &snapshot.lines()[0];
        let facts =
            Facts { number: 3, line, flags: snapshot.flags(line), mailbox: MailboxId::from_i64(1), summary: None, content: None };
        let second = Facts { summary: Some(&summary), ..facts };
        let third = test.ask(Facts { content: Some(&content), ..second });
        if test.is_of_text() {
            let text = Content::of_text(&summary.parsed);
            assert_eq!(test.ask(Facts { content: Some(&text), ..second }), third, "{search}: by the text alone");
        }
        if test.is_of_row() {
            let row = Summary { parsed: hearth_wire::message::Parsed::default(), ..summary.clone() };
            assert_eq!(test.ask(Facts { summary: Some(&row), ..facts }), test.ask(second), "{search}: by the row alone");
        }
        if let Some(names) = test.fields() {
            let header = &summary.parsed.structure.header;
            let fields = Content::of_fields(&MAIL[header.start as usize..header.end as usize], &names);
            assert_eq!(test.ask(Facts { content: Some(&fields), ..second }), third, "{search}: by its fields alone");
        }
        [test.ask(facts), test.ask(second), third]
    }

    #[test]
    fn each_key_decides_as_soon_as_it_can() {
        use Answer::{No, Unknown, Yes};
        for (search, expected) in [
            ("ALL", [Yes; 3]),
            ("SEEN", [Yes; 3]),
            ("UNSEEN TEXT hello", [No; 3]),
            ("OR SEEN TEXT nothing", [Yes; 3]),
            ("NEW", [No; 3]),
            ("OLD", [Yes; 3]),
            ("3", [Yes; 3]),
            ("1:2", [No; 3]),
            ("*", [Yes; 3]),
            ("$", [Yes; 3]),
            ("UID 1:6", [No; 3]),
            ("MODSEQ 9", [Yes; 3]),
            ("MODSEQ 10", [No; 3]),
            ("EMAILID 0000000000005", [Yes; 3]),
            ("EMAILID x", [No; 3]),
            ("THREADID 0000000000006", [Unknown, Yes, Yes]),
            ("KEYWORD $x", [No; 3]),
            ("UNKEYWORD $x", [Yes; 3]),
            ("LARGER 99", [Unknown, Yes, Yes]),
            ("SMALLER 100", [Unknown, No, No]),
            ("OLDER 1000", [Unknown, Yes, Yes]),
            ("YOUNGER 999", [Unknown, No, No]),
            ("ON 1-Jan-1970", [Unknown, Yes, Yes]),
            ("SENTON 17-Jul-1996", [Unknown, Yes, Yes]),
            ("SENTBEFORE 17-Jul-1996", [Unknown, No, No]),
            ("SAVEDSINCE 2-Jan-1970", [Unknown, Yes, Yes]),
            ("FROM ANNA@", [Unknown, Yes, Yes]),
            ("SUBJECT \"GR\u{fc}\"", [Unknown, Yes, Yes]),
            ("HEADER Cc \"\"", [Unknown, No, No]),
            ("HEADER From \"\"", [Unknown, Yes, Yes]),
            ("HEADER X-Odd \"\"", [Unknown, Unknown, Yes]),
            ("HEADER X-Odd no", [Unknown, Unknown, No]),
            ("BODY \"llo wor\"", [Unknown, Unknown, Yes]),
            ("BODY \"gr\u{fc}\"", [Unknown, Unknown, No]),
            ("TEXT \"gr\u{fc}\u{df}e\"", [Unknown, Unknown, Yes]),
            ("FUZZY TEXT helo", [Yes; 3]),
            ("FUZZY BODY helo", [No; 3]),
            ("FUZZY (NOT TEXT helo)", [No; 3]),
            ("FUZZY SUBJECT \"gru\"", [Unknown, Yes, Yes]),
            ("FUZZY SUBJECT \"russe\"", [Unknown, No, No]),
            ("FUZZY FROM \"x anna\"", [Unknown, Yes, Yes]),
            ("FUZZY FROM \"\\\"anna anna\\\" x\"", [Unknown, Yes, Yes]),
            ("FUZZY FROM \"'x anna'\"", [Unknown, No, No]),
            ("FUZZY SEEN", [Yes; 3]),
            ("NOT BODY x LARGER 99", [Unknown, Unknown, Yes]),
            ("(SEEN (SMALLER 1))", [Unknown, No, No]),
        ] {
            assert_eq!(answers(search), expected, "{search}");
        }
    }

    #[test]
    fn what_decides() {
        let header = |name: &str| Test::Header(name.into(), "x".into());
        let both = Test::Or(Box::new(header("x-a")), Box::new(Test::Not(Box::new(header("x-b")))));
        assert_eq!(both.fields(), Some(vec!["x-a", "x-b"]));
        assert_eq!(Test::And(vec![both, Test::Larger(1)]).fields(), Some(vec!["x-a", "x-b"]));
        assert_eq!(Test::And(vec![header("x-a"), Test::Body("x".into())]).fields(), None);
        assert_eq!(Test::Not(Box::new(Test::Text("x".into()))).fields(), None);
    }

    #[test]
    fn a_text_has_a_bound() {
        assert!(needle(&"x".repeat(SEARCH_TEXT_BYTES_MAX)).is_ok());
        assert!(needle(&"x".repeat(SEARCH_TEXT_BYTES_MAX + 1)).is_err());
    }
}
