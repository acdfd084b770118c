// SPDX-License-Identifier: AGPL-3.0-or-later
//! Why a command did not succeed: the client's doing, ours, or nobody is there any more.

use std::io;

use hearth_mailstore::Error;
use hearth_types::{Fault, Trouble};
use hearth_wire::imap::response::Reply;

/// What a command can end with instead of its OK.
#[derive(Debug)]
pub enum Failure {
    /// A reply to the client, or a trouble of ours that becomes one.
    Fault(Fault<Reply>),
    /// The connection is of no use any more.
    Gone(io::Error),
}

/// The result of a command: how it ended.
pub type Outcome = Result<Reply, Failure>;

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Gone(error)
    }
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        Self::Fault(Fault::Ours(trouble))
    }
}

impl From<Reply> for Failure {
    fn from(reply: Reply) -> Self {
        Self::Fault(Fault::Peer(reply))
    }
}

/// RFC 5530 §3: the store's refusals by their codes.
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let word = match &error {
            Error::NoSuchMailbox => "NONEXISTENT",
            Error::MailboxExists => "ALREADYEXISTS",
            Error::HasChildren => "HASCHILDREN",
            Error::NoSuchMessage => "EXPUNGEISSUED",
            Error::BadName(_) | Error::Forbidden(_) | Error::NoSuchBlob | Error::TooOld => "CANNOT",
            // A full disk is for the client what a full quota is: what it sent is not kept, and it may try later.
            Error::OverQuota | Error::Full => "OVERQUOTA",
            Error::TooMany(_) => "LIMIT",
            Error::Gone => "UNAVAILABLE",
            _ => return Self::Fault(Fault::Ours(Trouble::from(error))),
        };
        if matches!(error, Error::Full) {
            tracing::error!("the disk is full; nothing is stored until there is space");
        }
        Reply::no(error.to_string()).word(word).into()
    }
}

/// What the client is told of a trouble of ours; the log has the cause under the same id.
pub fn reply_to_trouble(trouble: &Trouble) -> Reply {
    Reply::no(format!("something went wrong here, try later [{}]", trouble.id())).word("SERVERBUG")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_s_words() {
        for (error, word) in [
            (Error::NoSuchMailbox, "NONEXISTENT"),
            (Error::MailboxExists, "ALREADYEXISTS"),
            (Error::OverQuota, "OVERQUOTA"),
            (Error::Full, "OVERQUOTA"),
            (Error::TooMany("mailboxes"), "LIMIT"),
            (Error::Forbidden("no"), "CANNOT"),
        ] {
            let Failure::Fault(Fault::Peer(reply)) = Failure::from(error) else { panic!("{word}") };
            assert_eq!(reply.code, Some(hearth_wire::imap::response::Code::Word(word)));
        }
        let Failure::Fault(Fault::Ours(trouble)) = Failure::from(Error::Damaged("row 7".into())) else { panic!("ours") };
        let reply = reply_to_trouble(&trouble);
        assert!(reply.text.contains(trouble.id()) && !reply.text.contains("row 7"));
    }
}
