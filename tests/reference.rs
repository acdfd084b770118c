// SPDX-License-Identifier: AGPL-3.0-or-later
//! The support tables in `docs/protocols` say what the registries say. `UPDATE_EXPECT=1` writes them anew.

use std::fs;
use std::path::Path;

use hearth_spec::{Row, to_markdown};

const BEGIN: &str = "<!-- written from the registry: UPDATE_EXPECT=1 cargo test -p hearth-tests --test reference -->\n";
const END: &str = "<!-- until here -->\n";

const PAGES: &[(&str, &[Row])] = &[
    ("smtp.md", hearth_smtp::registry::ROWS),
    ("imap.md", hearth_imap::registry::ROWS),
    ("pop3.md", hearth_imap::pop3::registry::ROWS),
    ("managesieve.md", hearth_imap::managesieve::registry::ROWS),
    ("jmap.md", hearth_jmap::registry::ROWS),
    ("oauth.md", hearth_oauth::registry::ROWS),
    ("scim.md", hearth_oauth::scim::registry::ROWS),
    ("ldap.md", hearth_oauth::ldap::registry::ROWS),
    ("keyserver.md", hearth_keyserver::registry::ROWS),
    ("router.md", hearth_router::registry::ROWS),
];

#[test]
fn the_pages_say_what_the_registries_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/protocols");
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    for (name, rows) in PAGES {
        assert!(rows.len() >= 5, "{name} has {} rows", rows.len());
        let file = folder.join(name);
        let page = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let (head, rest) = page.split_once(BEGIN).unwrap_or_else(|| panic!("{name} has no line {BEGIN:?}"));
        let (_, foot) = rest.split_once(END).unwrap_or_else(|| panic!("{name} has no line {END:?}"));
        let expected = format!("{head}{BEGIN}\n{}\n{END}{foot}", to_markdown(&once(rows)));
        if update {
            fs::write(&file, &expected).unwrap();
        } else {
            assert!(
                page == expected,
                "{name} differs from the registry; UPDATE_EXPECT=1 cargo test -p hearth-tests --test reference writes it"
            );
        }
    }
}

/// A word that is a command and a capability stands in the table once.
fn once(rows: &[Row]) -> Vec<Row> {
    rows.iter().enumerate().filter(|(at, row)| !rows[..*at].contains(row)).map(|(_, row)| *row).collect()
}

#[test]
fn rows_agree_and_their_standards_are_known() {
    for (name, rows) in PAGES {
        for (at, row) in rows.iter().enumerate() {
            assert!(row.rfc == 0 || hearth_spec::rfc::find(row.rfc).is_some(), "{name}: {row:?}: not in lib/spec/src/rfc.rs");
            let twin =
                rows[..at].iter().find(|other| other.name == row.name && other.section == row.section && other.rfc == row.rfc);
            assert!(twin.is_none_or(|twin| twin == row), "{name}: {row:?} and {twin:?}");
        }
    }
}
