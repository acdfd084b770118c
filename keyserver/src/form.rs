// SPDX-License-Identifier: AGPL-3.0-or-later
//! The field of a form that carries keys: `application/x-www-form-urlencoded`, `multipart/form-data`, or no form at all.
//!
//! Pure: a content type and a body in, the octets of one field out.

use hearth_web::axum::body::Bytes;
use hearth_web::axum::http::StatusCode;
use zeroize::Zeroize as _;

use crate::answer::Refusal;
use crate::limits::{FORM_PART_HEAD_BYTES_MAX, FORM_PARTS_MAX};

/// What a body may be where keys are brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepts {
    /// HKP §4: a form with the field `keytext`.
    Form,
    /// HKP v2: the octets themselves, or the field `keytext` of a multipart form.
    Keys,
}

impl Accepts {
    fn wants(self) -> &'static str {
        match self {
            Self::Form => "Send keytext= as application/x-www-form-urlencoded or multipart/form-data.",
            Self::Keys => "Send the certificates as application/pgp-keys, or keytext as multipart/form-data.",
        }
    }
}

/// The octets of the keys in a body.
pub fn keytext(content_type: Option<&str>, body: &[u8], accepts: Accepts) -> Result<Vec<u8>, Refusal> {
    let refuse = |status| Refusal::new(status, accepts.wants());
    let (kind, params) = content_type.unwrap_or_default().split_once(';').unwrap_or((content_type.unwrap_or_default(), ""));
    let kind = kind.trim().to_ascii_lowercase();
    let found = match (accepts, kind.as_str()) {
        (Accepts::Form, "application/x-www-form-urlencoded") => url_encoded(body),
        (_, "multipart/form-data") => boundary(params).and_then(|boundary| multipart(body, &boundary)),
        (Accepts::Keys, "application/pgp-keys" | "application/octet-stream" | "application/pgp") => Some(body.to_vec()),
        _ => return Err(refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE)),
    };
    found.ok_or_else(|| refuse(StatusCode::BAD_REQUEST))
}

/// Wipes a body that was read: there may be a secret key in it. `false` when somebody else holds a part of it.
pub(crate) fn wipe(body: Bytes) -> bool {
    let unique = body.try_into_mut();
    unique.is_ok_and(|mut body| {
        body.as_mut().zeroize();
        body.iter().all(|octet| *octet == 0)
    })
}

/// The field `keytext` (WHATWG URL §5.1).
fn url_encoded(form: &[u8]) -> Option<Vec<u8>> {
    let field = form.split(|octet| *octet == b'&').find_map(|field| field.strip_prefix(b"keytext="))?;
    let mut text = Vec::with_capacity(field.len());
    let mut rest = field;
    // In whole runs: a body may have megabytes.
    while let Some(at) = memchr::memchr2(b'+', b'%', rest) {
        let (plain, from) = rest.split_at_checked(at)?;
        text.extend_from_slice(plain);
        let (first, after) = from.split_first()?;
        if *first == b'+' {
            text.push(b' ');
            rest = after;
        } else {
            let (digits, after) = after.split_at_checked(2)?;
            let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
            text.push(u8::from_str_radix(digits, 16).ok()?);
            rest = after;
        }
    }
    text.extend_from_slice(rest);
    Some(text)
}

/// RFC 2046 §5.1.1: 1 to 70 characters.
fn boundary(params: &str) -> Option<String> {
    let value = params.split(';').find_map(|param| {
        let (name, value) = param.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"'))
    })?;
    (1..=70).contains(&value.len()).then(|| value.to_string())
}

/// RFC 7578 §4: the content of the part that is named `keytext`.
fn multipart(body: &[u8], boundary: &str) -> Option<Vec<u8>> {
    let delimiter = format!("--{boundary}");
    let finder = memchr::memmem::Finder::new(delimiter.as_bytes());
    let starts: Vec<usize> = finder.find_iter(body).take(FORM_PARTS_MAX + 2).collect();
    if starts.len() > FORM_PARTS_MAX + 1 {
        return None;
    }
    // A page has a field for text and one for a file under the same name, one of which stays empty.
    let parts = starts.windows(2).filter_map(|pair| {
        let (from, to) = (pair.first()? + delimiter.len(), *pair.last()?);
        // A delimiter is a line of its own.
        let part = body.get(from..to)?.strip_prefix(b"\r\n")?.strip_suffix(b"\r\n")?;
        let head_end = memchr::memmem::find(part, b"\r\n\r\n").filter(|end| *end <= FORM_PART_HEAD_BYTES_MAX)?;
        let head = std::str::from_utf8(part.get(..head_end)?).ok()?;
        is_keytext(head).then(|| part.get(head_end + 4..)).flatten()
    });
    let mut parts: Vec<&[u8]> = parts.collect();
    parts.sort_by_key(|part| part.is_empty());
    parts.first().map(|part| part.to_vec())
}

fn is_keytext(head: &str) -> bool {
    let disposition = head.split("\r\n").filter_map(|line| line.split_once(':'));
    disposition.filter(|(name, _)| name.trim().eq_ignore_ascii_case("content-disposition")).any(|(_, value)| {
        value
            .split(';')
            .filter_map(|param| param.split_once('='))
            .any(|(name, value)| name.trim().eq_ignore_ascii_case("name") && value.trim().trim_matches('"') == "keytext")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: Option<&str> = Some("application/x-www-form-urlencoded");

    #[test]
    fn the_field_of_a_form_is_decoded() {
        for (form, text) in [
            (&b"keytext=a%2Bb+c%0D%0A"[..], Some(&b"a+b c\r\n"[..])),
            (b"options=mr&keytext=x", Some(b"x")),
            (b"keytext=", Some(b"")),
            (b"keytext=%", None),
            (b"keytext=%2", None),
            (b"keytext=%zz", None),
            (b"keytext=%+1", None),
            (b"key=x", None),
            (b"", None),
        ] {
            let found = keytext(FORM, form, Accepts::Form);
            assert_eq!(found.as_deref().ok(), text, "{form:?}");
            assert_eq!(found.err().map(|refusal| refusal.status()), text.is_none().then_some(StatusCode::BAD_REQUEST));
        }
    }

    #[test]
    fn the_part_of_a_multipart_form_is_found() {
        let body = |parts: &str| format!("preamble\r\n{}--x--\r\n", parts.replace('\n', "\r\n"));
        let kind = Some("Multipart/Form-Data; charset=utf-8; boundary=\"x\"");
        let found = |parts: &str| keytext(kind, body(parts).as_bytes(), Accepts::Form).ok();
        let named =
            "--x\nContent-Disposition: form-data; name=\"keytext\"; filename=\"a.asc\"\nContent-Type: text/plain\n\nthe\nkey\n";
        let other = "--x\nContent-Disposition: form-data; name=\"submit\"\n\nSend\n";
        assert_eq!(found(named).as_deref(), Some(&b"the\r\nkey"[..]));
        assert_eq!(found(&format!("{other}{named}")).as_deref(), Some(&b"the\r\nkey"[..]));
        assert_eq!(found(other), None);
        let empty = "--x\nContent-Disposition: form-data; name=\"keytext\"\n\n\n";
        assert_eq!(found(&format!("{empty}{named}")).as_deref(), Some(&b"the\r\nkey"[..]));
        assert_eq!(found(empty).as_deref(), Some(&b""[..]));
        assert_eq!(found(&format!("{}{named}", other.repeat(FORM_PARTS_MAX - 1))).as_deref(), Some(&b"the\r\nkey"[..]));
        assert_eq!(found(&format!("{}{named}", other.repeat(FORM_PARTS_MAX))), None);
        let padded = |octets: usize| named.replace("text/plain", &"p".repeat(octets));
        let head = named.trim_start_matches("--x\n").split("\n\n").next().unwrap_or_default().replace('\n', "\r\n");
        let spare = FORM_PART_HEAD_BYTES_MAX - (head.len() - "text/plain".len());
        assert!(found(&padded(spare)).is_some() && found(&padded(spare + 1)).is_none());
        for kind in ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=y"] {
            assert!(keytext(Some(kind), body(named).as_bytes(), Accepts::Form).is_err(), "{kind}");
        }
        // Never finished: not a part.
        assert!(keytext(kind, body(named).replace("--x--", "").as_bytes(), Accepts::Form).is_err());
    }

    #[test]
    fn a_body_is_wiped_unless_somebody_holds_it() {
        let body = Bytes::from(b"keytext=a secret".to_vec());
        let held = body.clone();
        assert!(!wipe(body));
        assert_eq!(held, b"keytext=a secret".as_slice());
        assert!(wipe(held));
    }

    #[test]
    fn other_types_are_refused_by_name() {
        for (kind, accepts, status) in [
            (None, Accepts::Form, 415),
            (Some("text/plain"), Accepts::Form, 415),
            (Some("application/pgp-keys"), Accepts::Form, 415),
            (FORM, Accepts::Keys, 415),
            (None, Accepts::Keys, 415),
        ] {
            assert_eq!(keytext(kind, b"keytext=x", accepts).unwrap_err().status(), status, "{kind:?}");
        }
        for kind in ["application/pgp-keys", "application/pgp-keys;armor=no", "application/octet-stream"] {
            assert_eq!(keytext(Some(kind), b"\x99", Accepts::Keys).unwrap(), b"\x99");
        }
    }
}
