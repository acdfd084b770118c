// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/sign-in/passkey`: a device signs for its owner.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hearth_identity::directory::{Account, Event};
use hearth_types::{AccountId, Fault, Trouble};
use hearth_web::axum::body::Bytes;
use hearth_web::axum::extract::State;
use hearth_web::axum::http::StatusCode;
use hearth_web::axum::response::Response;
use serde::Deserialize;
use serde_json::json;

use super::{enter, second};
use crate::ctx::Ctx;
use crate::endpoint::authorize::{Ended, answered};
use crate::limits::CREDENTIAL_BYTES_MAX;
use crate::notice::{Notice, tell};
use crate::page::visit::Visit;
use crate::request::params::Params;
use crate::t;
use crate::webauthn::ceremony::{self, Party};
use crate::webauthn::key::Key;
use crate::webauthn::{challenge, rp_id};

/// Where the form posts to.
pub const PATH: &str = "/sign-in/passkey";
/// The purpose of the challenge.
pub const SIGN_IN: &str = "sign in";

/// What the script of the page brings; octets as base64url.
#[derive(Deserialize)]
struct Signed {
    id: String,
    client_data: String,
    authenticator_data: String,
    signature: String,
    #[serde(default)]
    user_handle: Option<String>,
}

/// What the script of the page needs, as JSON.
pub fn options(ctx: &Ctx, visit: &Visit, purpose: &str, known: Vec<Vec<u8>>) -> String {
    let known: Vec<String> = known.iter().map(|name| URL_SAFE_NO_PAD.encode(name)).collect();
    json!({ "challenge": challenge::make(ctx, visit, purpose), "rp": rp_id(&ctx.issuer), "known": known }).to_string()
}

/// The account as a device keeps it: opaque, and nobody's address.
pub fn user_handle(account: AccountId) -> [u8; 8] {
    account.as_i64().to_be_bytes()
}

/// POST.
pub async fn post(State(ctx): State<Arc<Ctx>>, visit: Visit, body: Bytes) -> Response {
    let form = Params::parse(&body);
    if let Err(response) = visit.check_form(&ctx, super::PURPOSE, form.field("form"), super::PATH) {
        return response;
    }
    answered(&ctx, decide(&ctx, &visit, &form).await)
}

async fn decide(ctx: &Ctx, visit: &Visit, form: &Params) -> Result<Response, Fault<Ended>> {
    let again = async |says: &str| super::show(ctx, visit, form, StatusCode::UNAUTHORIZED, Some(says.to_string())).await;
    let Some((account, says)) = check(ctx, visit, form.field("credential")).await? else {
        return again(t("That passkey is not known here, or its page was open for too long. Try again.")).await;
    };
    // Synced or not: RFC 8176 `swk`, `hwk`.
    let key = if says.synced { "swk" } else { "hwk" };
    if says.user_verified {
        return enter(ctx, visit, form, account.id, &format!("{key} user mfa")).await;
    }
    if second::proven(ctx, visit, form.field("proof")) == Some(account.id) {
        return enter(ctx, visit, form, account.id, &format!("pwd {key} mfa")).await;
    }
    again(t("The device did not check that it is you, so the passkey alone is not enough. Sign in with your password first.")).await
}

/// Who signed, and how; `None` for anything that does not hold.
async fn check(ctx: &Ctx, visit: &Visit, said: &str) -> Result<Option<(Account, ceremony::Says)>, Trouble> {
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
    let Some(said) =
        Some(said).filter(|said| said.len() <= CREDENTIAL_BYTES_MAX).and_then(|said| serde_json::from_str::<Signed>(said).ok())
    else {
        return Ok(None);
    };
    let client_data = decode(&said.client_data);
    let Some(challenge) = ceremony::challenge_of(&client_data) else {
        return Ok(None);
    };
    if !challenge::is_sound(ctx, visit, SIGN_IN, &challenge) {
        return Ok(None);
    }
    let Some(passkey) = ctx.vault().find_passkey(&decode(&said.id)).await? else {
        return Ok(None);
    };
    // §7.2 step 6: whom the device names must be who has this passkey.
    if said.user_handle.is_some_and(|handle| decode(&handle) != user_handle(passkey.account)) {
        return Ok(None);
    }
    let rp_id = rp_id(&ctx.issuer);
    let party = Party { origin: &ctx.issuer, rp_id: &rp_id, challenge: &challenge };
    let key = Key::parse(&passkey.public_key).ok_or_else(|| Trouble::new("a stored passkey cannot be read"))?;
    let signed = ceremony::sign(&party, &key, &client_data, &decode(&said.authenticator_data), &decode(&said.signature));
    let says = match signed.and_then(|says| says.check_backup(passkey.backup_eligible)) {
        Ok(says) => says,
        Err(error) => {
            note(ctx, visit, passkey.account, "login.failed", &error.to_string()).await?;
            return Ok(None);
        }
    };
    if !challenge::take(ctx, &challenge).await? {
        return Ok(None);
    }
    if !ctx.vault().use_passkey(&passkey.credential, says.sign_count, says.synced).await? {
        note(ctx, visit, passkey.account, "passkey.copied", &passkey.label).await?;
        if let Some(account) = ctx.directory.find_account(passkey.account).await? {
            tell(ctx, visit, &account, Notice::PasskeyCopied, &passkey.label).await;
        }
        return Ok(None);
    }
    let account = ctx.directory.find_account(passkey.account).await?;
    Ok(account.filter(|account| !account.disabled).map(|account| (account, says)))
}

async fn note(ctx: &Ctx, visit: &Visit, account: AccountId, event: &'static str, detail: &str) -> Result<(), Trouble> {
    let event = Event { actor: None, ..visit.event(event, account, detail) };
    Ok(ctx.directory.count_audit(event).await?)
}
