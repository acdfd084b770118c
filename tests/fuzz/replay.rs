// SPDX-License-Identifier: AGPL-3.0-or-later
//! What once broke a fuzz target breaks it no more: every file of `tests/fuzz/crashes/TARGET` is run again. And every target is
//! given what it begins with, damaged by chance of a fixed seed, `HEARTH_FUZZ_ROUNDS` times (500): the fuzzer finds more, but
//! it needs a C++ compiler, and time.

use std::collections::BTreeMap;
use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

#[path = "src/lib.rs"]
mod targets;

use targets::TARGETS;

#[test]
fn nothing_that_broke_a_target_breaks_it_again() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/crashes");
    for entry in fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let (_, target) = TARGETS.iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("{name} is no target"));
        for file in fs::read_dir(folder.join(&name)).unwrap() {
            target(&fs::read(file.unwrap().path()).unwrap());
        }
    }
}

/// SplitMix64: the same damage in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }

    /// A few octets changed, put in, left out, said twice; or a piece of another input.
    fn damage(&mut self, input: &mut Vec<u8>, other: &[u8]) {
        const ODD: &[u8] = b"\0\r\n \t\"\\(){}[]<>@.,:;=+-*%&#/'~\x7f\x80\xc3\xff09azAZ";
        for _ in 0..=self.below(4) {
            let at = self.below(input.len() + 1);
            let to = (at + self.below(16)).min(input.len());
            match self.below(6) {
                0 if at < input.len() => input[at] = ODD[self.below(ODD.len())],
                1 if at < input.len() => input[at] ^= 1 << self.below(8),
                2 => input.insert(at, ODD[self.below(ODD.len())]),
                3 => drop(input.drain(at..to)),
                4 => {
                    let piece = input[at..to].to_vec();
                    let count = self.below(8);
                    input.splice(at..at, piece.repeat(count));
                }
                _ => {
                    let from = self.below(other.len() + 1);
                    let until = (from + self.below(64)).min(other.len());
                    input.splice(at..to, other[from..until].iter().copied());
                }
            }
        }
    }
}

#[test]
fn every_target_takes_its_seeds_damaged() {
    let rounds = std::env::var("HEARTH_FUZZ_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(500);
    let transcripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("transcripts");
    let mut seeds: BTreeMap<&str, Vec<Vec<u8>>> = TARGETS.iter().map(|(name, _)| (*name, vec![b"\0".to_vec()])).collect();
    for (name, _, octets) in targets::seeds::all(&transcripts).unwrap() {
        seeds.get_mut(name).unwrap().push(octets);
    }
    for (name, target) in TARGETS {
        let (seeds, mut chance) = (&seeds[name], Chance(1));
        for round in 0..rounds {
            let mut input = seeds[round % seeds.len()].clone();
            if round >= seeds.len() {
                let other = &seeds[chance.below(seeds.len())];
                chance.damage(&mut input, other);
            }
            let ran = catch_unwind(|| target(&input));
            assert!(ran.is_ok(), "{name} broke on b\"{}\"", input.escape_ascii());
        }
    }
}

#[test]
fn every_target_has_its_program_and_takes_anything() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    let everything: Vec<u8> = (0..=255).collect();
    for (name, _) in TARGETS {
        let program = fs::read_to_string(folder.join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(program.contains(&format!("run(\"{name}\"")) && manifest.contains(&format!("name = \"{name}\"")), "{name}");
        for input in [&b""[..], b"\0", b"\r\n", &everything] {
            targets::run(name, input);
        }
    }
    assert_eq!(fs::read_dir(folder.join("fuzz_targets")).unwrap().count(), TARGETS.len());
}
