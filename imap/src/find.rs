// SPDX-License-Identifier: AGPL-3.0-or-later
//! The messages of a mailbox that match (RFC 9051 §6.4.4), found by what costs least; and the rows that they are
//! sorted and threaded by.

use std::sync::Arc;

use hearth_mailstore::scan::{Scanned, scan};
use hearth_mailstore::sweep::{self, Depth};
use hearth_mailstore::{Body, FlagSet, MailTx, Summary, search};
use hearth_types::{AccountId, MailboxId, MessageId};
use hearth_wire::imap::SearchKey;
use hearth_wire::imap::response::Reply;
use hearth_wire::message::parse;

use crate::ctx::Ctx;
use crate::fault::Failure;
use crate::limits::{FETCH_BODIES_MAX, FETCH_ROWS_MAX, FUZZY_TEXTS_MAX, SCAN_GAP_MAX, SCAN_ROWS_MAX, SEARCH_BODY_BYTES_MAX};
use crate::news::{Look, refresh};
use crate::progress::Progress;
use crate::search::{Against, Answer, Content, Facts, Ranks, Test, compile, fuzzy_texts, relevancy};
use crate::view::{Line, Snapshot};

/// A message that may match.
type Candidate = (u32, Line, FlagSet);

/// A message that does: number, UID, modseq.
pub type Found = (u32, u32, u64);

/// Where to look.
pub struct Place {
    /// Whose store.
    pub account: AccountId,
    /// Which mailbox.
    pub mailbox: MailboxId,
    /// What message numbers mean.
    pub told: Arc<Snapshot>,
    /// What is there.
    pub now: Arc<Snapshot>,
    /// What `$` stands for.
    pub saved: Vec<u32>,
    /// What the text index said of what is looked for by its words; known when something was found.
    pub ranks: Ranks,
}

impl Place {
    /// The open mailbox.
    pub async fn selected(ctx: &mut Ctx) -> Result<Self, Failure> {
        let now = refresh(ctx, Look::IfCalled).await?.ok_or_else(|| Reply::bad("select a mailbox first"))?;
        let selected = ctx.selected()?;
        let told = Arc::clone(selected.view.told());
        let (account, mailbox, saved) = (selected.account, selected.mailbox, selected.saved.clone());
        Ok(Self { account, mailbox, told, now, saved, ranks: Ranks::new() })
    }

    /// How relevant messages are that were found here, in their order.
    pub fn relevancy(&self, found: &[Found]) -> Vec<u8> {
        let id = |uid: u32| self.told.find(uid).map_or(MessageId::from_i64(0), |line| line.id);
        relevancy(&self.ranks, &found.iter().map(|&(_, uid, _)| id(uid)).collect::<Vec<_>>())
    }

    async fn rank(&mut self, ctx: &mut Ctx, keys: &[SearchKey]) -> Result<(), Failure> {
        let texts = fuzzy_texts(keys);
        if texts.is_empty() {
            return Ok(());
        }
        if texts.len() > FUZZY_TEXTS_MAX {
            return Err(Reply::no("too many texts are looked for by their words").word("LIMIT").into());
        }
        let work = move |tx: &mut MailTx<'_>| {
            let rank = |(in_body_alone, text): (bool, String)| {
                let ranked = search::rank(tx, in_body_alone, &text)?;
                Ok::<_, Failure>(((in_body_alone, text), Arc::new(ranked)))
            };
            texts.into_iter().map(rank).collect::<Result<Ranks, _>>()
        };
        self.ranks = ctx.shared.store.read(self.account, work).await?;
        Ok(())
    }
}

/// Finds messages, ascending.
pub async fn find(ctx: &mut Ctx, tag: &str, keys: &[SearchKey], place: &mut Place) -> Result<Vec<Found>, Failure> {
    place.rank(ctx, keys).await?;
    let against = Against {
        largest_number: u32::try_from(place.told.len()).unwrap_or(u32::MAX),
        largest_uid: place.told.last_uid(),
        saved: &place.saved,
        now: ctx.shared.clock.now(),
        ranks: &place.ranks,
    };
    let test = Arc::new(compile(keys, against).map_err(|why| Reply::no(why).word("LIMIT"))?);
    let mailbox = place.mailbox;
    let mut found: Vec<Found> = Vec::new();
    let mut undecided: Vec<Candidate> = Vec::new();
    for (number, line) in (1..).zip(place.told.lines()) {
        // Flags as they are now; of what went away meanwhile, as they were.
        let (line, flags) = match place.now.find(line.uid) {
            Some(fresh) => (fresh, place.now.flags(fresh)),
            None => (line, place.told.flags(line)),
        };
        match test.ask(Facts { number, line, flags, mailbox, summary: None, content: None }) {
            Answer::Yes => found.push((number, line.uid, line.modseq)),
            Answer::No => {}
            Answer::Unknown => undecided.push((number, *line, flags.clone())),
        }
    }
    if !undecided.is_empty() {
        found.extend(read_rows(ctx, tag, &test, (place.account, mailbox), undecided).await?);
        found.sort_unstable();
    }
    Ok(found)
}

/// Asks again with rows, and where that is not enough, with texts; each transaction is a short one.
async fn read_rows(
    ctx: &mut Ctx,
    tag: &str,
    test: &Arc<Test>,
    (account, mailbox): (AccountId, MailboxId),
    undecided: Vec<Candidate>,
) -> Result<Vec<Found>, Failure> {
    let mut found = Vec::new();
    let mut left = Vec::new();
    for candidates in undecided.chunks(FETCH_ROWS_MAX) {
        let (candidates, test) = (candidates.to_vec(), Arc::clone(test));
        let work = move |tx: &mut MailTx<'_>| ask(tx, &test, mailbox, candidates, false);
        let (yes, unknown) = ctx.shared.store.read(account, work).await?;
        found.extend(yes);
        left.extend(unknown);
    }
    let mut progress = Progress::new(ctx, tag, left.len());
    for (at, candidates) in left.chunks(FETCH_BODIES_MAX).enumerate() {
        progress.tell(ctx, at * FETCH_BODIES_MAX).await?;
        let (candidates, test) = (candidates.to_vec(), Arc::clone(test));
        let work = move |tx: &mut MailTx<'_>| ask(tx, &test, mailbox, candidates, true);
        found.extend(ctx.shared.store.read(account, work).await?.0);
    }
    Ok(found)
}

/// On a blocking thread: those that match, and those that are still not decided.
fn ask(
    tx: &mut MailTx<'_>,
    test: &Test,
    mailbox: MailboxId,
    candidates: Vec<Candidate>,
    with_texts: bool,
) -> Result<(Vec<Found>, Vec<Candidate>), Failure> {
    let ids: Vec<_> = candidates.iter().map(|(_, line, _)| (line.uid, line.id)).collect();
    let fields = test.fields();
    let rows: Vec<(Summary, Option<Body>)> = if with_texts {
        // Where the header is, the row says.
        let depth = if fields.is_some() { Depth::All } else { Depth::Envelope };
        sweep::bodies(tx, mailbox, &ids, depth)?.into_iter().map(|(summary, body)| (summary, Some(body))).collect()
    } else {
        let depth = if test.is_of_row() { Depth::Row } else { Depth::Envelope };
        sweep::summaries(tx, mailbox, &ids, depth)?.into_iter().map(|summary| (summary, None)).collect()
    };
    let mut rows = rows.iter().peekable();
    let (mut found, mut unknown) = (Vec::new(), Vec::new());
    for (number, line, flags) in candidates {
        // What went away meanwhile matches nothing.
        let Some((summary, body)) = rows.next_if(|(summary, _)| summary.id == line.id) else { continue };
        let content = match (body, &fields) {
            (None, _) => None,
            (Some(body), Some(names)) => Some(read_fields(summary, body, names)?),
            (Some(body), None) => Some(read_content(body, test.is_of_text())?),
        };
        let facts = Facts { number, line: &line, flags: &flags, mailbox, summary: Some(summary), content: content.as_ref() };
        match test.ask(facts) {
            Answer::Yes => found.push((number, line.uid, line.modseq)),
            Answer::No => {}
            Answer::Unknown => unknown.push((number, line, flags)),
        }
    }
    Ok((found, unknown))
}

/// Nothing of the body is parsed.
fn read_fields(summary: &Summary, body: &Body, names: &[&str]) -> Result<Content, Failure> {
    let header = &summary.parsed.structure.header;
    let end = header.end.min(header.start.saturating_add(SEARCH_BODY_BYTES_MAX));
    Ok(Content::of_fields(&body.range(header.start..end)?, names))
}

fn read_content(body: &Body, text_alone: bool) -> Result<Content, Failure> {
    let raw = body.range(0..body.len().min(SEARCH_BODY_BYTES_MAX))?;
    let parsed = parse(&raw);
    Ok(if text_alone { Content::of_text(&parsed) } else { Content::new(&raw, &parsed) })
}

/// The rows of messages that were found, ascending by UID; those that are gone are left out.
pub async fn rows(ctx: &mut Ctx, place: &Place, found: &[Found], with_envelopes: bool) -> Result<Vec<Scanned>, Failure> {
    let (account, mailbox) = (place.account, place.mailbox);
    let uids: Vec<u32> = found.iter().map(|&(_, uid, _)| uid).collect();
    let mut all = Vec::with_capacity(uids.len());
    for run in runs(&uids) {
        let wanted = run.to_vec();
        let work = move |tx: &mut MailTx<'_>| {
            let (from, to) = (wanted.first().copied().unwrap_or(1), wanted.last().copied().unwrap_or(1));
            let mut rows = scan(tx, mailbox, from, to, with_envelopes)?;
            rows.retain(|row| wanted.binary_search(&row.uid).is_ok());
            Ok::<_, Failure>(rows)
        };
        all.extend(ctx.shared.store.read(account, work).await?);
    }
    Ok(all)
}

/// Ascending UIDs in pieces whose gaps are small, so that a sweep over one meets little that is not wanted.
fn runs(uids: &[u32]) -> impl Iterator<Item = &[u32]> {
    let near = |one: &u32, other: &u32| other.saturating_sub(*one) <= SCAN_GAP_MAX;
    uids.chunk_by(near).flat_map(|run| run.chunks(SCAN_ROWS_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sweeps() {
        let all: Vec<&[u32]> = runs(&[1, 2, 2 + SCAN_GAP_MAX, 3 + 2 * SCAN_GAP_MAX]).collect();
        assert_eq!(all.iter().map(|run| run.len()).collect::<Vec<_>>(), [3, 1]);
        let many: Vec<u32> = (1..=u32::try_from(SCAN_ROWS_MAX).expect("fits") + 1).collect();
        assert_eq!(runs(&many).map(<[u32]>::len).collect::<Vec<_>>(), [SCAN_ROWS_MAX, 1]);
        assert_eq!(runs(&[]).count(), 0);
    }
}
