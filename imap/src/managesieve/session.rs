// SPDX-License-Identifier: AGPL-3.0-or-later
//! The loop of a ManageSieve session.

use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hearth_filter::sieve::compile;
use hearth_identity::Service;
use hearth_identity::login::{Login, Refusal, Step};
use hearth_mailstore::limits::SCRIPT_BYTES_MAX;
use hearth_mailstore::{Durability, Error, MailTx, script};
use hearth_net::tls::Facts;
use hearth_types::{AccountId, Trouble};
use hearth_wire::imap::{Event, Fragmentizer, Password};
use hearth_wire::sieve_protocol::limits::{BEFORE_LOGIN, after_login};
use hearth_wire::sieve_protocol::{Command, Condition, Response, encode_line, encode_text, parse_answer, parse_command};

use super::registry::encode_capabilities;
use crate::ctx::{Shared, Stream};
use crate::door::{Door, Ended};
use crate::limits::{COMMAND_TIME_MAX, MISTAKES_BEFORE_LOGIN_MAX, MISTAKES_MAX, SIEVE_IDLE_TIME_MAX};
use crate::registry;

/// What came of a command: its response, or why there is none.
type Outcome = Result<Response, Failure>;

enum Failure {
    /// The session ends.
    Ended(Ended),
    /// The store said no, or broke.
    Store(Error),
    /// Something of ours broke.
    Ours(Trouble),
    /// On, in TLS.
    StartTls,
    /// To the end.
    Logout,
}

impl From<Ended> for Failure {
    fn from(ended: Ended) -> Self {
        Self::Ended(ended)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Ended(error.into())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

struct Session {
    door: Door,
    fragmentizer: Fragmentizer,
    mistakes: u32,
}

/// A connection from its first byte to its last.
pub async fn serve(shared: Arc<Shared>, stream: Stream, peer: IpAddr, tls: Option<Facts>) {
    let mut session = Session::new(Door::new(shared, stream, peer, tls, SIEVE_IDLE_TIME_MAX));
    loop {
        // RFC 5804 §1.7, §2.2: the capabilities come first, and again after STARTTLS.
        let ended = match session.greet().await {
            Ok(()) => session.run().await,
            Err(ended) => Some(ended),
        };
        match ended {
            None => match Box::pin(session.door.upgrade()).await {
                Some(door) => session = Session::new(door),
                None => return,
            },
            Some(ended) => {
                if let Some(says) = ended.says() {
                    // Nobody may be there to hear it.
                    let _ = session.write(&Response::bye(says).code("TRYLATER")).await;
                }
                break;
            }
        }
    }
    let _ = session.door.lines.close().await;
}

impl Session {
    fn new(door: Door) -> Self {
        Self { door, fragmentizer: Fragmentizer::new(BEFORE_LOGIN), mistakes: 0 }
    }

    async fn write(&mut self, response: &Response) -> Result<(), Ended> {
        let mut out = Vec::new();
        response.encode(&mut out);
        Ok(self.door.lines.write(&out).await?)
    }

    async fn greet(&mut self) -> Result<(), Ended> {
        self.write_capabilities().await?;
        let hostname = self.door.shared.hostname.clone();
        self.write(&Response::ok(format!("{hostname} is ready"))).await
    }

    async fn write_capabilities(&mut self) -> Result<(), Ended> {
        let mut out = Vec::new();
        let owner = self.door.holder.as_ref().map(|holder| holder.address.as_str());
        let door = &self.door;
        encode_capabilities(&mut out, door.tls.is_some(), door.shared.tls.is_some(), owner, &door.binding());
        Ok(self.door.lines.write(&out).await?)
    }

    /// Until the end; `None` when the connection goes on in TLS.
    async fn run(&mut self) -> Option<Ended> {
        loop {
            if let Err(ended) = self.read().await {
                return Some(ended);
            }
            let command = parse_command(self.fragmentizer.text());
            self.fragmentizer.clear();
            let outcome = match command {
                Ok(command) => {
                    self.mistakes = 0;
                    Box::pin(self.answer(command)).await
                }
                Err(why) => {
                    self.mistakes += 1;
                    Ok(Response::no(why))
                }
            };
            let (response, starts_tls) = match outcome {
                Ok(response) => (response, false),
                Err(Failure::Ended(ended)) => return Some(ended),
                Err(Failure::Logout) => {
                    let _ = self.write(&Response::ok("until next time")).await;
                    return Some(Ended::Gone);
                }
                Err(Failure::StartTls) => (Response::ok("begin TLS now"), true),
                Err(Failure::Store(error)) => (refusal(&error).unwrap_or_else(|| self.trouble(Trouble::from(error))), false),
                Err(Failure::Ours(trouble)) => (self.trouble(trouble), false),
            };
            if let Err(ended) = self.write(&response).await {
                return Some(ended);
            }
            if starts_tls {
                return self.door.lines.flush().await.err().map(Ended::from);
            }
            let mistakes_max = if self.door.holder.is_some() { MISTAKES_MAX } else { MISTAKES_BEFORE_LOGIN_MAX };
            if response.condition == Condition::Bye || self.mistakes >= mistakes_max {
                return Some(Ended::Gone);
            }
        }
    }

    fn trouble(&self, trouble: Trouble) -> Response {
        tracing::error!(peer = %self.door.peer, %trouble, "a command failed");
        Response::no(format!("something went wrong here, try later [{}]", trouble.id())).code("TRYLATER")
    }

    /// Collects one command with its literals.
    async fn read(&mut self) -> Result<(), Ended> {
        let mut by = self.door.next_by();
        loop {
            self.door.wait(by).await?;
            if self.fragmentizer.is_empty() {
                by = by.min(tokio::time::Instant::now() + COMMAND_TIME_MAX);
            }
            let bytes = self.door.lines.fill().await?;
            let (taken, event) = self.fragmentizer.push(bytes);
            self.door.lines.consume(taken);
            let too_long = match event {
                Event::More => false,
                Event::Command => return Ok(()),
                // RFC 5804 §4: a client's literal does not wait for us.
                Event::Literal(literal) => !self.fragmentizer.accept(literal),
                Event::LineTooLong | Event::CommandTooLong => true,
            };
            if too_long {
                let _ = self.write(&Response::bye("that is too long").code("QUOTA/MAXSIZE")).await;
                return Err(Ended::Gone);
            }
        }
    }

    fn account(&self) -> Option<AccountId> {
        self.door.holder.as_ref().map(|holder| holder.account)
    }

    async fn answer(&mut self, command: Command) -> Outcome {
        match command {
            Command::Capability => {
                self.write_capabilities().await?;
                Ok(Response::ok(""))
            }
            // RFC 5804 §2.3: OK, and the connection ends.
            Command::Logout => Err(Failure::Logout),
            Command::Noop(None) => Ok(Response::ok("")),
            Command::Noop(Some(tag)) => Ok(Response::ok("done").code_with("TAG", tag)),
            Command::StartTls => self.start_tls(),
            Command::Authenticate { mechanism, initial } => self.authenticate(&mechanism, initial).await,
            other => match self.account() {
                Some(account) => self.answer_person(account, other).await,
                None => Ok(Response::no("sign in first")),
            },
        }
    }

    /// RFC 5804 §2.2; what was pipelined behind it came from who knows whom (CVE-2011-0411).
    fn start_tls(&self) -> Outcome {
        if self.door.tls.is_some() {
            return Ok(Response::no("the connection is encrypted already"));
        }
        if self.door.shared.tls.is_none() {
            return Ok(Response::no("there is no certificate"));
        }
        if !self.door.lines.is_empty() {
            return Ok(Response::bye("nothing may follow STARTTLS before the handshake"));
        }
        Err(Failure::StartTls)
    }

    async fn answer_person(&mut self, account: AccountId, command: Command) -> Outcome {
        let store = self.door.shared.store.clone();
        match command {
            Command::HaveSpace(name, size_bytes) => {
                store.read(account, move |tx| script::has_room(tx, &name, size_bytes)).await?;
                Ok(Response::ok(""))
            }
            Command::CheckScript(text) => Ok(check(text).await.err().unwrap_or_else(|| Response::ok("the script is sound"))),
            Command::PutScript(name, text) => {
                store
                    .read(account, {
                        let (name, size_bytes) = (name.clone(), text.len() as u64);
                        move |tx: &mut MailTx<'_>| script::has_room(tx, &name, size_bytes)
                    })
                    .await?;
                let text = match check(text).await {
                    Ok(text) => text,
                    Err(response) => return Ok(response),
                };
                store.write(account, Durability::Synced, move |tx| script::put(tx, &name, &text)).await?;
                Ok(Response::ok("kept"))
            }
            Command::ListScripts => {
                let all = store.read(account, script::scripts).await?;
                let mut out = Vec::new();
                for one in &all {
                    encode_line(&mut out, &[&one.name], one.active.then_some("ACTIVE"));
                }
                self.door.lines.write(&out).await?;
                Ok(Response::ok(""))
            }
            Command::SetActive(name) => {
                let work = move |tx: &mut MailTx<'_>| script::activate(tx, Some(name.as_str()).filter(|name| !name.is_empty()));
                store.write(account, Durability::Synced, work).await?;
                Ok(Response::ok("done"))
            }
            Command::GetScript(name) => {
                let found = store.read(account, move |tx| script::script(tx, &name)).await?;
                let (_, text) = found.ok_or(Error::NoSuchScript)?;
                let mut out = Vec::new();
                encode_text(&mut out, &text);
                self.door.lines.write(&out).await?;
                Ok(Response::ok(""))
            }
            Command::DeleteScript(name) => {
                store.write(account, Durability::Synced, move |tx| script::delete(tx, &name)).await?;
                Ok(Response::ok("deleted"))
            }
            Command::RenameScript(from, to) => {
                store.write(account, Durability::Synced, move |tx| script::rename(tx, &from, &to)).await?;
                Ok(Response::ok("renamed"))
            }
            Command::Unauthenticate => {
                self.door.sign_out();
                self.fragmentizer.set_bounds(BEFORE_LOGIN);
                Ok(Response::ok("sign in again"))
            }
            _ => Ok(Response::no("this has no place here")),
        }
    }

    /// RFC 5804 §2.1
    async fn authenticate(&mut self, mechanism: &str, initial: Option<Password>) -> Outcome {
        if self.door.holder.is_some() {
            return Ok(Response::no("you have signed in already"));
        }
        if self.door.tls.is_none() {
            return Ok(Response::no("use STARTTLS before you sign in").code("ENCRYPT-NEEDED"));
        }
        let binding = self.door.binding();
        let Some(mechanism) = registry::find_mechanism(mechanism, true, &binding) else {
            return Ok(Response::no("this mechanism is not offered"));
        };
        let mut exchange = self.door.shared.gate.begin(mechanism, Service::Sieve, self.door.peer, binding);
        let mut step = exchange.start(initial.as_ref().map(|initial| initial.0.expose().as_slice())).await;
        loop {
            match step.map_err(Failure::Ours)? {
                Step::Done(login) => return Ok(self.welcome(&login)),
                Step::Refused(refusal) => return Ok(self.refuse(mechanism.name(), refusal).await),
                Step::Challenge(octets) => {
                    let mut out = Vec::new();
                    encode_line(&mut out, &[&BASE64.encode(octets)], None);
                    self.door.lines.write(&out).await?;
                    self.read().await?;
                    let answer = parse_answer(self.fragmentizer.text());
                    self.fragmentizer.clear();
                    match answer {
                        Ok(Some(answer)) => step = exchange.step(&answer).await,
                        Ok(None) => return Ok(Response::no("cancelled")),
                        Err(_) => return Ok(self.refuse(mechanism.name(), Refusal::Malformed).await),
                    }
                }
            }
        }
    }

    fn welcome(&mut self, login: &Login) -> Response {
        self.door.sign_in(login);
        self.fragmentizer.set_bounds(after_login(SCRIPT_BYTES_MAX));
        tracing::info!(peer = %self.door.peer, account = %login.address, "signed in");
        metrics::counter!("managesieve_logins_total", "result" => "ok").increment(1);
        Response::ok("you are signed in")
    }

    async fn refuse(&mut self, user: &str, refusal: Refusal) -> Response {
        metrics::counter!("managesieve_logins_total", "result" => "refused").increment(1);
        tracing::info!(peer = %self.door.peer, user, ?refusal, "login refused");
        let wait = self.door.pace.failed();
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        let response = match refusal {
            Refusal::Credentials => Response::no("the name or the password is wrong"),
            Refusal::Forbidden => Response::no("this login is not for ManageSieve"),
            Refusal::Expired => Response::no("the token has expired"),
            Refusal::Malformed => Response::no("what was sent does not fit the mechanism"),
            Refusal::Wait(_) => Response::no("too many failed logins; try later").code("TRYLATER"),
        };
        if self.door.pace.is_spent() { Response { condition: Condition::Bye, ..response } } else { response }
    }
}

/// Compiles a script on a blocking thread, and gives it back; what is wrong with it, with its place (RFC 5804 §2.12).
async fn check(text: Vec<u8>) -> Result<Vec<u8>, Response> {
    let work = move || match compile(&text) {
        Ok(_) => Ok(text),
        Err(error) => Err(Response::no(if error.line > 0 && !error.says.contains("line ") {
            format!("line {}: {}", error.line, error.says)
        } else {
            error.says
        })),
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(checked) => checked,
        Err(error) => {
            let trouble = Trouble::from(error);
            tracing::error!(%trouble, "a script could not be compiled");
            Err(Response::no(format!("something went wrong here, try later [{}]", trouble.id())).code("TRYLATER"))
        }
    }
}

/// RFC 5804 §1.3: the store's refusals by their codes; `None` for what is not the client's doing.
fn refusal(error: &Error) -> Option<Response> {
    let response = Response::no(error.to_string());
    Some(match error {
        Error::NoSuchScript => response.code("NONEXISTENT"),
        Error::ScriptExists => response.code("ALREADYEXISTS"),
        Error::ScriptActive => response.code("ACTIVE"),
        Error::TooMany(_) => response.code("QUOTA/MAXSCRIPTS"),
        Error::TooLarge(_) => response.code("QUOTA/MAXSIZE"),
        Error::Full => response.code("QUOTA"),
        Error::BadName(_) => response,
        _ => return None,
    })
}
