// SPDX-License-Identifier: AGPL-3.0-or-later
//! LSUB (RFC 3501 §6.3.9).

use hearth_wire::imap::response::{ListLine, Reply, encode_list_line};
use hearth_wire::imap::{SEPARATOR, matches};

use crate::access::{list_seen, may_match};
use crate::ctx::Ctx;
use crate::fault::Outcome;

/// Lists subscribed mailboxes.
pub async fn run(ctx: &mut Ctx, reference: String, pattern: String) -> Outcome {
    let all = list_seen(ctx, may_match(&reference, &pattern)).await?;
    let subscribed: Vec<&str> = all.iter().filter(|seen| seen.mailbox.subscribed).map(|seen| seen.mailbox.path.as_str()).collect();
    let charset = ctx.charset();
    let mut out = Vec::new();
    for line in lines(&subscribed, &reference, &pattern) {
        encode_list_line(&mut out, "LSUB", &line, charset);
    }
    ctx.write(&out).await?;
    Ok(Reply::ok("done"))
}

/// RFC 3501 §6.3.9: when `%` stops above a subscribed mailbox, the one above is shown with `\Noselect`.
fn lines(subscribed: &[&str], reference: &str, pattern: &str) -> Vec<ListLine> {
    let mut lines: Vec<ListLine> = Vec::new();
    for &path in subscribed {
        if matches(reference, pattern, path) {
            lines.push(ListLine { name: path.to_string(), ..ListLine::default() });
            continue;
        }
        for (at, _) in path.match_indices(SEPARATOR) {
            let above = path.get(..at).unwrap_or_default();
            let shown = pattern.contains('%') && matches(reference, pattern, above) && !subscribed.contains(&above);
            if shown && !lines.iter().any(|line| line.name == above) {
                lines.push(ListLine { attributes: vec!["\\Noselect"], name: above.to_string(), ..ListLine::default() });
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_above_a_subscribed_one() {
        let names = |pattern: &str| -> Vec<String> {
            lines(&["INBOX", "a/b", "a/c", "d", "d/e"], "", pattern)
                .iter()
                .map(|line| format!("{}{}", line.name, line.attributes.concat()))
                .collect()
        };
        assert_eq!(names("*"), ["INBOX", "a/b", "a/c", "d", "d/e"]);
        assert_eq!(names("%"), ["INBOX", "a\\Noselect", "d"]);
        assert_eq!(names("a"), Vec::<String>::new());
    }
}
