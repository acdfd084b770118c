// SPDX-License-Identifier: AGPL-3.0-or-later
//! One file per command. Each gets what it may touch and gives a reply; the session says it.

pub(crate) mod auth;
pub(crate) mod bdat;
pub(crate) mod data;
pub(crate) mod ehlo;
pub(crate) mod mail;
pub(crate) mod plain;
pub(crate) mod rcpt;
