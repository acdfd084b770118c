// SPDX-License-Identifier: AGPL-3.0-or-later
//! A conversation with a milter: step by step, each answered, until it has an opinion.

use std::io;

use hearth_wire::milter::{Answer, BODY_PIECE_BYTES, PACKET_BYTES_MAX, Step, VERSION_MIN};
use hearth_wire::smtp::{Fields, Reply, ReplyReader, Severity, body_offset};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use super::{Case, Change, Heard, Opinion, Place, folded};
use crate::limits::JUDGE_ANSWERS_MAX;
use crate::message::PIECE_BYTES;

const _: () = assert!(PIECE_BYTES <= BODY_PIECE_BYTES, "a piece of a message is one of a milter");

/// Fields by which judges of junk mark what they found. (quirk: rspamd 3.4 writes X-Spam, SpamAssassin X-Spam-Flag)
const MARKS: [&str; 2] = ["X-Spam", "X-Spam-Flag"];

pub(super) async fn ask(place: &Place, case: &Case<'_>) -> io::Result<Heard> {
    match place {
        Place::Tcp(at) => converse(TcpStream::connect(at).await?, case).await,
        Place::Unix(path) => converse(UnixStream::connect(path).await?, case).await,
    }
}

struct Talk<S> {
    stream: S,
    agreed: u32,
    heard: Heard,
    answers: usize,
}

pub(super) async fn converse<S: AsyncRead + AsyncWrite + Unpin>(stream: S, case: &Case<'_>) -> io::Result<Heard> {
    let mut talk = Talk { stream, agreed: 0, heard: Heard::default(), answers: 0 };
    talk.send(&Step::Negotiate).await?;
    match talk.answer().await? {
        Answer::Negotiated { version, steps, .. } if version >= VERSION_MIN => talk.agreed = steps,
        _ => return Err(io::Error::other("it does not speak the milter protocol")),
    }
    if talk.tell(case).await? {
        talk.send(&Step::EndOfBody).await?;
        talk.conclude().await?;
    }
    // It has said what it thinks; whether it hears the goodbye does not matter.
    let _ = talk.send(&Step::Quit).await;
    Ok(talk.heard)
}

impl<S: AsyncRead + AsyncWrite + Unpin> Talk<S> {
    /// Tells the mail, up to its end; false when the judge had heard enough before.
    async fn tell(&mut self, case: &Case<'_>) -> io::Result<bool> {
        let literal = format!("[{}]", case.ip);
        let sender = format!("<{}>", case.sender.map(ToString::to_string).unwrap_or_default());
        self.send(&Step::Macros(b'C', &[("j", case.hostname), ("{daemon_name}", "hearth"), ("v", "Hearth")])).await?;
        let connect = Step::Connect { host: case.host.unwrap_or(&literal), ip: case.ip, port: case.port };
        if !self.go_on(&connect).await? || !self.go_on(&Step::Helo(case.hello)).await? {
            return Ok(false);
        }
        self.send(&Step::Macros(b'M', &[("i", case.id), ("{mail_addr}", sender.trim_matches(['<', '>']))])).await?;
        if !self.go_on(&Step::Mail(&sender)).await? {
            return Ok(false);
        }
        for recipient in case.recipients {
            let recipient = recipient.to_string();
            self.send(&Step::Macros(b'R', &[("i", case.id), ("{rcpt_addr}", &recipient)])).await?;
            if !self.go_on(&Step::Rcpt(&format!("<{recipient}>"))).await? {
                return Ok(false);
            }
        }
        self.send(&Step::Macros(b'T', &[("i", case.id)])).await?;
        if !self.go_on(&Step::Data).await? {
            return Ok(false);
        }
        for field in Fields::of(case.message.start()) {
            let value: Vec<u8> = field.value().iter().copied().filter(|byte| *byte != b'\r').collect();
            let value = value.strip_suffix(b"\n").unwrap_or(&value);
            let value = value.strip_prefix(b" ").unwrap_or(value);
            if !self.go_on(&Step::Header(&String::from_utf8_lossy(field.name), value)).await? {
                return Ok(false);
            }
        }
        if !self.go_on(&Step::EndOfHeader).await? {
            return Ok(false);
        }
        let mut body = case.message.pieces_from(body_offset(case.message.start()));
        loop {
            let piece = body.next().await?;
            if piece.is_empty() {
                break;
            }
            if self.agreed & Step::Body(piece).left_out_by() != 0 {
                break;
            }
            self.send(&Step::Body(piece)).await?;
            if self.agreed & Step::Body(piece).unanswered_by() != 0 {
                continue;
            }
            match self.wait().await? {
                Answer::Continue => {}
                Answer::Skip => break,
                last => return self.is_not_last(last).map(|()| true).or_else(|done| done.map(|()| false)),
            }
        }
        self.send(&Step::Macros(b'E', &[("i", case.id)])).await?;
        Ok(true)
    }

    /// Sends a step, unless it is left out; false when the judge has its opinion by that.
    async fn go_on(&mut self, step: &Step<'_>) -> io::Result<bool> {
        if self.agreed & step.left_out_by() != 0 {
            return Ok(true);
        }
        self.send(step).await?;
        if self.agreed & step.unanswered_by() != 0 {
            return Ok(true);
        }
        let answer = self.wait().await?;
        // RCPT: that one recipient is not liked by a judge is no reason against the mail.
        if matches!(step, Step::Rcpt(_)) && matches!(answer, Answer::Reject | Answer::TempFail | Answer::Reply(_)) {
            return Ok(true);
        }
        match self.is_not_last(answer) {
            Ok(()) => Ok(true),
            Err(done) => done.map(|()| false),
        }
    }

    /// `Ok`: it goes on. `Err(Ok)`: the opinion is there. `Err(Err)`: that is no answer.
    fn is_not_last(&mut self, answer: Answer) -> Result<(), io::Result<()>> {
        self.heard.opinion = match answer {
            Answer::Continue => return Ok(()),
            Answer::Accept => Opinion::Fine,
            Answer::Reject => Opinion::Refuse(Reply::named(550, 7, 1, "the mail is refused by what judges mail here")),
            Answer::TempFail => Opinion::Later(Reply::named(451, 7, 1, "what judges mail here wants it later")),
            Answer::Discard => Opinion::Junk("A program that judges mail here would throw it away.".to_string()),
            Answer::Reply(text) => of_reply(&text),
            other => return Err(Err(io::Error::other(format!("an answer out of order: {other:?}")))),
        };
        Err(Ok(()))
    }

    /// After the end of the body: changes, then the last word.
    async fn conclude(&mut self) -> io::Result<()> {
        let mut held = None;
        loop {
            match self.wait().await? {
                Answer::AddHeader { name, value, .. } => {
                    let value = folded(&value);
                    if MARKS.iter().any(|mark| name.eq_ignore_ascii_case(mark)) && value.to_ascii_lowercase().starts_with("yes") {
                        held.get_or_insert_with(|| "A program that judges mail here calls it junk.".to_string());
                    }
                    self.heard.changes.push(Change::Add(format!("{name}: {value}\r\n")));
                }
                Answer::ChangeHeader { index, name, value } => {
                    let value = folded(&value);
                    self.heard.changes.push(Change::Set(name, index.max(1), Some(value).filter(|value| !value.is_empty())));
                }
                Answer::Quarantine(_) => held = Some("A program that judges mail here holds it back.".to_string()),
                Answer::Other(letter) => tracing::debug!(letter, "a milter wants what was not offered; it is passed over"),
                last => {
                    if let Err(done) = self.is_not_last(last) {
                        done?;
                    }
                    if let (Opinion::Fine, Some(why)) = (&self.heard.opinion, held) {
                        self.heard.opinion = Opinion::Junk(why);
                    }
                    return Ok(());
                }
            }
        }
    }

    async fn send(&mut self, step: &Step<'_>) -> io::Result<()> {
        let mut packet = Vec::new();
        step.encode(&mut packet);
        self.stream.write_all(&packet).await?;
        self.stream.flush().await
    }

    /// The next answer that is more than a sign of life.
    async fn wait(&mut self) -> io::Result<Answer> {
        loop {
            match self.answer().await? {
                Answer::Progress => {}
                answer => return Ok(answer),
            }
        }
    }

    async fn answer(&mut self) -> io::Result<Answer> {
        self.answers += 1;
        if self.answers > JUDGE_ANSWERS_MAX {
            return Err(io::Error::other("it talks without end"));
        }
        let length = self.stream.read_u32().await? as usize;
        if length == 0 || length > PACKET_BYTES_MAX {
            return Err(io::Error::other(format!("a packet of {length} octets")));
        }
        let mut packet = Vec::with_capacity(length.min(4096));
        (&mut self.stream).take(length as u64).read_to_end(&mut packet).await?;
        if packet.len() < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Answer::parse(&packet).map_err(io::Error::other)
    }
}

/// A reply of its own; what is no refusal is taken for one with our words.
fn of_reply(text: &str) -> Opinion {
    let mut reader = ReplyReader::default();
    let line: String = text.lines().next().unwrap_or_default().chars().filter(|c| !c.is_control()).take(400).collect();
    match reader.push(line.as_bytes()) {
        Ok(Some(reply)) if reply.severity() == Severity::Transient => Opinion::Later(reply),
        Ok(Some(reply)) if reply.code / 100 == 5 => Opinion::Refuse(reply),
        _ => Opinion::Refuse(Reply::named(550, 7, 1, "the mail is refused by what judges mail here")),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::message::Message;

    const RAW: &[u8] = b"From: a@b.c\r\nSubject: a\r\n b\r\n\r\nbody\r\n";

    /// Talks with a judge that leaves steps out and answers each other one from a script by its letter.
    async fn judged(steps: u32, script: &'static [(u8, &'static [&'static [u8]])]) -> (io::Result<Heard>, String) {
        let (ours, mut theirs) = tokio::io::duplex(1 << 20);
        let letters = Arc::new(Mutex::new(String::new()));
        let seen = Arc::clone(&letters);
        tokio::spawn(async move {
            while let Ok(length) = theirs.read_u32().await {
                let mut packet = vec![0; length as usize];
                theirs.read_exact(&mut packet).await.expect("a packet");
                let letter = packet[0];
                if letter == b'D' {
                    continue;
                }
                seen.lock().expect("held").push(char::from(letter));
                let negotiated = [&b"O\0\0\0\x06\0\0\0\x31"[..], &steps.to_be_bytes()].concat();
                let answers = script.iter().find(|(of, _)| *of == letter).map(|(_, answers)| *answers);
                let fallback: &[&[u8]] = if letter == b'O' { &[&negotiated] } else { &[b"c"] };
                for answer in answers.unwrap_or(fallback) {
                    theirs.write_u32(answer.len() as u32).await.expect("written");
                    theirs.write_all(answer).await.expect("written");
                }
            }
        });
        let recipients: Vec<_> =
            ["x@home.example", "y@home.example"].iter().map(|text| text.parse().expect("an address")).collect();
        let case = Case {
            id: "1",
            hostname: "mail.home.example",
            ip: "192.0.2.1".parse().expect("an address"),
            port: 40_000,
            host: Some("c.example"),
            hello: "c.example",
            sender: None,
            recipients: &recipients,
            message: &Message::from(RAW),
        };
        let heard = converse(ours, &case).await;
        let letters = letters.lock().expect("held").clone();
        (heard, letters)
    }

    #[tokio::test]
    async fn a_mail_is_told_step_by_step() {
        let (heard, letters) = judged(0, &[]).await;
        assert_eq!((heard.expect("heard"), letters.trim_end_matches('Q')), (Heard::default(), "OCHMRRTLLNBE"));
        // No connect, no header, no data.
        let (_, letters) = judged(0x01 | 0x20 | 0x200, &[]).await;
        assert_eq!(letters.trim_end_matches('Q'), "OHMRRNBE");
        // One that answers nothing before the end.
        static SILENT: [(u8, &[&[u8]]); 9] = [
            (b'C', &[]),
            (b'H', &[]),
            (b'M', &[]),
            (b'R', &[]),
            (b'T', &[]),
            (b'L', &[]),
            (b'N', &[]),
            (b'B', &[]),
            (b'E', &[b"r"]),
        ];
        let (heard, letters) = judged(0xd_f080, &SILENT).await;
        assert!(matches!(heard.expect("heard").opinion, Opinion::Refuse(_)));
        assert_eq!(letters.trim_end_matches('Q'), "OCHMRRTLLNBE");
        let (_, letters) = judged(0, &[(b'B', &[b"s"])]).await;
        assert_eq!(letters.trim_end_matches('Q'), "OCHMRRTLLNBE");
    }

    #[tokio::test]
    async fn opinions() {
        let opinion = async |script| judged(0, script).await.0.map(|heard| heard.opinion).map_err(|error| error.to_string());
        let code = |opinion: Result<Opinion, String>| match opinion {
            Ok(Opinion::Refuse(reply) | Opinion::Later(reply)) => reply.code,
            other => panic!("{other:?}"),
        };
        assert_eq!(code(opinion(&[(b'E', &[b"p", b"p", b"r"])]).await), 550);
        assert_eq!(code(opinion(&[(b'M', &[b"t"])]).await), 451);
        assert_eq!(code(opinion(&[(b'E', &[b"y554 5.7.1 a virus\0"])]).await), 554);
        assert_eq!(code(opinion(&[(b'E', &[b"y451 4.7.1 greylisted\0"])]).await), 451);
        assert_eq!(code(opinion(&[(b'E', &[b"y250 fine\0"])]).await), 550, "a reply that refuses nothing");
        assert_eq!(opinion(&[(b'C', &[b"a"])]).await, Ok(Opinion::Fine));
        assert_eq!(opinion(&[(b'R', &[b"r"])]).await, Ok(Opinion::Fine), "a recipient alone");
        for script in
            [&[(b'E', &[b"d" as &[u8]] as &[&[u8]])], &[(b'E', &[b"qheld\0", b"c"])], &[(b'E', &[b"hX-Spam\0Yes\0", b"a"])]]
        {
            assert!(matches!(opinion(script).await, Ok(Opinion::Junk(_))), "{script:?}");
        }
        assert_eq!(opinion(&[(b'E', &[b"hX-Spam\0No\0", b"a"])]).await, Ok(Opinion::Fine));
    }

    #[tokio::test]
    async fn changes_are_bounded_and_clean() {
        let (heard, _) =
            judged(0, &[(b'E', &[b"i\0\0\0\0A-R\0x;\n y\r\nEvil: z\0", b"m\0\0\0\x01Subject\0\0", b"b new", b"c"])]).await;
        let changes = heard.expect("heard").changes;
        assert_eq!(changes, [Change::Add("A-R: x;\r\n\ty\r\n\tEvil: z\r\n".into()), Change::Set("Subject".into(), 1, None)]);
    }

    #[tokio::test]
    async fn what_is_no_judge() {
        for script in [
            &[(b'O', &[b"c" as &[u8]] as &[&[u8]])],
            &[(b'O', &[b"O\0\0\0\x01\0\0\0\x01\0\0\0\0"])],
            &[(b'C', &[b""])],
            &[(b'C', &[b"O\0\0\0\x06\0\0\0\x01\0\0\0\0"])],
            &[(b'H', &[b"\xff"])],
        ] {
            assert!(judged(0, script).await.0.is_err(), "{script:?}");
        }
        static ENDLESS: [&[u8]; JUDGE_ANSWERS_MAX + 1] = [b"p"; JUDGE_ANSWERS_MAX + 1];
        static SCRIPT: [(u8, &[&[u8]]); 1] = [(b'E', &ENDLESS)];
        assert!(judged(0, &SCRIPT).await.0.is_err());
    }

    /// What a judge that says this one packet to the negotiation gets back.
    async fn negotiated_with(packet: Vec<u8>) -> io::Result<Heard> {
        let (ours, mut theirs) = tokio::io::duplex(1 << 16);
        tokio::spawn(async move {
            let length = theirs.read_u32().await.expect("a packet");
            theirs.read_exact(&mut vec![0; length as usize]).await.expect("a packet");
            let _ = theirs.write_u32(packet.len() as u32).await;
            let _ = theirs.write_all(&packet).await;
            // All that it can leave out is left out: the end of the mail alone is asked about.
            while let Ok(length) = theirs.read_u32().await {
                let mut asked = vec![0; length as usize];
                theirs.read_exact(&mut asked).await.expect("a packet");
                if matches!(asked.first(), Some(b'D' | b'Q')) {
                    continue;
                }
                let _ = theirs.write_u32(1).await;
                let _ = theirs.write_all(b"c").await;
            }
        });
        let case = Case {
            id: "1",
            hostname: "mail.home.example",
            ip: "192.0.2.1".parse().expect("an address"),
            port: 40_000,
            host: None,
            hello: "c.example",
            sender: None,
            recipients: &[],
            message: &Message::from(RAW),
        };
        converse(ours, &case).await
    }

    #[tokio::test]
    async fn versions_and_packets_are_bounded_on_both_sides() {
        let said = |version: u32, length: usize| {
            let mut packet = [&b"O"[..], &version.to_be_bytes(), &0x31_u32.to_be_bytes(), &0_u32.to_be_bytes()].concat();
            packet.resize(length.max(packet.len()), 0);
            packet
        };
        assert!(negotiated_with(said(VERSION_MIN, 0)).await.is_ok());
        assert!(negotiated_with(said(VERSION_MIN - 1, 0)).await.is_err());
        // What is too long is not read; what is not is looked at.
        let long = |length| async move { negotiated_with(said(VERSION_MIN, length)).await.map_err(|error| error.to_string()) };
        let (within, beyond) = (long(PACKET_BYTES_MAX).await, long(PACKET_BYTES_MAX + 1).await);
        assert!(beyond.is_err() && within != beyond, "{within:?} {beyond:?}");
    }
}
