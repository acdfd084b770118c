// SPDX-License-Identifier: AGPL-3.0-or-later
//! The server as a whole, in memory: sessions over pipes against stores in a temporary folder.

mod addresses;
mod arc;
mod bounds;
mod dkim2;
mod edges;
mod filtering;
mod full;
mod gates;
mod homes;
mod house;
mod judging;
mod known;
mod large;
mod letters;
mod listed;
mod lists;
mod rejects;
mod reports;
mod sealing;
mod sessions;
mod sieve;
mod transcripts;
mod vectors;
