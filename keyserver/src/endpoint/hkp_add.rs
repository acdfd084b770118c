// SPDX-License-Identifier: AGPL-3.0-or-later
//! `POST /pks/add`: updates and revocations of certificates that this home keeps.

use hearth_web::Peer;
use hearth_web::axum::body::Bytes;
use hearth_web::axum::extract::rejection::RawFormRejection;
use hearth_web::axum::extract::{RawForm, State};
use hearth_web::axum::http::StatusCode;
use hearth_web::axum::response::Response;

use crate::answer::{self, Failure, Refusal};
use crate::ctx::Ctx;
use crate::rate::Bucket;
use crate::submit::{Outcome, submit};

/// One submission, form-encoded.
pub(crate) async fn run(State(ctx): State<Ctx>, peer: Peer, form: Result<RawForm, RawFormRejection>) -> Response {
    match form {
        Ok(RawForm(form)) => add(&ctx, &peer, &form).await.unwrap_or_else(answer::as_text),
        Err(rejection) => {
            let says = "Send keytext= as application/x-www-form-urlencoded, 4 MiB at most.";
            answer::as_text(Failure::Peer(Refusal::new(rejection.status(), says)))
        }
    }
}

async fn add(ctx: &Ctx, peer: &Peer, form: &Bytes) -> Result<Response, Failure> {
    ctx.admit(Bucket::Upload, peer)?;
    let keytext = keytext(form).ok_or_else(|| Failure::Peer(Refusal::new(StatusCode::BAD_REQUEST, "keytext= is missing.")))?;
    let outcomes = submit(ctx, keytext).await?;
    if outcomes.iter().all(|(_, outcome)| *outcome == Outcome::Unknown) {
        // A household's directory is no place for everybody's keys.
        let says = "This server keeps the keys of the people of this house only. Publish this key at keys.openpgp.org.";
        return Err(Failure::Peer(Refusal::new(StatusCode::FORBIDDEN, says)));
    }
    let lines: String =
        outcomes.iter().map(|(submitted, outcome)| format!("{} {}\n", submitted.fingerprint, outcome.says())).collect();
    Ok(answer::text(StatusCode::OK, lines))
}

/// The field of an `application/x-www-form-urlencoded` body (WHATWG URL §5.1).
fn keytext(form: &[u8]) -> Option<Vec<u8>> {
    let field = form.split(|octet| *octet == b'&').find_map(|field| field.strip_prefix(b"keytext="))?;
    let mut text = Vec::with_capacity(field.len());
    let mut octets = field.iter();
    while let Some(octet) = octets.next() {
        match octet {
            b'+' => text.push(b' '),
            b'%' => {
                let digits = [*octets.next()?, *octets.next()?];
                let digits = std::str::from_utf8(&digits).ok()?;
                text.push(u8::from_str_radix(digits, 16).ok()?);
            }
            plain => text.push(*plain),
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_is_decoded() {
        for (form, text) in [
            (&b"keytext=a%2Bb+c%0D%0A"[..], Some(&b"a+b c\r\n"[..])),
            (b"options=mr&keytext=x", Some(b"x")),
            (b"keytext=", Some(b"")),
            (b"keytext=%", None),
            (b"keytext=%2", None),
            (b"keytext=%zz", None),
            (b"key=x", None),
            (b"", None),
        ] {
            assert_eq!(keytext(form).as_deref(), text, "{form:?}");
        }
    }
}
