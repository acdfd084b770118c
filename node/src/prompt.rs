// SPDX-License-Identifier: AGPL-3.0-or-later
//! Passwords from standard input or, unseen, from a terminal; and new ones by chance.

use std::io::{BufRead, IsTerminal, Read, Write};

use anyhow::{Context, bail};
use hearth_types::Secret;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use crate::limits::{PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN};

/// Letters and digits that nobody confuses: no 0, O, 1, l, I.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// A password for `whose`: from standard input when `from_stdin`, else asked twice at the terminal.
pub fn password(whose: &str, from_stdin: bool) -> anyhow::Result<Secret<String>> {
    let text = if from_stdin { read_stdin()? } else { ask_twice(whose)? };
    check(&text)?;
    Ok(Secret::new(text))
}

/// What another server knows us by: from standard input when `from_stdin`, else asked once at the terminal.
pub fn secret_elsewhere(what: &str, from_stdin: bool) -> anyhow::Result<Secret<String>> {
    let text = match from_stdin {
        true => read_stdin()?,
        false if somebody_is_there() => ask(&format!("{what}: "))?,
        false => bail!("there is no terminal to ask for the password; use --password-stdin"),
    };
    if text.is_empty() {
        bail!("what came on standard input is empty");
    }
    Ok(Secret::new(text))
}

/// Whether somebody sits there to be asked.
pub fn somebody_is_there() -> bool {
    std::io::stdin().is_terminal()
}

/// A new password: four groups of five from 32 letters, 100 bits.
pub fn generate() -> anyhow::Result<Secret<String>> {
    let mut bytes = [0; 20];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| anyhow::anyhow!("the system gives no random numbers; try again"))?;
    let letters: Vec<char> =
        bytes.iter().filter_map(|byte| ALPHABET.get(usize::from(byte % 32)).map(|letter| char::from(*letter))).collect();
    let groups: Vec<String> = letters.chunks(5).map(|group| group.iter().collect()).collect();
    Ok(Secret::new(groups.join("-")))
}

fn check(text: &str) -> anyhow::Result<()> {
    match text.chars().count() {
        0 => bail!("the password is empty; write it on standard input with --password-stdin"),
        count if count < PASSWORD_CHARS_MIN => bail!("the password is too short; use at least {PASSWORD_CHARS_MIN} characters"),
        count if count > PASSWORD_CHARS_MAX => bail!("the password is too long; use at most {PASSWORD_CHARS_MAX} characters"),
        _ => Ok(()),
    }
}

fn read_stdin() -> anyhow::Result<String> {
    let mut text = String::new();
    std::io::stdin().take(8192).read_to_string(&mut text).context("the password on standard input is not text")?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

fn ask_twice(whose: &str) -> anyhow::Result<String> {
    if !somebody_is_there() {
        bail!("there is no terminal to ask for the password; use --password-stdin");
    }
    let first = ask(&format!("Password for {whose}: "))?;
    let second = ask("The same again: ")?;
    if first != second {
        bail!("the two passwords differ; run the command again");
    }
    Ok(first)
}

fn ask(question: &str) -> anyhow::Result<String> {
    let stdin = std::io::stdin();
    let mut stderr = std::io::stderr();
    write!(stderr, "{question}")?;
    stderr.flush()?;
    let before = tcgetattr(&stdin)?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&stdin, OptionalActions::Now, &silent)?;
    let mut line = String::new();
    let read = stdin.lock().read_line(&mut line);
    tcsetattr(&stdin, OptionalActions::Now, &before)?;
    writeln!(stderr)?;
    read?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_of_a_password() {
        assert!(check(&"a".repeat(7)).is_err());
        assert!(check(&"a".repeat(8)).is_ok());
        assert!(check(&"ä".repeat(1000)).is_ok());
        assert!(check(&"a".repeat(1001)).is_err());
    }

    #[test]
    fn a_generated_password_is_long_enough_and_new() {
        let one = generate().unwrap();
        assert_eq!(one.expose().len(), 23);
        assert_ne!(one.expose(), generate().unwrap().expose());
    }
}
