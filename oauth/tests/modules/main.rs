// SPDX-License-Identifier: AGPL-3.0-or-later
//! The modules of the OpenID Foundation's certification, by name: `docs/protocols/oauth.md` says of each which test
//! shows it or why it does not apply, and this file holds the page to it.

#[path = "../support/mod.rs"]
mod support;

mod basic;
mod dynamic;
mod fapi;
mod form_post;

use std::fs;
use std::path::Path;

/// Plans, and how many modules each has.
const PLANS: [(&str, usize); 8] = [
    ("Basic", 38),
    ("Config", 1),
    ("Dynamic", 23),
    ("Form post", 38),
    ("RP-initiated logout", 11),
    ("Back-channel logout", 2),
    ("Front-channel logout", 2),
    ("FAPI 2.0 security profile", 56),
];

#[test]
fn each_module_has_a_test_or_a_reason() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("../docs/protocols/oauth.md")).unwrap();
    let mut tests = String::new();
    read_all(&root.join("tests"), &mut tests);
    read_all(&root.join("src"), &mut tests);
    for (plan, count) in PLANS {
        let section = page.split(&format!("\n### {plan}\n")).nth(1).unwrap_or_else(|| panic!("no section {plan}"));
        let section = section.split("\n#").next().unwrap();
        let rows: Vec<Vec<&str>> = section
            .lines()
            .filter(|line| line.starts_with("| `"))
            .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
            .collect();
        assert_eq!(rows.len(), count, "{plan}");
        for (at, row) in rows.iter().enumerate() {
            let [name, shown] = row.as_slice() else { panic!("{row:?}") };
            assert!(!rows[..at].iter().any(|other| other[0] == *name), "{name} is there twice");
            if let Some(why) = shown.strip_prefix("not applicable: ") {
                assert!(why.len() > 10, "{name}");
                continue;
            }
            for test in shown.split('`').skip(1).step_by(2) {
                assert!(tests.contains(&format!("fn {test}(")), "{name}: there is no test {test}");
            }
            assert!(shown.contains('`'), "{name}: {shown}");
        }
    }
}

/// The source below a folder.
fn read_all(folder: &Path, into: &mut String) {
    for file in fs::read_dir(folder).unwrap() {
        let file = file.unwrap().path();
        if file.is_dir() {
            read_all(&file, into);
        } else if file.extension().is_some_and(|kind| kind == "rs") {
            into.push_str(&fs::read_to_string(file).unwrap());
        }
    }
}
