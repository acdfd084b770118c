// SPDX-License-Identifier: AGPL-3.0-or-later
//! News that a session ended, for the process that holds its connections.
//!
//! One task per process reads one number twice a second, and only while somebody watches. A session
//! that is new to it is looked up once, so that what ended between a login and its watch is seen too.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use hearth_types::SessionId;
use tokio::sync::{Notify, watch};

use super::Login;
use crate::Directory;
use crate::error::Result;
use crate::limits::REVOCATION_POLL;

/// The look-out of a process. Cheap to clone; it ends with its last clone and its last watch.
#[derive(Clone)]
pub struct Revocations(Arc<Inner>);

struct Inner {
    watched: Mutex<HashMap<SessionId, Eye>>,
    /// Somebody began to watch.
    begun: Arc<Notify>,
}

/// All watches of one session.
struct Eye {
    ended: watch::Sender<bool>,
    is_new: bool,
}

/// One connection's eye on its session.
pub struct Watch {
    ended: watch::Receiver<bool>,
    /// Keeps the look-out alive.
    _lookout: Revocations,
}

impl Revocations {
    /// Starts the look-out. Needs a runtime.
    pub fn start(directory: Directory) -> Self {
        let begun = Arc::new(Notify::new());
        let inner = Arc::new(Inner { watched: Mutex::default(), begun: begun.clone() });
        tokio::spawn(look_out(Arc::downgrade(&inner), begun, directory));
        Self(inner)
    }

    /// Has the look-out seen that nobody watches?
    #[cfg(test)]
    pub(crate) fn is_idle(&self) -> bool {
        self.0.is_idle()
    }

    /// Watches the session of a login. What ended between the login and this call is noticed too.
    pub fn watch(&self, login: &Login) -> Watch {
        self.watch_session(login.session)
    }

    /// Watches a session by its id.
    pub fn watch_session(&self, session: SessionId) -> Watch {
        let ended = {
            let mut watched = self.0.watched();
            let eye = watched.entry(session).or_insert_with(|| Eye { ended: watch::Sender::new(false), is_new: true });
            // Looked up again for each watch: the session may have ended while nobody watched it.
            eye.is_new = true;
            eye.ended.subscribe()
        };
        self.0.begun.notify_one();
        Watch { ended, _lookout: self.clone() }
    }
}

impl Watch {
    /// Returns when the session has ended; may be awaited again and again, and in a `select!`.
    pub async fn ended(&mut self) {
        // The sender is dropped only after it said so, or with the whole look-out, which we keep.
        if self.ended.wait_for(|ended| *ended).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Has it ended?
    pub fn has_ended(&self) -> bool {
        *self.ended.borrow()
    }
}

impl Inner {
    fn watched(&self) -> MutexGuard<'_, HashMap<SessionId, Eye>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets sessions that nobody watches; which of the others are new.
    fn take_new(&self) -> Vec<SessionId> {
        let mut watched = self.watched();
        watched.retain(|_, eye| eye.ended.receiver_count() > 0);
        watched.iter_mut().filter_map(|(session, eye)| std::mem::take(&mut eye.is_new).then_some(*session)).collect()
    }

    fn put_back(&self, sessions: &[SessionId]) {
        let mut watched = self.watched();
        for session in sessions {
            if let Some(eye) = watched.get_mut(session) {
                eye.is_new = true;
            }
        }
    }

    fn tell(&self, ended: impl IntoIterator<Item = SessionId>) {
        let mut watched = self.watched();
        for session in ended {
            if let Some(eye) = watched.remove(&session) {
                eye.ended.send_replace(true);
            }
        }
    }

    fn is_idle(&self) -> bool {
        self.watched().is_empty()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Wakes the look-out, which finds that it is not wanted any more.
        self.begun.notify_one();
    }
}

async fn look_out(inner: Weak<Inner>, begun: Arc<Notify>, directory: Directory) {
    let mut seq = None;
    loop {
        let Some(inner) = inner.upgrade() else {
            return;
        };
        let new = inner.take_new();
        if inner.is_idle() {
            // While nobody watches, nothing is read and nothing ticks: what ends meanwhile is seen when
            // a new watch is looked up.
            seq = None;
            drop(inner);
            begun.notified().await;
            continue;
        }
        if let Err(error) = look(&inner, &directory, &mut seq, &new).await {
            tracing::warn!(%error, "cannot see which sessions ended; looking again");
            inner.put_back(&new);
        }
        drop(inner);
        tokio::time::sleep(REVOCATION_POLL).await;
    }
}

async fn look(inner: &Inner, directory: &Directory, seq: &mut Option<i64>, new: &[SessionId]) -> Result<()> {
    let known = match *seq {
        Some(known) => known,
        // From here on: what is watched now is looked up below.
        None => directory.newest_revocation().await?,
    };
    let revoked = directory.list_revocations_since(known).await?;
    if !new.is_empty() {
        inner.tell(directory.list_ended_of(new.to_vec()).await?);
    }
    *seq = Some(revoked.last().map_or(known, |last| last.seq));
    inner.tell(revoked.into_iter().map(|revoked| revoked.session));
    Ok(())
}
