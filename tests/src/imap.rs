// SPDX-License-Identifier: AGPL-3.0-or-later
//! A raw IMAP client: commands as text, responses as lines; literals are read into the line that names them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::Home;

const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// A connection to port 993 of a home.
pub struct Imap {
    stream: BufReader<TlsStream<TcpStream>>,
    tag: u32,
}

impl Imap {
    /// Connects and reads the greeting.
    pub async fn connect(home: &Home) -> Result<Self> {
        let mut roots = rustls::RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(home.ca())? {
            roots.add(certificate?)?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(format!("mail.{}", home.domain))?;
        let tcp = TcpStream::connect(home.at(993)).await?;
        let tls = TlsConnector::from(Arc::new(config)).connect(name, tcp).await?;
        let mut imap = Self { stream: BufReader::new(tls), tag: 0 };
        let greeting = imap.line().await?;
        ensure!(greeting.starts_with("* OK"), "greeting: {greeting}");
        Ok(imap)
    }

    /// Connects and signs in.
    pub async fn sign_in(home: &Home, address: &str, password: &str) -> Result<Self> {
        let mut imap = Self::connect(home).await?;
        imap.ok(&format!("LOGIN \"{address}\" \"{password}\"")).await?;
        Ok(imap)
    }

    /// One line without its end; the bytes of literals stand in it where they came.
    pub async fn line(&mut self) -> Result<String> {
        let mut whole = Vec::new();
        loop {
            let mut part = Vec::new();
            let read =
                tokio::time::timeout(ANSWER_WITHIN, self.stream.read_until(b'\n', &mut part)).await.context("no answer")??;
            ensure!(read > 0, "the server closed the connection");
            let literal = literal_length(&part);
            whole.extend_from_slice(part.strip_suffix(b"\r\n").context("a line ends with CRLF")?);
            let Some(length) = literal else { break };
            whole.extend_from_slice(b"\r\n");
            let mut bytes = vec![0; length];
            self.stream.read_exact(&mut bytes).await?;
            whole.extend_from_slice(&bytes);
        }
        Ok(String::from_utf8_lossy(&whole).into_owned())
    }

    /// Sends a line as it is.
    pub async fn send(&mut self, line: &str) -> Result<()> {
        self.stream.write_all(line.as_bytes()).await?;
        self.stream.write_all(b"\r\n").await?;
        Ok(self.stream.flush().await?)
    }

    /// Sends a command with a tag; the untagged lines, and the tagged one without its tag.
    pub async fn command(&mut self, command: &str) -> Result<(Vec<String>, String)> {
        self.tag += 1;
        let tag = format!("t{}", self.tag);
        self.send(&format!("{tag} {command}")).await?;
        let mut untagged = Vec::new();
        loop {
            let line = self.line().await?;
            match line.strip_prefix(&format!("{tag} ")) {
                Some(done) => return Ok((untagged, done.to_string())),
                None => untagged.push(line),
            }
        }
    }

    /// A command that must succeed; its untagged lines.
    pub async fn ok(&mut self, command: &str) -> Result<Vec<String>> {
        let (untagged, done) = self.command(command).await?;
        if !done.starts_with("OK") {
            bail!("{command}: {done}");
        }
        Ok(untagged)
    }
}

/// RFC 9051 §4.3: a line that ends with `{n}` goes on with n octets.
fn literal_length(line: &[u8]) -> Option<usize> {
    let line = line.strip_suffix(b"}\r\n")?;
    let open = line.iter().rposition(|&b| b == b'{')?;
    std::str::from_utf8(&line[open + 1..]).ok()?.parse().ok()
}
