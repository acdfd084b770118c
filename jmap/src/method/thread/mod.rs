// SPDX-License-Identifier: AGPL-3.0-or-later
//! Thread (RFC 8621 §3).

pub mod changes;
pub mod get;
