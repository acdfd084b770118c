// SPDX-License-Identifier: AGPL-3.0-or-later
//! AddressBook (RFC 9610 §2).

pub mod changes;
pub mod get;
pub mod set;
