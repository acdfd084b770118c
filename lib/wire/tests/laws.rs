// SPDX-License-Identifier: AGPL-3.0-or-later
//! Laws of IMAP's grammar over whatever a stranger may send: bytes of chance, and commands that were tampered with.

use hearth_wire::imap::append::{parse_append_head, parse_append_next};
use hearth_wire::imap::response::encode_string;
use hearth_wire::imap::{
    AppendForm, Bounds, Charset, Event, Fragmentizer, MailboxName, decode_utf7, encode_command, encode_mailbox, encode_structure,
    encode_utf7, parse_command, parse_message_url,
};
use hearth_wire::message::parse;
use proptest::prelude::*;

const COMMANDS: &[&str] = &[
    "a LOGIN \"x\" {3+}\r\nabc\r\n",
    "a UID FETCH 1:*,7 (FLAGS BODY.PEEK[1.2.HEADER.FIELDS (TO \"x\")]<0.10> BINARY[1] PREVIEW (LAZY)) (CHANGEDSINCE 5 VANISHED)\r\n",
    "a SEARCH RETURN (MIN MAX PARTIAL -1:-9) CHARSET UTF-8 OR (NOT SEEN) (SINCE 1-Feb-2020 HEADER x {1+}\r\ny UID 1:$)\r\n",
    "a LIST (SUBSCRIBED SPECIAL-USE) \"\" (\"*\" %) RETURN (CHILDREN STATUS (MESSAGES) METADATA (/shared/comment))\r\n",
    "a SELECT inbox (QRESYNC (1 2 3:4 (1 5)) CONDSTORE)\r\n",
    "a APPEND x (\\Seen) \"17-Jul-1996 02:44:25 -0700\" CATENATE (URL \"/x/;UID=1\" TEXT {5+}\r\n",
    "a SETMETADATA \"\" (/private/x {2+}\r\nab /shared/y NIL)\r\n",
    "a ESEARCH IN (subtree (a b) mailboxes inbox) RETURN (COUNT) FUZZY TEXT x\r\n",
    "a UIDBATCHES 500 1:9\r\n",
];

/// One of them with some octets changed, and cut somewhere.
fn tampered() -> impl Strategy<Value = Vec<u8>> {
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
    (prop::sample::select(COMMANDS), changes, any::<prop::sample::Index>(), any::<bool>()).prop_map(|(text, changes, cut, cuts)| {
        let mut octets = text.as_bytes().to_vec();
        for (at, octet) in changes {
            let at = at.index(octets.len());
            octets[at] = octet;
        }
        if cuts {
            octets.truncate(cut.index(octets.len()));
            octets.extend_from_slice(b"\r\n");
        }
        octets
    })
}

/// The commands that come of a stream in such pieces, and how it ends.
fn commands(input: &[u8], cuts: &[usize]) -> (Vec<Vec<u8>>, Option<Event>) {
    let mut fragmentizer = Fragmentizer::new(Bounds::BEFORE_LOGIN);
    let (mut all, mut from) = (Vec::new(), 0);
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (input.len() + 1)).chain([input.len()]).collect();
    ends.sort_unstable();
    for end in ends {
        while from < end {
            let (taken, event) = fragmentizer.push(&input[from..end]);
            from += taken;
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
                let Some(length) = std::str::from_utf8(&text[at + 1..at + end]).ok().and_then(|text| text.parse::<usize>().ok())
                else {
                    return false;
                };
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

/// Pieces of which mails are made, in any order.
fn odd_mail() -> impl Strategy<Value = Vec<u8>> {
    let pieces: Vec<&'static [u8]> = vec![
        b"Content-Type: multipart/mixed; boundary=x\r\n",
        b"Content-Type: message/rfc822\r\n",
        b"Content-Type: text/\"; a*0*=utf-8''%\r\n",
        b"Content-Disposition: attachment; filename=\"\\\"\r\n",
        b"Content-ID: <\"(\xff)\r\n",
        b"From: a, group: b@c;, \"(\" <@d>\r\n",
        b"Subject: =?utf-8?B?AAo=?= \"{5}\r\n",
        b"\r\n",
        b"\n",
        b"--x\r\n",
        b"--x--\r\n",
        b"text\0 ) (\r\n",
    ];
    prop::collection::vec(prop_oneof![8 => prop::sample::select(pieces).prop_map(<[u8]>::to_vec), 1 => any::<[u8; 3]>().prop_map(|octets| octets.to_vec())], 0..60)
        .prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn anything_is_a_command_or_a_mistake(octets in prop_oneof![prop::collection::vec(any::<u8>(), 0..200), tampered()]) {
        for charset in [Charset::Utf7, Charset::Utf8] {
            let _ = parse_append_head(&octets, charset);
            if let Ok(tagged) = parse_command(&octets, charset) {
                // What is understood can be said again, and means the same.
                let mut out = Vec::new();
                encode_command(&mut out, &tagged, charset);
                let again = parse_command(&out, charset);
                prop_assert_eq!(again.as_ref(), Ok(&tagged), "{}", String::from_utf8_lossy(&out));
            }
        }
        for form in [AppendForm::Literal, AppendForm::Utf8, AppendForm::Catenate] {
            let _ = parse_append_next(&octets, form);
        }
        let _ = parse_message_url(&String::from_utf8_lossy(&octets));
    }

    #[test]
    fn any_cut_gives_the_same_commands(stream in prop::collection::vec(tampered(), 1..5), cuts in prop::collection::vec(0..400_usize, 0..8)) {
        let stream = stream.concat();
        prop_assert_eq!(commands(&stream, &cuts), commands(&stream, &[]));
    }

    #[test]
    fn names_of_mailboxes_come_back(name in "\\PC{1,40}") {
        let encoded = encode_utf7(&name);
        prop_assert!(encoded.is_ascii());
        prop_assert_eq!(decode_utf7(&encoded), Some(name.clone()));
        if let Ok(mailbox) = MailboxName::new(&name) {
            for charset in [Charset::Utf7, Charset::Utf8] {
                let mut line = b"a DELETE ".to_vec();
                encode_mailbox(&mut line, mailbox.as_str(), charset);
                line.extend_from_slice(b"\r\n");
                prop_assert!(parse_command(&line, charset).is_ok(), "{}", String::from_utf8_lossy(&line));
            }
        }
    }

    #[test]
    fn modified_utf7_has_one_way(text in "[&A-Za-z0-9+,/-]{0,20}") {
        if let Some(decoded) = decode_utf7(&text) {
            prop_assert_eq!(encode_utf7(&decoded), text);
        }
    }

    #[test]
    fn the_structure_of_any_mail_is_imap(raw in odd_mail()) {
        let parsed = parse(&raw);
        prop_assert_eq!(parsed.size_bytes, raw.len() as u64);
        for (extended, charset) in [(true, Charset::Utf7), (false, Charset::Utf8)] {
            let mut out = Vec::new();
            encode_structure(&mut out, &parsed.structure, extended, charset);
            prop_assert!(is_balanced(&out), "{}", String::from_utf8_lossy(&out));
        }
        let mut out = Vec::new();
        hearth_wire::imap::encode_envelope(&mut out, &parsed.envelope, Charset::Utf7);
        prop_assert!(is_balanced(&out), "{}", String::from_utf8_lossy(&out));
    }

    #[test]
    fn any_string_is_one_string(octets in prop::collection::vec(any::<u8>(), 0..60)) {
        let mut out = b"a LOGIN ".to_vec();
        encode_string(&mut out, &octets, Charset::Utf7);
        prop_assert!(is_balanced(&out[8..]));
    }
}
