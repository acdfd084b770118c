// SPDX-License-Identifier: AGPL-3.0-or-later
//! Mail from elsewhere, and back out: mbox, Maildir, another IMAP server. For the `hearth` command.
//!
//! A source (`mbox.rs`, `maildir.rs`, `remote.rs`) gives [`Letter`]s; the [`Importer`] stores them in short
//! transactions, each of which remembers what it took, so that a run can be cut anywhere, resumed, and repeated without
//! doubles. `export.rs` writes while the account is in use.

pub mod export;
pub mod maildir;
pub mod mbox;
pub mod remote;
mod values;

use std::collections::HashSet;

use hearth_mailstore::mailbox::role_of;
use hearth_mailstore::{Content, Durability, Error, FlagSet, MailTx, Mailbox, Role, Store, import, mailbox, message};
use hearth_types::{AccountId, MailboxId, Timestamp};

/// Letters of one transaction.
const BATCH_LETTERS: usize = 50;
/// Octets of one transaction.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// Where a letter was, as we would say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// The path, levels separated by `/`.
    pub path: String,
    /// What it is for.
    pub role: Option<Role>,
}

impl Folder {
    /// A folder by its path, with the role that such a name has elsewhere.
    pub fn named(path: &str) -> Self {
        Self { path: path.to_string(), role: role_of(path) }
    }
}

/// A mail from elsewhere.
#[derive(Clone, Debug)]
pub struct Letter {
    /// What it is called where it comes from; see [`import`].
    pub key: String,
    /// It is not taken when this is known.
    pub other_key: Option<String>,
    /// What is known, too, once it is taken.
    pub also_known_as: Option<String>,
    /// Where it was.
    pub folder: Folder,
    /// Its flags.
    pub flags: FlagSet,
    /// When it came; else its Date field says so.
    pub received_at: Option<Timestamp>,
    /// Its octets; line ends become CRLF.
    pub content: Vec<u8>,
}

/// What came of it so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Stored.
    pub taken: u64,
    /// Stored by an earlier run, or met twice in this one.
    pub known: u64,
    /// Not stored: what, and why.
    pub refused: Vec<(String, String)>,
}

/// Why an import stops.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// Our store.
    #[error(transparent)]
    Store(#[from] Error),
    /// The source.
    #[error("{0}: {1}")]
    Source(String, std::io::Error),
    /// The other server said no.
    #[error("{0}")]
    Remote(String),
}

/// Told from time to time: what came of it, the folder that is being read, and how many letters it has, if known.
pub type Said<'a> = dyn FnMut(&Counts, &str, Option<usize>) + Send + 'a;

/// Stores letters.
pub struct Importer<'a> {
    store: Store,
    account: AccountId,
    /// Everything goes below this path.
    below: Option<String>,
    letter_bytes_max: u64,
    counts: Counts,
    batch: Vec<Letter>,
    batch_bytes: usize,
    folder_letters: Option<usize>,
    said: &'a mut Said<'a>,
}

impl<'a> Importer<'a> {
    /// For an account of an open store.
    pub fn new(store: Store, account: AccountId, below: Option<String>, letter_bytes_max: u64, said: &'a mut Said<'a>) -> Self {
        Self {
            store,
            account,
            below,
            letter_bytes_max,
            counts: Counts::default(),
            batch: Vec::new(),
            batch_bytes: 0,
            folder_letters: None,
            said,
        }
    }

    /// A folder of so many letters begins.
    pub fn begin(&mut self, letters: Option<usize>) {
        self.folder_letters = letters;
    }

    /// Largest letter.
    pub fn letter_bytes_max(&self) -> u64 {
        self.letter_bytes_max
    }

    /// Which of these keys are not known yet, in their order.
    pub async fn unknown(&mut self, keys: Vec<String>) -> Result<Vec<bool>, Stop> {
        let work = move |tx: &mut MailTx<'_>| keys.iter().map(|key| Ok(!import::is_imported(tx, key)?)).collect();
        let unknown: Vec<bool> = self.store.read::<_, Error>(self.account, work).await?;
        self.counts.known += unknown.iter().filter(|unknown| !**unknown).count() as u64;
        Ok(unknown)
    }

    /// One that cannot be had.
    pub fn refuse(&mut self, what: impl Into<String>, why: impl ToString) {
        self.counts.refused.push((what.into(), why.to_string()));
    }

    /// Stores a letter, soon.
    pub async fn offer(&mut self, letter: Letter) -> Result<(), Stop> {
        if letter.content.len() as u64 > self.letter_bytes_max {
            self.refuse(&letter.key, "it is larger than a message may be here");
            return Ok(());
        }
        if letter.content.is_empty() {
            self.refuse(&letter.key, "it is empty");
            return Ok(());
        }
        self.batch_bytes += letter.content.len();
        self.batch.push(letter);
        if self.batch.len() >= BATCH_LETTERS || self.batch_bytes >= BATCH_BYTES { self.flush().await } else { Ok(()) }
    }

    /// What waits is stored; the sum of it all.
    pub async fn finish(mut self) -> Result<Counts, Stop> {
        self.flush().await?;
        Ok(self.counts)
    }

    /// Stores what waits, in one transaction.
    pub async fn flush(&mut self) -> Result<(), Stop> {
        self.batch_bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        let Some(folder) = batch.last().map(|letter| letter.folder.path.clone()) else { return Ok(()) };
        let keys = batch.iter().map(|letter| letter.key.clone()).collect();
        let unknown = self.unknown(keys).await?;
        let mut met: HashSet<String> = HashSet::new();
        let mut prepared = Vec::new();
        for (letter, _) in batch.into_iter().zip(unknown).filter(|(_, unknown)| *unknown) {
            if !met.insert(letter.key.clone()) {
                self.counts.known += 1;
                continue;
            }
            let content = Content::Bytes(to_crlf(&letter.content));
            let ready = self.store.prepare(self.account, content).await?;
            prepared.push((Letter { content: Vec::new(), ..letter }, ready));
        }
        let below = self.below.clone();
        let work = move |tx: &mut MailTx<'_>| {
            let (mut taken, mut known, mut refused) = (0, 0, Vec::new());
            for (letter, ready) in prepared {
                let other = letter.other_key.as_deref();
                // Another run may be at the same source.
                if import::is_imported(tx, &letter.key)? || other.map(|key| import::is_imported(tx, key)).transpose()? == Some(true)
                {
                    import::note(tx, &letter.key)?;
                    known += 1;
                    continue;
                }
                let received_at = letter.received_at.or(ready.parsed().envelope.sent_at).unwrap_or_else(|| tx.now());
                match target(tx, &letter.folder, below.as_deref()) {
                    Ok(target) => message::append(tx, ready, &[target], &letter.flags, received_at)?,
                    Err(error @ (Error::BadName(_) | Error::TooMany(_))) => {
                        refused.push((letter.folder.path, error.to_string()));
                        continue;
                    }
                    Err(error) => return Err(error),
                };
                import::note(tx, &letter.key)?;
                letter.also_known_as.map(|key| import::note(tx, &key)).transpose()?;
                taken += 1;
            }
            Ok((taken, known, refused))
        };
        let (taken, known, refused) = self.store.write::<_, Error>(self.account, Durability::Synced, work).await?;
        self.counts.taken += taken;
        self.counts.known += known;
        self.counts.refused.extend(refused);
        (self.said)(&self.counts, &folder, self.folder_letters);
        Ok(())
    }
}

/// The mailbox of a folder: the one of its role, the one of its path, or a new one.
fn target(tx: &mut MailTx<'_>, folder: &Folder, below: Option<&str>) -> hearth_mailstore::Result<MailboxId> {
    if let (Some(role), None) = (folder.role, below)
        && let Some(found) = mailbox::find_by_role(tx, role)?
    {
        return Ok(found.id);
    }
    let path = below.map_or(folder.path.clone(), |below| format!("{below}/{}", folder.path));
    if let Some(found) = mailbox::find_by_name(tx, &path)? {
        return Ok(found.id);
    }
    let made: Mailbox = mailbox::add_path(tx, &path, None)?;
    let change = mailbox::Change { subscribed: Some(true), ..mailbox::Change::default() };
    Ok(mailbox::change(tx, made.id, change)?.id)
}

/// LF alone becomes CRLF, as mail is on its way and in our store.
fn to_crlf(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(octets.len() + octets.len() / 30);
    let mut before = 0;
    for &octet in octets {
        if octet == b'\n' && before != b'\r' {
            out.push(b'\r');
        }
        out.push(octet);
        before = octet;
    }
    out
}

/// CRLF becomes LF, as it is in files.
fn to_lf(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(octets.len());
    let mut rest = octets.iter().peekable();
    while let Some(&octet) = rest.next() {
        if octet != b'\r' || rest.peek() != Some(&&b'\n') {
            out.push(octet);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends() {
        assert_eq!(to_crlf(b"a\nb\r\n\nc\rd"), b"a\r\nb\r\n\r\nc\rd");
        assert_eq!(to_lf(b"a\r\nb\n\r\r\nc\r"), b"a\nb\n\r\nc\r");
        assert_eq!(to_crlf(&to_lf(b"a\r\n\r\nb\r\n")), b"a\r\n\r\nb\r\n");
    }
}
