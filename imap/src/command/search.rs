// SPDX-License-Identifier: AGPL-3.0-or-later
//! SEARCH (RFC 9051 §6.4.4), answering by SEARCH or ESEARCH, and saving for `$`.

use std::sync::Arc;

use hearth_mailstore::{FlagSet, MailTx, message};
use hearth_types::MailboxId;
use hearth_wire::imap::response::{Esearch, Reply, encode_esearch, encode_search};
use hearth_wire::imap::{Search, SearchReturn, uses_modseq};
use hearth_wire::message::parse;

use crate::ctx::Ctx;
use crate::fault::{Failure, Outcome};
use crate::limits::{FETCH_BODIES_MAX, FETCH_ROWS_MAX, SEARCH_BODY_BYTES_MAX};
use crate::news::{Look, refresh};
use crate::search::{Against, Answer, Content, Facts, Test, compile};
use crate::view::Line;

/// A message that may match.
type Candidate = (u32, Line, FlagSet);

/// A message that does: number, UID, modseq.
type Found = (u32, u32, u64);

/// Finds messages.
pub async fn run(ctx: &mut Ctx, tag: &str, search: Search) -> Outcome {
    if uses_modseq(&search.keys) {
        ctx.modes.condstore = true;
    }
    let saves = search.returns.is_some_and(|returns| returns.save);
    let found = match find(ctx, &search).await {
        Ok(found) => found,
        Err(failure) => {
            if saves {
                // RFC 9051 §6.4.4.1: a search that fails leaves an empty result.
                ctx.selected()?.saved = Vec::new();
            }
            return Err(failure);
        }
    };
    if saves {
        ctx.selected()?.saved = saved(&found, search.returns.unwrap_or_default());
    }
    let mut out = Vec::new();
    answer(&mut out, tag, &search, &found, ctx.modes.rev2);
    ctx.write(&out).await?;
    Ok(Reply::ok("done"))
}

async fn find(ctx: &mut Ctx, search: &Search) -> Result<Vec<Found>, Failure> {
    let now = refresh(ctx, Look::IfCalled).await?.ok_or_else(|| Reply::bad("select a mailbox first"))?;
    let time = ctx.shared.clock.now();
    let selected = ctx.selected()?;
    let told = Arc::clone(selected.view.told());
    let mailbox = selected.mailbox;
    let against = Against {
        largest_number: u32::try_from(told.len()).unwrap_or(u32::MAX),
        largest_uid: told.last_uid(),
        saved: &selected.saved,
        now: time,
    };
    let test = Arc::new(compile(&search.keys, against).map_err(|why| Reply::no(why).word("LIMIT"))?);
    let mut found: Vec<Found> = Vec::new();
    let mut undecided: Vec<Candidate> = Vec::new();
    for (number, line) in (1..).zip(told.lines()) {
        // Flags as they are now; of what went away meanwhile, as they were.
        let (line, flags) = match now.find(line.uid) {
            Some(fresh) => (fresh, now.flags(fresh)),
            None => (line, told.flags(line)),
        };
        match test.ask(Facts { number, line, flags, mailbox, summary: None, content: None }) {
            Answer::Yes => found.push((number, line.uid, line.modseq)),
            Answer::No => {}
            Answer::Unknown => undecided.push((number, *line, flags.clone())),
        }
    }
    if !undecided.is_empty() {
        found.extend(read_rows(ctx, &test, mailbox, undecided).await?);
        found.sort_unstable();
    }
    Ok(found)
}

/// Asks again with rows, and where that is not enough, with texts; each transaction is a short one.
async fn read_rows(ctx: &mut Ctx, test: &Arc<Test>, mailbox: MailboxId, undecided: Vec<Candidate>) -> Result<Vec<Found>, Failure> {
    let account = ctx.account()?;
    let mut found = Vec::new();
    let mut left = Vec::new();
    for candidates in undecided.chunks(FETCH_ROWS_MAX) {
        let (candidates, test) = (candidates.to_vec(), Arc::clone(test));
        let work = move |tx: &mut MailTx<'_>| ask(tx, &test, mailbox, candidates, false);
        let (yes, unknown) = ctx.shared.store.read(account, work).await?;
        found.extend(yes);
        left.extend(unknown);
    }
    for candidates in left.chunks(FETCH_BODIES_MAX) {
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
    let ids: Vec<_> = candidates.iter().map(|(_, line, _)| line.id).collect();
    let summaries = message::summaries(tx, &ids)?;
    let mut rows = summaries.iter().peekable();
    let (mut found, mut unknown) = (Vec::new(), Vec::new());
    for (number, line, flags) in candidates {
        // What went away meanwhile matches nothing.
        let Some(summary) = rows.next_if(|summary| summary.id == line.id) else { continue };
        let content = if with_texts { read_content(tx, line.id)? } else { None };
        let facts = Facts { number, line: &line, flags: &flags, mailbox, summary: Some(summary), content: content.as_ref() };
        match test.ask(facts) {
            Answer::Yes => found.push((number, line.uid, line.modseq)),
            Answer::No => {}
            Answer::Unknown => unknown.push((number, line, flags)),
        }
    }
    Ok((found, unknown))
}

fn read_content(tx: &mut MailTx<'_>, id: hearth_types::MessageId) -> Result<Option<Content>, Failure> {
    let Some(body) = message::body(tx, id)? else { return Ok(None) };
    let raw = body.range(0..body.len().min(SEARCH_BODY_BYTES_MAX))?;
    Ok(Some(Content::new(&raw, &parse(&raw))))
}

/// RFC 9051 §6.4.4.1: with MIN or MAX alone, only these are saved.
fn saved(found: &[Found], returns: SearchReturn) -> Vec<u32> {
    let uids = || found.iter().map(|&(_, uid, _)| uid);
    if returns.all || returns.count || !(returns.min || returns.max) {
        return uids().collect();
    }
    let ends = [uids().min().filter(|_| returns.min), uids().max().filter(|_| returns.max)];
    let mut saved: Vec<u32> = ends.into_iter().flatten().collect();
    saved.dedup();
    saved
}

/// The untagged response; with SAVE alone there is none.
fn answer(out: &mut Vec<u8>, tag: &str, search: &Search, found: &[Found], rev2: bool) {
    let shown: Vec<u32> = found.iter().map(|&(number, uid, _)| if search.uid { uid } else { number }).collect();
    let with_modseq = uses_modseq(&search.keys);
    let newest = |found: &mut dyn Iterator<Item = &Found>| found.map(|&(_, _, modseq)| modseq).max().filter(|_| with_modseq);
    let returns = match search.returns {
        Some(returns) => returns,
        // RFC 9051 §6.4.4: after ENABLE IMAP4rev2 every answer is an ESEARCH.
        None if rev2 => SearchReturn { all: true, ..SearchReturn::default() },
        None => return encode_search(out, &shown, newest(&mut found.iter())),
    };
    if !(returns.min || returns.max || returns.all || returns.count) {
        return;
    }
    let ends_only = !(returns.all || returns.count);
    // RFC 7162 §3.1.10: with MIN or MAX alone, the modseq is theirs.
    let modseq = if ends_only {
        let ends = [found.first().filter(|_| returns.min), found.last().filter(|_| returns.max)];
        newest(&mut ends.into_iter().flatten())
    } else {
        newest(&mut found.iter())
    };
    let response = Esearch {
        uid: search.uid,
        min: shown.first().copied().filter(|_| returns.min),
        max: shown.last().copied().filter(|_| returns.max),
        count: returns.count.then_some(shown.len()),
        all: returns.all.then_some(shown),
        modseq,
    };
    encode_esearch(out, tag, &response);
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_wire::imap::{Charset, Command, parse_command};

    fn answered(text: &str, rev2: bool) -> String {
        let Ok(Command::Search(search)) = parse_command(format!("A1 {text}\r\n").as_bytes(), Charset::Utf7).map(|t| t.command)
        else {
            panic!("{text}")
        };
        let mut out = Vec::new();
        answer(&mut out, "A1", &search, &[(2, 20, 5), (4, 40, 9), (5, 50, 7)], rev2);
        String::from_utf8(out).expect("ASCII").trim_end().to_string()
    }

    #[test]
    fn answers() {
        for (text, rev2, line) in [
            ("SEARCH ALL", false, "* SEARCH 2 4 5"),
            ("UID SEARCH ALL", false, "* SEARCH 20 40 50"),
            ("SEARCH MODSEQ 1", false, "* SEARCH 2 4 5 (MODSEQ 9)"),
            ("UID SEARCH ALL", true, "* ESEARCH (TAG \"A1\") UID ALL 20,40,50"),
            ("SEARCH RETURN () ALL", false, "* ESEARCH (TAG \"A1\") ALL 2,4:5"),
            ("SEARCH RETURN (MIN MAX COUNT) ALL", false, "* ESEARCH (TAG \"A1\") MIN 2 MAX 5 COUNT 3"),
            ("SEARCH RETURN (MIN) MODSEQ 1", false, "* ESEARCH (TAG \"A1\") MIN 2 MODSEQ 5"),
            ("SEARCH RETURN (MIN MAX) MODSEQ 1", false, "* ESEARCH (TAG \"A1\") MIN 2 MAX 5 MODSEQ 7"),
            ("SEARCH RETURN (SAVE) ALL", false, ""),
        ] {
            assert_eq!(answered(text, rev2), line, "{text}");
        }
    }

    #[test]
    fn what_is_saved() {
        let found = [(2, 20, 5), (4, 40, 9), (5, 50, 7)];
        let returns = |min, max, count| SearchReturn { min, max, count, save: true, all: false };
        assert_eq!(saved(&found, returns(false, false, false)), [20, 40, 50]);
        assert_eq!(saved(&found, returns(true, false, false)), [20]);
        assert_eq!(saved(&found, returns(true, true, false)), [20, 50]);
        assert_eq!(saved(&found, returns(true, false, true)), [20, 40, 50]);
        assert_eq!(saved(&[], returns(true, true, false)), Vec::<u32>::new());
    }
}
