// SPDX-License-Identifier: AGPL-3.0-or-later
//! Core (RFC 8620 §4).

pub mod echo;
