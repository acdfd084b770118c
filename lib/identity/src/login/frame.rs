// SPDX-License-Identifier: AGPL-3.0-or-later
//! A frame: four octets of length, the highest first, and so many octets of JSON.

use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use zeroize::Zeroizing;

use crate::limits::FRAME_BYTES_MAX;

/// Reads one frame; `None` when the other end closed between frames. A frame above
/// [`FRAME_BYTES_MAX`] is an error before any of it is read.
pub async fn read_frame<T: DeserializeOwned>(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<T>> {
    let mut length = [0; 4];
    match from.read(&mut length).await? {
        0 => return Ok(None),
        read => from.read_exact(length.get_mut(read..).unwrap_or_default()).await?,
    };
    let length = u32::from_be_bytes(length) as usize;
    if length > FRAME_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame is longer than it may be"));
    }
    let mut octets = Zeroizing::new(vec![0; length]);
    from.read_exact(&mut octets).await?;
    // What serde says may quote what it read: not in an error.
    serde_json::from_slice(&octets)
        .map(Some)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a frame is not what it should be"))
}

/// Writes one frame.
pub async fn write_frame(to: &mut (impl AsyncWrite + Unpin), value: &impl Serialize) -> io::Result<()> {
    let json = Zeroizing::new(serde_json::to_vec(value).map_err(io::Error::other)?);
    if json.len() > FRAME_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame would be longer than it may be"));
    }
    let length = u32::try_from(json.len()).map_err(io::Error::other)?;
    let mut octets = Zeroizing::new(Vec::with_capacity(4 + json.len()));
    octets.extend_from_slice(&length.to_be_bytes());
    octets.extend_from_slice(&json);
    to.write_all(&octets).await?;
    to.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_frame_is_bounded_on_both_sides() {
        // A JSON string of n letters has n + 2 octets.
        for (letters, fits) in [(FRAME_BYTES_MAX - 2, true), (FRAME_BYTES_MAX - 1, false)] {
            let mut wire = Vec::new();
            assert_eq!(write_frame(&mut wire, &"a".repeat(letters)).await.is_ok(), fits);
            let mut wire = u32::try_from(letters + 2).unwrap().to_be_bytes().to_vec();
            wire.extend(serde_json::to_vec(&"a".repeat(letters)).unwrap());
            assert_eq!(read_frame::<String>(&mut wire.as_slice()).await.is_ok(), fits);
        }
    }

    #[tokio::test]
    async fn cut_frames_and_ends() {
        assert!(read_frame::<String>(&mut [].as_slice()).await.unwrap().is_none());
        for cut in [&[0, 0, 0][..], &[0, 0, 0, 4, b'"', b'a'], &[0, 0, 0, 1, b'{']] {
            assert!(read_frame::<String>(&mut &*cut).await.is_err());
        }
    }
}
