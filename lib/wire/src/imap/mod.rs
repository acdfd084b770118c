// SPDX-License-Identifier: AGPL-3.0-or-later
//! IMAP4rev2 (RFC 9051) and IMAP4rev1 (RFC 3501): commands in, responses out.
//!
//! Reading has two stages. [`Fragmentizer`] finds where lines, literals and commands end, within
//! bounds; [`parse_command`] reads one whole command. A mistake costs that command and nothing else.
//! APPEND alone is read piece by piece ([`append`]), for its messages go elsewhere.
//!
//! Writing is functions that append to a buffer: [`response`], [`encode_envelope`], [`encode_structure`].
//!
//! To add a command: a variant of [`Command`], an arm in `parse.rs` (or a file `parse_x.rs` when it
//! has a grammar of its own), the same in `encode.rs`, a row in the law at its foot.

mod acl;
pub mod append;
mod command;
pub(crate) mod cursor;
mod date;
mod encode;
mod encode_fetch;
mod encode_search;
mod envelope;
mod forest;
mod fragment;
pub mod limits;
mod mailbox_name;
mod notify;
mod parse;
mod parse_fetch;
mod parse_list;
mod parse_metadata;
mod parse_search;
mod parse_sort;
mod parse_sources;
mod parse_store;
pub mod response;
mod set;
mod structure;
mod url;

pub use acl::{RightsChange, encode_acl_line, encode_list_rights_line, encode_my_rights_line};
pub use command::{
    AppendForm, AppendOptions, Command, DateOf, Depth, Fetch, FetchItem, List, Partial, Password, Qresync, Search, SearchKey,
    SearchReturn, Section, SectionText, SortCriterion, SortKey, Source, StatusItem, Store, StoreAction, Tagged, ThreadAlgorithm,
    When,
};
pub use cursor::{Bad, Parsed};
pub use date::{Day, encode_date, encode_date_time, parse_internal_date};
pub use encode::encode_command;
pub use encode_fetch::encode_fetch_item_name;
pub use envelope::encode_envelope;
pub use forest::{Forest, Node, encode_forest};
pub use fragment::{Bounds, Event, Fragmentizer, Literal};
pub use mailbox_name::{Charset, MailboxName, SEPARATOR, decode_utf7, encode_mailbox, encode_utf7};
pub use notify::{EVENTS, Notify, NotifyEvents, NotifyGroup, NotifyScope};
pub use parse::{STATUS_ITEMS, SyntaxError, parse_authenticate_line, parse_command, parse_tag_and_verb};
pub use parse_list::matches;
pub use parse_search::{BAD_CHARSET, is_fuzzy, parse_filter, uses_modseq};
pub use set::{End, SequenceSet, contains, encode_numbers, encode_sequence_set};
pub use structure::encode_structure;
pub use url::{MessageUrl, parse_message_url};
