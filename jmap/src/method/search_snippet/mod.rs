// SPDX-License-Identifier: AGPL-3.0-or-later
//! SearchSnippet (RFC 8621 §5).

pub mod get;
