// SPDX-License-Identifier: AGPL-3.0-or-later
//! What mail programs send: IMAP, POP3, ManageSieve.

use hearth_imap::registry::find_command;
use hearth_imap::state::{Admits, Phase};
use hearth_wire::imap::append::{parse_append_head, parse_append_next};
use hearth_wire::imap::{
    AppendForm, Bounds, Charset, Event, Fragmentizer, MailboxName, decode_utf7, encode_command, encode_mailbox, encode_utf7,
    matches, parse_command, parse_message_url, parse_tag_and_verb,
};
use hearth_wire::{pop3, sieve_protocol};

use super::pieces;

/// A command with its literals, in every state: what is understood can be said again and means the same; what only a person
/// may do is refused to a stranger.
pub fn command(data: &[u8]) {
    for charset in [Charset::Utf7, Charset::Utf8] {
        let _ = parse_append_head(data, charset);
        let Ok(tagged) = parse_command(data, charset) else { continue };
        let mut out = Vec::new();
        encode_command(&mut out, &tagged, charset);
        let again = parse_command(&out, charset);
        assert_eq!(again.as_ref(), Ok(&tagged), "{}", String::from_utf8_lossy(&out));
    }
    for form in [AppendForm::Literal, AppendForm::Utf8, AppendForm::Catenate] {
        let _ = parse_append_next(data, form);
    }
    if let Some((_, verb)) = parse_tag_and_verb(data)
        && let Some(admits) = find_command(&verb)
    {
        let stranger = Phase::NotAuthenticated.admit(admits).is_ok();
        assert_eq!(stranger, matches!(admits, Admits::Any | Admits::BeforeLogin), "{verb}");
        assert!(Phase::Selected.admit(admits).is_ok() || admits == Admits::BeforeLogin, "{verb}");
    }
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = parse_message_url(text);
    }
}

/// A stream of commands, cut anywhere: the same commands, within their bounds.
pub fn literal(data: &[u8]) {
    let (pieces, whole) = pieces(data);
    for bounds in [Bounds::BEFORE_LOGIN, Bounds::AFTER_LOGIN] {
        assert_eq!(commands(&pieces, bounds), commands(&[whole], bounds), "a cut changes nothing");
    }
}

fn commands(pieces: &[&[u8]], bounds: Bounds) -> (Vec<Vec<u8>>, Option<Event>) {
    let (mut fragmentizer, mut all) = (Fragmentizer::new(bounds), Vec::new());
    for piece in pieces {
        let mut rest = *piece;
        while !rest.is_empty() {
            let (taken, event) = fragmentizer.push(rest);
            rest = &rest[taken..];
            assert!(fragmentizer.text().len() <= bounds.command_bytes_max, "a command within its bound");
            match event {
                Event::More => {}
                Event::Command => {
                    all.push(fragmentizer.text().to_vec());
                    fragmentizer.clear();
                }
                Event::Literal(literal) if fragmentizer.accept(literal) => {}
                last => return (all, Some(last)),
            }
        }
    }
    (all, None)
}

/// Names of mailboxes: modified UTF-7 has one way, both ways.
pub fn mailbox(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some(decoded) = decode_utf7(text) {
        assert_eq!(encode_utf7(&decoded), text, "one spelling");
    }
    let encoded = encode_utf7(text);
    assert!(encoded.is_ascii());
    assert_eq!(decode_utf7(&encoded).as_deref(), Some(text), "{encoded}");
    if let Ok(name) = MailboxName::new(text) {
        for charset in [Charset::Utf7, Charset::Utf8] {
            let mut line = b"a DELETE ".to_vec();
            encode_mailbox(&mut line, name.as_str(), charset);
            line.extend_from_slice(b"\r\n");
            assert!(parse_command(&line, charset).is_ok(), "{}", String::from_utf8_lossy(&line));
        }
    }
    let (pattern, name) = text.split_once('\n').unwrap_or((text, "INBOX"));
    let _ = matches("", pattern, name);
}

/// Search keys, wherever they stand.
pub fn search(data: &[u8]) {
    for verb in ["SEARCH", "UID SORT (REVERSE DATE) UTF-8", "THREAD REFERENCES UTF-8", "ESEARCH IN (personal)"] {
        let line = [format!("a {verb} ").as_bytes(), data, b"\r\n"].concat();
        let Ok(tagged) = parse_command(&line, Charset::Utf8) else { continue };
        let mut out = Vec::new();
        encode_command(&mut out, &tagged, Charset::Utf8);
        assert_eq!(parse_command(&out, Charset::Utf8).as_ref(), Ok(&tagged), "{}", String::from_utf8_lossy(&out));
    }
}

/// A line of POP3; a mail that is listed with its dots.
pub fn pop3(data: &[u8]) {
    for line in data.split(|byte| *byte == b'\n') {
        let _ = pop3::parse_command(line);
    }
    let mut out = Vec::new();
    let mut stuffer = pop3::Stuffer::new();
    let (pieces, _) = pieces(data);
    pieces.iter().for_each(|piece| stuffer.push(piece, &mut out));
    stuffer.finish(&mut out);
    assert!(out.ends_with(b".\r\n"));
    let end = out.windows(5).position(|window| window == b"\r\n.\r\n").map_or(3, |at| at + 5);
    assert_eq!(end, out.len(), "nothing in a mail ends it early");
}

/// A command of ManageSieve with its literals.
pub fn managesieve(data: &[u8]) {
    let _ = sieve_protocol::parse_command(data);
    let _ = sieve_protocol::parse_answer(data);
}
