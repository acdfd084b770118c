// SPDX-License-Identifier: AGPL-3.0-or-later
//! Both sides of the bound between memory and file, and what comes out of either.
use std::io::Write;

use super::*;

const HEADER: &[u8] = b"From: a@b.c\r\nSubject: s\r\n\r\n";

fn octets(len: usize) -> Vec<u8> {
    let body = (0..len - HEADER.len()).map(|n| (n % 251) as u8);
    HEADER.iter().copied().chain(body).collect()
}

fn spooled(dir: &std::path::Path, octets: &[u8], piece: usize) -> Message {
    let mut spool = Spool::new(dir);
    octets.chunks(piece).for_each(|piece| spool.write_all(piece).expect("written"));
    spool.finish().expect("finished")
}

fn read(message: &Message) -> Vec<u8> {
    let mut all = Vec::new();
    message.reader().and_then(|mut reader| reader.read_to_end(&mut all)).expect("read");
    all
}

async fn pieces(message: &Message, offset: usize) -> Vec<u8> {
    let (mut pieces, mut all) = (message.pieces_from(offset), Vec::new());
    loop {
        match pieces.next().await.expect("a piece") {
            [] => return all,
            piece => all.extend_from_slice(piece),
        }
    }
}

#[tokio::test]
async fn both_sides_of_the_bound() {
    let dir = tempfile::tempdir().expect("a folder");
    for (len, is_small) in [(MESSAGE_IN_MEMORY_BYTES_MAX, true), (MESSAGE_IN_MEMORY_BYTES_MAX + 1, false), (3_000_001, false)] {
        let all = octets(len);
        for piece in [997, 65_536, len] {
            let message = spooled(dir.path(), &all, piece);
            assert_eq!((message.len(), message.whole().is_some()), (len as u64, is_small));
            assert!(message.start().starts_with(HEADER));
            if !is_small {
                assert_eq!(message.start().len(), HEADER.len() + MESSAGE_START_BYTES);
            }
            assert_eq!(read(&message), all);
            assert_eq!(read(&message), all, "again");
            assert_eq!(pieces(&message, 0).await, all);
            assert_eq!(pieces(&message, 7).await, all[7..]);
        }
        assert_eq!(std::fs::read_dir(dir.path()).expect("a folder").count(), 0, "a file has no name");
    }
}

#[test]
fn another_header_shares_the_body() {
    let dir = tempfile::tempdir().expect("a folder");
    let all = octets(MESSAGE_IN_MEMORY_BYTES_MAX * 2);
    let message = spooled(dir.path(), &all, 100_000);
    let other = message.with_fields(b"X: y\r\n");
    assert_eq!(read(&other), [b"X: y\r\n".as_slice(), &all].concat());
    assert_eq!(read(&message), all);
    assert!(other != message && other == other.clone());
    assert_eq!(message.with_fields(b""), message);
}

#[test]
fn a_header_without_end_is_all_start() {
    let dir = tempfile::tempdir().expect("a folder");
    let endless = b"X: y\r\n".repeat(MESSAGE_IN_MEMORY_BYTES_MAX / 6 + 1000);
    let message = spooled(dir.path(), &endless, 10_000);
    assert!(message.start().len() > MESSAGE_IN_MEMORY_BYTES_MAX);
    assert!(!hearth_wire::smtp::header_is_bounded(message.start()));
    assert_eq!(read(&message), endless);
    let empty = spooled(dir.path(), &[b"\r\n".as_slice(), &endless].concat(), 10_000);
    assert_eq!(empty.start().len(), 2 + MESSAGE_START_BYTES);
}

#[test]
fn a_packed_message_is_read_again() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("packed");
    let open = |octets: &[u8], len: usize| {
        std::fs::write(&path, zstd::encode_all(octets, 3).expect("packed")).expect("written");
        Message::unpack(File::open(&path).expect("opened"), len as u64)
    };
    for len in [HEADER.len(), MESSAGE_IN_MEMORY_BYTES_MAX, MESSAGE_IN_MEMORY_BYTES_MAX + 1, 3_000_001] {
        let all = octets(len);
        let message = open(&all, len).expect("sound");
        assert_eq!((message.len(), message.whole().is_some()), (len as u64, len <= MESSAGE_IN_MEMORY_BYTES_MAX));
        assert_eq!(read(&message), all);
        assert_eq!(read(&message.with_fields(b"X: y\r\n"))[6..], all);
        // Octets that are missing, and some too many.
        for said in [len + 1, len - 1] {
            let damaged = open(&all, said).and_then(|message| io::copy(&mut message.reader()?, &mut io::sink()));
            assert!(damaged.is_err(), "{len} for {said}");
        }
    }
}

#[test]
fn what_a_crash_left_is_cleared() {
    let dir = tempfile::tempdir().expect("a folder");
    for name in ["1-0.spool", "queue.db", "a.zst"] {
        std::fs::write(dir.path().join(name), "x").expect("written");
    }
    clear(dir.path()).expect("cleared");
    let mut left: Vec<_> = std::fs::read_dir(dir.path()).expect("a folder").map(|one| one.expect("one").file_name()).collect();
    left.sort();
    assert_eq!(left, ["a.zst", "queue.db"]);
}
