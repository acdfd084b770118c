// SPDX-License-Identifier: AGPL-3.0-or-later
//! Pages for people at `keys.D`: search, upload, proof, remove, statistics. They need no script and no cookie; a link
//! from a letter shows a question, and only its button does something, because programs open links too.

use std::sync::atomic::Ordering::Relaxed;

use askama::Template;
use hearth_identity::certs::{Purpose, Shown};
use hearth_types::Trouble;
use hearth_web::axum::Form;
use hearth_web::axum::body::Bytes;
use hearth_web::axum::extract::rejection::{BytesRejection, FormRejection, QueryRejection};
use hearth_web::axum::extract::{Path, Query, State};
use hearth_web::axum::http::{HeaderMap, StatusCode, header};
use hearth_web::axum::response::Response;
use hearth_web::{Peer, page};
use serde::Deserialize;

use super::hkp_add::content_type;
use super::hkp_lookup::find;
use super::vks::{self, Uploaded};
use crate::answer::{self, Failure, Refusal};
use crate::ctx::Ctx;
use crate::form::{Accepts, keytext, wipe};
use crate::proof;
use crate::rate::Bucket;
use crate::search::{Search, parse_address};
use crate::words::{Lang, Speaks as _, Words};

macro_rules! pages {
    ($($(#[$doc:meta])* $name:ident $path:literal { $($field:ident: $kind:ty),* })*) => {
        $($(#[$doc])* #[derive(Template)]
        #[template(path = $path)]
        struct $name<'a> { lang: Lang, w: &'static Words, domain: &'a str, $($field: $kind),* })*
    };
}

pages! {
    HomePage "home.html" {}
    FoundPage "found.html" { keys: Vec<FoundKey> }
    UploadPage "upload.html" {}
    UploadedPage "uploaded.html" { fingerprint: String, token: String, rows: Vec<AddressRow> }
    AskPage "ask.html" { question: &'static str, address: String, fingerprint: String, action: String, yes: &'static str }
    RemovePage "remove.html" {}
    StatisticsPage "statistics.html" { rows: Vec<(&'static str, u64)> }
    SaysPage "says.html" { says: &'a str, good: bool }
}

struct FoundKey {
    fingerprint: String,
    digits: String,
    revoked: bool,
    expired: bool,
    user_ids: Vec<String>,
}

struct AddressRow {
    address: String,
    says: &'static str,
    can_ask: bool,
}

/// `q=`
#[derive(Debug, Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    q: String,
}

/// One address of an upload.
#[derive(Debug, Deserialize)]
pub(crate) struct Wanted {
    token: String,
    address: String,
}

/// An address that is to go.
#[derive(Debug, Deserialize)]
pub(crate) struct Unwanted {
    address: String,
}

/// The language that the reader's browser asks for.
fn lang_of(headers: &HeaderMap) -> Lang {
    Lang::choose(headers.get(header::ACCEPT_LANGUAGE).and_then(|tags| tags.to_str().ok()).unwrap_or_default().split(','))
}

fn says(ctx: &Ctx, lang: Lang, status: StatusCode, says: &str) -> Response {
    let good = status.is_success();
    page::html(status, &SaysPage { lang, w: lang.words(), domain: ctx.site.domain.as_str(), says, good })
}

fn failed(ctx: &Ctx, lang: Lang, failure: Failure) -> Response {
    let refusal = answer::refusal_of(failure);
    let mut response = says(ctx, lang, refusal.status(), refusal.says());
    answer::retry_after(&mut response, &refusal);
    response
}

/// `GET /`
pub(crate) async fn home(State(ctx): State<Ctx>, headers: HeaderMap) -> Response {
    let lang = lang_of(&headers);
    page::html(StatusCode::OK, &HomePage { lang, w: lang.words(), domain: ctx.site.domain.as_str() })
}

/// `GET /search?q=`
pub(crate) async fn search(
    State(ctx): State<Ctx>,
    peer: Peer,
    headers: HeaderMap,
    query: Result<Query<Asked>, QueryRejection>,
) -> Response {
    let lang = lang_of(&headers);
    let text = query.map(|Query(asked)| asked.q).unwrap_or_default();
    let found = async {
        let search = Search::parse(&text);
        let search = search.map_err(|error| Failure::Peer(Refusal::new(StatusCode::BAD_REQUEST, format!("{error}."))))?;
        find(&ctx, &peer, &search).await
    };
    match found.await {
        Ok(found) if found.is_empty() => says(&ctx, lang, StatusCode::NOT_FOUND, lang.words().search_none),
        Ok(found) => {
            let keys = found.iter().map(|shown| describe(shown, &ctx)).collect();
            page::html(StatusCode::OK, &FoundPage { lang, w: lang.words(), domain: ctx.site.domain.as_str(), keys })
        }
        Err(failure) => failed(&ctx, lang, failure),
    }
}

fn describe(shown: &Shown, ctx: &Ctx) -> FoundKey {
    FoundKey {
        fingerprint: in_groups(&shown.fingerprint),
        digits: shown.fingerprint.clone(),
        revoked: shown.revoked,
        expired: shown.expires_at.is_some_and(|end| end <= ctx.clock.now()),
        user_ids: shown.identities.iter().map(|identity| identity.user_id.clone()).collect(),
    }
}

/// Four digits and a space, as people compare them.
fn in_groups(digits: &str) -> String {
    let groups: Vec<String> = digits.as_bytes().chunks(4).map(|group| String::from_utf8_lossy(group).into_owned()).collect();
    groups.join(" ")
}

/// `GET /upload`
pub(crate) async fn upload(State(ctx): State<Ctx>, headers: HeaderMap) -> Response {
    let lang = lang_of(&headers);
    page::html(StatusCode::OK, &UploadPage { lang, w: lang.words(), domain: ctx.site.domain.as_str() })
}

/// `POST /upload`
pub(crate) async fn take_upload(
    State(ctx): State<Ctx>,
    peer: Peer,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let lang = lang_of(&headers);
    let taken = async {
        ctx.admit(Bucket::Upload, &peer)?;
        let body = body.map_err(|rejection| Failure::Peer(Refusal::body(rejection.status())))?;
        let keytext = keytext(content_type(&headers), &body, Accepts::Form);
        wipe(body);
        vks::upload_keys(&ctx, keytext.map_err(Failure::Peer)?).await
    };
    match taken.await {
        Ok(uploaded) => uploaded_page(&ctx, lang, uploaded),
        Err(failure) => failed(&ctx, lang, failure),
    }
}

/// `POST /upload/letter`
pub(crate) async fn letter(
    State(ctx): State<Ctx>,
    peer: Peer,
    headers: HeaderMap,
    form: Result<Form<Wanted>, FormRejection>,
) -> Response {
    let lang = lang_of(&headers);
    let Ok(Form(Wanted { token, address })) = form else {
        return says(&ctx, lang, StatusCode::BAD_REQUEST, lang.words().link_bad);
    };
    match vks::ask(&ctx, &peer, &token, &[address], lang).await {
        Ok(uploaded) => uploaded_page(&ctx, lang, uploaded),
        Err(failure) => failed(&ctx, lang, failure),
    }
}

fn uploaded_page(ctx: &Ctx, lang: Lang, uploaded: Uploaded) -> Response {
    let w = lang.words();
    let row = |(address, status): (String, &'static str)| AddressRow {
        address,
        says: match status {
            "published" => w.status_published,
            "pending" => w.status_pending,
            "revoked" => w.status_revoked,
            _ => w.status_unpublished,
        },
        can_ask: status == "unpublished",
    };
    let rows = uploaded.status.into_iter().map(row).collect();
    let (fingerprint, domain) = (in_groups(&uploaded.key_fpr), ctx.site.domain.as_str());
    page::html(StatusCode::OK, &UploadedPage { lang, w, domain, fingerprint, token: uploaded.token, rows })
}

/// `GET /verify/{token}`
pub(crate) async fn verify(State(ctx): State<Ctx>, headers: HeaderMap, Path(token): Path<String>) -> Response {
    let w = lang_of(&headers).words();
    question(&ctx, &headers, &token, Purpose::Proof, ("verify", w.verify_ask, w.verify_yes)).await
}

/// `GET /manage/{token}`
pub(crate) async fn manage(State(ctx): State<Ctx>, headers: HeaderMap, Path(token): Path<String>) -> Response {
    let w = lang_of(&headers).words();
    question(&ctx, &headers, &token, Purpose::Manage, ("manage", w.remove_ask, w.remove_yes)).await
}

async fn question(
    ctx: &Ctx,
    headers: &HeaderMap,
    token: &str,
    purpose: Purpose,
    (place, question, yes): (&str, &'static str, &'static str),
) -> Response {
    let lang = lang_of(headers);
    let w = lang.words();
    match proof::find(ctx, token, purpose).await {
        Ok(Some((token, waiting))) => {
            let ask = AskPage {
                lang,
                w,
                domain: ctx.site.domain.as_str(),
                question,
                address: waiting.address.map(|address| address.to_string()).unwrap_or_default(),
                fingerprint: in_groups(&waiting.fingerprint),
                action: format!("/{place}/{}", token.as_str()),
                yes,
            };
            page::html(StatusCode::OK, &ask)
        }
        Ok(None) => says(ctx, lang, StatusCode::NOT_FOUND, w.link_bad),
        Err(failure) => failed(ctx, lang, failure),
    }
}

/// `POST /verify/{token}`
pub(crate) async fn verified(State(ctx): State<Ctx>, headers: HeaderMap, Path(token): Path<String>) -> Response {
    let lang = lang_of(&headers);
    let w = lang.words();
    let done = async {
        let Some((token, waiting)) = proof::find(&ctx, &token, Purpose::Proof).await? else { return Ok(false) };
        let Some(address) = &waiting.address else { return Ok(false) };
        let published = proof::publish(&ctx, &waiting.fingerprint, &waiting.bytes, address).await?;
        ctx.directory.remove_waiting(&token).await.map_err(Trouble::from)?;
        Ok(published)
    };
    match done.await {
        Ok(true) => says(&ctx, lang, StatusCode::OK, w.verify_done),
        Ok(false) => says(&ctx, lang, StatusCode::NOT_FOUND, w.link_bad),
        Err(failure) => failed(&ctx, lang, failure),
    }
}

/// `GET /remove`
pub(crate) async fn remove(State(ctx): State<Ctx>, headers: HeaderMap) -> Response {
    let lang = lang_of(&headers);
    page::html(StatusCode::OK, &RemovePage { lang, w: lang.words(), domain: ctx.site.domain.as_str() })
}

/// `POST /remove`: the same words after the same time whether the address is known or not.
pub(crate) async fn ask_to_remove(
    State(ctx): State<Ctx>,
    peer: Peer,
    headers: HeaderMap,
    form: Result<Form<Unwanted>, FormRejection>,
) -> Response {
    let lang = lang_of(&headers);
    let asked = async {
        ctx.admit(Bucket::ByAddress, &peer)?;
        let address = form.ok().and_then(|Form(unwanted)| parse_address(&unwanted.address));
        let Some(Search::Address(address)) = address else {
            return Err(Failure::Peer(Refusal::new(StatusCode::BAD_REQUEST, lang.words().remove_label)));
        };
        proof::in_the_time_of_a_letter(proof::ask_to_manage(&ctx, &address, lang)).await
    };
    match asked.await {
        Ok(_) => says(&ctx, lang, StatusCode::OK, lang.words().remove_sent),
        Err(failure) => failed(&ctx, lang, failure),
    }
}

/// `POST /manage/{token}`
pub(crate) async fn removed(State(ctx): State<Ctx>, headers: HeaderMap, Path(token): Path<String>) -> Response {
    let lang = lang_of(&headers);
    let w = lang.words();
    let done = async {
        let Some((token, waiting)) = proof::find(&ctx, &token, Purpose::Manage).await? else { return Ok(false) };
        let Some(address) = &waiting.address else { return Ok(false) };
        ctx.directory.withdraw_cert_address(address).await.map_err(Trouble::from)?;
        ctx.directory.remove_waiting(&token).await.map_err(Trouble::from)?;
        Ok(true)
    };
    match done.await {
        Ok(true) => says(&ctx, lang, StatusCode::OK, w.remove_done),
        Ok(false) => says(&ctx, lang, StatusCode::NOT_FOUND, w.link_bad),
        Err(failure) => failed(&ctx, lang, failure),
    }
}

/// `GET /statistics`
pub(crate) async fn statistics(State(ctx): State<Ctx>, headers: HeaderMap) -> Response {
    let lang = lang_of(&headers);
    let (w, counts) = (lang.words(), ctx.counts());
    let rows = vec![
        (w.count_found, counts.found.load(Relaxed)),
        (w.count_not_found, counts.not_found.load(Relaxed)),
        (w.count_uploads, counts.uploads.load(Relaxed)),
        (w.count_letters, counts.letters.load(Relaxed)),
    ];
    page::html(StatusCode::OK, &StatisticsPage { lang, w, domain: ctx.site.domain.as_str(), rows })
}
