// SPDX-License-Identifier: AGPL-3.0-or-later
//! A person signs in at another provider, so that their mail can be brought from it: OAuth 2.0 from a command line.
//!
//! Where the provider lets a device ask (RFC 8628), a code is shown, and typed into a page there. Where it does not, a page
//! is opened there (RFC 6749 §4.1 with PKCE, RFC 7636), and the address to which it leads in the end, on this machine, where
//! nobody listens, is pasted here. What comes of it is an access token, which is used once and not kept.
//!
//! The large providers want a program to be registered with them: its client id, and for some a secret, are the person's.

use std::io::BufRead as _;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use hearth_types::Secret;
use reqwest::{Client, Url};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::limits::{OAUTH_ANSWER_BYTES_MAX, OAUTH_POLL_MIN, OAUTH_WAIT_MAX};
use crate::out::Out;

/// Where a page leads in the end: nobody listens there (RFC 8252 §7.3).
const REDIRECT_URI: &str = "http://127.0.0.1/";
/// RFC 8628 §3.4
const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
const TIMEOUT: Duration = Duration::from_secs(30);

/// How a provider is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Provider {
    authorization: String,
    token: String,
    /// Empty: it does not let devices ask for mail.
    device: String,
    scope: String,
}

/// Who asks.
pub struct Program<'a> {
    /// A known provider, or an issuer.
    pub provider: &'a str,
    /// The client id.
    pub client: &'a str,
    /// Its secret, if it has one.
    pub secret: Option<Secret<String>>,
    /// What is asked for, at an issuer.
    pub scope: &'a str,
    /// Connect to this address, instead of asking DNS.
    pub connect: Option<IpAddr>,
    /// Authorities that are trusted besides the public ones, as PEM.
    pub extra_roots: &'a [std::path::PathBuf],
}

/// The large providers, by their documentation (2026-11): authorization, token, device, scope.
fn known(name: &str) -> Option<Provider> {
    let [authorization, token, device, scope] = match name {
        "google" => [
            "https://accounts.google.com/o/oauth2/v2/auth",
            "https://oauth2.googleapis.com/token",
            // Its device page gives no access to mail.
            "",
            "https://mail.google.com/",
        ],
        "microsoft" => [
            "https://login.microsoftonline.com/common/oauth2/v2.0/authorize",
            "https://login.microsoftonline.com/common/oauth2/v2.0/token",
            "https://login.microsoftonline.com/common/oauth2/v2.0/devicecode",
            "https://outlook.office.com/IMAP.AccessAsUser.All",
        ],
        "yahoo" => {
            ["https://api.login.yahoo.com/oauth2/request_auth", "https://api.login.yahoo.com/oauth2/get_token", "", "mail-r"]
        }
        "fastmail" => [
            "https://api.fastmail.com/oauth/authorize",
            "https://api.fastmail.com/oauth/refresh",
            "",
            "https://www.fastmail.com/dev/protocol-imap",
        ],
        _ => return None,
    }
    .map(str::to_string);
    Some(Provider { authorization, token, device, scope })
}

/// Signs in; the access token.
pub async fn sign_in(program: &Program<'_>, out: &Out) -> anyhow::Result<Secret<String>> {
    let http = Http::new(program)?;
    let provider = match known(program.provider) {
        Some(provider) => provider,
        None => http.discover(program.provider, program.scope).await?,
    };
    if provider.device.is_empty() {
        return by_page(&http, program, &provider, out).await;
    }
    by_device(&http, program, &provider, out).await
}

async fn by_device(http: &Http, program: &Program<'_>, provider: &Provider, out: &Out) -> anyhow::Result<Secret<String>> {
    let asked = http.post(&provider.device, program, &[("scope", &provider.scope)]).await?;
    let text = |name: &str| asked[name].as_str().map(str::to_string).with_context(|| said(&asked));
    let (code, page) = (text("device_code")?, text("verification_uri")?);
    tell(out, &format!("Open {page} in a browser, sign in, and type the code {}", text("user_code")?));
    let lives = Duration::from_secs(asked["expires_in"].as_u64().unwrap_or(0)).min(OAUTH_WAIT_MAX);
    let mut every = Duration::from_secs(asked["interval"].as_u64().unwrap_or(5)).max(OAUTH_POLL_MIN);
    let begun = Instant::now();
    while begun.elapsed() < lives {
        sleep(every).await;
        let answer = http.post(&provider.token, program, &[("grant_type", DEVICE_GRANT), ("device_code", &code)]).await?;
        match answer["error"].as_str() {
            None => return access_token(&answer),
            Some("authorization_pending") => {}
            // RFC 8628 §3.5
            Some("slow_down") => every += Duration::from_secs(5),
            Some(_) => bail!(said(&answer)),
        }
    }
    bail!("nobody typed the code in time; run it again")
}

async fn by_page(http: &Http, program: &Program<'_>, provider: &Provider, out: &Out) -> anyhow::Result<Secret<String>> {
    let (verifier, state) = (chance()?, chance()?);
    let page = page(provider, program.client, &verifier, &state)?;
    tell(out, &format!("Open this page in a browser and sign in:\n\n{page}\n\nThen paste the address to which it led in the end:"));
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).context("the address cannot be read")?;
    let code = code_of(line.trim(), &state)?;
    let exchange =
        [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", REDIRECT_URI), ("code_verifier", &verifier)];
    access_token(&http.post(&provider.token, program, &exchange).await?)
}

/// The address of the page.
fn page(provider: &Provider, client: &str, verifier: &str, state: &str) -> anyhow::Result<Url> {
    let challenge = BASE64.encode(digest(&SHA256, verifier.as_bytes()));
    let query = [
        ("response_type", "code"),
        ("client_id", client),
        ("redirect_uri", REDIRECT_URI),
        ("scope", &provider.scope),
        ("state", state),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    Ok(Url::parse_with_params(&provider.authorization, query)?)
}

/// The code in the address that was pasted; it answers our question and no other.
fn code_of(address: &str, state: &str) -> anyhow::Result<String> {
    let address = Url::parse(address).context("this is no address of a page")?;
    let find = |name: &str| address.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    if let Some(error) = find("error") {
        bail!("the provider says: {error}");
    }
    ensure!(find("state").as_deref() == Some(state), "this address answers another question; begin again");
    find("code").context("there is no code in this address")
}

fn access_token(answer: &Value) -> anyhow::Result<Secret<String>> {
    let token = answer["access_token"].as_str().with_context(|| said(answer))?;
    Ok(Secret::new(token.to_string()))
}

/// What a provider says of what it did not do.
fn said(answer: &Value) -> String {
    let text = |name: &str| answer[name].as_str().unwrap_or_default().chars().take(200).collect::<String>();
    format!("the provider says: {} {}", text("error"), text("error_description"))
}

fn chance() -> anyhow::Result<String> {
    let mut octets = [0; 32];
    aws_lc_rs::rand::fill(&mut octets).map_err(|_| anyhow::anyhow!("the system gives no random numbers; try again"))?;
    Ok(BASE64.encode(octets))
}

/// For the person, whoever reads the result.
fn tell(out: &Out, text: &str) {
    out.say(text);
}

struct Http(Client);

impl Http {
    fn new(program: &Program<'_>) -> anyhow::Result<Self> {
        let mut roots = Vec::new();
        for path in program.extra_roots {
            roots.extend(reqwest::Certificate::from_pem_bundle(&std::fs::read(path)?)?);
        }
        let mut client = Client::builder()
            .https_only(true)
            .redirect(reqwest::redirect::Policy::none())
            .timeout(TIMEOUT)
            .user_agent("Hearth")
            .tls_certs_merge(roots);
        if let (Some(address), Ok(issuer)) = (program.connect, Url::parse(program.provider)) {
            let host = issuer.host_str().context("the issuer has a name")?;
            client = client.resolve(host, SocketAddr::new(address, issuer.port_or_known_default().unwrap_or(443)));
        }
        Ok(Self(client.build()?))
    }

    /// RFC 8414 §3, and OpenID Connect Discovery for those who have only that.
    async fn discover(&self, issuer: &str, scope: &str) -> anyhow::Result<Provider> {
        ensure!(issuer.starts_with("https://"), "{issuer} is neither google, microsoft, yahoo, fastmail nor an https:// address");
        let issuer = issuer.trim_end_matches('/');
        for path in ["oauth-authorization-server", "openid-configuration"] {
            let answer = self.0.get(format!("{issuer}/.well-known/{path}")).send().await?;
            if !answer.status().is_success() {
                continue;
            }
            let facts = read(answer).await?;
            ensure!(
                facts["issuer"].as_str().map(|said| said.trim_end_matches('/')) == Some(issuer),
                "{issuer} says that it is another"
            );
            let text = |name: &str| facts[name].as_str().unwrap_or_default().to_string();
            let provider = Provider {
                authorization: text("authorization_endpoint"),
                token: text("token_endpoint"),
                device: text("device_authorization_endpoint"),
                scope: scope.to_string(),
            };
            ensure!(!provider.token.is_empty(), "{issuer} does not say where its tokens are");
            return Ok(provider);
        }
        bail!("{issuer} says nothing of how to sign in there")
    }

    async fn post(&self, url: &str, program: &Program<'_>, fields: &[(&str, &str)]) -> anyhow::Result<Value> {
        let mut form = vec![("client_id", program.client)];
        form.extend(program.secret.as_ref().map(|secret| ("client_secret", secret.expose().as_str())));
        form.extend_from_slice(fields);
        read(self.0.post(url).form(&form).send().await?).await
    }
}

/// An answer in JSON, whatever its status; RFC 6749 §5.2 has errors in it too.
async fn read(answer: reqwest::Response) -> anyhow::Result<Value> {
    let mut answer = answer;
    let mut text = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        text.extend_from_slice(&chunk);
        ensure!(text.len() <= OAUTH_ANSWER_BYTES_MAX, "{} answers with too much", answer.url());
    }
    serde_json::from_slice(&text).with_context(|| format!("{} ({}) does not answer in JSON", answer.url(), answer.status()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_providers() {
        for name in ["google", "microsoft", "yahoo", "fastmail"] {
            let provider = known(name).expect(name);
            let page = page(&provider, "client 1", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "s").expect(name);
            // RFC 7636 appendix B
            assert!(page.query().is_some_and(|query| query.contains("code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")));
            assert!(page.as_str().starts_with("https://") && page.as_str().contains("client_id=client+1&"), "{page}");
        }
        assert_eq!(known("https://id.example.org"), None);
    }

    #[test]
    fn addresses_that_were_pasted() {
        assert_eq!(code_of("http://127.0.0.1/?state=s&code=a%2Fb", "s").expect("a code"), "a/b");
        for address in [
            "",
            "code",
            "http://127.0.0.1/?code=a",
            "http://127.0.0.1/?state=t&code=a",
            "http://127.0.0.1/?state=s",
            "http://127.0.0.1/?error=x&state=s&code=a",
        ] {
            assert!(code_of(address, "s").is_err(), "{address}");
        }
    }
}
