// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/account/key`: the OpenPGP certificates of a person. What is done with them is in `keyring.rs`.

pub(super) mod shown;

use std::sync::Arc;

use askama::Template;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hearth_identity::directory::Account;
use hearth_mailstore::{Content, Durability, FlagSet, Role, mailbox, message};
use hearth_openpgp::secret::{Reason, armor_revocation};
use hearth_openpgp::{Profile, Refusal, setup};
use hearth_types::{Fault, Secret, Trouble, constant_time_eq};
use hearth_web::axum::body::Bytes;
use hearth_web::axum::extract::{RawQuery, State};
use hearth_web::axum::response::Response;
use hearth_web::page;

use super::{not_there, note, signed_in_lately, signed_in_to_send};
use crate::ctx::Ctx;
use crate::keyring::{self, Came, Care, Unfit};
use crate::limits::PASSPHRASE_CHARS_MIN;
use crate::notice::{Notice, tell};
use crate::page::sign_in::again::Sent;
use crate::page::visit::Visit;
use crate::request::params::Params;
use crate::{t, t1};

/// Where the page is.
pub const PATH: &str = "/account/key";
/// The sheet to be printed.
pub const SHEET: &str = "/account/key/sheet";
const CHANGE: &str = "change an OpenPGP key";

/// What an answer has beside its page.
enum Said {
    /// It is done, or why not.
    Says(bool, String),
    /// A secret half, to be kept by the person: shown this once.
    HandedOut { fingerprint: String, file: String },
    /// It lies in the inbox, under this code.
    Sent(Secret<String>),
}

#[derive(Template)]
#[template(path = "key_handed_out.html")]
struct HandedOut {
    groups: String,
    file_name: String,
    /// The file, as the address of a download.
    file: String,
    sheet: String,
}

#[derive(Template)]
#[template(path = "key_sheet.html")]
struct Sheet {
    address: String,
    groups: String,
    picture: String,
    ends: Option<String>,
    revocation: Option<String>,
}

/// GET.
pub async fn run(State(ctx): State<Arc<Ctx>>, visit: Visit) -> Response {
    match signed_in_lately(&ctx, &visit, "key").await {
        Ok((_, account)) => shown::page(&ctx, &visit, &account, None).await.unwrap_or_else(page::trouble),
        Err(response) => response,
    }
}

/// GET: what is printed and put to the papers.
pub async fn sheet(State(ctx): State<Arc<Ctx>>, visit: Visit, RawQuery(query): RawQuery) -> Response {
    let account = match signed_in_lately(&ctx, &visit, "key").await {
        Ok((_, account)) => account,
        Err(response) => return response,
    };
    let query = Params::parse(query.unwrap_or_default().as_bytes());
    match make_sheet(&ctx, &account, query.field("key")).await {
        Ok(sheet) => {
            let noted = note(&ctx, &visit, account.id, "key.sheet-shown", query.field("key")).await;
            noted.map_or_else(page::trouble, |()| visit.page(&sheet))
        }
        Err(Fault::Peer(_)) => not_there(),
        Err(Fault::Ours(trouble)) => page::trouble(trouble),
    }
}

async fn make_sheet(ctx: &Ctx, account: &Account, key: &str) -> keyring::Result<Sheet> {
    keyring::held(ctx, account.id, key).await?;
    let kept = keyring::keepsake(ctx, account.id, key).await?;
    let revocation = kept.revocation.as_ref().map(armor_revocation).transpose();
    let all = ctx.directory.list_certs(Some(account.id)).await.map_err(Trouble::from)?;
    let ends = all.into_iter().find(|cert| cert.fingerprint == key).and_then(|cert| cert.expires_at);
    Ok(Sheet {
        address: account.primary.to_string(),
        groups: hearth_openpgp::show::in_groups(key),
        picture: super::kit::picture(&hearth_openpgp::show::uri(key))?,
        ends: ends.map(crate::page::when::day),
        revocation: revocation.map_err(Trouble::from)?,
    })
}

/// POST.
pub async fn change(State(ctx): State<Arc<Ctx>>, visit: Visit, body: Bytes) -> Response {
    let form = Params::parse(&body);
    if let Err(response) = visit.check_form(&ctx, CHANGE, form.field("form"), PATH) {
        return response;
    }
    let sent = Sent { purpose: CHANGE, path: PATH, form: &form };
    let account = match signed_in_to_send(&ctx, &visit, "key", &sent).await {
        Ok((_, account)) => account,
        Err(response) => return response,
    };
    let said = match decide(&ctx, &visit, &account, &form).await {
        Ok(said) => said,
        Err(Fault::Peer(unfit)) => Said::Says(false, says_unfit(&unfit)),
        Err(Fault::Ours(trouble)) => return page::trouble(trouble),
    };
    match said {
        Said::HandedOut { fingerprint, file } => visit.page(&HandedOut {
            groups: hearth_openpgp::show::in_groups(&fingerprint),
            file_name: format!("{}-{fingerprint}.asc", account.primary),
            file: format!("data:application/pgp-keys;base64,{}", STANDARD.encode(file)),
            sheet: format!("{SHEET}?key={fingerprint}"),
        }),
        said => shown::page(&ctx, &visit, &account, Some(said)).await.unwrap_or_else(page::trouble),
    }
}

async fn decide(ctx: &Ctx, visit: &Visit, account: &Account, form: &Params) -> keyring::Result<Said> {
    let key = form.field("key");
    let passphrase = || Some(Secret::new(form.field("passphrase").to_string())).filter(|text| !text.expose().is_empty());
    let done = |says: &str| Ok(Said::Says(true, says.to_string()));
    match form.field("do") {
        "make" => make(ctx, visit, account, form).await,
        "bring" => bring(ctx, visit, account, form).await,
        "take" => take(ctx, visit, account, form).await,
        "send" => send(ctx, visit, account, key).await,
        "extend" => {
            keyring::look_after(ctx, account.id, key, Care::Extend, passphrase()).await?;
            note(ctx, visit, account.id, "key.extended", key).await?;
            done(t("It is good for three more years."))
        }
        "rotate" => {
            keyring::look_after(ctx, account.id, key, Care::Rotate, passphrase()).await?;
            note(ctx, visit, account.id, "key.rotated", key).await?;
            done(t("It has a new encryption key. Take the secret half to your mail programs again; the old one opens old mail."))
        }
        "show" => {
            keyring::show(ctx, account.id, key, true).await?;
            note(ctx, visit, account.id, "key.published", key).await?;
            tell(ctx, visit, account, Notice::KeyAdded, key).await;
            done(t("Whoever looks for your address finds it now."))
        }
        "hide" => {
            keyring::show(ctx, account.id, key, false).await?;
            note(ctx, visit, account.id, "key.withdrawn", key).await?;
            done(t("It is not shown any more. Copies that others made stay with them."))
        }
        "revoke" => {
            let reason = match form.field("reason") {
                "stolen" => Reason::Compromised,
                "another" => Reason::Superseded,
                "stop" => Reason::Retired,
                // Lost: nothing signed by it was a lie, and nobody else has it.
                _ => Reason::Unspecified,
            };
            keyring::revoke(ctx, account.id, key, reason, passphrase()).await?;
            note(ctx, visit, account.id, "key.revoked", key).await?;
            tell(ctx, visit, account, Notice::KeyEnded, key).await;
            done(t("It is ended for good, and whoever looks for it learns so."))
        }
        "remove" if form.field("sure") != "yes" => Ok(Said::Says(
            false,
            t("Tick the box first: mail that was sealed to it can be read by nobody without a copy.").to_string(),
        )),
        "remove" => {
            keyring::remove(ctx, account.id, key).await?;
            note(ctx, visit, account.id, "key.removed", key).await?;
            tell(ctx, visit, account, Notice::KeyEnded, key).await;
            done(t("It is gone from here. Copies that others made stay with them."))
        }
        _ => Ok(Said::Says(false, t("Nothing was changed.").to_string())),
    }
}

async fn make(ctx: &Ctx, visit: &Visit, account: &Account, form: &Params) -> keyring::Result<Said> {
    let passphrase = match new_passphrase(form) {
        Ok(passphrase) => passphrase,
        Err(says) => return Ok(Said::Says(false, says)),
    };
    let profile = Profile::parse(form.field("profile")).unwrap_or_default();
    let (fingerprint, secret) = keyring::make(ctx, account, profile, form.field("keep") == "yes").await?;
    note(ctx, visit, account.id, "key.generated", &fingerprint).await?;
    tell(ctx, visit, account, Notice::KeyAdded, &fingerprint).await;
    let file = keyring::hand_out(secret, passphrase).await?;
    Ok(Said::HandedOut { fingerprint, file: text(&file) })
}

async fn bring(ctx: &Ctx, visit: &Visit, account: &Account, form: &Params) -> keyring::Result<Said> {
    let brought = Secret::new(form.field("keytext").to_string());
    let came = keyring::bring(ctx, account, brought, form.field("revocation")).await?;
    let mut says = Vec::new();
    for one in &came {
        match one {
            Came::Revocation(fingerprint) => {
                note(ctx, visit, account.id, "key.revoked", fingerprint).await?;
                tell(ctx, visit, account, Notice::KeyEnded, fingerprint).await;
                says.push(t("It is ended for good, and whoever looks for it learns so."));
            }
            Came::Key { fingerprint, named, .. } => {
                note(ctx, visit, account.id, "key.imported", fingerprint).await?;
                if *named {
                    tell(ctx, visit, account, Notice::KeyAdded, fingerprint).await;
                }
                says.push(match named {
                    true => t("It is here, and whoever looks for your address finds it."),
                    false => t("It is here, but it names no address of yours: nobody who looks for one finds it."),
                });
            }
        }
    }
    Ok(if says.is_empty() { Said::Says(false, says_unfit(&Unfit::Key(Refusal::NoKey))) } else { Said::Says(true, says.join(" ")) })
}

/// The secret half, under a new passphrase, as a file.
async fn take(ctx: &Ctx, visit: &Visit, account: &Account, form: &Params) -> keyring::Result<Said> {
    let passphrase = match new_passphrase(form) {
        Ok(passphrase) => passphrase,
        Err(says) => return Ok(Said::Says(false, says)),
    };
    let key = form.field("key");
    let secret = secret_of(ctx, account, key).await?;
    let file = keyring::hand_out(secret, passphrase).await?;
    taken(ctx, visit, account, key).await?;
    Ok(Said::HandedOut { fingerprint: key.to_string(), file: text(&file) })
}

/// To another device: a mail to oneself, and a code that this page alone shows (Autocrypt Level 1 §4.4).
async fn send(ctx: &Ctx, visit: &Visit, account: &Account, key: &str) -> keyring::Result<Said> {
    let secret = secret_of(ctx, account, key).await?;
    if hearth_openpgp::secret::is_locked(&secret).map_err(Trouble::from)? {
        return Ok(Said::Says(false, t("It has a passphrase of its own. Take it along as a file instead.").to_string()));
    }
    let code = setup::code(|| {
        let mut octets = [0_u8; 2];
        aws_lc_rs::rand::fill(&mut octets).map(|()| octets).map_err(|_| Trouble::new("the system gives no random numbers"))
    })?;
    let (to, with, now) = (account.primary.clone(), code.clone(), ctx.now());
    let sealed = tokio::task::spawn_blocking(move || setup::message(&secret, &with, &to, now)).await.map_err(Trouble::from)?;
    let mail = sealed.map_err(Trouble::from)?;
    let store = ctx.mail().await?;
    let prepared = store.prepare(account.id, Content::Bytes(mail.expose().clone())).await.map_err(Trouble::from)?;
    let delivered = store.write(account.id, Durability::Synced, move |tx| {
        let inbox = mailbox::find_by_role(tx, Role::Inbox)?;
        let places: Vec<_> = inbox.iter().map(|inbox| inbox.id).collect();
        message::append(tx, prepared, &places, &FlagSet::default(), now).map(drop)
    });
    delivered.await.map_err(Trouble::from)?;
    taken(ctx, visit, account, key).await?;
    Ok(Said::Sent(code))
}

async fn secret_of(ctx: &Ctx, account: &Account, key: &str) -> keyring::Result<Secret<Vec<u8>>> {
    keyring::held(ctx, account.id, key).await?;
    keyring::keepsake(ctx, account.id, key).await?.secret.ok_or(Fault::Peer(Unfit::NoSecret))
}

async fn taken(ctx: &Ctx, visit: &Visit, account: &Account, key: &str) -> Result<(), Trouble> {
    note(ctx, visit, account.id, "key.exported", key).await?;
    tell(ctx, visit, account, Notice::KeyTaken, key).await;
    Ok(())
}

fn new_passphrase(form: &Params) -> Result<Secret<String>, String> {
    let (new, again) = (form.field("new-passphrase"), form.field("again"));
    if !constant_time_eq(new.as_bytes(), again.as_bytes()) {
        return Err(t("The two passphrases are not the same.").to_string());
    }
    if new.chars().count() < PASSPHRASE_CHARS_MIN {
        return Err(t1("A passphrase has at least {} characters.", PASSPHRASE_CHARS_MIN));
    }
    Ok(Secret::new(new.to_string()))
}

fn text(armored: &Secret<Vec<u8>>) -> String {
    String::from_utf8_lossy(armored.expose()).into_owned()
}

fn says_unfit(unfit: &Unfit) -> String {
    let says = match unfit {
        Unfit::Key(Refusal::TooLarge { .. }) => t("That is larger than a key may be."),
        Unfit::Key(Refusal::Unbound) => t("Nothing in it is signed by its own key."),
        Unfit::Key(Refusal::Unsafe(_)) => t("This key rests on methods that are no longer safe. Make a new one."),
        Unfit::Key(Refusal::Locked(_)) => t("This passphrase does not open the secret half."),
        Unfit::Key(_) => t("There is no OpenPGP key in this, or it was cut off."),
        Unfit::Gone => t("That key is not here."),
        Unfit::Anothers => t("This key belongs to somebody else here."),
        Unfit::NoSecret => t("Its secret half is not here. Do it in your mail program, and bring the result."),
        Unfit::Revoked => t("It is ended, and that is for good. Make a new one."),
    };
    says.to_string()
}
