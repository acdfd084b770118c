// SPDX-License-Identifier: AGPL-3.0-or-later
//! The gate's socket: one connection, one question or one exchange.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex, PoisonError};

use hearth_identity::limits::{EXCHANGES_MAX, EXCHANGES_PER_NETWORK_MAX, GATE_STEP_TIMEOUT};
use hearth_identity::login::{Answer, ChannelBinding, Login, Mechanism, Question, Refusal, Step, read_frame, write_frame};
use hearth_types::Trouble;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::doorkeeper::Doorkeeper;
use super::limits::{BUSY_WAIT, DRAIN};
use super::order;
use super::relay::Relay;
use super::throttle::network_of;

/// Answers on the gate's socket until `stop`; exchanges that are under way get a moment to end.
pub async fn serve(listener: UnixListener, doorkeeper: Doorkeeper, stop: impl Future<Output = ()>) {
    let gate = Arc::new(Gate { doorkeeper, own_uid: own_uid(), under_way: Mutex::default() });
    let places = Arc::new(Semaphore::new(EXCHANGES_MAX));
    let mut exchanges = JoinSet::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let place = tokio::select! {
            () = &mut stop => break,
            place = places.clone().acquire_owned() => place.expect("the semaphore is never closed"),
        };
        let stream = tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "the gate cannot accept");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                    continue;
                }
            },
        };
        let gate = gate.clone();
        exchanges.spawn(async move {
            let _place = place;
            if let Err(error) = gate.converse(stream).await {
                tracing::debug!(%error, "a connection to the gate");
            }
        });
        while exchanges.try_join_next().is_some() {}
    }
    let _ = timeout(DRAIN, async { while exchanges.join_next().await.is_some() {} }).await;
}

struct Gate {
    doorkeeper: Doorkeeper,
    own_uid: Option<u32>,
    /// SASL exchanges by the network that they are with.
    under_way: Mutex<HashMap<String, usize>>,
}

/// A SASL exchange's place among those of its network.
struct Place<'a>(&'a Gate, String);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut under_way = self.0.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = under_way.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                under_way.remove(&self.1);
            }
        }
    }
}

/// Whose process this is, without asking for more than a file's owner.
fn own_uid() -> Option<u32> {
    std::fs::metadata("/proc/self").map(|own| own.uid()).ok()
}

impl Gate {
    async fn converse(&self, mut stream: UnixStream) -> io::Result<()> {
        let question = match within(read_frame::<Question>(&mut stream)).await? {
            Some(question) => question,
            None => return Ok(()),
        };
        if let Question::Sasl { mechanism, service, peer, exporter, server_end_point, initial } = question {
            let binding = ChannelBinding { exporter, server_end_point };
            let initial = match initial.map(|showing| showing.into_octets().ok_or(io::ErrorKind::InvalidData)).transpose() {
                Ok(initial) => initial,
                Err(kind) => return Err(kind.into()),
            };
            let refuse = |refusal| Answer::Refused { refusal };
            let Some(mechanism) = Mechanism::parse(&mechanism) else {
                return within(write_frame(&mut stream, &refuse(Refusal::Malformed))).await;
            };
            let Some(place) = self.take_place(peer) else {
                return within(write_frame(&mut stream, &refuse(Refusal::Wait(BUSY_WAIT)))).await;
            };
            let relay = Relay::new(self.doorkeeper.clone(), mechanism, service, peer, binding);
            return converse_sasl(&mut stream, relay, initial.as_ref().map(|octets| octets.expose().as_slice()), place).await;
        }
        let answer = if is_order(&question) && !self.may_order(&stream) {
            Answer::Cannot { why: "only the user that Hearth runs as, or root, may ask this of the gate".into() }
        } else {
            self.answer(question).await.unwrap_or_else(logged)
        };
        within(write_frame(&mut stream, &answer)).await
    }

    async fn answer(&self, question: Question) -> Result<Answer, Trouble> {
        match question {
            Question::Ping => Ok(Answer::Done),
            Question::Password { user, password, service, peer } => {
                let entered = self.doorkeeper.password(&user, &password.into_secret(), service, peer).await?;
                Ok(to_answer(entered))
            }
            Question::Bearer { token, service, peer } => {
                Ok(to_answer(self.doorkeeper.bearer(&token.into_secret(), service, peer).await?))
            }
            order => match order::obey(&self.doorkeeper, order).await {
                Some(answer) => answer,
                None => Ok(Answer::Cannot { why: "no exchange is under way".into() }),
            },
        }
    }

    /// Unix tells who is on the other end; a server that runs as a user of its own asks who somebody is
    /// and no more.
    fn may_order(&self, stream: &UnixStream) -> bool {
        let uid = stream.peer_cred().map(|peer| peer.uid()).ok();
        uid.is_some_and(|uid| uid == 0 || Some(uid) == self.own_uid)
    }

    fn take_place(&self, peer: IpAddr) -> Option<Place<'_>> {
        let network = network_of(peer);
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let count = under_way.entry(network.clone()).or_insert(0);
        if *count >= EXCHANGES_PER_NETWORK_MAX {
            return None;
        }
        *count += 1;
        Some(Place(self, network))
    }
}

async fn converse_sasl(stream: &mut UnixStream, mut relay: Relay, initial: Option<&[u8]>, _place: Place<'_>) -> io::Result<()> {
    let mut answer = relay.step(initial).await.map_or_else(logged, step_to_answer);
    loop {
        within(write_frame(stream, &answer)).await?;
        if !matches!(answer, Answer::Challenge { .. }) {
            return Ok(());
        }
        let Some(Question::Response { data }) = within(read_frame::<Question>(stream)).await? else {
            return Ok(());
        };
        let octets = data.into_octets().ok_or(io::ErrorKind::InvalidData)?;
        answer = relay.step(Some(octets.expose())).await.map_or_else(logged, step_to_answer);
    }
}

fn is_order(question: &Question) -> bool {
    !matches!(
        question,
        Question::Ping | Question::Sasl { .. } | Question::Response { .. } | Question::Password { .. } | Question::Bearer { .. }
    )
}

fn to_answer(entered: Result<Login, Refusal>) -> Answer {
    match entered {
        Ok(login) => Answer::from(&login),
        Err(refusal) => Answer::Refused { refusal },
    }
}

fn step_to_answer(step: Step) -> Answer {
    match step {
        Step::Challenge(data) => Answer::Challenge { data },
        Step::Done(login) => Answer::from(&login),
        Step::Refused(refusal) => Answer::Refused { refusal },
    }
}

fn logged(trouble: Trouble) -> Answer {
    tracing::error!(%trouble, "the gate");
    Answer::Trouble { id: trouble.id().to_string() }
}

async fn within<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(GATE_STEP_TIMEOUT, work).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
