// SPDX-License-Identifier: AGPL-3.0-or-later
//! One file per endpoint.

pub mod find;
pub(crate) mod hkp_add;
pub(crate) mod hkp_lookup;
pub mod hkp_v2;
pub(crate) mod key_log;
pub(crate) mod pages;
pub(crate) mod vks;
pub(crate) mod wkd;
