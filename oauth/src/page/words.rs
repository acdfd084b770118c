// SPDX-License-Identifier: AGPL-3.0-or-later
//! What the pages say. A text stands in English where it is said, `t("Sign in")`, and once more in the one table of
//! [`french`], beside its translation. `{}` in it is where what follows goes.
//!
//! The tests below hold the pages to it: no letter stands in a template outside of a `t`, and every `t` is in the table.

mod french;
mod log;
mod made;

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::LazyLock;

use hearth_identity::Error;
use hearth_web::{Lang, lang};

static FRENCH: LazyLock<HashMap<&'static str, &'static str>> =
    LazyLock::new(|| french::TEXTS.iter().chain(log::TEXTS).copied().collect());

/// A text, in the language of the request.
pub fn t(english: &'static str) -> &'static str {
    in_language(lang(), english)
}

/// A text of the table that is said later, in a language that is not known yet.
pub const fn n(english: &'static str) -> &'static str {
    english
}

/// A text with one thing in it.
pub fn t1(english: &'static str, one: impl Display) -> String {
    t(english).replacen("{}", &one.to_string(), 1)
}

/// A text with two things in it, in this order in every language.
pub fn t2(english: &'static str, one: impl Display, two: impl Display) -> String {
    let mut parts = t(english).splitn(3, "{}");
    let mut part = || parts.next().unwrap_or_default();
    format!("{}{one}{}{two}{}", part(), part(), part())
}

/// A text in a language that is named: letters are not read where they are written.
pub fn in_language(lang: Lang, english: &'static str) -> &'static str {
    lang.pick(english, FRENCH.get(english).copied().unwrap_or(english))
}

/// Why a change was not made, when it is the reader's to mend; `None` when it is ours.
pub fn refusal(error: &Error) -> Option<String> {
    match error {
        Error::Store(_) | Error::Io { .. } | Error::Sealed(_) => None,
        Error::AddressTaken(address) => Some(t1("{} is already in use", address)),
        Error::DomainTaken(domain) => Some(t1("the domain {} is already here", domain)),
        Error::UnknownDomain(domain) => Some(t1("{} is not a domain of this home", domain)),
        Error::TooMany { what, max } => Some(t2("there can be {} {} at most", max, t(what))),
        other => Some(reworded(lang(), &other.to_string())),
    }
}

/// A sentence that another room made of a text and things, in a language: the text in the table that it fits is the code of
/// what it says. What fits none, such as what a program from elsewhere said, stays as it is.
pub fn reworded(lang: Lang, english: &str) -> String {
    let french = || made::TEXTS.iter().find_map(|(text, french)| Some(filled(french, &things(text, english)?)));
    lang.pick(None, french()).unwrap_or_else(|| english.to_string())
}

/// What was put into a text to make a sentence; `None` when it was not made of it.
fn things<'s>(text: &str, sentence: &'s str) -> Option<Vec<&'s str>> {
    let (first, gaps) = text.split_once("{}").unwrap_or((text, ""));
    let mut rest = sentence.strip_prefix(first)?;
    if first == text {
        return rest.is_empty().then(Vec::new);
    }
    let mut things = Vec::new();
    let mut parts = gaps.split("{}").peekable();
    while let Some(part) = parts.next() {
        let is_last = parts.peek().is_none();
        let (thing, after) = if is_last { (rest.strip_suffix(part)?, "") } else { rest.split_once(part)? };
        things.push(thing);
        rest = after;
    }
    Some(things)
}

fn filled(text: &str, things: &[&str]) -> String {
    things.iter().fold(text.to_string(), |text, thing| text.replacen("{}", &thing.replace("{}", ""), 1))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use super::*;

    fn files(below: &str, ending: &str) -> Vec<PathBuf> {
        let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(below)];
        let mut found = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|is| is == ending)
                    && !["words/french.rs", "words/log.rs"].iter().any(|table| path.ends_with(table))
                {
                    found.push(path);
                }
            }
        }
        found
    }

    /// The texts that `source` says, by the calls that begin with one.
    fn said(source: &str) -> Vec<&str> {
        let mut texts = Vec::new();
        for call in ["t(", "t1(", "t2(", "n("] {
            for (at, _) in source.match_indices(call) {
                let is_name = source[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '.');
                let rest = source[at + call.len()..].trim_start();
                if let Some(text) = rest.strip_prefix('"').filter(|_| !is_name) {
                    texts.push(text.split('"').next().unwrap());
                }
            }
        }
        texts
    }

    #[test]
    fn every_text_is_there_in_both_languages() {
        let mut used = BTreeSet::new();
        for path in files("src", "rs").into_iter().chain(files("templates", "html")) {
            let source = std::fs::read_to_string(&path).unwrap();
            let product = if path.ends_with("src/page/words.rs") { source.split("#[cfg(test)]").next().unwrap() } else { &source };
            for text in said(product) {
                assert!(FRENCH.contains_key(text), "{}: no French for {text:?}", path.display());
                used.insert(text.to_string());
            }
        }
        for (_, english) in hearth_identity::directory::SENTENCES {
            assert!(FRENCH.contains_key(english), "no French for {english:?}");
            used.insert((*english).to_string());
        }
        for (english, french) in french::TEXTS.iter().chain(log::TEXTS) {
            assert!(used.contains(*english) || french::ELSEWHERE.contains(english), "nobody says {english:?}");
            assert!(!french.is_empty() && english.matches("{}").count() == french.matches("{}").count(), "{english:?}");
        }
        assert_eq!(french::TEXTS.len() + log::TEXTS.len(), FRENCH.len(), "a text is there twice");
        assert!(french::ELSEWHERE.iter().all(|english| FRENCH.contains_key(english)));
    }

    #[test]
    fn no_letter_of_a_page_stands_outside_of_the_table() {
        for path in files("templates", "html") {
            let page = std::fs::read_to_string(&path).unwrap();
            let mut rest = page.as_str();
            let mut naked = String::new();
            while let Some(at) = rest.find(['<', '{']) {
                naked.push_str(&rest[..at]);
                let end = if rest[at..].starts_with("{{") {
                    "}}"
                } else if rest[at..].starts_with("{%") {
                    "%}"
                } else {
                    ">"
                };
                rest = &rest[at..][rest[at..].find(end).unwrap() + end.len()..];
                naked.push('\n');
            }
            naked.push_str(rest);
            for line in naked.lines().map(str::trim) {
                let known = ["", "· Hearth", "narrow", "wide", "id."].contains(&line);
                assert!(known || !line.chars().any(char::is_alphabetic), "{}: {line:?}", path.display());
            }
        }
    }

    #[test]
    fn what_is_said_of_errors_is_in_the_table() {
        for scope in crate::request::scope::Scope::ALL {
            assert!(FRENCH.contains_key(scope.says()), "{}", scope.says());
        }
        for notice in crate::notice::Notice::ALL {
            assert!(FRENCH.contains_key(notice.says()), "{notice:?}");
        }
        use crate::request::authorization::Where;
        for place in [Where::Client, Where::Waiting, Where::RedirectUri, Where::Ended, Where::NotPushed, Where::Malformed] {
            assert!(FRENCH.contains_key(place.says()), "{place:?}");
        }
        for password in ["short", "a\0aaaaaaaa", &"x".repeat(1000)] {
            let error = hearth_identity::vault::check_new_password(password).unwrap_err().to_string();
            assert!(reworded(Lang::Fr, &error).starts_with("un mot de passe"), "{error}");
        }
    }

    /// The texts of which `source` makes sentences by `call`, each thing in them as `{}`.
    fn sentences<'s>(source: &'s str, call: &str) -> impl Iterator<Item = String> + use<'s> {
        let product = source.split("#[cfg(test)]").next().unwrap();
        let calls: Vec<usize> = product.match_indices(call).map(|(at, _)| at + call.len()).collect();
        calls.into_iter().filter_map(|at| {
            let said = product[at..].trim_start().trim_start_matches('&').trim_start_matches("format!(").trim_start();
            let mut pieces = said.strip_prefix('"')?.split('"').next()?.split('{');
            let first = pieces.next()?.to_string();
            Some(pieces.fold(first, |text, piece| format!("{text}{{}}{}", piece.split_once('}').unwrap().1)))
        })
    }

    #[test]
    fn what_other_rooms_say_is_there_in_both_languages() {
        let calls = [
            ("../lib/identity/src", "Error::Invalid(", ""),
            ("../lib/identity/src", "Error::InUse(", ""),
            ("../lib/identity/src", "Error::Missing(", "there is no "),
            ("../smtp/src", "Reason::new(", ""),
            ("../smtp/src", "Opinion::Junk(", ""),
            ("../lib/filter/src", "Reason::new(", ""),
            ("../lib/filter/src", "because(Judgement::Welcome, ", ""),
            ("../lib/filter/src", "because(Judgement::Suspect, ", ""),
        ];
        let mut used = BTreeSet::new();
        for (below, call, before) in calls {
            for path in files(below, "rs").into_iter().filter(|path| !path.components().any(|part| part.as_os_str() == "tests")) {
                for text in sentences(&std::fs::read_to_string(&path).unwrap(), call) {
                    let text = format!("{before}{text}");
                    assert!(made::TEXTS.iter().any(|(known, _)| *known == text), "{}: no French for {text:?}", path.display());
                    used.insert(text);
                }
            }
        }
        for (english, french) in made::TEXTS {
            assert!(used.contains(*english), "nobody says {english:?}");
            assert!(!french.is_empty() && english.matches("{}").count() == french.matches("{}").count(), "{english:?}");
        }
        for path in files("../lib/identity/src", "rs") {
            let source = std::fs::read_to_string(&path).unwrap();
            for what in source.split("what: \"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
                assert!(FRENCH.contains_key(what), "{}: no French for {what:?}", path.display());
            }
        }
    }

    #[test]
    fn a_sentence_is_read_back_with_what_is_in_it() {
        let said = |english: &str| reworded(Lang::Fr, english);
        assert_eq!(said("It comes from bank.example, as it says."), "Il vient bien de bank.example, comme il le dit.");
        assert_eq!(said("You have written to a@b.example."), "Vous avez écrit à a@b.example.");
        assert_eq!(said("there is no such account"), "ce compte n'existe pas");
        assert_eq!(
            said("rspamd, which judges mail here, gives it 7.0 of 15.0 points for junk."),
            "rspamd, qui juge le courrier ici, lui donne 7.0 points d'indésirable sur 15.0."
        );
        assert_eq!(said("there is no preset {}; there are: a, b"), "il n'y a pas de modèle  ; il y a : a, b", "a gap in a gap");
        for other in ["", "It comes from", "Somebody else's filter said so.", "there is no"] {
            assert_eq!(said(other), other);
        }
        assert_eq!(reworded(Lang::En, "You have written to a@b.example."), "You have written to a@b.example.");
    }

    #[test]
    fn things_go_where_the_braces_are() {
        assert_eq!(t2("there can be {} {} at most", 3, "{}"), "there can be 3 {} at most");
        assert_eq!(in_language(Lang::Fr, "Sign in"), "Se connecter");
        assert_eq!(in_language(Lang::Fr, "nobody says this"), "nobody says this");
    }
}
