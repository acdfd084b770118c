// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/account/key/find`: the certificate of somebody else. The key server looks (`lib/identity/src/finding.rs`); here it is
//! said how sure the house is, in words, and what was found before.

use std::sync::Arc;

use askama::Template;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hearth_identity::certs::Seen;
use hearth_identity::directory::Account;
use hearth_identity::finding::{Answer, Asked, Found, Told};
use hearth_openpgp::show;
use hearth_types::{Address, Timestamp, Trouble};
use hearth_web::axum::body::Bytes;
use hearth_web::axum::extract::State;
use hearth_web::axum::http::StatusCode;
use hearth_web::axum::response::Response;
use hearth_web::page;

use super::key::shown::where_found;
use super::signed_in;
use crate::ctx::Ctx;
use crate::page::visit::Visit;
use crate::page::when;
use crate::request::params::Params;
use crate::{t, t1, t2};

/// Where the page is.
pub const PATH: &str = "/account/key/find";
const LOOK: &str = "look for a key";

#[derive(Default, Template)]
#[template(path = "key_find.html")]
struct Page {
    address: String,
    /// Why there is no answer.
    says: Option<String>,
    /// Nobody has one.
    is_none: bool,
    changed: Option<Changed>,
    keys: Vec<Key>,
    history: Vec<(String, String)>,
    asked: Vec<(String, &'static str)>,
    form: String,
}

/// It is another one than before.
struct Changed {
    told: String,
    groups: String,
}

struct Key {
    groups: String,
    sure: &'static str,
    says: Vec<String>,
    warns: Option<&'static str>,
    /// The certificate, as the address of a download, and the name of the file.
    file: Option<(String, String)>,
}

/// GET: the form alone.
pub async fn run(State(ctx): State<Arc<Ctx>>, visit: Visit) -> Response {
    match signed_in(&ctx, &visit, "find").await {
        Ok(_) => show(&ctx, &visit, StatusCode::OK, Page::default()),
        Err(response) => response,
    }
}

/// POST: looks. It asks others, and is remembered; so it is no GET.
pub async fn look(State(ctx): State<Arc<Ctx>>, visit: Visit, body: Bytes) -> Response {
    let form = Params::parse(&body);
    if let Err(response) = visit.check_form(&ctx, LOOK, form.field("form"), PATH) {
        return response;
    }
    let account = match signed_in(&ctx, &visit, "find").await {
        Ok((_, account)) => account,
        Err(response) => return response,
    };
    let typed = form.field("address").trim();
    let Ok(address) = Address::parse(typed) else {
        let says = Some(t("That is no e-mail address.").to_string());
        return show(&ctx, &visit, StatusCode::BAD_REQUEST, Page { address: typed.to_string(), says, ..Page::default() });
    };
    match find(&ctx, &account, &address).await {
        Ok((status, page)) => show(&ctx, &visit, status, page),
        Err(trouble) => page::trouble(trouble),
    }
}

fn show(ctx: &Ctx, visit: &Visit, status: StatusCode, page: Page) -> Response {
    visit.leaving_page(status, &Page { form: visit.form(ctx, LOOK), ..page }, None)
}

async fn find(ctx: &Ctx, account: &Account, address: &Address) -> Result<(StatusCode, Page), Trouble> {
    let page = Page { address: address.to_string(), ..Page::default() };
    let waits = |page: Page, says: &str| Ok((StatusCode::SERVICE_UNAVAILABLE, Page { says: Some(says.to_string()), ..page }));
    match ctx.home.finding.find(account.id, address).await? {
        None => waits(page, t("The key server of this home does not run.")),
        Some(Answer::Busy) => waits(page, t("Others are being looked for. Try again in a minute.")),
        Some(Answer::Trouble(why)) => Err(Trouble::new(why)),
        Some(Answer::Told(told)) => {
            let seen = ctx.directory.list_seen_certs(address).await?;
            let now = ctx.now();
            Ok((StatusCode::OK, answered(page, address, told, seen, now)))
        }
    }
}

fn answered(page: Page, address: &Address, told: Told, seen: Vec<Seen>, now: Timestamp) -> Page {
    let changed = told.changed_from.map(|(fingerprint, at)| Changed {
        told: when::ago(Timestamp::from_millis(at), now),
        groups: show::in_groups(&fingerprint),
    });
    Page {
        is_none: told.found.is_empty(),
        changed,
        keys: told.found.into_iter().map(|found| key(found, address, now)).collect(),
        history: seen.into_iter().map(|seen| past(&seen, now)).collect(),
        asked: told.asked.into_iter().map(asked).collect(),
        ..page
    }
}

fn key(found: Found, address: &Address, now: Timestamp) -> Key {
    let mut says = vec![t1("Found {}.", where_found(&found.source, &found.via))];
    says.extend(found.remembered_at.map(|at| t1("From memory: last found {}.", when::ago(Timestamp::from_millis(at), now))));
    let warns = match (found.revoked, found.usable) {
        (true, _) => Some(t("Its owner ended it. Do not use it.")),
        (_, false) => Some(t("Nobody can seal mail to it now.")),
        _ => None,
    };
    if warns.is_none() {
        says.push(t("Mail can be sealed to it.").to_string());
    }
    let octets = found.key.filter(|_| !found.revoked).and_then(|key| STANDARD.decode(key).ok());
    let file =
        octets.map(|octets| (format!("data:application/pgp-keys;base64,{}", STANDARD.encode(octets)), format!("{address}.pgp")));
    Key { groups: show::in_groups(&found.fingerprint), sure: how_sure(found.confidence), says, warns, file }
}

/// As HKP counts: 120 is complete.
fn how_sure(confidence: u8) -> &'static str {
    match confidence {
        120.. => t("Certain: this home, or a home that it trusts for that address, says whose it is."),
        80..120 => t("Quite sure: those who answer for the address publish it themselves."),
        40..80 => t("Somewhat: others say so, who do not answer for the address. Compare the fingerprint by telephone."),
        _ => t("Hardly: it came in a mail, which anybody may have written. Compare the fingerprint by telephone."),
    }
}

fn past(seen: &Seen, now: Timestamp) -> (String, String) {
    let found = t1("Found {}.", where_found(&seen.source, &seen.via));
    let times = t2("First {}, last {}.", when::ago(seen.first_seen_at, now), when::ago(seen.last_seen_at, now));
    (show::in_groups(&seen.fingerprint), format!("{found} {times}"))
}

fn asked(asked: Asked) -> (String, &'static str) {
    (asked.via, if asked.answered { t("answered") } else { t("did not answer") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_sure_in_words() {
        for (confidence, begins) in
            [(120, "Certain"), (110, "Quite"), (80, "Quite"), (79, "Somewhat"), (40, "Somewhat"), (39, "Hardly"), (0, "Hardly")]
        {
            assert!(how_sure(confidence).starts_with(begins), "{confidence}");
        }
    }

    #[test]
    fn what_was_ended_is_not_handed_on() {
        let bob = Address::parse("bob@b.example").unwrap();
        let found = Found {
            fingerprint: "AB".repeat(20),
            source: "wkd".into(),
            via: "openpgpkey.b.example".into(),
            confidence: 80,
            usable: true,
            revoked: false,
            remembered_at: None,
            key: Some("mQ==".into()),
        };
        let shown = key(found.clone(), &bob, Timestamp::default());
        assert!(shown.warns.is_none() && shown.file.is_some_and(|(_, name)| name == "bob@b.example.pgp"));
        let ended = key(Found { revoked: true, usable: false, ..found }, &bob, Timestamp::default());
        assert!(ended.warns.is_some() && ended.file.is_none());
    }
}
