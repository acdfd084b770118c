// SPDX-License-Identifier: AGPL-3.0-or-later
//! Email (RFC 8621 §4).
//!
//! - `get.rs`, `parse.rs`: what a message looks like. `property.rs` reads what is asked for, `object.rs`
//!   writes it; `header.rs` has the forms of header fields, `body.rs` the choice of text and attachments,
//!   `value.rs` the texts and sizes of parts. Lists come from what the store keeps beside each message:
//!   only header properties, text and the sizes of encoded parts open the body.
//! - `query.rs`, `query_changes.rs`, `condition.rs`: which messages.
//! - `set.rs`, `import.rs`: changes. `patch.rs` reads patches; `draft.rs` reads a new message and
//!   `assemble.rs` writes its octets.

pub mod assemble;
pub mod body;
pub mod changes;
pub mod condition;
pub mod draft;
pub mod get;
pub mod header;
pub mod import;
pub mod object;
pub mod parse;
pub mod patch;
pub mod property;
pub mod query;
pub mod query_changes;
pub mod set;
pub mod value;
