// SPDX-License-Identifier: AGPL-3.0-or-later
//! Connections that a proxy passes on: it says first for whom (PROXY protocol, version 2), and is believed when it is
//! one of the listed ones. Nobody else is asked: their first octets are a command like any other.

use std::io;

use hearth_net::listen::Peer;
use hearth_wire::proxy::{PREFIX_BYTES, Proxied, parse_prefix};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

use crate::limits::PROXY_HEADER;
use crate::policy::Policy;

/// Who is really there; `None` ends the connection.
pub(crate) async fn peer<S>(policy: &Policy, mut stream: S, peer: Peer) -> Option<(S, Peer)>
where
    S: AsyncRead + Unpin,
{
    if !policy.is_proxy(peer.ip()) {
        return Some((stream, peer));
    }
    match timeout(PROXY_HEADER, read(&mut stream)).await {
        Ok(Ok(Proxied::From { remote, local })) => Some((stream, Peer { remote, local })),
        Ok(Ok(Proxied::Local)) => Some((stream, peer)),
        Ok(Err(error)) => {
            tracing::warn!(proxy = %peer.remote, %error, "a proxy did not say for whom it connects");
            None
        }
        Err(_) => {
            tracing::warn!(proxy = %peer.remote, "a proxy did not say in time for whom it connects");
            None
        }
    }
}

async fn read<S>(stream: &mut S) -> io::Result<Proxied>
where
    S: AsyncRead + Unpin,
{
    let mut octets = [0; PREFIX_BYTES];
    stream.read_exact(&mut octets).await?;
    let prefix = parse_prefix(&octets).map_err(io::Error::other)?;
    let mut rest = vec![0; prefix.rest_bytes];
    stream.read_exact(&mut rest).await?;
    prefix.parse_rest(&rest).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(text: &str) -> Peer {
        Peer { remote: text.parse().expect("an address"), local: "127.0.0.1:25".parse().expect("an address") }
    }

    fn policy() -> Policy {
        Policy { proxies: vec!["127.0.0.9/32".parse().expect("a network")], ..Policy::default() }
    }

    const HEADER: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x07\xc6\x33\x64\x01\x9c\x40\0\x19";

    #[tokio::test]
    async fn a_listed_proxy_is_believed() {
        let stream = [HEADER, b"EHLO x\r\n"].concat();
        let (rest, peer) = super::peer(&policy(), stream.as_slice(), from("127.0.0.9:1")).await.expect("a peer");
        assert_eq!((rest, peer.remote.to_string().as_str()), (&b"EHLO x\r\n"[..], "192.0.2.7:40000"));
    }

    #[tokio::test]
    async fn nobody_else_is() {
        let (rest, peer) = super::peer(&policy(), HEADER, from("127.0.0.8:1")).await.expect("a peer");
        assert_eq!((rest, peer.remote.to_string().as_str()), (HEADER, "127.0.0.8:1"));
        for short in [&b"EHLO x\r\nMAIL FROM:<>\r\n"[..], &HEADER[..20], b""] {
            assert!(super::peer(&policy(), short, from("127.0.0.9:1")).await.is_none());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_proxy_that_is_slow_is_let_go() {
        use tokio::io::AsyncWriteExt;
        for (wait, is_heard) in [(PROXY_HEADER / 2, true), (PROXY_HEADER, false)] {
            let (ours, mut theirs) = tokio::io::duplex(1024);
            let begun = tokio::time::Instant::now();
            tokio::spawn(async move {
                let _ = theirs.write_all(&HEADER[..20]).await;
                tokio::time::sleep(wait + std::time::Duration::from_millis(1)).await;
                let _ = theirs.write_all(&HEADER[20..]).await;
                let _ = theirs.write_all(b"x").await;
            });
            assert_eq!(super::peer(&policy(), ours, from("127.0.0.9:1")).await.is_some(), is_heard);
            assert!(begun.elapsed() <= PROXY_HEADER + std::time::Duration::from_millis(1));
        }
    }
}
