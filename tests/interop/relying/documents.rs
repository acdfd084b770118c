// SPDX-License-Identifier: AGPL-3.0-or-later
//! An app whose `client_id` is the address at which it describes itself: the document is fetched over the wire, through the
//! guarded door (draft-ietf-oauth-client-id-metadata-document).

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hearth_oauth::limits::CLIENT_DOCUMENT_BYTES_MAX;
use hearth_tests::{Dns, Home, HomeBuilder, Machine, own_loopback_address};
use rcgen::{CertificateParams, KeyPair};
use rustls_pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::DOMAIN;

const HOST: &str = "app.stranger.test";
const REQUEST_BYTES_MAX: usize = 4096;

/// A stranger's web server on the port of HTTPS: documents by their path, and how often one was asked for.
#[derive(Clone)]
struct Place {
    address: IpAddr,
    certificate: String,
    documents: Arc<Mutex<HashMap<String, String>>>,
    asked: Arc<Mutex<u32>>,
}

impl Place {
    async fn start() -> Result<Self> {
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(vec![HOST.to_string()])?.self_signed(&key)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))?;
        let address = own_loopback_address();
        let listener = TcpListener::bind(SocketAddr::new(address, 443)).await?;
        let place = Self { address, certificate: certificate.pem(), documents: Arc::default(), asked: Arc::default() };
        let (serving, acceptor) = (place.clone(), TlsAcceptor::from(Arc::new(tls)));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // Whoever goes away in the middle is not missed.
                let _ = serving.answer(&acceptor, stream).await;
            }
        });
        Ok(place)
    }

    async fn answer(&self, acceptor: &TlsAcceptor, stream: TcpStream) -> Result<()> {
        let mut stream = acceptor.accept(stream).await?;
        let mut request = vec![0; REQUEST_BYTES_MAX];
        let count = stream.read(&mut request).await?;
        let request = String::from_utf8_lossy(&request[..count]).into_owned();
        let path = request.split(' ').nth(1).context("a request line")?;
        *self.asked.lock().ok().context("a lock")? += 1;
        let body = self.documents.lock().ok().context("a lock")?.get(path).cloned().context("a document")?;
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(format!("{head}{body}").as_bytes()).await?;
        Ok(stream.shutdown().await?)
    }

    /// Puts a document of this many octets at a path; the `client_id` that it makes.
    fn put(&self, path: &str, redirect_uri: &str, octets: usize) -> Result<String> {
        let client_id = format!("https://{HOST}{path}");
        let document = json!({"client_id": client_id, "client_name": "Your bank", "redirect_uris": [redirect_uri]}).to_string();
        let document = document.clone() + &" ".repeat(octets.checked_sub(document.len()).context("room")?);
        self.documents.lock().ok().context("a lock")?.insert(path.to_string(), document);
        Ok(client_id)
    }

    fn asked(&self) -> u32 {
        self.asked.lock().map_or(0, |asked| *asked)
    }
}

/// A code that nobody is sent to: what the page said instead.
async fn refused(home: &Home, client_id: &str, redirect_uri: &str) -> Result<String> {
    match home.code(&home.alice, client_id, redirect_uri, "openid").await {
        Ok(code) => anyhow::bail!("{client_id} was given the code {code}"),
        Err(error) => Ok(format!("{error:#}")),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_is_its_own_address() -> Result<()> {
    if !Machine::is_possible(&[]) {
        return Ok(());
    }
    let place = Place::start().await?;
    let dns = Dns::start(&[("stranger.test", format!("app 60 IN A {}\n", place.address))])?;
    let mut home = HomeBuilder::default().domain(DOMAIN).dns(dns.address).prepare()?;
    let root = home.dir.join("stranger.pem");
    std::fs::write(&root, &place.certificate)?;
    home.set_env("HEARTH_TLS__EXTRA_ROOTS", &root.display().to_string())?;
    home.up()?;
    home.hearth(&["client", "registration", "open"])?;
    let (back, elsewhere) = (format!("https://{HOST}/cb"), format!("https://{HOST}/elsewhere"));
    let app = place.put("/client.json", &back, CLIENT_DOCUMENT_BYTES_MAX)?;

    // A name that leads to this machine leads nowhere: nothing is connected to.
    ensure!(refused(&home, &app, &back).await?.contains("cannot be read"));
    ensure!(place.asked() == 0, "the guard let it through");
    home.down()?;
    home.set_env("HEARTH_FETCH__PRIVATE_NETWORKS", "127.0.0.0/8")?;
    home.up()?;

    let code = home.code(&home.alice, &app, &back, "openid email").await?;
    let tokens = home.exchange(&app, &back, &code).await?;
    let token = tokens["id_token"].as_str().and_then(|token| token.split('.').nth(1)).with_context(|| tokens.to_string())?;
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token)?)?;
    ensure!(claims["aud"] == app.as_str() && claims["email"] == home.alice.address.as_str(), "{claims}");
    ensure!(place.asked() == 1, "it is read once: {}", place.asked());
    let says = refused(&home, &app, &elsewhere).await?;
    ensure!(says.contains("400") && says.contains("not registered"), "{says}");

    // The document is another: that counts once it is read again, a day later.
    place.put("/client.json", &elsewhere, CLIENT_DOCUMENT_BYTES_MAX)?;
    home.code(&home.alice, &app, &back, "openid").await?;
    let a_day_passes = "UPDATE client SET metadata = replace(metadata, '\"hearth_read_at\":', '\"hearth_read_at\":-')";
    home.directory_sql(a_day_passes)?;
    let says = refused(&home, &app, &back).await?;
    ensure!(says.contains("400") && says.contains("not registered"), "{says}");
    home.code(&home.alice, &app, &elsewhere, "openid").await?;
    ensure!(place.asked() == 2, "{}", place.asked());

    // An octet more than the bound: what was read before counts, and who was not read before is nobody.
    place.put("/client.json", &back, CLIENT_DOCUMENT_BYTES_MAX + 1)?;
    home.directory_sql(a_day_passes)?;
    home.code(&home.alice, &app, &elsewhere, "openid").await?;
    ensure!(place.asked() == 3, "{}", place.asked());
    let large = place.put("/large.json", &back, CLIENT_DOCUMENT_BYTES_MAX + 1)?;
    ensure!(refused(&home, &large, &back).await?.contains("cannot be read"));
    ensure!(!home.hearth(&["client", "list", "--json"])?.contains("/large.json"));
    Ok(())
}
