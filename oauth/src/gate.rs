// SPDX-License-Identifier: AGPL-3.0-or-later
//! The gate: the one place that says who somebody is.
//!
//! The sign-in pages ask the [`Doorkeeper`] directly; the other processes and the `hearth` command ask it
//! over a Unix socket, which [`serve`] answers in the frames of `hearth_identity::login`.
//!
//! - `doorkeeper.rs`: passwords and tokens to logins; what each costs and what is remembered
//! - `mark.rs`: by what a browser is known again
//! - `throttle.rs`: how often somebody may guess (pure)
//! - `relay.rs`: a SASL exchange, step by step
//! - `order.rs`: what only the house's own user may ask: passwords, app passwords, secret keys
//! - `serve.rs`: the socket: frames, deadlines, who is on the other end
//! - `waiting.rs`: exchanges whose client has the word, and which of them makes room
//!
//! To add a question: a variant of `Question` and `Answer` in `hearth_identity::login`, an arm in
//! `serve.rs`, a method on `Gate`, a row in the tests.

mod doorkeeper;
pub mod limits;
mod mark;
mod order;
mod relay;
mod serve;
#[cfg(test)]
mod tests;
pub mod throttle;
mod waiting;

pub use doorkeeper::{Doorkeeper, Second, SignIn};
pub use mark::Marks;
pub use serve::serve;
