// SPDX-License-Identifier: AGPL-3.0-or-later
//! What the door answers itself: the home page, the MTA-STS policy, settings for mail programs, errors.

use bytes::Bytes;
use hearth_boot::Config;
use hearth_boot::config::Ca;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;

use crate::limits::MTA_STS_SECONDS;

/// An answer of our own.
pub type Page = Response<Full<Bytes>>;

/// A plain text with a status.
pub fn plain(status: StatusCode, text: &str) -> Page {
    page(status, "text/plain; charset=utf-8", format!("{text}\n"))
}

/// 421 (RFC 9110 §15.5.20): the name is not one of ours.
pub fn not_ours() -> Page {
    plain(StatusCode::MISDIRECTED_REQUEST, "This home does not go by that name.")
}

/// 404.
pub fn not_found() -> Page {
    plain(StatusCode::NOT_FOUND, "There is nothing at this address.")
}

/// 400: the request cannot be understood.
pub fn bad_request() -> Page {
    plain(StatusCode::BAD_REQUEST, "The request has no usable name of a host.")
}

/// 503: the process behind us is not there; the supervisor is bringing it back.
pub fn unavailable() -> Page {
    let mut answer = plain(StatusCode::SERVICE_UNAVAILABLE, "This part of the home is starting. Try again in a moment.");
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("2"));
    answer
}

/// 503: the app of the household is not there.
pub fn app_unavailable() -> Page {
    plain(StatusCode::SERVICE_UNAVAILABLE, "This app does not answer. Is it running?")
}

/// 504: the process behind us does not answer.
pub fn too_slow() -> Page {
    plain(StatusCode::GATEWAY_TIMEOUT, "This part of the home does not answer. Try again later.")
}

/// To another place, keeping the method.
pub fn redirect(to: &str) -> Page {
    let mut answer = plain(StatusCode::PERMANENT_REDIRECT, &format!("This is at {to}"));
    match HeaderValue::from_str(to) {
        Ok(to) => drop(answer.headers_mut().insert(LOCATION, to)),
        Err(_) => return bad_request(),
    }
    answer
}

/// The MTA-STS policy, RFC 8461 §3.2.
///
/// `enforce` only with a public certificate: a stranger's server does not trust the node's own authority, and
/// would have to keep the mail.
pub fn mta_sts(config: &Config) -> Page {
    let mode = match config.tls.ca {
        Ca::Own => "testing",
        Ca::Acme => "enforce",
    };
    let policy = format!("version: STSv1\r\nmode: {mode}\r\nmx: {}\r\nmax_age: {MTA_STS_SECONDS}\r\n", config.hostname());
    page(StatusCode::OK, "text/plain; charset=utf-8", policy)
}

/// Settings for Thunderbird and those that read its format.
pub fn autoconfig(config: &Config, domain: &str) -> Page {
    let host = config.hostname();
    let server = |direction: &str, kind: &str, standard: u16| {
        let port = config.port(standard);
        format!(
            r#"    <{direction}Server type="{kind}">
      <hostname>{host}</hostname>
      <port>{port}</port>
      <socketType>SSL</socketType>
      <username>%EMAILADDRESS%</username>
      <authentication>password-cleartext</authentication>
    </{direction}Server>
"#
        )
    };
    let servers = [server("incoming", "imap", 993), server("outgoing", "smtp", 465)].concat();
    let text = format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<clientConfig version="1.1">
  <emailProvider id="{domain}">
    <domain>{domain}</domain>
    <displayName>{domain}</displayName>
    <displayShortName>{domain}</displayShortName>
{servers}    <documentation url="{}">
      <descr lang="en">Make an app password here</descr>
    </documentation>
  </emailProvider>
</clientConfig>
"#,
        config.https_url(&format!("id.{}", config.domain()), "/account")
    );
    page(StatusCode::OK, "application/xml; charset=utf-8", text)
}

/// The page that says what lives here.
pub fn home(config: &Config, domain: &str) -> Page {
    let account = config.https_url(&format!("id.{}", config.domain()), "/account");
    let keys = config.https_url(&format!("keys.{domain}"), "/");
    let (host, imaps, submissions) = (config.hostname(), config.port(993), config.port(465));
    let text = format!(
        r#"<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{domain}</title>
<style>body{{font:1.1rem/1.6 system-ui,sans-serif;max-width:36rem;margin:3rem auto;padding:0 1rem;color-scheme:light dark}}td{{padding-right:1.5rem}}</style>
</head><body><main>
<h1>{domain}</h1>
<p><a href="{account}">Sign in</a> to see your account, its devices and app passwords.</p>
<h2>Mail program</h2>
<table>
<tr><td>Incoming (IMAP)</td><td>{host}, port {imaps}, TLS</td></tr>
<tr><td>Outgoing (SMTP)</td><td>{host}, port {submissions}, TLS</td></tr>
<tr><td>User name</td><td>your address</td></tr>
<tr><td>Password</td><td>an app password</td></tr>
</table>
<h2>Keys</h2>
<p>OpenPGP certificates of the people here are at <a href="{keys}">{keys}</a>.</p>
</main></body></html>
"#
    );
    let mut answer = page(StatusCode::OK, "text/html; charset=utf-8", text);
    let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
    answer.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    answer
}

fn page(status: StatusCode, kind: &'static str, text: String) -> Page {
    let mut answer = Response::new(Full::new(Bytes::from(text)));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if !status.is_success() {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;
    use std::path::Path;

    fn config(more: &str) -> Config {
        let text = format!("[home]\ndomain = \"example.org\"\n{more}");
        Config::from_text(Path::new("/srv/hearth"), &text, []).unwrap()
    }

    async fn text(page: Page) -> String {
        String::from_utf8(page.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn the_policy_enforces_only_with_a_public_certificate() {
        let own = text(mta_sts(&config(""))).await;
        assert_eq!(own, "version: STSv1\r\nmode: testing\r\nmx: mail.example.org\r\nmax_age: 604800\r\n");
        assert!(text(mta_sts(&config("[tls]\nca = \"acme\"\n"))).await.contains("mode: enforce\r\n"));
    }

    #[tokio::test]
    async fn settings_carry_the_offset() {
        let xml = text(autoconfig(&config("[listen]\nport_offset = 10000\n"), "example.org")).await;
        for part in ["<port>10993</port>", "<port>10465</port>", "<hostname>mail.example.org</hostname>", "id=\"example.org\""] {
            assert!(xml.contains(part), "{part}: {xml}");
        }
    }

    #[tokio::test]
    async fn an_unavailable_process_says_when_to_come_back() {
        let answer = unavailable();
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(answer.headers().contains_key(RETRY_AFTER));
    }

    #[test]
    fn a_redirect_cannot_carry_a_line_break() {
        assert_eq!(redirect("https://example.org/\r\nX: y").status(), StatusCode::BAD_REQUEST);
    }
}
