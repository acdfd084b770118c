// SPDX-License-Identifier: AGPL-3.0-or-later
//! The Web Key Service: publishing a certificate by mail, as GnuPG's and Kleopatra's clients do it
//! (draft-koch-openpgp-webkey-service-21 §4).
//!
//! A mail to `key-submission@D` brings a certificate, encrypted to that address's key. Each address in it that is
//! somebody's here is asked by a mail that only the key opens; whoever answers with the nonce has shown the mailbox and the
//! key, and the address is published in that certificate. Mails come from `hearth-smtp` by way of the directory; ours go
//! out as letters of the house.

pub(crate) mod open;

use std::time::Duration;

use hearth_identity::certs::{HouseMail, Purpose, Token};
use hearth_types::{Address, Domain, Secret, Timestamp, Trouble};
use hearth_wire::message::{self, Headers};
use hearth_wire::wks::{ConfirmationRequest, ConfirmationResponse};

use crate::answer::Failure;
use crate::cert::clean::NamedUserId;
use crate::cert::{Clean, authority, read_submission};
use crate::ctx::Ctx;
use crate::letter::{Letter, seal};
use crate::limits::WKS_ADDRESSES_MAX;
use crate::proof::{self, Place};
use crate::submit::compute;
use crate::words::{Lang, Speaks as _};

/// The local part of the submission address.
pub const LOCAL_PART: &str = "key-submission";
/// What the directory calls its key.
pub const ROLE: &str = "submission";
/// How often the directory is looked at: a person waits.
const LOOK: Duration = Duration::from_secs(2);
/// A mail with this field is one of ours that came back.
const LOOP: &str = "X-WKS-Loop";

/// What a mail asks for, once it is open.
#[derive(Debug, PartialEq, Eq)]
pub enum Asks {
    /// To publish this certificate.
    Publish(Vec<u8>),
    /// To take this for the proof of an address.
    Confirm(ConfirmationResponse),
    /// For nothing that we do, and why.
    Nothing(&'static str),
}

/// Answers mails until the process stops.
pub async fn run(ctx: Ctx, stop: impl Future<Output = ()>) {
    tokio::pin!(stop);
    loop {
        if let Err(trouble) = take(&ctx).await {
            tracing::error!(id = trouble.id(), %trouble, "mails of the Web Key Service wait; trying again");
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = &mut stop => return,
        }
    }
}

/// Answers those that wait. A mail that cannot be answered is dropped: its sender asks again.
pub(crate) async fn take(ctx: &Ctx) -> Result<(), Trouble> {
    while let Some(mail) = ctx.directory.find_house_mail().await? {
        let id = mail.id;
        match answer(ctx, mail).await {
            Ok(says) => tracing::info!(mail = %id, says, "a mail of the Web Key Service"),
            Err(Failure::Peer(refusal)) => tracing::info!(mail = %id, says = refusal.says(), "a mail of the Web Key Service"),
            Err(Failure::Ours(trouble)) => return Err(trouble),
        }
        ctx.directory.remove_house_mail(id).await?;
    }
    Ok(())
}

async fn answer(ctx: &Ctx, mail: HouseMail) -> Result<&'static str, Failure> {
    if mail.recipient.local() != LOCAL_PART {
        return Ok("to an address that nobody reads");
    }
    let Some(secret) = ctx.directory.find_service_cert(ROLE).await.map_err(Trouble::from)? else {
        return Ok("there is no key to open it with");
    };
    let permit = ctx.intake().await?;
    let (now, raw) = (ctx.system_time(), mail.raw);
    let asks = compute(move || read(&raw, &secret, now)).await?;
    let says = match asks {
        Asks::Publish(key) => publish(ctx, &mail.recipient, key).await?,
        Asks::Confirm(response) => confirm(ctx, &mail.recipient, &response).await?,
        Asks::Nothing(why) => why,
    };
    drop(permit);
    Ok(says)
}

/// Opens a mail and finds what it asks for. Pure.
pub fn read(raw: &[u8], secret: &[u8], now: std::time::SystemTime) -> Asks {
    if Headers::new(raw).any(|field| field.is(LOOP)) {
        return Asks::Nothing("one of our own came back");
    }
    let Some(sealed) = part(raw, "application/octet-stream").or_else(|| part(raw, "application/pgp-encrypted")) else {
        return Asks::Nothing("it is not encrypted");
    };
    let inner = match open::decrypt(&sealed, secret, now) {
        Ok(inner) => inner,
        Err(_) => return Asks::Nothing("it cannot be opened"),
    };
    if let Some(key) = part(&inner, "application/pgp-keys") {
        return Asks::Publish(key);
    }
    let response = part(&inner, "application/vnd.gnupg.wks");
    match response.as_deref().and_then(|text| std::str::from_utf8(text).ok()).and_then(ConfirmationResponse::parse) {
        Some(response) => Asks::Confirm(response),
        None => Asks::Nothing("there is nothing in it that we know"),
    }
}

/// The last part of a type, decoded. What says which key it is comes first, what is sealed with it later.
fn part(raw: &[u8], kind: &str) -> Option<Vec<u8>> {
    let parsed = message::parse(raw);
    let leaf = parsed.structure.leaves().into_iter().rfind(|leaf| leaf.mime_type().eq_ignore_ascii_case(kind))?;
    let encoded = raw.get(usize::try_from(leaf.body.start).ok()?..usize::try_from(leaf.body.end).ok()?)?;
    Some(message::decode_bytes(leaf, encoded).unwrap_or_else(|as_it_is| as_it_is))
}

/// Asks each address in the certificate that is of the submission address's domain.
async fn publish(ctx: &Ctx, submission: &Address, key: Vec<u8>) -> Result<&'static str, Failure> {
    let now = ctx.system_time();
    // What should have been public may not be.
    let key = Secret::new(key);
    let read = move || {
        let raw = read_submission(key.expose(), now)?.certs.into_iter().next().ok_or(crate::cert::Refusal::NoKey)?;
        let clean = Clean::from_raw(raw, now)?;
        clean.check_safe(now).map(|()| clean)
    };
    let clean = compute(read).await?.map_err(|refusal| Failure::Peer(refusal.into()))?;
    let is_of_ours = |named: &NamedUserId| !named.revoked && named.address.domain() == submission.domain();
    let mut asked = false;
    for NamedUserId { address, .. } in clean.named_user_ids().into_iter().filter(is_of_ours).take(WKS_ADDRESSES_MAX) {
        asked |= ask(ctx, submission, &clean, &address).await?;
    }
    Ok(if asked { "what it names was asked, if it is somebody's" } else { "nobody to be asked, or asked within the hour" })
}

/// §4.3: the question, which only the certificate's key opens, in a mail that the submission address signs. Of an address
/// that is nobody's the same is kept, as in `proof.rs`.
async fn ask(ctx: &Ctx, submission: &Address, clean: &Clean, address: &Address) -> Result<bool, Failure> {
    let (token, is_ours) = (Token::fresh(), matches!(proof::place(ctx, address).await?, Place::Ours(_)));
    let request = ConfirmationRequest {
        sender: submission.clone(),
        address: address.clone(),
        fingerprint: clean.fingerprint().to_string(),
        nonce: token.as_str().to_string(),
    };
    let Some(secret) = ctx.directory.find_service_cert(ROLE).await.map_err(Trouble::from)? else { return Ok(false) };
    let (whole, time, text) = (clean.whole(), ctx.system_time(), request.encode());
    let sealed = compute(move || seal(text.as_bytes(), &whole, time)).await?.map_err(Trouble::from)?;
    let Some(sealed) = sealed else { return Ok(false) };
    let id = Token::fresh();
    let entity = question(id.as_str(), &sealed);
    let (secret, signed) = (Secret::new(secret), entity.clone());
    let signature = compute(move || authority::sign(&secret, &signed)).await?.map_err(Trouble::from)?;
    let raw = signed_mail(submission, address, ctx.clock.now(), id.as_str(), &entity, &signature);
    let about = (clean.fingerprint().to_string(), clean.whole());
    let asked = proof::write(ctx, &token, Purpose::WebKeyService, address, about, is_ours.then_some(raw)).await?;
    Ok(asked == proof::Asked::Written)
}

/// What people see whose program does not know the protocol, and what it knows.
fn question(edge: &str, sealed: &str) -> String {
    format!(
        "Content-Type: multipart/mixed; boundary=\"=_m{edge}\"\r\n\r\n--=_m{edge}\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n\
         Somebody, probably you, asks to publish your OpenPGP key. If it was you and your mail program does not\r\n\
         answer by itself, give this mail to: gpg-wks-client --receive\r\n\r\n\
         --=_m{edge}\r\nContent-Type: application/vnd.gnupg.wks\r\n\r\n{sealed}\r\n--=_m{edge}--\r\n"
    )
}

/// RFC 3156 §5: an entity and the signature over it.
fn signed_mail(from: &Address, to: &Address, at: Timestamp, edge: &str, entity: &str, signature: &str) -> Vec<u8> {
    format!(
        "From: <{from}>\r\nTo: <{to}>\r\nSubject: Confirm your key publication\r\nDate: {date}\r\n\
         Message-ID: <{edge}@{domain}>\r\nAuto-Submitted: auto-generated\r\nWks-Draft-Version: 3\r\nWKS-Phase: confirm\r\n\
         {LOOP}: {domain}\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/signed; protocol=\"application/pgp-signature\"; micalg=pgp-sha512;\r\n\tboundary=\"=_s{edge}\"\r\n\r\n\
         --=_s{edge}\r\n{entity}\r\n--=_s{edge}\r\nContent-Type: application/pgp-signature\r\n\r\n{signature}\r\n--=_s{edge}--\r\n",
        date = Letter::date(at),
        domain = from.domain(),
        signature = signature.replace("\r\n", "\n").replace('\n', "\r\n"),
    )
    .into_bytes()
}

/// §4.4: who answers with the nonce has the mailbox and the key.
async fn confirm(ctx: &Ctx, submission: &Address, response: &ConfirmationResponse) -> Result<&'static str, Failure> {
    let Some((token, waiting)) = proof::find(ctx, &response.nonce, Purpose::WebKeyService).await? else {
        return Ok("an answer to no question of ours");
    };
    if waiting.address.as_ref().is_none_or(|asked| asked.key() != response.address.key()) {
        return Ok("an answer for another address");
    }
    if !proof::publish(ctx, &waiting.fingerprint, &waiting.bytes, &response.address).await? {
        return Ok("the certificate is not for this address any more");
    }
    ctx.directory.remove_waiting(&token).await.map_err(Trouble::from)?;
    let words = Lang::En.words();
    let text = format!("{}\n\n{}", words.verify_done, Lang::Fr.words().verify_done);
    let id = Token::fresh();
    let letter = Letter {
        to: &response.address,
        subject: "Your key is published / Votre =?utf-8?Q?cl=C3=A9?= est =?utf-8?Q?publi=C3=A9e?=",
        text: &text,
        path: "/",
        fingerprint: Some(&waiting.fingerprint),
        lang: Lang::En,
        id: id.as_str(),
    };
    let raw = letter.plain(&ctx.site, ctx.clock.now());
    ctx.directory.add_letter(&response.address, raw).await.map_err(Trouble::from)?;
    tracing::info!(domain = %submission.domain(), "an address was published by mail");
    Ok("published")
}

/// The submission address of a domain, while its key is there and shown.
pub(crate) async fn submission_address(ctx: &Ctx, domain: &Domain) -> Result<Option<Address>, Trouble> {
    let address = Address::new(LOCAL_PART, domain.clone()).map_err(Trouble::from)?;
    let shown = ctx.directory.find_shown_certs_by_address(&address).await?;
    Ok((!shown.is_empty()).then_some(address))
}
