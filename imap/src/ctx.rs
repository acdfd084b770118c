// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a command may touch: the stores of the process, the facts of the connection, the open mailbox.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use hearth_boot::Stop;
use hearth_identity::Directory;
use hearth_identity::login::{Gate, Login, Revocations, Watch};
use hearth_mailstore::{Rights, Store};
use hearth_net::lines::Lines;
use hearth_net::tls::{Facts, Tls};
use hearth_types::{AccountId, Clock, MailboxId, SessionId};
use hearth_wire::imap::response::Reply;
use hearth_wire::imap::{Bounds, Charset, Fragmentizer};
use hearth_wire::sasl::ChannelBinding;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;

use crate::access::{Reach, refusal};
use crate::command::Watching;
use crate::deflate::Deflated;
use crate::door::Pace;
use crate::fault::Failure;
use crate::limits::LOGIN_TIME_MAX;
use crate::listing::Listings;
use crate::mirror::{Held, Mirrors};
use crate::pop3::Maildrops;
use crate::registry::{self, Situation};
use crate::session::deadlines;
use crate::state::{Modes, Phase};
use crate::view::View;

/// Bytes both ways; TCP, TLS, or a test's pipe.
pub trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Wire for S {}

/// A stream of any kind.
pub type Stream = Box<dyn Wire>;

/// What all sessions of the process share.
pub struct Shared {
    /// Mail.
    pub store: Store,
    /// Who somebody is.
    pub gate: Gate,
    /// Who lives here, and who is in which group: asked about mailboxes of others alone.
    pub directory: Directory,
    /// Whose session ended.
    pub revocations: Revocations,
    /// STARTTLS, if there is a certificate.
    pub tls: Option<Tls>,
    /// Time.
    pub clock: Clock,
    /// The request to stop.
    pub stop: Stop,
    /// Open mailboxes.
    pub mirrors: Mirrors,
    /// Accounts whose mailboxes are watched.
    pub listings: Listings,
    /// The name in the greeting.
    pub hostname: String,
    /// APPENDLIMIT.
    pub append_bytes_max: u64,
    /// Where large messages wait while they are being appended.
    pub spool: PathBuf,
    /// Numbers their files.
    pub spooled: AtomicU64,
    /// How often a long command gives a sign of life.
    pub progress_every: Duration,
    /// Who may compress.
    pub compressors: Arc<Semaphore>,
    /// Maildrops that POP3 sessions have.
    pub maildrops: Maildrops,
    /// The JMAP session of this home (RFC 9698), as a URL.
    pub jmap_url: String,
    /// ManageSieve of this home (RFC 6785 §3), as a URL.
    pub sieve_url: String,
}

/// Who has signed in.
pub struct Person {
    /// The account.
    pub account: AccountId,
    /// The device.
    pub session: SessionId,
    /// The address, for the log.
    pub address: String,
    /// Tells when the session was revoked; with the loop while a command runs.
    pub watch: Option<Watch>,
    /// The account's modseq as it grows.
    pub feed: watch::Receiver<u64>,
}

/// The open mailbox.
pub struct Selected {
    /// Whose store it is in.
    pub account: AccountId,
    /// Which one.
    pub mailbox: MailboxId,
    /// Its UIDVALIDITY.
    pub uid_validity: u32,
    /// EXAMINE?
    pub read_only: bool,
    /// Who has opened it: its owner, or another.
    pub reach: Reach,
    /// What may be done in it; of another's mailbox, as of the last command.
    pub rights: Rights,
    /// The owner's modseq as it grows.
    pub feed: watch::Receiver<u64>,
    /// The process' copy of it.
    pub mirror: Held,
    /// What the client knows of it.
    pub view: View,
    /// UIDs that the last SEARCH RETURN (SAVE) found.
    pub saved: Vec<u32>,
}

/// One session.
pub struct Ctx {
    /// Of the process.
    pub shared: Arc<Shared>,
    /// The connection.
    pub lines: Lines<Stream>,
    /// Collects commands.
    pub fragmentizer: Fragmentizer,
    /// Who is at the other end.
    pub peer: IpAddr,
    /// What is known of TLS; `None` without.
    pub tls: Option<Facts>,
    /// What the client has switched on.
    pub modes: Modes,
    /// Who has signed in.
    pub person: Option<Person>,
    /// The open mailbox.
    pub selected: Option<Box<Selected>>,
    /// What it watches, once it has said NOTIFY.
    pub notify: Option<Box<Watching>>,
    /// Failed logins.
    pub pace: Pace,
    /// Until when somebody has to have signed in.
    pub login_by: Instant,
    /// Is the stream inside DEFLATE?
    pub compressed: bool,
    /// What COMPRESS was given, until the stream is wrapped.
    pub compressor: Option<OwnedSemaphorePermit>,
}

/// What SCRAM-PLUS binds to on such a connection.
pub fn binding_of(tls: Option<&Facts>) -> ChannelBinding {
    match tls {
        Some(facts) => ChannelBinding {
            exporter: facts.binding.exporter.clone(),
            server_end_point: Some(facts.binding.server_end_point.clone()).filter(|hash| !hash.is_empty()),
        },
        None => ChannelBinding::none(),
    }
}

impl Ctx {
    /// A session that begins.
    pub fn new(shared: Arc<Shared>, stream: Stream, peer: IpAddr, tls: Option<Facts>) -> Self {
        Self {
            shared,
            lines: Lines::new(stream, deadlines(false)),
            fragmentizer: Fragmentizer::new(Bounds::BEFORE_LOGIN),
            peer,
            tls,
            modes: Modes::default(),
            person: None,
            selected: None,
            notify: None,
            pace: Pace::default(),
            login_by: Instant::now() + LOGIN_TIME_MAX,
            compressed: false,
            compressor: None,
        }
    }

    /// Where the session stands.
    pub fn phase(&self) -> Phase {
        match (&self.person, &self.selected) {
            (None, _) => Phase::NotAuthenticated,
            (Some(_), None) => Phase::Authenticated,
            (Some(_), Some(_)) => Phase::Selected,
        }
    }

    /// How names and texts go to this client.
    pub fn charset(&self) -> Charset {
        self.modes.charset()
    }

    /// What SCRAM-PLUS binds to.
    pub fn binding(&self) -> ChannelBinding {
        binding_of(self.tls.as_ref())
    }

    /// The names of the CAPABILITY response, now.
    pub fn capabilities(&self) -> String {
        registry::capabilities(Situation {
            tls: self.tls.is_some(),
            signed_in: self.person.is_some(),
            compressed: self.compressed,
            binding: &self.binding(),
            append_bytes_max: self.shared.append_bytes_max,
            sieve_url: &self.shared.sieve_url,
        })
    }

    /// The account; the phase has been checked by the registry, so a lack of it is a mistake of ours.
    pub fn account(&self) -> Result<AccountId, Failure> {
        self.person.as_ref().map(|person| person.account).ok_or_else(|| Reply::bad("sign in first").into())
    }

    /// The open mailbox; as above.
    pub fn selected(&mut self) -> Result<&mut Selected, Failure> {
        self.selected.as_deref_mut().ok_or_else(|| Reply::bad("select a mailbox first").into())
    }

    /// The open mailbox, if it may be changed by somebody who has any of these rights there.
    pub fn writable(&mut self, any: Rights) -> Result<&mut Selected, Failure> {
        let selected = self.selected()?;
        if selected.read_only {
            Err(Reply::no("the mailbox is open for reading only").word("CANNOT").into())
        } else if !selected.rights.has_any(any) {
            Err(refusal())
        } else {
            Ok(selected)
        }
    }

    /// Somebody has signed in.
    pub fn sign_in(&mut self, login: &Login) {
        let watch = Some(self.shared.revocations.watch(login));
        let feed = self.shared.store.subscribe(login.account);
        self.person =
            Some(Person { account: login.account, session: login.session, address: login.address.to_string(), watch, feed });
        self.lines.set_deadlines(deadlines(true));
        self.fragmentizer.set_bounds(Bounds::AFTER_LOGIN);
    }

    /// Wraps the stream in DEFLATE, when COMPRESS was granted and answered.
    pub fn compress(&mut self) {
        let Some(permit) = self.compressor.take() else { return };
        let nothing: Stream = Box::new(tokio::io::join(tokio::io::empty(), tokio::io::sink()));
        let lines = std::mem::replace(&mut self.lines, Lines::new(nothing, deadlines(true)));
        self.lines = Lines::new(Box::new(Deflated::new(lines.into_inner(), permit)), deadlines(true));
        self.compressed = true;
    }

    /// Writes; waits when the client does not read.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        Ok(self.lines.write(bytes).await?)
    }

    /// Writes an untagged status response.
    pub async fn write_untagged(&mut self, reply: &Reply) -> Result<(), Failure> {
        let mut out = Vec::new();
        reply.encode(&mut out, None);
        self.write(&out).await
    }
}
