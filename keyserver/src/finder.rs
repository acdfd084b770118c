// SPDX-License-Identifier: AGPL-3.0-or-later
//! The look-up elsewhere for the account page: on a socket of its own, which the router does not know, one question a
//! connection (`lib/identity/src/finding.rs`). `GET /find` is the same for mail programs.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hearth_identity::finding::{ASKED_MAX, Answer, Asked, Found, KEY_BYTES_MAX, Question, Told};
use hearth_identity::login::{read_frame, write_frame};
use hearth_types::{AccountId, Address, Timestamp, Trouble};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::ctx::Ctx;
use crate::find;
use crate::limits::{FINDER_WITHIN, FINDERS_MAX};

/// Answers until `stop` is done.
pub async fn serve(ctx: Ctx, listener: UnixListener, stop: impl Future<Output = ()>) {
    let room = Arc::new(Semaphore::new(FINDERS_MAX));
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = stop.as_mut() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                // Over the bound: closed at once, which the page tells as a trouble.
                let Ok(place) = Arc::clone(&room).try_acquire_owned() else { continue };
                let ctx = ctx.clone();
                tokio::spawn(async move {
                    match timeout(FINDER_WITHIN, converse(&ctx, stream)).await {
                        Ok(Ok(())) => {}
                        Ok(Err(error)) => tracing::debug!(%error, "a look-up of the account page"),
                        Err(_) => tracing::debug!("a look-up of the account page took too long"),
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a look-up of the account page could not be taken");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn converse(ctx: &Ctx, mut stream: UnixStream) -> io::Result<()> {
    let Some(question) = read_frame::<Question>(&mut stream).await? else { return Ok(()) };
    let answer = answer(ctx, &question).await.unwrap_or_else(|trouble| {
        tracing::error!(id = trouble.id(), %trouble, "a look-up of the account page failed");
        Answer::Trouble(trouble.cause().to_string())
    });
    write_frame(&mut stream, &answer).await
}

async fn answer(ctx: &Ctx, question: &Question) -> Result<Answer, Trouble> {
    let people = ctx.people().ok_or_else(|| Trouble::new("nobody can be asked here"))?;
    let address = Address::parse(&question.address).map_err(Trouble::from)?;
    let Ok(_place) = people.places.try_acquire() else { return Ok(Answer::Busy) };
    let found = people.finder().await?.find(AccountId::from_i64(question.person), &address, false).await?;
    Ok(Answer::Told(told(found)))
}

fn told(answer: find::Answer) -> Told {
    let mut found: Vec<Found> = answer.found.iter().map(described).collect();
    if let (Some(first), Some(best)) = (found.first_mut(), answer.found.first()) {
        first.key = (best.bytes.len() <= KEY_BYTES_MAX).then(|| BASE64_STANDARD.encode(&best.bytes));
    }
    let asked = answer.asked.into_iter().take(ASKED_MAX).map(|(source, via, said)| Asked {
        source: source.as_str().to_string(),
        via,
        answered: !matches!(said, find::Asked::Failed(_)),
    });
    Told { found, asked: asked.collect(), changed_from: answer.changed_from.map(|(fingerprint, at)| (fingerprint, at.millis())) }
}

fn described(found: &find::Found) -> Found {
    Found {
        fingerprint: found.fingerprint.clone(),
        source: found.source.as_str().to_string(),
        via: found.via.clone(),
        confidence: found.confidence,
        usable: found.usable,
        revoked: found.revoked,
        remembered_at: found.remembered_at.map(Timestamp::millis),
        key: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_page_is_told_has_its_size() {
        let found = |octets: usize| find::Found {
            fingerprint: "AB".repeat(20),
            source: find::Source::Wkd,
            via: "b.example".into(),
            confidence: 80,
            usable: true,
            revoked: false,
            first_seen_at: None,
            remembered_at: None,
            bytes: vec![0; octets],
        };
        let asked = |count: usize| vec![(find::Source::Friend, "f.example".to_string(), find::Asked::Nothing); count];
        for (octets, has_key, count) in [(KEY_BYTES_MAX, true, ASKED_MAX), (KEY_BYTES_MAX + 1, false, ASKED_MAX + 1)] {
            let answer = find::Answer { found: vec![found(octets)], asked: asked(count), changed_from: None };
            let told = told(answer);
            assert_eq!((told.found[0].key.is_some(), told.asked.len()), (has_key, ASKED_MAX));
        }
    }
}
