// SPDX-License-Identifier: AGPL-3.0-or-later
//! The client's end of the gate's socket.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hearth_types::{AccountId, Secret, SessionId, Timestamp, Trouble};
use hearth_wire::sasl::{ChannelBinding, Mechanism};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::frame::{read_frame, write_frame};
use super::protocol::{Answer, Question, Showing};
use super::{AppPassword, Login, Refusal, Service, Services, Step};
use crate::limits::GATE_ANSWER_TIMEOUT;

/// Where the gate answers. Cheap to clone; each call opens a connection of its own.
#[derive(Clone, Debug)]
pub struct Gate {
    path: Arc<PathBuf>,
}

/// A SASL exchange that is under way.
pub struct Exchange {
    gate: Gate,
    mechanism: Mechanism,
    service: Service,
    peer: IpAddr,
    binding: ChannelBinding,
    stream: Option<UnixStream>,
}

/// The gate was asked for something that it cannot do, in words for the person who asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Cannot(pub String);

impl Gate {
    /// The gate behind a socket, usually `DIR/run/gate.sock`. Nothing is opened yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: Arc::new(path.into()) }
    }

    /// Does it answer?
    pub async fn is_up(&self) -> bool {
        matches!(self.ask(&Question::Ping).await, Ok(Answer::Done))
    }

    /// Begins a SASL exchange; nothing is sent yet.
    pub fn begin(&self, mechanism: Mechanism, service: Service, peer: IpAddr, binding: ChannelBinding) -> Exchange {
        Exchange { gate: self.clone(), mechanism, service, peer, binding, stream: None }
    }

    /// Checks a password (an app password, or the human one of an account without a second factor) for a
    /// mail service, as IMAP's LOGIN, POP3's PASS and HTTP Basic need it.
    pub async fn password(
        &self,
        user: &str,
        password: &Secret<String>,
        service: Service,
        peer: IpAddr,
    ) -> Result<Result<Login, Refusal>, Trouble> {
        let question = Question::Password { user: user.to_string(), password: Showing::new(password.expose()), service, peer };
        self.identify(&question).await
    }

    /// Checks an access token for a service.
    pub async fn bearer(&self, token: &Secret<String>, service: Service, peer: IpAddr) -> Result<Result<Login, Refusal>, Trouble> {
        self.identify(&Question::Bearer { token: Showing::new(token.expose()), service, peer }).await
    }

    /// Sets (or with `None` takes away) the human password, and ends the sessions that came of the old one.
    pub async fn set_password(&self, account: AccountId, password: Option<&Secret<String>>) -> Result<(), Trouble> {
        let password = password.map(|password| Showing::new(password.expose()));
        self.order(&Question::SetPassword { account: account.as_i64(), password }).await
    }

    /// Makes an app password. The text is shown once and kept nowhere.
    pub async fn add_app_password(
        &self,
        account: AccountId,
        label: &str,
        services: Services,
        expires_at: Option<Timestamp>,
    ) -> Result<(SessionId, Secret<String>), Trouble> {
        let question = Question::AddAppPassword {
            account: account.as_i64(),
            label: label.to_string(),
            services: services.to_string(),
            expires_at: expires_at.map(Timestamp::millis),
        };
        match self.ask(&question).await? {
            Answer::AppPassword { id, password } => Ok((SessionId::from_i64(id), password.into_secret())),
            other => Err(out_of_turn(other)),
        }
    }

    /// The app passwords of an account, oldest first.
    pub async fn list_app_passwords(&self, account: AccountId) -> Result<Vec<AppPassword>, Trouble> {
        match self.ask(&Question::ListAppPasswords { account: account.as_i64() }).await? {
            Answer::AppPasswords { all } => Ok(all.into_iter().map(super::protocol::Listed::into_app_password).collect()),
            other => Err(out_of_turn(other)),
        }
    }

    /// Takes an app password back and cuts its connections; false when there was none of that id.
    pub async fn revoke_app_password(&self, id: SessionId) -> Result<bool, Trouble> {
        self.was_there(&Question::RevokeAppPassword { id: id.as_i64() }).await
    }

    /// Seals an OpenPGP secret key (binary, with its certificate) in the vault.
    pub async fn store_secret_key(&self, account: AccountId, fingerprint: &str, key: &Secret<Vec<u8>>) -> Result<(), Trouble> {
        let key = Showing::from_octets(key.expose());
        self.order(&Question::StoreSecretKey { account: account.as_i64(), fingerprint: fingerprint.to_string(), key }).await
    }

    /// The OpenPGP secret key, opened; an audit row says that it was taken out.
    pub async fn export_secret_key(&self, fingerprint: &str) -> Result<Option<Secret<Vec<u8>>>, Trouble> {
        match self.ask(&Question::ExportSecretKey { fingerprint: fingerprint.to_string() }).await? {
            Answer::SecretKey { key: None } => Ok(None),
            Answer::SecretKey { key: Some(key) } => {
                key.into_octets().map(Some).ok_or_else(|| Trouble::new("a key that is not base64"))
            }
            other => Err(out_of_turn(other)),
        }
    }

    /// Wipes an OpenPGP secret key; false when there was none.
    pub async fn remove_secret_key(&self, fingerprint: &str) -> Result<bool, Trouble> {
        self.was_there(&Question::RemoveSecretKey { fingerprint: fingerprint.to_string() }).await
    }

    /// Writes a letter to somebody about what was done to their account by the command: an event of the audit log.
    pub async fn tell(&self, account: AccountId, event: &str, what: &str) -> Result<(), Trouble> {
        let question = Question::Tell { account: account.as_i64(), event: event.to_string(), what: what.to_string() };
        self.order(&question).await
    }

    /// Makes a one-time link by which somebody gets a new password; the secret part of its address.
    pub async fn add_link(&self, account: AccountId, forget_factors: bool, lives: Duration) -> Result<Secret<String>, Trouble> {
        let question = Question::AddLink { account: account.as_i64(), forget_factors, lives: lives.as_secs() };
        match self.ask(&question).await? {
            Answer::Link { token } => Ok(token.into_secret()),
            other => Err(out_of_turn(other)),
        }
    }

    /// Wipes every secret of an account that is being removed.
    pub async fn forget(&self, account: AccountId) -> Result<(), Trouble> {
        self.order(&Question::Forget { account: account.as_i64() }).await
    }

    /// Looks through the vault; what is wrong with it, if anything is.
    pub async fn check_vault(&self) -> Result<Option<String>, Trouble> {
        match self.ask(&Question::CheckVault).await? {
            Answer::Checked { wrong } => Ok(wrong),
            other => Err(out_of_turn(other)),
        }
    }

    async fn identify(&self, question: &Question) -> Result<Result<Login, Refusal>, Trouble> {
        match self.ask(question).await? {
            Answer::Refused { refusal } => Ok(Err(refusal)),
            answer => answer.into_login().map(Ok).ok_or_else(|| Trouble::new("the gate did not say who it is")),
        }
    }

    async fn order(&self, question: &Question) -> Result<(), Trouble> {
        match self.ask(question).await? {
            Answer::Done => Ok(()),
            other => Err(out_of_turn(other)),
        }
    }

    async fn was_there(&self, question: &Question) -> Result<bool, Trouble> {
        match self.ask(question).await? {
            Answer::Was { there } => Ok(there),
            other => Err(out_of_turn(other)),
        }
    }

    async fn ask(&self, question: &Question) -> Result<Answer, Trouble> {
        self.ask_on(&mut self.connect().await?, question).await
    }

    async fn connect(&self) -> Result<UnixStream, Trouble> {
        let connected = timeout(GATE_ANSWER_TIMEOUT, UnixStream::connect(self.path.as_path())).await;
        connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(|cause| self.unreachable(cause))
    }

    async fn ask_on(&self, stream: &mut UnixStream, question: &Question) -> Result<Answer, Trouble> {
        let asked = timeout(GATE_ANSWER_TIMEOUT, async {
            // An exchange that the gate has ended meanwhile takes no more words, but the last of its own is there to read.
            let written = write_frame(stream, question).await;
            match (read_frame(stream).await, written) {
                (Ok(Some(answer)), _) => Ok(answer),
                (_, Err(cause)) | (Err(cause), Ok(())) => Err(cause),
                (Ok(None), Ok(())) => Err(io::ErrorKind::UnexpectedEof.into()),
            }
        })
        .await;
        match asked.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok(Answer::Trouble { id }) => Err(Trouble::new(format!("the gate failed [{id}]"))),
            Ok(Answer::Cannot { why }) => Err(Trouble::from(Cannot(why))),
            Ok(answer) => Ok(answer),
            Err(cause) => Err(self.unreachable(cause)),
        }
    }

    fn unreachable(&self, cause: io::Error) -> Trouble {
        Trouble::new(format!("the gate at {} does not answer: {cause}", self.path.display()))
    }
}

impl Exchange {
    /// The mechanism.
    pub fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// The first step: the client's initial response, if it sent one (`Some(b"")` when it sent `=`).
    pub async fn start(&mut self, initial: Option<&[u8]>) -> Result<Step, Trouble> {
        let question = Question::Sasl {
            mechanism: self.mechanism.name().to_string(),
            service: self.service,
            peer: self.peer,
            exporter: self.binding.exporter.clone(),
            server_end_point: self.binding.server_end_point.clone(),
            initial: initial.map(Showing::from_octets),
        };
        let mut stream = self.gate.connect().await?;
        let answer = self.gate.ask_on(&mut stream, &question).await?;
        self.stream = Some(stream);
        self.read_step(answer)
    }

    /// A further step: what the client answered to the last challenge.
    pub async fn step(&mut self, response: &[u8]) -> Result<Step, Trouble> {
        let Some(mut stream) = self.stream.take() else {
            return Ok(Step::Refused(Refusal::Malformed));
        };
        let answer = self.gate.ask_on(&mut stream, &Question::Response { data: Showing::from_octets(response) }).await?;
        self.stream = Some(stream);
        self.read_step(answer)
    }

    /// Anything but a challenge ends the exchange, and its connection.
    fn read_step(&mut self, answer: Answer) -> Result<Step, Trouble> {
        if let Answer::Challenge { data } = answer {
            return Ok(Step::Challenge(data));
        }
        self.stream = None;
        match answer {
            Answer::Refused { refusal } => Ok(Step::Refused(refusal)),
            answer => answer.into_login().map(Step::Done).ok_or_else(|| Trouble::new("the gate spoke out of turn")),
        }
    }
}

fn out_of_turn(answer: Answer) -> Trouble {
    match answer {
        Answer::Refused { refusal } => Trouble::from(Cannot(format!("the gate refused it: {refusal:?}"))),
        _ => Trouble::new("the gate spoke out of turn"),
    }
}
