// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/admin/domains`: the domains of the home, what to publish in DNS for them, and whether it is there.

use std::sync::Arc;

use hearth_net::records::{Kind, Record, State, to_zone};
use hearth_types::Trouble;
use hearth_web::axum::body::Bytes;
use hearth_web::axum::extract::State as With;
use hearth_web::axum::response::Response;

use super::page::{Form, Row, Said, Section, show};
use super::{admitted, admitted_to_change};
use crate::ctx::Ctx;
use crate::page::visit::Visit;
use crate::request::params::Params;
use crate::{t, t1};

pub(super) const PATH: &str = "/admin/domains";

/// GET.
pub(super) async fn run(With(ctx): With<Arc<Ctx>>, visit: Visit) -> Response {
    match admitted(&ctx, &visit).await {
        Ok(_) => page(&ctx, &visit, None).await.unwrap_or_else(hearth_web::page::trouble),
        Err(response) => response,
    }
}

/// POST: asks DNS. A form, for what a page does by being looked at nobody should have to wait for.
pub(super) async fn post(With(ctx): With<Arc<Ctx>>, visit: Visit, body: Bytes) -> Response {
    let form = Params::parse(&body);
    match admitted_to_change(&ctx, &visit, &form, PATH).await {
        Ok(_) => page(&ctx, &visit, Some(form.field("id"))).await.unwrap_or_else(hearth_web::page::trouble),
        Err(response) => response,
    }
}

async fn page(ctx: &Ctx, visit: &Visit, checked: Option<&str>) -> Result<Response, Trouble> {
    let mut sections = Vec::new();
    let mut said = None;
    for domain in ctx.directory.list_domains().await? {
        let name = domain.name.to_string();
        let records = ctx.home.records(&name);
        let mut rows = Vec::new();
        if checked == Some(name.as_str()) {
            match ctx.home.check(&name).await? {
                Some(found) => {
                    let wrong = found.iter().filter(|(record, state)| record.needed && *state != State::Right).count();
                    said = Some(match wrong {
                        0 => Said::good(t1("Everything that {} needs is published.", &name)),
                        _ => Said::bad(t1("{} of the records that are needed are missing or different.", wrong)),
                    });
                    rows = found.iter().map(row).collect();
                }
                None => said = Some(Said::bad(t("No DNS server answers: look at the network of the machine."))),
            }
        }
        let title = if domain.is_primary { t1("{} (the first)", &name) } else { name.clone() };
        let check = Form { id: name.clone(), ..Form::of("check", t("Compare with DNS now"), Vec::new()) };
        sections.push(Section {
            title,
            text: t("Publish these lines where the domain is registered. A new domain is added by the command hearth domain add, which makes its keys.").to_string(),
            rows,
            code: zone(&records),
            forms: vec![check],
        });
    }
    Ok(show(ctx, visit, t("Domains"), PATH, sections, said))
}

fn zone(records: &[Record]) -> String {
    to_zone(records).trim_end().to_string()
}

fn row((record, state): &(Record, State)) -> Row {
    let (is_bad, says) = match state {
        State::Right => (false, t("published").to_string()),
        State::Missing if record.needed => (true, t("not published").to_string()),
        State::Missing => (false, t("not published; good to have").to_string()),
        State::Different(found) => (record.needed, t1("DNS has {}", found)),
        State::Unknown(why) => (record.needed, why.clone()),
    };
    let kind = if record.kind == Kind::Address { "A/AAAA" } else { record.type_name };
    Row { title: format!("{kind} {}", record.name.trim_end_matches('.')), says, is_bad, ..Row::default() }
}
