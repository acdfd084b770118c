// SPDX-License-Identifier: AGPL-3.0-or-later
//! SMTP on the wire (RFC 5321): commands in, replies out, and the framing of a message between them.
//!
//! - `command.rs`: one line into a [`Command`], or a [`CommandError`] that says what was wrong
//! - `path.rs`: `<local@domain>`, the null path, address literals; source routes are read and ignored
//! - `params.rs`: what follows a path: SIZE, BODY, SMTPUTF8, RET, ENVID, AUTH, NOTIFY, ORCPT; xtext
//! - `reply.rs`, `replies.rs`: replies as names that carry their numbers; a client's reader of them
//! - `data.rs`: DATA's dots and line ends, strict against smuggling; the same check for BDAT
//! - `fields.rs`: the header of a message as raw fields, for those who add or remove one
//!
//! To add a command: a variant of [`Command`], its line in `command.rs`, a row in the server's registry.

mod command;
mod data;
mod fields;
mod params;
mod path;
pub mod replies;
mod reply;

pub use command::{COMMAND_LINE_BYTES_MAX, Command, CommandError, parse_command};
pub use data::{DataDecoder, DataEncoder, DataFault, DataProgress, LineCheck, TEXT_LINE_BYTES_MAX};
pub use fields::{Field, Fields, HEADER_BYTES_MAX, HEADER_FIELDS_MAX, body_offset, header_is_bounded};
pub use params::{Body, MailParams, Notify, OriginalRecipient, RcptParams, Return, decode_xtext, encode_xtext};
pub use path::{PATH_BYTES_MAX, Path};
pub use reply::{Enhanced, REPLY_LINE_BYTES_MAX, REPLY_LINES_MAX, Reply, ReplyError, ReplyReader, Severity};
