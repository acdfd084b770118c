// SPDX-License-Identifier: AGPL-3.0-or-later
//! `hearth queue`: mail that waits to be sent.

use anyhow::{anyhow, bail};
use hearth_boot::Config;
use hearth_identity::directory::Event;
use hearth_smtp::queue::{Queue, QueuedMail, QueuedRecipient};
use hearth_types::id::Id;
use hearth_types::{Clock, Timestamp};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::format_description;

use crate::cli::QueueCommand;
use crate::out::Out;
use crate::place::{Place, source};

/// Runs it.
pub async fn run(place: &Place, command: QueueCommand, out: &Out) -> anyhow::Result<()> {
    let queue = open(&place.config).await?;
    let event = match &command {
        QueueCommand::List | QueueCommand::Show { .. } => None,
        QueueCommand::Retry { id } => Some(("queue.retried", id.clone())),
        QueueCommand::Hold { id } => Some(("queue.held", Some(id.clone()))),
        QueueCommand::Release { id } => Some(("queue.released", Some(id.clone()))),
        QueueCommand::Drop { id } => Some(("queue.dropped", Some(id.clone()))),
    };
    carry_out(&queue, command, out).await?;
    if let Some((event, id)) = event {
        let event = Event { event, detail: id.unwrap_or_default(), ..Event::default() };
        place.directory().await?.add_audit(event).await?;
    }
    Ok(())
}

async fn carry_out(queue: &Queue, command: QueueCommand, out: &Out) -> anyhow::Result<()> {
    match command {
        QueueCommand::List => list(queue, out).await,
        QueueCommand::Show { id } => show(queue, &id, out).await,
        QueueCommand::Retry { id } => {
            let one = id.as_deref().map(parse).transpose()?;
            let count = queue.retry(one).await?;
            if let (0, Some(id)) = (count, id) {
                return Err(missing(&id));
            }
            told(out, count, "tried again now")
        }
        QueueCommand::Hold { id } => some(out, &id, queue.hold(parse(&id)?).await?, "held; let them go with: hearth queue release"),
        QueueCommand::Release { id } => some(out, &id, queue.release(parse(&id)?).await?, "released"),
        QueueCommand::Drop { id } => {
            if !queue.drop_mail(parse(&id)?).await? {
                return Err(missing(&id));
            }
            out.result(&json!({ "id": id }), format!("{id} is gone; nobody is told."));
            Ok(())
        }
    }
}

/// The queue of a home.
pub(super) async fn open(config: &Config) -> anyhow::Result<Queue> {
    Ok(Queue::open(&source(config, "queue/queue.db", "queue"), config.path("queue"), Clock::system()).await?)
}

async fn list(queue: &Queue, out: &Out) -> anyhow::Result<()> {
    let mails = queue.list().await?;
    let mut rows: Vec<Value> = mails.iter().map(describe).collect();
    if !out.is_json() {
        for (row, mail) in rows.iter_mut().zip(&mails) {
            row["since"] = json!(moment(mail.created_at));
            row["sender"] = json!(sender(mail));
            row["to"] = json!(mail.recipients.iter().map(|recipient| recipient.address.as_str()).collect::<Vec<_>>());
            row["waits"] = json!(mail.recipients.first().map(|recipient| recipient.waits.name()));
        }
    }
    out.table(&rows, &["id", "since", "size_bytes", "waits", "sender", "to"], "No mail waits.");
    Ok(())
}

async fn show(queue: &Queue, id: &str, out: &Out) -> anyhow::Result<()> {
    let (mail, header) = queue.show(parse(id)?).await?.ok_or_else(|| missing(id))?;
    let mut value = describe(&mail);
    value["header"] = json!(header);
    let mut lines = format!(
        "{}\n  from     {}\n  size     {} bytes\n  since    {}\n  given up {}\n",
        mail.id,
        sender(&mail),
        mail.size_bytes,
        moment(mail.created_at),
        moment(mail.expires_at)
    );
    for recipient in &mail.recipients {
        lines.push_str(&format!("  to       {}: {}\n", recipient.address, spoken(recipient)));
    }
    lines.push_str(&format!("\n{}", header.trim_end()));
    out.result(&value, lines);
    Ok(())
}

fn spoken(recipient: &QueuedRecipient) -> String {
    let said = recipient.last_reply.as_deref().unwrap_or("not tried yet");
    format!("{}, {} attempts, next {}; {said}", recipient.waits.name(), recipient.attempts, moment(recipient.next_attempt_at))
}

fn sender(mail: &QueuedMail) -> String {
    // RFC 5321 §4.5.5: a report has the null sender.
    if mail.sender.is_empty() { "<>".to_owned() } else { mail.sender.clone() }
}

fn describe(mail: &QueuedMail) -> Value {
    let recipients: Vec<Value> = mail
        .recipients
        .iter()
        .map(|recipient| {
            json!({
                "address": recipient.address,
                "state": recipient.waits.name(),
                "attempts": recipient.attempts,
                "next_attempt_at": recipient.next_attempt_at.secs(),
                "last_reply": recipient.last_reply,
            })
        })
        .collect();
    json!({
        "id": mail.id.to_string(),
        "sender": mail.sender,
        "size_bytes": mail.size_bytes,
        "created_at": mail.created_at.secs(),
        "expires_at": mail.expires_at.secs(),
        "recipients": recipients,
    })
}

fn some(out: &Out, id: &str, count: u64, what: &str) -> anyhow::Result<()> {
    if count == 0 {
        bail!("nothing of {id} can be {}; see: hearth queue show {id}", what.split(';').next().unwrap_or(what));
    }
    told(out, count, what)
}

fn told(out: &Out, count: u64, what: &str) -> anyhow::Result<()> {
    out.result(&json!({ "recipients": count }), format!("{count} recipients {what}."));
    Ok(())
}

fn parse(id: &str) -> anyhow::Result<Id> {
    id.parse().map_err(|_| anyhow!("{id:?} is not the id of a mail; see: hearth queue list"))
}

fn missing(id: &str) -> anyhow::Error {
    anyhow!("no mail {id} waits; see: hearth queue list")
}

pub(super) fn moment(at: Timestamp) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute] UTC");
    OffsetDateTime::from_unix_timestamp(at.secs()).ok().and_then(|time| time.format(&format).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_for_people() {
        assert_eq!(moment(Timestamp::from_secs(1_700_000_000)), "2023-11-14 22:13 UTC");
    }

    #[tokio::test]
    async fn an_empty_queue_has_nothing_to_show() {
        let dir = tempfile::tempdir().unwrap();
        let config = Config::from_text(dir.path(), "[home]\ndomain = \"example.org\"\n", []).unwrap();
        std::fs::create_dir(dir.path().join("queue")).unwrap();
        let queue = open(&config).await.unwrap();
        let out = Out::new(true);
        assert!(list(&queue, &out).await.is_ok());
        let id = Id::from_i64(7).to_string();
        assert!(show(&queue, &id, &out).await.unwrap_err().to_string().contains("no mail"));
        assert!(show(&queue, "seven", &out).await.unwrap_err().to_string().contains("is not the id"));
    }
}
