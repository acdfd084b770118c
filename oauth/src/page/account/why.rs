// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/account/why`: the last mails, and why each is where it is: the sentence that was written into it when it came.

use std::sync::Arc;

use askama::Template;
use hearth_mailstore::mailbox::{self, Role};
use hearth_mailstore::{message, scan};
use hearth_types::{AccountId, MailboxId, Timestamp, Trouble};
use hearth_web::axum::extract::State;
use hearth_web::axum::response::Response;
use hearth_web::{lang, page};
use hearth_wire::smtp::Fields;

use super::signed_in_lately;
use crate::ctx::Ctx;
use crate::limits::{WHY_HEADER_BYTES_MAX, WHY_MAILS};
use crate::page::visit::Visit;
use crate::page::{when, words};
use crate::t;

/// Where the page is.
pub const PATH: &str = "/account/why";

#[derive(Template)]
#[template(path = "why.html")]
struct Page {
    places: Vec<Place>,
}

/// The last mails of one mailbox, the newest first.
struct Place {
    title: &'static str,
    mails: Vec<Mail>,
}

struct Mail {
    subject: String,
    from: String,
    came: String,
    why: String,
}

/// What is read of a mail.
struct Found {
    subject: String,
    from: String,
    came_at: Timestamp,
    why: Option<String>,
}

/// GET. Asks for a sign-in of now, for here stands what is in the mailbox.
pub async fn run(State(ctx): State<Arc<Ctx>>, visit: Visit) -> Response {
    match signed_in_lately(&ctx, &visit, "why").await {
        Ok((_, account)) => show(&ctx, &visit, account.id).await.unwrap_or_else(page::trouble),
        Err(response) => response,
    }
}

async fn show(ctx: &Ctx, visit: &Visit, account: AccountId) -> Result<Response, Trouble> {
    let mut places = Vec::new();
    for (title, role) in [(t("Junk"), Role::Junk), (t("Inbox"), Role::Inbox)] {
        let mails = read(ctx, account, role).await?.into_iter().map(|mail| said(mail, ctx.now())).collect();
        places.push(Place { title, mails });
    }
    Ok(visit.page(&Page { places }))
}

fn said(mail: Found, now: Timestamp) -> Mail {
    Mail {
        subject: if mail.subject.is_empty() { t("(no subject)").to_string() } else { mail.subject },
        from: mail.from,
        came: when::ago(mail.came_at, now),
        why: mail
            .why
            .map(|why| words::reworded(lang(), &why))
            .unwrap_or_else(|| t("It was not judged: it is of this home, or a program put it here.").to_string()),
    }
}

async fn read(ctx: &Ctx, account: AccountId, role: Role) -> Result<Vec<Found>, Trouble> {
    let store = ctx.mail().await?;
    let read = store.read(account, move |tx| {
        let Some(mailbox) = mailbox::find_by_role(tx, role)? else { return Ok(Vec::new()) };
        let last = mailbox.uid_next.saturating_sub(1);
        read_last(tx, mailbox.id, last)
    });
    Ok(read.await?)
}

fn read_last(tx: &mut hearth_mailstore::MailTx<'_>, mailbox: MailboxId, last: u32) -> Result<Vec<Found>, hearth_mailstore::Error> {
    let mut mails = Vec::new();
    // UIDs have holes where mails were taken away; what is far back is not looked for.
    for seen in scan::scan(tx, mailbox, last.saturating_sub(WHY_MAILS - 1), last, true)?.into_iter().rev() {
        let entries = message::entries(tx, mailbox, &[seen.uid])?;
        let head = match entries.first() {
            Some(entry) => message::body(tx, entry.id)?.map(|body| body.range(0..WHY_HEADER_BYTES_MAX)).transpose()?,
            None => None,
        };
        let sender = seen.envelope.as_ref().and_then(|envelope| envelope.from.first());
        let from = sender.map(|from| (from.name.clone().unwrap_or_default(), from.address().unwrap_or_default()));
        mails.push(Found {
            from: match from {
                // A name says what its bearer wants; the address is what was judged.
                Some((name, address)) if !name.is_empty() => format!("{name} <{address}>"),
                Some((_, address)) => address,
                None => seen.sender,
            },
            subject: seen.envelope.and_then(|envelope| envelope.subject).unwrap_or_default(),
            came_at: seen.received_at,
            why: head.and_then(|head| reason_of(&head)),
        });
    }
    Ok(mails)
}

/// What stands in the field X-Hearth-Reason. Mail that comes with one of its own loses it on its way in.
fn reason_of(head: &[u8]) -> Option<String> {
    let field = Fields::of(head).find(|field| field.is("X-Hearth-Reason"))?;
    let text = String::from_utf8_lossy(field.value()).split_whitespace().collect::<Vec<_>>().join(" ");
    Some(text).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_of_a_mail() {
        let head = b"Return-Path: <a@b.example>\r\nX-Hearth-Reason: It reads like junk:\r\n lottery, prize\r\nSubject: x\r\n\r\nX-Hearth-Reason: no";
        assert_eq!(reason_of(head).as_deref(), Some("It reads like junk: lottery, prize"));
        assert_eq!(reason_of(b"Subject: x\r\n\r\nX-Hearth-Reason: no"), None);
        assert_eq!(reason_of(b"X-Hearth-Reason: \r\n\r\n"), None);
    }
}
