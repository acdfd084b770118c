// SPDX-License-Identifier: AGPL-3.0-or-later
//! What the household decided: lifetimes, strength of passwords, who has to prove twice who they are.

pub mod policy;
pub mod strength;
pub mod two_factors;
