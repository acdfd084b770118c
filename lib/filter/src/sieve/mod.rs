// SPDX-License-Identifier: AGPL-3.0-or-later
//! A person's own rules: Sieve (RFC 5228), by sieve-rs, within bounds.
//!
//! [`compile`] reads a script. [`Script::run`] runs it against one mail and gives a list of [`Action`]s; it changes
//! nothing by itself. What it must know of the house (is there such a mailbox, was this id seen before, an included
//! script) it asks through [`Lookup`], which whoever calls it answers from inside one read of the account.
//!
//! **It never loses a mail**: whatever goes wrong ends in [`Ran::error`], with the one action that keeps the mail as if
//! there were no script (RFC 5228 §2.10.6).
//!
//! (deviates: sieve-rs reads the clock of the machine for `currentdate` and the Date of an answer.)

mod answer;
#[cfg(test)]
mod bounds;
mod chain;
mod compile;
mod ended;
mod run;
mod size;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use hearth_mailstore::FlagSet;

pub use compile::{CAPABILITIES, NOTIFY_METHODS, Script, ScriptError, compile, compile_for};

/// What a script is told of a mail and of the person.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The mail, or as much of it as is shown to a script.
    pub raw: &'a [u8],
    /// The size of the whole mail, when `raw` is only part of it: `size` is asked of that (RFC 5228 §5.9).
    pub cut_from: Option<u64>,
    /// The envelope sender; empty is the null sender.
    pub sender: &'a str,
    /// The envelope recipient that led to this person.
    pub recipient: &'a str,
    /// The address that the person is known by; answers come from it.
    pub owner: &'a str,
    /// The person's name; may be empty.
    pub owner_name: &'a str,
    /// The name of this host.
    pub hostname: &'a str,
    /// What was thought of the mail before; `None`: nothing (RFC 5235 §2.1 calls that untested).
    pub junk: Option<f64>,
}

/// What somebody did to a message in a mailbox (RFC 6785 §4.1), when that is why a script runs.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// `APPEND`, `COPY` or `FLAG`.
    pub cause: &'a str,
    /// The path of the mailbox.
    pub mailbox: &'a str,
    /// Who did it: the name that they sign in with, and their address.
    pub user: &'a str,
    /// The flags that changed, with spaces between.
    pub changed_flags: &'a str,
}

/// What a script may ask.
pub trait Lookup {
    /// The path of a mailbox that is there, by path.
    fn mailbox(&mut self, path: &str) -> bool;
    /// By id (RFC 8474 §4.1): its path.
    fn mailbox_by_id(&mut self, id: &str) -> Option<String>;
    /// By special use, `\Junk` (RFC 6154 §2): its path.
    fn mailbox_by_use(&mut self, special_use: &str) -> Option<String>;
    /// Was this id remembered, and not for too long (RFC 7352, RFC 5230 §4.2)?
    fn is_remembered(&mut self, id: &str) -> bool;
    /// Entries of METADATA (RFC 5464): the mailbox's path (`None`: of the account), the entry, its value.
    fn annotations(&mut self) -> Vec<(Option<String>, String, String)>;
    /// Another script of this person.
    fn script(&mut self, name: &str) -> Option<Vec<u8>>;
}

/// One mailbox to file into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Where the mail would have gone without a script.
    Usual,
    /// By path.
    Path {
        /// `Lists/rust`.
        path: String,
        /// RFC 5490 §3.2.
        create: bool,
    },
}

/// What is to be done. The mail is the one that came unless `edited` has another (RFC 5293, RFC 5703).
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// `keep`, `fileinto`, or the copy of an answer (RFC 8580).
    File {
        /// Where.
        place: Place,
        /// RFC 5232.
        flags: FlagSet,
        /// Other bytes than those that came.
        edited: Option<Arc<Vec<u8>>>,
    },
    /// RFC 5228 §4.2.
    Redirect {
        /// To whom.
        to: String,
        /// Other bytes than those that came.
        edited: Option<Arc<Vec<u8>>>,
    },
    /// RFC 5429. Nothing else is done then.
    Reject {
        /// For people.
        reason: String,
    },
    /// A new mail: an answer (RFC 5230), from the null sender, or a notice (RFC 5435, RFC 5436).
    Send {
        /// To whom.
        to: Vec<String>,
        /// The mail.
        message: Arc<Vec<u8>>,
        /// An answer to the sender of the mail.
        is_answer: bool,
    },
}

/// To be remembered once the actions are done (RFC 7352 §3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remember {
    /// As it is asked for again.
    pub id: String,
    /// For how long.
    pub seconds: u64,
}

/// What came of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ran {
    /// In order. None at all: the mail was discarded.
    pub actions: Vec<Action>,
    /// What was seen.
    pub remember: Vec<Remember>,
    /// What went wrong, in one line for its owner; the actions keep the mail then.
    pub error: Option<String>,
}

impl Ran {
    /// As if there were no script.
    pub fn usual() -> Self {
        let keep = Action::File { place: Place::Usual, flags: FlagSet::EMPTY, edited: None };
        Self { actions: vec![keep], remember: Vec::new(), error: None }
    }

    fn failed(error: String) -> Self {
        Self { error: Some(error), ..Self::usual() }
    }
}
