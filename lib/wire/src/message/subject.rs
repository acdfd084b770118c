// SPDX-License-Identifier: AGPL-3.0-or-later
//! The base subject (RFC 5256 §2.1).

/// What is left of a (decoded) subject without `Re:`, `Fwd:`, `[list]` and the like; and whether it
/// was a reply or a forward.
pub fn base_subject(subject: &str) -> (String, bool) {
    // Step 1: white space becomes single spaces.
    let joined = subject.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut rest = joined.as_str();
    let mut is_reply = false;
    loop {
        let before = rest;
        // Step 2: trailing "(fwd)".
        rest = rest.trim_end();
        if let Some(cut) = strip_suffix_no_case(rest, "(fwd)") {
            (rest, is_reply) = (cut, true);
        }
        // Steps 3 to 5: leading "Re:", "Fwd:", "[blob]"; a blob alone is kept.
        rest = rest.trim_start();
        if let Some(cut) = strip_leader(rest) {
            (rest, is_reply) = (cut, true);
        } else if let Some(cut) = strip_blob(rest).filter(|cut| !cut.trim().is_empty()) {
            rest = cut;
        }
        // Step 6: "[Fwd: ... ]".
        let inner = rest.strip_suffix(']').and_then(|cut| strip_prefix_no_case(cut, "[fwd:"));
        if let Some(inner) = inner {
            (rest, is_reply) = (inner, true);
        }
        if rest == before {
            return (rest.to_string(), is_reply);
        }
    }
}

/// `subj-refwd = ("re" / ("fw" ["d"])) *WSP [subj-blob] ":"`, after any blobs.
fn strip_leader(text: &str) -> Option<&str> {
    let mut rest = text;
    while let Some(cut) = strip_blob(rest) {
        rest = cut.trim_start();
    }
    let rest = ["re", "fwd", "fw"].iter().find_map(|word| strip_prefix_no_case(rest, word))?.trim_start();
    let rest = strip_blob(rest).unwrap_or(rest);
    rest.strip_prefix(':')
}

/// `subj-blob = "[" *BLOBCHAR "]" *WSP`
fn strip_blob(text: &str) -> Option<&str> {
    let (blob, rest) = text.strip_prefix('[')?.split_once(']')?;
    (!blob.contains('[')).then(|| rest.trim_start())
}

fn strip_prefix_no_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    text.get(..prefix.len()).filter(|start| start.eq_ignore_ascii_case(prefix))?;
    text.get(prefix.len()..)
}

fn strip_suffix_no_case<'a>(text: &'a str, suffix: &str) -> Option<&'a str> {
    let cut = text.len().checked_sub(suffix.len())?;
    text.get(cut..).filter(|end| end.eq_ignore_ascii_case(suffix))?;
    text.get(..cut)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_5256_2_1() {
        for (subject, base, is_reply) in [
            ("hello  world", "hello world", false),
            ("Re: hello", "hello", true),
            ("RE: re: Fw: hello (fwd)", "hello", true),
            ("[list] Re: [list] hello", "hello", true),
            ("[list] hello", "hello", false),
            ("[list]", "[list]", false),
            ("Re[2]: hello", "hello", true),
            ("[Fwd: hello]", "hello", true),
            ("Reply", "Reply", false),
            ("", "", false),
            ("Re:", "", true),
            ("é(FWD)", "é", true),
        ] {
            assert_eq!(base_subject(subject), (base.to_string(), is_reply), "{subject:?}");
        }
    }
}
