// SPDX-License-Identifier: AGPL-3.0-or-later
//! LDAP (RFC 4511), read-only: for what knows nothing newer, such as printers, file servers and media servers.
//!
//! Comes in: binds and searches, over TLS alone (`ldaps`, or StartTLS). Leaves: yes or no, and entries of
//! `ou=people` and `ou=groups` below the domain (`dc=home,dc=example`). Nobody who is not bound sees more than the root
//! entry, nothing can be changed, and a bind goes through the same doorkeeper as every other password. Whoever was signed
//! out or disabled since their bind finds nothing at their next search. It is off until `ldap.enabled` is set.
//!
//! Read first: `session.rs` (the loop, and `admit`, which decides), then `tree.rs` (what there is).

pub mod registry;
mod select;
mod session;
mod tree;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use hearth_boot::{Boot, Config};
use hearth_net::lines::Deadlines;
use hearth_net::listen::{self, Admission, Listener, Peer};
use hearth_net::tls::Tls;
use tokio::net::TcpStream;

use crate::ctx::Ctx;

pub use session::{Io, converse_on};

/// LDAP with StartTLS.
const PORT: u16 = 389;
/// LDAP in TLS from the first byte.
const PORT_TLS: u16 = 636;
/// Connections at once, of all and of one address.
const CONNECTIONS_MAX: usize = 64;
const CONNECTIONS_PER_ADDRESS_MAX: usize = 16;
/// Entries that one search gives.
pub const ENTRIES_MAX: usize = 1000;
/// Binds that fail before the connection ends.
pub const FAILURES_MAX: u32 = 5;
/// How long a client may be silent, and slow.
const DEADLINES: Deadlines =
    Deadlines { idle: Duration::from_secs(300), progress: Duration::from_secs(30), write: Duration::from_secs(30) };

/// The bound ports; none while it is off.
#[derive(Default)]
pub struct Doors {
    plain: Vec<Listener>,
    tls: Vec<Listener>,
}

/// Binds the ports, if it is on.
pub fn bind(config: &Config) -> anyhow::Result<Doors> {
    if !config.ldap.enabled {
        return Ok(Doors::default());
    }
    Ok(Doors { plain: listen::bind_all(&config.addresses(PORT))?, tls: listen::bind_all(&config.addresses(PORT_TLS))? })
}

/// Serves until `stop`.
pub async fn serve(ctx: Arc<Ctx>, boot: &Boot, doors: Doors) -> anyhow::Result<()> {
    if doors.plain.is_empty() {
        return Ok(());
    }
    let tls = Tls::load(&boot.config.path("tls/node.pem"), &boot.config.path("tls/node.key"), &[])?;
    let admission = Admission::new(CONNECTIONS_MAX, CONNECTIONS_PER_ADDRESS_MAX);
    let speak = |is_tls: bool| {
        let (ctx, tls) = (ctx.clone(), tls.clone());
        move |stream: TcpStream, peer: Peer| {
            let (ctx, tls) = (ctx.clone(), tls.clone());
            async move { begin(ctx, tls, stream, peer, is_tls).await }
        }
    };
    let stop = || boot.stop.requested();
    tokio::join!(served(doors.plain, admission.clone(), stop(), speak(false)), served(doors.tls, admission, stop(), speak(true)),);
    Ok(())
}

async fn served<S, F>(doors: Vec<Listener>, admission: Admission, stop: impl Future<Output = ()>, session: S)
where
    S: Fn(TcpStream, Peer) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    // A connection too many is closed: there is no message before one was asked for.
    listen::serve(doors, admission, b"", stop, session).await;
}

async fn begin(ctx: Arc<Ctx>, tls: Tls, stream: TcpStream, peer: Peer, is_tls: bool) {
    if !is_tls {
        return converse_on(&ctx, Box::new(stream), peer.ip(), false, Some(&tls)).await;
    }
    match Box::pin(tls.accept(stream)).await {
        Ok((stream, _)) => converse_on(&ctx, Box::new(stream), peer.ip(), true, None).await,
        Err(error) => tracing::debug!(peer = %peer.ip(), %error, "TLS handshake failed"),
    }
}
