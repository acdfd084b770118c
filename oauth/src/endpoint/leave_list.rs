// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/lists/leave/LIST/TOKEN`: the link in each copy of a mailing list, by which its reader leaves.
//!
//! Mail programs POST to it without asking anybody (RFC 8058 §3.1: no cookies, no redirects), people GET it and press the
//! button: looking at a link takes nobody off. The token is the proof; it is the reader's alone.

use std::sync::Arc;

use askama::Template;
use hearth_identity::directory::leave_url;
use hearth_types::{Address, Trouble};
use hearth_web::axum::extract::{Path, State};
use hearth_web::axum::http::StatusCode;
use hearth_web::axum::response::Response;
use hearth_web::page;

use crate::ctx::Ctx;
use crate::t;

/// The route; what [`leave_url`] makes leads to it.
pub const ROUTE: &str = crate::registry::at("/lists/leave/{list}/{token}");

#[derive(Template)]
#[template(path = "leave_list.html")]
struct Page {
    list: String,
    action: String,
    done: bool,
}

/// GET.
pub async fn run(Path((list, token)): Path<(String, String)>) -> Response {
    match Address::parse(&list) {
        Ok(address) if token.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            page::html(StatusCode::OK, &Page { action: leave_url("", &address, &token), list, done: false })
        }
        _ => gone(),
    }
}

/// POST. Who is off the list already hears the same.
pub async fn post(State(ctx): State<Arc<Ctx>>, Path((list, token)): Path<(String, String)>) -> Response {
    let Ok(address) = Address::parse(&list) else { return gone() };
    match ctx.directory.unsubscribe(&address, &token).await {
        Ok(_) => page::html(StatusCode::OK, &Page { action: String::new(), list, done: true }),
        Err(error) => page::trouble(Trouble::from(error)),
    }
}

fn gone() -> Response {
    page::error(StatusCode::NOT_FOUND, t("This link leads nowhere"), t("It was mistyped, or its list is gone."), None)
}
