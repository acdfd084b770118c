// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a browser calls itself, in words that its owner knows. Pure, and only for show.

use hearth_identity::directory::{Session, SessionKind};
use hearth_web::{Lang, lang};

use super::words::{in_language, n};

/// Browsers, the one that pretends to be another before the one that it pretends to be.
const BROWSERS: [(&str, &str); 7] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];
const SYSTEMS: [(&str, &str); 7] = [
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "Mac"),
    ("CrOS", "Chromebook"),
    ("Linux", "Linux"),
];

/// `Firefox on Linux`, or `A browser`, in the language of the request.
pub fn name(user_agent: &str) -> String {
    name_in(lang(), user_agent)
}

/// What the audit log calls the device of a session, in English.
pub fn in_log(session: &Session) -> String {
    match session.kind {
        SessionKind::Browser => name_in(Lang::En, session.user_agent.as_deref().unwrap_or_default()),
        _ => session.label.clone(),
    }
}

/// The same in a language that is named.
pub fn name_in(lang: Lang, user_agent: &str) -> String {
    let first = |table: &[(&str, &'static str)]| table.iter().find(|(mark, _)| user_agent.contains(mark)).map(|(_, name)| *name);
    let a_browser = in_language(lang, n("A browser"));
    match (first(&BROWSERS), first(&SYSTEMS)) {
        (Some(browser), None) => browser.to_string(),
        (None, None) => a_browser.to_string(),
        (browser, Some(system)) => {
            in_language(lang, n("{} on {}")).replacen("{}", browser.unwrap_or(a_browser), 1).replacen("{}", system, 1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_the_language_of_the_reader() {
        assert_eq!(name_in(Lang::Fr, "X11; Linux x86_64 Firefox/128.0"), "Firefox sur Linux");
        assert_eq!(name_in(Lang::Fr, "curl on Linux"), "Un navigateur sur Linux");
        assert_eq!(name_in(Lang::En, ""), "A browser");
    }

    #[test]
    fn known_by_their_marks() {
        for (user_agent, expected) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "Firefox on Linux"),
            (
                "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Mobile Safari/537.36",
                "Chrome on Android",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile Safari/604.1",
                "Safari on iPhone",
            ),
            ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/130.0 Safari/537.36 Edg/130.0", "Edge on Windows"),
            ("curl/8.0", "A browser"),
            ("", "A browser"),
        ] {
            assert_eq!(name(user_agent), expected);
        }
    }
}
