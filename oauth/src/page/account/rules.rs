// SPDX-License-Identifier: AGPL-3.0-or-later
//! What somebody wants done with their mail, and how that is said in Sieve (RFC 5228). Pure.
//!
//! The script is written from the wishes and carries them in its first line, so that the page can show them again. A
//! script that a mail program wrote is another script, and is left alone.

use serde::{Deserialize, Serialize};

/// The name of our script among a person's scripts.
pub(super) const SCRIPT: &str = "hearth";
/// Filters of one person.
pub(super) const FILTERS_MAX: usize = 50;
/// Characters of what a filter looks for, and of a mailbox.
const TEXT_CHARS_MAX: usize = 200;
/// Characters of the text of an absence.
const MESSAGE_CHARS_MAX: usize = 4_000;
/// RFC 5230 §4.1: days until the same sender is answered again.
const AGAIN_AFTER_DAYS: u8 = 7;
const MARK: &str = "# hearth ";

/// Everything that somebody wants.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rules {
    pub(super) absence: Option<Absence>,
    pub(super) forward: Option<Forward>,
    pub(super) filters: Vec<Filter>,
}

/// An answer while somebody is away.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Absence {
    pub(super) subject: String,
    pub(super) message: String,
    /// `2026-12-24`, or empty.
    pub(super) from: String,
    /// The last day, or empty.
    pub(super) until: String,
}

/// Mail goes on to another address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Forward {
    pub(super) to: String,
    /// It stays here too.
    pub(super) keep: bool,
    /// Nobody has shown yet that they read what comes there: until then it stays here whatever is wished.
    #[serde(default)]
    pub(super) unproven: bool,
}

/// Mail with a text in a place goes to a mailbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Filter {
    pub(super) place: Place,
    pub(super) text: String,
    pub(super) mailbox: String,
}

/// Where a filter looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Place {
    From,
    To,
    Subject,
    List,
}

impl Place {
    pub(super) const ALL: [Self; 4] = [Self::From, Self::To, Self::Subject, Self::List];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::From => "from",
            Self::To => "to",
            Self::Subject => "subject",
            Self::List => "list",
        }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|place| place.name() == name)
    }
}

/// A wish that cannot be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    Message,
    Date,
    Filter,
    TooMany,
}

impl Rules {
    /// The wishes of a script of ours; none for what is not.
    pub(super) fn of_script(script: &[u8]) -> Self {
        let first = std::str::from_utf8(script).ok().and_then(|text| text.lines().next());
        first.and_then(|line| line.strip_prefix(MARK)).and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default()
    }

    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Within the bounds?
    pub(super) fn check(&self) -> Result<(), Unfit> {
        if let Some(absence) = &self.absence {
            let fits = |text: &str, max: usize| text.chars().count() <= max && !text.contains('\0');
            if absence.message.trim().is_empty() || !fits(&absence.message, MESSAGE_CHARS_MAX) || !is_line(&absence.subject, true) {
                return Err(Unfit::Message);
            }
            if !is_date(&absence.from) || !is_date(&absence.until) || (!absence.until.is_empty() && absence.until < absence.from) {
                return Err(Unfit::Date);
            }
        }
        if self.filters.len() > FILTERS_MAX {
            return Err(Unfit::TooMany);
        }
        let fits = |filter: &Filter| is_line(&filter.text, false) && is_line(&filter.mailbox, false);
        if self.filters.iter().all(fits) { Ok(()) } else { Err(Unfit::Filter) }
    }

    /// The script.
    pub(super) fn to_script(&self) -> String {
        let json = serde_json::to_string(self).expect("texts and lists are JSON");
        let mut script =
            format!("{MARK}{json}\r\nrequire [\"fileinto\", \"mailbox\", \"copy\", \"vacation\", \"date\", \"relational\"];\r\n");
        if let Some(absence) = &self.absence {
            script.push_str(&absence.to_script());
        }
        if let Some(forward) = &self.forward {
            let copy = if forward.keep || forward.unproven { ":copy " } else { "" };
            script.push_str(&format!("redirect {copy}{};\r\n", quoted(&forward.to)));
        }
        for filter in &self.filters {
            script.push_str(&filter.to_script());
        }
        script
    }
}

impl Absence {
    fn to_script(&self) -> String {
        let subject = if self.subject.is_empty() { String::new() } else { format!(":subject {} ", quoted(&self.subject)) };
        let answer = format!("vacation :days {AGAIN_AFTER_DAYS} {subject}{};\r\n", quoted(&self.message));
        // RFC 5260 §4: days of the machine's clock.
        let days = [("ge", &self.from), ("le", &self.until)];
        let tests: Vec<String> = days
            .iter()
            .filter(|(_, day)| !day.is_empty())
            .map(|(relation, day)| format!("currentdate :value \"{relation}\" \"date\" {}", quoted(day)))
            .collect();
        if tests.is_empty() { answer } else { format!("if allof ({}) {{ {} }}\r\n", tests.join(", "), answer.trim_end()) }
    }
}

impl Filter {
    fn to_script(&self) -> String {
        let test = match self.place {
            Place::From => "address :contains \"from\"",
            Place::To => "address :contains [\"to\", \"cc\"]",
            Place::Subject => "header :contains \"subject\"",
            Place::List => "header :contains \"list-id\"",
        };
        format!("if {test} {} {{ fileinto :create {}; stop; }}\r\n", quoted(&self.text), quoted(&self.mailbox))
    }
}

/// RFC 5228 §2.4.2: a quoted string; its lines end in CRLF. (quirk: sieve-rs 0.7 takes a quote after an escaped backslash for
/// an escaped one, so that a text cannot end in a backslash.)
fn quoted(text: &str) -> String {
    let text = text.trim_end_matches('\\').replace("\r\n", "\n").replace('\r', "\n").replace('\n', "\r\n");
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn is_line(text: &str, may_be_empty: bool) -> bool {
    (may_be_empty || !text.trim().is_empty()) && text.chars().count() <= TEXT_CHARS_MAX && !text.chars().any(char::is_control)
}

/// `2026-12-24`, or nothing.
fn is_date(text: &str) -> bool {
    let shape = |(at, b): (usize, u8)| if at == 4 || at == 7 { b == b'-' } else { b.is_ascii_digit() };
    text.is_empty() || (text.len() == 10 && text.bytes().enumerate().all(shape))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Rules {
        Rules {
            absence: Some(Absence {
                subject: "Away \"far\" \\".into(),
                message: "I am away.\r\n.\r\nBack soon: \"x\"; stop;\n# no".into(),
                from: "2026-12-24".into(),
                until: "2027-01-02".into(),
            }),
            forward: Some(Forward { to: "me@elsewhere.example".into(), keep: true, unproven: false }),
            filters: Place::ALL.map(|place| Filter { place, text: "a\"b\\".into(), mailbox: "Lists/é".into() }).to_vec(),
        }
    }

    #[test]
    fn what_is_written_is_read_again_and_compiles() {
        for rules in [all(), Rules::default(), Rules { absence: None, ..all() }, Rules { forward: None, filters: vec![], ..all() }]
        {
            rules.check().unwrap();
            let script = rules.to_script();
            assert_eq!(Rules::of_script(script.as_bytes()), rules);
            let compiled = hearth_filter::sieve::compile(script.as_bytes()).map(drop);
            assert!(compiled.is_ok(), "{compiled:?}: {script}");
        }
        assert!(Rules::of_script(b"keep;").is_empty() && Rules::of_script(b"").is_empty() && Rules::of_script(&[0xff]).is_empty());
        assert!(Rules::of_script(b"# hearth {\"filters\":").is_empty());
    }

    #[test]
    fn a_copy_stays_until_the_address_is_proven() {
        for (keep, unproven, copies) in [(true, false, true), (true, true, true), (false, true, true), (false, false, false)] {
            let forward = Some(Forward { to: "me@elsewhere.example".into(), keep, unproven });
            let script = Rules { forward, ..Rules::default() }.to_script();
            assert_eq!(script.contains("redirect :copy \""), copies, "{keep} {unproven}");
        }
        let old =
            Rules::of_script(b"# hearth {\"absence\":null,\"forward\":{\"to\":\"a@b.example\",\"keep\":false},\"filters\":[]}\r\n");
        assert_eq!(old.forward.map(|forward| forward.unproven), Some(false), "what was set before goes on");
    }

    #[test]
    fn bounds() {
        let filter = |text: &str, mailbox: &str| Rules {
            filters: vec![Filter { place: Place::From, text: text.into(), mailbox: mailbox.into() }],
            ..Rules::default()
        };
        assert_eq!(filter(&"é".repeat(TEXT_CHARS_MAX), "x").check(), Ok(()));
        for (text, mailbox) in [(&*"x".repeat(TEXT_CHARS_MAX + 1), "x"), ("", "x"), ("x", " "), ("a\r\nb", "x"), ("x", "a\0b")] {
            assert_eq!(filter(text, mailbox).check(), Err(Unfit::Filter), "{text:?} {mailbox:?}");
        }
        let many = |count: usize| Rules { filters: vec![filter("x", "y").filters.remove(0); count], ..Rules::default() };
        assert_eq!((many(FILTERS_MAX).check(), many(FILTERS_MAX + 1).check()), (Ok(()), Err(Unfit::TooMany)));
        let away = |message: &str, from: &str, until: &str| Rules {
            absence: Some(Absence { message: message.into(), from: from.into(), until: until.into(), ..Absence::default() }),
            ..Rules::default()
        };
        assert_eq!(away(&"x".repeat(MESSAGE_CHARS_MAX), "", "2026-12-24").check(), Ok(()));
        assert_eq!(away(&"x".repeat(MESSAGE_CHARS_MAX + 1), "", "").check(), Err(Unfit::Message));
        assert_eq!(away(" ", "", "").check(), Err(Unfit::Message));
        for (from, until) in [("2026-12-24", "2026-12-23"), ("tomorrow", ""), ("2026-12-2x", ""), ("", "2026/12/24")] {
            assert_eq!(away("x", from, until).check(), Err(Unfit::Date), "{from} {until}");
        }
    }
}
