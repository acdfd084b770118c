// SPDX-License-Identifier: AGPL-3.0-or-later
//! A small DNS server for the homes of a test: hickory-server over zones as text, on UDP and TCP.

use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use anyhow::{Context as _, Result};
use hickory_server::Server;
use hickory_server::net::runtime::TokioRuntimeProvider;
use hickory_server::proto::rr::{LowerName, Name};
use hickory_server::proto::serialize::txt::Parser;
use hickory_server::store::in_memory::InMemoryZoneHandler;
use hickory_server::zone_handler::{AxfrPolicy, Catalog, ZoneType};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::oneshot;

const TCP_TIMEOUT: Duration = Duration::from_secs(5);
const TCP_BUFFER: usize = 64;
const PORTS_TRIED_MAX: u32 = 100;

/// A running server, on a thread of its own: a test may have a runtime or none. It stops when it is dropped.
pub struct Dns {
    /// Where it listens.
    pub address: SocketAddr,
    _stop: oneshot::Sender<()>,
}

impl Dns {
    /// Serves zones, each a name and its lines as `hearth domain records` prints them.
    pub fn start(zones: &[(&str, String)]) -> Result<Self> {
        Self::start_at(None, zones)
    }

    /// The same at this address: programs of others ask at port 53 alone.
    pub fn start_at(at: Option<SocketAddr>, zones: &[(&str, String)]) -> Result<Self> {
        let mut catalog = Catalog::new();
        // What no zone has does not exist, as on the Internet.
        catalog.upsert(LowerName::from(Name::root()), vec![Arc::new(zone(Name::root(), "")?)]);
        for (origin, lines) in zones {
            let origin = Name::from_ascii(format!("{origin}."))?;
            catalog.upsert(LowerName::from(origin.clone()), vec![Arc::new(zone(origin, lines)?)]);
        }
        let (stop, stopped) = oneshot::channel::<()>();
        let (told, address) = mpsc::channel();
        std::thread::spawn(move || {
            let served = serve(at, catalog, stopped, |address| drop(told.send(Ok(address))));
            let _ = served.inspect_err(|error| drop(told.send(Err(anyhow::anyhow!("{error:#}")))));
        });
        Ok(Self { address: address.recv()??, _stop: stop })
    }
}

fn serve(at: Option<SocketAddr>, catalog: Catalog, stopped: oneshot::Receiver<()>, tell: impl FnOnce(SocketAddr)) -> Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let (udp, tcp, address) = match at {
            Some(at) => (UdpSocket::bind(at).await?, TcpListener::bind(at).await?, at),
            None => one_port().await?,
        };
        let mut server = Server::new(catalog);
        server.register_socket(udp);
        server.register_listener(tcp, TCP_TIMEOUT, TCP_BUFFER);
        tell(address);
        // The other end is dropped with the `Dns`.
        let _ = stopped.await;
        Ok(())
    })
}

/// A port that is free on UDP and on TCP: one that is free on the one may be taken on the other.
async fn one_port() -> Result<(UdpSocket, TcpListener, SocketAddr)> {
    let mut tries = 0;
    loop {
        let tcp = TcpListener::bind("127.0.0.1:0").await?;
        let address = tcp.local_addr()?;
        match UdpSocket::bind(address).await {
            Ok(udp) => return Ok((udp, tcp, address)),
            Err(error) if tries == PORTS_TRIED_MAX => return Err(error.into()),
            Err(_) => tries += 1,
        }
    }
}

fn zone(origin: Name, lines: &str) -> Result<InMemoryZoneHandler<TokioRuntimeProvider>> {
    let soa = "@ 60 IN SOA ns.invalid. hostmaster.invalid. 1 3600 600 86400 1\n@ 60 IN NS ns.invalid.\n".to_string();
    let (origin, records) = Parser::new(soa + lines, None, Some(origin)).parse().context("the zone's lines")?;
    InMemoryZoneHandler::new(origin, records, ZoneType::Primary, AxfrPolicy::Deny, None).map_err(anyhow::Error::msg)
}
