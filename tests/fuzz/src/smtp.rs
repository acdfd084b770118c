// SPDX-License-Identifier: AGPL-3.0-or-later
//! What mail servers, milters and proxies send.

use hearth_smtp::registry;
use hearth_smtp::state::{Accepted, Goal, Kind, State, Transaction};
use hearth_types::{Address, Domain};
use hearth_wire::milter::Answer;
use hearth_wire::proxy::{PREFIX_BYTES, parse_prefix};
use hearth_wire::smtp::{
    Command, DataDecoder, DataEncoder, DataProgress, Fields, LineCheck, MailParams, Path, Reply, ReplyReader, decode_xtext,
    encode_xtext, header_is_bounded, parse_command,
};
use hearth_wire::spf::is_sound;

use super::pieces;

/// Lines of a session, each admitted or refused wherever a session may stand.
pub fn command(data: &[u8]) {
    let transaction = |with: bool| {
        let address = Address::parse("a@b.example").expect("an address");
        let accepted = Accepted { address, goal: Goal::House, params: Default::default() };
        Transaction { sender: None, params: MailParams::default(), recipients: vec![accepted; usize::from(with)], chunks: None }
    };
    for line in data.split(|byte| *byte == b'\n') {
        let Ok(command) = parse_command(line) else { continue };
        assert!(registry::find(command.name()).is_some(), "{} is in no registry", command.name());
        for kind in [Kind::Mx, Kind::Submission, Kind::Lmtp] {
            for (secured, at) in [(false, None), (true, None), (true, Some(false)), (true, Some(true))] {
                let mut state = State::new(kind, secured);
                state.transaction = at.map(transaction);
                let admitted = state.admit(&command);
                let carries = matches!(command, Command::Data | Command::Bdat { .. });
                assert!(!carries || at == Some(true) || admitted.is_err(), "{line:?} without a recipient");
            }
        }
        match &command {
            Command::Mail(path, _) | Command::Rcpt(path, _) => means_the_same(path),
            _ => {}
        }
    }
}

/// A path that was read, written again, is the same path.
fn means_the_same(path: &Path) {
    let line = format!("RCPT TO:{path}");
    if let Ok(Command::Rcpt(again, _)) = parse_command(line.as_bytes()) {
        assert_eq!(&again, path, "{line}");
    }
}

/// A message after 354: wherever it is cut it is the same, nothing in it can end it early at the next server, and what is
/// sent on comes back.
pub fn data(data: &[u8]) {
    let (pieces, whole) = pieces(data);
    let mut decoder = DataDecoder::default();
    let (mut cut, mut ended, mut before) = (Vec::new(), None, 0);
    for piece in pieces {
        if let DataProgress::End { consumed } = decoder.push(piece, &mut cut) {
            ended = Some(before + consumed);
            break;
        }
        before += piece.len();
    }
    let mut all = Vec::new();
    let mut at_once = DataDecoder::default();
    let end = match at_once.push(whole, &mut all) {
        DataProgress::End { consumed } => Some(consumed),
        DataProgress::More => None,
    };
    assert_eq!((ended, decoder.fault(), &cut), (end, at_once.fault(), &all), "a cut changes nothing");
    if end.is_none() || at_once.fault().is_some() {
        return;
    }
    assert!(all.is_empty() || all.ends_with(b"\r\n"), "whole lines");
    lines_are_strict(&all);
    assert_eq!(sent_on(&all), all, "what is sent on is what came");
}

fn lines_are_strict(message: &[u8]) {
    for (at, byte) in message.iter().enumerate() {
        match byte {
            b'\n' => assert_eq!(at.checked_sub(1).map(|at| message[at]), Some(b'\r'), "a bare LF"),
            b'\r' => assert_eq!(message.get(at + 1), Some(&b'\n'), "a bare CR"),
            0 => panic!("a NUL"),
            _ => {}
        }
    }
}

fn sent_on(message: &[u8]) -> Vec<u8> {
    let (mut wire, mut back) = (Vec::new(), Vec::new());
    let mut encoder = DataEncoder::default();
    for piece in message.chunks(7) {
        encoder.push(piece, &mut wire);
    }
    encoder.finish(&mut wire);
    let mut decoder = DataDecoder::default();
    assert_eq!(decoder.push(&wire, &mut back), DataProgress::End { consumed: wire.len() }, "one message, and no byte after it");
    assert_eq!(decoder.fault(), None);
    back
}

/// Chunks: BDAT's lines are as strict as DATA's, wherever they are cut; the fields of the header are found.
pub fn bdat(data: &[u8]) {
    let (pieces, whole) = pieces(data);
    let (mut cut, mut at_once) = (LineCheck::default(), LineCheck::default());
    pieces.iter().for_each(|piece| cut.push(piece));
    at_once.push(whole);
    assert_eq!(cut.finish(), at_once.finish(), "a cut changes nothing");
    if at_once.finish().is_none() {
        lines_are_strict(whole);
        if whole.ends_with(b"\r\n") {
            assert_eq!(sent_on(whole), whole);
        }
    }
    let _ = header_is_bounded(whole);
    for field in Fields::of(whole) {
        let _ = (field.is("received"), field.value());
    }
}

/// What the server at the other end answers.
pub fn reply(data: &[u8]) {
    let mut reader = ReplyReader::default();
    for line in data.split(|byte| *byte == b'\n') {
        match reader.push(line) {
            Ok(None) => {}
            Ok(Some(reply)) => comes_back(&reply),
            Err(_) => return,
        }
    }
}

/// What one server said can be told to another, in lines that are replies.
fn comes_back(reply: &Reply) {
    let mut out = Vec::new();
    reply.encode(&mut out);
    let mut reader = ReplyReader::default();
    let lines: Vec<&[u8]> = out.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)).collect();
    let (end, lines) = lines.split_last().expect("split gives one");
    assert!(end.is_empty(), "the last line has its end");
    for (at, line) in lines.iter().enumerate() {
        let read = reader.push(line).expect("our own reply");
        assert_eq!(read.is_some(), at + 1 == lines.len(), "{}", String::from_utf8_lossy(&out));
        assert!(read.is_none_or(|read| read.code == reply.code));
    }
}

/// A mail that says it is a report.
pub fn report(data: &[u8]) {
    if let Some(report) = hearth_smtp::reports::read(data) {
        assert!(!report.kind.name().is_empty());
    }
}

/// Addresses, domains, the texts of DSN, and SPF records.
pub fn address(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let record = format!("v=spf1 {text}");
    assert!(!is_sound([record.as_str()]) || record.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{text:?}");
    if let Ok(domain) = Domain::parse(&text) {
        assert_eq!(Domain::parse(domain.as_str()), Ok(domain.clone()), "a domain is its own spelling");
    }
    if let Ok(address) = Address::parse(&text) {
        assert_eq!(Address::parse(&address.to_string()), Ok(address.clone()), "{text:?}");
        assert!(!address.to_string().contains(['\r', '\n', '\0']), "{text:?}");
        let _ = (address.key(), address.without_subaddress());
    }
    if let Some(decoded) = decode_xtext(&text) {
        assert_eq!(decode_xtext(&encode_xtext(&decoded)), Some(decoded));
    }
}

/// A packet of a milter.
pub fn milter(data: &[u8]) {
    if let Ok(Answer::AddHeader { name, .. } | Answer::ChangeHeader { name, .. }) = Answer::parse(data) {
        assert!(!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':'), "{name:?}");
    }
}

/// What a proxy puts before a connection.
pub fn proxy(data: &[u8]) {
    if let Some((head, rest)) = data.split_first_chunk::<PREFIX_BYTES>()
        && let Ok(prefix) = parse_prefix(head)
    {
        let _ = prefix.parse_rest(rest);
    }
}
