// SPDX-License-Identifier: AGPL-3.0-or-later
//! Signed JSON: what we sign (JWS), and what clients show signed (assertions, DPoP).

pub mod assertion;
pub mod dpop;
pub mod jws;
