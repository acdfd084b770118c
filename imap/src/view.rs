// SPDX-License-Identifier: AGPL-3.0-or-later
//! Pure: a mailbox at one moment, what a session has been told of it, and the news that it has not.
//!
//! A [`Snapshot`] holds a line of 24 bytes per message and is shared by all sessions that are at the
//! same moment. A [`View`] is the snapshot that the client knows: message numbers are places in it, and
//! change only when [`View::advance`] is told so. The news are the difference of two snapshots.

use std::ops::RangeInclusive;
use std::sync::Arc;

use hearth_mailstore::changes::News;
use hearth_mailstore::{Entry, Flag, FlagSet};
use hearth_types::MessageId;
use hearth_wire::imap::SequenceSet;

/// One message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// UID.
    pub uid: u32,
    /// Place of its flags in [`Snapshot::flag_sets`].
    flags: u32,
    /// MODSEQ.
    pub modseq: u64,
    /// EMAILID.
    pub id: MessageId,
}

/// A mailbox at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    lines: Vec<Line>,
    flag_sets: Vec<FlagSet>,
    /// HIGHESTMODSEQ of the mailbox.
    pub highest_modseq: u64,
}

impl Snapshot {
    /// From the entries of a mailbox, ascending by UID.
    pub fn new(entries: Vec<Entry>, highest_modseq: u64) -> Self {
        let mut snapshot = Self { highest_modseq, ..Self::default() };
        snapshot.lines.reserve_exact(entries.len());
        for entry in entries {
            let line = snapshot.line(entry);
            snapshot.lines.push(line);
        }
        snapshot
    }

    fn line(&mut self, entry: Entry) -> Line {
        let flags = match self.flag_sets.iter().position(|known| *known == entry.flags) {
            Some(at) => at,
            None => {
                self.flag_sets.push(entry.flags);
                self.flag_sets.len() - 1
            }
        };
        Line { uid: entry.uid, flags: u32::try_from(flags).unwrap_or(u32::MAX), modseq: entry.modseq, id: entry.id }
    }

    /// Takes in what happened since.
    pub fn apply(&mut self, news: News) {
        if !news.vanished.is_empty() {
            self.lines.retain(|line| news.vanished.binary_search(&line.uid).is_err());
        }
        for entry in news.entries {
            let line = self.line(entry);
            match self.lines.binary_search_by_key(&line.uid, |known| known.uid) {
                Ok(at) => {
                    if let Some(known) = self.lines.get_mut(at) {
                        *known = line;
                    }
                }
                Err(at) => self.lines.insert(at, line),
            }
        }
        // Sets that no line uses any more are dropped when they are the larger part.
        if self.flag_sets.len() > 64 && self.flag_sets.len() > 2 * self.lines.len() {
            self.compact();
        }
        self.highest_modseq = self.highest_modseq.max(news.modseq);
    }

    fn compact(&mut self) {
        let old = std::mem::take(&mut self.flag_sets);
        let mut places = vec![u32::MAX; old.len()];
        for line in &mut self.lines {
            let (Some(place), Some(set)) = (places.get_mut(line.flags as usize), old.get(line.flags as usize)) else { continue };
            if *place == u32::MAX {
                *place = u32::try_from(self.flag_sets.len()).unwrap_or(u32::MAX);
                self.flag_sets.push(set.clone());
            }
            line.flags = *place;
        }
    }

    /// The messages, ascending by UID.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// How many there are: EXISTS.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The largest UID, 0 when there is none.
    pub fn last_uid(&self) -> u32 {
        self.lines.last().map_or(0, |line| line.uid)
    }

    /// The message of a UID.
    pub fn find(&self, uid: u32) -> Option<&Line> {
        self.lines.binary_search_by_key(&uid, |line| line.uid).ok().and_then(|at| self.lines.get(at))
    }

    /// The flags of one of its lines.
    pub fn flags(&self, line: &Line) -> &FlagSet {
        static NONE: FlagSet = FlagSet::EMPTY;
        self.flag_sets.get(line.flags as usize).unwrap_or(&NONE)
    }

    /// Every keyword in use, sorted: for the FLAGS response.
    pub fn keywords(&self) -> Vec<String> {
        let mut all: Vec<String> = self.flag_sets.iter().flat_map(|set| set.keywords().iter().cloned()).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The number of the first message without `\Seen` (RFC 3501 §7.3.1).
    pub fn first_unseen(&self) -> Option<usize> {
        self.lines.iter().position(|line| !self.flags(line).contains(&Flag::Seen)).map(|at| at + 1)
    }
}

/// What a client has to be told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Untold {
    /// Message numbers that went away, each as it is when those before it in this list are gone already.
    pub expunged: Vec<u32>,
    /// The same as UIDs, ascending.
    pub vanished: Vec<u32>,
    /// How many messages there are afterwards, when new ones came.
    pub exists: Option<u32>,
    /// UIDs whose flags or modseq changed.
    pub changed: Vec<u32>,
}

/// A client's knowledge of a mailbox.
#[derive(Clone, Debug, Default)]
pub struct View {
    told: Arc<Snapshot>,
    /// Changes that the client made itself and need not be told: (UID, modseq).
    known: Vec<(u32, u64)>,
}

impl View {
    /// Just selected: the client is told everything.
    pub fn new(snapshot: Arc<Snapshot>) -> Self {
        Self { told: snapshot, known: Vec::new() }
    }

    /// What the client knows.
    pub fn told(&self) -> &Arc<Snapshot> {
        &self.told
    }

    /// The message number of a UID.
    pub fn number(&self, uid: u32) -> Option<u32> {
        let at = self.told.lines.binary_search_by_key(&uid, |line| line.uid).ok()?;
        u32::try_from(at + 1).ok()
    }

    /// The client changed this message itself (or was just told); `modseq` is what it has now.
    pub fn note_known(&mut self, uid: u32, modseq: u64) {
        self.known.push((uid, modseq));
    }

    /// The client stored this message itself: it need not be shown to it.
    pub fn note_own(&mut self, uid: u32) {
        self.known.push((uid, 0));
    }

    /// UIDs that came since what the client knows, but for those that it stored itself.
    pub fn arrived(&self, now: &Snapshot) -> Vec<u32> {
        let from = now.lines.partition_point(|line| line.uid <= self.told.last_uid());
        let new = now.lines.get(from..).unwrap_or_default().iter().map(|line| line.uid);
        new.filter(|uid| !self.known.contains(&(*uid, 0))).collect()
    }

    /// What changed between what the client knows and `now`. `modseqs`: does it care for bare modseqs?
    pub fn untold(&self, now: &Snapshot, modseqs: bool) -> Untold {
        let mut untold = Untold::default();
        let mut later = now.lines.iter().peekable();
        for (at, old) in self.told.lines.iter().enumerate() {
            while later.next_if(|line| line.uid < old.uid).is_some() {}
            match later.next_if(|line| line.uid == old.uid) {
                None => {
                    let gone = untold.vanished.len();
                    untold.vanished.push(old.uid);
                    untold.expunged.push(u32::try_from(at + 1 - gone).unwrap_or(u32::MAX));
                }
                Some(new) => {
                    let differs = now.flags(new) != self.told.flags(old) || modseqs && new.modseq != old.modseq;
                    if new.modseq != old.modseq && differs && !self.known.contains(&(new.uid, new.modseq)) {
                        untold.changed.push(new.uid);
                    }
                }
            }
        }
        if now.last_uid() > self.told.last_uid() {
            untold.exists = u32::try_from(now.len()).ok();
        }
        untold
    }

    /// The client has been told all of `now`.
    pub fn advance(&mut self, now: Arc<Snapshot>) {
        self.told = now;
        self.known = Vec::new();
    }

    /// The messages that a set names, ascending. Numbers beyond the last are an error of the client's
    /// (RFC 9051 §6.4.5 and its sequence-set: "MUST be valid"); UIDs that are not there are left out.
    pub fn resolve(&self, set: &SequenceSet, uid: bool, saved: &[u32]) -> Result<Vec<Line>, &'static str> {
        if *set == SequenceSet::Saved {
            return Ok(saved.iter().filter_map(|&uid| self.told.find(uid)).copied().collect());
        }
        let lines = &self.told.lines;
        let mut found = Vec::new();
        if uid {
            for range in set.normalize(self.told.last_uid()) {
                found.extend_from_slice(between(lines, &range));
            }
            return Ok(found);
        }
        let count = u32::try_from(lines.len()).unwrap_or(u32::MAX);
        for range in set.normalize(count) {
            if *range.end() > count {
                return Err("there is no message of that number");
            }
            found.extend_from_slice(lines.get(*range.start() as usize - 1..*range.end() as usize).unwrap_or_default());
        }
        // `*` in an empty mailbox names nothing that exists.
        if found.is_empty() { Err("there is no message of that number") } else { Ok(found) }
    }
}

/// The lines whose UIDs are in a range.
fn between<'a>(lines: &'a [Line], range: &RangeInclusive<u32>) -> &'a [Line] {
    let from = lines.partition_point(|line| line.uid < *range.start());
    let to = lines.partition_point(|line| line.uid <= *range.end());
    lines.get(from..to).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_wire::imap::End;

    fn entry(uid: u32, modseq: u64, flags: &[Flag]) -> Entry {
        Entry { uid, id: MessageId::from_i64(i64::from(uid)), modseq, flags: flags.iter().cloned().collect() }
    }

    fn mailbox(uids: &[u32]) -> Snapshot {
        Snapshot::new(uids.iter().map(|&uid| entry(uid, 1, &[])).collect(), 1)
    }

    fn ranges(pairs: &[(u32, u32)]) -> SequenceSet {
        let end = |number| if number == 0 { End::Star } else { End::Number(number) };
        SequenceSet::Ranges(pairs.iter().map(|&(from, to)| (end(from), end(to))).collect())
    }

    #[test]
    fn news_are_the_difference() {
        let view = View::new(Arc::new(mailbox(&[1, 3, 5, 7, 9])));
        let mut now = (**view.told()).clone();
        let news = News { entries: vec![entry(5, 2, &[Flag::Seen]), entry(11, 3, &[])], vanished: vec![3, 7], modseq: 4 };
        now.apply(news);
        let untold = view.untold(&now, false);
        assert_eq!(untold, Untold { expunged: vec![2, 3], vanished: vec![3, 7], exists: Some(4), changed: vec![5] });
        assert_eq!((now.highest_modseq, now.len()), (4, 4));
    }

    #[test]
    fn what_the_client_did_is_not_told_back() {
        let mut view = View::new(Arc::new(mailbox(&[1, 2])));
        let mut now = (**view.told()).clone();
        now.apply(News { entries: vec![entry(1, 5, &[Flag::Seen]), entry(2, 6, &[Flag::Seen])], vanished: vec![], modseq: 6 });
        view.note_known(1, 5);
        assert_eq!(view.untold(&now, true).changed, [2]);
        view.advance(Arc::new(now));
        assert_eq!(view.untold(view.told(), true), Untold::default());
    }

    #[test]
    fn a_bare_modseq_is_told_to_who_asked_for_modseqs() {
        let view = View::new(Arc::new(mailbox(&[1])));
        let mut now = (**view.told()).clone();
        now.apply(News { entries: vec![entry(1, 5, &[])], vanished: vec![], modseq: 5 });
        assert!(view.untold(&now, false).changed.is_empty());
        assert_eq!(view.untold(&now, true).changed, [1]);
    }

    #[test]
    fn sets_are_resolved() {
        let view = View::new(Arc::new(mailbox(&[2, 4, 6, 8])));
        let uids = |set: &SequenceSet, uid, saved: &[u32]| {
            view.resolve(set, uid, saved).map(|found| found.iter().map(|l| l.uid).collect::<Vec<_>>())
        };
        assert_eq!(uids(&ranges(&[(1, 2), (4, 0)]), false, &[]), Ok(vec![2, 4, 8]));
        assert_eq!(uids(&ranges(&[(5, 5)]), false, &[]), Err("there is no message of that number"));
        assert_eq!(uids(&ranges(&[(3, 6), (100, 0)]), true, &[]), Ok(vec![4, 6, 8]));
        assert_eq!(uids(&ranges(&[(3, 3)]), true, &[]), Ok(vec![]));
        assert_eq!(uids(&SequenceSet::Saved, false, &[4, 5]), Ok(vec![4]));
        let empty = View::default();
        assert!(empty.resolve(&ranges(&[(1, 0)]), false, &[]).is_err());
        assert_eq!(empty.resolve(&ranges(&[(1, 0)]), true, &[]), Ok(vec![]));
    }

    #[test]
    fn flag_sets_are_shared_and_dropped() {
        let keyword = |n: u32| Flag::Keyword(format!("k{n}"));
        let mut snapshot = mailbox(&[1, 2]);
        assert_eq!(snapshot.flag_sets.len(), 1);
        for n in 0..200_u32 {
            snapshot.apply(News { entries: vec![entry(1, u64::from(n) + 2, &[keyword(n)])], vanished: vec![], modseq: 0 });
        }
        assert!(snapshot.flag_sets.len() <= 65);
        let line = *snapshot.find(1).expect("there");
        assert!(snapshot.flags(&line).contains(&keyword(199)));
        assert!(snapshot.flags(snapshot.find(2).expect("there")).is_empty());
    }

    /// Any interleaving of changes leaves told + news = now.
    #[test]
    fn told_and_news_are_now() {
        let mut seed = 12345_u32;
        let mut random = |below: u32| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 16) % below
        };
        let mut now = mailbox(&[]);
        let mut client: Vec<u32> = Vec::new();
        let mut view = View::default();
        let (mut next_uid, mut modseq) = (1, 1);
        for _ in 0..2000 {
            modseq += 1;
            let pick = |now: &Snapshot, at: u32| now.lines().get(at as usize % now.len().max(1)).map(|line| line.uid);
            let mut news = News { modseq, ..News::default() };
            match (random(4), pick(&now, random(1000))) {
                (0 | 1, _) | (_, None) => {
                    news.entries.push(entry(next_uid, modseq, &[]));
                    next_uid += 1;
                }
                (2, Some(uid)) => news.entries.push(entry(uid, modseq, &[Flag::Seen])),
                (_, Some(uid)) => news.vanished.push(uid),
            }
            now.apply(news);
            if random(3) == 0 {
                let untold = view.untold(&now, false);
                for number in untold.expunged {
                    client.remove(number as usize - 1);
                }
                if let Some(exists) = untold.exists {
                    let known = client.len();
                    client.extend(now.lines()[known..].iter().map(|line| line.uid));
                    assert_eq!(client.len(), exists as usize);
                }
                view.advance(Arc::new(now.clone()));
                assert_eq!(client, now.lines().iter().map(|line| line.uid).collect::<Vec<_>>());
            }
        }
    }
}
