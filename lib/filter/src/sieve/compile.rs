// SPDX-License-Identifier: AGPL-3.0-or-later
//! From a script's text to one that can run, or to what is wrong with it.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use ::sieve::compiler::grammar::Capability;
use ::sieve::compiler::{CompileError, ErrorType};
use ::sieve::runtime::RuntimeError;
use ::sieve::{Compiler, Input, Runtime, Sieve};

use super::ended;
use crate::limits::{
    DUPLICATE_SECONDS, HOPS_ANSWERED_MAX, INCLUDES_NESTED_MAX, INSTRUCTIONS_MAX, OUT_MESSAGES_MAX, REDIRECTS_MAX, SCRIPT_BYTES_MAX,
    SCRIPT_NESTING_MAX, SCRIPT_STRING_BYTES_MAX, VACATION_SECONDS, VARIABLE_BYTES_MAX,
};

/// The extensions that a script may `require`; what ManageSieve shows (RFC 5804 §1.7, SIEVE).
pub const CAPABILITIES: &[&str] = &[
    "body",
    "comparator-i;ascii-casemap",
    "comparator-i;ascii-numeric",
    "comparator-i;octet",
    "copy",
    "date",
    "duplicate",
    "editheader",
    "enclose",
    "encoded-character",
    "enotify",
    "envelope",
    "environment",
    "ereject",
    "extracttext",
    "fcc",
    "fileinto",
    "foreverypart",
    "ihave",
    "imap4flags",
    "imapsieve",
    "include",
    "index",
    "mailbox",
    "mailboxid",
    "mboxmetadata",
    "mime",
    "regex",
    "reject",
    "relational",
    "replace",
    "servermetadata",
    "spamtest",
    "spamtestplus",
    "special-use",
    "subaddress",
    "vacation",
    "vacation-seconds",
    "variables",
];

/// What `enotify` can do (RFC 5804 §1.7, NOTIFY).
pub const NOTIFY_METHODS: &[&str] = &["mailto"];

/// A script that can run. Cheap to clone.
#[derive(Clone)]
pub struct Script {
    pub(super) sieve: Arc<Sieve>,
    /// It, or one that it includes, may look at annotations, which are read before it runs.
    pub(super) reads_annotations: bool,
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Script")
    }
}

/// What is wrong with a script.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{says}")]
pub struct ScriptError {
    /// The line, from 1; 0 when it is not one line's fault.
    pub line: usize,
    /// One line, with the place.
    pub says: String,
}

/// Reads a script. What it requires and we do not have is an error here already, not when a mail comes.
pub fn compile(text: &[u8]) -> Result<Script, ScriptError> {
    let broken = || Err(ScriptError { line: 0, says: "This script cannot be read.".into() });
    guarded(|| read(text)).unwrap_or_else(broken)
}

/// sieve-rs takes for granted what a script can deny it, and panics: that is the script's error, and ends no session.
pub(super) fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

fn read(text: &[u8]) -> Result<Script, ScriptError> {
    let sieve = match compiler().compile(text) {
        Ok(sieve) => Arc::new(sieve),
        Err(error) => return Err(with_its_place(&error, text)),
    };
    check_required(&sieve, text)?;
    if let Some(line) = ended::open_end(text) {
        return Err(ScriptError { line, says: format!("The last command wants a \";\" at line {line}.") });
    }
    let mentions = |word: &[u8]| text.windows(word.len()).any(|at| at.eq_ignore_ascii_case(word));
    Ok(Script { sieve, reads_annotations: mentions(b"metadata") || mentions(b"include") })
}

/// As [`compile`], to be run against part of a mail of `cut_from` bytes.
pub fn compile_for(text: &[u8], cut_from: Option<u64>) -> Result<Script, ScriptError> {
    match cut_from {
        Some(size_bytes) => compile(&super::size::answered(text, size_bytes)),
        None => compile(text),
    }
}

pub(super) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect::<String>().trim().to_string()
}

fn compiler() -> Compiler {
    Compiler::new()
        .with_max_script_size(SCRIPT_BYTES_MAX)
        .with_max_string_size(SCRIPT_STRING_BYTES_MAX)
        .with_max_nested_blocks(SCRIPT_NESTING_MAX)
        .with_max_nested_tests(SCRIPT_NESTING_MAX)
}

/// RFC 5228 §3.2: `require` stands before all else, so that the first step of a run meets all of it.
fn check_required(sieve: &Arc<Sieve>, text: &[u8]) -> Result<(), ScriptError> {
    let runtime = runtime("localhost");
    let mut context = runtime.filter(b"Subject: x\r\n\r\n");
    match context.run(Input::Script { name: "".into(), script: Arc::clone(sieve) }) {
        Some(Err(RuntimeError::CapabilityNotAllowed(capability))) => Err(not_to_be_had(&capability.to_string(), text)),
        Some(Err(RuntimeError::CapabilityNotSupported(name))) => Err(not_to_be_had(&name, text)),
        _ => Ok(()),
    }
}

/// sieve-rs counts lines and columns from 1, but gives 0 and 0 for a command that it does not know.
fn with_its_place(error: &CompileError, text: &[u8]) -> ScriptError {
    let says = error.to_string();
    if let (0, ErrorType::UnexpectedToken { found, .. }) = (error.line_num(), error.error_type())
        && let Some((line, column)) = find_word(text, found)
    {
        let what = says.strip_suffix(" at line 0, column 0.").unwrap_or(&says);
        return ScriptError { line, says: one_line(&format!("{what} at line {line}, column {column}.")) };
    }
    ScriptError { line: error.line_num(), says: one_line(&says) }
}

/// The runtime does not know where it was required; the text does.
fn not_to_be_had(name: &str, text: &[u8]) -> ScriptError {
    match find_word(text, &format!("\"{name}\"")) {
        Some((line, column)) => {
            ScriptError { line, says: one_line(&format!("{name:?} is not to be had here, at line {line}, column {column}.")) }
        }
        None => ScriptError { line: 0, says: one_line(&format!("{name:?} is not to be had here")) },
    }
}

/// Line and column, from 1, at which a word stands that is no part of another and not behind `#`.
fn find_word(text: &[u8], word: &str) -> Option<(usize, usize)> {
    let word = word.as_bytes();
    let is_part = |octet: Option<&u8>| octet.is_some_and(|octet| octet.is_ascii_alphanumeric() || *octet == b'_');
    text.split(|octet| *octet == b'\n').enumerate().find_map(|(line, octets)| {
        let end = octets.iter().position(|octet| *octet == b'#').unwrap_or(octets.len());
        let octets = octets.get(..end)?;
        let stands = |at: &usize| {
            octets.get(*at..*at + word.len()) == Some(word)
                && !is_part(at.checked_sub(1).and_then(|before| octets.get(before)))
                && !is_part(octets.get(*at + word.len()))
        };
        (0..octets.len()).find(stands).map(|at| (line + 1, at + 1))
    })
}

/// What sieve-rs has and this house does not: no lists to look into (RFC 6134), no judge of viruses, and what only a
/// queue with priorities could keep (RFC 6009).
fn declined() -> [Capability; 8] {
    [
        Capability::Convert,
        Capability::EnvelopeDeliverBy,
        Capability::EnvelopeDsn,
        Capability::ExtLists,
        Capability::RedirectDeliverBy,
        Capability::RedirectDsn,
        Capability::VirusTest,
        Capability::While,
    ]
}

pub(super) fn runtime(hostname: &str) -> Runtime {
    let mut runtime = Runtime::new()
        .without_capabilities(declined())
        .with_cpu_limit(INSTRUCTIONS_MAX)
        // The outermost counts as one.
        .with_max_nested_includes(INCLUDES_NESTED_MAX + 1)
        .with_max_redirects(REDIRECTS_MAX)
        .with_max_out_messages(OUT_MESSAGES_MAX)
        .with_max_received_headers(HOPS_ANSWERED_MAX)
        .with_max_variable_size(VARIABLE_BYTES_MAX)
        .with_default_vacation_expiry(VACATION_SECONDS)
        .with_default_duplicate_expiry(DUPLICATE_SECONDS)
        .with_local_hostname(hostname.to_string())
        .with_vacation_default_subject("Automatic reply")
        // RFC 5293 §4: the trace of a mail is not the script's to change.
        .with_protected_header("Received")
        .with_protected_header("Auto-Submitted")
        .with_protected_header("Return-Path")
        .with_protected_header("Delivered-To")
        .with_protected_header("Authentication-Results")
        .with_protected_header("X-Hearth-Reason")
        .with_env_variable("name", "Hearth")
        .with_env_variable("version", env!("CARGO_PKG_VERSION"))
        .with_env_variable("location", "MDA")
        .with_env_variable("phase", "during")
        .with_env_variable("host", hostname.to_string());
    for method in NOTIFY_METHODS {
        runtime.set_valid_notification_uri(*method);
    }
    runtime
}
