// SPDX-License-Identifier: AGPL-3.0-or-later
//! Before a mail is judged, the person's doings since the last one are learnt: here, and not where they are done, so
//! that nobody who moves a mail waits for it.

use hearth_filter::{at_rest, junk};
use hearth_mailstore::{Durability, MailTx, lesson, message};
use hearth_types::AccountId;

use crate::ctx::Server;
use crate::limits::{LEARNT_BYTES_MAX, LESSONS_AT_ONCE_MAX, LESSONS_UNNOTED_MAX};

/// Is there anything to learn, or to note that there was nothing?
pub(super) fn is_due(tx: &mut MailTx<'_>) -> hearth_mailstore::Result<bool> {
    let found = lesson::lessons(tx, LESSONS_AT_ONCE_MAX)?;
    let far = found.until.saturating_sub(lesson::looked_until(tx)?);
    // Looking again at a few changes costs less than writing down that they said nothing.
    Ok(!found.lessons.is_empty() || !found.thrown.is_empty() || far > LESSONS_UNNOTED_MAX)
}

/// Learns what there is, within a bound. What fails is logged: the mail is judged by what is known.
pub(super) async fn catch_up(server: &Server, account: AccountId) {
    let done = server.store.write(account, Durability::Committed, learn).await;
    match done {
        Ok(0) => {}
        Ok(count) => {
            metrics::counter!("smtp_lessons_total").increment(count);
            tracing::debug!(%account, count, "learnt from what the person did");
        }
        Err(error) => tracing::warn!(%account, %error, "what the person did could not be learnt"),
    }
}

fn learn(tx: &mut MailTx<'_>) -> hearth_mailstore::Result<u64> {
    let found = lesson::lessons(tx, LESSONS_AT_ONCE_MAX)?;
    let mut count = 0;
    for one in &found.lessons {
        let Some(body) = message::body(tx, one.message)? else { continue };
        if body.len() > LEARNT_BYTES_MAX {
            continue;
        }
        let mail = body.bytes()?;
        let parsed = hearth_wire::message::parse(&mail);
        // The words of what is encrypted are noise; who sent it is not.
        let tokens = if at_rest::is_encrypted(&mail) { Vec::new() } else { junk::tokens(&parsed) };
        let mut words: Vec<i64> = tokens.into_iter().map(|token| token.hash).collect();
        words.extend(junk::sender(&parsed).into_iter().flat_map(|sender| [sender.of_address, sender.of_domain]));
        lesson::learn(tx, *one, &words)?;
        count += 1;
    }
    for message in found.thrown {
        let Some(summary) = message::summaries(tx, &[message])?.pop() else { continue };
        if let Some(sender) = junk::sender(&summary.parsed) {
            lesson::note_thrown(tx, message, sender.of_thrown)?;
        }
    }
    lesson::learnt_until(tx, found.until)?;
    Ok(count)
}
