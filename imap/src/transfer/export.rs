// SPDX-License-Identifier: AGPL-3.0-or-later
//! Mail out of an account, as Maildir or mbox, while it is in use: each letter is read in a transaction of its own.

use std::collections::HashMap;
use std::fs::{self, File, FileTimes};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use hearth_mailstore::{Entry, Error, FlagSet, MailTx, Mailbox, Store, mailbox, message};
use hearth_types::{AccountId, Timestamp};

use super::{Stop, maildir, mbox, to_lf};

/// How it is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A folder per mailbox, below each other; a file per letter. Done again, it adds what is new.
    Maildir,
    /// `NAME.mbox` per mailbox. Done again, it writes anew.
    Mbox,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Letters that were written.
    pub written: u64,
    /// Letters that were there, from an earlier run.
    pub there: u64,
}

/// One letter.
struct Read {
    octets: Vec<u8>,
    flags: FlagSet,
    received_at: Timestamp,
}

/// Writes all mailboxes below `root`; `said` is told the mailbox, and how much of how much.
pub async fn export(
    store: &Store,
    account: AccountId,
    root: &Path,
    format: Format,
    said: &mut (dyn FnMut(&str, usize, usize) + Send),
) -> Result<Written, Stop> {
    let mut sum = Written::default();
    let all = store.read::<_, Error>(account, mailbox::list).await?;
    for one in all {
        let id = one.id;
        let entries = match store.read::<_, Error>(account, move |tx| message::view(tx, id)).await {
            // Deleted a moment ago.
            Err(Error::NoSuchMailbox) => continue,
            entries => entries?,
        };
        let mut folder = Folder::open(root, &one, format).map_err(|error| failed(root, error))?;
        for (at, entry) in entries.iter().enumerate() {
            if at % 100 == 0 {
                said(&one.path, at, entries.len());
            }
            if folder.has(entry).map_err(|error| failed(root, error))? {
                sum.there += 1;
                continue;
            }
            let Some(read) = read(store, account, entry).await? else { continue };
            let stable = entry.clone();
            let work = move || {
                folder.write(&stable, &read)?;
                Ok(folder)
            };
            let wrote = tokio::task::spawn_blocking(work).await.map_err(|error| failed(root, io::Error::other(error)))?;
            folder = wrote.map_err(|error| failed(root, error))?;
            sum.written += 1;
        }
        folder.finish().map_err(|error| failed(root, error))?;
        said(&one.path, entries.len(), entries.len());
    }
    Ok(sum)
}

fn failed(root: &Path, error: io::Error) -> Stop {
    Stop::Source(root.display().to_string(), error)
}

/// A letter as it is now; `None` when it went away.
async fn read(store: &Store, account: AccountId, entry: &Entry) -> Result<Option<Read>, Stop> {
    let (id, flags) = (entry.id, entry.flags.clone());
    let work = move |tx: &mut MailTx<'_>| {
        let (Some(summary), Some(body)) = (message::find(tx, id)?, message::body(tx, id)?) else { return Ok(None) };
        Ok(Some(Read { octets: body.bytes()?, flags, received_at: summary.received_at }))
    };
    Ok(store.read::<_, Error>(account, work).await?)
}

/// Where a mailbox is written.
enum Folder {
    Maildir { path: PathBuf, there: HashMap<String, PathBuf> },
    Mbox { path: PathBuf, part: PathBuf, out: BufWriter<File> },
}

impl Folder {
    fn open(root: &Path, mailbox: &Mailbox, format: Format) -> io::Result<Self> {
        // `.` and `..` are names of mailboxes, too, and what begins with a dot is hidden.
        let levels: Vec<String> = mailbox
            .path
            .split('/')
            .map(|level| if level.starts_with('.') { format!("_{level}") } else { level.to_string() })
            .collect();
        let path = levels.iter().fold(root.to_path_buf(), |path, level| path.join(level));
        match format {
            Format::Maildir => {
                for below in ["cur", "new", "tmp"] {
                    fs::create_dir_all(path.join(below))?;
                }
                let mut there = HashMap::new();
                for entry in fs::read_dir(path.join("cur"))? {
                    let entry = entry?;
                    let name = entry.file_name().to_string_lossy().into_owned();
                    let unique = name.split(":2,").next().unwrap_or_default().to_string();
                    there.insert(unique, entry.path());
                }
                Ok(Self::Maildir { path, there })
            }
            Format::Mbox => {
                let name = levels.last().map(String::as_str).unwrap_or_default();
                let path = path.with_file_name(format!("{name}.mbox"));
                fs::create_dir_all(path.parent().unwrap_or(root))?;
                let part = path.with_file_name(format!("{name}.mbox.part"));
                let out = BufWriter::new(File::create(&part)?);
                Ok(Self::Mbox { path, part, out })
            }
        }
    }

    /// Was it written by an earlier run? Its flags become what they are now.
    fn has(&self, entry: &Entry) -> io::Result<bool> {
        let Self::Maildir { path, there } = self else { return Ok(false) };
        let unique = unique(entry);
        let Some(file) = there.get(&unique) else { return Ok(false) };
        let now = path.join("cur").join(format!("{unique}:2,{}", maildir::letters(&entry.flags)));
        if *file != now {
            fs::rename(file, now)?;
        }
        Ok(true)
    }

    fn write(&mut self, entry: &Entry, read: &Read) -> io::Result<()> {
        match self {
            Self::Maildir { path, .. } => {
                let unique = unique(entry);
                let part = path.join("tmp").join(&unique);
                let mut file = File::create(&part)?;
                file.write_all(&to_lf(&read.octets))?;
                let since = Duration::from_secs(u64::try_from(read.received_at.secs()).unwrap_or(0));
                file.set_times(FileTimes::new().set_modified(UNIX_EPOCH + since))?;
                fs::rename(part, path.join("cur").join(format!("{unique}:2,{}", maildir::letters(&read.flags))))
            }
            Self::Mbox { out, .. } => mbox::write(out, &read.octets, &read.flags, read.received_at),
        }
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Self::Maildir { .. } => Ok(()),
            Self::Mbox { path, part, out } => {
                out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
                fs::rename(part, path)
            }
        }
    }
}

/// What a letter is called in a Maildir, the same in every run.
fn unique(entry: &Entry) -> String {
    format!("{:010}.{}.hearth", entry.uid, entry.id)
}
