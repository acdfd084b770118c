// SPDX-License-Identifier: AGPL-3.0-or-later
//! What the tests share: a real home, started by the real `hearth` command, and small raw clients.
//!
//! Every [`Home`] has a loopback address of its own, so tests run side by side on the standard ports
//! plus an offset. Programs that we did not write are run by [`stranger`]; those that want the standard ports and
//! names by a [`Machine`], and those that want a screen by a [`Terminal`] on it.

mod dns;
mod home;
mod imap;
mod judge;
mod machine;
mod postgres;
mod running;
mod stranger;
mod terminal;
mod token;
mod visitor;

pub use dns::Dns;
pub use home::{Home, HomeBuilder, Person, hearth_command, own_loopback_address};
pub use imap::Imap;
pub use judge::rspamd;
pub use machine::Machine;
pub use running::{Running, free_port, wait_for};
pub use stranger::{Ran, missing, run, stranger};
pub use terminal::Terminal;
pub use visitor::{Visitor, between};
