// SPDX-License-Identifier: AGPL-3.0-or-later
//! Who may know whom. The floors of the house as one table, and what each room must never name.

use std::fs;

use anyhow::{Context, Result};

use crate::source::Tree;

/// A room: its folder, its floor, and the rooms below that it may import.
struct Room {
    folder: &'static str,
    floor: u8,
    may_import: &'static [&'static str],
}

const fn room(folder: &'static str, floor: u8, may_import: &'static [&'static str]) -> Room {
    Room { folder, floor, may_import }
}

const BELOW_SERVERS: &[&str] = &["types", "spec", "boot", "wire", "db", "net", "identity", "openpgp", "mailstore", "filter", "web"];

/// The plan of the house. An arrow that is not here is missing on purpose.
const ROOMS: &[Room] = &[
    room("lib/types", 0, &[]),
    room("lib/spec", 0, &[]),
    room("lib/boot", 0, &[]),
    room("lib/wire", 1, &["types", "spec"]),
    room("lib/db", 1, &["types"]),
    room("lib/net", 1, &["types"]),
    room("lib/web", 2, &["types", "spec", "boot", "net"]),
    room("lib/identity", 2, &["types", "spec", "boot", "wire", "db", "net"]),
    room("lib/openpgp", 2, &["types", "identity"]),
    room("lib/mailstore", 2, &["types", "spec", "boot", "wire", "db", "net"]),
    room("lib/filter", 2, &["types", "spec", "wire", "mailstore"]),
    room("smtp", 3, BELOW_SERVERS),
    room("imap", 3, BELOW_SERVERS),
    room("jmap", 3, BELOW_SERVERS),
    room("oauth", 3, BELOW_SERVERS),
    room("keyserver", 3, BELOW_SERVERS),
    room("router", 3, BELOW_SERVERS),
    room(
        "node",
        4,
        &["types", "spec", "boot", "wire", "db", "net", "identity", "openpgp", "mailstore", "filter", "smtp", "imap", "keyserver"],
    ),
    room("xtask", 4, &["spec"]),
];

/// What a room must never name, and why.
struct Ban {
    rooms: fn(&str) -> bool,
    words: &'static [&'static str],
    why: &'static str,
}

const BANS: &[Ban] = &[
    Ban {
        rooms: |room| room == "lib/wire",
        words: &[
            "tokio",
            "sqlx",
            "rusqlite",
            "axum",
            "std::net::Tcp",
            "std::fs",
            "std::time::Instant",
            "SystemTime",
            "getrandom",
            "rand::",
            "async fn",
        ],
        why: "wire is pure: no clock, no I/O, no chance, no runtime",
    },
    Ban {
        rooms: |room| !["lib/db"].contains(&room),
        words: &["rusqlite::", "sqlx::"],
        why: "only lib/db knows that there are two SQL engines",
    },
    Ban {
        rooms: |room| !["lib/identity", "oauth"].contains(&room),
        words: &["vault::Vault", "identity::vault"],
        why: "only oauth opens the vault",
    },
    Ban {
        rooms: |room| room != "lib/web",
        words: &["use axum::", " axum::", "(axum::"],
        why: "only lib/web has axum; use hearth_web::axum",
    },
    Ban {
        rooms: |room| !["lib/db", "lib/identity", "lib/mailstore", "smtp", "xtask"].contains(&room),
        words: &["\"SELECT ", "\"INSERT ", "\"UPDATE ", "\"DELETE FROM", "\"CREATE TABLE"],
        why: "no SQL outside db, identity, mailstore and the queue of smtp",
    },
    Ban {
        rooms: |room| !["lib/types", "xtask"].contains(&room),
        words: &["OffsetDateTime::now_utc", "Utc::now"],
        why: "time is an argument: hearth_types::Clock",
    },
];

/// Every arrow and every name that should not be.
pub fn check(tree: &Tree) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for room in ROOMS {
        imports(tree, room, &mut findings)?;
    }
    names(tree, &mut findings);
    Ok(findings)
}

fn imports(tree: &Tree, room: &Room, findings: &mut Vec<String>) -> Result<()> {
    let manifest = fs::read_to_string(tree.root.join(room.folder).join("Cargo.toml")).context(room.folder)?;
    let manifest: toml::Table = manifest.parse().context(room.folder)?;
    let Some(dependencies) = manifest.get("dependencies").and_then(toml::Value::as_table) else { return Ok(()) };
    for imported in dependencies.keys().filter_map(|name| name.strip_prefix("hearth-")) {
        let floor = ROOMS.iter().find(|r| r.folder.trim_start_matches("lib/") == imported).map(|r| r.floor);
        if !room.may_import.contains(&imported) {
            findings.push(format!("{} (floor {}) must not import {imported} (floor {floor:?})", room.folder, room.floor));
        }
    }
    Ok(())
}

fn names(tree: &Tree, findings: &mut Vec<String>) {
    for file in tree.files.iter().filter(|file| !["tests", "xtask"].contains(&file.room.as_str())) {
        for (number, line) in file.product_lines().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            for ban in BANS.iter().filter(|ban| (ban.rooms)(&file.room)) {
                for word in ban.words.iter().filter(|word| line.contains(**word)) {
                    findings.push(format!("{}:{number}: names {:?}: {}", file.path, word.trim(), ban.why));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::File;

    #[test]
    fn servers_do_not_know_each_other() {
        let servers = ["smtp", "imap", "jmap", "oauth", "keyserver", "router"];
        for room in ROOMS.iter().filter(|room| servers.contains(&room.folder)) {
            assert!(room.may_import.iter().all(|imported| !servers.contains(imported)), "{}", room.folder);
        }
    }

    #[test]
    fn floors_go_down() {
        for room in ROOMS {
            for imported in room.may_import {
                let below = ROOMS.iter().find(|r| r.folder.trim_start_matches("lib/") == *imported).unwrap();
                let same_floor_allowed =
                    [("lib/filter", "mailstore"), ("lib/openpgp", "identity")].contains(&(room.folder, *imported));
                assert!(below.floor < room.floor || same_floor_allowed, "{} imports {imported}", room.folder);
            }
        }
    }

    #[test]
    fn a_forbidden_name_is_found() {
        let text = "use tokio::net;\n// tokio in a comment\n#[cfg(test)]\nmod tests {\nuse tokio::test;".to_string();
        let file = File { path: "lib/wire/src/x.rs".into(), room: "lib/wire".into(), text, is_test: false };
        let tree = Tree { root: "/".into(), files: vec![file] };
        let mut findings = Vec::new();
        names(&tree, &mut findings);
        assert_eq!(findings.len(), 1, "{findings:?}");
    }
}
