// SPDX-License-Identifier: AGPL-3.0-or-later
//! The mail store as the servers use it, on both engines. PostgreSQL when `HEARTH_TEST_POSTGRES`
//! holds the URL of a server (each test makes a schema of its own), SQLite always.

mod annotations;
mod changes;
mod contacts;
mod contacts_law;
mod delivery;
mod feed;
mod filtering;
mod importing;
mod law;
mod mailboxes;
mod messages;
mod scripts;
mod searching;
mod sharing;
mod support;
