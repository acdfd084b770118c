// SPDX-License-Identifier: AGPL-3.0-or-later
//! Which path leads to which file.

use std::sync::Arc;

use hearth_web::axum::Router;
use hearth_web::axum::http::{HeaderValue, Method, StatusCode, header};
use hearth_web::axum::middleware::{map_response, map_response_with_state};
use hearth_web::axum::response::{IntoResponse, Response};
use hearth_web::axum::routing::{any, get, post};
use hearth_web::{Guard, asset, guard, page};

use crate::ctx::Ctx;
use crate::endpoint::{
    authorize, bearer, device_grant, forward, introspect, jwks, leave_list, logout, metadata, par, protected_resource, register,
    revoke, token, userinfo, webfinger,
};
use crate::page::{account, admin, consent, script, sign_in, welcome};
use crate::registry::{at, path};
use crate::{scim, t};

/// Everything that this process answers.
pub fn router(ctx: Arc<Ctx>) -> Router {
    let described = map_response_with_state(ctx.clone(), bearer::described);
    let for_programs = Router::new()
        .route(const { at("/.well-known/openid-configuration") }, get(metadata::run))
        .route(const { at("/.well-known/oauth-authorization-server") }, get(metadata::run))
        .route(const { at("/.well-known/webfinger") }, get(webfinger::run))
        .route(protected_resource::PATH, get(protected_resource::run))
        .route(const { path("jwks_uri") }, get(jwks::run))
        .route(const { path("token_endpoint") }, post(token::run).options(preflight))
        .route(
            const { path("userinfo_endpoint") },
            get(userinfo::run).post(userinfo::run).options(preflight).layer(described.clone()),
        )
        .route(const { path("pushed_authorization_request_endpoint") }, post(par::run).options(preflight))
        .route(const { path("device_authorization_endpoint") }, post(device_grant::run).options(preflight))
        .route(const { path("registration_endpoint") }, post(register::run).options(preflight))
        .route(register::ROUTE, get(register::find).put(register::change).delete(register::remove))
        .route(const { path("revocation_endpoint") }, post(revoke::run).options(preflight))
        .layer(map_response(open));
    let for_people = Router::new()
        .route(const { path("authorization_endpoint") }, get(authorize::run).post(authorize::post))
        .route(const { path("introspection_endpoint") }, post(introspect::run))
        .route(const { path("end_session_endpoint") }, get(logout::run).post(logout::post))
        .route(device_grant::PATH, get(device_grant::show).post(device_grant::look))
        .route("/device/decide", post(device_grant::decide))
        .route(leave_list::ROUTE, get(leave_list::run).post(leave_list::post))
        .route(const { at("/forward/check") }, any(forward::check))
        .route(const { at("/forward/start") }, get(forward::start))
        .route(const { at("/forward/callback") }, get(forward::callback))
        .route(const { at("/forward/out") }, get(forward::out))
        .route(consent::PATH, post(consent::post))
        .route(sign_in::PATH, get(sign_in::run).post(sign_in::post))
        .route(sign_in::second::PATH, post(sign_in::second::post))
        .route(sign_in::passkey::PATH, post(sign_in::passkey::post))
        .route(welcome::ROUTE, get(welcome::run).post(welcome::post))
        .route(logout::PATH, post(logout::confirm))
        .merge(scim::routes().layer(described))
        .merge(account::routes())
        .merge(admin::routes());
    let all = for_programs.merge(for_people).fallback(nothing_there).with_state(ctx).merge(asset::routes()).merge(script::routes());
    guard(all, Guard::default())
}

/// What takes no cookies may be read by any page: apps that live in a browser need it. Without
/// credentials, so `*` gives nothing away.
async fn open(mut response: Response) -> Response {
    response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

/// Fetch, "CORS-preflight": which methods and fields another site's script may send.
async fn preflight() -> Response {
    let fields = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST")),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Authorization, Content-Type, DPoP")),
        (header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400")),
    ];
    (StatusCode::NO_CONTENT, fields).into_response()
}

async fn nothing_there(method: Method) -> Response {
    let back = (method == Method::GET).then_some("/account");
    page::error(
        StatusCode::NOT_FOUND,
        t("There is nothing here"),
        t("The address leads nowhere. It may be mistyped, or old."),
        back,
    )
}
