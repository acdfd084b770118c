// SPDX-License-Identifier: AGPL-3.0-or-later
//! Asking the mail server what waits and what others report about it: for the pages of those who look after the home.
//!
//! `hearth-smtp` owns its queue and answers on a Unix socket, [`SOCKET`], one question a connection, in the frames of the
//! [gate](crate::login); [`Desk`] is the other end. The `hearth` command opens the queue itself and needs none of this.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hearth_types::{Timestamp, Trouble};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::login::{read_frame, write_frame};

/// Below `DIR/run`.
pub const SOCKET: &str = "desk.sock";
/// Mails of one answer.
pub const MAILS_MAX: usize = 50;
/// Recipients that are named of one mail.
pub const RECIPIENTS_MAX: usize = 3;
/// Reports of one answer.
pub const REPORTS_MAX: usize = 100;
/// Characters of what another server said.
pub const REPLY_CHARS_MAX: usize = 300;
/// How long an answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Question {
    /// What waits?
    Queue,
    /// Try one again now, or all (0).
    Retry(i64),
    /// Do not try one until it is released.
    Hold(i64),
    /// Let one that was held go on.
    Release(i64),
    /// Remove one; nobody is told.
    Drop(i64),
    /// What do others report about a domain?
    Reports(String),
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// The oldest mails that wait, and how many there are.
    Queue {
        /// At most [`MAILS_MAX`].
        mails: Vec<Waiting>,
        /// All of them.
        count: usize,
    },
    /// So many recipients or mails were changed.
    Changed(u64),
    /// The newest reports.
    Reports(Vec<Reported>),
    /// It could not be done.
    Trouble(String),
}

/// A mail that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// Its id.
    pub id: i64,
    /// As `hearth queue` and the log write it.
    pub name: String,
    /// The envelope sender; empty for a report.
    pub sender: String,
    /// The first recipients, at most [`RECIPIENTS_MAX`].
    pub recipients: Vec<String>,
    /// How many there are.
    pub recipient_count: usize,
    /// Is it held?
    pub is_held: bool,
    /// How often the first recipient was tried.
    pub attempts: u32,
    /// When it is tried next, in milliseconds.
    pub next_attempt_at: i64,
    /// When it came, in milliseconds.
    pub created_at: i64,
    /// What was said the last time.
    pub last_reply: String,
    /// Its size.
    pub size_bytes: u64,
}

/// A report of another server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reported {
    /// `dmarc`, `tls`, `failure` or `abuse`.
    pub kind: String,
    /// Who says so.
    pub reporter: String,
    /// The time that it is about, in milliseconds.
    pub begins_at: i64,
    /// Mails or sessions that were well.
    pub good: u64,
    /// And those that were not.
    pub bad: u64,
    /// What failed most.
    pub mostly: String,
}

impl Waiting {
    /// When it came.
    pub fn since(&self) -> Timestamp {
        Timestamp::from_millis(self.created_at)
    }
}

/// The mail server's desk.
#[derive(Clone, Debug, Default)]
pub struct Desk(PathBuf);

impl Desk {
    /// The desk behind a socket. Nothing is opened yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Asks; `None` when nobody sits there: the mail server does not run.
    pub async fn ask(&self, question: &Question) -> Result<Option<Answer>, Trouble> {
        match ask(&self.0, question, ANSWER_TIMEOUT).await? {
            Some(Answer::Trouble(why)) => Err(Trouble::new(why)),
            other => Ok(other),
        }
    }
}

/// One question on a socket of this house, and its answer; `None` when nobody listens there.
pub(crate) async fn ask<A: DeserializeOwned>(
    path: &Path,
    question: &impl Serialize,
    within: Duration,
) -> Result<Option<A>, Trouble> {
    let mut stream = match UnixStream::connect(path).await {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => return Ok(None),
        Err(error) => return Err(Trouble::from(error)),
    };
    let asked = timeout(within, async {
        write_frame(&mut stream, question).await?;
        read_frame(&mut stream).await?.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))
    });
    asked.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map(Some).map_err(Trouble::from)
}

#[cfg(test)]
mod tests {
    use tokio::net::UnixListener;

    use super::*;
    use crate::limits::FRAME_BYTES_MAX;

    #[test]
    fn the_largest_answer_fits_a_frame() {
        let address = format!("{}@{}", "a".repeat(64), "b".repeat(253));
        let mail = Waiting {
            id: i64::MAX,
            name: "x".repeat(13),
            sender: address.clone(),
            recipients: vec![address; RECIPIENTS_MAX],
            recipient_count: 1_000,
            is_held: false,
            attempts: u32::MAX,
            next_attempt_at: i64::MAX,
            created_at: i64::MAX,
            last_reply: "é".repeat(REPLY_CHARS_MAX),
            size_bytes: u64::MAX,
        };
        let whole = Answer::Queue { mails: vec![mail; MAILS_MAX], count: usize::MAX };
        let octets = serde_json::to_vec(&whole).unwrap().len();
        assert!(octets <= FRAME_BYTES_MAX, "{octets}");
    }

    #[tokio::test]
    async fn asked_and_answered_and_nobody_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(SOCKET);
        let desk = Desk::new(&path);
        assert_eq!(desk.ask(&Question::Queue).await.unwrap(), None);
        let listener = UnixListener::bind(&path).unwrap();
        let answers = tokio::spawn(async move {
            for answer in [Answer::Changed(2), Answer::Trouble("the disk is full".into())] {
                let (mut stream, _) = listener.accept().await.unwrap();
                assert_eq!(read_frame::<Question>(&mut stream).await.unwrap(), Some(Question::Retry(7)));
                write_frame(&mut stream, &answer).await.unwrap();
            }
        });
        assert_eq!(desk.ask(&Question::Retry(7)).await.unwrap(), Some(Answer::Changed(2)));
        assert!(desk.ask(&Question::Retry(7)).await.unwrap_err().cause().to_string().contains("full"));
        answers.await.unwrap();
        assert_eq!(desk.ask(&Question::Queue).await.unwrap(), None, "the socket is left, and nobody listens");
    }
}
