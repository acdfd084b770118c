// SPDX-License-Identifier: AGPL-3.0-or-later
//! What strangers write to a mail server, bent in every way: never a panic, and what is taken can be written again.

use hearth_types::Address;
use hearth_wire::milter::Answer;
use hearth_wire::smtp::{Command, DataDecoder, DataProgress, LineCheck, Path, ReplyReader, parse_command};

const ROUNDS: usize = 40_000;

/// A stream of numbers that is the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % end.max(1) as u64).unwrap_or_default()
    }

    /// A seed with some octets changed, taken out, doubled or put in.
    fn bend(&mut self, seeds: &[&[u8]]) -> Vec<u8> {
        const SPICE: &[u8] = b"\0\r\n \t<>@:;\"\\.[]()=,+-*%\x7f\x80\xff\xc3\xa4aA09";
        let mut bytes = seeds[self.below(seeds.len())].to_vec();
        for _ in 0..self.below(6) {
            let at = self.below(bytes.len() + 1);
            let spice = SPICE[self.below(SPICE.len())];
            match self.below(4) {
                0 if at < bytes.len() => bytes[at] = spice,
                1 if at < bytes.len() => drop(bytes.remove(at)),
                2 => {
                    let piece: Vec<u8> = bytes[at..].iter().copied().take(20).collect();
                    bytes.splice(at..at, piece);
                }
                _ => bytes.insert(at, spice),
            }
        }
        bytes
    }
}

#[test]
fn commands_and_addresses() {
    let seeds: &[&[u8]] = &[
        b"MAIL FROM:<a.b+c@x.example> SIZE=100 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=a+2Bb REQUIRETLS",
        b"MAIL FROM:<\"a b\"@x.example> BODY=BINARYMIME",
        "MAIL FROM:<jürgen@müller.example> SMTPUTF8".as_bytes(),
        b"MAIL FROM:<>",
        b"RCPT TO:<@a.example,@b.example:c@d.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;c+40d.example",
        b"RCPT TO:<postmaster>",
        b"RCPT TO:<a@[192.0.2.1]>",
        b"RCPT TO:<a@[IPv6:2001:db8::1]>",
        b"BDAT 4294967296 LAST",
        b"EHLO [IPv6:::1]",
        b"AUTH PLAIN AGEAYg==",
        b"NOOP x",
    ];
    let mut numbers = Numbers(1);
    for _ in 0..ROUNDS {
        let line = numbers.bend(seeds);
        if let Ok(Command::Mail(Path::Mailbox(address), _) | Command::Rcpt(Path::Mailbox(address), _)) = parse_command(&line) {
            let text = address.to_string();
            assert!(!text.contains(['\r', '\n', '\0']), "{}", line.escape_ascii());
            assert_eq!(Address::parse(&text).as_ref(), Ok(&address), "{}", line.escape_ascii());
        }
    }
}

#[test]
fn framing() {
    let seeds: &[&[u8]] = &[b"a\r\n..b\r\n.\r\nQUIT\r\n", b".\r\n", b"a\n.\nb\r\n.\r\n", b"\r\n.\r\n\r\n.\r\n"];
    let mut numbers = Numbers(2);
    for _ in 0..ROUNDS {
        let wire = numbers.bend(seeds);
        let whole = |cut: usize| {
            let (mut decoder, mut out, mut consumed) = (DataDecoder::default(), Vec::new(), None);
            for (start, piece) in [(0, &wire[..cut]), (cut, &wire[cut..])] {
                if consumed.is_none()
                    && let DataProgress::End { consumed: here } = decoder.push(piece, &mut out)
                {
                    consumed = Some(start + here);
                }
            }
            (out, consumed, decoder.fault())
        };
        let cut = numbers.below(wire.len() + 1);
        let (out, end, fault) = whole(0);
        let cut_up = whole(cut);
        assert_eq!((cut_up.1, cut_up.2), (end, fault), "{} cut at {cut}", wire.escape_ascii());
        if end.is_some() && fault.is_none() {
            assert_eq!(cut_up.0, out);
            // What is taken has lines.
            let mut check = LineCheck::default();
            check.push(&out);
            assert_eq!(check.finish(), None, "{}", wire.escape_ascii());
        }
    }
}

#[test]
fn replies_and_answers_of_judges() {
    let lines: &[&[u8]] = &[b"250-a", b"250 2.1.0 ok", b"550 5.7.1 no", b"354 go", b"25", b"999 x", b"250"];
    let packets: &[&[u8]] =
        &[b"O\0\0\0\x06\0\0\0\x31\0\0\0\0", b"hX-Spam\0Yes\0", b"i\0\0\0\x01A\0b\0", b"y550 5.7.1 no\0", b"m\0\0\0\x01A\0\0", b"c"];
    let mut numbers = Numbers(3);
    for _ in 0..ROUNDS {
        let mut reader = ReplyReader::default();
        for _ in 0..3 {
            if let Ok(Some(reply)) = reader.push(&numbers.bend(lines)) {
                assert!((200..600).contains(&reply.code), "{reply:?}");
                break;
            }
        }
        if let Ok(Answer::AddHeader { name, value, .. }) = Answer::parse(&numbers.bend(packets)) {
            assert!(!name.is_empty() && !name.contains([':', '\r', '\n', ' ']) && !value.contains(&0));
        }
    }
}
