// SPDX-License-Identifier: AGPL-3.0-or-later
//! Somebody before the pages: keeps cookies, sends forms.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use reqwest::{Client, RequestBuilder};

use crate::token::{absolute, cookie_header, filled_in, keep_cookies, origin};
use crate::{Home, Person};

/// Somebody who is signed in.
pub struct Visitor<'h> {
    home: &'h Home,
    http: Client,
    cookies: BTreeMap<String, String>,
}

impl<'h> Visitor<'h> {
    /// Signs in.
    pub async fn sign_in(home: &'h Home, person: &Person) -> Result<Self> {
        let mut visitor = Self { home, http: home.http()?, cookies: BTreeMap::new() };
        let page = visitor.get("/sign-in").await?;
        let (action, fields) = filled_in(&page, person)?;
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        visitor.post(&action, &fields).await?;
        ensure!(visitor.cookies.contains_key("__Host-hearth"), "nobody is signed in");
        Ok(visitor)
    }

    /// A page.
    pub async fn get(&mut self, path: &str) -> Result<String> {
        self.ask(self.http.get(absolute(self.home, path))).await
    }

    /// What a form comes to.
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Result<String> {
        self.ask(self.http.post(absolute(self.home, path)).form(fields).header("origin", origin(self.home))).await
    }

    /// What a form comes to, when that is a file.
    pub async fn download(&mut self, path: &str, fields: &[(&str, &str)]) -> Result<Vec<u8>> {
        self.octets(self.http.post(absolute(self.home, path)).form(fields).header("origin", origin(self.home))).await
    }

    async fn ask(&mut self, request: RequestBuilder) -> Result<String> {
        Ok(String::from_utf8(self.octets(request).await?)?)
    }

    async fn octets(&mut self, request: RequestBuilder) -> Result<Vec<u8>> {
        let answer = request.header("cookie", cookie_header(&self.cookies)).send().await?;
        keep_cookies(&answer, &mut self.cookies);
        let status = answer.status();
        let octets = answer.bytes().await?;
        ensure!(status.is_success() || status.is_redirection(), "{status}: {}", String::from_utf8_lossy(&octets));
        Ok(octets.to_vec())
    }
}

/// The text between two others.
pub fn between<'t>(text: &'t str, before: &str, after: &str) -> Result<&'t str> {
    let rest = text.split(before).nth(1).with_context(|| format!("no {before} in {text}"))?;
    Ok(rest.split(after).next().unwrap_or_default())
}
