// SPDX-License-Identifier: AGPL-3.0-or-later
//! The checks behind the tests: `cargo xtask layers | rfc | tidy | all`.
//!
//! Each check walks the tree and returns what is wrong, one finding a line; none means that it
//! holds. They run as tests too, so that `tests/run` cannot be green without them.

mod layers;
mod rfc;
mod source;
mod tidy;

use std::process::ExitCode;

use anyhow::Result;

type Check = fn(&source::Tree) -> Result<Vec<String>>;

const CHECKS: &[(&str, &str, Check)] = &[
    ("layers", "who may import and name whom", layers::check),
    ("rfc", "every RFC that a comment cites is in the list; writes docs/reference/rfc with --write", rfc::check),
    ("tidy", "licence lines, module heads, words that do not belong here, files that grew too long", tidy::check),
];

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for a person's terminal")]
fn main() -> Result<ExitCode> {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    let tree = source::Tree::read()?;
    if wanted == "rfc" && std::env::args().any(|arg| arg == "--write") {
        rfc::write(&tree)?;
    }
    let chosen: Vec<_> = CHECKS.iter().filter(|(name, ..)| wanted == "all" || wanted == *name).collect();
    if chosen.is_empty() {
        eprintln!("cargo xtask NAME, with NAME one of:");
        for (name, what, _) in CHECKS {
            eprintln!("  {name:<8} {what}");
        }
        eprintln!("  {:<8} all of them", "all");
        return Ok(ExitCode::from(2));
    }
    let mut wrong = 0;
    for (name, _, check) in chosen {
        for finding in check(&tree)? {
            println!("{name}: {finding}");
            wrong += 1;
        }
    }
    Ok(if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_hold() {
        holds(layers::check);
    }

    #[test]
    fn cited_rfcs_are_listed() {
        holds(rfc::check);
    }

    #[test]
    fn the_house_is_tidy() {
        holds(tidy::check);
    }

    fn holds(check: Check) {
        let tree = source::Tree::read().unwrap();
        assert!(tree.files.len() > 50, "only {} files were read", tree.files.len());
        let findings = check(&tree).unwrap();
        assert!(findings.is_empty(), "\n{}", findings.join("\n"));
    }
}
