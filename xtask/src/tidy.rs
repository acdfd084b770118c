// SPDX-License-Identifier: AGPL-3.0-or-later
//! What makes a file of this house: a licence line, a head that says what it is for, a length that one
//! can read, and none of the words that we do not use.

use anyhow::Result;

use crate::source::Tree;

const LICENCE: &str = "// SPDX-License-Identifier: AGPL-3.0-or-later";
/// Lines of a file, tests included. A ratchet: it may only go down.
const LINES_MAX: usize = 900;
/// Lines of a function outside tests.
const FUNCTION_LINES_MAX: usize = 110;

/// Room names that say nothing, and markers of unfinished work.
const BANNED: &[(&str, &str)] = &[
    ("todo!(", "finish it, or leave the row out of the registry"),
    ("unimplemented!(", "finish it, or leave the row out of the registry"),
    ("FIXME", "mend it"),
    ("XXX", "say what you mean"),
    (".unwrap()", "return the error, or expect with the invariant"),
    ("#[allow(", "use #[expect(.., reason = \"..\")]"),
];

/// Everything untidy.
pub fn check(tree: &Tree) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for file in &tree.files {
        let path = &file.path;
        let mut lines = file.text.lines();
        if lines.next() != Some(LICENCE) {
            findings.push(format!("{path}:1: the first line is {LICENCE:?}"));
        }
        if !lines.next().is_some_and(|line| line.starts_with("//!")) {
            findings.push(format!("{path}:2: a `//!` head says what the file is for"));
        }
        let count = file.text.lines().count();
        if count > LINES_MAX {
            findings.push(format!("{path}: {count} lines, over {LINES_MAX}: which two concepts are in it?"));
        }
        if file.room == "xtask" {
            continue;
        }
        for (number, line) in file.product_lines() {
            let code = line.split("//").next().unwrap_or_default();
            for (word, instead) in BANNED.iter().filter(|(word, _)| code.contains(word)) {
                findings.push(format!("{path}:{number}: {word}: {instead}"));
            }
        }
        long_functions(path, &file.product_lines().collect::<Vec<_>>(), &mut findings);
    }
    Ok(findings)
}

/// rustfmt puts a function's closing brace at the indentation of its `fn`.
fn long_functions(path: &str, lines: &[(usize, &str)], findings: &mut Vec<String>) {
    for (at, (number, line)) in lines.iter().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let head = line.trim_start().trim_start_matches("pub ").trim_start_matches("pub(crate) ").trim_start_matches("pub(super) ");
        let head = head.trim_start_matches("const ").trim_start_matches("async ");
        if !head.starts_with("fn ") || line.trim_end().ends_with(['}', ';']) {
            continue;
        }
        let closing = format!("{}}}", " ".repeat(indent));
        let length = lines[at..].iter().position(|(_, line)| *line == closing).unwrap_or(0);
        if length > FUNCTION_LINES_MAX {
            findings.push(format!("{path}:{number}: a function of {length} lines, over {FUNCTION_LINES_MAX}"));
        }
    }
}
