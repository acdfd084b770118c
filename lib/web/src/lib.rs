// SPDX-License-Identifier: AGPL-3.0-or-later
//! The only room with axum: what every process that speaks HTTP shares.
//!
//! Our HTTP processes listen on Unix sockets behind the router, which alone speaks TLS. What comes
//! in is a request whose peer the router has named ([`Peer`]); what goes out is a page
//! ([`page`]), JSON, or a [`Problem`]. A handler that fails with a
//! [`Trouble`](hearth_types::Trouble) answers 500 with its id, and it is logged once.
//!
//! ```ignore
//! let app = hearth_web::guard(router, Guard::default());
//! hearth_web::serve(&config.run_path("jmap.sock"), app, boot.stop.requested()).await?;
//! ```
//!
//! - [`serve`] accepts, bounds the header and drains, and lets a change that has begun go on when its peer
//!   has gone; [`guard`] bounds the body and the time, turns
//!   a panic into a 500, and dresses answers with the security headers of [`headers`].
//! - [`lang`] is the language of the request that is being answered, [`Lang`] what we speak.
//! - [`cookie`] and [`Csrf`] are for processes with pages: oauth.
//! - Templates extend `base.html` here: a crate names `../lib/web/templates` in its `askama.toml`.
//!
//! To add a header that all answers wear: [`headers`]. To change how pages look: `assets/hearth.css`.

pub use axum;

extern crate self as hearth_web;

pub mod asset;
pub mod cookie;
mod csrf;
mod guard;
pub mod headers;
mod lang;
pub mod limits;
pub mod page;
mod peer;
mod problem;
mod serve;

pub use csrf::{Csrf, Forged, same_origin};
pub use guard::{Guard, guard};
pub use lang::{Lang, lang, speak};
pub use peer::Peer;
pub use problem::Problem;
pub use serve::{bind, serve, serve_on};
