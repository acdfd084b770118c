// SPDX-License-Identifier: AGPL-3.0-or-later
//! Pure: what is inside a gzip or zip file, within a bound: a bomb is cut, not unpacked.
//!
//! A report is the only file in its archive (RFC 7489 §7.2.1.1, RFC 8460 §5.3), so of a zip the first file is read and its
//! directory is never looked at: files that overlap, or ten thousand of them, cost nothing.

use std::io::Read;

use flate2::read::{DeflateDecoder, GzDecoder};

/// A local file header of a zip (APPNOTE 4.3.7), up to the name.
const ZIP_HEADER_BYTES: usize = 30;

/// The bytes inside; those themselves when they are not packed. `None`: broken, beyond the bound, or packed in a way
/// that no report is.
pub(super) fn unpack(bytes: &[u8], bytes_max: usize) -> Option<Vec<u8>> {
    match bytes {
        [0x1f, 0x8b, ..] => read(GzDecoder::new(bytes), bytes_max),
        [b'P', b'K', 3, 4, ..] => unzip(bytes, bytes_max),
        _ if bytes.len() <= bytes_max => Some(bytes.to_vec()),
        _ => None,
    }
}

fn unzip(bytes: &[u8], bytes_max: usize) -> Option<Vec<u8>> {
    let number = |at: usize| Some(usize::from(u16::from_le_bytes([*bytes.get(at)?, *bytes.get(at + 1)?])));
    let (flags, method) = (number(6)?, number(8)?);
    let start = ZIP_HEADER_BYTES.checked_add(number(26)?)?.checked_add(number(28)?)?;
    let packed = bytes.get(start..)?;
    let is_encrypted = flags & 1 != 0;
    match method {
        _ if is_encrypted => None,
        8 => read(DeflateDecoder::new(packed), bytes_max),
        // Stored: the header has the size, but for a file that was streamed (bit 3).
        0 if flags & 8 == 0 => {
            let size = usize::try_from(u32::from_le_bytes(bytes.get(18..22)?.try_into().ok()?)).ok()?;
            packed.get(..size).filter(|file| file.len() <= bytes_max).map(<[u8]>::to_vec)
        }
        _ => None,
    }
}

fn read(packed: impl Read, bytes_max: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    packed.take(bytes_max as u64 + 1).read_to_end(&mut bytes).ok()?;
    (bytes.len() <= bytes_max).then_some(bytes)
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder};

    use super::*;

    pub(in crate::reports) fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).expect("packed");
        encoder.finish().expect("packed")
    }

    pub(in crate::reports) fn zip(bytes: &[u8], method: u8) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).expect("packed");
        let packed = if method == 8 { encoder.finish().expect("packed") } else { bytes.to_vec() };
        let mut file = b"PK\x03\x04\x14\0\0\0".to_vec();
        file.extend_from_slice(&[method, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        file.extend_from_slice(&u32::try_from(packed.len()).expect("small").to_le_bytes());
        file.extend_from_slice(&u32::try_from(bytes.len()).expect("small").to_le_bytes());
        file.extend_from_slice(&[5, 0, 0, 0]);
        file.extend_from_slice(b"r.xml");
        file.extend_from_slice(&packed);
        file.extend_from_slice(b"PK\x01\x02 a directory that nobody reads");
        file
    }

    #[test]
    fn both_sides_of_the_bound() {
        for (size, fits) in [(1000, true), (1001, false)] {
            let bytes = vec![b'<'; size];
            for packed in [bytes.clone(), gzip(&bytes), zip(&bytes, 8), zip(&bytes, 0)] {
                assert_eq!(unpack(&packed, 1000).is_some_and(|unpacked| unpacked == bytes), fits, "{size}");
            }
        }
    }

    #[test]
    fn a_bomb_costs_no_more_than_its_bound() {
        // A thousand to one; twice packed is not unpacked twice.
        let bomb = gzip(&vec![0; 20_000_000]);
        assert!(bomb.len() < 30_000);
        assert_eq!(unpack(&bomb, 100_000), None);
        let twice = gzip(&bomb);
        assert_eq!(unpack(&twice, 100_000).as_deref(), Some(bomb.as_slice()));
    }

    #[test]
    fn broken_files_are_nothing() {
        let (gz, zipped) = (gzip(b"<feedback/>"), zip(b"<feedback/>", 8));
        for cut in 2..gz.len() {
            assert_eq!(unpack(&gz[..cut], 100), None, "gzip cut at {cut}");
        }
        for cut in 4..35 {
            assert!(unpack(&zipped[..cut], 100).is_none_or(|bytes| bytes.is_empty()), "zip cut at {cut}");
        }
        let mut encrypted = zipped;
        encrypted[6] = 1;
        assert_eq!(unpack(&encrypted, 100), None);
    }
}
