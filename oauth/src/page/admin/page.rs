// SPDX-License-Identifier: AGPL-3.0-or-later
//! What an admin page is made of: sections of rows, notes and forms. One template writes them all.

use askama::Template;
use hearth_web::axum::http::StatusCode;
use hearth_web::axum::response::Response;

use super::PURPOSE;
use crate::ctx::Ctx;
use crate::page::visit::Visit;
use crate::request::params::Params;
use crate::t;

/// A page.
#[derive(Template)]
#[template(path = "admin.html")]
pub(super) struct Page {
    heading: String,
    /// The path of the page in the row of links above.
    here: &'static str,
    sections: Vec<Section>,
    said: Option<Said>,
    /// The token of every form.
    token: String,
    /// A form of this page is carried out once.
    once: String,
    links: [(&'static str, &'static str); 10],
}

/// A sentence about what was just done.
pub(super) struct Said {
    pub(super) is_good: bool,
    pub(super) says: String,
    /// Something to copy, shown this once.
    pub(super) code: Option<String>,
    /// The form that came to nothing: what was typed stays in its fields.
    typed: Option<Params>,
}

#[derive(Default)]
pub(super) struct Section {
    pub(super) title: String,
    pub(super) text: String,
    pub(super) rows: Vec<Row>,
    /// Lines to copy.
    pub(super) code: String,
    pub(super) forms: Vec<Form>,
}

#[derive(Default)]
pub(super) struct Row {
    pub(super) title: String,
    pub(super) says: String,
    /// Where more of it is.
    pub(super) to: Option<String>,
    /// It wants attention.
    pub(super) is_bad: bool,
    pub(super) forms: Vec<Form>,
}

/// A form that posts to the page's own path.
#[derive(Default)]
pub(super) struct Form {
    /// What the button does: the field `do`.
    pub(super) what: &'static str,
    pub(super) button: &'static str,
    /// What the button is about, for who does not see the row.
    pub(super) about: String,
    /// The thing that it is done to: the field `id`.
    pub(super) id: String,
    pub(super) fields: Vec<Field>,
    /// What it destroys: it is asked whether that is meant.
    pub(super) costs: &'static str,
}

pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    pub(super) kind: Kind,
}

pub(super) enum Kind {
    Text {
        hint: &'static str,
        required: bool,
        typed: String,
    },
    /// Ticked?
    Box(bool),
    /// Value and name of each.
    Choice(Vec<(String, String)>, String),
}

impl Said {
    pub(super) fn good(says: impl Into<String>) -> Self {
        Self { is_good: true, says: says.into(), code: None, typed: None }
    }

    pub(super) fn bad(says: impl Into<String>) -> Self {
        Self { is_good: false, says: says.into(), code: None, typed: None }
    }

    pub(super) fn with_code(self, code: String) -> Self {
        Self { code: Some(code), ..self }
    }

    /// What was done with `form`, which is kept when that was nothing.
    pub(super) fn answering(self, form: &Params) -> Self {
        let typed = (!self.is_good).then(|| form.clone());
        Self { typed, ..self }
    }
}

impl Form {
    /// A button in a row.
    pub(super) fn small(what: &'static str, button: &'static str, id: impl ToString, about: &str) -> Self {
        Self { what, button, id: id.to_string(), about: about.to_string(), ..Self::default() }
    }

    /// A form below the rows.
    pub(super) fn of(what: &'static str, button: &'static str, fields: Vec<Field>) -> Self {
        Self { what, button, fields, ..Self::default() }
    }

    /// With what was typed, when it is the form that it was typed into.
    fn with_typed(mut self, typed: &Params) -> Self {
        if self.what == typed.field("do") && self.id == typed.field("id") {
            for field in &mut self.fields {
                let value = typed.field(field.name).to_string();
                match &mut field.kind {
                    Kind::Text { typed, .. } => *typed = value,
                    Kind::Box(ticked) => *ticked = value == "yes",
                    Kind::Choice(_, chosen) => *chosen = value,
                }
            }
        }
        self
    }

    /// The same, once it is said that its cost is meant.
    pub(super) fn costing(self, costs: &'static str) -> Self {
        Self { costs, ..self }
    }
}

impl Field {
    pub(super) fn text(name: &'static str, label: &'static str, hint: &'static str) -> Self {
        Self { name, label, kind: Kind::Text { hint, required: true, typed: String::new() } }
    }

    pub(super) fn optional(name: &'static str, label: &'static str, hint: &'static str) -> Self {
        Self { name, label, kind: Kind::Text { hint, required: false, typed: String::new() } }
    }

    pub(super) fn tick(name: &'static str, label: &'static str) -> Self {
        Self { name, label, kind: Kind::Box(false) }
    }

    pub(super) fn choice(name: &'static str, label: &'static str, of: Vec<(String, String)>, chosen: &str) -> Self {
        Self { name, label, kind: Kind::Choice(of, chosen.to_string()) }
    }
}

/// The answer.
pub(super) fn show(
    ctx: &Ctx,
    visit: &Visit,
    heading: impl Into<String>,
    here: &'static str,
    mut sections: Vec<Section>,
    said: Option<Said>,
) -> Response {
    if let Some(typed) = said.as_ref().and_then(|said| said.typed.as_ref()) {
        for section in &mut sections {
            section.forms = std::mem::take(&mut section.forms).into_iter().map(|form| form.with_typed(typed)).collect();
        }
    }
    let said = said.or_else(|| visit.done().map(Said::good));
    let status = if said.as_ref().is_some_and(|said| !said.is_good) { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let links = [
        (super::health::PATH, t("Overview")),
        (super::people::PATH, t("People")),
        (super::groups::PATH, t("Groups")),
        (super::aliases::PATH, t("Aliases")),
        (super::apps::PATH, t("Apps")),
        (super::rules::PATH, t("Rules")),
        (super::domains::PATH, t("Domains")),
        (super::queue::PATH, t("Queue")),
        (super::reports::PATH, t("Reports")),
        (super::log::PATH, t("Log")),
    ];
    let page = Page { heading: heading.into(), here, sections, said, token: visit.form(ctx, PURPOSE), once: Visit::once(), links };
    visit.script_page(status, &page, None)
}
