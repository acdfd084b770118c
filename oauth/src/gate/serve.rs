// SPDX-License-Identifier: AGPL-3.0-or-later
//! The gate's socket: one connection, one question or one exchange.
//!
//! Who asks is of this house and asks at once; who is behind them may be anybody, and slow. So whatever is looked up or
//! computed has a turn, and gives it back before anybody is waited for: orders of the house have turns of their own.

use std::future::Future;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::Duration;

use hearth_identity::limits::{
    GATE_CONNECTIONS_MAX, GATE_ORDERS_AT_ONCE, GATE_QUESTION_TIMEOUT, GATE_QUESTIONS_AT_ONCE, GATE_STEP_TIMEOUT,
};
use hearth_identity::login::{Answer, ChannelBinding, Login, Mechanism, Question, Refusal, Step, read_frame, write_frame};
use hearth_types::Trouble;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::doorkeeper::Doorkeeper;
use super::limits::{BUSY_WAIT, DRAIN};
use super::order;
use super::relay::Relay;
use super::throttle::network_of;
use super::waiting::Waiting;

/// Answers on the gate's socket until `stop`; exchanges that are under way get a moment to end.
pub async fn serve(listener: UnixListener, doorkeeper: Doorkeeper, stop: impl Future<Output = ()>) {
    let gate = Arc::new(Gate {
        doorkeeper,
        own_uid: own_uid(),
        waiting: Waiting::default(),
        questions: Semaphore::new(GATE_QUESTIONS_AT_ONCE),
        orders: Semaphore::new(GATE_ORDERS_AT_ONCE),
    });
    let connections = Arc::new(Semaphore::new(GATE_CONNECTIONS_MAX));
    let mut exchanges = JoinSet::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let connection = tokio::select! {
            () = &mut stop => break,
            connection = connections.clone().acquire_owned() => connection.expect("the semaphore is never closed"),
        };
        let stream = tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "the gate cannot accept");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
        };
        let gate = gate.clone();
        exchanges.spawn(async move {
            let _connection = connection;
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
    /// SASL exchanges whose client has the word.
    waiting: Waiting,
    /// A turn for each question about who somebody is, and for each step of an exchange.
    questions: Semaphore,
    /// A turn for each order of the house.
    orders: Semaphore,
}

/// Whose process this is, without asking for more than a file's owner.
fn own_uid() -> Option<u32> {
    std::fs::metadata("/proc/self").map(|own| own.uid()).ok()
}

impl Gate {
    async fn converse(&self, mut stream: UnixStream) -> io::Result<()> {
        let asked = within(GATE_QUESTION_TIMEOUT, read_frame::<Question>(&mut stream)).await?;
        let question = match asked {
            Some(question @ Question::Sasl { .. }) => return self.converse_sasl(&mut stream, question).await,
            Some(question) => question,
            None => return Ok(()),
        };
        let answer = if is_order(&question) && !self.may_order(&stream) {
            Answer::Cannot { why: "only the user that Hearth runs as, or root, may ask this of the gate".into() }
        } else {
            let _turn = turn(if is_order(&question) { &self.orders } else { &self.questions }).await;
            self.answer(question).await.unwrap_or_else(logged)
        };
        tell(&mut stream, &answer).await
    }

    async fn converse_sasl(&self, stream: &mut UnixStream, question: Question) -> io::Result<()> {
        let Question::Sasl { mechanism, service, peer, exporter, server_end_point, initial } = question else {
            return Ok(());
        };
        let binding = ChannelBinding { exporter, server_end_point };
        let mut said = match initial {
            Some(showing) => Some(showing.into_octets().ok_or(io::ErrorKind::InvalidData)?),
            None => None,
        };
        let Some(mechanism) = Mechanism::parse(&mechanism) else {
            return tell(stream, &Answer::Refused { refusal: Refusal::Malformed }).await;
        };
        let network = network_of(peer);
        let mut relay = Relay::new(self.doorkeeper.clone(), mechanism, service, peer, binding);
        loop {
            let step = {
                let _turn = turn(&self.questions).await;
                relay.step(said.as_ref().map(|octets| octets.expose().as_slice())).await
            };
            let answer = step.map_or_else(logged, step_to_answer);
            if !matches!(answer, Answer::Challenge { .. }) {
                return tell(stream, &answer).await;
            }
            said = match self.ask_client(stream, &answer, &network).await? {
                Some(Question::Response { data }) => Some(data.into_octets().ok_or(io::ErrorKind::InvalidData)?),
                _ => return Ok(()),
            };
        }
    }

    /// What the client says to a challenge, as long as it may take; who takes too long is told to come again.
    async fn ask_client(&self, stream: &mut UnixStream, challenge: &Answer, network: &str) -> io::Result<Option<Question>> {
        // In the line before it is asked: who was asked first waits longest.
        let mut place = self.waiting.enter(network);
        tell(stream, challenge).await?;
        let read = tokio::select! {
            biased;
            () = place.is_wanted() => None,
            read = timeout(GATE_STEP_TIMEOUT, read_frame::<Question>(stream)) => read.ok(),
        };
        if let Some(read) = read {
            return read;
        }
        drop(place);
        tell(stream, &Answer::Refused { refusal: Refusal::Wait(BUSY_WAIT) }).await?;
        // What it says at this moment is read: a socket that is closed over unread octets takes the answer with it.
        let _ = within(GATE_QUESTION_TIMEOUT, read_frame::<Question>(stream)).await;
        Ok(None)
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
}

async fn turn(turns: &Semaphore) -> SemaphorePermit<'_> {
    turns.acquire().await.expect("the semaphore is never closed")
}

async fn tell(stream: &mut UnixStream, answer: &Answer) -> io::Result<()> {
    within(GATE_QUESTION_TIMEOUT, write_frame(stream, answer)).await
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

async fn within<T>(time: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(time, work).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
