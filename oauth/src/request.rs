// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a request says and what may follow of it, without waiting for anything: parsed, admitted, decided.
//!
//! [`grant`] is the life of an authorization; [`authorization`] the request that begins it; [`claims`] what a token tells
//! of a person. All of it is hostile until it was admitted, and is fuzzed.

pub mod authorization;
pub mod claims;
pub mod claims_parameter;
pub mod grant;
pub mod level;
pub mod params;
pub mod pkce;
pub mod resource;
pub mod scope;
