// SPDX-License-Identifier: AGPL-3.0-or-later
//! The endpoints of a kind of resource (RFC 7644 §3.2): the same for people and for groups.

use std::sync::Arc;

use hearth_types::{AccountId, Fault};
use hearth_web::Peer;
use hearth_web::axum::body::Bytes;
use hearth_web::axum::extract::{FromRequest, FromRequestParts, Path, RawQuery, Request, State};
use hearth_web::axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use hearth_web::axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::patch::{self, Patchable};
use super::refusal::{Kind, Refused};
use super::select::Query;
use super::{Asker, BASE, MEDIA_TYPE, Outcome, Resource, answer, ours, refuse};
use crate::ctx::Ctx;
use crate::error::answered;
use crate::jose::jws;
use crate::request::params::Params;

/// A kind of resource.
pub(super) trait Collection {
    /// `User`
    const NAME: &'static str;
    /// `/Users`
    const PATH: &'static str;
    /// What of it may be patched.
    const MAY: Patchable;

    /// All of them.
    async fn list(ctx: &Ctx) -> Outcome<Vec<Resource>>;
    /// One of them.
    async fn find(ctx: &Ctx, id: AccountId) -> Outcome<Option<Resource>>;
    /// Makes one.
    async fn add(ctx: &Ctx, asker: &Asker, wanted: &Resource) -> Outcome<AccountId>;
    /// Makes `known` what is wanted; says why when something of that cannot change.
    async fn change(ctx: &Ctx, asker: &Asker, id: AccountId, known: &Resource, wanted: &Resource) -> Outcome<()>;
    /// Takes one away.
    async fn remove(ctx: &Ctx, asker: &Asker, id: AccountId) -> Outcome<()>;
}

/// What every request brings.
pub(super) struct Asked {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    peer: Peer,
    query: String,
    body: Bytes,
}

impl Asked {
    async fn asker(&self, ctx: &Ctx) -> Outcome<Asker> {
        Asker::admit(ctx, &self.method, &self.uri, &self.headers, self.peer.ip).await
    }

    fn query(&self) -> Outcome<Query> {
        Query::read(&Params::parse(self.query.as_bytes())).map_err(|(kind, says)| Fault::Peer(Refused::Scim(kind, says)))
    }

    /// RFC 7644 §3.1: a JSON object.
    fn resource(&self) -> Outcome<Resource> {
        let kind = self.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match serde_json::from_slice(&self.body) {
            Ok(Value::Object(resource)) if kind == MEDIA_TYPE || kind == "application/json" => Ok(resource),
            _ => refuse(Kind::InvalidSyntax, format!("the body is not an object of type {MEDIA_TYPE}")),
        }
    }
}

impl<S: Send + Sync> FromRequest<S> for Asked {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        let (mut parts, body) = request.into_parts();
        let peer = Peer::from_request_parts(&mut parts, state).await.map_err(IntoResponse::into_response)?;
        let RawQuery(query) = RawQuery::from_request_parts(&mut parts, state).await.map_err(IntoResponse::into_response)?;
        let (method, uri, headers) = (parts.method.clone(), parts.uri.clone(), parts.headers.clone());
        let request = Request::from_parts(parts, body);
        let body = Bytes::from_request(request, state).await.map_err(IntoResponse::into_response)?;
        Ok(Self { method, uri, headers, peer, query: query.unwrap_or_default(), body })
    }
}

/// GET of a kind (§3.4.2).
pub(super) async fn list<C: Collection>(State(ctx): State<Arc<Ctx>>, asked: Asked) -> Response {
    let done = async {
        asked.asker(&ctx).await?;
        page::<C>(&ctx, &asked.query()?).await
    };
    answered(done.await)
}

/// POST of `.search` (§3.4.3): a filter that is not for logs.
pub(super) async fn search<C: Collection>(State(ctx): State<Arc<Ctx>>, asked: Asked) -> Response {
    let done = async {
        asked.asker(&ctx).await?;
        let query = Query::of_search(&asked.resource()?);
        page::<C>(&ctx, &query.map_err(|(kind, says)| Fault::Peer(Refused::Scim(kind, says)))?).await
    };
    answered(done.await)
}

async fn page<C: Collection>(ctx: &Ctx, query: &Query) -> Outcome<Response> {
    let mut all = C::list(ctx).await?;
    name_outside(ctx, &mut all).await?;
    all.iter_mut().for_each(|one| dress::<C>(ctx, one));
    Ok(answer(StatusCode::OK, &query.page(all)))
}

/// POST of a kind (§3.3).
pub(super) async fn add<C: Collection>(State(ctx): State<Arc<Ctx>>, asked: Asked) -> Response {
    let done = async {
        let asker = asked.asker(&ctx).await?;
        let query = asked.query()?;
        let wanted = asked.resource()?;
        let id = C::add(&ctx, &asker, &wanted).await?;
        keep_external_id(&ctx, id, &Resource::new(), &wanted).await?;
        Ok(shown(StatusCode::CREATED, &query, found::<C>(&ctx, id).await?))
    };
    answered(done.await)
}

/// GET of one (§3.4.1).
pub(super) async fn find<C: Collection>(State(ctx): State<Arc<Ctx>>, Path(id): Path<String>, asked: Asked) -> Response {
    let done = async {
        asked.asker(&ctx).await?;
        let query = asked.query()?;
        let known = found::<C>(&ctx, read_id(&id)?).await?;
        let is_known = asked.headers.get(header::IF_NONE_MATCH).is_some_and(|field| names(field, &version(&known)));
        Ok(if is_known { StatusCode::NOT_MODIFIED.into_response() } else { shown(StatusCode::OK, &query, known) })
    };
    answered(done.await)
}

/// PUT (§3.5.1).
pub(super) async fn replace<C: Collection>(State(ctx): State<Arc<Ctx>>, Path(id): Path<String>, asked: Asked) -> Response {
    let done = async {
        let asker = asked.asker(&ctx).await?;
        let (query, id) = (asked.query()?, read_id(&id)?);
        let known = unchanged::<C>(&ctx, id, &asked.headers).await?;
        let wanted = asked.resource()?;
        C::change(&ctx, &asker, id, &known, &wanted).await?;
        keep_external_id(&ctx, id, &known, &wanted).await?;
        Ok(shown(StatusCode::OK, &query, found::<C>(&ctx, id).await?))
    };
    answered(done.await)
}

/// PATCH (§3.5.2).
pub(super) async fn change<C: Collection>(State(ctx): State<Arc<Ctx>>, Path(id): Path<String>, asked: Asked) -> Response {
    let done = async {
        let asker = asked.asker(&ctx).await?;
        let (query, id) = (asked.query()?, read_id(&id)?);
        let known = unchanged::<C>(&ctx, id, &asked.headers).await?;
        let wanted = patch::apply(&known, &asked.resource()?, C::MAY);
        let wanted = wanted.map_err(|(kind, says)| Fault::Peer(Refused::Scim(kind, says)))?;
        C::change(&ctx, &asker, id, &known, &wanted).await?;
        keep_external_id(&ctx, id, &known, &wanted).await?;
        Ok(shown(StatusCode::OK, &query, found::<C>(&ctx, id).await?))
    };
    answered(done.await)
}

/// DELETE (§3.6).
pub(super) async fn remove<C: Collection>(State(ctx): State<Arc<Ctx>>, Path(id): Path<String>, asked: Asked) -> Response {
    let done = async {
        let asker = asked.asker(&ctx).await?;
        let id = read_id(&id)?;
        unchanged::<C>(&ctx, id, &asked.headers).await?;
        C::remove(&ctx, &asker, id).await?;
        Ok(StatusCode::NO_CONTENT.into_response())
    };
    answered(done.await)
}

fn read_id(id: &str) -> Outcome<AccountId> {
    id.parse().or_else(|_| refuse(Kind::Missing, "there is no such resource"))
}

async fn found<C: Collection>(ctx: &Ctx, id: AccountId) -> Outcome<Resource> {
    match C::find(ctx, id).await? {
        Some(resource) => {
            let mut one = [resource];
            name_outside(ctx, &mut one).await?;
            let [mut resource] = one;
            dress::<C>(ctx, &mut resource);
            Ok(resource)
        }
        None => refuse(Kind::Missing, "there is no such resource"),
    }
}

/// What is there, when it is what the asker thinks it is (§3.14).
async fn unchanged<C: Collection>(ctx: &Ctx, id: AccountId, headers: &HeaderMap) -> Outcome<Resource> {
    let known = found::<C>(ctx, id).await?;
    match headers.get(header::IF_MATCH) {
        Some(field) if !names(field, &version(&known)) => refuse(Kind::Changed, "it was changed meanwhile"),
        _ => Ok(known),
    }
}

/// Schemas and `meta` (RFC 7643 §3.1), once the rest is there.
fn dress<C: Collection>(ctx: &Ctx, resource: &mut Resource) {
    let id = super::find_text(resource, "id").unwrap_or_default().to_string();
    let created = resource.remove("created");
    resource.insert("schemas".into(), json!([format!("urn:ietf:params:scim:schemas:core:2.0:{}", C::NAME)]));
    let mark = jws::short_hash(&Value::Object(resource.clone()).to_string());
    resource.insert(
        "meta".into(),
        json!({
            "resourceType": C::NAME,
            "created": created,
            "location": format!("{}{BASE}{}/{id}", ctx.issuer, C::PATH),
            "version": format!("W/\"{mark}\""),
        }),
    );
}

/// `externalId`, where there is one.
async fn name_outside(ctx: &Ctx, all: &mut [Resource]) -> Outcome<()> {
    let names = ctx.directory.list_external_ids().await.map_err(ours)?;
    for one in all {
        let name = super::find_text(one, "id").and_then(|id| names.get(&id.parse().ok()?));
        if let Some(name) = name.cloned() {
            one.insert("externalId".into(), json!(name));
        }
    }
    Ok(())
}

async fn keep_external_id(ctx: &Ctx, id: AccountId, known: &Resource, wanted: &Resource) -> Outcome<()> {
    let (before, after) = (super::find_text(known, "externalId"), super::find_text(wanted, "externalId"));
    if before == after {
        return Ok(());
    }
    ctx.directory.change_external_id(id, after.map(str::to_string)).await.map_err(ours)
}

fn meta<'r>(resource: &'r Resource, name: &str) -> &'r str {
    resource.get("meta").and_then(|meta| meta[name].as_str()).unwrap_or_default()
}

fn version(resource: &Resource) -> String {
    meta(resource, "version").to_string()
}

/// RFC 9110 §13.1.1: one of a list, or any.
fn names(field: &HeaderValue, version: &str) -> bool {
    let bare = |tag: &str| tag.trim().trim_start_matches("W/").to_string();
    let field = field.to_str().unwrap_or_default();
    field.trim() == "*" || field.split(',').any(|tag| bare(tag) == bare(version))
}

fn shown(status: StatusCode, query: &Query, resource: Resource) -> Response {
    let fields = [(header::ETAG, version(&resource)), (header::LOCATION, meta(&resource, "location").to_string())];
    let mut response = answer(status, &query.shape(resource));
    for (name, value) in fields {
        response.headers_mut().extend(HeaderValue::from_str(&value).ok().map(|value| (name, value)));
    }
    response
}
