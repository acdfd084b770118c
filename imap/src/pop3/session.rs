// SPDX-License-Identifier: AGPL-3.0-or-later
//! The loop of a POP3 session.

use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hearth_identity::Service;
use hearth_identity::login::{Login, Refusal, Step};
use hearth_mailstore::scan::scan;
use hearth_mailstore::{Body, Durability, Entry, Error, Flag, FlagChange, MailTx, Role, limits, mailbox, message};
use hearth_net::lines::Line;
use hearth_net::tls::Facts;
use hearth_types::{MailboxId, Secret, Trouble};
use hearth_wire::imap::{Password, parse_authenticate_line};
use hearth_wire::pop3::limits::{AUTH_LINE_BYTES_MAX, LINE_BYTES_MAX};
use hearth_wire::pop3::{Command, Reply, Stuffer, parse_command};

use super::lock::Locked;
use super::maildrop::{Letter, Maildrop};
use super::registry::capabilities;
use crate::ctx::{Shared, Stream};
use crate::door::{Door, Ended};
use crate::limits::{MISTAKES_BEFORE_LOGIN_MAX, MISTAKES_MAX, POP3_DELETE_MAX, POP3_IDLE_TIME_MAX, POP3_MESSAGES_MAX};
use crate::registry;

/// Where a command leads.
enum Next {
    /// On, after this reply.
    Reply(Reply),
    /// On; it has answered itself.
    Answered,
    /// Into TLS.
    StartTls,
    /// To the end, after this reply.
    Quit(Reply),
}

struct Session {
    door: Door,
    /// What USER said.
    user: Option<String>,
    inbox: Option<(MailboxId, Maildrop, Locked)>,
    mistakes: u32,
}

/// A connection from its first byte to its last. `tls` when it began encrypted (port 995).
pub async fn serve(shared: Arc<Shared>, stream: Stream, peer: IpAddr, tls: Option<Facts>) {
    let door = Door::new(shared, stream, peer, tls, POP3_IDLE_TIME_MAX);
    let mut session = Session { door, user: None, inbox: None, mistakes: 0 };
    let greeting = Reply::ok(format!("{} is ready", session.door.shared.hostname));
    if session.write(&greeting).await.is_err() {
        return;
    }
    loop {
        match Box::pin(session.step()).await {
            Ok(true) => {}
            Ok(false) => match Box::pin(session.door.upgrade()).await {
                Some(door) => session = Session { door, user: None, inbox: None, mistakes: 0 },
                None => return,
            },
            Err(ended) => {
                if let Some(says) = ended.says() {
                    // Nobody may be there to hear it.
                    let _ = session.write(&Reply::err(says).code("SYS/TEMP")).await;
                }
                break;
            }
        }
    }
    let _ = session.door.lines.close().await;
}

impl Session {
    async fn write(&mut self, reply: &Reply) -> Result<(), Ended> {
        let mut out = Vec::new();
        reply.encode(&mut out);
        Ok(self.door.lines.write(&out).await?)
    }

    /// One command; false when the connection goes on in TLS.
    async fn step(&mut self) -> Result<bool, Ended> {
        let by = self.door.next_by();
        if self.door.lines.is_empty() {
            self.door.wait(by).await?;
        }
        let bytes_max = if self.inbox.is_some() { LINE_BYTES_MAX } else { AUTH_LINE_BYTES_MAX };
        let line = match self.door.lines.read_line(bytes_max).await? {
            Line::Line(line, _) => line,
            Line::TooLong => return self.answer_mistake("the line is too long").await,
            Line::Closed => return Err(Ended::Gone),
        };
        let command = match parse_command(&line) {
            Ok(command) => command,
            Err(why) => return self.answer_mistake(why).await,
        };
        self.mistakes = 0;
        let next = match self.run(command).await? {
            Ok(next) => next,
            Err(error) if error.is_peers() => Next::Reply(Reply::err(error.to_string())),
            Err(error) => {
                let trouble = Trouble::from(error);
                tracing::error!(peer = %self.door.peer, %trouble, "a command failed");
                Next::Reply(Reply::err(format!("something went wrong here, try later [{}]", trouble.id())).code("SYS/TEMP"))
            }
        };
        match next {
            Next::Reply(reply) => self.write(&reply).await?,
            Next::Answered => {}
            Next::StartTls => {
                self.write(&Reply::ok("begin TLS now")).await?;
                self.door.lines.flush().await?;
                return Ok(false);
            }
            Next::Quit(reply) => {
                self.write(&reply).await?;
                return Err(Ended::Gone);
            }
        }
        Ok(true)
    }

    async fn answer_mistake(&mut self, why: &str) -> Result<bool, Ended> {
        self.mistakes += 1;
        self.write(&Reply::err(why)).await?;
        let most = if self.inbox.is_some() { MISTAKES_MAX } else { MISTAKES_BEFORE_LOGIN_MAX };
        if self.mistakes >= most { Err(Ended::Gone) } else { Ok(true) }
    }

    /// The outer error ends the session, the inner one the command.
    async fn run(&mut self, command: Command) -> Result<Result<Next, Error>, Ended> {
        Ok(match command {
            Command::Capa => Ok(self.capa().await?),
            Command::Noop if self.inbox.is_some() => Ok(Next::Reply(Reply::ok(""))),
            Command::Quit => self.quit().await,
            Command::Stls | Command::Utf8 | Command::User(_) | Command::Pass(_) | Command::Auth { .. } if self.inbox.is_some() => {
                Ok(Next::Reply(Reply::err("you have signed in already")))
            }
            Command::Stls => Ok(self.stls()),
            // RFC 6856 §2.1. (deviates: without it a message goes out as it came in, too; programs that are older than UTF-8 in
            // headers show it all the same, and a surrogate would be another message)
            Command::Utf8 => Ok(Next::Reply(Reply::ok("UTF-8 it is"))),
            Command::Auth { mechanism: None, .. } => Ok(self.mechanisms().await?),
            Command::User(_) | Command::Pass(_) | Command::Auth { .. } if self.door.tls.is_none() => {
                Ok(Next::Reply(Reply::err("use STLS before you sign in")))
            }
            Command::User(user) => {
                self.user = Some(user);
                Ok(Next::Reply(Reply::ok("and the password?")))
            }
            Command::Pass(password) => return self.pass(password).await,
            Command::Auth { mechanism: Some(mechanism), initial } => return self.auth(&mechanism, initial).await,
            other => {
                let Some((_, maildrop, _)) = &mut self.inbox else { return Ok(Ok(Next::Reply(Reply::err("sign in first")))) };
                match other {
                    Command::Stat => {
                        let (count, bytes) = maildrop.totals();
                        Ok(Next::Reply(Reply::ok(format!("{count} {bytes}"))))
                    }
                    Command::List(number) => Ok(self.list(number, |letter| letter.size_bytes.to_string()).await?),
                    Command::Uidl(number) => Ok(self.list(number, |letter| letter.id.to_string()).await?),
                    Command::Dele(number) if maildrop.mark(number) => Ok(Next::Reply(Reply::ok("marked"))),
                    Command::Dele(_) => Ok(no_such_message()),
                    Command::Rset => {
                        maildrop.unmark();
                        Ok(Next::Reply(Reply::ok("nothing is marked")))
                    }
                    Command::Retr(number) => return self.send(number, Stuffer::new()).await,
                    Command::Top(number, lines) => return self.send(number, Stuffer::top(lines)).await,
                    _ => Ok(Next::Reply(Reply::err("this has no place here"))),
                }
            }
        })
    }

    async fn capa(&mut self) -> Result<Next, Ended> {
        let door = &self.door;
        let lines = capabilities(door.tls.is_some(), door.shared.tls.is_some(), self.inbox.is_some(), &door.binding());
        self.write_lines(lines).await
    }

    /// (quirk: Outlook) AUTH alone lists the mechanisms.
    async fn mechanisms(&mut self) -> Result<Next, Ended> {
        let names = registry::mechanisms(self.door.tls.is_some(), &self.door.binding());
        self.write_lines(names.into_iter().map(str::to_string).collect()).await
    }

    async fn write_lines(&mut self, lines: Vec<String>) -> Result<Next, Ended> {
        let mut out = b"+OK\r\n".to_vec();
        for line in lines {
            out.extend_from_slice(format!("{line}\r\n").as_bytes());
        }
        out.extend_from_slice(b".\r\n");
        self.door.lines.write(&out).await?;
        Ok(Next::Answered)
    }

    /// RFC 2595 §4; what was pipelined behind it came from who knows whom (CVE-2011-0411).
    fn stls(&self) -> Next {
        if self.door.tls.is_some() {
            return Next::Reply(Reply::err("the connection is encrypted already"));
        }
        if self.door.shared.tls.is_none() {
            return Next::Reply(Reply::err("there is no certificate"));
        }
        if !self.door.lines.is_empty() {
            return Next::Quit(Reply::err("nothing may follow STLS before the handshake"));
        }
        Next::StartTls
    }

    async fn pass(&mut self, password: Password) -> Result<Result<Next, Error>, Ended> {
        let Some(user) = self.user.take() else { return Ok(Ok(Next::Reply(Reply::err("say USER first")))) };
        let Ok(text) = String::from_utf8(password.0.expose().clone()) else {
            return self.refuse(&user, Refusal::Credentials).await;
        };
        let gate = self.door.shared.gate.clone();
        match gate.password(&user, &Secret::new(text), Service::Pop3, self.door.peer).await {
            Ok(Ok(login)) => Ok(self.welcome(&login).await),
            Ok(Err(refusal)) => self.refuse(&user, refusal).await,
            Err(trouble) => Ok(Ok(self.gate_is_away(&trouble))),
        }
    }

    fn gate_is_away(&self, trouble: &Trouble) -> Next {
        tracing::error!(peer = %self.door.peer, %trouble, "the gate does not answer");
        Next::Reply(Reply::err(format!("nobody can sign in now, try later [{}]", trouble.id())).code("SYS/TEMP"))
    }

    /// RFC 5034 §4
    async fn auth(&mut self, mechanism: &str, initial: Option<Password>) -> Result<Result<Next, Error>, Ended> {
        let binding = self.door.binding();
        let Some(mechanism) = registry::find_mechanism(mechanism, self.door.tls.is_some(), &binding) else {
            return Ok(Ok(Next::Reply(Reply::err("this mechanism is not offered"))));
        };
        let mut exchange = self.door.shared.gate.begin(mechanism, Service::Pop3, self.door.peer, binding);
        let mut step = exchange.start(initial.as_ref().map(|initial| initial.0.expose().as_slice())).await;
        loop {
            match step {
                Err(trouble) => return Ok(Ok(self.gate_is_away(&trouble))),
                Ok(Step::Done(login)) => return Ok(self.welcome(&login).await),
                Ok(Step::Refused(refusal)) => return self.refuse(mechanism.name(), refusal).await,
                Ok(Step::Challenge(octets)) => {
                    self.door.lines.write(format!("+ {}\r\n", BASE64.encode(octets)).as_bytes()).await?;
                    let by = self.door.next_by();
                    if self.door.lines.is_empty() {
                        self.door.wait(by).await?;
                    }
                    let line = match self.door.lines.read_line(AUTH_LINE_BYTES_MAX).await? {
                        Line::Line(line, _) => parse_authenticate_line(&line),
                        Line::TooLong => return self.refuse(mechanism.name(), Refusal::Malformed).await,
                        Line::Closed => return Err(Ended::Gone),
                    };
                    match line {
                        Ok(Some(answer)) => step = exchange.step(&answer).await,
                        Ok(None) => return Ok(Ok(Next::Reply(Reply::err("cancelled")))),
                        Err(_) => return self.refuse(mechanism.name(), Refusal::Malformed).await,
                    }
                }
            }
        }
    }

    /// Somebody has proved who they are: the maildrop is locked and read.
    async fn welcome(&mut self, login: &Login) -> Result<Next, Error> {
        let Some(locked) = self.door.shared.maildrops.lock(login.account) else {
            // RFC 2449 §8.1.2
            return Ok(Next::Reply(Reply::err("another program is fetching this mail").code("IN-USE")));
        };
        let (inbox, letters) = self.door.shared.store.read(login.account, read_inbox).await?;
        self.door.sign_in(login);
        tracing::info!(peer = %self.door.peer, account = %login.address, "signed in");
        metrics::counter!("pop3_logins_total", "result" => "ok").increment(1);
        let maildrop = Maildrop::new(letters);
        let (count, bytes) = maildrop.totals();
        self.inbox = Some((inbox, maildrop, locked));
        Ok(Next::Reply(Reply::ok(format!("{count} messages, {bytes} octets"))))
    }

    async fn refuse(&mut self, user: &str, refusal: Refusal) -> Result<Result<Next, Error>, Ended> {
        metrics::counter!("pop3_logins_total", "result" => "refused").increment(1);
        tracing::info!(peer = %self.door.peer, user, ?refusal, "login refused");
        let wait = self.door.pace.failed();
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        // RFC 3206 §4: is it worth trying again?
        let reply = match refusal {
            Refusal::Credentials => Reply::err("the name or the password is wrong").code("AUTH"),
            Refusal::Forbidden => Reply::err("this login is not for POP3").code("AUTH"),
            Refusal::Expired => Reply::err("the token has expired").code("AUTH"),
            Refusal::Malformed => Reply::err("what was sent does not fit the mechanism"),
            Refusal::Wait(_) => Reply::err("too many failed logins; try later").code("SYS/TEMP"),
        };
        Ok(Ok(if self.door.pace.is_spent() { Next::Quit(reply) } else { Next::Reply(reply) }))
    }

    /// LIST and UIDL: of one message, or of all.
    async fn list(&mut self, number: Option<u32>, show: fn(&Letter) -> String) -> Result<Next, Ended> {
        let Some((_, maildrop, _)) = &self.inbox else { return Ok(Next::Reply(Reply::err("sign in first"))) };
        if let Some(number) = number {
            return Ok(match maildrop.find(number) {
                Some(letter) => Next::Reply(Reply::ok(format!("{number} {}", show(&letter)))),
                None => no_such_message(),
            });
        }
        let lines = maildrop.standing().map(|(number, letter)| format!("{number} {}", show(letter))).collect();
        self.write_lines(lines).await
    }

    /// RETR and TOP.
    async fn send(&mut self, number: u32, stuffer: Stuffer) -> Result<Result<Next, Error>, Ended> {
        let Some((_, maildrop, _)) = &mut self.inbox else { return Ok(Ok(Next::Reply(Reply::err("sign in first")))) };
        let Some(letter) = maildrop.find(number) else { return Ok(Ok(no_such_message())) };
        if stuffer.is_whole() {
            maildrop.note_read(number);
        }
        let Some(account) = self.door.holder.as_ref().map(|holder| holder.account) else { return Err(Ended::Gone) };
        let body = match self.door.shared.store.read(account, move |tx| message::body(tx, letter.id)).await {
            Ok(Some(body)) => body,
            // It went away by another program's hand.
            Ok(None) => return Ok(Ok(no_such_message())),
            Err(error) => return Ok(Err(error)),
        };
        self.door.lines.write(format!("+OK {} octets\r\n", letter.size_bytes).as_bytes()).await?;
        let sent = self.door.unless_revoked(async move |door: &mut Door| write_body(door, Arc::new(body), stuffer).await).await?;
        match sent {
            Ok(()) => Ok(Ok(Next::Answered)),
            // There is no way to take back what was begun.
            Err(ended) => Err(ended),
        }
    }

    /// RFC 1939 §6: what is marked is deleted, all of it or, when that fails, none of what is left.
    async fn quit(&mut self) -> Result<Next, Error> {
        let Some((inbox, maildrop, _)) = self.inbox.take() else { return Ok(Next::Quit(Reply::ok("until next time"))) };
        let Some(account) = self.door.holder.as_ref().map(|holder| holder.account) else {
            return Ok(Next::Quit(Reply::ok("until next time")));
        };
        let (doomed, read) = (maildrop.doomed(), maildrop.read());
        let store = self.door.shared.store.clone();
        for uids in doomed.chunks(POP3_DELETE_MAX) {
            let uids = uids.to_vec();
            let work = move |tx: &mut MailTx<'_>| {
                message::store_flags(tx, inbox, &uids, &FlagChange::Add(Flag::Deleted.into()), None)?;
                message::expunge(tx, inbox, Some(&uids))
            };
            if let Err(error) = store.write(account, Durability::Synced, work).await {
                tracing::error!(%account, %error, "marked messages were not deleted");
                return Ok(Next::Quit(Reply::err("some messages were not deleted").code("SYS/TEMP")));
            }
        }
        for uids in read.chunks(POP3_DELETE_MAX) {
            let uids = uids.to_vec();
            let work = move |tx: &mut MailTx<'_>| {
                message::store_flags(tx, inbox, &uids, &FlagChange::Add(Flag::Seen.into()), None).map(|_| ())
            };
            store.write(account, Durability::Committed, work).await?;
        }
        Ok(Next::Quit(Reply::ok(format!("{} deleted; until next time", doomed.len()))))
    }
}

fn no_such_message() -> Next {
    Next::Reply(Reply::err("there is no such message"))
}

/// INBOX: its messages by UID, without those that a mail program has marked `\Deleted`.
fn read_inbox(tx: &mut MailTx<'_>) -> Result<(MailboxId, Vec<Letter>), Error> {
    let inbox = mailbox::find_by_role(tx, Role::Inbox)?.ok_or(Error::NoSuchMailbox)?.id;
    let entries = message::view(tx, inbox)?;
    let sizes = scan(tx, inbox, 1, u32::MAX, false)?;
    Ok((inbox, letters(&entries, sizes.iter().map(|row| (row.uid, row.size_bytes)))))
}

/// Pure: what a session is shown; both ascend by UID.
fn letters(entries: &[Entry], sizes: impl Iterator<Item = (u32, u64)>) -> Vec<Letter> {
    let mut sizes = sizes.peekable();
    let shown = entries.iter().filter(|entry| !entry.flags.contains(&Flag::Deleted)).take(POP3_MESSAGES_MAX);
    let letter = |entry: &Entry| {
        while sizes.next_if(|row| row.0 < entry.uid).is_some() {}
        let size_bytes = sizes.next_if(|row| row.0 == entry.uid).map_or(0, |row| row.1);
        Letter { uid: entry.uid, id: entry.id, size_bytes }
    };
    shown.map(letter).collect()
}

/// A message, a piece at a time, as fast as it is read.
async fn write_body(door: &mut Door, body: Arc<Body>, stuffer: Stuffer) -> Result<(), Ended> {
    let mut stuffer = stuffer;
    let mut from = 0;
    while from < body.len() && !stuffer.is_done() {
        let to = body.len().min(from + limits::BODY_CHUNK_BYTES as u64);
        let reader = Arc::clone(&body);
        let read = tokio::task::spawn_blocking(move || reader.range(from..to)).await.map_err(|_| Ended::Gone)?;
        let piece = read.map_err(|error| {
            tracing::error!(%error, "a body cannot be read");
            Ended::Gone
        })?;
        let mut out = Vec::with_capacity(piece.len() + 256);
        stuffer.push(&piece, &mut out);
        door.lines.write(&out).await?;
        from = to;
    }
    let mut out = Vec::new();
    stuffer.finish(&mut out);
    door.lines.write(&out).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_mailstore::FlagSet;
    use hearth_types::MessageId;

    #[test]
    fn so_many_messages_are_shown() {
        let entry = |uid: u32| Entry { uid, id: MessageId::from_i64(i64::from(uid)), modseq: 1, flags: FlagSet::EMPTY };
        for (count, shown) in [(POP3_MESSAGES_MAX, POP3_MESSAGES_MAX), (POP3_MESSAGES_MAX + 1, POP3_MESSAGES_MAX)] {
            let mut entries: Vec<Entry> = (1..).take(count).map(entry).collect();
            let sizes = || (1..).take(count).map(|uid: u32| (uid, u64::from(uid)));
            let all = letters(&entries, sizes());
            assert_eq!(all.len(), shown);
            assert!(all.iter().all(|letter| letter.size_bytes == u64::from(letter.uid)));
            // What is marked already makes room for what comes after it.
            entries[0].flags = Flag::Deleted.into();
            let all = letters(&entries, sizes());
            assert_eq!((all[0].uid, all[0].size_bytes, all.len()), (2, 2, shown.min(count - 1)));
        }
    }
}
