// SPDX-License-Identifier: AGPL-3.0-or-later
//! Mailbox (RFC 8621 §2).

pub mod changes;
pub mod get;
pub mod query;
pub mod query_changes;
pub mod set;
