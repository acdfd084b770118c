// SPDX-License-Identifier: AGPL-3.0-or-later
//! Everything that the command prints goes through here: for a person, or as JSON.

use std::io::Write;

use serde_json::{Value, json};

/// Where a command's words go.
#[derive(Clone, Copy, Debug)]
pub struct Out {
    json: bool,
}

impl Out {
    /// For a person, or with `json` for a program.
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether a program reads.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// The result of a command: `value` for a program, `lines` for a person.
    pub fn result(&self, value: &Value, lines: impl AsRef<str>) {
        if self.json { self.write(&value.to_string()) } else { self.write(lines.as_ref().trim_end()) }
    }

    /// A table for a person, an array for a program.
    pub fn table(&self, rows: &[Value], heads: &[&str], empty: &str) {
        if self.json {
            return self.write(&Value::from(rows.to_vec()).to_string());
        }
        if rows.is_empty() {
            return self.write(empty);
        }
        self.write(&aligned(rows, heads));
    }

    /// A line for a person about what is happening; a program does not see it.
    pub fn progress(&self, line: &str) {
        if !self.json {
            self.write(line);
        }
    }

    /// A line for both, as it stands.
    pub fn line(&self, line: &str) {
        self.write(line);
    }

    /// What a person has to do meanwhile, on standard error: the result is for who reads standard output.
    pub fn say(&self, text: &str) {
        // When nobody sees it, nobody does it.
        let _ = writeln!(std::io::stderr(), "{text}");
    }

    /// Why it failed and what to do, in one line on standard error.
    pub fn fail(&self, error: &anyhow::Error) {
        let says = format!("{error:#}").split_whitespace().collect::<Vec<_>>().join(" ");
        let line = if self.json { json!({ "error": says }).to_string() } else { format!("hearth: {says}") };
        // When standard error is gone, the exit status has to do.
        let _ = writeln!(std::io::stderr(), "{line}");
    }

    fn write(&self, text: &str) {
        // A reader that went away (`hearth ... | head`) is no failure.
        let mut stdout = std::io::stdout().lock();
        let _ = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
    }
}

/// Columns by the names of the fields.
fn aligned(rows: &[Value], heads: &[&str]) -> String {
    let cell = |row: &Value, head: &str| match row.get(head) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Bool(true)) => "yes".to_owned(),
        Some(Value::Bool(false) | Value::Null) | None => "-".to_owned(),
        Some(Value::Array(values)) => {
            values.iter().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).collect::<Vec<_>>().join(" ")
        }
        Some(other) => other.to_string(),
    };
    let mut lines: Vec<Vec<String>> = vec![heads.iter().map(|head| head.replace('_', " ")).collect()];
    lines.extend(rows.iter().map(|row| heads.iter().map(|head| cell(row, head)).collect()));
    let widths: Vec<usize> = (0..heads.len())
        .map(|column| lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0))
        .collect();
    let text: Vec<String> = lines
        .iter()
        .map(|line| {
            let cells: Vec<String> = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
            cells.join("  ").trim_end().to_owned()
        })
        .collect();
    text.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [json!({"address": "alice@example.org", "admin": true}), json!({"address": "b@x.org", "admin": false})];
        assert_eq!(aligned(&rows, &["address", "admin"]), "address            admin\nalice@example.org  yes\nb@x.org            -");
    }
}
