// SPDX-License-Identifier: AGPL-3.0-or-later
//! A program that wants a terminal: `script` of util-linux gives it one, keys go in, what stands on the screen comes out.

use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::Machine;

const SHOWN_WITHIN: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(20);

/// A running program and its screen.
pub struct Terminal {
    child: Child,
    keys: ChildStdin,
    shown: Arc<Mutex<Vec<u8>>>,
    /// What was shown before the last key.
    past: usize,
}

impl Terminal {
    /// Starts a line of shell, which has no single quotes, on a machine; its screen is 40 lines of 120 characters.
    pub fn start(machine: &Machine, line: &str) -> Result<Self> {
        let line = format!("exec script --quiet --flush --command 'stty rows 40 columns 120; exec {line}' /dev/null");
        let mut command: Command = machine.shell(&line);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let keys = child.stdin.take().context("piped")?;
        let mut screen = child.stdout.take().context("piped")?;
        let shown = Arc::new(Mutex::new(Vec::new()));
        let writes = Arc::clone(&shown);
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(read @ 1..) = screen.read(&mut chunk) {
                writes.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&chunk[..read]);
            }
        });
        Ok(Self { child, keys, shown, past: 0 })
    }

    /// Waits until one of these words is shown, since the last key; which.
    pub fn wait_for_one(&mut self, words: &[&str]) -> Result<usize> {
        let begun = Instant::now();
        loop {
            let shown = self.shown();
            if let Some(found) = words.iter().position(|word| shown.contains(word)) {
                return Ok(found);
            }
            if begun.elapsed() > SHOWN_WITHIN {
                bail!("{words:?} was not shown, but: {shown}");
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Waits for a word.
    pub fn wait_for(&mut self, word: &str) -> Result<()> {
        self.wait_for_one(&[word]).map(drop)
    }

    /// Presses keys.
    pub fn press(&mut self, keys: &str) -> Result<()> {
        self.past = self.shown.lock().unwrap_or_else(PoisonError::into_inner).len();
        self.keys.write_all(keys.as_bytes())?;
        Ok(self.keys.flush()?)
    }

    /// Waits until the program has ended.
    pub fn end(mut self) -> Result<()> {
        let begun = Instant::now();
        while self.child.try_wait()?.is_none() {
            if begun.elapsed() > SHOWN_WITHIN {
                bail!("it does not end; it shows: {}", self.shown());
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    fn shown(&self) -> String {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        plain(&String::from_utf8_lossy(shown.get(self.past..).unwrap_or_default()))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Text without what moves the cursor and colours it (ECMA-48); a move of the cursor becomes a space.
fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        if char != '\u{1b}' {
            out.push(char);
            continue;
        }
        match chars.next() {
            Some('[') => {
                let end = chars.find(|c| ('@'..='~').contains(c));
                out.push_str(if end == Some('m') { "" } else { " " });
            }
            Some(']') => drop(chars.find(|&c| c == '\u{7}' || c == '\\')),
            Some('(' | ')') => drop(chars.next()),
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_on_the_screen() {
        assert_eq!(plain("a\u{1b}[1;31mb\u{1b}[m\u{1b}[2;5Hc\u{1b}]0;title\u{7}d\u{1b}(Be"), "ab cde");
    }
}
