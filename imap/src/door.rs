// SPDX-License-Identifier: AGPL-3.0-or-later
//! A connection that is not IMAP's: it waits, signs in, and ends for the same reasons.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hearth_identity::login::{Login, Watch};
use hearth_net::lines::{Deadlines, Lines};
use hearth_net::tls::Facts;
use hearth_types::AccountId;
use hearth_wire::sasl::ChannelBinding;
use tokio::time::{Instant, timeout_at};

use crate::ctx::{Shared, Stream, binding_of};
use crate::limits::{
    LOGIN_FAILURE_WAIT, LOGIN_FAILURES_FREE, LOGIN_FAILURES_MAX, LOGIN_TIME_MAX, PROGRESS_TIME_MAX, WRITE_TIME_MAX,
};

/// Why a session ends by no word of the client's.
#[derive(Debug)]
pub enum Ended {
    /// Nobody is there any more.
    Gone,
    /// Nothing came for too long.
    Silent,
    /// The node stops.
    Stopping,
    /// The device was signed out.
    Revoked,
}

impl Ended {
    /// The last word; `None` when nobody would hear it.
    pub fn says(&self) -> Option<&'static str> {
        match self {
            Self::Gone => None,
            Self::Silent => Some("you were silent for too long"),
            Self::Stopping => Some("the server is stopping; come back soon"),
            Self::Revoked => Some("this device was signed out"),
        }
    }
}

impl From<io::Error> for Ended {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

/// Who has signed in.
pub struct Holder {
    /// The account.
    pub account: AccountId,
    /// The address, for people.
    pub address: String,
    watch: Watch,
}

/// A connection.
pub struct Door {
    /// Of the process.
    pub shared: Arc<Shared>,
    /// Bytes both ways.
    pub lines: Lines<Stream>,
    /// Who is at the other end.
    pub peer: IpAddr,
    /// What is known of TLS; `None` without.
    pub tls: Option<Facts>,
    /// Who has signed in.
    pub holder: Option<Holder>,
    /// Failed logins.
    pub pace: Pace,
    login_by: Instant,
    idle_time_max: Duration,
}

impl Door {
    /// A connection that begins; a person may be silent for `idle_time_max`.
    pub fn new(shared: Arc<Shared>, stream: Stream, peer: IpAddr, tls: Option<Facts>, idle_time_max: Duration) -> Self {
        let deadlines = Deadlines { idle: LOGIN_TIME_MAX, progress: PROGRESS_TIME_MAX, write: WRITE_TIME_MAX };
        Self {
            shared,
            lines: Lines::new(stream, deadlines),
            peer,
            tls,
            holder: None,
            pace: Pace::default(),
            login_by: Instant::now() + LOGIN_TIME_MAX,
            idle_time_max,
        }
    }

    /// What SCRAM-PLUS binds to.
    pub fn binding(&self) -> ChannelBinding {
        binding_of(self.tls.as_ref())
    }

    /// Somebody has signed in.
    pub fn sign_in(&mut self, login: &Login) {
        let watch = self.shared.revocations.watch(login);
        self.holder = Some(Holder { account: login.account, address: login.address.to_string(), watch });
        self.lines.set_deadlines(Deadlines { idle: self.idle_time_max, ..self.lines.deadlines() });
    }

    /// Nobody has signed in any more; somebody has to before long.
    pub fn sign_out(&mut self) {
        self.holder = None;
        self.login_by = Instant::now() + LOGIN_TIME_MAX;
        self.lines.set_deadlines(Deadlines { idle: LOGIN_TIME_MAX, ..self.lines.deadlines() });
    }

    /// Until when the next command has to have come.
    pub fn next_by(&self) -> Instant {
        if self.holder.is_some() { Instant::now() + self.idle_time_max } else { self.login_by }
    }

    /// Waits until there are bytes to read.
    pub async fn wait(&mut self, by: Instant) -> Result<(), Ended> {
        // Output that waits goes first, so that the read below may be dropped without losing any of it.
        self.lines.flush().await?;
        let stop = self.shared.stop.clone();
        let lines = &mut self.lines;
        let revoked = async {
            match &mut self.holder {
                Some(holder) => holder.watch.ended().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            read = timeout_at(by, lines.fill_idle()) => match read {
                Err(_) => Err(Ended::Silent),
                Ok(Err(error)) if error.kind() == io::ErrorKind::TimedOut => Err(Ended::Silent),
                Ok(Err(_) | Ok([])) => Err(Ended::Gone),
                Ok(Ok(_)) => Ok(()),
            },
            () = revoked => Err(Ended::Revoked),
            () = stop.requested() => Err(Ended::Stopping),
        }
    }

    /// Runs a long answer, unless the device is signed out meanwhile.
    pub async fn unless_revoked<T>(&mut self, work: impl AsyncFnOnce(&mut Self) -> T) -> Result<T, Ended> {
        let Some(mut holder) = self.holder.take() else { return Ok(work(self).await) };
        let done = tokio::select! {
            done = work(self) => Ok(done),
            () = holder.watch.ended() => Err(Ended::Revoked),
        };
        self.holder = Some(holder);
        done
    }

    /// The TLS handshake; nobody has signed in yet, and nothing was read ahead.
    pub async fn upgrade(self) -> Option<Self> {
        let tls = self.shared.tls.clone()?;
        match Box::pin(tls.accept(self.lines.into_inner())).await {
            Ok((stream, facts)) => {
                let fresh = Self::new(self.shared, Box::new(stream), self.peer, Some(facts), self.idle_time_max);
                Some(Self { pace: self.pace, login_by: self.login_by, ..fresh })
            }
            Err(error) => {
                tracing::debug!(peer = %self.peer, %error, "TLS handshake failed");
                None
            }
        }
    }
}

/// Failed logins of one connection: each makes the next one slower.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    failures: u32,
}

impl Pace {
    /// One more; how long its answer has to wait.
    pub fn failed(&mut self) -> Duration {
        self.failures += 1;
        match self.failures.checked_sub(LOGIN_FAILURES_FREE + 1) {
            None => Duration::ZERO,
            Some(doublings) => LOGIN_FAILURE_WAIT * 2_u32.saturating_pow(doublings),
        }
    }

    /// Was that the last one?
    pub fn is_spent(self) -> bool {
        self.failures >= LOGIN_FAILURES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_slow_down_and_end() {
        let mut pace = Pace::default();
        let waits: Vec<u128> = (0..LOGIN_FAILURES_MAX)
            .map(|_| {
                assert!(!pace.is_spent());
                pace.failed().as_millis()
            })
            .collect();
        assert_eq!(waits, [0, 500, 1000, 2000, 4000]);
        let free = usize::try_from(LOGIN_FAILURES_FREE).expect("fits");
        assert!(waits[free - 1] == 0 && waits[free] == LOGIN_FAILURE_WAIT.as_millis());
        assert!(pace.is_spent());
    }
}
