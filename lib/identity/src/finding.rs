// SPDX-License-Identifier: AGPL-3.0-or-later
//! Asking the key server for the certificate of anybody, on behalf of a person who is signed in: for the account page.
//!
//! `hearth-keyserver` has the ways to look (`keyserver/src/find.rs`) and answers on a Unix socket, [`SOCKET`], one question
//! a connection, in the frames of the [gate](crate::login). Who may connect is of this house: there is nothing to show.
//! Strangers come by the router, which knows another socket.

use std::path::PathBuf;
use std::time::Duration;

use hearth_types::{AccountId, Address, Trouble};
use serde::{Deserialize, Serialize};

use crate::desk;

/// Below `DIR/run`.
pub const SOCKET: &str = "finder.sock";
/// Octets of the certificate that goes along with an answer; a larger one is named by its fingerprint alone.
pub const KEY_BYTES_MAX: usize = 32 << 10;
/// Who was asked, at most.
pub const ASKED_MAX: usize = 16;
/// How long an answer may take: longer than everybody who is asked.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Who wants to know.
    pub person: i64,
    /// Whose certificate.
    pub address: String,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// What the look-up came to.
    Told(Told),
    /// Others are looked for; in a moment.
    Busy,
    /// It could not be done.
    Trouble(String),
}

/// What a look-up came to, the surest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The certificates.
    pub found: Vec<Found>,
    /// Who was asked.
    pub asked: Vec<Asked>,
    /// The person was told of another certificate before, this one, at that time (in milliseconds).
    pub changed_from: Option<(String, i64)>,
}

/// A certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Of the primary key.
    pub fingerprint: String,
    /// By which way: `local`, `friend`, `wkd`, `dane`, `keyserver`, `autocrypt`.
    pub source: String,
    /// Who was asked.
    pub via: String,
    /// How sure the house is, 0 to 120.
    pub confidence: u8,
    /// Can mail be encrypted to it now?
    pub usable: bool,
    /// Did its owner end it?
    pub revoked: bool,
    /// From memory: when it was last found, in milliseconds.
    pub remembered_at: Option<i64>,
    /// The certificate in base64; only of the first, and when it is not too large.
    pub key: Option<String>,
}

/// Somebody who was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// By which way.
    pub source: String,
    /// Who.
    pub via: String,
    /// Did they answer, with a certificate or without?
    pub answered: bool,
}

/// The key server's socket.
#[derive(Clone, Debug, Default)]
pub struct Finding(PathBuf);

impl Finding {
    /// The one behind a socket. Nothing is opened yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Looks; `None` when nobody answers there: the key server does not run.
    pub async fn find(&self, person: AccountId, address: &Address) -> Result<Option<Answer>, Trouble> {
        let question = Question { person: person.as_i64(), address: address.to_string() };
        match desk::ask::<Answer>(&self.0, &question, ANSWER_TIMEOUT).await? {
            Some(Answer::Trouble(why)) => Err(Trouble::new(why)),
            other => Ok(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::UnixListener;

    use super::*;
    use crate::limits::FRAME_BYTES_MAX;
    use crate::login::{read_frame, write_frame};

    #[test]
    fn the_largest_answer_fits_a_frame() {
        let found = Found {
            fingerprint: "A".repeat(64),
            source: "keyserver".into(),
            via: "b".repeat(253),
            confidence: 120,
            usable: false,
            revoked: false,
            remembered_at: Some(i64::MAX),
            key: Some("A".repeat(KEY_BYTES_MAX.div_ceil(3) * 4)),
        };
        let asked = Asked { source: "keyserver".into(), via: "b".repeat(320), answered: false };
        let told = Told { found: vec![found; 2], asked: vec![asked; ASKED_MAX], changed_from: Some(("A".repeat(64), i64::MAX)) };
        let octets = serde_json::to_vec(&Answer::Told(told)).unwrap().len();
        assert!(octets <= FRAME_BYTES_MAX, "{octets}");
    }

    #[tokio::test]
    async fn asked_and_answered_and_nobody_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(SOCKET);
        let (finding, bob) = (Finding::new(&path), Address::parse("bob@b.example").unwrap());
        let person = AccountId::from_i64(7);
        assert_eq!(finding.find(person, &bob).await.unwrap(), None);
        let listener = UnixListener::bind(&path).unwrap();
        let answers = tokio::spawn(async move {
            for answer in [Answer::Busy, Answer::Trouble("the disk is full".into())] {
                let (mut stream, _) = listener.accept().await.unwrap();
                let question = Question { person: 7, address: "bob@b.example".into() };
                assert_eq!(read_frame::<Question>(&mut stream).await.unwrap(), Some(question));
                write_frame(&mut stream, &answer).await.unwrap();
            }
        });
        assert_eq!(finding.find(person, &bob).await.unwrap(), Some(Answer::Busy));
        assert!(finding.find(person, &bob).await.unwrap_err().cause().to_string().contains("full"));
        answers.await.unwrap();
    }
}
