// SPDX-License-Identifier: AGPL-3.0-or-later
//! The client's side of a conversation: EHLO, then a mail, its commands pipelined where the server has that.
//!
//! A reply that does not come, or is no reply, is a 4xx of our own for all that it was about: the queue tries again.

use std::io;
use std::time::Duration;

use hearth_net::lines::{Deadlines, Line, Lines};
use hearth_wire::smtp::{DataEncoder, Notify, Reply, ReplyReader, Severity, encode_xtext};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Outgoing, OutgoingRecipient, Sent};
use crate::limits::{OUTBOUND_COMMAND, OUTBOUND_DATA, OUTBOUND_DOT, OUTBOUND_RECIPIENTS_MAX};
use crate::message::PIECE_BYTES;

/// A server's reply line that is read; others may write more than RFC 5321 §4.5.3.1.5 lets them.
const REPLY_LINE_BYTES_MAX: usize = 2048;

/// A session whose stream does not matter any more.
pub(super) trait Conversation: Send {
    /// Sends a mail and ends the session; an answer for each recipient.
    fn send<'a>(self: Box<Self>, mail: &'a Outgoing) -> std::pin::Pin<Box<dyn Future<Output = Vec<Sent>> + Send + 'a>>
    where
        Self: 'a;
}

/// A session with another server, behind EHLO.
pub struct Session<S> {
    lines: Lines<S>,
    host: String,
    keywords: Vec<String>,
    /// A message was begun and could not be ended: nothing else may be said.
    is_stuck: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Session<S> {
    /// Reads the greeting and says EHLO.
    pub async fn greet(stream: S, host: &str, hostname: &str) -> Result<Self, Sent> {
        let mut session = Self::on(stream, host);
        let greeting = session.reply().await;
        session.expect_done(greeting)?;
        session.hello(hostname).await?;
        Ok(session)
    }

    /// Says EHLO where no greeting comes: inside TLS.
    pub async fn resume(stream: S, host: &str, hostname: &str) -> Result<Self, Sent> {
        let mut session = Self::on(stream, host);
        session.hello(hostname).await?;
        Ok(session)
    }

    fn on(stream: S, host: &str) -> Self {
        Self {
            lines: Lines::new(stream, patience(OUTBOUND_COMMAND)),
            host: host.to_string(),
            keywords: Vec::new(),
            is_stuck: false,
        }
    }

    /// Does the server offer this keyword?
    pub fn offers(&self, keyword: &str) -> bool {
        self.parameter(keyword).is_some()
    }

    /// What stands behind a keyword; empty when nothing does.
    fn parameter(&self, keyword: &str) -> Option<&str> {
        self.keywords.iter().find_map(|line| {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            word.eq_ignore_ascii_case(keyword).then_some(rest.trim())
        })
    }

    /// STARTTLS; gives the stream on which the handshake begins.
    pub async fn start_tls(mut self) -> io::Result<S> {
        let reply = self.ask("STARTTLS\r\n").await.map_err(|sent| io::Error::other(sent.reply.to_string()))?;
        // RFC 3207 §4, CVE-2011-0411 from the other side: what stands behind the reply was said without TLS.
        if reply.severity() != Severity::Done || !self.lines.is_empty() {
            return Err(io::Error::other(format!("STARTTLS refused: {reply}")));
        }
        Ok(self.lines.into_inner())
    }

    async fn hello(&mut self, hostname: &str) -> Result<(), Sent> {
        let reply = self.ask(&format!("EHLO {hostname}\r\n")).await?;
        if reply.severity() == Severity::Done {
            self.keywords = reply.text.lines().skip(1).map(str::to_string).collect();
            return Ok(());
        }
        // RFC 5321 §3.2: a server of the older kind.
        let reply = self.ask(&format!("HELO {hostname}\r\n")).await;
        self.expect_done(reply).map(|_| ())
    }

    fn expect_done(&self, reply: Result<Reply, Sent>) -> Result<Reply, Sent> {
        match reply {
            Ok(reply) if reply.severity() == Severity::Done => Ok(reply),
            Ok(reply) => Err(self.said(reply)),
            Err(sent) => Err(sent),
        }
    }

    async fn ask(&mut self, command: &str) -> Result<Reply, Sent> {
        if let Err(error) = self.lines.write(command.as_bytes()).await {
            return Err(self.broke(&error));
        }
        self.reply().await
    }

    async fn reply(&mut self) -> Result<Reply, Sent> {
        let mut reader = ReplyReader::default();
        loop {
            let line = match self.lines.read_line(REPLY_LINE_BYTES_MAX).await {
                Ok(Line::Line(line, _)) => line,
                Ok(Line::TooLong) => return Err(self.broke(&"its reply is too long")),
                Ok(Line::Closed) => return Err(self.broke(&"it closed the connection")),
                Err(error) => return Err(self.broke(&error)),
            };
            match reader.push(&line) {
                Ok(None) => {}
                Ok(Some(reply)) => return Ok(reply),
                Err(error) => return Err(self.broke(&error)),
            }
        }
    }

    fn said(&self, reply: Reply) -> Sent {
        // 3yz where it does not belong is no answer.
        let reply = if reply.severity() == Severity::Continue { Reply::named(451, 5, 0, "an answer out of order") } else { reply };
        Sent { host: Some(self.host.clone()), ..Sent::ours(reply) }
    }

    fn broke(&self, what: &dyn std::fmt::Display) -> Sent {
        let reply = Reply::named(451, 4, 2, "").saying(format!("the conversation with {} broke: {what}", self.host));
        Sent::ours(reply)
    }

    async fn deliver(&mut self, mail: &Outgoing) -> Vec<Sent> {
        let mut outcomes = Vec::with_capacity(mail.recipients.len());
        for recipients in mail.recipients.chunks(OUTBOUND_RECIPIENTS_MAX) {
            match self.refuse_early(mail, recipients) {
                _ if self.is_stuck => outcomes.extend(vec![self.broke(&"it was given up"); recipients.len()]),
                Some(reply) => outcomes.extend(vec![Sent::ours(reply); recipients.len()]),
                None => outcomes.extend(self.transact(mail, recipients).await),
            }
        }
        outcomes
    }

    /// What the server has said it will not take is not sent to it.
    fn refuse_early(&self, mail: &Outgoing, recipients: &[OutgoingRecipient]) -> Option<Reply> {
        let size_max: Option<u64> = self.parameter("SIZE").and_then(|size| size.parse().ok()).filter(|size| *size > 0);
        if size_max.is_some_and(|max| mail.message.len() > max) {
            return Some(Reply::named(552, 3, 4, "").saying(format!("the message is too big for {}", self.host)));
        }
        let needs_utf8 = mail.smtputf8 && (!is_ascii_envelope(mail, recipients) || !is_ascii_header(mail.message.start()));
        (needs_utf8 && !self.offers("SMTPUTF8"))
            .then(|| Reply::named(553, 6, 7, "").saying(format!("{} takes no addresses with UTF-8", self.host)))
    }

    async fn transact(&mut self, mail: &Outgoing, recipients: &[OutgoingRecipient]) -> Vec<Sent> {
        let all = |sent: Sent| vec![sent; recipients.len()];
        let (accepted, data) = match self.envelope(mail, recipients).await {
            Ok(answers) => answers,
            Err(sent) => return all(sent),
        };
        let anybody = accepted.iter().any(Sent::is_done);
        if data.code == 354 && !anybody {
            // RFC 2920 §3.1: DATA was on its way already; an empty message ends it, and nobody gets that.
            let _ = self.ask(".\r\n").await;
            return accepted;
        }
        let last = match data.code {
            354 => self.message(mail).await,
            _ if !anybody => return accepted,
            _ => self.said(data),
        };
        let host_reports = self.offers("DSN") && last.is_done();
        accepted.into_iter().map(|one| if one.is_done() { Sent { host_reports, ..last.clone() } } else { one }).collect()
    }

    /// MAIL, RCPT and DATA: at once where the server pipelines, else one by one. Answers for each RCPT, and DATA's.
    async fn envelope(&mut self, mail: &Outgoing, recipients: &[OutgoingRecipient]) -> Result<(Vec<Sent>, Reply), Sent> {
        let pipelining = self.offers("PIPELINING");
        let mut commands = vec![self.mail_command(mail, recipients)];
        commands.extend(recipients.iter().map(|recipient| self.rcpt_command(recipient)));
        commands.push("DATA\r\n".to_string());
        let mut replies = Vec::with_capacity(commands.len());
        if pipelining {
            for command in &commands {
                self.lines.write(command.as_bytes()).await.map_err(|error| self.broke(&error))?;
            }
            for _ in &commands {
                replies.push(self.reply().await?);
            }
        } else {
            for command in &commands {
                let nobody =
                    command == "DATA\r\n" && !replies.iter().skip(1).any(|reply: &Reply| reply.severity() == Severity::Done);
                let refused = replies.first().is_some_and(|reply: &Reply| reply.severity() != Severity::Done);
                if nobody || refused {
                    break;
                }
                replies.push(self.ask(command).await?);
            }
        }
        let mut replies = replies.into_iter();
        let sender = replies.next().unwrap_or_else(|| Reply::named(451, 5, 0, "no answer to MAIL"));
        if sender.severity() != Severity::Done {
            return Err(self.said(sender));
        }
        let accepted: Vec<Sent> = replies.by_ref().take(recipients.len()).map(|reply| self.said(reply)).collect();
        let data = replies.next().unwrap_or_else(|| Reply::named(554, 5, 1, "no valid recipients"));
        Ok((accepted, data))
    }

    fn mail_command(&self, mail: &Outgoing, recipients: &[OutgoingRecipient]) -> String {
        let sender = mail.sender.as_ref().map(ToString::to_string).unwrap_or_default();
        let mut command = format!("MAIL FROM:<{sender}>");
        if self.offers("SIZE") {
            command.push_str(&format!(" SIZE={}", mail.message.len()));
        }
        if self.offers("8BITMIME") && !mail.is_ascii {
            // (quirk: to a server without it, 8 bits are sent all the same; all of them take it since long)
            command.push_str(" BODY=8BITMIME");
        }
        if self.offers("SMTPUTF8")
            && mail.smtputf8
            && (!is_ascii_envelope(mail, recipients) || !is_ascii_header(mail.message.start()))
        {
            command.push_str(" SMTPUTF8");
        }
        if self.offers("DSN") {
            command.push_str(if mail.return_full { " RET=FULL" } else { " RET=HDRS" });
            if let Some(envid) = &mail.envid {
                command.push_str(&format!(" ENVID={}", encode_xtext(envid)));
            }
        }
        command.push_str("\r\n");
        command
    }

    fn rcpt_command(&self, recipient: &OutgoingRecipient) -> String {
        let mut command = format!("RCPT TO:<{}>", recipient.address);
        if self.offers("DSN") {
            if let Some(notify) = recipient.notify.map(Notify::encode) {
                command.push_str(&format!(" NOTIFY={notify}"));
            }
            if let Some(orcpt) = &recipient.orcpt {
                command.push_str(&format!(" ORCPT={};{}", orcpt.kind, encode_xtext(&orcpt.address)));
            }
        }
        command.push_str("\r\n");
        command
    }

    async fn message(&mut self, mail: &Outgoing) -> Sent {
        self.lines.set_deadlines(patience(OUTBOUND_DATA));
        let (mut encoder, mut wire) = (DataEncoder::default(), Vec::with_capacity(PIECE_BYTES + 1024));
        let mut pieces = mail.message.pieces_from(0);
        loop {
            let piece = match pieces.next().await {
                Ok(piece) => piece,
                // The connection ends without the dot: nobody gets half a mail.
                Err(error) => {
                    self.is_stuck = true;
                    return self.broke(&error);
                }
            };
            if piece.is_empty() {
                break;
            }
            wire.clear();
            encoder.push(piece, &mut wire);
            if let Err(error) = self.lines.write(&wire).await {
                return self.broke(&error);
            }
        }
        wire.clear();
        encoder.finish(&mut wire);
        if let Err(error) = self.lines.write(&wire).await {
            return self.broke(&error);
        }
        self.lines.set_deadlines(patience(OUTBOUND_DOT));
        let reply = self.reply().await;
        self.lines.set_deadlines(patience(OUTBOUND_COMMAND));
        match reply {
            Ok(reply) => self.said(reply),
            Err(sent) => sent,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Conversation for Session<S> {
    fn send<'a>(mut self: Box<Self>, mail: &'a Outgoing) -> std::pin::Pin<Box<dyn Future<Output = Vec<Sent>> + Send + 'a>>
    where
        Self: 'a,
    {
        Box::pin(async move {
            let sent = self.deliver(mail).await;
            // What was answered stands, whether the server hears our goodbye or not.
            if !self.is_stuck && self.lines.write(b"QUIT\r\n").await.is_ok() {
                let _ = self.lines.close().await;
            }
            sent
        })
    }
}

fn patience(time: Duration) -> Deadlines {
    Deadlines { idle: time, progress: time, write: time }
}

fn is_ascii_envelope(mail: &Outgoing, recipients: &[OutgoingRecipient]) -> bool {
    mail.sender.as_ref().is_none_or(|sender| sender.local().is_ascii())
        && recipients.iter().all(|one| one.address.local().is_ascii())
}

fn is_ascii_header(raw: &[u8]) -> bool {
    raw.get(..hearth_wire::smtp::body_offset(raw)).unwrap_or(raw).is_ascii()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream};
    use tokio::time::{Instant, sleep};

    use super::*;

    const TICK: Duration = Duration::from_secs(1);

    fn mail(recipients: usize, octets: usize) -> Outgoing {
        let to = |n: usize| format!("p{n}@else.example").parse().expect("an address");
        Outgoing {
            id: "1".into(),
            sender: None,
            is_ascii: true,
            message: vec![b'x'; octets].into(),
            smtputf8: false,
            return_full: false,
            require_tls: false,
            envid: None,
            recipients: (0..recipients).map(|n| OutgoingRecipient { address: to(n), notify: None, orcpt: None }).collect(),
        }
    }

    /// A server that waits so long before its greeting, before it reads a message, and before it answers it; what it took
    /// for a command is returned.
    async fn serve(stream: DuplexStream, [greeting, reading, dot]: [Duration; 3]) -> Vec<String> {
        let (mut stream, mut seen) = (BufReader::new(stream), Vec::new());
        sleep(greeting).await;
        let _ = stream.write_all(b"220 x\r\n").await;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return seen;
            }
            let reply: &[u8] = if line == "DATA\r\n" { b"354 go\r\n" } else { b"250 x\r\n" };
            let _ = stream.write_all(reply).await;
            if line == "DATA\r\n" {
                sleep(reading).await;
                let mut octets = Vec::new();
                while !octets.ends_with(b"\r\n.\r\n") {
                    let mut piece = [0; 4096];
                    match stream.read(&mut piece).await {
                        Ok(0) | Err(_) => return seen,
                        Ok(count) => octets.extend_from_slice(&piece[..count]),
                    }
                }
                sleep(dot).await;
                let _ = stream.write_all(b"250 taken\r\n").await;
            }
            seen.push(line);
        }
    }

    async fn send(waits: [Duration; 3], mail: &Outgoing) -> (Vec<Sent>, Vec<String>, Duration) {
        let (ours, theirs) = tokio::io::duplex(1024);
        let (begun, server) = (Instant::now(), tokio::spawn(serve(theirs, waits)));
        let sent = match Session::greet(ours, "mx.else.example", "mail.home.example").await {
            Ok(session) => Box::new(session).send(mail).await,
            Err(sent) => vec![sent],
        };
        (sent, server.await.expect("served"), begun.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn how_long_another_server_may_take() {
        for (place, max) in [OUTBOUND_COMMAND, OUTBOUND_DATA, OUTBOUND_DOT].into_iter().enumerate() {
            let waits = |wait| {
                let mut waits = [Duration::ZERO; 3];
                waits[place] = wait;
                waits
            };
            let mail = mail(1, 200_000);
            let (sent, _, _) = send(waits(max - TICK), &mail).await;
            assert!(sent[0].is_done(), "{max:?}: {sent:?}");
            let (sent, _, passed) = send(waits(max + TICK), &mail).await;
            assert!(!sent[0].is_done() && !sent[0].is_final(), "{max:?}: {sent:?}");
            assert!(passed >= max && passed < max + 2 * TICK, "{max:?}: {passed:?}");
        }
    }

    #[tokio::test]
    async fn recipients_of_one_transaction() {
        for (count, transactions) in [(OUTBOUND_RECIPIENTS_MAX, 1), (OUTBOUND_RECIPIENTS_MAX + 1, 2)] {
            let (sent, seen, _) = send([Duration::ZERO; 3], &mail(count, 100)).await;
            assert!(sent.len() == count && sent.iter().all(Sent::is_done));
            assert_eq!(seen.iter().filter(|line| line.starts_with("MAIL ")).count(), transactions);
            assert_eq!(seen.iter().filter(|line| line.starts_with("RCPT ")).count(), count);
        }
    }
}
