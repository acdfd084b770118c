// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/.well-known/webfinger` (RFC 7033): which issuer speaks for an address.
//!
//! The answer is the same for every address of our domains, whether somebody has it or not, so that
//! nobody can ask who lives here.

use std::sync::Arc;

use hearth_types::{Address, Domain, Trouble};
use hearth_web::Problem;
use hearth_web::axum::extract::{RawQuery, State};
use hearth_web::axum::http::{HeaderValue, StatusCode, header};
use hearth_web::axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::ctx::Ctx;
use crate::endpoint::metadata::public_json;
use crate::request::params::Params;

/// OpenID Connect Discovery §2.
const ISSUER_RELATION: &str = "http://openid.net/specs/connect/1.0/issuer";

/// GET.
pub async fn run(State(ctx): State<Arc<Ctx>>, RawQuery(query): RawQuery) -> Response {
    let params = Params::parse(query.unwrap_or_default().as_bytes());
    match respond(&ctx, &params).await {
        Ok(response) => response,
        Err(trouble) => Problem::from(trouble).into_response(),
    }
}

async fn respond(ctx: &Ctx, params: &Params) -> Result<Response, Trouble> {
    // RFC 7033 §4.2.
    let mut resources = params.all("resource");
    let (Some(resource), None) = (resources.next(), resources.next()) else {
        return Ok(Problem::new(StatusCode::BAD_REQUEST, "Ask with one resource.").into_response());
    };
    let domain = match domain_of(resource).or_else(|| domain_alone(resource)) {
        Some(domain) => ctx.directory.find_domain(&domain).await?,
        None => None,
    };
    if domain.is_none() && resource.trim_end_matches('/') != ctx.issuer {
        return Ok(Problem::new(StatusCode::NOT_FOUND, "That is not of this home.").into_response());
    }
    // §4.3: `rel` narrows the links.
    let mut wanted = params.all("rel").peekable();
    let links = match wanted.peek().is_none() || wanted.any(|rel| rel == ISSUER_RELATION) {
        true => json!([{ "rel": ISSUER_RELATION, "href": ctx.issuer }]),
        false => json!([]),
    };
    let mut response = public_json(&json!({ "subject": resource, "links": links }));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/jrd+json"));
    Ok(response)
}

/// RFC 7565 `acct:`, the same as `mailto:`, or an address alone.
fn domain_of(resource: &str) -> Option<Domain> {
    let address = resource.strip_prefix("acct:").or_else(|| resource.strip_prefix("mailto:")).unwrap_or(resource);
    Address::parse(address).ok().map(|address| address.domain().clone())
}

/// OpenID Connect Discovery §2.1.2: what a client makes of a domain that somebody typed, `https://DOMAIN` with a port or not.
fn domain_alone(resource: &str) -> Option<Domain> {
    let rest = resource.strip_prefix("https://")?;
    let host = rest.strip_suffix('/').unwrap_or(rest);
    let name = match host.split_once(':') {
        Some((name, port)) => port.parse::<u16>().is_ok().then_some(name)?,
        None => host,
    };
    Domain::parse(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_which_domain() {
        let home = Domain::parse("home.example").ok();
        assert_eq!(domain_of("acct:alice@home.example"), home);
        assert_eq!(domain_of("mailto:alice@home.example"), home);
        assert_eq!(domain_of("alice@Home.Example"), home);
        assert_eq!(domain_of("https://home.example/alice"), None);
        for alone in ["https://home.example", "https://home.example/", "https://HOME.example:8443", "https://home.example:1/"] {
            assert_eq!(domain_alone(alone), home, "{alone}");
        }
        for bad in [
            "home.example",
            "http://home.example",
            "https://home.example/x",
            "https://a@home.example",
            "https://home.example:x",
            "https://",
            "https://home.example?",
            "https://home.example//",
        ] {
            assert_eq!(domain_alone(bad), None, "{bad}");
        }
    }
}
