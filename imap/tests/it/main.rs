// SPDX-License-Identifier: AGPL-3.0-or-later
//! Sessions from the outside: conversations replayed in memory, and what they cannot show.

mod harness;
mod sockets;
mod transcripts;
