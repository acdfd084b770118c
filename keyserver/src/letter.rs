// SPDX-License-Identifier: AGPL-3.0-or-later
//! Letters that ask whether an address is somebody's. Pure: facts in, a message out.
//!
//! A letter about a key is encrypted to it, so that who answers has shown the mailbox and the key.

use std::io::Write as _;
use std::time::SystemTime;

use hearth_types::{Address, Timestamp};
use sequoia_openpgp::Cert;
use sequoia_openpgp::parse::Parse as _;
use sequoia_openpgp::policy::StandardPolicy;
use sequoia_openpgp::serialize::stream::{Armorer, Encryptor, LiteralWriter, Message};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use crate::cert::Refusal;
use crate::ctx::Site;
use crate::words::{Lang, Speaks as _};

/// What a letter says.
#[derive(Clone, Debug)]
pub(crate) struct Letter<'a> {
    pub(crate) to: &'a Address,
    pub(crate) subject: &'a str,
    pub(crate) text: &'a str,
    /// A path of ours that ends in a token.
    pub(crate) path: &'a str,
    pub(crate) fingerprint: Option<&'a str>,
    pub(crate) lang: Lang,
    /// A name for the message and its parts that no other has.
    pub(crate) id: &'a str,
}

impl Letter<'_> {
    /// In the open.
    pub(crate) fn plain(&self, site: &Site, now: Timestamp) -> Vec<u8> {
        format!("{}{}", self.head(site, now), self.entity(site)).into_bytes()
    }

    /// RFC 3156 §4: encrypted to every key of the certificate that is for it; `None` when there is none.
    pub(crate) fn sealed(&self, site: &Site, cert: &[u8], now: Timestamp, time: SystemTime) -> Result<Option<Vec<u8>>, Refusal> {
        let Some(sealed) = seal(self.entity(site).as_bytes(), cert, time)? else { return Ok(None) };
        let (head, edge) = (self.head(site, now), format!("=_{}", self.id));
        Ok(Some(
            format!(
                "{head}Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\";\r\n\tboundary=\"{edge}\"\r\n\r\n\
                 --{edge}\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n\
                 --{edge}\r\nContent-Type: application/octet-stream\r\n\r\n{sealed}\r\n--{edge}--\r\n"
            )
            .into_bytes(),
        ))
    }

    /// RFC 5322 §3.3.
    pub(crate) fn date(now: Timestamp) -> String {
        let date = OffsetDateTime::from_unix_timestamp(now.secs()).ok();
        date.and_then(|date| date.format(&Rfc2822).ok()).unwrap_or_default()
    }

    /// RFC 3834 §5: nobody answers it by a machine.
    fn head(&self, site: &Site, now: Timestamp) -> String {
        format!(
            "From: <postmaster@{domain}>\r\nTo: <{to}>\r\nSubject: {subject}\r\nDate: {date}\r\nMessage-ID: <{id}@{domain}>\r\n\
             Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n",
            domain = site.domain,
            to = self.to,
            subject = self.subject,
            date = Self::date(now),
            id = self.id,
        )
    }

    fn entity(&self, site: &Site) -> String {
        let fingerprint = self.fingerprint.map(|digits| format!("{}: {digits}\n", self.lang.words().fingerprint));
        let text = format!("{}\n\n{}\n{}\n{}{}\n", self.text, self.to, fingerprint.unwrap_or_default(), site.url, self.path);
        let text = text.replace('\n', "\r\n");
        format!(
            "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\nContent-Language: {}\r\n\r\n{text}",
            self.lang.tag()
        )
    }
}

/// Encrypted to every key of a certificate that is for it, in armour with CRLF; `None` when there is none.
pub(crate) fn seal(text: &[u8], cert: &[u8], time: SystemTime) -> Result<Option<String>, Refusal> {
    let policy = StandardPolicy::new();
    let cert = Cert::from_bytes(cert).map_err(Refusal::library)?;
    let keys = || cert.keys().with_policy(&policy, time).supported().alive().revoked(false).for_transport_encryption();
    if keys().next().is_none() {
        return Ok(None);
    }
    let mut sealed = Vec::new();
    let message = Armorer::new(Message::new(&mut sealed)).build().map_err(Refusal::library)?;
    let message = Encryptor::for_recipients(message, keys()).build().map_err(Refusal::library)?;
    let mut writer = LiteralWriter::new(message).build().map_err(Refusal::library)?;
    writer.write_all(text).map_err(Refusal::library)?;
    writer.finalize().map_err(Refusal::library)?;
    Ok(Some(String::from_utf8(sealed).map_err(Refusal::library)?.replace("\r\n", "\n").replace('\n', "\r\n")))
}
