// SPDX-License-Identifier: AGPL-3.0-or-later
//! The mail server: takes mail from strangers and from our own people, and sends it on.
//!
//! **In** come connections: port 25 from other servers (for our own people alone), 465 and 587 from our people's
//! programs (for anybody). **Out** go deliveries into mailboxes, and mail to other homes.
//!
//! - A session is a straight line: [`session`] reads a line, `hearth_wire::smtp` parses it, [`state`] admits it, a file
//!   in `command/` carries it out. Whole messages go to [`inbound`] (checked, judged, delivered at once) or to
//!   [`submission`] (must be the account's own, is made complete, signed, and queued).
//! - What somebody of this home gets passes their classifier and their own rules in `local/`.
//! - The [`queue`] is durable: a submission is on disk before 250, and its worker delivers here or sends elsewhere
//!   ([`outbound`]). It is also the face for the `hearth queue` command.
//!
//! **It fails** by replies: whose fault it is stands in the class, and what is ours has an id that the log has too. A
//! reply 250 to a message is written only after what it promises is synced.
//!
//! Read [`registry`] first (what we speak), then [`state`] and [`session`].
//!
//! To add a command: a variant and its line in `hearth_wire::smtp::Command`, a row in [`registry`], an arm in
//! [`state::State::admit`] and in the session's dispatch, a file in `command/`, a transcript in
//! `tests/transcripts/smtp/`.

mod binary;
mod command;
pub mod ctx;
mod desk;
pub mod inbound;
pub mod judges;
pub mod limits;
mod lists;
mod lmtp;
mod local;
pub mod message;
pub mod outbound;
pub mod policy;
mod proxied;
pub mod queue;
pub mod registry;
pub mod reports;
mod seal;
pub mod serve;
pub mod session;
mod srs;
pub mod state;
pub mod submission;
#[cfg(test)]
mod tests;
mod trace;
