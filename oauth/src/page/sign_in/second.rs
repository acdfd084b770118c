// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/sign-in/second`: the password was right; a code, a passkey or a line of the recovery sheet is asked for.
//!
//! That the password was right travels with the page as a value that only this visit can have got.

use std::sync::Arc;

use askama::Template;
use hearth_identity::directory::Account;
use hearth_identity::vault::looks_like_recovery_code;
use hearth_types::{AccountId, Fault, Timestamp, Trouble};
use hearth_web::axum::body::Bytes;
use hearth_web::axum::extract::State;
use hearth_web::axum::http::StatusCode;
use hearth_web::axum::response::Response;

use super::{again, enter, passkey, refusal_in_words, told_to_wait};
use crate::ctx::Ctx;
use crate::endpoint::authorize::{Ended, admit, answered, leaving_by};
use crate::gate::Second;
use crate::limits::SECOND_FACTOR_WITHIN;
use crate::notice::{Notice, tell};
use crate::page::visit::{Visit, see_other};
use crate::request::params::Params;
use crate::t;

/// Where the page posts to.
pub const PATH: &str = "/sign-in/second";
const PURPOSE: &str = "second factor";

#[derive(Template)]
#[template(path = "second.html")]
struct Page<'a> {
    says: Option<String>,
    has_codes: bool,
    has_passkey: bool,
    request: &'a str,
    to: &'a str,
    who: &'a str,
    carried: &'a str,
    proof: String,
    form: String,
    passkey_form: String,
    passkey: String,
}

/// The page that asks.
pub async fn ask(
    ctx: &Ctx,
    visit: &Visit,
    form: &Params,
    account: &Account,
    status: StatusCode,
    says: Option<String>,
) -> Result<Response, Fault<Ended>> {
    let request = form.field("request");
    let admitted = if request.is_empty() { None } else { Some(admit(ctx, request).await?) };
    let known: Vec<_> = ctx.vault().list_passkeys(account.id).await.map_err(Trouble::from)?;
    let page = Page {
        says,
        has_codes: !ctx.vault().list_totp(account.id).await.map_err(Trouble::from)?.is_empty(),
        has_passkey: !known.is_empty(),
        request,
        to: form.field("to"),
        who: form.field(again::WHO),
        carried: form.field(again::CARRIED),
        proof: proof(ctx, visit, account.id),
        form: visit.form(ctx, PURPOSE),
        passkey_form: visit.form(ctx, super::PURPOSE),
        passkey: passkey::options(ctx, visit, passkey::SIGN_IN, known.into_iter().map(|one| one.credential).collect()),
    };
    Ok(visit.script_page(status, &page, admitted.as_ref().and_then(leaving_by)))
}

/// POST.
pub async fn post(State(ctx): State<Arc<Ctx>>, visit: Visit, body: Bytes) -> Response {
    let form = Params::parse(&body);
    if let Err(response) = visit.check_form(&ctx, PURPOSE, form.field("form"), super::PATH) {
        return response;
    }
    answered(&ctx, decide(&ctx, &visit, &form).await)
}

async fn decide(ctx: &Ctx, visit: &Visit, form: &Params) -> Result<Response, Fault<Ended>> {
    let account = match proven(ctx, visit, form.field("proof")) {
        Some(account) => ctx.directory.find_account(account).await.map_err(Trouble::from)?,
        None => None,
    };
    let Some(account) = account else {
        // Too late: from the beginning.
        return Ok(see_other(super::PATH));
    };
    match ctx.doorkeeper.second_factor(&account, form.field("code").trim(), visit.peer.ip, &visit.known).await? {
        Ok(Second::Code) => enter(ctx, visit, form, account.id, "pwd otp mfa").await,
        Ok(Second::Recovery) => {
            // Who lost a device may have lost it to somebody: what is signed in is signed out.
            ctx.directory.end_password_sessions(account.id, None).await.map_err(Trouble::from)?;
            let event = visit.event("recovery-code.used", account.id, "");
            ctx.directory.add_audit(event).await.map_err(Trouble::from)?;
            tell(ctx, visit, &account, Notice::RecoveryUsed, "").await;
            enter(ctx, visit, form, account.id, "pwd otp mfa").await
        }
        Err(refusal) => {
            let (status, mut says, wait) =
                refusal_in_words(refusal, t("That code does not count. Codes change every half minute, and each counts once."));
            if wait.is_some() && !looks_like_recovery_code(form.field("code")) {
                says = t(
                    "There were too many wrong codes, here or elsewhere. A passkey or a line of your recovery sheet still counts.",
                )
                .to_string();
            }
            told_to_wait(ask(ctx, visit, form, &account, status, Some(says)).await?, wait)
        }
    }
}

/// Says to the next request of this visit that the password of an account was right just now.
fn proof(ctx: &Ctx, visit: &Visit, account: AccountId) -> String {
    let head = format!("{}.{}", account.as_i64(), ctx.now().millis());
    let seal = visit.form(ctx, &sealed(&head));
    format!("{head}.{seal}")
}

/// The account whose password was right a moment ago, in this visit.
pub fn proven(ctx: &Ctx, visit: &Visit, proof: &str) -> Option<AccountId> {
    let (head, seal) = proof.rsplit_once('.')?;
    let (account, at) = head.split_once('.')?;
    let (account, at) = (account.parse().ok()?, Timestamp::from_millis(at.parse().ok()?));
    let sound = visit.is_form(ctx, &sealed(head), seal) && ctx.now().since(at) < SECOND_FACTOR_WITHIN;
    sound.then(|| AccountId::from_i64(account))
}

fn sealed(head: &str) -> String {
    format!("the password was right {head}")
}
