// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a stranger's submission changes: certificates that we keep get what is new, signed by their own
//! key, and nothing else is stored. Showing an identity stays the owner's decision.

use std::sync::Arc;

use hearth_identity::certs::{Kept, Source, Vouch};
use hearth_types::{Secret, Trouble};
use sequoia_openpgp::packet::Signature;

use crate::answer::Failure;
use crate::cert::clean::NamedUserId;
use crate::cert::{self, Clean, Dropped, Raw, approved, authority, read_submission};
use crate::ctx::Ctx;
use crate::find::authority_of;
use crate::limits::CERT_BYTES_MAX;

/// How often a change is tried again when somebody else changed the same certificate meanwhile.
const TRIES_MAX: usize = 3;

/// What came of one certificate or revocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It had something new.
    Updated,
    /// We had all of it.
    Unchanged,
    /// Not a certificate of ours.
    Unknown,
    /// Not taken.
    Refused(cert::Refusal),
}

impl Outcome {
    /// For a person.
    pub(crate) fn says(&self) -> String {
        match self {
            Self::Updated => "updated".into(),
            Self::Unchanged => "nothing new".into(),
            Self::Unknown => "not kept here".into(),
            Self::Refused(refusal) => format!("refused: {refusal}"),
        }
    }
}

/// What was submitted: a fingerprint (or key id, of a revocation alone) and the addresses that it named.
#[derive(Clone, Debug)]
pub(crate) struct Submitted {
    pub(crate) fingerprint: String,
    pub(crate) named: Vec<NamedUserId>,
    /// A certificate that is not kept here, clean: it may wait for a proof.
    pub(crate) stranger: Option<Vec<u8>>,
}

/// What came of a submission.
#[derive(Clone, Debug, Default)]
pub(crate) struct Taken {
    pub(crate) outcomes: Vec<(Submitted, Outcome)>,
    pub(crate) dropped: Dropped,
}

impl Taken {
    /// Is nothing in it ours?
    pub(crate) fn is_unknown(&self) -> bool {
        self.outcomes.iter().all(|(_, outcome)| *outcome == Outcome::Unknown)
    }

    /// Was something of ours in it, and none of that taken?
    pub(crate) fn is_refused(&self) -> bool {
        let is = |wanted: fn(&Outcome) -> bool| self.outcomes.iter().any(|(_, outcome)| wanted(outcome));
        is(|outcome| matches!(outcome, Outcome::Refused(_)))
            && !is(|outcome| matches!(outcome, Outcome::Updated | Outcome::Unchanged))
    }

    /// A line for each certificate, and one for what was left out.
    pub(crate) fn says(&self) -> String {
        let mut lines: String =
            self.outcomes.iter().map(|(submitted, outcome)| format!("{} {}\n", submitted.fingerprint, outcome.says())).collect();
        let left_out = self.dropped.says();
        if !left_out.is_empty() {
            lines.push_str(&left_out);
            lines.push('\n');
        }
        lines
    }
}

/// One of the things in a submission.
enum Item {
    Cert(Box<Raw>),
    Revocation(Box<Signature>),
}

/// Takes what is new. Fails as a whole only when nothing could be read, or a secret key was in it.
pub(crate) async fn submit(ctx: &Ctx, bytes: Vec<u8>) -> Result<Taken, Failure> {
    ctx.counts().uploads.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let permit = ctx.intake().await?;
    let now = ctx.system_time();
    // Wiped when it is dropped: there may be a secret key in it.
    let sent = Arc::new(Secret::new(bytes));
    let read = Arc::clone(&sent);
    let submission = compute(move || read_submission(read.expose(), now)).await?;
    let submission = submission.map_err(|refusal| Failure::Peer(refusal.into()))?;
    let mut outcomes = Vec::new();
    let dropped = submission.dropped;
    for raw in submission.certs {
        let fingerprint = raw.fingerprint();
        let held = ctx.directory.find_kept(&fingerprint).await.map_err(Trouble::from)?;
        let is_held = held.is_some();
        let taken = take(ctx, fingerprint.clone(), held, Item::Cert(Box::new(raw))).await?;
        // Only a certificate that has certifications by others, and nothing that it should not have.
        let may_approve = sent.expose().len() <= CERT_BYTES_MAX
            && dropped.foreign_signatures > 0
            && dropped.other_packets == 0
            && dropped.excess_components == 0;
        let is_taken = may_approve && is_held && matches!(taken.1, Outcome::Updated | Outcome::Unchanged);
        let said = is_taken && (keep_approved(ctx, &sent, &fingerprint).await? | keep_vouched(ctx, &sent, &fingerprint).await?);
        outcomes.push(if said { (taken.0, Outcome::Updated) } else { taken });
    }
    for revocation in submission.revocations {
        let Some(issuer) = revocation.get_issuers().first().map(|issuer| issuer.to_hex()) else { continue };
        let fingerprint = ctx.directory.find_fingerprint_by_key(&issuer).await.map_err(Trouble::from)?;
        let held = ctx.directory.find_kept(fingerprint.as_deref().unwrap_or(&issuer)).await.map_err(Trouble::from)?;
        outcomes.push(take(ctx, issuer, held, Item::Revocation(Box::new(revocation))).await?);
    }
    drop(permit);
    Ok(Taken { outcomes, dropped })
}

/// What the owner approved of in the certifications by others, if the submission says so.
async fn keep_approved(ctx: &Ctx, sent: &Arc<Secret<Vec<u8>>>, fingerprint: &str) -> Result<bool, Failure> {
    let (sent, of, now) = (Arc::clone(sent), fingerprint.to_string(), ctx.system_time());
    let Some(approved) = compute(move || approved::read(sent.expose(), &of, now)).await? else { return Ok(false) };
    Ok(ctx.directory.replace_approved(fingerprint, approved.made_at, approved.vouches).await.map_err(Trouble::from)?)
}

/// What the homes that this house trusts say of their own people in it. Without such a home nothing is looked at.
async fn keep_vouched(ctx: &Ctx, sent: &Arc<Secret<Vec<u8>>>, fingerprint: &str) -> Result<bool, Failure> {
    let homes = ctx.directory.list_trusted_homes().await.map_err(Trouble::from)?;
    if homes.is_empty() {
        return Ok(false);
    }
    let root = authority_of(&ctx.directory).await?;
    let held = ctx.directory.find_kept(fingerprint).await.map_err(Trouble::from)?;
    let (Some(root), Some(held)) = (root, held) else { return Ok(false) };
    let (sent, now) = (Arc::clone(sent), ctx.system_time());
    let vouches = compute(move || {
        let clean = Clean::from_stored(&held.whole, now)?;
        Ok::<_, cert::Refusal>(authority::vouched_by_homes(&root, &homes, &clean, sent.expose(), now))
    });
    let vouches = vouches.await?.map_err(Trouble::from)?;
    let known = ctx.directory.list_vouches(fingerprint).await.map_err(Trouble::from)?;
    let is_newer = |one: &Vouch, vouch: &Vouch| one.created_at >= vouch.created_at;
    let is_new =
        |vouch: &Vouch| !known.iter().any(|one| one.user_id == vouch.user_id && one.issuer == vouch.issuer && is_newer(one, vouch));
    let fresh: Vec<Vouch> = vouches.into_iter().filter(is_new).collect();
    let any = !fresh.is_empty();
    if any {
        ctx.directory.store_vouches(fresh).await.map_err(Trouble::from)?;
    }
    Ok(any)
}

async fn take(ctx: &Ctx, fingerprint: String, held: Option<Kept>, item: Item) -> Result<(Submitted, Outcome), Failure> {
    let mut submitted = Submitted { fingerprint, named: Vec::new(), stranger: None };
    let now = ctx.system_time();
    let Some(mut held) = held else {
        if let Item::Cert(raw) = item
            && let Ok(clean) = compute(move || Clean::from_raw(*raw, now)).await?
        {
            submitted.named = clean.named_user_ids();
            submitted.stranger = Some(clean.whole());
        }
        return Ok((submitted, Outcome::Unknown));
    };
    let stored = held.whole.clone();
    let merged = compute(move || {
        let clean = Clean::from_stored(&stored, now)?;
        match item {
            Item::Cert(raw) => {
                // Verified on its own first: its own words say which addresses its sender knows of.
                let merged = clean.merge(Raw::clone(&raw), now)?;
                let named = Clean::from_raw(*raw, now).map(|sent| sent.named_user_ids()).unwrap_or_default();
                Ok((merged, named))
            }
            Item::Revocation(revocation) => Ok((clean.revoke(*revocation, now)?, Vec::new())),
        }
    });
    let (mut merged, named) = match merged.await? {
        Ok(merged) => merged,
        Err(refusal) => return Ok((submitted, Outcome::Refused(refusal))),
    };
    submitted.named = named;
    for _ in 0..TRIES_MAX {
        if merged.whole() == held.whole {
            return Ok((submitted, Outcome::Unchanged));
        }
        let certificate = merged.to_certificate(held.account, Source::Imported, false, |_| true);
        if ctx.directory.replace_cert(&held.whole, certificate).await.map_err(Trouble::from)? {
            metrics::counter!("hearth_keyserver_updates_total").increment(1);
            return Ok((submitted, Outcome::Updated));
        }
        // Somebody was quicker: what they stored, and what we have.
        let Some(newer) = ctx.directory.find_kept(&held.fingerprint).await.map_err(Trouble::from)? else {
            return Ok((submitted, Outcome::Unknown));
        };
        let (ours, theirs) = (merged.whole(), newer.whole.clone());
        merged = compute(move || join(&theirs, &ours, now)).await?.map_err(Trouble::from)?;
        held = newer;
    }
    Err(Failure::Ours(Trouble::from(std::io::Error::other("a certificate changed again and again while it was updated"))))
}

pub(crate) fn join(held: &[u8], update: &[u8], now: std::time::SystemTime) -> Result<Clean, cert::Refusal> {
    let clean = Clean::from_stored(held, now)?;
    let update = read_submission(update, now)?.certs.into_iter().next().ok_or(cert::Refusal::NoKey)?;
    clean.merge(update, now)
}

/// Runs arithmetic on a blocking thread.
pub(crate) async fn compute<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    Ok(tokio::task::spawn_blocking(work).await.map_err(Trouble::from)?)
}
