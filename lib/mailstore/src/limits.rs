// SPDX-License-Identifier: AGPL-3.0-or-later
//! Every bound of the mail store, named.

use std::time::Duration;

/// Bodies up to this size live in the database, larger ones in a file beside it (measured: the file
/// with its two syncs is cheaper from about 150 KiB on a fast disk, 500 KiB on a slow one).
pub const BODY_IN_DB_BYTES_MAX: usize = 256 * 1024;
/// A body is compressed in pieces of this size, so that a part of it can be read without the rest.
pub const BODY_CHUNK_BYTES: usize = 256 * 1024;
/// RFC 9051 §5.1 sets no bound for a name; this is bytes of one level.
pub const MAILBOX_NAME_BYTES_MAX: usize = 255;
/// Levels of mailboxes below each other.
pub const MAILBOX_DEPTH_MAX: usize = 20;
/// Mailboxes of one account.
pub const MAILBOXES_MAX: usize = 5_000;
/// Keywords of one message.
pub const KEYWORDS_MAX: usize = 100;
/// Bytes of one keyword (RFC 8621 §4.1.1: 1 to 255).
pub const KEYWORD_BYTES_MAX: usize = 255;
/// Sieve scripts of one account.
pub const SCRIPTS_MAX: usize = 64;
/// Bytes of one script.
pub const SCRIPT_BYTES_MAX: usize = 256 * 1024;
/// Bytes of a script's name (RFC 5804 §1.6: at least 512).
pub const SCRIPT_NAME_BYTES_MAX: usize = 512;
/// Entries of METADATA of one mailbox, and of the account.
pub const ANNOTATIONS_MAX: usize = 100;
/// Bytes of the value of one.
pub const ANNOTATION_BYTES_MAX: usize = 64 * 1024;
/// Entries in the access list of one mailbox.
pub const ACL_ENTRIES_MAX: usize = 100;
/// Mailboxes of others that an account follows.
pub const FOLLOWS_MAX: usize = 1_000;
/// Address books of one account.
pub const ADDRESS_BOOKS_MAX: usize = 100;
/// Bytes of an address book's name (RFC 9610 §2: 255).
pub const ADDRESS_BOOK_NAME_BYTES_MAX: usize = 255;
/// Bytes of an address book's description.
pub const ADDRESS_BOOK_DESCRIPTION_BYTES_MAX: usize = 4 * 1024;
/// Cards of one account.
pub const CARDS_MAX: usize = 10_000;
/// Bytes of one card, its photo included.
pub const CARD_BYTES_MAX: usize = 256 * 1024;
/// Bytes of all cards of an account: a query reads them all.
pub const CARDS_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// E-mail addresses of one card.
pub const CARD_ADDRESSES_MAX: usize = 100;
/// Bytes of a card's uid.
pub const CARD_UID_BYTES_MAX: usize = 255;
/// UIDs between two wanted messages that are swept over rather than asked around.
pub const SWEEP_GAP_MAX: u32 = 16;
/// Tombstones are kept this long (then JMAP clients and QRESYNC start anew).
pub const TOMBSTONES_KEPT: Duration = Duration::from_secs(90 * 24 * 3600);
/// Uploads live this long (RFC 8620 §6.1: at least an hour after the last reference).
pub const BLOB_KEPT: Duration = Duration::from_secs(24 * 3600);
/// Delivery ids are remembered this long: longer than any sender retries with the same id.
pub const DELIVERY_IDS_KEPT: Duration = Duration::from_secs(7 * 24 * 3600);
/// Message-IDs of References that take part in threading; the first and the newest count most.
pub const REFERENCES_MAX: usize = 32;
/// Accounts that a process keeps open.
pub const OPEN_ACCOUNTS_MAX: usize = 64;
/// An account that nobody used for this long is closed.
pub const ACCOUNT_IDLE_MAX: Duration = Duration::from_secs(60);
/// How far modseq leaps in each boot of the machine: more than one second of flag changes can use.
pub const MODSEQ_LEAP: u64 = 1 << 20;
/// Committed flag changes are synced after this long.
pub const SYNC_DELAY: Duration = Duration::from_millis(500);
/// Those who wait for news look by themselves this often, in case a datagram was lost.
pub const FEED_TIMER: Duration = Duration::from_secs(30);
/// A body file that no row knows is removed when it is this old.
pub const ORPHAN_AGE: Duration = Duration::from_secs(3600);
/// Letters of a delivery id.
pub const DELIVERY_ID_BYTES_MAX: usize = 64;
/// Recipients of one delivery.
pub const RECIPIENTS_MAX: usize = 1_000;
/// Bytes of one recipient's own header fields.
pub const PREFIX_BYTES_MAX: usize = 16 * 1024;
/// A journal segment is closed and, once its mail is durable elsewhere, removed at this size ..
pub const SEGMENT_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// .. or at this age.
pub const SEGMENT_AGE_MAX: Duration = Duration::from_secs(30);
/// Free space below which mail is refused, so that what was accepted finds room in its mailbox.
pub const RESERVE_BYTES: u64 = 8 * 1024 * 1024;
/// Bytes of small deliveries that are written to it at once.
pub const WRITE_BYTES: usize = 256 * 1024;
/// Deliveries of one batch: one sync.
pub const BATCH_MAX: usize = 256;
/// A batch waits for this part of the time that the one before took to be synced ...
pub const GATHER_PART: u32 = 4;
/// ... if that is so long at least: a disk that is quick is not waited for ...
pub const GATHER_MIN: Duration = Duration::from_millis(1);
/// ... and so long at most.
pub const GATHER_MAX: Duration = Duration::from_millis(5);
/// How often it looks whether all have come.
pub const GATHER_STEP: Duration = Duration::from_micros(200);
/// Mails that are put into the text index in one transaction.
pub const INDEX_BATCH: usize = 200;
/// Bytes of text of one mail that are indexed.
pub const INDEX_TEXT_BYTES_MAX: usize = 512 * 1024;
/// Words of one search text that count.
pub const SEARCH_WORDS_MAX: usize = 32;
/// Characters of the media type that an upload says it has.
pub const MEDIA_TYPE_BYTES_MAX: usize = 255;
/// New mail is put into the text index, and the journal cut, about this long after it came.
pub const INDEX_DELAY: Duration = Duration::from_secs(3);
/// Connections that nobody used for this long are closed.
pub const HOUSEKEEPING: Duration = Duration::from_secs(10);
/// Tombstones, delivery ids and uploads that are too old are removed this often.
pub const FORGETTING: Duration = Duration::from_secs(3600);
/// Ids that an account's filter remembers.
pub const MEMORIES_MAX: usize = 10_000;
/// Octets of all entries together that a script is shown.
pub const ANNOTATION_TEXTS_BYTES_MAX: usize = 1024 * 1024;
