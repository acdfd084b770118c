// SPDX-License-Identifier: AGPL-3.0-or-later
//! The modules of the OpenID Foundation's certification, by name: `docs/protocols/oauth.md` says of each which test
//! does what it does, or why it does not apply or would fail, and this file holds the page to it.

#[path = "../support/mod.rs"]
mod support;

mod basic;
mod discovery;
mod dynamic;
mod fapi;
mod flows;
mod form_post;
mod requests;

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
    ("FAPI 2.0 security profile", 57),
];

#[test]
fn each_module_has_a_test_or_a_reason() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("../docs/protocols/oauth.md")).unwrap();
    // Both want a reason.
    let page = page.replace("| not supported: ", "| not applicable: ");
    let mut tests = String::new();
    read_all(&root.join("tests"), &mut tests);
    read_all(&root.join("src"), &mut tests);
    for (plan, count) in PLANS {
        assert_eq!(hearth_spec::check_checklist(&page, plan, &tests), Ok(count), "{plan}");
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
