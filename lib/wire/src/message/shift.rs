// SPDX-License-Identifier: AGPL-3.0-or-later
//! What is known of a message whose first fields are others: the copies of one mail differ in what was written on the way.

use super::limits::HEADER_BYTES_MAX;
use super::structure::Part;
use super::{Headers, Parsed};

/// Fields of the way: nothing that [`Parsed`] has comes from them.
const OF_THE_WAY: [&str; 5] = ["Return-Path", "Delivered-To", "Received", "Authentication-Results", "X-Hearth-Reason"];

impl Parsed {
    /// Of the message that begins with `before`: as if it began with `now`. `None` where that cannot be said without reading
    /// it again.
    pub fn begun_with(&self, before: &[u8], now: &[u8]) -> Option<Self> {
        let header = self.structure.header.end;
        let bound = HEADER_BYTES_MAX as u64;
        // A mail that begins with a fold goes on with the last of these fields, where there is one.
        let alike = before.is_empty() == now.is_empty();
        if !alike || !is_of_the_way(before) || !is_of_the_way(now) || header + now.len() as u64 > bound {
            return None;
        }
        let lines = |of: &[u8]| of.iter().filter(|byte| **byte == b'\n').count() as u64;
        let shift = |at: u64| at.checked_sub(before.len() as u64).map(|at| at + now.len() as u64);
        let mut shifted = self.clone();
        shifted.size_bytes = shift(self.size_bytes)?;
        shifted.lines = self.lines.checked_sub(lines(before))? + lines(now);
        let root = &mut shifted.structure;
        let start = root.header.start;
        shift_part(root, &shift)?;
        root.header.start = start;
        Some(shifted)
    }
}

/// Is it nothing but whole fields of the way?
fn is_of_the_way(fields: &[u8]) -> bool {
    let mut length = 0;
    for field in Headers::new(fields) {
        if !OF_THE_WAY.iter().any(|name| field.is(name)) {
            return false;
        }
        length += field.field.len();
    }
    length == fields.len() && (fields.is_empty() || fields.ends_with(b"\r\n"))
}

fn shift_part(part: &mut Part, shift: &impl Fn(u64) -> Option<u64>) -> Option<()> {
    // The root's header begins where the message does.
    part.header.start = shift(part.header.start).unwrap_or_default();
    for at in [&mut part.header.end, &mut part.body.start, &mut part.body.end] {
        *at = shift(*at)?;
    }
    part.parts.iter_mut().try_for_each(|inner| shift_part(inner, shift))
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    #[test]
    fn it_is_what_reading_it_again_gives() {
        let nested = "From: a@x\r\nSubject: s\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\n\
            Content-Type: message/rfc822\r\n\r\nSubject: in\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\nx\r\n--c--\r\n--b--\r\n";
        let prefixes = [
            "",
            "Return-Path: <a@x>\r\nDelivered-To: b@y\r\n",
            "Received: x\r\n",
            "Received: from a\r\n\tby b; Mon\r\nAuthentication-Results: x; spf=pass\r\nX-Hearth-Reason: so\r\n",
        ];
        for mail in [
            nested,
            " fold\r\nFrom: a@x\r\n\r\nhi",
            "From: a@x\r\n\r\nhi\r\n",
            "\r\nno header",
            "From: a@x\r\n",
            "no mail at all",
            "",
        ] {
            for before in prefixes {
                let parsed = parse(format!("{before}{mail}").as_bytes());
                for now in prefixes.into_iter().filter(|now| now.is_empty() == before.is_empty()) {
                    let again = parse(format!("{now}{mail}").as_bytes());
                    assert_eq!(parsed.begun_with(before.as_bytes(), now.as_bytes()), Some(again), "{before:?} {now:?} {mail:?}");
                }
            }
        }
    }

    #[test]
    fn what_may_say_something_is_read_again() {
        let parsed = parse(b"Return-Path: <a@x>\r\nFrom: a@x\r\n\r\nhi\r\n");
        for now in ["Subject: new\r\n", "Received: x\r\nContent-Type: text/html\r\n", "Received: no end", "junk\r\n", "\r\n"] {
            assert_eq!(parsed.begun_with(b"Return-Path: <a@x>\r\n", now.as_bytes()), None, "{now:?}");
        }
        let field = format!("Received: {}\r\n", "x".repeat(1000));
        for (count, can) in [(HEADER_BYTES_MAX / 1012 - 1, true), (HEADER_BYTES_MAX / 1012 + 1, false)] {
            let now = field.repeat(count);
            assert_eq!(parsed.begun_with(b"Return-Path: <a@x>\r\n", now.as_bytes()).is_some(), can);
        }
    }
}
