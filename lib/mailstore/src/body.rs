// SPDX-License-Identifier: AGPL-3.0-or-later
//! Bodies: the raw bytes of messages, compressed, in the database or in a file.
//!
//! A body is a prefix (header fields of one recipient's copy, plain) and the content (zstd). Content up
//! to [`BODY_IN_DB_BYTES_MAX`] is in its row: a zstd frame of its header section, so that what asks for header fields unpacks
//! no more than that, and a frame of the rest (one frame of all where there is no empty line, and in rows of older
//! releases). Larger content is a file of frames of [`BODY_CHUNK_BYTES`] each, followed by their lengths, so that a piece can
//! be read without the rest:
//!
//! ```text
//! frame 0 | frame 1 | ... | length of each frame (u32 LE) | content length (u64 LE) | frames (u32 LE) | magic
//! ```

use std::cell::RefCell;
use std::fmt::Debug;
use std::fs::File;
use std::io::{Read, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use hearth_types::{BlobId, MessageId};
use hearth_wire::message::{Parsed, Scanner};
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::{find_frame_compressed_size, get_frame_content_size};

use crate::account::remove_if_there;
use crate::error::{Error, Result};
use crate::limits::{BODY_CHUNK_BYTES, BODY_IN_DB_BYTES_MAX};
use crate::tx::MailTx;

const MAGIC: &[u8; 8] = b"hearthB1";
const TRAILER_BYTES: u64 = 8 + 4 + 8;
/// zstd -3: half the bytes for 66 µs per 4 KiB.
const ZSTD_LEVEL: i32 = 3;

/// Raw bytes on their way in.
#[derive(Clone, Debug)]
pub enum Content {
    /// In memory.
    Bytes(Vec<u8>),
    /// In memory, and used by others as well.
    Shared(Arc<Vec<u8>>),
    /// In a file, read in pieces: for large mail. It stays the caller's and is not changed.
    File(PathBuf),
    /// Read in pieces from wherever they are.
    Source(Arc<dyn Source>),
}

/// Bytes that can be read from the beginning, and again.
pub trait Source: Debug + Send + Sync {
    /// How many there are.
    fn len(&self) -> u64;
    /// None at all?
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// All of them, in order. May block.
    fn open(&self) -> std::io::Result<Box<dyn Read + '_>>;
}

/// A stored message's raw bytes.
pub struct Body {
    prefix: Vec<u8>,
    content: Stored,
}

enum Stored {
    Row(Frames),
    File { file: File, ends: Vec<u64>, len: u64 },
}

/// Content as its row has it, unpacked when it is asked for: its first frame, or all.
struct Frames {
    packed: Vec<u8>,
    len: u64,
    first: OnceLock<Vec<u8>>,
    all: OnceLock<Vec<u8>>,
}

impl Frames {
    fn new(packed: Vec<u8>, len: u64) -> Self {
        Self { packed, len, first: OnceLock::new(), all: OnceLock::new() }
    }

    /// The octets of content in the first frame, and the octets of the frame.
    fn first_frame(&self) -> Result<(u64, usize)> {
        let packed = find_frame_compressed_size(&self.packed).map_err(|_| damaged("a frame has no end"))?;
        let len = get_frame_content_size(&self.packed).ok().flatten().ok_or_else(|| damaged("a frame has no size"))?;
        Ok((len.min(self.len), packed))
    }

    fn read(&self, range: Range<u64>, into: &mut Vec<u8>) -> Result<()> {
        if range.is_empty() {
            return Ok(());
        }
        let (len, packed) = if self.all.get().is_some() { (0, 0) } else { self.first_frame()? };
        let unpacked = if range.end <= len && len < self.len {
            unpacked(&self.first, self.packed.get(..packed).unwrap_or_default(), len)?
        } else {
            unpacked(&self.all, &self.packed, self.len)?
        };
        into.extend_from_slice(unpacked.get(size(range.start)?..size(range.end)?).unwrap_or_default());
        Ok(())
    }
}

/// What was unpacked before, or is now.
fn unpacked<'c>(cell: &'c OnceLock<Vec<u8>>, packed: &[u8], len: u64) -> Result<&'c [u8]> {
    if let Some(unpacked) = cell.get() {
        return Ok(unpacked);
    }
    let unpacked = decompress(packed, len)?;
    Ok(cell.get_or_init(|| unpacked))
}

impl Body {
    /// Of bytes that are in memory.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self { prefix: bytes, content: Stored::Row(Frames::new(Vec::new(), 0)) }
    }

    /// Its length.
    pub fn len(&self) -> u64 {
        self.prefix.len() as u64 + self.content.len()
    }

    /// Empty?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A range of it (cut at its end). Blocks for a read of the disk; reads what is needed only, so ask for pieces of
    /// [`BODY_CHUNK_BYTES`](crate::limits::BODY_CHUNK_BYTES) when it is large.
    pub fn range(&self, range: Range<u64>) -> Result<Vec<u8>> {
        let end = range.end.min(self.len());
        let start = range.start.min(end);
        let mut bytes = Vec::with_capacity(size(end - start)?.min(BODY_CHUNK_BYTES));
        self.read(start..end, &mut bytes)?;
        Ok(bytes)
    }

    /// As [`Body::range`], behind what is in `into` already.
    pub fn read(&self, range: Range<u64>, into: &mut Vec<u8>) -> Result<()> {
        let end = range.end.min(self.len());
        let start = range.start.min(end);
        let prefix = self.prefix.len() as u64;
        into.extend_from_slice(self.prefix.get(size(start.min(prefix))?..size(end.min(prefix))?).unwrap_or_default());
        self.content.read(start.saturating_sub(prefix)..end.saturating_sub(prefix), into)
    }

    /// All of it.
    pub fn bytes(&self) -> Result<Vec<u8>> {
        self.range(0..self.len())
    }
}

impl Debug for Body {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "a body of {} bytes", self.len())
    }
}

/// So that what is stored can be stored again without being in memory as a whole.
impl Source for Body {
    fn len(&self) -> u64 {
        Body::len(self)
    }

    fn open(&self) -> std::io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(Pieces { body: self, at: 0, piece: Vec::new(), taken: 0 }))
    }
}

/// Reads a body in pieces of [`BODY_CHUNK_BYTES`].
struct Pieces<'b> {
    body: &'b Body,
    at: u64,
    piece: Vec<u8>,
    taken: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if self.taken == self.piece.len() {
            let end = self.at.saturating_add(BODY_CHUNK_BYTES as u64);
            self.piece = self.body.range(self.at..end).map_err(std::io::Error::other)?;
            self.at += self.piece.len() as u64;
            self.taken = 0;
        }
        let length = self.piece.get(self.taken..).unwrap_or_default().read(into)?;
        self.taken += length;
        Ok(length)
    }
}

impl Stored {
    fn len(&self) -> u64 {
        match self {
            Self::Row(frames) => frames.len,
            Self::File { len, .. } => *len,
        }
    }

    fn read(&self, range: Range<u64>, into: &mut Vec<u8>) -> Result<()> {
        match self {
            Self::Row(frames) => frames.read(range, into)?,
            Self::File { file, ends, len } => {
                let chunk = BODY_CHUNK_BYTES as u64;
                let mut at = range.start;
                while at < range.end {
                    let index = at / chunk;
                    let frame = frame(ends, index).ok_or_else(|| damaged("a frame is missing"))?;
                    let mut packed = vec![0; size(frame.end - frame.start)?];
                    file.read_exact_at(&mut packed, frame.start)?;
                    let piece = decompress(&packed, (len - index * chunk).min(chunk))?;
                    let from = size(at - index * chunk)?;
                    let to = size((range.end - index * chunk).min(chunk))?;
                    into.extend_from_slice(piece.get(from..to).ok_or_else(|| damaged("a frame is short"))?);
                    at = (index + 1) * chunk;
                }
            }
        }
        Ok(())
    }

    fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| damaged(&format!("{}: {e}", path.display())))?;
        let whole = file.metadata()?.len();
        let mut trailer = [0; TRAILER_BYTES as usize];
        let at = whole.checked_sub(TRAILER_BYTES).ok_or_else(|| damaged("a body file is cut short"))?;
        file.read_exact_at(&mut trailer, at)?;
        let [l0, l1, l2, l3, l4, l5, l6, l7, c0, c1, c2, c3, magic @ ..] = trailer;
        let len = u64::from_le_bytes([l0, l1, l2, l3, l4, l5, l6, l7]);
        let count = u64::from(u32::from_le_bytes([c0, c1, c2, c3]));
        if magic != *MAGIC || count != len.div_ceil(BODY_CHUNK_BYTES as u64) || count * 4 > at {
            return Err(damaged("a body file has no end"));
        }
        let mut lengths = vec![0; size(count * 4)?];
        file.read_exact_at(&mut lengths, at - count * 4)?;
        let mut end = 0;
        let ends = lengths.chunks_exact(4).map(|four| {
            end += u64::from(four.first_chunk::<4>().map_or(0, |four| u32::from_le_bytes(*four)));
            end
        });
        Ok(Self::File { ends: ends.collect(), file, len })
    }
}

fn frame(ends: &[u64], index: u64) -> Option<Range<u64>> {
    let index = usize::try_from(index).ok()?;
    let start = if index == 0 { 0 } else { *ends.get(index - 1)? };
    Some(start..*ends.get(index)?)
}

fn damaged(what: &str) -> Error {
    Error::Damaged(format!("body: {what}"))
}

fn size(number: u64) -> Result<usize> {
    usize::try_from(number).map_err(|_| damaged("larger than memory"))
}

thread_local! {
    /// What zstd works with is larger than most mails: each thread makes it once, and it goes with the thread.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

fn new_compressor() -> std::io::Result<Compressor<'static>> {
    let mut compressor = Compressor::new(ZSTD_LEVEL)?;
    compressor.set_parameter(zstd::zstd_safe::CParameter::ChecksumFlag(true))?;
    Ok(compressor)
}

fn compress(raw: &[u8]) -> Result<Vec<u8>> {
    COMPRESSOR.with_borrow_mut(|kept| {
        let mut compressor = kept.take().map_or_else(new_compressor, Ok)?;
        let packed = compressor.compress(raw)?;
        *kept = Some(compressor);
        Ok(packed)
    })
}

fn decompress(packed: &[u8], len: u64) -> Result<Vec<u8>> {
    let raw = DECOMPRESSOR.with_borrow_mut(|kept| {
        let mut decompressor = kept.take().map_or_else(Decompressor::new, Ok)?;
        let raw = decompressor.decompress(packed, size(len)?).map_err(|e| damaged(&e.to_string()))?;
        *kept = Some(decompressor);
        Ok::<_, Error>(raw)
    })?;
    if raw.len() as u64 == len { Ok(raw) } else { Err(damaged("it is shorter than its row says")) }
}

/// Content that is compressed and, when it is large, in a synced file.
pub(crate) struct Packed {
    pub len: u64,
    pub data: PackedData,
}

pub(crate) enum PackedData {
    /// Its frames, for the row.
    Row(Vec<u8>),
    /// A file at this path; removed when this is dropped, unless it was adopted.
    File(Temporary),
}

/// A file that is removed when this is dropped, unless somebody else has come to need it.
pub(crate) struct Temporary {
    path: PathBuf,
    kept: AtomicBool,
}

impl Temporary {
    pub fn new(path: PathBuf) -> Self {
        Self { path, kept: AtomicBool::new(false) }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// It stays where it is.
    pub fn keep(&self) {
        self.kept.store(true, Ordering::Relaxed);
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.kept.load(Ordering::Relaxed)
            && let Err(error) = remove_if_there(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "a temporary body stays behind");
        }
    }
}

/// Compresses content; a large one into the file that `path` names, synced. What `scan` takes is every piece of it.
pub(crate) fn pack(content: &Content, path: impl FnOnce() -> PathBuf, scan: impl FnMut(&[u8])) -> Result<Packed> {
    match content {
        Content::Bytes(bytes) => pack_bytes(bytes, path, scan),
        Content::Shared(bytes) => pack_bytes(bytes, path, scan),
        Content::File(source) => {
            let mut source = File::open(source)?;
            let len = source.metadata()?.len();
            pack_read(&mut source, len, path, scan)
        }
        Content::Source(source) => pack_read(&mut *source.open()?, source.len(), path, scan),
    }
}

fn pack_read(source: &mut dyn Read, len: u64, path: impl FnOnce() -> PathBuf, mut scan: impl FnMut(&[u8])) -> Result<Packed> {
    if len > BODY_IN_DB_BYTES_MAX as u64 {
        return pack_file(source, path(), scan);
    }
    let mut bytes = Vec::new();
    source.read_to_end(&mut bytes)?;
    scan(&bytes);
    Ok(Packed { len: bytes.len() as u64, data: PackedData::Row(pack_row(&bytes)?) })
}

fn pack_bytes(mut bytes: &[u8], path: impl FnOnce() -> PathBuf, mut scan: impl FnMut(&[u8])) -> Result<Packed> {
    if bytes.len() > BODY_IN_DB_BYTES_MAX {
        return pack_file(&mut bytes, path(), scan);
    }
    scan(bytes);
    Ok(Packed { len: bytes.len() as u64, data: PackedData::Row(pack_row(bytes)?) })
}

/// The header section and the rest, each a frame. Frames one behind the other are what zstd unpacks at once too (RFC 8878 §3).
fn pack_row(raw: &[u8]) -> Result<Vec<u8>> {
    match header_len(raw).filter(|len| (1..raw.len()).contains(len)) {
        None => compress(raw),
        Some(len) => {
            let (header, rest) = raw.split_at(len);
            let mut packed = compress(header)?;
            packed.append(&mut compress(rest)?);
            Ok(packed)
        }
    }
}

/// Up to and with the first empty line.
fn header_len(raw: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let end = at + raw.get(at..)?.iter().position(|octet| *octet == b'\n')? + 1;
        if matches!(raw.get(at..end)?, b"\n" | b"\r\n") {
            return Some(end);
        }
        at = end;
    }
}

fn pack_file(source: &mut dyn Read, path: PathBuf, mut scan: impl FnMut(&[u8])) -> Result<Packed> {
    let mut file = File::options().write(true).create_new(true).open(&path)?;
    let temporary = Temporary::new(path);
    let (mut len, mut lengths) = (0, Vec::new());
    let mut chunk = Vec::with_capacity(BODY_CHUNK_BYTES);
    loop {
        chunk.clear();
        (&mut *source).take(BODY_CHUNK_BYTES as u64).read_to_end(&mut chunk)?;
        if chunk.is_empty() {
            break;
        }
        scan(&chunk);
        len += chunk.len() as u64;
        let frame = compress(&chunk)?;
        lengths.push(u32::try_from(frame.len()).map_err(|_| damaged("a frame is too large"))?);
        file.write_all(&frame)?;
    }
    let mut end = Vec::with_capacity(lengths.len() * 4 + 20);
    lengths.iter().for_each(|length| end.extend_from_slice(&length.to_le_bytes()));
    end.extend_from_slice(&len.to_le_bytes());
    end.extend_from_slice(&u32::try_from(lengths.len()).unwrap_or(u32::MAX).to_le_bytes());
    end.extend_from_slice(MAGIC);
    file.write_all(&end)?;
    file.sync_all()?;
    Ok(Packed { len, data: PackedData::File(temporary) })
}

/// Compresses content and reads what it is, with `prefix` before it.
pub(crate) fn prepare(content: &Content, prefix: &[u8], path: impl FnOnce() -> PathBuf) -> Result<(Packed, Parsed)> {
    let mut scanner = Scanner::new();
    scanner.push(prefix);
    let packed = pack(content, path, |piece| scanner.push(piece))?;
    let mut parsed = scanner.finish();
    // The text index reads the body again when its turn comes.
    parsed.text = String::new();
    Ok((packed, parsed))
}

/// What a packed content says with another prefix before it.
pub(crate) fn parse(packed: &Packed, prefix: &[u8]) -> Result<Parsed> {
    let mut scanner = Scanner::new();
    scanner.push(prefix);
    let stored = match &packed.data {
        PackedData::Row(data) => Stored::Row(Frames::new(data.clone(), packed.len)),
        PackedData::File(temporary) => Stored::open(temporary.path())?,
    };
    scan(&stored, &mut scanner)?;
    let mut parsed = scanner.finish();
    parsed.text = String::new();
    Ok(parsed)
}

fn scan(stored: &Stored, scanner: &mut Scanner) -> Result<()> {
    let mut at = 0;
    while at < stored.len() {
        let end = (at + BODY_CHUNK_BYTES as u64).min(stored.len());
        let mut piece = Vec::new();
        stored.read(at..end, &mut piece)?;
        scanner.push(&piece);
        at = end;
    }
    Ok(())
}

/// The whole of what is known of a body, its text included: for the index.
pub(crate) fn parse_stored(body: &Body) -> Result<Parsed> {
    let mut scanner = Scanner::new();
    scanner.push(&body.prefix);
    scan(&body.content, &mut scanner)?;
    Ok(scanner.finish())
}

/// Adds the row of a body, whose file (if it has one) is in its place.
pub(crate) fn add(tx: &mut MailTx<'_>, id: BlobId, prefix: &[u8], packed: &Packed) -> Result<()> {
    let account = tx.account();
    let size = crate::tx::number(prefix.len() as u64 + packed.len)?;
    let data = match &packed.data {
        PackedData::Row(data) => Some(data.as_slice()),
        PackedData::File(_) => None,
    };
    tx.execute(
        "INSERT INTO body (account, id, size_bytes, prefix, data) VALUES ($1, $2, $3, $4, $5)",
        &[&account, &id, &size, &prefix, &data],
    )?;
    Ok(())
}

/// This id, or another when a body has it, which another process made in the same moment.
pub(crate) fn free_id(tx: &mut MailTx<'_>, wanted: BlobId) -> Result<BlobId> {
    let account = tx.account();
    let mut id = wanted;
    while tx.find("SELECT id FROM body WHERE account = $1 AND id = $2", &[&account, &id], |_| Ok(()))?.is_some() {
        id = BlobId::new(tx.now());
    }
    Ok(id)
}

pub(crate) fn find(tx: &mut MailTx<'_>, id: BlobId) -> Result<Option<Body>> {
    let account = tx.account();
    let row = tx.find("SELECT size_bytes, prefix, data FROM body WHERE account = $1 AND id = $2", &[&account, &id], |row| {
        Ok((row.get::<u64>(0)?, row.get::<Vec<u8>>(1)?, row.get::<Option<Vec<u8>>>(2)?))
    })?;
    let Some((size, prefix, data)) = row else { return Ok(None) };
    match data {
        Some(data) => Ok(Some(of_row(size, prefix, data))),
        None => of_file(tx, id, prefix).map(Some),
    }
}

/// The body of a message, and where its header section is.
pub(crate) fn find_with_header(tx: &mut MailTx<'_>, message: MessageId) -> Result<Option<(Body, Range<u64>)>> {
    let account = tx.account();
    let row = tx.find(
        "SELECT b.id, b.size_bytes, b.prefix, b.data, s.packed
         FROM message m JOIN summary s ON s.account = m.account AND s.message = m.id
            JOIN body b ON b.account = m.account AND b.id = m.body
         WHERE m.account = $1 AND m.id = $2",
        &[&account, &message],
        |row| {
            let header = row.bytes(4)?.and_then(Parsed::unpack).map(|parsed| parsed.structure.header);
            Ok((row.get(0)?, row.get(1)?, row.get::<Vec<u8>>(2)?, row.get::<Option<Vec<u8>>>(3)?, header))
        },
    )?;
    let Some((id, size, prefix, data, header)) = row else { return Ok(None) };
    let body = match data {
        Some(data) => of_row(size, prefix, data),
        None => of_file(tx, id, prefix)?,
    };
    let header = match header {
        Some(header) => header,
        // A summary that this release cannot read.
        None => parse_stored(&body)?.structure.header,
    };
    Ok(Some((body, header)))
}

/// A body whose content is in its row.
pub(crate) fn of_row(size: u64, prefix: Vec<u8>, data: Vec<u8>) -> Body {
    let content = Stored::Row(Frames::new(data, size.saturating_sub(prefix.len() as u64)));
    Body { prefix, content }
}

/// A body whose content is in a file.
pub(crate) fn of_file(tx: &MailTx<'_>, id: BlobId, prefix: Vec<u8>) -> Result<Body> {
    Ok(Body { prefix, content: Stored::open(&tx.place.blob_path(id))? })
}

/// Removes a body that neither a message nor an upload has any more.
pub(crate) fn remove_if_unused(tx: &mut MailTx<'_>, id: BlobId) -> Result<()> {
    let account = tx.account();
    let used = tx.find(
        "SELECT 1 FROM message WHERE account = $1 AND body = $2
         UNION ALL SELECT 1 FROM blob WHERE account = $1 AND body = $2 LIMIT 1",
        &[&account, &id],
        |_| Ok(()),
    )?;
    if used.is_none() {
        let is_file =
            tx.find("DELETE FROM body WHERE account = $1 AND id = $2 RETURNING data IS NULL", &[&account, &id], |row| {
                row.get::<bool>(0)
            })?;
        if is_file == Some(true) {
            tx.throw_away(id);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(content: &[u8], prefix: &[u8]) -> (tempfile::TempDir, Body, Packed) {
        let dir = tempfile::tempdir().expect("a folder");
        let packed = pack(&Content::Bytes(content.to_vec()), || dir.path().join("b"), |_| {}).expect("packs");
        let stored = match &packed.data {
            PackedData::Row(data) => Stored::Row(Frames::new(data.clone(), packed.len)),
            PackedData::File(file) => Stored::open(file.path()).expect("opens"),
        };
        (dir, Body { prefix: prefix.to_vec(), content: stored }, packed)
    }

    #[test]
    fn a_file_from_256_kib_on() {
        for (len, is_file) in [(0, false), (1, false), (BODY_IN_DB_BYTES_MAX, false), (BODY_IN_DB_BYTES_MAX + 1, true)] {
            let content: Vec<u8> = (0..len).map(|n| (n % 251) as u8).collect();
            let (_dir, body, packed) = stored(&content, b"X: y\r\n");
            assert_eq!(matches!(packed.data, PackedData::File(_)), is_file, "{len}");
            let whole = [b"X: y\r\n".as_slice(), &content].concat();
            assert_eq!(body.bytes().expect("reads"), whole);
            let mut again = Vec::new();
            body.open().and_then(|mut reader| reader.read_to_end(&mut again)).expect("reads");
            assert_eq!(again, whole);
        }
    }

    #[test]
    fn any_range() {
        let content: Vec<u8> = (0..BODY_CHUNK_BYTES * 2 + 77).map(|n| (n % 253) as u8).collect();
        let (_dir, body, _packed) = stored(&content, b"ab");
        let whole = [b"ab".as_slice(), &content].concat();
        let chunk = BODY_CHUNK_BYTES as u64;
        for range in [0..1, 1..3, 2..2, chunk..chunk + 4, chunk + 1..chunk * 2 + 9, chunk * 2..u64::MAX, u64::MAX - 1..u64::MAX] {
            let end = (range.end as usize).min(whole.len());
            let start = (range.start as usize).min(end);
            assert_eq!(body.range(range).expect("reads"), whole[start..end]);
        }
    }

    #[test]
    fn a_header_is_unpacked_alone() {
        let header = b"From: a@a.example\r\nSubject: one\r\n\r\n".as_slice();
        let whole = [header, &b"text ".repeat(500)].concat();
        let (_dir, body, packed) = stored(&whole, b"X: y\r\n");
        let Stored::Row(frames) = &body.content else { panic!("a small one") };
        assert_eq!(body.range(0..6 + header.len() as u64).expect("reads"), [b"X: y\r\n", header].concat());
        assert_eq!(body.range(4..20).expect("reads"), b"\r\nFrom: a@a.exam"[..].to_vec());
        assert!(frames.first.get().is_some() && frames.all.get().is_none());
        assert_eq!(body.range(6 + header.len() as u64 - 1..10 + header.len() as u64).expect("reads"), b"\ntext".to_vec());
        assert!(frames.all.get().is_some());
        // A release that knows one frame unpacks two as well.
        let PackedData::Row(data) = &packed.data else { panic!("a small one") };
        assert_eq!(decompress(data, packed.len).expect("unpacks"), whole);
    }

    #[test]
    fn one_frame_where_there_is_no_empty_line() {
        for content in [b"".as_slice(), b"\r\n", b"a: b", b"a: b\r\n", b"a: b\r\n\r\n", b"\n", b"a\nb\n\n"] {
            let (_dir, body, _packed) = stored(content, b"");
            assert_eq!(body.bytes().expect("reads"), content);
        }
        assert_eq!(header_len(b"a: b\n\nc\n\n"), Some(6));
        assert_eq!(header_len(b"\r\nx"), Some(2));
    }

    #[test]
    fn a_damaged_row_is_noticed() {
        let whole = [b"a: b\r\n\r\n".as_slice(), &b"text ".repeat(500)].concat();
        let packed = pack_row(&whole).expect("packs");
        for at in 0..packed.len() {
            let mut broken = packed.clone();
            broken[at] ^= 1;
            let body = of_row(whole.len() as u64, Vec::new(), broken);
            // Where the damage is elsewhere, what is asked for may come whole.
            let header = body.range(0..8);
            assert!(matches!(&header, Err(Error::Damaged(_))) || header.is_ok_and(|header| header == whole[..8]), "{at}");
            let all = body.bytes();
            assert!(matches!(&all, Err(Error::Damaged(_))) || all.is_ok_and(|all| all == whole), "{at}");
        }
    }

    #[test]
    fn damage_is_noticed() {
        let (dir, _body, _packed) = stored(&vec![7; BODY_IN_DB_BYTES_MAX + 1], b"");
        let path = dir.path().join("b");
        let mut bytes = std::fs::read(&path).expect("reads");
        bytes.truncate(bytes.len() - 1);
        std::fs::write(&path, bytes).expect("writes");
        assert!(matches!(Stored::open(&path), Err(Error::Damaged(_))));
    }

    #[test]
    fn a_temporary_file_goes_away() {
        let (dir, _body, packed) = stored(&vec![7; BODY_IN_DB_BYTES_MAX + 1], b"");
        drop(packed);
        assert!(!dir.path().join("b").exists());
    }
}
