// SPDX-License-Identifier: AGPL-3.0-or-later
//! The crate `openidconnect`, as an app in Rust uses it: it finds the home by its issuer, and checks every answer itself.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::thread::JoinHandle;

use anyhow::{Context as _, Result, ensure};
use hearth_tests::Machine;
use openidconnect::core::{CoreAuthenticationFlow, CoreClient, CoreProviderMetadata, CoreUserInfoClaims};
use openidconnect::{
    AccessTokenHash, AuthorizationCode, ClientId, ClientSecret, CsrfToken, HttpRequest, HttpResponse, IssuerUrl, Nonce,
    OAuth2TokenResponse as _, PkceCodeChallenge, RedirectUrl, Scope, TokenResponse as _,
};
use serde_json::json;

use crate::{add_client, browse, home, is_possible, sign_in, text};

/// The crate brings no HTTP client of its own: the tests' one trusts the home and follows no redirects.
async fn send(http: &reqwest::Client, request: HttpRequest) -> Result<HttpResponse, reqwest::Error> {
    let answer = http.execute(request.try_into()?).await?;
    let mut response = HttpResponse::new(Vec::new());
    *response.status_mut() = answer.status();
    *response.headers_mut() = answer.headers().clone();
    *response.body_mut() = answer.bytes().await?.to_vec();
    Ok(response)
}

/// Where the browser comes back to: the query of the first request there.
fn callback(listener: TcpListener) -> JoinHandle<Result<String>> {
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept()?;
        let mut line = String::new();
        BufReader::new(stream.try_clone()?).read_line(&mut line)?;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nin")?;
        let target = line.split(' ').nth(1).context("a request line")?;
        Ok(target.split_once('?').with_context(|| line.clone())?.1.to_string())
    })
}

fn param<'q>(query: &'q str, name: &str) -> Result<&'q str> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.into_iter().find(|(known, _)| *known == name).map(|(_, value)| value).with_context(|| format!("no {name} in {query}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn openidconnect_signs_in() -> Result<()> {
    if !is_possible(&[]) {
        return Ok(());
    }
    let home = home()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let redirect_uri = format!("http://127.0.0.1:{}/callback", listener.local_addr()?.port());
    let added = add_client(&home, &["Shopping list", "--redirect-uri", &redirect_uri, "--lean-id-token"])?;
    let machine = Machine::new(&home, &[])?;
    let http = home.http()?;
    let by = |request: HttpRequest| send(&http, request);

    // Another issuer than the metadata says is refused by the crate itself: the name is exact.
    ensure!(CoreProviderMetadata::discover_async(IssuerUrl::new(home.url("id", "/"))?, &by).await.is_err(), "a slash more");
    let metadata = CoreProviderMetadata::discover_async(IssuerUrl::new(home.url("id", ""))?, &by).await?;
    let secret = ClientSecret::new(text(&added, "/client_secret").into());
    let client = CoreClient::from_provider_metadata(metadata, ClientId::new(text(&added, "/client_id").into()), Some(secret))
        .set_redirect_uri(RedirectUrl::new(redirect_uri.clone())?);
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let scopes = ["email", "profile", "offline_access"].map(|scope| Scope::new(scope.into()));
    let (url, state, nonce) = client
        .authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random)
        .add_scopes(scopes)
        .set_pkce_challenge(challenge)
        .url();

    let came = callback(listener);
    let back = format!("^{redirect_uri}");
    browse(&machine, &json!([["go", url], sign_in(&home.alice), ["allow"], ["wait", back], ["read"]]))?;
    let query = came.join().ok().context("the callback")??;
    ensure!(param(&query, "state")? == state.secret(), "{query}");

    let code = AuthorizationCode::new(param(&query, "code")?.into());
    let tokens = client.exchange_code(code)?.set_pkce_verifier(verifier).request_async(&by).await?;
    let id_token = tokens.id_token().context("an ID token")?;
    let checks = client.id_token_verifier();
    let claims = id_token.claims(&checks, &nonce)?;
    ensure!(id_token.claims(&checks, &Nonce::new_random()).is_err(), "the nonce is looked at");
    ensure!(claims.email().is_none() && claims.preferred_username().is_none(), "a lean one: {claims:?}");
    let hash = AccessTokenHash::from_token(tokens.access_token(), id_token.signing_alg()?, id_token.signing_key(&checks)?)?;
    ensure!(claims.access_token_hash() == Some(&hash), "at_hash");

    let known = Some(claims.subject().clone());
    let person: CoreUserInfoClaims = client.user_info(tokens.access_token().clone(), known)?.request_async(&by).await?;
    ensure!(person.email().map(|email| email.as_str()) == Some(home.alice.address.as_str()), "{person:?}");
    ensure!(person.email_verified() == Some(true) && person.preferred_username().map(|name| name.as_str()) == Some("alice"));

    let token = tokens.refresh_token().context("a refresh token")?;
    let renewed = client.exchange_refresh_token(token)?.request_async(&by).await?;
    ensure!(renewed.access_token().secret() != tokens.access_token().secret());
    ensure!(renewed.refresh_token().is_some_and(|next| next.secret() != token.secret()), "it rotates");
    // OpenID Connect Core §12.2: the same person, and no nonce.
    let none = |nonce: Option<&Nonce>| nonce.map_or(Ok(()), |nonce| Err(format!("{nonce:?}")));
    let again = renewed.id_token().context("an ID token")?.claims(&checks, none)?;
    ensure!(again.subject() == claims.subject());
    Ok(())
}
