// SPDX-License-Identifier: AGPL-3.0-or-later
//! Asking an address whether it wants to be shown, and believing the answer.
//!
//! A letter about a key is encrypted to it, so that its reader has shown both the mailbox and the key; who has a key that
//! nothing can be encrypted to, and lives here, publishes it on the account page. What is published is what was uploaded,
//! merged with what is kept by then.
//!
//! Who asks learns nothing of who lives here: for an address of this house that is nobody's the same is done, said and
//! kept as for a person's, and only the letter is not written.

use hearth_identity::certs::{Purpose, Source, Token, Waiting};
use hearth_identity::directory::Resolution;
use hearth_types::{AccountId, Address, Trouble};

use crate::answer::Failure;
use crate::cert::{Clean, Refusal};
use crate::ctx::Ctx;
use crate::letter::Letter;
use crate::limits::LETTER_ANSWERED_AFTER;
use crate::submit::{compute, join};
use crate::words::{Lang, Speaks as _};

/// What became of a request for a letter, as far as anybody may know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// It is written, if somebody is there to read it.
    Written,
    /// The address was asked within the hour.
    TooSoon,
    /// The certificate does not name the address, was revoked, or nothing can be encrypted to it.
    Impossible,
}

/// Holds an answer until as much time has passed as a letter takes.
pub(crate) async fn in_the_time_of_a_letter<T>(work: impl Future<Output = T>) -> T {
    let (done, ()) = tokio::join!(work, tokio::time::sleep(LETTER_ANSWERED_AFTER));
    done
}

/// Whose an address is.
pub(crate) enum Place {
    /// A person of this house.
    Ours(AccountId),
    /// Another home.
    Theirs,
    /// Here, but nobody's own: an alias, a list, nobody.
    Nobody,
}

pub(crate) async fn place(ctx: &Ctx, address: &Address) -> Result<Place, Failure> {
    if ctx.directory.find_domain(address.domain()).await.map_err(Trouble::from)?.is_none() {
        return Ok(Place::Theirs);
    }
    let account = match ctx.directory.resolve(address).await.map_err(Trouble::from)? {
        Resolution::Account(account) => Some(account),
        _ => None,
    };
    let Some(account) = account else { return Ok(Place::Nobody) };
    let own = ctx.directory.list_addresses(account).await.map_err(Trouble::from)?;
    Ok(if own.iter().any(|entry| entry.address.key() == address.key()) { Place::Ours(account) } else { Place::Nobody })
}

/// Writes to an address that a certificate names.
pub(crate) async fn ask_to_publish(ctx: &Ctx, bytes: &[u8], address: &Address, lang: Lang) -> Result<Asked, Failure> {
    let place = place(ctx, address).await?;
    let now = ctx.system_time();
    let whole = bytes.to_vec();
    let clean = compute(move || Clean::from_stored(&whole, now)).await?.map_err(Trouble::from)?;
    let is_named = clean.named_user_ids().iter().any(|named| !named.revoked && named.address.key() == address.key());
    if !is_named || clean.is_revoked() {
        return Ok(Asked::Impossible);
    }
    let (token, words) = (Token::fresh(), lang.words());
    let (path, id) = (format!("/verify/{}", token.as_str()), Token::fresh());
    let letter = Letter {
        to: address,
        subject: words.proof_subject,
        text: words.proof_body,
        path: &path,
        fingerprint: Some(clean.fingerprint()),
        lang,
        id: id.as_str(),
    };
    // A few milliseconds, and at most twenty in an hour for one network.
    let sealed = letter.sealed(&ctx.site, bytes, ctx.clock.now(), now).map_err(Trouble::from)?;
    let Some(sealed) = sealed else { return Ok(Asked::Impossible) };
    let raw = Some(sealed).filter(|_| !matches!(place, Place::Nobody));
    write(ctx, &token, Purpose::Proof, address, (clean.fingerprint().to_string(), bytes.to_vec()), raw).await
}

/// Writes to an address that is published, so that its owner can take it back.
pub(crate) async fn ask_to_manage(ctx: &Ctx, address: &Address, lang: Lang) -> Result<Asked, Failure> {
    let shown = ctx.directory.find_shown_certs_by_address(address).await.map_err(Trouble::from)?;
    let (token, words) = (Token::fresh(), lang.words());
    let (path, id) = (format!("/manage/{}", token.as_str()), Token::fresh());
    let letter = Letter {
        to: address,
        subject: words.manage_subject,
        text: words.manage_body,
        path: &path,
        fingerprint: None,
        lang,
        id: id.as_str(),
    };
    let raw = Some(letter.plain(&ctx.site, ctx.clock.now())).filter(|_| !shown.is_empty());
    write(ctx, &token, Purpose::Manage, address, (String::new(), Vec::new()), raw).await
}

/// HKP v2: sends a token to a person of this house, in a letter that programs read. Others hear nothing.
pub(crate) async fn ask_for_canonical(ctx: &Ctx, address: &Address) -> Result<Asked, Failure> {
    let place = place(ctx, address).await?;
    let (token, id, now) = (Token::fresh(), Token::fresh(), ctx.clock.now());
    let expires = now.after(hearth_identity::limits::PROOF_KEEP).secs();
    let text = format!(
        "{{\"url\": \"{}/pks/v2/canonical/{address}\", \"token\": \"{}\", \"expires\": {expires}}}\n",
        ctx.site.url,
        token.as_str()
    );
    let letter = Letter {
        to: address,
        subject: "OpenPGP key directory: a token for your canonical key",
        text: &text,
        path: "/",
        fingerprint: None,
        lang: Lang::En,
        id: id.as_str(),
    };
    let raw = Some(letter.plain(&ctx.site, now)).filter(|_| matches!(place, Place::Ours(_)));
    write(ctx, &token, Purpose::Canonical, address, (String::new(), Vec::new()), raw).await
}

/// Puts a letter down, or what would be kept with one when there is nobody to read it.
pub(crate) async fn write(
    ctx: &Ctx,
    token: &Token,
    purpose: Purpose,
    address: &Address,
    about: (String, Vec<u8>),
    raw: Option<Vec<u8>>,
) -> Result<Asked, Failure> {
    let kept = ctx.directory.add_proof(token, purpose, address, about, raw).await.map_err(Trouble::from)?;
    if kept {
        // Written or not: anybody can read the count.
        ctx.counts().letters.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
    Ok(if kept { Asked::Written } else { Asked::TooSoon })
}

/// What waits for a token that somebody brought, if it is good.
pub(crate) async fn find(ctx: &Ctx, token: &str, purpose: Purpose) -> Result<Option<(Token, Waiting)>, Failure> {
    let Some(token) = Token::parse(token) else { return Ok(None) };
    let waiting = ctx.directory.find_waiting(&token, purpose).await.map_err(Trouble::from)?;
    Ok(waiting.map(|waiting| (token, waiting)))
}

/// Shows an address in a certificate, and in no other. `false` when the certificate is not for it any more.
pub(crate) async fn publish(ctx: &Ctx, fingerprint: &str, bytes: &[u8], address: &Address) -> Result<bool, Failure> {
    let account = match place(ctx, address).await? {
        Place::Ours(account) => Some(account),
        Place::Theirs => None,
        Place::Nobody => return Ok(false),
    };
    let kept = ctx.directory.find_kept(fingerprint).await.map_err(Trouble::from)?;
    if kept.as_ref().and_then(|kept| kept.account).zip(account).is_some_and(|(owner, account)| owner != account) {
        return Ok(false);
    }
    let (now, bytes) = (ctx.system_time(), bytes.to_vec());
    let merged = compute(move || match kept {
        Some(kept) => join(&kept.whole, &bytes, now),
        None => Clean::from_stored(&bytes, now),
    });
    let clean = match merged.await? {
        Ok(clean) => clean,
        Err(Refusal::TooLarge { .. }) => return Ok(false),
        Err(other) => return Err(Failure::Ours(Trouble::from(other))),
    };
    let certificate = clean.to_certificate(account, Source::Imported, false, |_| true);
    Ok(ctx.directory.prove_cert(certificate, address).await.map_err(Trouble::from)?)
}
