// SPDX-License-Identifier: AGPL-3.0-or-later
//! Every bound of the filters, named.

/// Characters of a reason; it is one header line.
pub const REASON_CHARS_MAX: usize = 200;

/// Bytes of a script; the store takes as many.
pub const SCRIPT_BYTES_MAX: usize = 256 * 1024;
/// Bytes of a string in a script (a vacation's text is one).
pub const SCRIPT_STRING_BYTES_MAX: usize = 32 * 1024;
/// Blocks in blocks, and tests in tests; RFC 5228 §2.10.5 wants 15.
pub const SCRIPT_NESTING_MAX: usize = 15;
/// RFC 5228 §4.2, §10: copies that one mail may send out of the house.
pub const REDIRECTS_MAX: usize = 5;
/// Mails that one mail may cause: redirects, answers, notices.
pub const OUT_MESSAGES_MAX: usize = 8;
/// Instructions of one run.
pub const INSTRUCTIONS_MAX: usize = 10_000;
/// Scripts inside scripts (RFC 6609 §3.1).
pub const INCLUDES_NESTED_MAX: usize = 3;
/// Questions that one run may ask (mailboxes, duplicates, included scripts).
pub const LOOKUPS_MAX: usize = 500;
/// Bytes of one variable; RFC 5229 §6 wants 4000.
pub const VARIABLE_BYTES_MAX: usize = 8 * 1024;
/// Received fields of a mail that is still redirected or answered: beyond it, it is going in circles.
pub const HOPS_ANSWERED_MAX: usize = 20;
/// Mailboxes that one mail may be filed into.
pub const FILED_MAX: usize = 20;
/// RFC 5230 §4.1: without `:days`, a sender is answered once in this many.
pub const VACATION_SECONDS: u64 = 7 * 24 * 3600;
/// RFC 7352 §3: without `:seconds`, an id is remembered for this long.
pub const DUPLICATE_SECONDS: u64 = 7 * 24 * 3600;
/// Nothing is remembered for longer.
pub const MEMORY_SECONDS_MAX: u64 = 90 * 24 * 3600;

/// Words of a mail that the classifier looks at.
pub const TOKENS_MAX: usize = 400;
/// Characters of one word.
pub const TOKEN_CHARS_MAX: usize = 30;
/// Of these, the most telling decide.
pub const TELLING_MAX: usize = 60;
