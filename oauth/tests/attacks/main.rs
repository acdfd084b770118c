// SPDX-License-Identifier: AGPL-3.0-or-later
//! The attacks that a provider must survive (RFC 9700, and what went wrong with others), each by its number.
//! `docs/protocols/oauth.md` says of each what our answer is; the test below holds the page and these files together.

#[path = "../support/mod.rs"]
mod support;

mod authorization;
mod credentials;
mod elsewhere;
mod guesses;
mod token_endpoint;
mod tokens;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// How many there are.
const ATTACKS: usize = 48;

#[test]
fn the_page_names_every_attack_and_its_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tests = BTreeMap::new();
    for file in fs::read_dir(root.join("tests/attacks")).unwrap() {
        let path = file.unwrap().path();
        if path.ends_with("main.rs") {
            continue;
        }
        let text = fs::read_to_string(path).unwrap();
        for (before, after) in text.match_indices("fn attack_").map(|(at, _)| text.split_at(at)) {
            let name = after.trim_start_matches("fn ").split('(').next().unwrap();
            let number: usize = name.split('_').nth(1).unwrap().parse().unwrap();
            let attribute = before.trim_end_matches("async ").trim_end();
            assert!(attribute.ends_with("#[tokio::test]") || attribute.ends_with("#[test]"), "{name} is no test");
            assert_eq!(tests.insert(number, name.to_string()), None, "{number} is there twice");
        }
    }
    assert_eq!(tests.keys().copied().collect::<Vec<_>>(), (1..=ATTACKS).collect::<Vec<_>>());

    let page = fs::read_to_string(root.join("../docs/protocols/oauth.md")).unwrap();
    let section = page.split("\n## Attacks, by number\n").nth(1).expect("the section");
    let section = section.split("\n## ").next().unwrap();
    let rows: Vec<Vec<&str>> = section
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| number"))
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect();
    assert_eq!(rows.len(), ATTACKS);
    for (row, (number, name)) in rows.iter().zip(&tests) {
        let [its_number, attack, test, answer] = row.as_slice() else { panic!("{row:?}") };
        assert_eq!((*its_number, *test), (number.to_string().as_str(), format!("`{name}`").as_str()));
        assert!(attack.len() > 5 && answer.len() > 10, "{row:?}");
    }
}
