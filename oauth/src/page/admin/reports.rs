// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/admin/reports`: what other mail servers report about our domains (DMARC, TLS, complaints).

use std::sync::Arc;

use hearth_identity::desk::{Answer, Question, Reported};
use hearth_types::{Timestamp, Trouble};
use hearth_web::axum::extract::State;
use hearth_web::axum::response::Response;

use super::page::{Row, Section, show};
use super::{admitted, queue};
use crate::ctx::Ctx;
use crate::page::visit::Visit;
use crate::page::when;
use crate::{t, t1, t2};

pub(super) const PATH: &str = "/admin/reports";

/// GET.
pub(super) async fn run(State(ctx): State<Arc<Ctx>>, visit: Visit) -> Response {
    match admitted(&ctx, &visit).await {
        Ok(_) => page(&ctx, &visit).await.unwrap_or_else(hearth_web::page::trouble),
        Err(response) => response,
    }
}

async fn page(ctx: &Ctx, visit: &Visit) -> Result<Response, Trouble> {
    let mut sections = Vec::new();
    for domain in ctx.directory.list_domains().await? {
        let name = domain.name.to_string();
        let (text, rows) = match ctx.home.desk.ask(&Question::Reports(name.clone())).await? {
            Some(Answer::Reports(reports)) if reports.is_empty() => {
                let says = t("No report came in the last ninety days. Others send them when DNS names the address: see Domains.");
                (says.to_string(), Vec::new())
            }
            Some(Answer::Reports(reports)) => (summed(&reports), reports.iter().map(row).collect()),
            _ => (queue::asleep().to_string(), Vec::new()),
        };
        sections.push(Section { title: name, text, rows, ..Section::default() });
    }
    Ok(show(ctx, visit, t("What others report"), PATH, sections, None))
}

fn summed(reports: &[Reported]) -> String {
    let (good, bad) = reports.iter().fold((0_u64, 0_u64), |(good, bad), one| (good + one.good, bad + one.bad));
    t2("In the last ninety days: {} well, {} not.", good, bad)
}

fn row(report: &Reported) -> Row {
    let kind = match report.kind.as_str() {
        "dmarc" => t("DMARC: mail in our name"),
        "tls" => t("TLS: connections to us"),
        "abuse" => t("A complaint about a mail"),
        _ => t("A mail in our name that failed"),
    };
    let mut parts = vec![t2("{} well, {} not", report.good, report.bad), when::on(Timestamp::from_millis(report.begins_at))];
    if !report.mostly.is_empty() {
        parts.push(t1("mostly: {}", &report.mostly));
    }
    Row { title: t2("{}, by {}", kind, &report.reporter), says: parts.join(" · "), is_bad: report.bad > 0, ..Row::default() }
}
