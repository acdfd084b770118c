// SPDX-License-Identifier: AGPL-3.0-or-later
//! The standards as a map of the house: what the comments cite, checked and turned around.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use anyhow::Result;
use hearth_spec::rfc;

use crate::source::Tree;

/// One place in the code that cites a section.
struct Citation<'t> {
    path: &'t str,
    line: usize,
    section: String,
}

/// Citations of documents that `lib/spec` does not list.
pub fn check(tree: &Tree) -> Result<Vec<String>> {
    Ok(citations(tree)
        .into_iter()
        .filter(|(number, _)| rfc::find(*number).is_none())
        .flat_map(|(number, places)| {
            places.into_iter().map(move |c| format!("{}:{}: RFC {number} is not in lib/spec/src/rfc.rs", c.path, c.line))
        })
        .collect())
}

/// One page: per RFC, its sections and the lines of code that carry them out.
pub fn write(tree: &Tree) -> Result<()> {
    let mut page = String::from("# From the standards into the code\n\nWritten by `cargo xtask rfc --write`.\n");
    for (number, mut places) in citations(tree) {
        let Some(document) = rfc::find(number) else { continue };
        writeln!(page, "\n## RFC {number}: {}\n", document.title)?;
        if document.obsoleted_by != 0 {
            writeln!(page, "Obsoleted by RFC {}.\n", document.obsoleted_by)?;
        }
        places.sort_by(|a, b| (&a.section, a.path, a.line).cmp(&(&b.section, b.path, b.line)));
        places.dedup_by(|a, b| a.section == b.section && a.path == b.path);
        for place in places {
            let section = if place.section.is_empty() { "-".to_string() } else { format!("§{}", place.section) };
            writeln!(page, "- {section}: [{}](../../{})", place.path, place.path)?;
        }
    }
    let folder = tree.root.join("docs/reference");
    fs::create_dir_all(&folder)?;
    Ok(fs::write(folder.join("rfc.md"), page)?)
}

fn citations(tree: &Tree) -> BTreeMap<u16, Vec<Citation<'_>>> {
    let mut found: BTreeMap<u16, Vec<Citation<'_>>> = BTreeMap::new();
    for file in tree.files.iter().filter(|file| file.room != "xtask" && file.room != "lib/spec") {
        for (at, line) in file.text.lines().enumerate().filter(|(_, line)| line.contains("//")) {
            for (number, section) in cited_in(line) {
                found.entry(number).or_default().push(Citation { path: &file.path, line: at + 1, section });
            }
        }
    }
    found
}

/// The `RFC 9051 §6.4.5` of a line.
fn cited_in(line: &str) -> Vec<(u16, String)> {
    let mut found = Vec::new();
    for part in line.split("RFC ").skip(1) {
        let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
        let Ok(number) = digits.parse() else { continue };
        let rest = part[digits.len()..].trim_start();
        let section = rest.strip_prefix('§').unwrap_or_default();
        let section: String = section.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '.').collect();
        found.push((number, section.trim_end_matches('.').to_string()));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_citation_has_a_number_and_perhaps_a_section() {
        assert_eq!(cited_in("// RFC 9051 §6.4.5: PEEK"), [(9051, "6.4.5".to_string())]);
        assert_eq!(cited_in("// RFC 5802, RFC 7677 §3."), [(5802, String::new()), (7677, "3".to_string())]);
        assert_eq!(cited_in("// no RFC here"), []);
    }
}
