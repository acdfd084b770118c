// SPDX-License-Identifier: AGPL-3.0-or-later
//! Every bound of the server; those of the grammar are in `hearth_wire::imap::limits`.

use std::time::Duration;

/// From the greeting until a person has signed in.
pub const LOGIN_TIME_MAX: Duration = Duration::from_secs(60);
/// Silence of a person who has signed in, IDLE included. RFC 9051 §5.4: at least 30 minutes.
pub const IDLE_TIME_MAX: Duration = Duration::from_secs(31 * 60);
/// From the first byte of a command until its end; a message being appended has its own.
pub const COMMAND_TIME_MAX: Duration = Duration::from_secs(120);
/// From the first byte of an appended message until its last.
pub const APPEND_TIME_MAX: Duration = Duration::from_secs(30 * 60);
/// Silence in the middle of a command or a literal.
pub const PROGRESS_TIME_MAX: Duration = Duration::from_secs(60);
/// A peer that does not take what it asked for is let go after this long.
pub const WRITE_TIME_MAX: Duration = Duration::from_secs(120);
/// While idling, rights and the store are looked at this often even if nobody called: that somebody left a group calls nobody.
pub const IDLE_LOOK: Duration = Duration::from_secs(120);

/// A mailbox that was selected is remembered so long after it was closed ...
pub const MIRROR_KEPT_FOR: Duration = Duration::from_secs(15 * 60);
/// ... as long as all that are remembered have no more messages than this: each is a line of 24 octets.
pub const MIRROR_LINES_KEPT_MAX: usize = 32 * 1024;

/// Mailboxes that are watched for one session (NOTIFY).
pub const NOTIFY_MAILBOXES_MAX: usize = 2_000;

/// Failed logins before each further one has to wait.
pub const LOGIN_FAILURES_FREE: u32 = 1;
/// The wait after a failed login; it doubles with each.
pub const LOGIN_FAILURE_WAIT: Duration = Duration::from_millis(500);
/// Failed logins of one connection; then BYE.
pub const LOGIN_FAILURES_MAX: u32 = 5;
/// Commands that make no sense, in a row, before login; then BYE.
pub const MISTAKES_BEFORE_LOGIN_MAX: u32 = 5;
/// The same after login.
pub const MISTAKES_MAX: u32 = 50;

/// Messages of one APPEND (RFC 3502).
pub const APPEND_MESSAGES_MAX: usize = 100;
/// Texts and URLs that one message is made of (RFC 4469).
pub const APPEND_PARTS_MAX: usize = 200;
/// Octets of appended messages that are held in memory; more goes to a file.
pub const APPEND_MEMORY_BYTES_MAX: u64 = 256 * 1024;
/// Octets of an unwanted message that are read and dropped so that the connection can go on.
pub const DISCARD_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Messages whose rows are read in one transaction by FETCH and SEARCH.
pub const FETCH_ROWS_MAX: usize = 128;
/// Bodies that one FETCH has in its hands at once.
pub const FETCH_BODIES_MAX: usize = 16;
/// Octets that a FETCH produces before it writes them out.
pub const FETCH_PIECE_BYTES: usize = 256 * 1024;
/// Messages whose rows SORT and THREAD read in one transaction.
pub const SCAN_ROWS_MAX: usize = 2048;
/// UIDs between two wanted messages that are swept over rather than asked around.
pub const SCAN_GAP_MAX: u32 = 64;
/// A thread is followed down so far; what is deeper begins anew.
pub const THREAD_DEPTH_MAX: usize = 1000;
/// Message-IDs of References that count, the last ones.
pub const THREAD_REFERENCES_MAX: usize = 100;
/// While a command takes long, a sign of life is given this often (RFC 9585 §3: 10 to 15 seconds).
pub const PROGRESS_EVERY: Duration = Duration::from_secs(10);
/// Sessions that compress at once: each costs about 300 KB.
pub const COMPRESSED_SESSIONS_MAX: usize = 200;
/// Silence of a POP3 session. RFC 1939 §3: at least 10 minutes.
pub const POP3_IDLE_TIME_MAX: Duration = Duration::from_secs(10 * 60 + 30);
/// Messages that a POP3 session is shown, the oldest ones; the next session shows the next ones.
pub const POP3_MESSAGES_MAX: usize = 100_000;
/// Messages that QUIT deletes in one transaction.
pub const POP3_DELETE_MAX: usize = 200;
/// Silence of a ManageSieve session. RFC 5804 §1.2: at least 30 minutes.
pub const SIEVE_IDLE_TIME_MAX: Duration = Duration::from_secs(31 * 60);
/// Messages of one command that a script for events (RFC 6785) runs for, the first ones.
pub const EVENT_MESSAGES_MAX: usize = 200;
/// Octets of a message that such a script runs for; larger ones are left alone.
pub const EVENT_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Mail that was put off is looked for this often.
pub const SNOOZE_LOOK: Duration = Duration::from_secs(10);
/// Messages that come back in one transaction.
pub const SNOOZE_MESSAGES_MAX: usize = 200;
/// Octets of a header that HEADER.FIELDS and SEARCH HEADER look through.
pub const HEADER_BYTES_MAX: u64 = 1024 * 1024;
/// Octets of a message that SEARCH BODY and TEXT look through.
pub const SEARCH_BODY_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// How deep a filter (RFC 5466) may use others.
pub const FILTERS_NESTED_MAX: usize = 5;
/// Filters that one search uses, those within others counted each time.
pub const FILTERS_USED_MAX: usize = 50;
/// Octets of a text that SEARCH looks for.
pub const SEARCH_TEXT_BYTES_MAX: usize = 1024;
/// Texts that one SEARCH looks for by their words: each takes a list of all messages that have them.
pub const FUZZY_TEXTS_MAX: usize = 32;
