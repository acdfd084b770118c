// SPDX-License-Identifier: AGPL-3.0-or-later
//! The shape of a registry row, and the list of the standards that this house speaks of.
//!
//! Each server has one table of what it speaks (`registry.rs`), made of [`Row`]s. Dispatch,
//! capability lines, metadata, metric labels and `docs/protocols/*.md` are read from it, so that
//! nothing can be advertised in one place and missing in another.
//!
//! To speak something new: a row in the server's table, and its RFC in [`rfc::ALL`] if it is not there.

pub mod rfc;

/// One thing that a server speaks, or chose not to: a command, a keyword, a capability, an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its name on the wire, as the standard spells it.
    pub name: &'static str,
    /// The RFC that defines it, by number; 0 when no RFC does.
    pub rfc: u16,
    /// The section of that RFC, or where else it is defined.
    pub section: &'static str,
    /// What we do about it.
    pub status: Status,
}

/// What we do about a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It works, and is advertised where that is done.
    Spoken,
    /// It works but for what is named here.
    Partial(&'static str),
    /// We chose not to, for this reason.
    Declined(&'static str),
    /// Not yet.
    Later,
}

impl Row {
    /// A row that works.
    pub const fn spoken(name: &'static str, rfc: u16, section: &'static str) -> Self {
        Self { name, rfc, section, status: Status::Spoken }
    }

    /// A row that we chose not to have.
    pub const fn declined(name: &'static str, rfc: u16, section: &'static str, why: &'static str) -> Self {
        Self { name, rfc, section, status: Status::Declined(why) }
    }

    /// A row for later.
    pub const fn later(name: &'static str, rfc: u16, section: &'static str) -> Self {
        Self { name, rfc, section, status: Status::Later }
    }

    /// May it be advertised and used?
    pub const fn is_spoken(&self) -> bool {
        matches!(self.status, Status::Spoken | Status::Partial(_))
    }
}

/// The rows as a Markdown table, for `docs/protocols/`.
pub fn to_markdown(rows: &[Row]) -> String {
    let mut page = String::from("| name | defined in | status |\n|---|---|---|\n");
    for row in rows {
        let defined = match row.rfc {
            0 => row.section.to_string(),
            rfc => format!("RFC {rfc} {}", row.section),
        };
        let status = match row.status {
            Status::Spoken => "yes".to_string(),
            Status::Partial(what) => format!("yes, but {what}"),
            Status::Declined(why) => format!("no: {why}"),
            Status::Later => "not yet".to_string(),
        };
        page.push_str(&format!("| {} | {} | {status} |\n", row.name.replace('|', "\\|"), defined.trim_end()));
    }
    page
}

/// Holds a checklist on a page to the tests that exist: below `### {section}`, each row of its table names something that others ask of
/// us, and the tests (all of their source) that show it, or `not applicable: ` and why. How many rows there are; or what
/// is wrong.
pub fn check_checklist(page: &str, section: &str, tests: &str) -> Result<usize, String> {
    let table = page.split(&format!("\n### {section}\n")).nth(1).ok_or_else(|| format!("no section {section}"))?;
    let table = table.split("\n#").next().unwrap_or_default();
    let mut names: Vec<&str> = Vec::new();
    for line in table.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [name, shown] = cells.as_slice() else { return Err(format!("not two cells: {line}")) };
        if names.contains(name) {
            return Err(format!("{name} is there twice"));
        }
        names.push(name);
        match shown.strip_prefix("not applicable: ") {
            Some(why) if why.len() > 10 => continue,
            Some(_) => return Err(format!("{name}: why not?")),
            None => {}
        }
        let mut shows = shown.split('`').skip(1).step_by(2).peekable();
        if shows.peek().is_none() {
            return Err(format!("{name}: no test is named"));
        }
        if let Some(test) = shows.find(|test| !tests.contains(&format!("fn {test}("))) {
            return Err(format!("{name}: there is no test {test}"));
        }
    }
    Ok(names.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checklist_names_tests_that_exist() {
        let tests = "fn it_works() {}";
        let check = |rows: &str| {
            check_checklist(&format!("# Page\n\n### List\n\n| item | shown by |\n|---|---|\n{rows}\n## Next\n"), "List", tests)
        };
        assert_eq!(check("| `a` | `it_works` |\n| `b` | not applicable: we have none of these |"), Ok(2));
        assert_eq!(check("| `a` | `it_works`, `not_there` |"), Err("`a`: there is no test not_there".into()));
        assert_eq!(check("| `a` | `it_works` |\n| `a` | `it_works` |"), Err("`a` is there twice".into()));
        assert!(check("| `a` | soon |").is_err() && check("| `a` | not applicable: no |").is_err() && check("| `a` |").is_err());
        assert!(check_checklist("# Page", "List", tests).is_err());
    }

    #[test]
    fn a_table_says_why_not() {
        let rows = [Row::spoken("NOOP", 9051, "§6.1.2"), Row::declined("EXPN", 5321, "§4.1.1.7", "it lists people")];
        assert_eq!(
            to_markdown(&rows),
            "| name | defined in | status |\n|---|---|---|\n| NOOP | RFC 9051 §6.1.2 | yes |\n| EXPN | RFC 5321 §4.1.1.7 | no: it lists people |\n"
        );
    }
}
