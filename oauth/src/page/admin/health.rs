// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/admin`: how the home is, and what wants doing.

use std::sync::Arc;
use std::time::Duration;

use hearth_identity::desk::{Answer, Question};
use hearth_identity::directory::Kind;
use hearth_types::Trouble;
use hearth_web::axum::extract::State;
use hearth_web::axum::response::Response;

use super::page::{Row, Section, show};
use super::{admitted, apps, domains, groups, people, queue, rules};
use crate::ctx::Ctx;
use crate::page::visit::{Visit, see_other};
use crate::{t, t1, t2};

pub(super) const PATH: &str = "/admin";

/// GET.
pub(super) async fn run(State(ctx): State<Arc<Ctx>>, visit: Visit) -> Response {
    match admitted(&ctx, &visit).await {
        Ok(_) => page(&ctx, &visit).await.unwrap_or_else(hearth_web::page::trouble),
        Err(response) => response,
    }
}

/// POST: where a sign-in comes back to that was asked for in between.
pub(super) async fn post() -> Response {
    see_other(PATH)
}

async fn page(ctx: &Ctx, visit: &Visit) -> Result<Response, Trouble> {
    let wants = wants(ctx).await?;
    let text = if wants.is_empty() { t("Nothing wants doing.") } else { "" };
    let sections = vec![
        Section { title: t("What wants doing").to_string(), text: text.to_string(), rows: wants, ..Section::default() },
        Section { title: t("What is here").to_string(), rows: counts(ctx).await?, ..Section::default() },
    ];
    Ok(show(ctx, visit, t("Looking after the home"), PATH, sections, None))
}

async fn wants(ctx: &Ctx) -> Result<Vec<Row>, Trouble> {
    let mut rows = Vec::new();
    let mut add =
        |title: String, says: String, to: String| rows.push(Row { title, says, to: Some(to), is_bad: true, ..Row::default() });
    for client in ctx.directory.list_clients().await?.iter().filter(|client| apps::waits(client)) {
        let says = t("It introduced itself and waits to be let in.").to_string();
        add(client.name.clone(), says, format!("{}/{}", apps::PATH, client.id));
    }
    if ctx.policy().await?.is_unreadable() {
        let says = t("They cannot be read, so everybody is asked for two things. Look at them and save them anew.").to_string();
        add(t("Rules").to_string(), says, rules::PATH.to_string());
    }
    let second_factors = ctx.vault().list_with_second_factor().await?;
    for account in
        ctx.directory.list_accounts().await?.into_iter().filter(|account| account.kind == Kind::Person && !account.disabled)
    {
        let to = format!("{}/{}", people::PATH, account.id);
        let codes_left = second_factors.get(&account.id);
        if account.admin && codes_left.is_none() {
            let says = t("Looks after the home with a password alone. A passkey would keep everybody safer.").to_string();
            add(account.primary.to_string(), says, to);
        } else if codes_left == Some(&0) {
            add(account.primary.to_string(), t("Has no recovery codes for the day when the phone is gone.").to_string(), to);
        }
    }
    for domain in ctx.directory.list_domains().await? {
        let name = domain.name.to_string();
        if !ctx.home.records(&name).iter().any(|record| record.name.contains("._domainkey.")) {
            add(name, t("Its mail is not signed: there is no key.").to_string(), domains::PATH.to_string());
        }
    }
    let letters = ctx.directory.list_letters(LETTERS_MANY).await?.len();
    if letters >= LETTERS_MANY as usize {
        add(
            t("Letters").to_string(),
            t("Letters of the house wait, and nobody takes them: does the mail server run?").to_string(),
            PATH.to_string(),
        );
    }
    match ctx.home.desk.ask(&Question::Queue).await {
        Ok(Some(Answer::Queue { mails, .. })) => {
            let old = mails.iter().filter(|mail| ctx.now().since(mail.since()) > QUEUE_OLD).count();
            let says = match old {
                0 => None,
                1 => Some(t("One mail waits for more than four hours.").to_string()),
                _ => Some(t1("{} mails wait for more than four hours.", old)),
            };
            if let Some(says) = says {
                add(t("Mail that waits").to_string(), says, queue::PATH.to_string());
            }
        }
        Ok(_) => add(t("Mail that waits").to_string(), queue::asleep().to_string(), queue::PATH.to_string()),
        Err(trouble) => {
            tracing::warn!(id = trouble.id(), %trouble, "the desk of the mail server");
            add(t("Mail that waits").to_string(), queue::asleep().to_string(), queue::PATH.to_string());
        }
    }
    Ok(rows)
}

/// Mail that waits for longer is worth a look: the other server is down for more than a restart.
const QUEUE_OLD: Duration = Duration::from_secs(4 * 3600);
/// The mail server takes letters within seconds.
const LETTERS_MANY: u32 = 20;

async fn counts(ctx: &Ctx) -> Result<Vec<Row>, Trouble> {
    let accounts = ctx.directory.list_accounts().await?;
    let of = |kind: Kind| accounts.iter().filter(|account| account.kind == kind).count();
    let disabled = accounts.iter().filter(|account| account.disabled).count();
    let row =
        |title: &str, says: String, to: &str| Row { title: title.to_string(), says, to: Some(to.to_string()), ..Row::default() };
    let people = if disabled == 0 { of(Kind::Person).to_string() } else { t2("{}, and {} disabled", of(Kind::Person), disabled) };
    Ok(vec![
        row(t("People"), people, people::PATH),
        row(t("Groups"), of(Kind::Group).to_string(), groups::PATH),
        row(t("Apps"), ctx.directory.list_clients().await?.len().to_string(), apps::PATH),
        row(t("Domains"), ctx.directory.list_domains().await?.len().to_string(), domains::PATH),
        Row { title: t("Version").to_string(), says: t1("Hearth {}", env!("CARGO_PKG_VERSION")), ..Row::default() },
    ])
}
