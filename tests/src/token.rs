// SPDX-License-Identifier: AGPL-3.0-or-later
//! Codes and tokens, got as an app gets them: authorization code with PKCE, the pages' forms filled in.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};
use reqwest::{Client, Response, StatusCode};
use serde_json::Value;

use crate::{Home, Person};

const REDIRECT_URI: &str = "http://127.0.0.1/tests";
/// RFC 7636 appendix B.
const CODE_VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CODE_CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
/// Redirects and pages until the code.
const STEPS_MAX: usize = 8;

impl Home {
    /// The token endpoint's answer for a person who signs in and allows `scope` to a public client.
    pub async fn tokens(&self, person: &Person, scope: &str) -> Result<Value> {
        let client: Value = serde_json::from_str(&self.hearth(&[
            "client",
            "add",
            "tests",
            "--redirect-uri",
            REDIRECT_URI,
            "--public",
            "--scope",
            "openid",
            "--scope",
            "email",
            "--scope",
            "mail",
            "--json",
        ])?)?;
        let client_id = client["client_id"].as_str().context("client add gives a client_id")?;
        let code = self.code(person, client_id, REDIRECT_URI, scope).await?;
        self.exchange(client_id, REDIRECT_URI, &code).await
    }

    /// The code that a public client is given for a person who signs in and allows `scope`; an error says what the page said.
    pub async fn code(&self, person: &Person, client_id: &str, redirect_uri: &str, scope: &str) -> Result<String> {
        authorize(self, &self.http()?, person, (client_id, redirect_uri), scope).await
    }

    /// The token endpoint's answer for such a code.
    pub async fn exchange(&self, client_id: &str, redirect_uri: &str, code: &str) -> Result<Value> {
        let exchange = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri),
            ("client_id", client_id),
            ("code_verifier", CODE_VERIFIER),
        ];
        let answer = self.http()?.post(self.url("id", "/token")).form(&exchange).send().await?;
        ensure!(answer.status().is_success(), "token: {}", answer.text().await?);
        Ok(answer.json().await?)
    }

    /// An access token for mail.
    pub async fn access_token(&self, person: &Person) -> Result<String> {
        let tokens = self.tokens(person, "openid mail").await?;
        Ok(tokens["access_token"].as_str().context("an access token")?.to_string())
    }
}

async fn authorize(
    home: &Home,
    http: &Client,
    person: &Person,
    (client_id, redirect_uri): (&str, &str),
    scope: &str,
) -> Result<String> {
    let mut cookies = BTreeMap::new();
    let query = [
        ("response_type", "code"),
        ("client_id", client_id),
        ("redirect_uri", redirect_uri),
        ("scope", scope),
        ("state", "s"),
        ("code_challenge", CODE_CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    let mut answer = http.get(home.url("id", "/authorize")).query(&query).send().await?;
    for _ in 0..STEPS_MAX {
        keep_cookies(&answer, &mut cookies);
        let next = if answer.status().is_redirection() {
            let to = answer.headers().get("location").context("a redirect has a Location")?.to_str()?.to_string();
            if let Some(back) = to.strip_prefix(redirect_uri) {
                return code_in(back);
            }
            http.get(absolute(home, &to))
        } else {
            ensure!(answer.status() == StatusCode::OK, "{}: {}", answer.status(), answer.text().await?);
            let page = answer.text().await?;
            let (action, fields) = filled_in(&page, person)?;
            http.post(absolute(home, &action)).form(&fields).header("origin", origin(home))
        };
        answer = next.header("cookie", cookie_header(&cookies)).send().await?;
    }
    bail!("no code after {STEPS_MAX} steps")
}

pub(crate) fn absolute(home: &Home, to: &str) -> String {
    if to.starts_with('/') { home.url("id", to) } else { to.to_string() }
}

/// What a browser names as the origin of our pages: without the port of HTTPS.
pub(crate) fn origin(home: &Home) -> String {
    let url = home.url("id", "");
    url.strip_suffix(":443").map_or(url.clone(), str::to_string)
}

fn code_in(query: &str) -> Result<String> {
    let parameters = query.trim_start_matches('?').split('&').filter_map(|pair| pair.split_once('='));
    let found = parameters.into_iter().find(|(name, _)| *name == "code").map(|(_, value)| value.to_string());
    found.with_context(|| format!("no code in {query}"))
}

pub(crate) fn keep_cookies(answer: &Response, cookies: &mut BTreeMap<String, String>) {
    for set in answer.headers().get_all("set-cookie").iter().filter_map(|value| value.to_str().ok()) {
        if let Some((name, value)) = set.split(';').next().and_then(|pair| pair.split_once('=')) {
            cookies.insert(name.trim().to_string(), value.to_string());
        }
    }
}

pub(crate) fn cookie_header(cookies: &BTreeMap<String, String>) -> String {
    cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
}

/// The first form of a page, with what a person types into it and the first button pressed.
pub(crate) fn filled_in(page: &str, person: &Person) -> Result<(String, Vec<(String, String)>)> {
    let form =
        page.split("<form ").nth(1).and_then(|rest| rest.split("</form>").next()).with_context(|| format!("no form in {page}"))?;
    let action = attribute(form, "action").context("a form has an action")?;
    let mut fields = Vec::new();
    for input in form.split("<input ").skip(1) {
        let input = input.split('>').next().unwrap_or_default();
        let name = attribute(input, "name").unwrap_or_default();
        let value = match attribute(input, "type").as_deref() {
            Some("password") => person.password.clone(),
            Some("text") => person.address.clone(),
            _ => attribute(input, "value").unwrap_or_default(),
        };
        fields.push((name, value));
    }
    let button = form.split("<button ").nth(1).and_then(|rest| rest.split('>').next()).unwrap_or_default();
    if let Some(name) = attribute(button, "name") {
        fields.push((name, attribute(button, "value").unwrap_or_default()));
    }
    Ok((action, fields))
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let value = tag.split(&format!("{name}=\"")).nth(1)?.split('"').next()?;
    Some(value.replace("&#38;", "&").replace("&amp;", "&"))
}
