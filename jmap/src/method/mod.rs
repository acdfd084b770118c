// SPDX-License-Identifier: AGPL-3.0-or-later
//! The methods, one file each: `method/<type>/<verb>.rs`. Beside them, what all of a verb have in common.
//!
//! To add a method: a file with `pub fn run`, a row and a line in `METHODS` of `registry.rs`.

pub mod address_book;
pub mod args;
pub mod changes;
pub mod contact_card;
pub mod core;
pub mod email;
pub mod filter;
pub mod get;
pub mod mailbox;
pub mod query;
pub mod search_snippet;
pub mod set;
pub mod thread;
