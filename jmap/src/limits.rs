// SPDX-License-Identifier: AGPL-3.0-or-later
//! Every bound of the JMAP server, named. What a client may know of them stands in the Session object.

use std::time::Duration;

/// RFC 8620 §2 maxSizeRequest: octets of one API request (suggested minimum 10,000,000).
pub const SIZE_REQUEST_BYTES_MAX: usize = 10_000_000;
/// RFC 8620 §2 maxCallsInRequest (suggested minimum 16).
pub const CALLS_IN_REQUEST_MAX: usize = 32;
/// RFC 8620 §2 maxConcurrentRequests, for one account (suggested minimum 4).
pub const CONCURRENT_REQUESTS_MAX: usize = 8;
/// RFC 8620 §2 maxConcurrentUpload, for one account (suggested minimum 4).
pub const CONCURRENT_UPLOADS_MAX: usize = 4;
/// RFC 8620 §2 maxObjectsInGet (suggested minimum 500).
pub const OBJECTS_IN_GET_MAX: usize = 1000;
/// RFC 8620 §2 maxObjectsInSet (suggested minimum 500).
pub const OBJECTS_IN_SET_MAX: usize = 1000;
/// Levels of arrays and objects in a request's JSON (serde_json stops there as well).
pub const JSON_DEPTH_MAX: usize = 100;
/// Levels of arrays and objects in a card, itself the first: a patch puts what is deep at a deep place. What is kept has to be
/// read again, and serde_json reads 127.
pub const CARD_DEPTH_MAX: usize = JSON_DEPTH_MAX;
/// Paths of one patch.
pub const PATCH_PATHS_MAX: usize = 10_000;
/// Ids that a client may hand in as `createdIds`, and that one request may add to them.
pub const CREATED_IDS_MAX: usize = 10_000;
/// Tokens of a back-reference's path.
pub const POINTER_TOKENS_MAX: usize = 16;
/// Values that one back-reference may gather: what a get may then ask for, and no more.
pub const POINTER_VALUES_MAX: usize = 100_000;
/// Octets that one Email/get may answer with; one that would pass it is answered `requestTooLarge`.
pub const RESPONSE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// RFC 8620 §1.2: octets of an id.
pub const ID_BYTES_MAX: usize = 255;
/// Nesting of a FilterOperator (RFC 8620 §5.5).
pub const FILTER_DEPTH_MAX: usize = 16;
/// Conditions and operators of one filter.
pub const FILTER_NODES_MAX: usize = 256;
/// Comparators of one sort.
pub const SORT_COMPARATORS_MAX: usize = 8;
/// Ids that one query answers with when the client names no limit, or a larger one.
pub const QUERY_LIMIT_MAX: usize = 10_000;
/// Changes that one `/changes` answers with when the client names no bound, or a larger one.
pub const CHANGES_MAX: usize = 10_000;
/// RFC 8621 §1.3.1 maxMailboxesPerEmail.
pub const MAILBOXES_PER_EMAIL_MAX: usize = 256;
/// RFC 8621 §1.3.1 maxMailboxDepth.
pub const MAILBOX_DEPTH_MAX: usize = hearth_mailstore::limits::MAILBOX_DEPTH_MAX;
/// RFC 8621 §1.3.1 maxSizeMailboxName (RFC minimum 100 octets).
pub const MAILBOX_NAME_BYTES_MAX: usize = hearth_mailstore::limits::MAILBOX_NAME_BYTES_MAX;
/// RFC 8621 §1.3.1 maxSizeAttachmentsPerEmail: octets of a draft's parts together.
pub const ATTACHMENTS_PER_EMAIL_BYTES_MAX: u64 = 50 * 1024 * 1024;
/// Parts of a message that a client has us assemble.
pub const DRAFT_PARTS_MAX: usize = 1000;
/// Nesting of `bodyStructure` in a message that a client has us assemble.
pub const DRAFT_DEPTH_MAX: usize = 16;
/// Header properties of an Email or a part that a client has us assemble.
pub const DRAFT_HEADERS_MAX: usize = 200;
/// Keywords on one message (RFC 8621 §4.6 tooManyKeywords).
pub const KEYWORDS_PER_EMAIL_MAX: usize = hearth_mailstore::limits::KEYWORDS_MAX;
/// RFC 9610 §1.4.1 maxAddressBooksPerCard: as many as there are.
pub const ADDRESS_BOOKS_PER_CARD_MAX: usize = hearth_mailstore::limits::ADDRESS_BOOKS_MAX;
/// A blob that a card names counts as so many octets at least: to find it costs more than it holds.
pub const BLOB_BYTES_COUNTED_MIN: u64 = 4096;
/// Words and phrases that one filter of cards looks for.
pub const CARD_FILTER_WORDS_MAX: usize = 64;
/// E-mail addresses whose OpenPGP certificates one ContactCard/get may ask for.
pub const OPENPGP_ADDRESSES_MAX: usize = 500;
/// Verified credentials that are remembered so that not every request asks the gate.
pub const CREDENTIALS_REMEMBERED_MAX: usize = 256;
/// How long a verified credential is remembered.
pub const CREDENTIAL_REMEMBERED: Duration = Duration::from_secs(20);
/// Octets of an Authorization header's value.
pub const AUTHORIZATION_BYTES_MAX: usize = 4096;
/// RFC 8620 §7.3: a ping interval is at least this (the RFC lets a server raise it to 30 s at most for a client that asks for less).
pub const PING_SECONDS_MIN: u64 = 5;
/// RFC 8620 §7.3: and at most this.
pub const PING_SECONDS_MAX: u64 = 900;
/// EventSource connections of one account.
pub const EVENT_SOURCES_PER_ACCOUNT_MAX: usize = 16;
/// EventSource connections of the process.
pub const EVENT_SOURCES_MAX: usize = 1024;
/// Changes of one account are gathered this long before they are pushed.
pub const PUSH_GATHER: Duration = Duration::from_millis(50);
/// An EventSource connection looks at the state this often even when nobody woke it.
pub const PUSH_LOOK: Duration = Duration::from_secs(60);
/// Octets of one text in `bodyValues`; a longer one is truncated and says so.
pub const BODY_VALUE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How long a request may take until its answer begins, the reading of an upload included.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(600);
/// An upload up to this size stays in memory; a larger one goes through a file.
pub const UPLOAD_IN_MEMORY_BYTES_MAX: usize = 256 * 1024;
/// Octets of the media type that a client names for an upload or a download.
pub const MEDIA_TYPE_BYTES_MAX: usize = 255;
/// Changes of messages that a push looks at before it says that there may be new mail.
pub const CHANGES_LOOKED_AT: usize = 256;
