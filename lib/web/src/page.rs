// SPDX-License-Identifier: AGPL-3.0-or-later
//! Pages for people: a template becomes an answer, a failure becomes a page that says what to do.

use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use hearth_types::Trouble;
use http::StatusCode;

use crate::lang;

/// The answer that a template gives; 500 when it cannot be written.
pub fn html(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(page) => (status, Html(page)).into_response(),
        Err(error) => trouble(Trouble::from(error)),
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    heading: &'a str,
    says: &'a str,
    back: Option<&'a str>,
}

/// A page with one heading and one sentence that says what to do; `back` is where a link goes.
pub fn error(status: StatusCode, heading: &str, says: &str, back: Option<&str>) -> Response {
    match (ErrorPage { heading, says, back }).render() {
        Ok(page) => (status, Html(page)).into_response(),
        Err(_) => (status, heading.to_string()).into_response(),
    }
}

/// Logs the trouble and shows its id.
pub fn trouble(trouble: Trouble) -> Response {
    tracing::error!(id = trouble.id(), %trouble, "a page failed");
    let says = lang().pick(
        "Something failed here, and it has been written down. Try again in a moment. If you ask for help, give this sign:",
        "Quelque chose a échoué ici, et c'est noté. Réessayez dans un instant. Si vous demandez de l'aide, donnez ce signe :",
    );
    let says = format!("{says} {}", trouble.id());
    error(StatusCode::INTERNAL_SERVER_ERROR, lang().pick("That did not work", "Cela n'a pas marché"), &says, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_a_stranger_says_is_escaped() {
        let response = error(StatusCode::BAD_REQUEST, "<script>", "a & b", Some("/\"onclick=\""));
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        let body = axum::body::to_bytes(response.into_body(), 65536).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert!(!body.contains("<script>") && !body.contains("a & b") && !body.contains("\"onclick"), "{body}");
    }
}
