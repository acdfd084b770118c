// SPDX-License-Identifier: AGPL-3.0-or-later
//! Listening: bind with an error that a person understands, accept within limits, let sessions end gently.
//!
//! ```no_run
//! # use hearth_net::listen::{self, Admission};
//! # async fn session(_: tokio::net::TcpStream, _: listen::Peer) {}
//! # async fn f(stop: impl Future<Output = ()>) -> Result<(), listen::BindError> {
//! let listeners = listen::bind_all(&["127.0.0.1:143".parse().unwrap()])?;
//! let admission = Admission::new(2000, 200); // shared by all listeners of the process
//! listen::serve(listeners, admission, b"* BYE too many connections\r\n", stop, session).await;
//! # Ok(()) }
//! ```

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{sleep, timeout};

use crate::limits::{ACCEPT_BACKOFF, BACKLOG, REFUSAL, REFUSALS_MAX};

/// Why a port cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody else has it.
    #[error("port {} on {} is in use by another program; stop that program, or choose another listen.port_offset in hearth.toml", .0.port(), .0.ip())]
    InUse(SocketAddr),
    /// Ports below 1024 belong to the superuser.
    #[error("port {} on {} needs a right that this user does not have; start as root with process.user set, give CAP_NET_BIND_SERVICE, or set listen.port_offset in hearth.toml", .0.port(), .0.ip())]
    Denied(SocketAddr),
    /// The machine does not have this address.
    #[error("{} is not an address of this machine; correct listen.addresses in hearth.toml", .0.ip())]
    NotOurs(SocketAddr),
    /// Anything else.
    #[error("cannot listen on {0}: {1}; correct listen.addresses in hearth.toml")]
    Other(SocketAddr, String),
}

/// A bound port.
#[derive(Debug)]
pub struct Listener {
    inner: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Where it listens; with the true port when 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Who is at the other end, and which of our addresses they came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Theirs.
    pub remote: SocketAddr,
    /// Ours.
    pub local: SocketAddr,
}

impl Peer {
    /// The address without the port.
    pub fn ip(&self) -> IpAddr {
        self.remote.ip()
    }
}

/// Binds one address. Needs a running tokio runtime.
pub fn bind(address: SocketAddr) -> Result<Listener, BindError> {
    open(address).map_err(|error| explain(address, &error))
}

/// Binds all, or none: what was bound is let go when one fails. `[::]` is left out on machines without IPv6.
pub fn bind_all(addresses: &[SocketAddr]) -> Result<Vec<Listener>, BindError> {
    let mut listeners = Vec::with_capacity(addresses.len());
    for address in addresses {
        match open(*address) {
            Ok(listener) => listeners.push(listener),
            Err(error) if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) && no_ipv6(&error) && addresses.len() > 1 => {
                tracing::debug!(%address, "this machine has no IPv6");
            }
            Err(error) => return Err(explain(*address, &error)),
        }
    }
    Ok(listeners)
}

fn open(address: SocketAddr) -> io::Result<Listener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // One socket per family, so that both can be named in the configuration.
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    let inner = TcpListener::from_std(socket.into())?;
    let address = inner.local_addr()?;
    Ok(Listener { inner, address })
}

/// Linux: EAFNOSUPPORT 97, EADDRNOTAVAIL 99 (IPv6 switched off by sysctl).
fn no_ipv6(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(97 | 99))
}

fn explain(address: SocketAddr, error: &io::Error) -> BindError {
    match error.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse(address),
        io::ErrorKind::PermissionDenied => BindError::Denied(address),
        io::ErrorKind::AddrNotAvailable => BindError::NotOurs(address),
        _ => BindError::Other(address, error.to_string()),
    }
}

/// How many connections there may be, in all and from one address. Clones count together.
#[derive(Clone, Debug)]
pub struct Admission {
    shared: Arc<Counts>,
}

#[derive(Debug)]
struct Counts {
    total_max: usize,
    per_address_max: usize,
    now: Mutex<(usize, HashMap<IpAddr, usize>)>,
}

impl Admission {
    /// At most `total_max` connections, of these at most `per_address_max` from one address.
    pub fn new(total_max: usize, per_address_max: usize) -> Self {
        Self { shared: Arc::new(Counts { total_max, per_address_max, now: Mutex::default() }) }
    }

    /// A place for a connection from `ip`, held until the permit is dropped.
    pub fn admit(&self, ip: IpAddr) -> Option<Permit> {
        let key = network(ip);
        let mut now = self.shared.now.lock().unwrap_or_else(PoisonError::into_inner);
        let (total, by_address) = &mut *now;
        let from_here = by_address.get(&key).copied().unwrap_or(0);
        if *total >= self.shared.total_max || from_here >= self.shared.per_address_max {
            return None;
        }
        *total += 1;
        by_address.insert(key, from_here + 1);
        Some(Permit { shared: Arc::clone(&self.shared), key })
    }

    /// Connections at this moment.
    pub fn count(&self) -> usize {
        self.shared.now.lock().unwrap_or_else(PoisonError::into_inner).0
    }
}

/// A place that was admitted.
#[derive(Debug)]
pub struct Permit {
    shared: Arc<Counts>,
    key: IpAddr,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut now = self.shared.now.lock().unwrap_or_else(PoisonError::into_inner);
        now.0 = now.0.saturating_sub(1);
        match now.1.get_mut(&self.key) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(now.1.remove(&self.key)),
        }
    }
}

/// What counts as one address: an IPv4 address, or the /64 of an IPv6 one, which is the least that a customer gets.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 => v4,
    }
}

/// Accepts on all `listeners` until `stop`, then waits for the sessions to end.
///
/// Each connection runs `session` on a task of its own; a panic there ends that session only. A connection over the
/// limits is written `refusal` (may be empty) and closed.
pub async fn serve<S, Fut>(
    listeners: Vec<Listener>,
    admission: Admission,
    refusal: &'static [u8],
    stop: impl Future<Output = ()>,
    session: S,
) where
    S: Fn(TcpStream, Peer) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let (closing, _) = watch::channel(false);
    let (alive, mut ended) = mpsc::channel::<()>(1);
    let refusing = Arc::new(Semaphore::new(REFUSALS_MAX));
    for listener in listeners {
        let door = Door { listener, admission: admission.clone(), refusal, refusing: Arc::clone(&refusing), alive: alive.clone() };
        tokio::spawn(door.accept(closing.subscribe(), session.clone()));
    }
    drop((alive, session));
    stop.await;
    closing.send_replace(true);
    // Every session and every door holds a sender; None comes when the last is gone.
    let _ = ended.recv().await;
}

struct Door {
    listener: Listener,
    admission: Admission,
    refusal: &'static [u8],
    refusing: Arc<Semaphore>,
    alive: mpsc::Sender<()>,
}

impl Door {
    async fn accept<S, Fut>(self, mut closing: watch::Receiver<bool>, session: S)
    where
        S: Fn(TcpStream, Peer) -> Fut,
        Fut: Future<Output = ()> + Send + 'static,
    {
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.inner.accept() => accepted,
                _ = closing.wait_for(|closing| *closing) => return,
            };
            match accepted {
                Ok((stream, remote)) => self.welcome(stream, remote, &session),
                Err(error) => {
                    tracing::warn!(%error, address = %self.listener.address, "cannot accept a connection; trying again");
                    sleep(ACCEPT_BACKOFF).await;
                }
            }
        }
    }

    fn welcome<S, Fut>(&self, stream: TcpStream, remote: SocketAddr, session: &S)
    where
        S: Fn(TcpStream, Peer) -> Fut,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let remote = SocketAddr::new(remote.ip().to_canonical(), remote.port());
        let Some(permit) = self.admission.admit(remote.ip()) else {
            tracing::debug!(%remote, "too many connections");
            return self.refuse(stream);
        };
        // Replies are written whole; waiting to fill a packet only delays them.
        let _ = stream.set_nodelay(true);
        let local = stream.local_addr().unwrap_or(self.listener.address);
        let work = session(stream, Peer { remote, local });
        let alive = self.alive.clone();
        tokio::spawn(async move {
            let _held = (permit, alive);
            work.await;
        });
    }

    fn refuse(&self, mut stream: TcpStream) {
        let refusal = self.refusal;
        let Ok(place) = Arc::clone(&self.refusing).try_acquire_owned() else { return };
        if refusal.is_empty() {
            return;
        }
        tokio::spawn(async move {
            let _place = place;
            let _ = timeout(REFUSAL, async {
                stream.write_all(refusal).await?;
                stream.shutdown().await
            })
            .await;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    fn any() -> SocketAddr {
        "127.0.0.1:0".parse().unwrap()
    }

    #[tokio::test]
    async fn a_port_in_use_is_said_in_one_line() {
        let first = bind(any()).unwrap();
        let says = bind(first.address()).unwrap_err().to_string();
        assert!(
            says.starts_with(&format!("port {} on 127.0.0.1 is in use by another program; ", first.address().port())),
            "{says}"
        );
    }

    #[tokio::test]
    async fn an_address_of_another_machine_is_said() {
        let says = bind("192.0.2.1:0".parse().unwrap()).unwrap_err();
        assert!(matches!(says, BindError::NotOurs(_)), "{says}");
    }

    #[test]
    fn the_bounds_admit_exactly_that_many() {
        let admission = Admission::new(3, 2);
        let a = "192.0.2.1".parse().unwrap();
        let permits = [admission.admit(a), admission.admit(a)];
        assert!(permits.iter().all(Option::is_some));
        assert!(admission.admit(a).is_none(), "third from one address");
        let b = admission.admit("192.0.2.2".parse().unwrap());
        assert!(b.is_some());
        assert!(admission.admit("192.0.2.3".parse().unwrap()).is_none(), "fourth in all");
        drop(permits);
        assert_eq!(admission.count(), 1);
        assert!(admission.admit(a).is_some());
    }

    #[test]
    fn an_ipv6_network_counts_as_one_address() {
        let admission = Admission::new(9, 1);
        let _held = admission.admit("2001:db8:1:2:3::4".parse().unwrap()).unwrap();
        assert!(admission.admit("2001:db8:1:2:ffff::1".parse().unwrap()).is_none());
        assert!(admission.admit("2001:db8:1:3::1".parse().unwrap()).is_some());
    }

    #[tokio::test]
    async fn stop_refuses_new_connections_and_waits_for_the_old() {
        let listener = bind(any()).unwrap();
        let address = listener.address();
        let stop = Arc::new(tokio::sync::Notify::new());
        let stopped = Arc::clone(&stop);
        let session = |mut stream: TcpStream, _: Peer| async move {
            let mut one = [0; 1];
            let _ = stream.read_exact(&mut one).await;
            let _ = stream.write_all(b"done").await;
        };
        let serving = tokio::spawn(async move {
            serve(vec![listener], Admission::new(1, 1), b"full\r\n", async move { stopped.notified().await }, session).await;
        });
        let mut first = TcpStream::connect(address).await.unwrap();
        let mut over = TcpStream::connect(address).await.unwrap();
        let mut text = String::new();
        over.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "full\r\n");
        stop.notify_one();
        while TcpStream::connect(address).await.is_ok() {
            sleep(std::time::Duration::from_millis(5)).await;
        }
        assert!(!serving.is_finished(), "the first session is still at work");
        first.write_all(b"x").await.unwrap();
        let mut text = String::new();
        first.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "done");
        serving.await.unwrap();
    }
}
