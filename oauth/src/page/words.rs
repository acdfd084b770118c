// SPDX-License-Identifier: AGPL-3.0-or-later
//! What the pages say. A text stands in English where it is said, `t("Sign in")`, and once more in the one table of
//! [`french`], beside its translation. `{}` in it is where what follows goes.
//!
//! The tests below hold the pages to it: no letter stands in a template outside of a `t`, and every `t` is in the table.

mod french;

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::LazyLock;

use hearth_identity::Error;
use hearth_web::{Lang, lang};

static FRENCH: LazyLock<HashMap<&'static str, &'static str>> = LazyLock::new(|| french::TEXTS.iter().copied().collect());

/// A text, in the language of the request.
pub fn t(english: &'static str) -> &'static str {
    in_language(lang(), english)
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
    let known =
        |english: String| lang().pick(None, FRENCH.get(english.as_str()).map(|text| (*text).to_string())).unwrap_or(english);
    match error {
        Error::Store(_) | Error::Io { .. } | Error::Sealed(_) => None,
        Error::AddressTaken(address) => Some(t1("{} is already in use", address)),
        Error::DomainTaken(domain) => Some(t1("the domain {} is already here", domain)),
        Error::UnknownDomain(domain) => Some(t1("{} is not a domain of this home", domain)),
        Error::TooMany { what, max } => Some(t2("there can be {} {} at most", max, known((*what).to_string()))),
        other => Some(known(other.to_string())),
    }
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
                } else if path.extension().is_some_and(|is| is == ending) && !path.ends_with("words/french.rs") {
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
        for (english, french) in french::TEXTS {
            assert!(used.contains(*english) || french::ELSEWHERE.contains(english), "nobody says {english:?}");
            assert!(!french.is_empty() && english.matches("{}").count() == french.matches("{}").count(), "{english:?}");
        }
        assert_eq!(french::TEXTS.len(), FRENCH.len(), "a text is there twice");
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
            let error = hearth_identity::vault::check_new_password(password).unwrap_err();
            assert!(FRENCH.contains_key(error.to_string().as_str()), "{error}");
        }
    }

    #[test]
    fn things_go_where_the_braces_are() {
        assert_eq!(t2("there can be {} {} at most", 3, "{}"), "there can be 3 {} at most");
        assert_eq!(in_language(Lang::Fr, "Sign in"), "Se connecter");
        assert_eq!(in_language(Lang::Fr, "nobody says this"), "nobody says this");
    }
}
