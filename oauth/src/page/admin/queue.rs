// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/admin/queue`: mail that waits to be sent on. The queue is the mail server's: it is asked at its desk.

use hearth_identity::desk::{Answer, Question, Waiting};
use hearth_identity::directory::Account;
use hearth_types::{Timestamp, Trouble};
use hearth_web::axum::response::Response;

use super::page::{Form, Row, Said, Section, show};
use super::{Listing, Outcome, note};
use crate::ctx::Ctx;
use crate::page::visit::Visit;
use crate::page::when;
use crate::request::params::Params;
use crate::{t, t1, t2};

pub(super) const PATH: &str = "/admin/queue";

/// The page.
pub(super) struct Queue;

impl Listing for Queue {
    const PATH: &'static str = PATH;

    async fn change(ctx: &Ctx, visit: &Visit, admin: &Account, form: &Params) -> Outcome {
        let id = form.field("id").parse::<i64>().ok().filter(|id| *id != 0);
        let (question, event, done) = match (form.field("do"), id) {
            ("retry-all", _) => (Question::Retry(0), "queue.retried", t("All of it is tried again now.")),
            ("retry", Some(id)) => (Question::Retry(id), "queue.retried", t("It is tried again now.")),
            ("hold", Some(id)) => (Question::Hold(id), "queue.held", t("It stays here until it is let go.")),
            ("release", Some(id)) => (Question::Release(id), "queue.released", t("It goes on now.")),
            ("drop", Some(id)) => (Question::Drop(id), "queue.dropped", t("It is gone; nobody is told.")),
            _ => return Ok(Said::bad(t("Nothing was changed."))),
        };
        match ctx.home.desk.ask(&question).await? {
            Some(Answer::Changed(0)) => Ok(Said::bad(t("That is gone already"))),
            Some(_) => {
                note(ctx, visit, admin, event, None, form.field("id")).await?;
                Ok(Said::good(done))
            }
            None => Ok(Said::bad(asleep())),
        }
    }

    async fn page(ctx: &Ctx, visit: &Visit, said: Option<Said>) -> Result<Response, Trouble> {
        let section = match ctx.home.desk.ask(&Question::Queue).await? {
            Some(Answer::Queue { mails, count }) => waiting(&mails, count, ctx.now()),
            _ => Section { title: t("What waits").to_string(), text: asleep().to_string(), ..Section::default() },
        };
        Ok(show(ctx, visit, t("Mail that waits"), PATH, vec![section], said))
    }
}

/// Nobody sits at the desk.
pub(super) fn asleep() -> &'static str {
    t("The mail server does not answer: does it run?")
}

fn waiting(mails: &[Waiting], count: usize, now: Timestamp) -> Section {
    let text = match count {
        0 => t("No mail waits.").to_string(),
        1 => t("One mail waits.").to_string(),
        _ if count > mails.len() => t2("{} mails wait; here are the {} oldest.", count, mails.len()),
        _ => t1("{} mails wait.", count),
    };
    let all = if count == 0 { Vec::new() } else { vec![Form::of("retry-all", t("Try all of it again now"), Vec::new())] };
    Section {
        title: t("What waits").to_string(),
        text,
        rows: mails.iter().map(|mail| row(mail, now)).collect(),
        forms: all,
        ..Section::default()
    }
}

fn row(mail: &Waiting, now: Timestamp) -> Row {
    let mut to = mail.recipients.join(", ");
    if mail.recipient_count > mail.recipients.len() {
        to = t2("{} and {} more", to, mail.recipient_count - mail.recipients.len());
    }
    let mut parts = vec![
        if mail.sender.is_empty() { t("a report of the mail server").to_string() } else { t1("from {}", &mail.sender) },
        t1("came {}", when::ago(mail.since(), now)),
    ];
    if mail.is_held {
        parts.push(t("held").to_string());
    } else if mail.attempts > 0 {
        parts.push(t1("tried {} times", mail.attempts));
    }
    if !mail.last_reply.is_empty() {
        parts.push(mail.last_reply.clone());
    }
    let form = |what, button| Form::small(what, button, mail.id, &mail.name);
    Row {
        title: to,
        says: parts.join(" · "),
        is_bad: mail.is_held || mail.attempts > 2,
        forms: vec![
            if mail.is_held { form("release", t("Let it go")) } else { form("retry", t("Try now")) },
            if mail.is_held {
                form("drop", t("Remove")).costing(t("It is thrown away, and neither its sender nor anybody else is told."))
            } else {
                form("hold", t("Hold"))
            },
        ],
        ..Row::default()
    }
}
