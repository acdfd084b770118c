// SPDX-License-Identifier: AGPL-3.0-or-later
//! `hearth mailbox`: mail from elsewhere, and to files; what is shared stands in `share.rs`.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use hearth_identity::directory::Event;
use hearth_imap::transfer::export::{Format, export};
use hearth_imap::transfer::remote::{self, Proof};
use hearth_imap::transfer::{Counts, Folder, Importer, Stop, maildir, mbox};
use hearth_mailstore::Store;
use hearth_net::tls::Connector;
use hearth_types::{AccountId, Secret};
use serde_json::json;

use super::share;
use crate::cli::{MailFormat, MailboxCommand, MailboxImportArgs};
use crate::elsewhere::{self, Program};
use crate::out::Out;
use crate::place::{self, Place};
use crate::prompt;

/// A line of progress this often.
const SAID_EVERY: Duration = Duration::from_secs(2);
/// Letters that could not be brought, told one by one.
const REFUSED_SHOWN: usize = 20;

/// Runs it.
pub async fn run(place: &Place, command: MailboxCommand, out: &Out) -> anyhow::Result<()> {
    let directory = place.directory().await?;
    let account = match &command {
        MailboxCommand::Import(args) => &args.account,
        MailboxCommand::Export { account, .. } | MailboxCommand::Share { account, .. } | MailboxCommand::Shares { account } => {
            account
        }
    };
    let account = place::account(&directory, account).await?;
    // Before it begins: what was taken by half was taken.
    let event = match &command {
        MailboxCommand::Import(_) => Some("mailbox.imported"),
        MailboxCommand::Export { .. } => Some("mailbox.exported"),
        MailboxCommand::Share { .. } | MailboxCommand::Shares { .. } => None,
    };
    if let Some(event) = event {
        directory.add_audit(Event { event, subject: Some(account.id), ..Event::default() }).await?;
    }
    let store = place::mail(&place.config).await?;
    let done = match command {
        MailboxCommand::Import(args) => {
            let user = args.user.clone().unwrap_or_else(|| args.account.clone());
            bring(place, &store, account.id, &args, user, out).await
        }
        MailboxCommand::Export { to, format, .. } => write(&store, account.id, &to, format, out).await,
        MailboxCommand::Share { mailbox, with, may, .. } => {
            share::share((&directory, &store), &account, &mailbox, &with, may, out).await
        }
        MailboxCommand::Shares { .. } => share::list(&directory, &store, account.id, out).await,
    };
    store.close().await?;
    done
}

/// Where mail comes from.
enum Source {
    Mbox(Vec<PathBuf>),
    Maildir(PathBuf),
    Imap(remote::Place),
}

async fn bring(
    place: &Place,
    store: &Store,
    account: AccountId,
    args: &MailboxImportArgs,
    user: String,
    out: &Out,
) -> anyhow::Result<()> {
    let source = find_source(place, args, user, out).await?;
    let mut pace = Pace::new(out);
    let mut said = |counts: &Counts, folder: &str, of: Option<usize>| pace.tell(counts, folder, of);
    let bytes_max = place.config.limits.message_size_bytes_max;
    let mut importer = Importer::new(store.clone(), account, args.into.clone(), bytes_max, &mut said);
    let brought = match &source {
        Source::Mbox(files) => bring_files(&mut importer, files).await,
        Source::Maildir(root) => maildir::import(&mut importer, root).await,
        Source::Imap(there) => {
            let connector = Connector::new(&place.config.tls.extra_roots)?;
            remote::import(&mut importer, there, &connector).await
        }
    };
    brought.context("what came so far is kept; run it again to go on")?;
    let counts = importer.finish().await?;
    let refused: Vec<_> = counts.refused.iter().map(|(what, why)| json!({ "what": what, "why": why })).collect();
    let value = json!({ "imported": counts.taken, "known": counts.known, "refused": refused });
    let mut lines = format!("{} brought, {} were here already, {} not taken\n", counts.taken, counts.known, counts.refused.len());
    for (what, why) in counts.refused.iter().take(REFUSED_SHOWN) {
        lines.push_str(&format!("  {what}: {why}\n"));
    }
    out.result(&value, lines);
    Ok(())
}

async fn bring_files(importer: &mut Importer<'_>, files: &[PathBuf]) -> Result<(), Stop> {
    for file in files {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        mbox::import(importer, file, &Folder::named(&name)).await?;
    }
    Ok(())
}

/// What the words of the command line lead to.
async fn find_source(place: &Place, args: &MailboxImportArgs, user: String, out: &Out) -> anyhow::Result<Source> {
    if let Some(there) = args.source.strip_prefix("imaps://") {
        let (host, port) = match there.trim_end_matches('/').rsplit_once(':') {
            Some((host, port)) => (host, port.parse().with_context(|| format!("{port} is no port"))?),
            None => (there.trim_end_matches('/'), 993),
        };
        let proof = prove(place, args, &user, host, out).await?;
        return Ok(Source::Imap(remote::Place { host: host.to_string(), port, address: args.connect, user, proof }));
    }
    let path = Path::new(&args.source);
    if path.is_file() {
        return Ok(Source::Mbox(vec![path.to_path_buf()]));
    }
    if !path.is_dir() {
        bail!("{} is not there; give an mbox file, a Maildir, or imaps://HOST", args.source);
    }
    let mut files: Vec<PathBuf> = std::fs::read_dir(path)
        .with_context(|| format!("{} cannot be read", args.source))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|file| file.is_file() && file.extension().is_some_and(|end| end.eq_ignore_ascii_case("mbox")))
        .collect();
    if files.is_empty() || maildir::is_maildir(path) {
        return Ok(Source::Maildir(path.to_path_buf()));
    }
    files.sort();
    Ok(Source::Mbox(files))
}

/// A password, an access token, or one that the person gets there now.
async fn prove(place: &Place, args: &MailboxImportArgs, user: &str, host: &str, out: &Out) -> anyhow::Result<Proof> {
    if let (Some(provider), Some(client)) = (&args.oauth, &args.oauth_client) {
        let secret = args.oauth_secret.as_ref().map(std::fs::read_to_string).transpose().context("the secret cannot be read")?;
        let program = Program {
            provider,
            client,
            secret: secret.map(|secret| Secret::new(secret.trim().to_string())),
            scope: &args.oauth_scope,
            connect: args.connect,
            extra_roots: &place.config.tls.extra_roots,
        };
        return Ok(Proof::Token(elsewhere::sign_in(&program, out).await?));
    }
    let what = format!("Password of {user} at {host}");
    let secret = prompt::secret_elsewhere(&what, args.password_stdin || args.token_stdin)?;
    Ok(if args.token_stdin { Proof::Token(secret) } else { Proof::Password(secret) })
}

async fn write(store: &Store, account: AccountId, to: &Path, format: MailFormat, out: &Out) -> anyhow::Result<()> {
    std::fs::create_dir_all(to).with_context(|| format!("{} cannot be made", to.display()))?;
    let format = match format {
        MailFormat::Maildir => Format::Maildir,
        MailFormat::Mbox => Format::Mbox,
    };
    let mut last = Instant::now();
    let mut said = |mailbox: &str, done: usize, of: usize| {
        if last.elapsed() >= SAID_EVERY {
            last = Instant::now();
            out.progress(&format!("{mailbox}: {done} of {of}"));
        }
    };
    let sum = export(store, account, to, format, &mut said).await?;
    let value = json!({ "written": sum.written, "there": sum.there });
    out.result(&value, format!("{} letters written to {}, {} were there already", sum.written, to.display(), sum.there));
    Ok(())
}

/// Tells how it goes: how many, how fast, how long it will still take.
struct Pace<'a> {
    out: &'a Out,
    begun: Instant,
    last: Instant,
    folder: String,
    before: u64,
}

impl<'a> Pace<'a> {
    fn new(out: &'a Out) -> Self {
        Self { out, begun: Instant::now(), last: Instant::now(), folder: String::new(), before: 0 }
    }

    fn tell(&mut self, counts: &Counts, folder: &str, of: Option<usize>) {
        let met = counts.taken + counts.known + counts.refused.len() as u64;
        if self.folder != folder {
            self.folder = folder.to_string();
            (self.begun, self.before) = (Instant::now(), met);
        }
        if self.last.elapsed() < SAID_EVERY {
            return;
        }
        self.last = Instant::now();
        self.out.progress(&line(folder, met - self.before, of, self.begun.elapsed()));
    }
}

fn line(folder: &str, done: u64, of: Option<usize>, took: Duration) -> String {
    let tenths = u64::try_from(took.as_millis() / 100).unwrap_or(u64::MAX).max(1);
    let rate = done.saturating_mul(10) / tenths;
    match of.map(|of| of as u64) {
        Some(of) if rate > 0 && of >= done => {
            format!("{folder}: {done} of {of}, {rate}/s, {} s left", (of - done) / rate)
        }
        Some(of) => format!("{folder}: {done} of {of}"),
        None => format!("{folder}: {done}, {rate}/s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_progress() {
        assert_eq!(line("INBOX", 100, Some(500), Duration::from_secs(2)), "INBOX: 100 of 500, 50/s, 8 s left");
        assert_eq!(line("INBOX", 0, Some(500), Duration::from_secs(2)), "INBOX: 0 of 500");
        assert_eq!(line("INBOX", 100, None, Duration::from_secs(2)), "INBOX: 100, 50/s");
    }
}
