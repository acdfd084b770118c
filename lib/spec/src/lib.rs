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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_says_why_not() {
        let rows = [Row::spoken("NOOP", 9051, "§6.1.2"), Row::declined("EXPN", 5321, "§4.1.1.7", "it lists people")];
        assert_eq!(
            to_markdown(&rows),
            "| name | defined in | status |\n|---|---|---|\n| NOOP | RFC 9051 §6.1.2 | yes |\n| EXPN | RFC 5321 §4.1.1.7 | no: it lists people |\n"
        );
    }
}
