// SPDX-License-Identifier: AGPL-3.0-or-later
//! "Is it still you?": whoever is signed in proves it anew, and what they had typed goes on by itself afterwards.
//!
//! A form that comes too late is not thrown away: what it said travels with the sign-in page, under a mark that only this
//! visit can have got, and is sent where it was going with a token of the new session. A form with a secret in it is not
//! carried: a page of ours never shows one again.

use askama::Template;
use hearth_identity::directory::Account;
use hearth_web::axum::http::StatusCode;
use hearth_web::axum::response::Response;

use super::show;
use crate::ctx::Ctx;
use crate::endpoint::authorize::answered;
use crate::limits::CARRIED_BYTES_MAX;
use crate::page::visit::{SignedIn, Visit};
use crate::request::params::Params;

/// The field of those who prove that they are still who is signed in.
pub(super) const WHO: &str = "who";
pub(super) const SAME: &str = "same";
/// The field of what was typed.
pub(super) const CARRIED: &str = "carried";
/// Fields that are never written into a page again.
const SECRETS: [&str; 9] = ["password", "current", "new", "again", "passphrase", "new-passphrase", "keytext", "credential", "code"];

/// A form that was sent: its purpose, where it goes, and what it says.
pub(crate) struct Sent<'f> {
    pub(crate) purpose: &'static str,
    pub(crate) path: &'f str,
    pub(crate) form: &'f Params,
}

/// What goes on after the sign-in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Carried {
    purpose: String,
    path: String,
    fields: Params,
}

#[derive(Template)]
#[template(path = "resume.html")]
struct Page<'a> {
    path: &'a str,
    fields: Vec<(&'a str, &'a str)>,
    form: String,
}

/// Who is on the page, and what is said of what they typed.
pub(super) struct Still {
    pub(super) name: String,
    pub(super) address: String,
    /// It goes on, or it could not be kept; `None`: nothing was typed.
    pub(super) is_kept: Option<bool>,
}

impl Still {
    pub(super) fn of(account: &Account, params: &Params) -> Self {
        let name = if account.name.is_empty() { account.primary.local() } else { &account.name };
        let is_kept = params.find(CARRIED).map(|text| text != LOST);
        Self { name: name.to_string(), address: account.primary.to_string(), is_kept }
    }
}

/// In the place of what could not be kept.
const LOST: &str = "lost";

/// The page that asks, in answer to a form.
pub(crate) async fn ask(ctx: &Ctx, visit: &Visit, to: &str, sent: &Sent<'_>) -> Response {
    let carried = seal(sent).map_or_else(|| LOST.to_string(), |text| marked(ctx, visit, &text));
    let params = Params::default().with("to", to).with(CARRIED, &carried);
    answered(ctx, show(ctx, visit, &params, StatusCode::UNAUTHORIZED, None).await)
}

/// As a text of one line, for browsers change the ends of lines in what they post; `None` when it is not for carrying.
fn seal(sent: &Sent<'_>) -> Option<String> {
    let is_secret = SECRETS.iter().any(|name| sent.form.find(name).is_some());
    let fields = sent.form.clone().without("form").encode();
    (!is_secret && fields.len() <= CARRIED_BYTES_MAX).then(|| format!("{}|{}|{fields}", sent.purpose, sent.path))
}

fn marked(ctx: &Ctx, visit: &Visit, text: &str) -> String {
    format!("{}.{text}", visit.form(ctx, &purpose_of(text)))
}

fn purpose_of(text: &str) -> String {
    format!("carried {text}")
}

/// What a sign-in form brings along, when this visit was given it.
pub(super) fn read(ctx: &Ctx, visit: &Visit, form: &Params) -> Option<Carried> {
    let (mark, text) = form.find(CARRIED)?.split_once('.')?;
    if visit.is_form(ctx, &purpose_of(text), mark) { open(text) } else { None }
}

fn open(text: &str) -> Option<Carried> {
    let (purpose, rest) = text.split_once('|')?;
    let (path, fields) = rest.split_once('|')?;
    Some(Carried { purpose: purpose.to_string(), path: path.to_string(), fields: Params::parse(fields.as_bytes()) })
}

/// The page that sends it on; it presses its own button where there is a script to do so.
pub(super) fn resume(ctx: &Ctx, visit: &Visit, signed_in: &SignedIn, carried: &Carried) -> Response {
    let page = Page { path: &carried.path, fields: carried.fields.pairs().collect(), form: signed_in.form(ctx, &carried.purpose) };
    visit.script_page(StatusCode::OK, &page, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(form: &Params) -> Option<String> {
        seal(&Sent { purpose: "p", path: "/account/mail", form })
    }

    #[test]
    fn what_was_typed_is_carried_and_a_secret_is_not() {
        let form = Params::parse(b"form=x&do=absence&message=a%0Ab%C3%A9&on=yes");
        let carried = open(&sent(&form).unwrap()).unwrap();
        assert_eq!((carried.purpose.as_str(), carried.path.as_str()), ("p", "/account/mail"));
        assert_eq!(carried.fields, Params::parse(b"do=absence&message=a%0Ab%C3%A9&on=yes"));
        for name in SECRETS {
            assert_eq!(sent(&form.clone().with(name, "x")), None, "{name}");
        }
        let long = |length: usize| Params::default().with("m", &"x".repeat(length - 2));
        assert!(sent(&long(CARRIED_BYTES_MAX)).is_some() && sent(&long(CARRIED_BYTES_MAX + 1)).is_none());
        assert_eq!(open("p"), None);
    }
}
