// SPDX-License-Identifier: AGPL-3.0-or-later
//! SEARCH (RFC 9051 §6.4.4) and SORT (RFC 5256), answering in the old form or by ESEARCH, and saving for `$`;
//! ESEARCH over several mailboxes (RFC 7377); how relevant what was found is (RFC 6203).

use std::collections::HashMap;
use std::sync::Arc;

use hearth_mailstore::Rights;
use hearth_wire::imap::response::{Esearch, Reply, encode_esearch, encode_search, encode_sort};
use hearth_wire::imap::{Charset, Search, SearchReturn, SortKey, Source, is_fuzzy, uses_modseq};

use crate::access::list_seen;
use crate::ctx::Ctx;
use crate::fault::{Failure, Outcome};
use crate::filters;
use crate::find::{Found, Place, find, rows};
use crate::scope::{covers, reaches_others};
use crate::search::Ranks;
use crate::sort;

/// Messages that were found, and how relevant each is.
type Matches<'a> = (&'a [Found], &'a [u8]);

/// Finds messages.
pub async fn run(ctx: &mut Ctx, tag: &str, search: Search) -> Outcome {
    let search = Search { keys: filters::expand(ctx, search.keys).await?, ..search };
    let by_relevancy = search.sort.iter().any(|criterion| criterion.key == SortKey::Relevancy);
    if (by_relevancy || search.returns.is_some_and(|returns| returns.relevancy)) && !is_fuzzy(&search.keys) {
        return Ok(Reply::bad("relevancy is of what a FUZZY key finds"));
    }
    if uses_modseq(&search.keys) {
        ctx.modes.condstore = true;
    }
    let saves = search.returns.is_some_and(|returns| returns.save);
    let open_alone = search.sources.iter().all(|source| *source == Source::Selected);
    let elsewhere = !saves || !open_alone;
    if !search.sources.is_empty() && elsewhere {
        return run_elsewhere(ctx, tag, &search).await;
    }
    let (found, scores) = match find_in_order(ctx, tag, &search).await {
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
    answer(&mut out, tag, &search, (&found, &scores), ctx.modes.rev2);
    ctx.write(&out).await?;
    Ok(Reply::ok("done"))
}

/// What matches in the open mailbox: by number, or as SORT has it; and how relevant each is.
async fn find_in_order(ctx: &mut Ctx, tag: &str, search: &Search) -> Result<(Vec<Found>, Vec<u8>), Failure> {
    let mut place = Place::selected(ctx).await?;
    let found = find(ctx, tag, &search.keys, &mut place).await?;
    let scores = place.relevancy(&found);
    if search.sort.is_empty() {
        return Ok((found, scores));
    }
    let rows = rows(ctx, &place, &found, sort::needs_envelopes(&search.sort)).await?;
    let by_uid: HashMap<u32, (Found, u8)> = found.into_iter().zip(scores).map(|(found, score)| (found.1, (found, score))).collect();
    let criteria = search.sort.clone();
    let work = move || {
        let order = sort::sort(&criteria, rows, |uid| by_uid.get(&uid).map_or(0, |(_, score)| *score));
        order.iter().filter_map(|uid| by_uid.get(uid).copied()).unzip()
    };
    Ok(tokio::task::spawn_blocking(work).await.map_err(hearth_types::Trouble::from)?)
}

/// RFC 7377 §2: one answer for each mailbox in which something was found.
async fn run_elsewhere(ctx: &mut Ctx, tag: &str, search: &Search) -> Outcome {
    let returns = search.returns.unwrap_or_default();
    if returns.save {
        // RFC 7377 §2.1: SAVE is for the open mailbox alone.
        return Ok(Reply::bad("only what is found in the open mailbox can be saved"));
    }
    if search.sources.contains(&Source::Selected) {
        ctx.selected()?;
    }
    let me = ctx.account()?;
    let open = ctx.selected.as_ref().map(|selected| (selected.account, selected.mailbox));
    let open_is_anothers = search.sources.contains(&Source::Selected) && open.is_some_and(|(account, _)| account != me);
    let all = list_seen(ctx, open_is_anothers || search.sources.iter().any(reaches_others)).await?;
    for seen in all.iter().filter(|seen| seen.rights.has(Rights::READ)) {
        let found = &seen.mailbox;
        if !search.sources.iter().any(|source| covers(source, found, seen.is_foreign(me), open == Some((seen.account, found.id)))) {
            continue;
        }
        let mirror = ctx.shared.mirrors.peek(seen.account, found.id);
        let now = match mirror.refresh(&ctx.shared.store, None).await {
            // Deleted a moment ago.
            Err(hearth_mailstore::Error::NoSuchMailbox) => continue,
            other => other?,
        };
        let told = Arc::clone(&now);
        let mut place = Place { account: seen.account, mailbox: found.id, told, now, saved: Vec::new(), ranks: Ranks::new() };
        let matches = find(ctx, tag, &search.keys, &mut place).await?;
        if !matches.is_empty() {
            let mut response = respond(search, returns, (&matches, &place.relevancy(&matches)));
            response.mailbox = Some((found.path.clone(), found.uid_validity));
            let mut out = Vec::new();
            encode_esearch(&mut out, tag, &response, ctx.charset());
            ctx.write(&out).await?;
        }
    }
    Ok(Reply::ok("done"))
}

/// RFC 9051 §6.4.4.1: with MIN or MAX alone, only these are saved; RFC 9394 §3.2: with PARTIAL, what it shows.
fn saved(found: &[Found], returns: SearchReturn) -> Vec<u32> {
    let mut saved: Vec<u32> = found.iter().map(|&(_, uid, _)| uid).collect();
    if let Some(partial) = returns.partial.filter(|_| !returns.count) {
        saved = saved.get(partial.window(saved.len())).unwrap_or_default().to_vec();
    } else if (returns.min || returns.max) && !(returns.all || returns.count) {
        let ends = [saved.first().filter(|_| returns.min), saved.last().filter(|_| returns.max)];
        saved = ends.into_iter().flatten().copied().collect();
    }
    saved.sort_unstable();
    saved.dedup();
    saved
}

/// The untagged response; with SAVE alone there is none.
fn answer(out: &mut Vec<u8>, tag: &str, search: &Search, (found, scores): Matches<'_>, rev2: bool) {
    let returns = match search.returns {
        Some(returns) => returns,
        // RFC 9051 §6.4.4: after ENABLE IMAP4rev2 every answer to SEARCH is an ESEARCH.
        None if rev2 && search.sort.is_empty() => SearchReturn { all: true, ..SearchReturn::default() },
        None => {
            let encode = if search.sort.is_empty() { encode_search } else { encode_sort };
            return encode(out, &shown(search, found), newest(search, &mut found.iter()));
        }
    };
    if (SearchReturn { save: false, ..returns }).is_empty() {
        return;
    }
    // Names are written for the mailboxes of ESEARCH alone.
    encode_esearch(out, tag, &respond(search, returns, (found, scores)), Charset::Utf8);
}

fn shown(search: &Search, found: &[Found]) -> Vec<u32> {
    found.iter().map(|&(number, uid, _)| if search.uid { uid } else { number }).collect()
}

fn newest(search: &Search, found: &mut dyn Iterator<Item = &Found>) -> Option<u64> {
    found.map(|&(_, _, modseq)| modseq).max().filter(|_| uses_modseq(&search.keys))
}

fn respond(search: &Search, returns: SearchReturn, (found, scores): Matches<'_>) -> Esearch {
    let shown = shown(search, found);
    let part = returns.partial.map(|partial| (partial, partial.window(found.len())));
    let ends_only = !(returns.all || returns.count);
    // RFC 7162 §3.1.10: with MIN or MAX alone, the modseq is theirs; RFC 9394 §3.1: with PARTIAL, that of what is shown.
    let modseq = match &part {
        Some((_, window)) => newest(search, &mut found.get(window.clone()).unwrap_or_default().iter()),
        None if ends_only => {
            let ends = [found.first().filter(|_| returns.min), found.last().filter(|_| returns.max)];
            newest(search, &mut ends.into_iter().flatten())
        }
        None => newest(search, &mut found.iter()),
    };
    // RFC 6203 §4: of all that the response shows.
    let scored = part.as_ref().map_or(0..scores.len(), |(_, window)| window.clone());
    Esearch {
        uid: search.uid,
        relevancy: returns.relevancy.then(|| scores.get(scored).unwrap_or_default().to_vec()),
        min: shown.first().copied().filter(|_| returns.min),
        max: shown.last().copied().filter(|_| returns.max),
        count: returns.count.then_some(shown.len()),
        partial: part.map(|(partial, window)| (partial, shown.get(window).unwrap_or_default().to_vec())),
        all: returns.all.then_some(shown),
        modseq,
        mailbox: None,
    }
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
        answer(&mut out, "A1", &search, (&[(2, 20, 5), (4, 40, 9), (5, 50, 7)], &[7, 100, 1]), rev2);
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
            ("SEARCH RETURN (PARTIAL 2:3 COUNT) ALL", false, "* ESEARCH (TAG \"A1\") COUNT 3 PARTIAL (2:3 4:5)"),
            ("SEARCH RETURN (PARTIAL -1:-2) MODSEQ 1", false, "* ESEARCH (TAG \"A1\") MODSEQ 9 PARTIAL (-1:-2 4:5)"),
            ("UID SEARCH RETURN (PARTIAL 4:9) ALL", false, "* ESEARCH (TAG \"A1\") UID PARTIAL (4:9 NIL)"),
            ("SEARCH RETURN (RELEVANCY ALL) FUZZY ALL", false, "* ESEARCH (TAG \"A1\") ALL 2,4:5 RELEVANCY (7 100 1)"),
            ("SEARCH RETURN (RELEVANCY PARTIAL -1:-2) ALL", false, "* ESEARCH (TAG \"A1\") PARTIAL (-1:-2 4:5) RELEVANCY (100 1)"),
            ("SORT (DATE) UTF-8 ALL", true, "* SORT 2 4 5"),
            ("UID SORT RETURN () (DATE) UTF-8 ALL", false, "* ESEARCH (TAG \"A1\") UID ALL 20,40,50"),
        ] {
            assert_eq!(answered(text, rev2), line, "{text}");
        }
    }

    #[test]
    fn what_is_saved() {
        let found = [(2, 20, 5), (4, 40, 9), (5, 50, 7)];
        let returns = |min, max, count| SearchReturn { min, max, count, save: true, ..SearchReturn::default() };
        assert_eq!(saved(&found, returns(false, false, false)), [20, 40, 50]);
        assert_eq!(saved(&found, returns(true, false, false)), [20]);
        assert_eq!(saved(&found, returns(true, true, false)), [20, 50]);
        assert_eq!(saved(&found, returns(true, false, true)), [20, 40, 50]);
        assert_eq!(saved(&[], returns(true, true, false)), Vec::<u32>::new());
        let partial = Some(hearth_wire::imap::Partial { from_end: true, first: 1, last: 1 });
        assert_eq!(saved(&found, SearchReturn { partial, ..SearchReturn::default() }), [50]);
        // Sorted, the lowest and the highest are not the ends by number; what is saved ascends.
        let sorted = [(5, 50, 7), (2, 20, 5), (4, 40, 9)];
        assert_eq!(saved(&sorted, returns(true, true, false)), [40, 50]);
    }
}
