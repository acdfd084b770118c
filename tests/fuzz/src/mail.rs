// SPDX-License-Identifier: AGPL-3.0-or-later
//! Mails of any kind, and the scripts that sort them.

use hearth_filter::junk;
use hearth_filter::sieve::{Action, Lookup, Subject, compile};
use hearth_wire::imap::{Charset, encode_envelope, encode_structure};
use hearth_wire::message::{
    Headers, Parsed, Scanner, base_subject, casemap, decode_part, html_to_text, is_safe_for_mail_parser, parse,
    parse_with_mail_parser,
};
use hearth_wire::smtp::body_offset;

use super::pieces;

/// Any bytes are a mail: the same however it is cut, with a structure that is IMAP, kept and found again.
pub fn mime(data: &[u8]) {
    let (pieces, raw) = pieces(data);
    let mut scanner = Scanner::new();
    pieces.iter().for_each(|piece| scanner.push(piece));
    let parsed = parse(raw);
    assert_eq!(scanner.finish(), parsed, "a cut changes nothing");
    assert_eq!(parsed.size_bytes, raw.len() as u64);
    for (extended, charset) in [(true, Charset::Utf7), (false, Charset::Utf8)] {
        let mut out = Vec::new();
        encode_structure(&mut out, &parsed.structure, extended, charset);
        assert!(is_balanced(&out), "{}", String::from_utf8_lossy(&out));
    }
    let mut out = Vec::new();
    encode_envelope(&mut out, &parsed.envelope, Charset::Utf7);
    assert!(is_balanced(&out), "{}", String::from_utf8_lossy(&out));
    let kept = Parsed::unpack(&parsed.pack()).expect("what was packed");
    assert_eq!(kept, Parsed { text: String::new(), ..parsed.clone() });
    let _ = Parsed::unpack(raw);
    parts(raw, &parsed);
}

/// Each part lies within the mail; each field gives something for everything that it is asked.
fn parts(raw: &[u8], parsed: &Parsed) {
    for part in parsed.structure.walk() {
        assert!(part.body.start <= part.body.end && part.body.end <= raw.len() as u64, "{:?}", part.body);
    }
    for leaf in parsed.structure.leaves() {
        let range = usize::try_from(leaf.body.start).expect("in memory")..usize::try_from(leaf.body.end).expect("in memory");
        let (text, _) = decode_part(leaf, &raw[range]);
        let _ = (html_to_text(&text), leaf.file_name(), leaf.mime_type());
    }
    for field in Headers::new(&raw[..body_offset(raw)]) {
        let text = field.text();
        let (subject, _) = base_subject(&text);
        let _ = casemap(&subject);
        let _ = (field.unfolded(), field.addresses(), field.message_ids(), field.date(), field.urls());
    }
    let _ = junk::tokens(parsed);
    if is_safe_for_mail_parser(raw) {
        let _ = parse_with_mail_parser(raw);
    }
}

/// Parentheses that are neither in quotes nor in literals are in balance.
fn is_balanced(text: &[u8]) -> bool {
    let (mut depth, mut at) = (0_i64, 0);
    while let Some(octet) = text.get(at) {
        match octet {
            b'(' => depth += 1,
            b')' => depth -= 1,
            b'"' => {
                at += 1;
                while text.get(at).is_some_and(|octet| *octet != b'"') {
                    at += if text[at] == b'\\' { 2 } else { 1 };
                }
            }
            b'{' => {
                let Some(end) = text[at..].iter().position(|octet| *octet == b'}') else { return false };
                let length = std::str::from_utf8(&text[at + 1..at + end]).ok().and_then(|text| text.parse::<usize>().ok());
                let Some(length) = length else { return false };
                at += end + 2 + length;
            }
            octet if octet.is_ascii_control() => return false,
            _ => {}
        }
        if depth < 0 {
            return false;
        }
        at += 1;
    }
    depth == 0
}

struct Nobody;

impl Lookup for Nobody {
    fn mailbox(&mut self, path: &str) -> bool {
        path.len().is_multiple_of(2)
    }
    fn mailbox_by_id(&mut self, _: &str) -> Option<String> {
        None
    }
    fn mailbox_by_use(&mut self, special_use: &str) -> Option<String> {
        (special_use == "\\Junk").then(|| "Junk".to_string())
    }
    fn is_remembered(&mut self, id: &str) -> bool {
        id.len().is_multiple_of(2)
    }
    fn annotations(&mut self) -> Vec<(Option<String>, String, String)> {
        vec![(None, "/private/comment".to_string(), "a note".to_string())]
    }
    fn script(&mut self, name: &str) -> Option<Vec<u8>> {
        (name == "other").then(|| b"require \"include\"; include \"other\"; keep;".to_vec())
    }
}

const MAIL: &[u8] = b"From: Carol <carol@else.example>\r\nTo: alice@home.example\r\nSubject: A =?utf-8?Q?l=C3=A9tter?=\r\n\
    Date: Fri, 20 Nov 2026 10:00:00 +0100\r\nList-Id: <a.else.example>\r\nMIME-Version: 1.0\r\n\
    Content-Type: multipart/alternative; boundary=x\r\n\r\n--x\r\nContent-Type: text/plain\r\n\r\nhello\r\n--x\r\n\
    Content-Type: text/html\r\n\r\n<b>hello</b>\r\n--x--\r\n";

/// A script, and behind a line of `%%` a mail: what goes wrong keeps the mail.
pub fn sieve(data: &[u8]) {
    let split = data.windows(4).position(|window| window == b"\n%%\n");
    let (script, mail) = split.map_or((data, MAIL), |at| (&data[..at], &data[at + 4..]));
    let Ok(script) = compile(script) else { return };
    let subject = Subject {
        raw: mail,
        cut_from: None,
        sender: "carol@else.example",
        recipient: "alice+list@home.example",
        owner: "alice@home.example",
        owner_name: "Alice",
        hostname: "mail.home.example",
        junk: Some(0.5),
    };
    let ran = script.run(&subject, &mut Nobody);
    let kept = ran.actions.iter().any(|action| matches!(action, Action::File { .. }));
    assert!(ran.error.is_none() || kept, "an error lost a mail: {:?}", ran.error);
}
