// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a store function can answer instead of what was asked.

/// A result of this room.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why not. The first group is the client's doing, the second ours.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such mailbox (IMAP: NO `[NONEXISTENT]` or `[TRYCREATE]`; JMAP: notFound).
    #[error("no such mailbox")]
    NoSuchMailbox,
    /// There is no such message.
    #[error("no such message")]
    NoSuchMessage,
    /// There is no such blob, or it has expired.
    #[error("no such blob")]
    NoSuchBlob,
    /// A mailbox of this name, or with this role, is there already (IMAP: NO `[ALREADYEXISTS]`).
    #[error("a mailbox of that name is there already")]
    MailboxExists,
    /// It has children (IMAP: NO `[INUSE]`... JMAP: mailboxHasChild).
    #[error("the mailbox has mailboxes below it")]
    HasChildren,
    /// There is no such script (ManageSieve: NO `(NONEXISTENT)`).
    #[error("no such script")]
    NoSuchScript,
    /// A script of this name is there already (ManageSieve: NO `(ALREADYEXISTS)`).
    #[error("a script of that name is there already")]
    ScriptExists,
    /// The active script cannot be deleted (ManageSieve: NO `(ACTIVE)`).
    #[error("the script is active")]
    ScriptActive,
    /// There is no such address book.
    #[error("no such address book")]
    NoSuchAddressBook,
    /// It has cards (JMAP: addressBookHasContents).
    #[error("the address book has cards in it")]
    AddressBookHasContents,
    /// There is no such card.
    #[error("no such card")]
    NoSuchCard,
    /// A card of that uid is there already.
    #[error("a card of that uid is there already")]
    CardExists(hearth_types::CardId),
    /// Not a name for a mailbox or a script: empty, too long, too deep, or with a control character (IMAP: NO `[CANNOT]`).
    #[error("not a name for this: {0}")]
    BadName(&'static str),
    /// What must not be: removing INBOX, moving a mailbox below itself, a message in no mailbox.
    #[error("{0}")]
    Forbidden(&'static str),
    /// The account's quota is used up (RFC 9208; IMAP: NO `[OVERQUOTA]`, SMTP: 552 5.2.2).
    #[error("the quota of the account is used up")]
    OverQuota,
    /// A bound of `limits.rs` (IMAP: NO `[LIMIT]`).
    #[error("too many: {0}")]
    TooMany(&'static str),
    /// It has more bytes than `limits.rs` admits (ManageSieve: NO `(QUOTA/MAXSIZE)`).
    #[error("too large: {0}")]
    TooLarge(&'static str),
    /// Changes since that modseq are no longer known (JMAP: cannotCalculateChanges).
    #[error("changes since then are no longer known")]
    TooOld,
    /// The disk is full; nothing was written; it goes on when there is space (SMTP: 452 4.3.1).
    #[error("no space left to store this")]
    Full,
    /// A row or a file is not what it should be.
    #[error("damaged: {0}")]
    Damaged(String),
    /// The database.
    #[error(transparent)]
    Db(hearth_db::Error),
    /// A file.
    #[error("{0}")]
    Io(std::io::Error),
    /// Deliveries are taken by the process that opened the store with `delivers`.
    #[error("this process does not deliver")]
    NoJournal,
    /// The process stops.
    #[error("the store is closing")]
    Gone,
}

impl From<hearth_db::Error> for Error {
    fn from(error: hearth_db::Error) -> Self {
        match error {
            hearth_db::Error::Gone => Self::Gone,
            error if error.is_full() => Self::Full,
            error => Self::Db(error),
        }
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::Io(error),
        }
    }
}

impl Error {
    /// Did the client ask for what cannot be (and not: something here failed)?
    pub fn is_peers(&self) -> bool {
        !matches!(self, Self::Full | Self::Damaged(_) | Self::Db(_) | Self::Io(_) | Self::NoJournal | Self::Gone)
    }
}
