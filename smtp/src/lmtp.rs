// SPDX-License-Identifier: AGPL-3.0-or-later
//! LMTP (RFC 2033) on a socket in the data directory, for people who keep another mail server in front: what comes here
//! has been judged by it, and is filtered and delivered.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hearth_net::listen::Peer;
use tokio::net::UnixListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::ctx::Server;
use crate::limits::LMTP_SESSIONS_MAX;
use crate::session;
use crate::state::Kind;

/// Below `DIR/run`.
pub(crate) const SOCKET: &str = "lmtp.sock";

/// Serves until the process is asked to stop. Without the socket all else goes on.
pub(crate) async fn serve(server: Arc<Server>, path: PathBuf) {
    let listener = match bind(&path) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(path = %path.display(), %error, "the LMTP socket cannot be made; no mail comes that way");
            return;
        }
    };
    let places = Arc::new(Semaphore::new(LMTP_SESSIONS_MAX));
    let mut sessions = JoinSet::new();
    loop {
        let place = Arc::clone(&places).acquire_owned();
        let accepted = tokio::select! {
            (Ok(place), accepted) = async { (place.await, listener.accept().await) } => accepted.map(|(stream, _)| (stream, place)),
            () = server.stop.requested() => break,
        };
        match accepted {
            Ok((stream, place)) => {
                let server = Arc::clone(&server);
                sessions.spawn(async move {
                    let here = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
                    session::run(server, Kind::Lmtp, false, Peer { remote: here, local: here }, stream).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "an LMTP connection could not be taken");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
        while sessions.try_join_next().is_some() {}
    }
    while sessions.join_next().await.is_some() {}
    // Gone with us; the next start makes it anew.
    let _ = std::fs::remove_file(&path);
}

fn bind(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    UnixListener::bind(path)
}
