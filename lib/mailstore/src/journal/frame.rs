// SPDX-License-Identifier: AGPL-3.0-or-later
//! A delivery as bytes of the journal.
//!
//! ```text
//! magic (4) | length of the rest (u32 LE) | hash of the rest (8) | the rest
//! ```
//!
//! A frame that is cut short or does not match its hash is the torn end of a write that was never
//! answered: reading stops there.

use std::path::Path;
use std::sync::Arc;

use hearth_types::{AccountId, MessageId, Timestamp};

use crate::body::{self, Packed, PackedData, Temporary};
use crate::delivery::{Accepted, Copy, Recipient, Target};
use crate::error::{Error, Result};
use crate::flags::{Flag, FlagSet};
use crate::mailbox::Role;

const MAGIC: [u8; 4] = *b"hJ1\n";
const HEAD_BYTES: usize = 4 + 4 + 8;

pub(super) fn write(accepted: &Accepted) -> Result<Vec<u8>> {
    let mut frame = vec![0; HEAD_BYTES];
    put_text(&mut frame, &accepted.id);
    put(&mut frame, accepted.received_at.millis());
    put(&mut frame, crate::tx::number(accepted.packed.len)?);
    match &accepted.packed.data {
        PackedData::Row(data) => {
            frame.push(0);
            put_bytes(&mut frame, data);
        }
        PackedData::File(file) => {
            frame.push(1);
            put_text(&mut frame, file.path().file_name().and_then(|name| name.to_str()).unwrap_or_default());
        }
    }
    put(&mut frame, accepted.copies.len() as i64);
    for copy in &accepted.copies {
        put(&mut frame, copy.recipient.account.as_i64());
        put(&mut frame, copy.message.as_i64());
        put_bytes(&mut frame, &copy.recipient.prefix);
        put_text(&mut frame, &copy.recipient.flags.iter().map(|flag| flag.to_string()).collect::<Vec<_>>().join(" "));
        put(&mut frame, copy.recipient.targets.len() as i64);
        for target in &copy.recipient.targets {
            match target {
                Target::Role(role) => put_text(&mut frame, &format!("r{}", role.as_str())),
                Target::Path { path, create: true } => put_text(&mut frame, &format!("c{path}")),
                Target::Path { path, create: false } => put_text(&mut frame, &format!("p{path}")),
            }
        }
    }
    let (head, rest) = frame.split_at_mut(HEAD_BYTES);
    let length = u32::try_from(rest.len()).map_err(|_| Error::TooMany("bytes of one delivery"))?;
    let (magic, sizes) = head.split_at_mut(4);
    magic.copy_from_slice(&MAGIC);
    let (size, hash) = sizes.split_at_mut(4);
    size.copy_from_slice(&length.to_le_bytes());
    hash.copy_from_slice(&hash_of(rest));
    Ok(frame)
}

fn hash_of(bytes: &[u8]) -> [u8; 8] {
    let hash = blake3::hash(bytes);
    *hash.as_bytes().first_chunk().unwrap_or(&[0; 8])
}

fn put(out: &mut Vec<u8>, number: i64) {
    out.extend_from_slice(&number.to_le_bytes());
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put(out, bytes.len() as i64);
    out.extend_from_slice(bytes);
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_bytes(out, text.as_bytes());
}

/// Every whole frame of a segment, and how many more there are that cannot be read; what follows the first torn one is left.
pub(super) fn read_all(mut segment: &[u8], folder: &Path) -> (Vec<Accepted>, usize) {
    let (mut all, mut unread) = (Vec::new(), 0);
    while !segment.is_empty() {
        let Some((rest, after)) = split(segment) else {
            tracing::info!(bytes = segment.len(), "the journal ends in a frame that was never answered");
            break;
        };
        match read(rest, folder) {
            Some(accepted) => all.push(accepted),
            // No row may stop a start: what matches its hash and still cannot be read is named and passed over.
            None => {
                unread += 1;
                tracing::error!(bytes = rest.len(), "a delivery in the journal cannot be read");
            }
        }
        segment = after;
    }
    (all, unread)
}

fn split(segment: &[u8]) -> Option<(&[u8], &[u8])> {
    let (magic, rest) = segment.split_first_chunk::<4>()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (hash, rest) = rest.split_first_chunk::<8>()?;
    let (frame, after) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    (*magic == MAGIC && hash_of(frame) == *hash).then_some((frame, after))
}

fn read(mut frame: &[u8], folder: &Path) -> Option<Accepted> {
    let from = &mut frame;
    let id = take_text(from)?;
    let received_at = Timestamp::from_millis(take(from)?);
    let len = u64::try_from(take(from)?).ok()?;
    let (kind, rest) = from.split_first()?;
    *from = rest;
    let data = match kind {
        0 => PackedData::Row(take_bytes(from)?.to_vec()),
        _ => {
            let file = Temporary::new(folder.join(take_text(from)?));
            // It goes with its segment.
            file.keep();
            PackedData::File(file)
        }
    };
    let packed = Packed { len, data };
    let count = take(from)?;
    let mut copies = Vec::new();
    for _ in 0..count {
        copies.push(read_copy(from, &packed)?);
    }
    from.is_empty().then_some(Accepted { id, received_at, packed, copies })
}

fn read_copy(from: &mut &[u8], packed: &Packed) -> Option<Copy> {
    let account = AccountId::from_i64(take(from)?);
    let message = MessageId::from_i64(take(from)?);
    let prefix = take_bytes(from)?.to_vec();
    let flags: FlagSet = take_text(from)?.split(' ').filter_map(Flag::from_imap).collect();
    let mut targets = Vec::new();
    for _ in 0..take(from)? {
        let text = take_text(from)?;
        let (kind, name) = text.split_at_checked(1)?;
        targets.push(match kind {
            "r" => Target::Role(Role::parse(name)?),
            kind => Target::Path { path: name.to_string(), create: kind == "c" },
        });
    }
    let parsed = Arc::new(body::parse(packed, &prefix).ok()?);
    Some(Copy { recipient: Recipient { account, prefix, targets, flags }, message, parsed })
}

fn take(from: &mut &[u8]) -> Option<i64> {
    let (number, rest) = from.split_first_chunk::<8>()?;
    *from = rest;
    Some(i64::from_le_bytes(*number))
}

fn take_bytes<'a>(from: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(take(from)?).ok()?;
    let (bytes, rest) = from.split_at_checked(length)?;
    *from = rest;
    Some(bytes)
}

fn take_text(from: &mut &[u8]) -> Option<String> {
    String::from_utf8(take_bytes(from)?.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::Content;

    fn accepted(id: &str) -> Accepted {
        let raw = Content::Bytes(b"Subject: hello\r\n\r\nbody\r\n".to_vec());
        let (packed, parsed) = body::prepare(&raw, b"X: 1\r\n", || unreachable!("it is small")).expect("packs");
        let recipient = Recipient {
            account: AccountId::from_i64(7),
            prefix: b"X: 1\r\n".to_vec(),
            targets: vec![
                Target::Role(Role::Junk),
                Target::Path { path: "a/b".into(), create: true },
                Target::Path { path: "c".into(), create: false },
            ],
            flags: [Flag::Seen, Flag::Keyword("$x".into())].into_iter().collect(),
        };
        let copy = Copy { recipient, message: MessageId::from_i64(9), parsed: Arc::new(parsed) };
        Accepted { id: id.into(), received_at: Timestamp::from_secs(5), packed, copies: vec![copy] }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let one = accepted("one");
        let bytes = [write(&one).expect("writes"), write(&accepted("two")).expect("writes")].concat();
        let all = read_all(&bytes, Path::new("/nowhere")).0;
        assert_eq!(all.iter().map(|a| a.id.as_str()).collect::<Vec<_>>(), ["one", "two"]);
        let (read, wrote) = (&all[0].copies[0], &one.copies[0]);
        assert_eq!((&read.recipient, read.message, &read.parsed), (&wrote.recipient, wrote.message, &wrote.parsed));
        assert_eq!((all[0].received_at, all[0].packed.len), (one.received_at, one.packed.len));
    }

    #[test]
    fn a_torn_end_is_left_at_any_cut() {
        let first = write(&accepted("one")).expect("writes");
        let both = [first.clone(), write(&accepted("two")).expect("writes")].concat();
        for cut in first.len()..both.len() {
            assert_eq!(read_all(&both[..cut], Path::new("/nowhere")).0.len(), 1, "cut at {cut}");
        }
        let mut flipped = both.clone();
        *flipped.last_mut().expect("bytes") ^= 1;
        assert_eq!(read_all(&flipped, Path::new("/nowhere")).0.len(), 1);
    }

    #[test]
    fn what_cannot_be_read_is_counted() {
        let odd = b"no delivery";
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&(odd.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&hash_of(odd));
        bytes.extend_from_slice(odd);
        bytes.extend_from_slice(&write(&accepted("one")).expect("writes"));
        let (all, unread) = read_all(&bytes, Path::new("/nowhere"));
        assert_eq!((all.len(), unread), (1, 1));
    }
}
