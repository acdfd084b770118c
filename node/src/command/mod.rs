// SPDX-License-Identifier: AGPL-3.0-or-later
//! One file for each command.

mod account;
mod address;
mod alias;
mod app_password;
mod client;
mod demo;
mod doctor;
mod domain;
mod friend;
mod group;
mod init;
pub mod key;
mod list;
mod log;
mod mailbox;
mod queue;
mod reports;
mod share;
mod status;
mod up;

use crate::cli::{Cli, Command};
use crate::out::Out;
use crate::place::Place;

/// Runs a command.
pub async fn run(cli: Cli, out: &Out) -> anyhow::Result<()> {
    let dir = cli.dir.as_deref();
    // These make their directory, or say what is wrong with it.
    let command = match cli.command {
        Command::Demo { set_up_only } => return demo::run(dir, set_up_only, out).await,
        Command::Init(args) => return init::run(dir, args, out).await,
        // A configuration that cannot be read is a finding.
        Command::Doctor => return doctor::run(dir, out).await,
        command => command,
    };
    let place = Place::load(dir)?;
    match command {
        Command::Demo { .. } | Command::Init(_) | Command::Doctor => Ok(()),
        Command::Up => up::run(&place, out).await,
        Command::Status => status::run(&place, out).await,
        Command::Account(command) => account::run(&place, command, out).await,
        Command::Address(command) => address::run(&place, command, out).await,
        Command::Alias(command) => alias::run(&place, command, out).await,
        Command::Log(args) => log::run(&place, args, out).await,
        Command::List(command) => list::run(&place, command, out).await,
        Command::Group(command) => group::run(&place, command, out).await,
        Command::AppPassword(command) => app_password::run(&place, command, out).await,
        Command::Domain(command) => domain::run(&place, command, out).await,
        Command::Client(command) => client::run(&place, command, out).await,
        Command::Key(args) => key::run(&place, args, out).await,
        Command::Friend(command) => friend::run(&place, command, out).await,
        Command::Queue(command) => queue::run(&place, command, out).await,
        Command::Mailbox(command) => mailbox::run(&place, command, out).await,
    }
}
