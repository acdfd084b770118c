// SPDX-License-Identifier: AGPL-3.0-or-later
//! What programs and browsers ask for: one file for each endpoint.
//!
//! In comes a request, bounded by [`limits`](crate::limits); out goes the answer that the RFC names, or its error by
//! [`error`](crate::error). What is decided without waiting is in [`request`](crate::request); who the client is and what it may, in
//! [`client`](crate::client).

pub mod authorize;
pub mod bearer;
pub mod device_grant;
pub mod forward;
pub mod introspect;
pub mod jwks;
pub mod leave_list;
pub mod logout;
pub mod logout_token;
pub mod metadata;
pub mod par;
pub mod protected_resource;
pub mod register;
pub mod revoke;
pub mod token;
pub mod userinfo;
pub mod webfinger;
