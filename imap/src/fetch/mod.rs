// SPDX-License-Identifier: AGPL-3.0-or-later
//! One message as a FETCH response.
//!
//! What enters: the items asked for, and what the store knows of a message. What leaves: pieces,
//! bytes and slices of the body, so that a large message is written out while it is read. Envelopes,
//! structures, sizes, dates and previews never touch the body.

mod decode;
mod item;
mod piece;
pub mod section;

pub use item::{Subject, Wanted, render};
pub use piece::Renderer;
