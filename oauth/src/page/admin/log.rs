// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/admin/log`: what happened here, the newest first.

use std::collections::HashMap;
use std::sync::Arc;

use hearth_types::{AccountId, Trouble};
use hearth_web::axum::extract::State;
use hearth_web::axum::response::Response;

use super::admitted;
use super::page::{Row, Section, show};
use crate::ctx::Ctx;
use crate::page::visit::Visit;
use crate::page::when;
use crate::t;

pub(super) const PATH: &str = "/admin/log";
/// Rows of one page.
const ROWS: u32 = 200;

/// GET.
pub(super) async fn run(State(ctx): State<Arc<Ctx>>, visit: Visit) -> Response {
    match admitted(&ctx, &visit).await {
        Ok(_) => page(&ctx, &visit).await.unwrap_or_else(hearth_web::page::trouble),
        Err(response) => response,
    }
}

async fn page(ctx: &Ctx, visit: &Visit) -> Result<Response, Trouble> {
    let section = Section {
        title: t("The last events").to_string(),
        text: t("No secret and no content of mail stands here.").to_string(),
        rows: rows(ctx, None, ROWS).await?,
        ..Section::default()
    };
    Ok(show(ctx, visit, t("Log"), PATH, vec![section], None))
}

/// The newest rows, of one account or of all.
pub(super) async fn rows(ctx: &Ctx, subject: Option<AccountId>, count_max: u32) -> Result<Vec<Row>, Trouble> {
    let names: HashMap<AccountId, String> =
        ctx.directory.list_accounts().await?.into_iter().map(|account| (account.id, account.primary.to_string())).collect();
    let name = |id: Option<AccountId>| id.map(|id| names.get(&id).cloned().unwrap_or_else(|| id.to_string()));
    let entries = ctx.directory.list_audit(subject, count_max).await?;
    Ok(entries
        .into_iter()
        .map(|entry| {
            let actor = name(entry.actor.filter(|actor| Some(*actor) != entry.subject));
            let parts = [
                Some(when::exactly(entry.at)),
                name(entry.subject),
                actor.map(|actor| format!("({actor})")),
                entry.peer,
                entry.service,
                (!entry.detail.is_empty()).then_some(entry.detail),
                (entry.count > 1).then(|| format!("×{}", entry.count)),
            ];
            let says: Vec<String> = parts.into_iter().flatten().collect();
            Row { is_bad: entry.event.ends_with("failed"), title: entry.event, says: says.join(" · "), ..Row::default() }
        })
        .collect())
}
