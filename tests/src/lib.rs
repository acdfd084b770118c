// SPDX-License-Identifier: AGPL-3.0-or-later
//! What the tests share: a real home, started by the real `hearth` command, and small raw clients.
//!
//! Every [`Home`] has a loopback address of its own, so tests run side by side on the standard ports
//! plus an offset. Programs that we did not write are run by [`stranger`].

mod dns;
mod home;
mod imap;
mod machine;
mod postgres;
mod stranger;
mod token;
mod visitor;

pub use dns::Dns;
pub use home::{Home, HomeBuilder, Person, hearth_command, own_loopback_address};
pub use imap::Imap;
pub use machine::{Machine, Running, free_port};
pub use stranger::{Ran, missing, run, stranger};
pub use visitor::{Visitor, between};
