// SPDX-License-Identifier: AGPL-3.0-or-later
//! The OpenPGP certificates of a person: made, brought, looked after, shown, ended. The pages are in `account/key.rs`.
//!
//! Public halves go to the directory, where `hearth-keyserver` finds them; secret halves, if they are kept at all, into the
//! vault. What strangers sent is not read here: only what somebody who is signed in brings. The order of two writes is
//! always such that after a power cut between them nothing is shown whose secret half is lost.

use std::time::SystemTime;

use hearth_identity::certs::{Held, Source};
use hearth_identity::directory::{Account, Kind};
use hearth_openpgp::care::{self, Cared};
use hearth_openpgp::generate::{AT_BIRTH, VALIDITY};
use hearth_openpgp::secret::{self, Brought, Keepsake, Reason};
use hearth_openpgp::{Clean, Profile, Refusal, generate, read_submission};
use hearth_types::{AccountId, Address, Fault, Secret, Trouble};

use crate::ctx::Ctx;

/// Why something was not done, when it is the person's to mend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// What is in the bytes, or the passphrase.
    Key(Refusal),
    /// It is not here, or not theirs.
    Gone,
    /// It belongs to somebody else here.
    Anothers,
    /// Its secret half is not in the vault.
    NoSecret,
    /// It is revoked, and that is for good.
    Revoked,
}

/// What came of it.
pub type Result<T> = std::result::Result<T, Fault<Unfit>>;

/// What is to be done with a secret key that is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Care {
    /// It ends three years from now.
    Extend,
    /// It gets a new encryption key.
    Rotate,
}

/// What somebody brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Came {
    /// A certificate; with its secret half?
    Key {
        /// Of the primary key.
        fingerprint: String,
        /// Its secret half is in the vault now.
        secret: bool,
        /// It names an address of theirs.
        named: bool,
    },
    /// A revocation, of a certificate that is here.
    Revocation(String),
}

/// One at a time: the secret half and the certificate are read, changed and written in steps.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
/// How often a change is made anew because somebody sent something of the certificate meanwhile.
const TRIES_MAX: usize = 5;

/// Makes a certificate and shows it for the person's addresses. The secret half is sealed in the vault when it is to be
/// kept; it is given back, without a passphrase, to be handed out once.
pub async fn make(ctx: &Ctx, account: &Account, profile: Profile, is_kept: bool) -> Result<(String, Secret<Vec<u8>>)> {
    let mut addresses: Vec<Address> =
        ours(ctx.directory.list_open_addresses(account.id).await)?.into_iter().map(|entry| entry.address).collect();
    // The primary address carries the name.
    addresses.sort_by_key(|address| address.key() != account.primary.key());
    let (name, named, now) = (account.name.clone(), addresses.clone(), at(ctx));
    let made = compute(move || generate(&name, &named, profile, now)).await?;
    let fingerprint = made.clean.fingerprint().to_string();
    let kept = is_kept.then(|| made.secret.clone());
    seal(ctx, account.id, &fingerprint, Keepsake { revocation: Some(made.revocation), secret: kept }).await?;
    ours(ctx.directory.store_cert(made.clean.for_store(account.id, Source::Generated, is_kept, &addresses)).await)?;
    ours(ctx.directory.publish_cert(&fingerprint, addresses).await)?;
    have_it_certified(ctx);
    Ok((fingerprint, made.secret))
}

/// For somebody who just came: what the house wants them to have. Their account is there all the same when this fails.
pub async fn make_at_birth(ctx: &Ctx, account: &Account) {
    let made = async {
        let wanted = ours(ctx.directory.find_setting(AT_BIRTH).await)?;
        let Some(profile) = wanted.as_deref().and_then(Profile::parse).filter(|_| account.kind == Kind::Person) else {
            return Ok(());
        };
        make(ctx, account, profile, true).await.map(drop)
    };
    if let Err(fault) = made.await {
        tracing::warn!(?fault, "somebody new has no OpenPGP certificate yet; make it with: hearth key generate");
    }
}

/// Under a passphrase, as text: for a mail program.
pub async fn hand_out(secret: Secret<Vec<u8>>, passphrase: Secret<String>) -> Result<Secret<Vec<u8>>> {
    compute(move || secret::export(&secret, Some(&passphrase), true)).await
}

/// Takes a certificate, a secret key or a revocation, and shows it for the person's addresses. `revocation`: of the first
/// certificate in it, made at its birth, for the vault.
pub async fn bring(ctx: &Ctx, account: &Account, text: Secret<String>, revocation: &str) -> Result<Vec<Came>> {
    let _alone = ALONE.lock().await;
    let now = at(ctx);
    let bytes = Secret::new(text.expose().as_bytes().to_vec());
    let sent = bytes.clone();
    if let Some(Brought { clean, secret }) = compute(move || secret::read_secret(sent.expose(), now)).await? {
        let clean = compute(move || clean.check_safe(now).map(|()| clean)).await?;
        let clean = merged(ctx, account.id, clean).await?;
        let before = keepsake(ctx, account.id, clean.fingerprint()).await?;
        seal(ctx, account.id, clean.fingerprint(), Keepsake { revocation: before.revocation, secret: Some(secret) }).await?;
        return Ok(vec![store(ctx, account, &clean, true).await?]);
    }
    let submission = compute(move || read_submission(bytes.expose(), now)).await?;
    let mut came = Vec::new();
    for raw in submission.certs {
        let clean = compute(move || Clean::from_raw(raw, now).and_then(|clean| clean.check_safe(now).map(|()| clean))).await?;
        let clean = merged(ctx, account.id, clean).await?;
        if came.is_empty() && !revocation.is_empty() {
            let (of, text) = (clean.clone(), revocation.to_string());
            let revocation = compute(move || secret::check_revocation(&of, text.as_bytes(), now)).await?;
            let before = keepsake(ctx, account.id, clean.fingerprint()).await?;
            seal(ctx, account.id, clean.fingerprint(), Keepsake { revocation: Some(revocation), secret: before.secret }).await?;
        }
        came.push(store(ctx, account, &clean, false).await?);
    }
    for revocation in submission.revocations {
        let issuer = revocation.get_issuers().first().map(|issuer| issuer.to_hex()).ok_or(Fault::Peer(Unfit::Gone))?;
        let held = ours(ctx.directory.find_certs_by_key(&issuer).await)?;
        let held = held.into_iter().find(|held| held.account == account.id).ok_or(Fault::Peer(Unfit::Gone))?;
        let fingerprint = held.fingerprint.clone();
        let revoked = compute(move || Clean::from_stored(&held.whole, now)?.revoke(revocation, now)).await?;
        if !revoked.is_revoked() {
            return Err(Fault::Peer(Unfit::Key(Refusal::Unbound)));
        }
        replace(ctx, account.id, &revoked, false).await?;
        came.push(Came::Revocation(fingerprint));
    }
    Ok(came)
}

/// Looks after a certificate whose secret half is here.
pub async fn look_after(ctx: &Ctx, account: AccountId, key: &str, care: Care, passphrase: Option<Secret<String>>) -> Result<()> {
    let _alone = ALONE.lock().await;
    let held = usable(ctx, account, key).await?;
    let kept = keepsake(ctx, account, key).await?;
    let (Some(secret), now) = (kept.secret, at(ctx)) else { return Err(Fault::Peer(Unfit::NoSecret)) };
    let Cared { clean, secret } = compute(move || match care {
        Care::Extend => care::extend(&secret, passphrase.as_ref(), now + VALIDITY, now),
        Care::Rotate => care::rotate(&secret, passphrase.as_ref(), now),
    })
    .await?;
    seal(ctx, account, key, Keepsake { revocation: kept.revocation, secret: Some(secret) }).await?;
    let merged = compute(move || join(&held.whole, &clean.whole(), now)).await?;
    replace(ctx, account, &merged, true).await
}

/// Ends a certificate for good. By its secret key the reason is said; by the revocation of its birth none is.
pub async fn revoke(ctx: &Ctx, account: AccountId, key: &str, reason: Reason, passphrase: Option<Secret<String>>) -> Result<()> {
    let _alone = ALONE.lock().await;
    let held = usable(ctx, account, key).await?;
    let (kept, now) = (keepsake(ctx, account, key).await?, at(ctx));
    let revoked = compute(move || {
        let signature = match (&kept.secret, &kept.revocation) {
            (Some(secret), _) => secret::revoke(secret, passphrase.as_ref(), reason, "")?,
            (None, Some(birth)) => secret::read_revocation(birth)?,
            (None, None) => return Ok(None),
        };
        Clean::from_stored(&held.whole, now)?.revoke(signature, now).map(Some)
    });
    let revoked = revoked.await?.ok_or(Fault::Peer(Unfit::NoSecret))?;
    if !revoked.is_revoked() {
        return Err(Fault::Peer(Unfit::Key(Refusal::Unbound)));
    }
    replace(ctx, account, &revoked, false).await
}

/// Shows it for the person's addresses that it names, or for none.
pub async fn show(ctx: &Ctx, account: AccountId, key: &str, is_shown: bool) -> Result<()> {
    let held = held(ctx, account, key).await?;
    let (owned, now) = (addresses_of(ctx, account).await?, at(ctx));
    let clean = compute(move || Clean::from_stored(&held.whole, now)).await?;
    let named = clean.named_and_owned(&owned);
    if is_shown {
        // There may be new addresses since it was stored.
        ours(ctx.directory.store_cert(clean.for_store(account, Source::Imported, false, &owned)).await)?;
        ours(ctx.directory.publish_cert(key, named).await)?;
        have_it_certified(ctx);
    } else {
        let all = ours(ctx.directory.list_certs(Some(account)).await)?;
        let shown = all.into_iter().filter(|cert| cert.fingerprint == key).flat_map(|cert| cert.addresses);
        for address in shown.filter(|named| named.published).map(|named| named.address) {
            ours(ctx.directory.withdraw_cert_address(&address).await)?;
        }
    }
    Ok(())
}

/// Forgets it, secret half and all. A revoked one stays, without addresses, for those who have it.
pub async fn remove(ctx: &Ctx, account: AccountId, key: &str) -> Result<()> {
    let _alone = ALONE.lock().await;
    held(ctx, account, key).await?;
    // What is shown goes first: a certificate without its secret must not be found.
    ours(ctx.directory.bury_cert(key).await)?;
    if ours(ctx.vault().find_secret_key(key).await)?.is_some_and(|(owner, _)| owner == account) {
        ours(ctx.vault().remove_secret_key(key).await)?;
    }
    Ok(())
}

/// What the vault keeps of it.
pub async fn keepsake(ctx: &Ctx, account: AccountId, key: &str) -> Result<Keepsake> {
    match ours(ctx.vault().find_secret_key(key).await)? {
        Some((owner, bytes)) if owner == account => compute(move || Keepsake::parse(&bytes)).await,
        _ => Ok(Keepsake::default()),
    }
}

/// One of the person's own.
pub async fn held(ctx: &Ctx, account: AccountId, key: &str) -> Result<Held> {
    let held = ours(ctx.directory.find_cert(key).await)?.filter(|held| held.account == account);
    held.ok_or(Fault::Peer(Unfit::Gone))
}

async fn usable(ctx: &Ctx, account: AccountId, key: &str) -> Result<Held> {
    let (held, now) = (held(ctx, account, key).await?, at(ctx));
    let whole = held.whole.clone();
    if compute(move || Clean::from_stored(&whole, now)).await?.is_revoked() {
        return Err(Fault::Peer(Unfit::Revoked));
    }
    Ok(held)
}

/// What is brought, with what is here already.
async fn merged(ctx: &Ctx, account: AccountId, clean: Clean) -> Result<Clean> {
    let Some(held) = ours(ctx.directory.find_kept(clean.fingerprint()).await)? else { return Ok(clean) };
    // Nobody's here (the house's own, or proven by a letter): who is named in it takes it, and nobody else.
    let is_theirs = match held.account {
        Some(owner) => owner == account,
        None => !clean.named_and_owned(&addresses_of(ctx, account).await?).is_empty(),
    };
    if !is_theirs {
        return Err(Fault::Peer(Unfit::Anothers));
    }
    let now = at(ctx);
    compute(move || join(&held.whole, &clean.whole(), now)).await
}

async fn store(ctx: &Ctx, account: &Account, clean: &Clean, secret: bool) -> Result<Came> {
    let owned = addresses_of(ctx, account.id).await?;
    let stored = ctx.directory.store_cert(clean.for_store(account.id, Source::Imported, secret, &owned)).await;
    match stored {
        Err(hearth_identity::Error::InUse(_)) => return Err(Fault::Peer(Unfit::Anothers)),
        stored => ours(stored)?,
    }
    let named = clean.named_and_owned(&owned);
    let is_named = !named.is_empty();
    ours(ctx.directory.publish_cert(clean.fingerprint(), named).await)?;
    have_it_certified(ctx);
    Ok(Came::Key { fingerprint: clean.fingerprint().to_string(), secret, named: is_named })
}

async fn replace(ctx: &Ctx, account: AccountId, clean: &Clean, secret: bool) -> Result<()> {
    let owned = addresses_of(ctx, account).await?;
    for _ in 0..TRIES_MAX {
        let held = held(ctx, account, clean.fingerprint()).await?;
        let (before, update, now) = (held.whole.clone(), clean.whole(), at(ctx));
        let merged = compute(move || join(&held.whole, &update, now)).await?;
        if ours(ctx.directory.replace_cert(&before, merged.for_store(account, Source::Imported, secret, &owned)).await)? {
            return Ok(());
        }
    }
    Err(Fault::Ours(Trouble::new("a certificate changes all the time")))
}

async fn seal(ctx: &Ctx, account: AccountId, key: &str, keepsake: Keepsake) -> Result<()> {
    match ctx.vault().store_secret_key(account, key, &keepsake.to_bytes()).await {
        Err(hearth_identity::Error::InUse(_)) => Err(Fault::Peer(Unfit::Anothers)),
        sealed => ours(sealed),
    }
}

async fn addresses_of(ctx: &Ctx, account: AccountId) -> Result<Vec<Address>> {
    Ok(ours(ctx.directory.list_addresses(account).await)?.into_iter().map(|entry| entry.address).collect())
}

fn join(held: &[u8], update: &[u8], now: SystemTime) -> std::result::Result<Clean, Refusal> {
    let update = read_submission(update, now)?.certs.into_iter().next().ok_or(Refusal::NoKey)?;
    Clean::from_stored(held, now)?.merge(update, now)
}

/// Asks for the round in which the house certifies what its people published; no server has the key for it. Without a file
/// it is done within a day.
fn have_it_certified(ctx: &Ctx) {
    let Some(path) = &ctx.home.tend else { return };
    if let Err(error) = std::fs::write(path, b"") {
        tracing::warn!(%error, path = %path.display(), "the house certifies what was published tomorrow");
    }
}

fn at(ctx: &Ctx) -> SystemTime {
    ctx.now().into()
}

fn ours<T>(result: hearth_identity::Result<T>) -> Result<T> {
    result.map_err(|error| Fault::Ours(Trouble::from(error)))
}

/// Runs arithmetic on a blocking thread.
async fn compute<T: Send + 'static>(work: impl FnOnce() -> std::result::Result<T, Refusal> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await.map_err(|error| Fault::Ours(Trouble::from(error)))?;
    done.map_err(|refusal| match refusal {
        Refusal::Library(_) => Fault::Ours(Trouble::from(refusal)),
        refusal => Fault::Peer(Unfit::Key(refusal)),
    })
}
