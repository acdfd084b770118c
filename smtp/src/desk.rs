// SPDX-License-Identifier: AGPL-3.0-or-later
//! The desk: on a socket in the data directory, what the admin pages ask of the queue and of what others report. The
//! queue is ours alone, so they do not open it. Without the socket all else goes on.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hearth_identity::desk::{Answer, MAILS_MAX, Question, RECIPIENTS_MAX, REPLY_CHARS_MAX, REPORTS_MAX, Reported, Waiting};
use hearth_identity::login::{read_frame, write_frame};
use hearth_types::Domain;
use hearth_types::id::Id;
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

use crate::ctx::Server;
use crate::limits::DESK_WITHIN;
use crate::queue::{KeptReport, Queue, QueueError, QueuedMail, Waits};

/// Answers, one after the other, until the process is asked to stop.
pub(crate) async fn serve(server: Arc<Server>, path: PathBuf) {
    let listener = match bind(&path) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(path = %path.display(), %error, "the desk cannot be made; the admin pages do not show the queue");
            return;
        }
    };
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = server.stop.requested() => break,
        };
        match accepted {
            Ok((stream, _)) => match timeout(DESK_WITHIN, converse(&server.queue, stream)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%error, "a question at the desk"),
                Err(_) => tracing::debug!("a question at the desk took too long"),
            },
            Err(error) => {
                tracing::warn!(%error, "a question at the desk could not be taken");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    let _ = std::fs::remove_file(&path);
}

fn bind(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    // For the house's own user alone, whatever the folder is.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

async fn converse(queue: &Queue, mut stream: UnixStream) -> io::Result<()> {
    let Some(question) = read_frame::<Question>(&mut stream).await? else {
        return Ok(());
    };
    let answer = answer(queue, question).await.unwrap_or_else(|error| Answer::Trouble(error.to_string()));
    write_frame(&mut stream, &answer).await
}

pub(crate) async fn answer(queue: &Queue, question: Question) -> Result<Answer, QueueError> {
    Ok(match question {
        Question::Queue => {
            let mails = queue.list().await?;
            Answer::Queue { count: mails.len(), mails: mails.into_iter().take(MAILS_MAX).map(waiting).collect() }
        }
        Question::Retry(id) => Answer::Changed(queue.retry((id != 0).then_some(Id::from_i64(id))).await?),
        Question::Hold(id) => Answer::Changed(queue.hold(Id::from_i64(id)).await?),
        Question::Release(id) => Answer::Changed(queue.release(Id::from_i64(id)).await?),
        Question::Drop(id) => Answer::Changed(queue.drop_mail(Id::from_i64(id)).await?.into()),
        Question::Reports(domain) => {
            let reports = match Domain::parse(&domain) {
                Ok(domain) => queue.list_reports(&domain).await?,
                Err(_) => Vec::new(),
            };
            Answer::Reports(reports.into_iter().take(REPORTS_MAX).map(reported).collect())
        }
    })
}

fn waiting(mail: QueuedMail) -> Waiting {
    let first = mail.recipients.first();
    Waiting {
        id: mail.id.as_i64(),
        name: mail.id.to_string(),
        is_held: mail.recipients.iter().any(|recipient| recipient.waits == Waits::Release),
        attempts: first.map_or(0, |recipient| recipient.attempts),
        next_attempt_at: first.map_or(0, |recipient| recipient.next_attempt_at.millis()),
        last_reply: shortened(first.and_then(|recipient| recipient.last_reply.as_deref()).unwrap_or_default()),
        recipient_count: mail.recipients.len(),
        recipients: mail.recipients.iter().take(RECIPIENTS_MAX).map(|recipient| shortened(&recipient.address)).collect(),
        sender: shortened(&mail.sender),
        created_at: mail.created_at.millis(),
        size_bytes: mail.size_bytes,
    }
}

fn reported(report: KeptReport) -> Reported {
    // The first line is what failed most.
    let mostly = report.lines.first().filter(|line| !line.good).map(|line| format!("{} {}", line.source, line.says));
    Reported {
        kind: report.kind,
        reporter: shortened(&report.reporter),
        begins_at: report.begins_at.millis(),
        good: report.good,
        bad: report.bad,
        mostly: shortened(&mostly.unwrap_or_default()),
    }
}

/// What strangers wrote, bounded, in one line.
fn shortened(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(REPLY_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use hearth_db::Source;
    use hearth_types::{Address, Clock, Timestamp};

    use super::*;
    use crate::queue::{NewMail, NewRecipient};

    #[tokio::test]
    async fn what_the_admin_pages_ask() {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Clock::fixed(Timestamp::from_secs(1_800_000_000));
        let queue = Queue::open(&Source::Sqlite(folder.path().join("queue.db")), folder.path(), clock).await.expect("a queue");
        let to = |text: &str| NewRecipient::to(Address::parse(text).expect("an address"));
        let mail = NewMail {
            sender: Some(Address::parse("alice@home.example").expect("an address")),
            account: None,
            smtputf8: false,
            return_full: false,
            require_tls: false,
            envid: None,
            head: Vec::new(),
            message: b"Subject: x\r\n\r\nhi\r\n".to_vec().into(),
            recipients: ["a@one.example", "b@one.example", "c@one.example", "d@one.example"].map(to).to_vec(),
        };
        let id = queue.enqueue(mail).await.expect("queued").as_i64();
        let listener = bind(&folder.path().join("desk.sock")).expect("a socket");
        assert_eq!(std::fs::metadata(folder.path().join("desk.sock")).expect("there").permissions().mode() & 0o777, 0o600);
        let desk = hearth_identity::desk::Desk::new(folder.path().join("desk.sock"));
        let asked = {
            let queue = queue.clone();
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    converse(&queue, stream).await.expect("an answer");
                }
            })
        };
        let ask = async |question: Question| desk.ask(&question).await.expect("an answer").expect("somebody is there");
        let Answer::Queue { mails, count } = ask(Question::Queue).await else { panic!("the queue") };
        let [waiting] = mails.as_slice() else { panic!("{mails:?}") };
        assert_eq!((count, waiting.id, waiting.recipient_count, waiting.is_held), (1, id, 4, false));
        assert_eq!(waiting.recipients, ["a@one.example", "b@one.example", "c@one.example"]);
        assert_eq!(ask(Question::Hold(id)).await, Answer::Changed(4));
        assert_eq!(ask(Question::Hold(id + 1)).await, Answer::Changed(0));
        let Answer::Queue { mails, .. } = ask(Question::Queue).await else { panic!("the queue") };
        assert!(mails.iter().all(|mail| mail.is_held));
        assert_eq!(ask(Question::Release(id)).await, Answer::Changed(4));
        assert_eq!(ask(Question::Drop(id)).await, Answer::Changed(1));
        assert_eq!(ask(Question::Queue).await, Answer::Queue { mails: Vec::new(), count: 0 });
        for domain in ["home.example", "not a domain"] {
            assert_eq!(ask(Question::Reports(domain.into())).await, Answer::Reports(Vec::new()));
        }
        asked.abort();
    }

    #[test]
    fn what_strangers_wrote_is_bounded() {
        assert_eq!(shortened("451 a\r\nb"), "451 a  b");
        assert_eq!(shortened(&"é".repeat(REPLY_CHARS_MAX + 1)).chars().count(), REPLY_CHARS_MAX);
    }
}
