// SPDX-License-Identifier: AGPL-3.0-or-later
//! SCIM (RFC 7644): what a program of the household may do to people and groups, and what it may not.

mod support;

use hearth_identity::directory::{Kind, NewAccount};
use hearth_types::Address;
use hearth_web::axum::body::Body;
use hearth_web::axum::http::{Method, Request, StatusCode, header};
use serde_json::{Value, json};
use support::{House, Reply, ask, on_both_engines};

const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// A program with a token.
struct Program<'h> {
    house: &'h House,
    token: String,
}

impl<'h> Program<'h> {
    /// One that acts as a service account, which may be an admin.
    async fn new(house: &'h House, name: &str, admin: bool, scope: &str) -> Self {
        let address = Address::parse(&format!("{name}@home.example")).unwrap();
        let new = NewAccount { address, kind: Kind::Service, name: String::new(), admin };
        let account = house.directory.add_account(new).await.unwrap();
        let secret = house
            .client(name, |new| {
                new.grant_types = vec!["client_credentials".into()];
                new.scopes = vec!["scim".into(), "email".into()];
                new.metadata = json!({ "hearth_service_account": account.id.to_string() }).to_string();
            })
            .await;
        let fields = [("grant_type", "client_credentials"), ("scope", scope)];
        let reply = house.post_as(Some((name, &secret)), "/token", &fields).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
        Self { house, token: reply.json()["access_token"].as_str().unwrap().to_string() }
    }

    async fn send(&self, method: Method, path: &str, fields: &[(header::HeaderName, &str)], body: Option<Value>) -> Reply {
        let mut request = Request::builder().method(method).uri(format!("/scim/v2{path}"));
        request = request.header(header::AUTHORIZATION, format!("Bearer {}", self.token));
        request = request.header(header::CONTENT_TYPE, "application/scim+json");
        for (name, value) in fields {
            request = request.header(name, *value);
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        ask(&self.house.router, request.body(body).unwrap()).await
    }

    async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, &[], None).await
    }

    async fn post(&self, path: &str, body: Value) -> Reply {
        self.send(Method::POST, path, &[], Some(body)).await
    }

    async fn patch(&self, path: &str, operations: Value) -> Reply {
        self.send(Method::PATCH, path, &[], Some(json!({ "schemas": [PATCH], "Operations": operations }))).await
    }
}

fn refused(reply: &Reply) -> (u16, String) {
    assert_eq!(reply.headers["content-type"], "application/scim+json");
    let body = reply.json();
    assert_eq!(body["status"], json!(reply.status.as_u16().to_string()), "{body}");
    (reply.status.as_u16(), body["scimType"].as_str().unwrap_or_default().to_string())
}

fn id(reply: &Reply) -> String {
    reply.json()["id"].as_str().unwrap_or_else(|| panic!("{}", reply.body)).to_string()
}

#[tokio::test]
async fn who_may_ask() {
    on_both_engines(async |house| {
        let reply = house.get("/scim/v2/Users").await;
        let challenge = "Bearer resource_metadata=\"https://id.home.example/.well-known/oauth-protected-resource\"";
        assert_eq!((reply.status, &reply.headers["www-authenticate"]), (StatusCode::UNAUTHORIZED, &challenge.parse().unwrap()));
        let other = Program::new(&house, "other", true, "email").await.get("/Users").await;
        assert_eq!(other.status, StatusCode::FORBIDDEN);
        assert!(other.headers["www-authenticate"].to_str().unwrap().contains("scope=\"scim\""));
        let plain = Program::new(&house, "plain", false, "scim").await;
        assert_eq!(refused(&plain.get("/Users").await), (403, String::new()));
        assert_eq!(plain.post("/Users", json!({"userName": "eve"})).await.status, StatusCode::FORBIDDEN);
        // What we can do is no secret.
        for path in ["ServiceProviderConfig", "ResourceTypes", "ResourceTypes/User", "Schemas"] {
            assert_eq!(house.get(&format!("/scim/v2/{path}")).await.status, StatusCode::OK, "{path}");
        }
        assert_eq!(house.get("/scim/v2/Schemas?filter=id+pr").await.status, StatusCode::FORBIDDEN, "RFC 7644 §4");
        assert_eq!(refused(&house.get("/scim/v2/Nothing").await), (404, String::new()));
    })
    .await;
}

#[tokio::test]
async fn people_are_made_changed_and_withdrawn() {
    on_both_engines(async |house| {
        let program = Program::new(&house, "robot", true, "scim").await;
        let made = program.post("/Users", json!({"userName": "dora", "name": {"givenName": "Dora", "familyName": "Day"}})).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
        let user = made.json();
        assert_eq!(
            (&user["userName"], &user["displayName"], &user["active"]),
            (&json!("dora@home.example"), &json!("Dora Day"), &json!(true))
        );
        assert_eq!(user["emails"], json!([{"value": "dora@home.example", "primary": true}]));
        let path = format!("/Users/{}", id(&made));
        assert_eq!(made.headers["location"].to_str().unwrap(), format!("{}/scim/v2{path}", support::ISSUER));
        assert_eq!(refused(&program.post("/Users", json!({"userName": "DORA"})).await), (409, "uniqueness".into()));
        for bad in [
            json!({}),
            json!({"userName": "a b@"}),
            json!({"userName": "x@elsewhere.example"}),
            json!({"userName": "y", "active": 1}),
        ] {
            assert_eq!(refused(&program.post("/Users", bad.clone()).await), (400, "invalidValue".into()), "{bad}");
        }

        let reply = program.patch(&path, json!([{"op": "replace", "value": {"displayName": "Dora", "active": false}}])).await;
        assert_eq!((&reply.json()["displayName"], &reply.json()["active"]), (&json!("Dora"), &json!(false)), "{}", reply.body);
        let dora = house.directory.find_account(id(&made).parse().unwrap()).await.unwrap().unwrap();
        assert!(dora.disabled && dora.name == "Dora");
        let reply = program.send(Method::PUT, &path, &[], Some(json!({"userName": "dora@home.example", "active": true}))).await;
        assert_eq!((reply.json().get("displayName"), &reply.json()["active"]), (None, &json!(true)), "{}", reply.body);
        let reply = program.send(Method::PUT, &path, &[], Some(json!({"userName": "dorothy"}))).await;
        assert_eq!(refused(&reply), (400, "mutability".into()));
        assert_eq!(
            refused(&program.patch(&path, json!([{"op": "add", "path": "userName", "value": "x"}])).await),
            (400, "mutability".into())
        );

        // What the program calls her, and a search in a body.
        let named = program.patch(&path, json!([{"op": "add", "path": "externalId", "value": "u-17"}])).await;
        assert_eq!(named.json()["externalId"], json!("u-17"), "{}", named.body);
        let found =
            program.post("/Users/.search", json!({"filter": "externalId eq \"u-17\"", "attributes": ["userName"]})).await.json();
        assert_eq!(
            (&found["totalResults"], &found["Resources"][0]["userName"]),
            (&json!(1), &json!("dora@home.example")),
            "{found}"
        );
        assert_eq!(program.post("/.search", json!({})).await.status, StatusCode::NOT_IMPLEMENTED);
        assert_eq!(refused(&program.patch(&path, json!([{"op": "remove", "path": "active"}])).await), (400, "mutability".into()));
        let named = program.patch(&path, json!([{"op": "remove", "path": "externalId"}])).await;
        assert_eq!(named.json().get("externalId"), None, "{}", named.body);

        // Deleted: not there any more for the program, and nothing is lost.
        assert_eq!(program.send(Method::DELETE, &path, &[], None).await.status, StatusCode::NO_CONTENT);
        assert_eq!(program.get(&path).await.status, StatusCode::NOT_FOUND);
        let all = program.get("/Users?filter=userName+eq+%22dora@home.example%22").await.json();
        assert_eq!(all["totalResults"], json!(0));
        assert_eq!(
            refused(&program.post("/Users", json!({"userName": "dora"})).await),
            (409, "uniqueness".into()),
            "her mail is not another's"
        );
        assert!(house.directory.find_account(dora.id).await.unwrap().unwrap().disabled);
        house.directory.enable_account(dora.id).await.unwrap();
        assert_eq!(program.get(&path).await.status, StatusCode::OK, "enabled by hand");
        house.directory.disable_account(dora.id).await.unwrap();
        assert_eq!(program.get(&path).await.json()["active"], json!(false), "disabled is not withdrawn");

        let written: Vec<String> =
            house.directory.list_audit(Some(dora.id), 20).await.unwrap().into_iter().map(|row| row.event).collect();
        for event in ["account.added", "account.renamed", "account.disabled", "account.enabled"] {
            assert!(written.iter().any(|known| known == event), "{event}: {written:?}");
        }
        let rows = house.directory.list_audit(Some(dora.id), 20).await.unwrap();
        let by_program = |event: &str| rows.iter().filter(|row| row.event == event && row.detail.contains("(SCIM, ")).count();
        assert_eq!((by_program("account.added"), by_program("account.enabled")), (1, 1), "once each, with the program: {rows:?}");
        let letters = house.directory.list_letters(10).await.unwrap();
        let told = letters
            .iter()
            .filter(|letter| String::from_utf8_lossy(&letter.raw).contains("Subject: Your account may be used again"));
        assert_eq!(told.map(|letter| letter.recipient.to_string()).collect::<Vec<_>>(), ["dora@home.example"]);
    })
    .await;
}

#[tokio::test]
async fn who_looks_after_the_home_is_not_changed() {
    on_both_engines(async |house| {
        let program = Program::new(&house, "robot", true, "scim").await;
        house.admin().await;
        let carol = program.get("/Users?filter=userName+eq+%22carol@home.example%22").await.json();
        let path = format!("/Users/{}", carol["Resources"][0]["id"].as_str().unwrap());
        let off = json!([{"op": "replace", "path": "active", "value": false}]);
        assert_eq!(refused(&program.patch(&path, off).await), (403, String::new()));
        assert_eq!(refused(&program.send(Method::DELETE, &path, &[], None).await), (403, String::new()));
        // Services are not people.
        assert_eq!(program.get("/Users?filter=userName+eq+%22robot@home.example%22").await.json()["totalResults"], json!(0));
    })
    .await;
}

#[tokio::test]
async fn groups_are_made_filled_and_removed() {
    on_both_engines(async |house| {
        let program = Program::new(&house, "robot", true, "scim").await;
        let alice = house.alice.id.to_string();
        let made = program.post("/Groups", json!({"displayName": "family", "members": [{"value": alice}]})).await;
        assert_eq!((made.status, &made.json()["members"][0]["value"]), (StatusCode::CREATED, &json!(alice)), "{}", made.body);
        let path = format!("/Groups/{}", id(&made));
        assert_eq!(program.get(&format!("/Users/{alice}")).await.json()["groups"][0]["display"], json!("family"));
        assert_eq!(
            refused(&program.post("/Groups", json!({"displayName": "x", "members": [{"value": "nobody"}]})).await),
            (400, "invalidValue".into())
        );
        let bob =
            program.get("/Users?filter=userName+sw+%22bo%22").await.json()["Resources"][0]["id"].as_str().unwrap().to_string();
        let operations = json!([
            {"op": "add", "path": "members", "value": [{"value": bob}]},
            {"op": "remove", "path": format!("members[value eq \"{alice}\"]")},
        ]);
        let reply = program.patch(&path, operations).await.json();
        assert_eq!((reply["members"].as_array().unwrap().len(), &reply["members"][0]["value"]), (1, &json!(bob)));
        let reply = program.patch(&path, json!([{"op": "remove", "path": "members"}])).await.json();
        assert_eq!(reply["members"], json!([]));
        assert_eq!(program.send(Method::DELETE, &path, &[], None).await.status, StatusCode::NO_CONTENT);
        assert_eq!(program.get(&path).await.status, StatusCode::NOT_FOUND);
    })
    .await;
}

#[tokio::test]
async fn of_two_who_write_at_once_one_is_told() {
    on_both_engines(async |house| {
        let program = Program::new(&house, "robot", true, "scim").await;
        let path = format!("/Users/{}", id(&program.post("/Users", json!({"userName": "dora"})).await));
        let known = program.get(&path).await;
        let tag = known.headers["etag"].to_str().unwrap().to_string();
        assert_eq!(known.json()["meta"]["version"], json!(tag));
        assert_eq!(program.send(Method::GET, &path, &[(header::IF_NONE_MATCH, &tag)], None).await.status, StatusCode::NOT_MODIFIED);
        let rename =
            |name: &str| Some(json!({"schemas": [PATCH], "Operations": [{"op": "replace", "path": "displayName", "value": name}]}));
        assert_eq!(program.send(Method::PATCH, &path, &[(header::IF_MATCH, &tag)], rename("A")).await.status, StatusCode::OK);
        assert_eq!(
            refused(&program.send(Method::PATCH, &path, &[(header::IF_MATCH, &tag)], rename("B")).await),
            (412, String::new())
        );
        assert_eq!(
            program.send(Method::GET, &path, &[(header::IF_NONE_MATCH, &tag)], None).await.json()["displayName"],
            json!("A")
        );
        assert_eq!(program.send(Method::PATCH, &path, &[(header::IF_MATCH, "*")], rename("C")).await.status, StatusCode::OK);
        let page = program.get("/Users?count=1&startIndex=2&attributes=userName").await.json();
        assert_eq!((page["Resources"].as_array().unwrap().len(), &page["startIndex"]), (1, &json!(2)));
        assert_eq!(page["Resources"][0].as_object().unwrap().keys().collect::<Vec<_>>(), ["id", "schemas", "userName"]);
        assert_eq!(refused(&program.get("/Users?filter=userName").await), (400, "invalidFilter".into()));
        assert_eq!(refused(&program.get(&format!("/Users?filter={}", "(".repeat(300))).await), (400, "invalidFilter".into()));
    })
    .await;
}
