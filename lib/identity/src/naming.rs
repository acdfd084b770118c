// SPDX-License-Identifier: AGPL-3.0-or-later
//! What people, devices and apps may be called: text that looks as it is.

/// Unicode's format characters (general category Cf), in order, and the two separators of lines and paragraphs (Zl, Zp).
/// Among them are those that turn the direction of what follows, so that a name reads as another.
const UNSEEN: [(char, char); 21] = [
    ('\u{ad}', '\u{ad}'),
    ('\u{600}', '\u{605}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{6dd}', '\u{6dd}'),
    ('\u{70f}', '\u{70f}'),
    ('\u{890}', '\u{891}'),
    ('\u{8e2}', '\u{8e2}'),
    ('\u{180e}', '\u{180e}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2060}', '\u{2064}'),
    ('\u{2066}', '\u{206f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{fff9}', '\u{fffb}'),
    ('\u{110bd}', '\u{110bd}'),
    ('\u{110cd}', '\u{110cd}'),
    ('\u{13430}', '\u{1343f}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0001}', '\u{e0001}'),
    ('\u{e0020}', '\u{e007f}'),
];

/// Does each character of a name show, or join two that do? Persian and the scripts of India write with the joiners U+200C and
/// U+200D, and so do some emoji; between letters of ASCII, or at an end, they only make two names look alike.
pub fn is_seen(name: &str) -> bool {
    let all: Vec<char> = name.chars().collect();
    let joins = |at: usize| {
        let is_beyond = |side: Option<&char>| side.is_some_and(|c| !c.is_ascii() && !is_unseen(*c) && !c.is_whitespace());
        at.checked_sub(1).is_some_and(|before| is_beyond(all.get(before))) && is_beyond(all.get(at + 1))
    };
    all.iter().enumerate().all(|(at, c)| match c {
        '\u{200c}' | '\u{200d}' => joins(at),
        other => !is_unseen(*other),
    })
}

/// Is it a control or format character?
pub fn is_unseen(c: char) -> bool {
    c.is_control() || UNSEEN.iter().any(|(first, last)| (*first..=*last).contains(&c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_shows_and_what_hides() {
        for name in ["Alice", "Élodie d'Arc", "می\u{200c}خواهم", "ക്\u{200d}ഷ", "👩\u{200d}🚀", "Ünal \u{1f3e1}", ""]
        {
            assert!(is_seen(name), "{name:?}");
        }
        for name in [
            "Ali\u{202e}ecila",
            "a\u{200b}b",
            "a\u{200d}b",
            "\u{200d}é",
            "é\u{200c}",
            "x\u{feff}",
            "a\u{2066}b\u{2069}",
            "a\nb",
            "a\u{2028}b",
            "soft\u{ad}",
        ] {
            assert!(!is_seen(name), "{name:?}");
        }
        assert!(UNSEEN.is_sorted() && UNSEEN.iter().all(|(first, last)| first <= last));
    }
}
