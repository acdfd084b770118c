// SPDX-License-Identifier: AGPL-3.0-or-later
//! The bounds of scripts and of what they do, each from both sides.

use super::tests::{House, MAIL, places, run, run_on};
use super::*;
use crate::limits::{
    DUPLICATE_SECONDS, FILED_MAX, INCLUDES_NESTED_MAX, INSTRUCTIONS_MAX, MEMORY_SECONDS_MAX, OUT_MESSAGES_MAX, SCRIPT_NESTING_MAX,
    SCRIPT_STRING_BYTES_MAX, VACATION_SECONDS, VARIABLE_BYTES_MAX,
};

#[test]
fn strings_and_blocks() {
    let string = |length: usize| compile(format!("redirect \"{}@x.example\";", "a".repeat(length - 10)).as_bytes()).is_ok();
    // sieve-rs takes what is below its bound.
    assert!(string(SCRIPT_STRING_BYTES_MAX - 1) && !string(SCRIPT_STRING_BYTES_MAX));
    let blocks = |levels: usize| compile(format!("{}keep;{}", "if true {".repeat(levels), "}".repeat(levels)).as_bytes()).is_ok();
    assert!(blocks(SCRIPT_NESTING_MAX) && !blocks(SCRIPT_NESTING_MAX + 1), "RFC 5228 §2.10.5 wants 15");
    let tests = |levels: usize| compile(format!("if {}true{} {{ keep; }}", "anyof(".repeat(levels), ")".repeat(levels)).as_bytes());
    assert!(tests(SCRIPT_NESTING_MAX).is_ok() && tests(SCRIPT_NESTING_MAX + 1).is_err());
}

#[test]
fn variables_and_instructions() {
    let doubled = |length: usize| {
        let (half, rest) = ("x".repeat(length / 2), "y".repeat(length % 2));
        let script = format!(
            "require [\"variables\", \"fileinto\"]; set \"a\" \"{half}\"; set \"b\" \"${{a}}${{a}}{rest}\"; \
             set :length \"n\" \"${{b}}\"; fileinto \"${{n}}\";"
        );
        match places(&run(&script)).as_slice() {
            [Place::Path { path, .. }] => path.parse::<usize>().expect("a length"),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((doubled(VARIABLE_BYTES_MAX), doubled(VARIABLE_BYTES_MAX + 1)), (VARIABLE_BYTES_MAX, VARIABLE_BYTES_MAX));
    let steps = |count: usize| run(&format!("require \"variables\"; {}", "set \"a\" \"b\";".repeat(count)));
    assert_eq!(steps(INSTRUCTIONS_MAX - 10).error, None);
    let spent = steps(INSTRUCTIONS_MAX + 1);
    assert!(spent.error.is_some() && spent.actions == Ran::usual().actions, "{spent:?}");
}

#[test]
fn scripts_in_scripts_in_scripts() {
    let nested = |levels: usize| {
        let mut house = House::new();
        const NAMES: [&str; 6] = ["s0", "s1", "s2", "s3", "s4", "s5"];
        for level in 0..levels {
            let text = match level + 1 == levels {
                true => "discard;".to_string(),
                false => format!("require \"include\"; include :personal \"{}\";", NAMES[level + 1]),
            };
            house.add_script(NAMES[level], text);
        }
        run_on(&mut house, "require \"include\"; include :personal \"s0\";", MAIL)
    };
    let within = nested(INCLUDES_NESTED_MAX);
    assert_eq!((within.error, within.actions), (None, Vec::new()));
    assert_eq!(nested(INCLUDES_NESTED_MAX + 1).error.as_deref(), Some("Too many scripts include each other."));
}

#[test]
fn what_one_mail_leads_to() {
    let filed = |count: usize| {
        let all: String = (0..count).map(|number| format!("fileinto \"m{number}\";")).collect();
        run(&format!("require \"fileinto\"; {all}"))
    };
    assert_eq!(places(&filed(FILED_MAX)).len(), FILED_MAX);
    let beyond = filed(FILED_MAX + 1);
    assert!(beyond.error.is_some() && beyond.actions == Ran::usual().actions);
    let sent = |count: usize| {
        let all: String = (0..count).map(|number| format!("notify \"mailto:a{number}@phone.example\";")).collect();
        let ran = run(&format!("require \"enotify\"; {all}"));
        ran.actions.iter().filter(|action| matches!(action, Action::Send { .. })).count()
    };
    assert_eq!((sent(OUT_MESSAGES_MAX), sent(OUT_MESSAGES_MAX + 1)), (OUT_MESSAGES_MAX, OUT_MESSAGES_MAX));
}

#[test]
fn how_long_is_remembered() {
    let seconds = |script: &str| run(script).remember.first().map(|remember| remember.seconds);
    let vacation = |how: &str| seconds(&format!("require [\"vacation\", \"vacation-seconds\"]; vacation {how} \"Away.\";"));
    let duplicate = |how: &str| seconds(&format!("require \"duplicate\"; if duplicate {how} {{ discard; }}"));
    assert_eq!((vacation(""), duplicate("")), (Some(VACATION_SECONDS), Some(DUPLICATE_SECONDS)));
    assert_eq!(vacation(":seconds 1800"), Some(1800));
    for of in [duplicate(&format!(":seconds {MEMORY_SECONDS_MAX}")), duplicate(&format!(":seconds {}", MEMORY_SECONDS_MAX + 1))] {
        assert_eq!(of, Some(MEMORY_SECONDS_MAX));
    }
    assert_eq!(duplicate(&format!(":seconds {}", MEMORY_SECONDS_MAX - 1)), Some(MEMORY_SECONDS_MAX - 1));
}
