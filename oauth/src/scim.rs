// SPDX-License-Identifier: AGPL-3.0-or-later
//! SCIM 2.0 (RFC 7643, RFC 7644) at `/scim/v2`: a program of the household makes people, keeps them out and says who is in
//! which group.
//!
//! Comes in: requests with an access token that has the scope `scim` and speaks for somebody who looks after the home. What
//! it may do is less than what an admin may: it makes people without a password (they get a link from an admin), changes
//! names, disables and enables, makes groups and fills them. Deleting a person disables and hides them: nothing here loses
//! mail, and nobody who looks after the home is changed here. All of it is in the audit log.
//!
//! Read first: `users.rs` (what a person looks like, what may change), then `endpoint.rs`, which is the same for both kinds.
//! `patch.rs`, `select.rs` and `schema.rs` are pure; the grammar of filters is `hearth_wire::scim`.

mod endpoint;
mod groups;
mod patch;
mod refusal;
pub mod registry;
mod schema;
mod select;
mod users;

use std::net::IpAddr;
use std::sync::Arc;

use hearth_identity::directory::{Account, Event};
use hearth_types::{AccountId, Fault, Trouble};
use hearth_web::axum::Router;
use hearth_web::axum::http::{HeaderMap, Method, StatusCode, Uri};
use hearth_web::axum::response::{IntoResponse, Response};
use hearth_web::axum::routing::{get, post};
use serde_json::{Map, Value};

use crate::ctx::Ctx;
use crate::endpoint::bearer;
use crate::page::visit::by_web;
use crate::request::params::Params;
use crate::request::scope::Scope;
use endpoint::{add, change, find as one, list, remove, replace, search};
use groups::Groups;
use refusal::{Kind, Refused};
use users::Users;

/// Where all of it is.
pub const BASE: &str = "/scim/v2";
/// Resources of one page of a list, and what a list has at most when nothing is said.
pub const COUNT_MAX: usize = 200;
/// Operations of one patch.
pub const OPERATIONS_MAX: usize = 100;
/// `application/scim+json` (RFC 7644 §8.1).
const MEDIA_TYPE: &str = "application/scim+json";

/// A resource as it travels.
type Resource = Map<String, Value>;
type Outcome<T> = Result<T, Fault<Refused>>;

/// Its routes.
pub fn routes() -> Router<Arc<Ctx>> {
    let at = |path: &str| format!("{BASE}{path}");
    Router::new()
        .route(&at("/Users"), get(list::<Users>).post(add::<Users>))
        .route(&at("/Users/.search"), post(search::<Users>))
        .route(&at("/Groups/.search"), post(search::<Groups>))
        .route(&at("/.search"), post(search_all))
        .route(&at("/Users/{id}"), get(one::<Users>).put(replace::<Users>).patch(change::<Users>).delete(remove::<Users>))
        .route(&at("/Groups"), get(list::<Groups>).post(add::<Groups>))
        .route(&at("/Groups/{id}"), get(one::<Groups>).put(replace::<Groups>).patch(change::<Groups>).delete(remove::<Groups>))
        .route(&at("/ServiceProviderConfig"), get(schema::config))
        .route(&at("/ResourceTypes"), get(schema::list_types))
        .route(&at("/ResourceTypes/{name}"), get(schema::find_type))
        .route(&at("/Schemas"), get(schema::list_schemas))
        .route(&at("/Schemas/{name}"), get(schema::find_schema))
        .route(&at("/{*rest}"), hearth_web::axum::routing::any(nothing_there))
}

async fn nothing_there() -> Response {
    Refused::Scim(Kind::Missing, "there is no such endpoint".to_string()).into_response()
}

/// RFC 7644 §3.4.3: over every kind at once.
async fn search_all() -> Response {
    Refused::Scim(Kind::NotImplemented, "search below /Users or /Groups".to_string()).into_response()
}

/// Who asks.
struct Asker {
    /// Who looks after the home.
    account: Account,
    /// The name of the program that they let in.
    program: String,
    peer: IpAddr,
}

impl Asker {
    async fn admit(ctx: &Ctx, method: &Method, uri: &Uri, headers: &HeaderMap, peer: IpAddr) -> Outcome<Self> {
        let none = Params::default();
        let token = bearer::admit(ctx, method.as_str(), uri.path(), headers, &none, Scope::Scim).await;
        let token = token.map_err(|fault| match fault {
            Fault::Peer(refusal) => Fault::Peer(Refused::Bearer(refusal)),
            Fault::Ours(trouble) => Fault::Ours(trouble),
        })?;
        let account = ctx.directory.find_account(token.account).await.map_err(ours)?;
        let client = ctx.directory.find_client_by_id(token.client).await.map_err(ours)?;
        match (account.filter(|account| account.admin), client) {
            (Some(account), Some(client)) => Ok(Self { account, program: client.name, peer }),
            _ => refuse(Kind::Forbidden, "the token does not speak for somebody who looks after the home"),
        }
    }

    /// Writes down what was done.
    async fn note(&self, ctx: &Ctx, event: &'static str, subject: AccountId, detail: &str) -> Outcome<()> {
        let event = Event {
            subject: Some(subject),
            ..by_web(self.peer, event, self.account.id, format!("{detail} (by SCIM, {})", self.program).trim_start())
        };
        ctx.directory.add_audit(event).await.map_err(ours)
    }
}

fn refuse<T>(kind: Kind, says: impl Into<String>) -> Outcome<T> {
    Err(Fault::Peer(Refused::Scim(kind, says.into())))
}

/// What the directory says: somebody's mistake, or our own.
fn ours(error: hearth_identity::Error) -> Fault<Refused> {
    use hearth_identity::Error;
    let kind = match &error {
        Error::AddressTaken(_) => Kind::Uniqueness,
        Error::UnknownDomain(_) | Error::Invalid(_) | Error::TooMany { .. } => Kind::InvalidValue,
        Error::Missing(_) => Kind::Missing,
        Error::InUse(_) => Kind::Forbidden,
        _ => return Fault::Ours(Trouble::from(error)),
    };
    Fault::Peer(Refused::Scim(kind, error.to_string()))
}

/// An answer with a body.
fn answer(status: StatusCode, body: &Value) -> Response {
    use hearth_web::axum::http::{HeaderValue, header};
    let fields = [
        (header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (status, fields, body.to_string()).into_response()
}

/// A member of a resource; names compare without case (RFC 7643 §2.1).
fn find<'r>(resource: &'r Resource, name: &str) -> Option<&'r Value> {
    resource.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value).filter(|value| !value.is_null())
}

fn find_text<'r>(resource: &'r Resource, name: &str) -> Option<&'r str> {
    find(resource, name).and_then(Value::as_str)
}
