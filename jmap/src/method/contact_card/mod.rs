// SPDX-License-Identifier: AGPL-3.0-or-later
//! ContactCard (RFC 9610 §3): a JSContact Card (RFC 9553) in address books.
//!
//! Pure is what a card may be (`card.rs`, `rules.rs`), what a patch makes of it (`patch.rs`) and which cards a
//! query admits (`condition.rs`). `media.rs` lets photos come and go as blobs; `openpgp.rs` says what the house knows of
//! the keys behind a card's addresses.

pub mod card;
pub mod changes;
pub mod condition;
pub mod get;
pub mod media;
pub mod openpgp;
pub mod patch;
pub mod query;
pub mod query_changes;
pub mod rules;
pub mod set;
