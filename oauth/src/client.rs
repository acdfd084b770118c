// SPDX-License-Identifier: AGPL-3.0-or-later
//! Who a client is: how it proves that, what it registered, and where its answers may go.

pub mod authentication;
pub mod cimd;
pub mod documents;
pub mod profile;
pub mod redirect;
