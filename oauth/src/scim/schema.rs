// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a program learns of us before it does anything (RFC 7644 §4): configuration, kinds of resources, their attributes.

use std::sync::Arc;

use hearth_web::axum::extract::{Path, RawQuery, State};
use hearth_web::axum::http::StatusCode;
use hearth_web::axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::refusal::{Kind, Refused};
use super::select::Query;
use super::{BASE, COUNT_MAX, Resource, answer};
use crate::ctx::Ctx;
use crate::request::params::Params;

const CORE: &str = "urn:ietf:params:scim:schemas:core:2.0";

/// RFC 7643 §5.
pub(super) async fn config(State(ctx): State<Arc<Ctx>>) -> Response {
    let off = json!({ "supported": false });
    let body = json!({
        "schemas": [format!("{CORE}:ServiceProviderConfig")],
        "patch": { "supported": true },
        "bulk": { "supported": false, "maxOperations": 0, "maxPayloadSize": 0 },
        "filter": { "supported": true, "maxResults": COUNT_MAX },
        "changePassword": off,
        "sort": off,
        "etag": { "supported": true },
        "authenticationSchemes": [{
            "type": "oauthbearertoken",
            "name": "OAuth Bearer Token",
            "description": "An access token with the scope scim, of somebody who looks after the home",
            "specUri": "https://www.rfc-editor.org/info/rfc6750",
            "primary": true,
        }],
        "meta": meta(&ctx, "ServiceProviderConfig", "ServiceProviderConfig"),
    });
    answer(StatusCode::OK, &body)
}

fn meta(ctx: &Ctx, kind: &str, path: &str) -> Value {
    json!({ "resourceType": kind, "location": format!("{}{BASE}/{path}", ctx.issuer) })
}

pub(super) async fn list_types(State(ctx): State<Arc<Ctx>>, RawQuery(query): RawQuery) -> Response {
    page(types(&ctx), query.as_deref())
}

pub(super) async fn find_type(State(ctx): State<Arc<Ctx>>, Path(name): Path<String>) -> Response {
    one(types(&ctx), &name)
}

pub(super) async fn list_schemas(State(ctx): State<Arc<Ctx>>, RawQuery(query): RawQuery) -> Response {
    page(schemas(&ctx), query.as_deref())
}

pub(super) async fn find_schema(State(ctx): State<Arc<Ctx>>, Path(name): Path<String>) -> Response {
    one(schemas(&ctx), &name)
}

fn page(all: Vec<Value>, query: Option<&str>) -> Response {
    match Query::read(&Params::parse(query.unwrap_or_default().as_bytes())) {
        // RFC 7644 §4: so that nobody believes what a filtered list does not say.
        Ok(query) if query.has_filter() => {
            Refused::Scim(Kind::Forbidden, "these lists are not filtered".to_string()).into_response()
        }
        Ok(query) => answer(StatusCode::OK, &query.page(all.into_iter().filter_map(into_resource).collect())),
        Err((kind, says)) => Refused::Scim(kind, says).into_response(),
    }
}

fn one(all: Vec<Value>, name: &str) -> Response {
    match all.into_iter().find(|one| one["id"] == name) {
        Some(one) => answer(StatusCode::OK, &one),
        None => Refused::Scim(Kind::Missing, "there is none of that name".to_string()).into_response(),
    }
}

fn into_resource(value: Value) -> Option<Resource> {
    match value {
        Value::Object(resource) => Some(resource),
        _ => None,
    }
}

/// RFC 7643 §6.
fn types(ctx: &Ctx) -> Vec<Value> {
    let of = |name: &str, path: &str, says: &str| {
        json!({
            "schemas": [format!("{CORE}:ResourceType")],
            "id": name,
            "name": name,
            "endpoint": path,
            "description": says,
            "schema": format!("{CORE}:{name}"),
            "meta": meta(ctx, "ResourceType", &format!("ResourceTypes/{name}")),
        })
    };
    vec![of("User", "/Users", "The people of the home"), of("Group", "/Groups", "The groups of the home")]
}

/// RFC 7643 §7.
fn schemas(ctx: &Ctx) -> Vec<Value> {
    let of = |name: &str, says: &str, attributes: Value| {
        let id = format!("{CORE}:{name}");
        json!({
            "schemas": [format!("{CORE}:Schema")],
            "id": id,
            "name": name,
            "description": says,
            "attributes": attributes,
            "meta": meta(ctx, "Schema", &format!("Schemas/{id}")),
        })
    };
    vec![of("User", "Somebody of the home", user()), of("Group", "A group of the home", group())]
}

/// A simple attribute of one value.
fn simple(name: &str, kind: &str, says: &str, mutability: &str) -> Value {
    let mut attribute = json!({
        "name": name,
        "type": kind,
        "multiValued": false,
        "description": says,
        "required": false,
        "mutability": mutability,
        "returned": "default",
    });
    if kind == "string" {
        attribute["caseExact"] = json!(false);
        attribute["uniqueness"] = json!("none");
    }
    attribute
}

/// One that everybody has, of their own.
fn naming(name: &str, says: &str) -> Value {
    let mut attribute = simple(name, "string", says, "immutable");
    attribute["required"] = json!(true);
    attribute["uniqueness"] = json!("server");
    attribute
}

fn reference(name: &str, to: &str, mutability: &str) -> Value {
    let mut attribute = simple(name, "reference", "Where it is", mutability);
    attribute["referenceTypes"] = json!([to]);
    attribute
}

fn several(name: &str, says: &str, mutability: &str, parts: Vec<Value>) -> Value {
    json!({
        "name": name,
        "type": "complex",
        "multiValued": true,
        "description": says,
        "required": false,
        "mutability": mutability,
        "returned": "default",
        "subAttributes": parts,
    })
}

fn user() -> Value {
    // There always; true when somebody is made without it.
    let mut active = simple("active", "boolean", "May sign in and receives mail", "readWrite");
    active["required"] = json!(true);
    json!([
        naming("userName", "The address; a bare name is one in the home's own domain"),
        simple("displayName", "string", "What they are called", "readWrite"),
        active,
        several(
            "emails",
            "Their addresses here",
            "readOnly",
            vec![
                simple("value", "string", "The address", "readOnly"),
                simple("primary", "boolean", "They are known by it", "readOnly")
            ],
        ),
        several(
            "groups",
            "What they are in",
            "readOnly",
            vec![
                simple("value", "string", "The id of the group", "readOnly"),
                reference("$ref", "Group", "readOnly"),
                simple("display", "string", "Its name", "readOnly"),
            ],
        ),
    ])
}

fn group() -> Value {
    let mut kind = simple("type", "string", "A person", "immutable");
    kind["canonicalValues"] = json!(["User"]);
    json!([
        naming("displayName", "The name before the @ in the home's own domain, or the whole address"),
        several(
            "members",
            "Who is in it",
            "readWrite",
            vec![simple("value", "string", "The id of the person", "immutable"), reference("$ref", "User", "immutable"), kind,],
        ),
    ])
}
