// SPDX-License-Identifier: AGPL-3.0-or-later
//! Every bound on what an IMAP client may send, before and while it is parsed.

/// Octets of one line of a command. RFC 7162 §4: at least 8,192; long UID sets need more.
pub const LINE_BYTES_MAX: usize = 64 * 1024;
/// Octets of one command with its literals, after login. A message being appended is not part of it.
pub const COMMAND_BYTES_MAX: usize = 256 * 1024;
/// Octets of one line before login; an access token in an initial response has to fit.
pub const LINE_BYTES_BEFORE_LOGIN_MAX: usize = 16 * 1024;
/// Octets of one command with its literals, before login.
pub const COMMAND_BYTES_BEFORE_LOGIN_MAX: usize = 32 * 1024;
/// Octets of one literal before login.
pub const LITERAL_BYTES_BEFORE_LOGIN_MAX: u64 = 8 * 1024;
/// Octets of a tag.
pub const TAG_BYTES_MAX: usize = 64;
/// Ranges in one sequence set.
pub const SET_RANGES_MAX: usize = 8 * 1024;
/// How deep search keys nest.
pub const SEARCH_DEPTH_MAX: usize = 24;
/// Search keys in one SEARCH.
pub const SEARCH_KEYS_MAX: usize = 1000;
/// Criteria of one SORT.
pub const SORT_CRITERIA_MAX: usize = 16;
/// Mailboxes named in one source of ESEARCH.
pub const SOURCE_MAILBOXES_MAX: usize = 128;
/// Groups of events in one NOTIFY.
pub const NOTIFY_GROUPS_MAX: usize = 64;
/// Octets of an identifier of ACL.
pub const IDENTIFIER_BYTES_MAX: usize = 512;
/// Octets of a set of rights.
pub const RIGHTS_BYTES_MAX: usize = 64;
/// Octets of the name of an entry of METADATA.
pub const ENTRY_NAME_BYTES_MAX: usize = 255;
/// Items in one FETCH.
pub const FETCH_ITEMS_MAX: usize = 200;
/// Header names in one `HEADER.FIELDS`.
pub const HEADER_FIELDS_MAX: usize = 200;
/// Numbers in one part specifier.
pub const PART_DEPTH_MAX: usize = 64;
/// Flags in one flag list.
pub const FLAGS_MAX: usize = 100;
/// Octets of one keyword.
pub const KEYWORD_BYTES_MAX: usize = 128;
/// Octets of a mailbox name in UTF-8.
pub const MAILBOX_NAME_BYTES_MAX: usize = 512;
/// Levels of a mailbox name.
pub const MAILBOX_NAME_LEVELS_MAX: usize = 16;
/// Patterns in one extended LIST.
pub const LIST_PATTERNS_MAX: usize = 32;
/// Wildcards in one LIST pattern, so that matching stays cheap.
pub const LIST_WILDCARDS_MAX: usize = 16;
/// Options or items in any other parenthesized list.
pub const LIST_ITEMS_MAX: usize = 64;
/// Field and value pairs of ID (RFC 2971 §3.3).
pub const ID_PAIRS_MAX: usize = 30;
/// Octets of one value of ID (RFC 2971 §3.3).
pub const ID_VALUE_BYTES_MAX: usize = 1024;
/// How deep a body structure is written out; what nests deeper is shown as opaque bytes.
pub const BODY_STRUCTURE_DEPTH_MAX: usize = 64;
