// SPDX-License-Identifier: AGPL-3.0-or-later
//! The link in a mailing list's copies.

mod support;

use hearth_identity::directory::{List, Posting, leave_url};
use hearth_types::Address;
use hearth_web::axum::body::Body;
use hearth_web::axum::http::{Request, StatusCode, header};
use support::{ISSUER, on_both_engines};
use tower::ServiceExt;

#[tokio::test]
async fn one_click_leaves_a_list() {
    on_both_engines(async |house| {
        let (club, carol) = (Address::parse("the/club@home.example").unwrap(), Address::parse("carol@else.example").unwrap());
        let list = List { address: club.clone(), name: String::new(), posting: Posting::Members };
        house.directory.add_list(list).await.unwrap();
        house.directory.add_list_member(&club, &carol).await.unwrap();
        let url = leave_url(ISSUER, &club, &house.directory.unsubscriber().await.unwrap().token(&club, &carol));
        let path = url.strip_prefix(ISSUER).unwrap().to_string();
        let ask = async |request: Request<Body>| house.router.clone().oneshot(request).await.unwrap().status();
        // Looking at it takes nobody off, and no more does a wrong token.
        assert_eq!(ask(Request::get(&path).body(Body::empty()).unwrap()).await, StatusCode::OK);
        let wrong = Request::post(format!("{}0", &path[..path.len() - 1])).body(Body::empty()).unwrap();
        let is_same = path.ends_with('0');
        assert_eq!(ask(wrong).await, StatusCode::OK);
        assert_eq!(house.directory.list_list_members(&club).await.unwrap().is_empty(), is_same);
        // RFC 8058 §3.1: without cookies, from nowhere.
        let form = header::HeaderValue::from_static("application/x-www-form-urlencoded");
        let post = Request::post(&path).header(header::CONTENT_TYPE, form).body(Body::from("List-Unsubscribe=One-Click")).unwrap();
        assert_eq!(ask(post).await, StatusCode::OK);
        assert!(house.directory.list_list_members(&club).await.unwrap().is_empty());
        for nowhere in ["/lists/leave/nobody/00", "/lists/leave/a@b.example/%3Cscript%3E"] {
            assert_eq!(ask(Request::get(nowhere).body(Body::empty()).unwrap()).await, StatusCode::NOT_FOUND, "{nowhere}");
        }
    })
    .await;
}
