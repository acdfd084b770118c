// SPDX-License-Identifier: AGPL-3.0-or-later
//! What somebody does with second factors and passkeys, on the pages.

use hearth_identity::vault::totp_code;
use hearth_web::axum::http::StatusCode;

use super::device::Device;
use super::{Browser, House, PASSWORD, Reply};

/// The code that alice's authenticator shows now.
pub fn code(house: &House, secret: &[u8]) -> String {
    totp_code(secret, house.clock.now().secs() / 30)
}

/// Adds an authenticator for alice; its secret, and the recovery codes.
pub async fn add_totp(house: &House, browser: &mut Browser) -> (Vec<u8>, Vec<String>) {
    let page = browser.get("/account/authenticator").await;
    let reply = browser.post("/account/authenticator", &[("form", &page.field("form")), ("label", "Phone")]).await;
    assert_eq!(reply.status, StatusCode::SEE_OTHER, "{}", reply.body);
    let page = browser.get("/account/authenticator").await;
    assert!(page.body.contains("data:image/svg+xml;base64,") && page.body.contains("otpauth://totp/home.example"), "{}", page.body);
    let (_, _, secret) = house.vault.find_waiting_totp(house.alice.id).await.unwrap().unwrap();
    let form = page.field("form");
    let wrong = browser.post("/account/authenticator/confirm", &[("form", &form), ("code", "000000")]).await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    let shown = browser.post("/account/authenticator/confirm", &[("form", &form), ("code", &code(house, secret.expose()))]).await;
    assert_eq!(shown.status, StatusCode::OK, "{}", shown.body);
    (secret.expose().clone(), sheet(&shown))
}

pub fn sheet(page: &Reply) -> Vec<String> {
    let list = page.body.split("id=\"codes\">").nth(1).unwrap_or_else(|| panic!("no codes: {}", page.body));
    list.split("</ol>").next().unwrap().split("<li>").skip(1).map(|line| line.split('<').next().unwrap().to_string()).collect()
}

pub async fn second(browser: &mut Browser, page: &Reply, code: &str) -> Reply {
    let (form, proof) = (page.field("form"), page.field("proof"));
    let (request, to) = (page.field("request"), page.field("to"));
    let fields = [("form", form.as_str()), ("proof", &proof), ("request", &request), ("to", &to), ("code", code)];
    browser.post("/sign-in/second", &fields).await
}

pub async fn password(browser: &mut Browser) -> Reply {
    let page = browser.get("/sign-in").await;
    browser.fill_sign_in(&page, "alice", PASSWORD).await
}

pub async fn add_passkey(browser: &mut Browser, device: &mut Device) -> Reply {
    let page = browser.get("/account/passkeys").await;
    let credential = device.make(&page);
    browser.post("/account/passkeys", &[("form", &add_form(&page)), ("credential", &credential), ("label", "Key")]).await
}

/// The token of the form that adds: the last on the page.
pub fn add_form(page: &Reply) -> String {
    let form = page.body.split("data-passkey=\"make\"").nth(1).unwrap();
    form.split("name=\"form\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_string()
}

pub async fn by_passkey(browser: &mut Browser, page: &Reply, credential: &str) -> Reply {
    let (form, request, to) = (page.field("form"), page.field("request"), page.field("to"));
    let form = page
        .body
        .split("data-passkey")
        .nth(1)
        .map_or(form, |rest| rest.split("name=\"form\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_string());
    let proof = if page.body.contains("name=\"proof\"") { page.field("proof") } else { String::new() };
    let fields = [("form", form.as_str()), ("request", &request), ("to", &to), ("proof", &proof), ("credential", credential)];
    browser.post("/sign-in/passkey", &fields).await
}
