// SPDX-License-Identifier: AGPL-3.0-or-later
//! THREAD (RFC 5256 §5).

use std::collections::HashMap;

use hearth_mailstore::scan::Scanned;
use hearth_wire::imap::response::Reply;
use hearth_wire::imap::{SearchKey, ThreadAlgorithm, encode_forest, uses_modseq};
use hearth_wire::message::{base_subject, casemap};

use crate::ctx::Ctx;
use crate::fault::Outcome;
use crate::filters;
use crate::find::{Place, find, rows};
use crate::thread::{Letter, thread};

/// Finds messages and tells what belongs together.
pub async fn run(ctx: &mut Ctx, tag: &str, uid: bool, algorithm: ThreadAlgorithm, keys: &[SearchKey]) -> Outcome {
    let keys = &filters::expand(ctx, keys.to_vec()).await?;
    if uses_modseq(keys) {
        ctx.modes.condstore = true;
    }
    let mut place = Place::selected(ctx).await?;
    let found = find(ctx, tag, keys, &mut place).await?;
    let rows = rows(ctx, &place, &found, algorithm != ThreadAlgorithm::OrderedSubject).await?;
    let numbers: HashMap<u32, u32> = found.iter().map(|&(number, uid, _)| (uid, number)).collect();
    let work = move || {
        let number = |row: &Scanned| if uid { row.uid } else { numbers.get(&row.uid).copied().unwrap_or_default() };
        let letters: Vec<Letter> = rows.iter().map(|row| letter(row, number(row))).collect();
        let mut out = Vec::new();
        encode_forest(&mut out, &thread(algorithm, &letters));
        out
    };
    let out = tokio::task::spawn_blocking(work).await.map_err(hearth_types::Trouble::from)?;
    ctx.write(&out).await?;
    Ok(Reply::ok("done"))
}

/// RFC 5256 §3: without References the first id of In-Reply-To stands for them.
fn letter(row: &Scanned, number: u32) -> Letter {
    let subject = casemap(&row.subject);
    let Some(envelope) = &row.envelope else {
        return Letter { number, sent_at: row.sent_at, subject, ..Letter::default() };
    };
    let references = if envelope.references.is_empty() {
        envelope.in_reply_to.first().cloned().into_iter().collect()
    } else {
        envelope.references.clone()
    };
    Letter {
        number,
        sent_at: row.sent_at,
        message_id: envelope.message_id.first().cloned(),
        references,
        subject,
        is_reply: base_subject(envelope.subject.as_deref().unwrap_or_default()).1,
    }
}
