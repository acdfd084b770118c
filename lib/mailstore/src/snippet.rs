// SPDX-License-Identifier: AGPL-3.0-or-later
//! A piece of text with what was looked for marked (RFC 8621 §5).

/// Characters before the first mark, and of the whole piece (RFC 8621 §5: at most 255 octets is advised for the piece).
const BEFORE_CHARS: usize = 40;
const PIECE_CHARS: usize = 200;

/// The text around the first word that begins with one of `words` (in lower case), on one line,
/// escaped for HTML, with `<mark>` around each such word.
pub(crate) fn mark(text: &str, words: &[String]) -> Option<String> {
    let line: Vec<char> = text.split_whitespace().collect::<Vec<_>>().join(" ").chars().collect();
    let spans = spans(&line);
    let is_hit = |span: &(usize, usize)| {
        let word: String = line.get(span.0..span.1).unwrap_or_default().iter().flat_map(|c| c.to_lowercase()).collect();
        words.iter().any(|wanted| word.starts_with(wanted.as_str()))
    };
    let first = spans.iter().find(|span| is_hit(span))?;
    let start = first.0.saturating_sub(BEFORE_CHARS);
    let end = (start + PIECE_CHARS).min(line.len());
    let mut piece = String::new();
    let mut at = start;
    for span in spans.iter().filter(|span| span.0 >= start && span.1 <= end && is_hit(span)) {
        escape(&mut piece, line.get(at..span.0).unwrap_or_default());
        piece.push_str("<mark>");
        escape(&mut piece, line.get(span.0..span.1).unwrap_or_default());
        piece.push_str("</mark>");
        at = span.1;
    }
    escape(&mut piece, line.get(at..end).unwrap_or_default());
    Some(piece)
}

/// Where words are: runs of letters and digits.
fn spans(line: &[char]) -> Vec<(usize, usize)> {
    let mut spans = Vec::new();
    let mut start = None;
    for (at, c) in line.iter().chain([&' ']).enumerate() {
        match (start, c.is_alphanumeric()) {
            (None, true) => start = Some(at),
            (Some(from), false) => {
                spans.push((from, at));
                start = None;
            }
            _ => {}
        }
    }
    spans
}

fn escape(out: &mut String, text: &[char]) {
    for c in text {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(*c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_marked_and_escaped() {
        let words = ["foo".to_string()];
        assert_eq!(mark("a <b> Foobar & foo", &words).as_deref(), Some("a &lt;b&gt; <mark>Foobar</mark> &amp; <mark>foo</mark>"));
        assert_eq!(mark("nothing", &words), None);
        let long = format!("{} foo {}", "x ".repeat(500), "y ".repeat(500));
        assert!(mark(&long, &words).is_some_and(|piece| piece.chars().count() <= PIECE_CHARS + "<mark></mark>".len()));
    }
}
