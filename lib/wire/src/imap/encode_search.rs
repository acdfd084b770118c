// SPDX-License-Identifier: AGPL-3.0-or-later
//! SEARCH, SORT, ESEARCH and THREAD as clients write them.

use super::command::{DateOf, Search, SearchKey, SearchReturn, SortCriterion, Source, ThreadAlgorithm, When};
use super::date::encode_date;
use super::encode::Writer;
use super::mailbox_name::MailboxName;
use super::parse_sort::{ALGORITHMS, SORT_KEYS};

impl Writer<'_> {
    pub(super) fn search(&mut self, search: &Search) {
        let verb = match (search.sources.is_empty(), search.sort.is_empty()) {
            (false, _) => "ESEARCH",
            (true, false) => "SORT",
            (true, true) => "SEARCH",
        };
        self.text(if search.uid && verb != "ESEARCH" { "UID " } else { "" });
        self.text(verb);
        if !search.sources.is_empty() {
            self.sources(&search.sources);
        }
        if let Some(returns) = &search.returns {
            self.returns(returns);
        }
        if !search.sort.is_empty() {
            let criteria: Vec<String> = search.sort.iter().map(criterion).collect();
            self.text(&format!(" ({}) UTF-8", criteria.join(" ")));
        }
        self.keys(&search.keys);
    }

    pub(super) fn thread(&mut self, uid: bool, algorithm: ThreadAlgorithm, keys: &[SearchKey]) {
        let name = ALGORITHMS.iter().find(|(_, known)| *known == algorithm).map_or("", |(name, _)| name);
        self.text(&format!("{}THREAD {name} UTF-8", if uid { "UID " } else { "" }));
        self.keys(keys);
    }

    fn returns(&mut self, returns: &SearchReturn) {
        let SearchReturn { min, max, all, count, save, partial, relevancy } = *returns;
        let words = [(min, "MIN"), (max, "MAX"), (all, "ALL"), (count, "COUNT"), (save, "SAVE"), (relevancy, "RELEVANCY")];
        let words = words.into_iter().filter(|(on, _)| *on).map(|(_, word)| word.to_string());
        let words: Vec<String> = words.chain(partial.map(|partial| format!("PARTIAL {partial}"))).collect();
        self.text(&format!(" RETURN ({})", words.join(" ")));
    }

    fn sources(&mut self, sources: &[Source]) {
        for (at, source) in sources.iter().enumerate() {
            self.text(if at > 0 { " " } else { " IN (" });
            self.source(source);
        }
        self.text(")");
    }

    pub(super) fn source(&mut self, source: &Source) {
        let (word, names): (&str, &[MailboxName]) = match source {
            Source::Selected => ("selected", &[]),
            Source::Inboxes => ("inboxes", &[]),
            Source::Personal => ("personal", &[]),
            Source::Subscribed => ("subscribed", &[]),
            Source::Subtree(names) => ("subtree", names),
            Source::SubtreeOne(names) => ("subtree-one", names),
            Source::Mailboxes(names) => ("mailboxes", names),
        };
        self.text(word);
        for (at, name) in names.iter().enumerate() {
            self.text(if at > 0 { " " } else { " (" });
            self.mailbox(name);
        }
        self.text(if names.is_empty() { "" } else { ")" });
    }

    fn keys(&mut self, keys: &[SearchKey]) {
        for key in keys {
            self.text(" ");
            self.key(key);
        }
    }

    fn key(&mut self, key: &SearchKey) {
        match key {
            SearchKey::All => self.text("ALL"),
            SearchKey::Flag(name, set) => self.text(&flag_key(name, *set)),
            SearchKey::Recent => self.text("RECENT"),
            SearchKey::Date(of, when, day) => {
                self.text(date_key(*of, *when));
                encode_date(self.out, *day);
            }
            SearchKey::SaveDateSupported => self.text("SAVEDATESUPPORTED"),
            SearchKey::Header(name, value) => self.key_with_strings("HEADER", &[name, value]),
            SearchKey::Body(value) => self.key_with_strings("BODY", &[value]),
            SearchKey::Text(value) => self.key_with_strings("TEXT", &[value]),
            SearchKey::Larger(size) => self.text(&format!("LARGER {size}")),
            SearchKey::Smaller(size) => self.text(&format!("SMALLER {size}")),
            SearchKey::Older(seconds) => self.text(&format!("OLDER {seconds}")),
            SearchKey::Younger(seconds) => self.text(&format!("YOUNGER {seconds}")),
            SearchKey::Numbers(set) => self.set(set),
            SearchKey::Uids(set) => {
                self.text("UID ");
                self.set(set);
            }
            SearchKey::ModSeq(modseq) => self.text(&format!("MODSEQ {modseq}")),
            SearchKey::EmailId(id) => self.text(&format!("EMAILID {id}")),
            SearchKey::ThreadId(id) => self.text(&format!("THREADID {id}")),
            SearchKey::Filter(name) => self.text(&format!("FILTER {name}")),
            SearchKey::Fuzzy(key) => {
                self.text("FUZZY ");
                self.key(key);
            }
            SearchKey::Not(key) => {
                self.text("NOT ");
                self.key(key);
            }
            SearchKey::Or(one, other) => {
                self.text("OR ");
                self.key(one);
                self.text(" ");
                self.key(other);
            }
            SearchKey::And(keys) => {
                for (at, key) in keys.iter().enumerate() {
                    self.text(if at > 0 { " " } else { "(" });
                    self.key(key);
                }
                self.text(")");
            }
        }
    }

    fn key_with_strings(&mut self, name: &str, values: &[&str]) {
        self.text(name);
        for value in values {
            self.text(" ");
            self.astring(value.as_bytes());
        }
    }
}

fn criterion(criterion: &SortCriterion) -> String {
    let name = SORT_KEYS.iter().find(|(_, known)| *known == criterion.key).map_or("", |(name, _)| name);
    format!("{}{name}", if criterion.reverse { "REVERSE " } else { "" })
}

fn flag_key(name: &str, set: bool) -> String {
    match name.strip_prefix('\\') {
        Some(system) => format!("{}{}", if set { "" } else { "UN" }, system.to_ascii_uppercase()),
        None => format!("{}KEYWORD {name}", if set { "" } else { "UN" }),
    }
}

const fn date_key(of: DateOf, when: When) -> &'static str {
    match (of, when) {
        (DateOf::Received, When::Before) => "BEFORE ",
        (DateOf::Received, When::On) => "ON ",
        (DateOf::Received, When::Since) => "SINCE ",
        (DateOf::Sent, When::Before) => "SENTBEFORE ",
        (DateOf::Sent, When::On) => "SENTON ",
        (DateOf::Sent, When::Since) => "SENTSINCE ",
        (DateOf::Saved, When::Before) => "SAVEDBEFORE ",
        (DateOf::Saved, When::On) => "SAVEDON ",
        (DateOf::Saved, When::Since) => "SAVEDSINCE ",
    }
}
