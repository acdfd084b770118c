// SPDX-License-Identifier: AGPL-3.0-or-later
//! The hashes of a large body (RFC 6376 §3.7), made piece by piece. mail-auth is given the start of such a message and
//! hashes what it sees; the hashes that its signatures ask for are put in their place, and all else is its work.

use std::io;

use mail_auth::AuthenticatedMessage;
use mail_auth::common::crypto::{HashAlgorithm, HashContext, HashImpl, Sha1, Sha256};
use mail_auth::dkim::Canonicalization;
use mail_auth::dkim::canonicalize::BodyHasher;

use crate::message::Message;

/// What mail-auth makes of a message, its body hashes being those of the whole. `and` is one more that is wanted. `None`:
/// it has no header.
pub(crate) async fn authenticated<'m>(
    message: &'m Message,
    and: Option<(Canonicalization, HashAlgorithm)>,
) -> io::Result<Option<AuthenticatedMessage<'m>>> {
    let Some(mut authenticated) = AuthenticatedMessage::parse(message.start()) else { return Ok(None) };
    if message.whole().is_some() {
        return Ok(Some(authenticated));
    }
    let hashes = &mut authenticated.body_hashes;
    if let Some((canonicalization, algorithm)) = and
        && !hashes.iter().any(|(c, a, length, _)| *c == canonicalization && *a == algorithm && *length == 0)
    {
        hashes.push((canonicalization, algorithm, 0, Vec::new()));
    }
    let wanted: Vec<_> =
        hashes.iter().map(|(canonicalization, algorithm, length, _)| (*canonicalization, *algorithm, *length)).collect();
    if wanted.is_empty() {
        return Ok(Some(authenticated));
    }
    let (message, offset) = (message.clone(), authenticated.body_offset());
    let made = tokio::task::spawn_blocking(move || hash(&message, offset, &wanted)).await.map_err(io::Error::other)??;
    for ((.., hash), made) in authenticated.body_hashes.iter_mut().zip(made) {
        *hash = made;
    }
    Ok(Some(authenticated))
}

fn hash(message: &Message, offset: usize, wanted: &[(Canonicalization, HashAlgorithm, u64)]) -> io::Result<Vec<Vec<u8>>> {
    let hasher = |algorithm: &HashAlgorithm| match algorithm {
        HashAlgorithm::Sha1 => Sha1::hasher(),
        HashAlgorithm::Sha256 => Sha256::hasher(),
    };
    let mut hashers: Vec<_> = wanted
        .iter()
        .map(|(canonicalization, algorithm, length)| BodyHasher::new(hasher(algorithm), *canonicalization, *length))
        .collect();
    message.each_from(offset, &mut |piece| hashers.iter_mut().for_each(|hasher| hasher.write(piece)))?;
    Ok(hashers.into_iter().map(|hasher| hasher.finish().0.complete().as_ref().to_vec()).collect())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::limits::MESSAGE_IN_MEMORY_BYTES_MAX;
    use crate::message::Spool;

    /// Lines with what canonicalisation changes, and an end that it takes away.
    fn body() -> Vec<u8> {
        let line = b"some \t words  and a tab\t \r\n\r\n  \r\nmore\r\n";
        let mut body = line.repeat(MESSAGE_IN_MEMORY_BYTES_MAX / line.len() + 10);
        body.extend_from_slice(b"end \r\n\r\n \r\n\r\n");
        body
    }

    #[tokio::test]
    async fn the_hashes_of_a_large_body_are_those_of_mail_auth() {
        let dir = tempfile::tempdir().expect("a folder");
        let signature = |algorithm: &str, canonical: &str| {
            format!("DKIM-Signature: v=1; a={algorithm}; c={canonical}; d=x.org; s=s; h=From; bh=AAAA; b=AAAA\r\n")
        };
        let header = [
            signature("rsa-sha256", "relaxed/relaxed"),
            signature("rsa-sha256", "simple/simple"),
            signature("ed25519-sha256", "relaxed/relaxed"),
            "From: a@x.org\r\n\r\n".to_string(),
        ]
        .concat();
        let whole = [header.as_bytes(), &body()].concat();
        let mut spool = Spool::new(dir.path());
        whole.chunks(9973).for_each(|piece| spool.write_all(piece).expect("written"));
        let message = spool.finish().expect("finished");
        assert!(message.whole().is_none());
        let and = Some((Canonicalization::Relaxed, HashAlgorithm::Sha256));
        let large = authenticated(&message, and).await.expect("read").expect("a header");
        let small = AuthenticatedMessage::parse(&whole).expect("a header");
        assert_eq!(large.body_hashes, small.body_hashes);
        assert_eq!(large.body_hashes.len(), 2);
        let without = Message::from(b"\r\nno header".to_vec());
        assert!(authenticated(&without, and).await.expect("read").is_none());
    }
}
