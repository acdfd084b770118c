// SPDX-License-Identifier: AGPL-3.0-or-later
//! Mail sealed at rest: what was delivered in the open is turned into PGP/MIME for its owner, so that who carries
//! the disk away reads none of it. The node holds the certificate alone; reading is for who has the secret key.
//!
//! The whole mail goes inside (RFC 3156 §4), its header with it (RFC 9788): outside stay the fields that a mailbox
//! is sorted by, and `[...]` for the subject. Fields of the way here (Received, Authentication-Results) stay
//! outside alone. A mail that is encrypted already is left as it is.

use std::io::{self, Read, Write};
use std::time::SystemTime;

use hearth_wire::smtp::{Field, Fields, body_offset};
use sequoia_openpgp::Cert;
use sequoia_openpgp::parse::Parse as _;
use sequoia_openpgp::policy::StandardPolicy;
use sequoia_openpgp::serialize::stream::{Armorer, Encryptor, LiteralWriter, Message};

/// What stands outside for the subject (RFC 9788 §3.2.1, `hcp_baseline`).
const SUBJECT: &str = "[...]";
/// Written on the way, by us and those before: not the author's, so not sealed.
const OF_THE_WAY: [&str; 6] =
    ["Received", "Return-Path", "Delivered-To", "Authentication-Results", "X-Hearth-Reason", "Received-SPF"];
/// Shown outside as they are: what lists, threads and filters need.
const SHOWN: [&str; 11] =
    ["From", "Sender", "Reply-To", "To", "Cc", "Date", "Message-ID", "In-Reply-To", "References", "Auto-Submitted", "List-Id"];
/// Of the content, which is inside (RFC 2045 §3).
const OF_CONTENT: &str = "Content-";

/// Why a mail stays as it is. None of these may cost the mail.
#[derive(Debug, thiserror::Error)]
pub enum NotSealed {
    /// It is encrypted by its sender.
    #[error("it is encrypted already")]
    Already,
    /// The certificate has no key for encryption that is good now.
    #[error("the certificate has no key for encryption that is good now")]
    NoKey,
    /// The certificate cannot be read, or the library failed.
    #[error("{0}")]
    Library(String),
}

/// Seals a mail for the owner of a certificate. `edge` is a word that no other mail has: it ends the parts.
pub fn seal(mail: &[u8], cert: &[u8], at: SystemTime, edge: &str) -> Result<Vec<u8>, NotSealed> {
    let mut sealed = Vec::with_capacity(mail.len() + mail.len() / 2);
    seal_to(&mut sealed, mail, &mut io::empty(), cert, at, edge)?;
    Ok(sealed)
}

/// As [`seal`], of a mail that begins with `start` (all of its header is there) and goes on with what `rest` reads.
pub fn seal_to(
    sealed: &mut (dyn Write + Send + Sync),
    start: &[u8],
    rest: &mut dyn Read,
    cert: &[u8],
    at: SystemTime,
    edge: &str,
) -> Result<(), NotSealed> {
    if is_encrypted(start) {
        return Err(NotSealed::Already);
    }
    let library = |error: sequoia_openpgp::anyhow::Error| NotSealed::Library(error.to_string());
    let cert = Cert::from_bytes(cert).map_err(library)?;
    let policy = StandardPolicy::new();
    let keys = || {
        let keys = cert.keys().with_policy(&policy, at).supported().alive().revoked(false);
        keys.for_storage_encryption().for_transport_encryption()
    };
    if keys().next().is_none() {
        return Err(NotSealed::NoKey);
    }
    let written = |error: io::Error| NotSealed::Library(error.to_string());
    before(start, edge, sealed).map_err(written)?;
    let mut lines = CrLf { to: &mut *sealed };
    let message = Armorer::new(Message::new(&mut lines)).build().map_err(library)?;
    let message = Encryptor::for_recipients(message, keys()).build().map_err(library)?;
    let mut writer = LiteralWriter::new(message).build().map_err(library)?;
    inside(start, &mut writer).and_then(|()| io::copy(rest, &mut writer).map(|_| ())).map_err(written)?;
    writer.finalize().map_err(library)?;
    write!(sealed, "\r\n--{edge}--\r\n").map_err(written)
}

/// The armour has lines of LF.
struct CrLf<'w> {
    to: &'w mut (dyn Write + Send + Sync),
}

impl Write for CrLf<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        for line in octets.split_inclusive(|octet| *octet == b'\n') {
            match line.strip_suffix(b"\n") {
                Some(line) => {
                    self.to.write_all(line.strip_suffix(b"\r").unwrap_or(line))?;
                    self.to.write_all(b"\r\n")?;
                }
                None => self.to.write_all(line)?,
            }
        }
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Is it PGP/MIME, S/MIME, or a body that is OpenPGP's armour?
pub fn is_encrypted(mail: &[u8]) -> bool {
    let kind = Fields::of(mail).find(|field| field.is("Content-Type")).map(|field| field.value().to_ascii_lowercase());
    let kind = kind.unwrap_or_default();
    let kind = kind.trim_ascii_start();
    let body = mail.get(body_offset(mail)..).unwrap_or_default();
    // RFC 8551 §3.2.2: what is only signed can be read by anybody.
    let is_only_signed = ["signed-data", "certs-only"].iter().any(|name| kind.windows(name.len()).any(|at| at == name.as_bytes()));
    let is_smime = kind.starts_with(b"application/pkcs7-mime") || kind.starts_with(b"application/x-pkcs7-mime");
    kind.starts_with(b"multipart/encrypted")
        || is_smime && !is_only_signed
        || body.trim_ascii_start().starts_with(b"-----BEGIN PGP MESSAGE-----")
}

fn is_any(field: &Field<'_>, names: &[&str]) -> bool {
    names.iter().any(|name| field.is(name))
}

fn is_of_content(field: &Field<'_>) -> bool {
    field.is("MIME-Version")
        || field.name.get(..OF_CONTENT.len()).is_some_and(|start| start.eq_ignore_ascii_case(OF_CONTENT.as_bytes()))
}

/// The payload (RFC 9788 §2.1): the author's fields, what of them is shown outside, the content's fields, the body.
fn inside(mail: &[u8], to: &mut impl Write) -> io::Result<()> {
    let ours: Vec<Field<'_>> = Fields::of(mail).filter(|field| !is_any(field, &OF_THE_WAY)).collect();
    let authors = || ours.iter().filter(|field| !is_of_content(field));
    for field in authors() {
        to.write_all(field.raw)?;
    }
    // RFC 9788 §2.2: a copy of each field as it stands outside.
    for field in authors() {
        if field.is("Subject") {
            write!(to, "HP-Outer: Subject: {SUBJECT}\r\n")?;
        } else if is_any(field, &SHOWN) {
            to.write_all(b"HP-Outer: ")?;
            to.write_all(field.raw)?;
        }
    }
    let mut has_type = false;
    for field in ours.iter().filter(|field| is_of_content(field) && !field.is("MIME-Version")) {
        if field.is("Content-Type") && !has_type {
            has_type = true;
            let value = field.raw.trim_ascii_end();
            to.write_all(value.strip_suffix(b";").unwrap_or(value))?;
            to.write_all(MARK)?;
        } else {
            to.write_all(field.raw)?;
        }
    }
    if !has_type {
        // RFC 2045 §5.2: what a mail without the field is.
        to.write_all(b"Content-Type: text/plain; charset=us-ascii")?;
        to.write_all(MARK)?;
    }
    to.write_all(b"\r\n")?;
    to.write_all(mail.get(body_offset(mail)..).unwrap_or_default())
}

/// RFC 9788 §2.1.1; the second parameter is the older way, which more programs know.
const MARK: &[u8] = b";\r\n\thp=\"cipher\"; protected-headers=\"v1\"\r\n";

/// What stands before the armour.
fn before(mail: &[u8], edge: &str, to: &mut dyn Write) -> io::Result<()> {
    for field in Fields::of(mail) {
        if field.is("Subject") {
            write!(to, "Subject: {SUBJECT}\r\n")?;
        } else if is_any(&field, &OF_THE_WAY) || is_any(&field, &SHOWN) {
            to.write_all(field.raw)?;
        }
    }
    write!(
        to,
        "MIME-Version: 1.0\r\n\
         Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\";\r\n\tboundary=\"{edge}\"\r\n\r\n\
         --{edge}\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n\
         --{edge}\r\nContent-Type: application/octet-stream; name=\"encrypted.asc\"\r\n\
         Content-Disposition: inline; filename=\"encrypted.asc\"\r\n\r\n"
    )
}

#[cfg(test)]
mod tests;
