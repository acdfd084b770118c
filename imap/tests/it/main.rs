// SPDX-License-Identifier: AGPL-3.0-or-later
//! Sessions from the outside: conversations replayed in memory, and what they cannot show.

mod bounds;
mod compress;
mod corpus;
mod crowd;
mod harness;
mod mirrors;
mod model;
mod pop3;
mod snooze;
mod sockets;
mod times;
mod transcripts;
