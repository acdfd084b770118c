// SPDX-License-Identifier: AGPL-3.0-or-later
//! What people see: the sign-in, the consent, their account, the house's own pages. English and French, without script but
//! for passkeys and keys.
//!
//! [`visit`] is a browser's request with its session; [`words`] all that pages say.

pub mod account;
pub mod admin;
pub mod consent;
pub mod done;
pub mod script;
pub mod sign_in;
pub mod user_agent;
pub mod visit;
pub mod welcome;
pub mod when;
pub mod words;
