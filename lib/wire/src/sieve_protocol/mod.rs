// SPDX-License-Identifier: AGPL-3.0-or-later
//! ManageSieve (RFC 5804): commands in, responses out. Its strings and literals are those of IMAP, so that
//! [`crate::imap::Fragmentizer`] collects its commands too.

mod command;
pub mod limits;
mod response;

pub use command::{Command, parse_answer, parse_command};
pub use response::{Condition, Response, encode_line, encode_text};
