// SPDX-License-Identifier: AGPL-3.0-or-later
//! A mail to another home: where it goes (`route.rs`), how the way is secured (`tls.rs`), what is said (`client.rs`).

pub mod client;
pub mod route;
mod tls;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hearth_net::dns::Resolver;
use hearth_net::tls::Connector;
use hearth_types::{Address, Domain};
use hearth_wire::smtp::{Notify, OriginalRecipient, Reply, Severity};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::limits::{OUTBOUND_CONNECT, OUTBOUND_HOSTS_MAX};
use crate::message::Message;
use client::Session;
use route::{Host, Route};

/// Sends to other homes.
#[derive(Clone)]
pub struct Outbound {
    /// What we call ourselves.
    pub hostname: String,
    /// Every name of this node; an exchanger of these is ourselves.
    pub own_names: Arc<[String]>,
    /// The addresses that we listen on.
    pub own_addresses: Arc<[IpAddr]>,
    /// The port of other servers: 25, but for tests.
    pub port: u16,
    /// Names.
    pub dns: Resolver,
    /// Certificates.
    pub connector: Connector,
}

/// A mail with its recipients at one destination.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Our name for it, for the log.
    pub id: String,
    /// The envelope sender; `None` is the null sender.
    pub sender: Option<Address>,
    /// The message.
    pub message: Message,
    /// All its octets are ASCII.
    pub is_ascii: bool,
    /// It needs SMTPUTF8.
    pub smtputf8: bool,
    /// RFC 3461 RET=FULL.
    pub return_full: bool,
    /// RFC 8689: no server on the way may take it without TLS.
    pub require_tls: bool,
    /// RFC 3461 ENVID.
    pub envid: Option<String>,
    /// For whom.
    pub recipients: Vec<OutgoingRecipient>,
}

/// One of them.
#[derive(Clone, Debug)]
pub struct OutgoingRecipient {
    /// Who.
    pub address: Address,
    /// RFC 3461 NOTIFY.
    pub notify: Option<Notify>,
    /// RFC 3461 ORCPT.
    pub orcpt: Option<OriginalRecipient>,
}

/// What came of a recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The last reply: the peer's, or ours where there was none.
    pub reply: Reply,
    /// The host that gave it; `None`: we did.
    pub host: Option<String>,
    /// The host will send the reports that the sender asked for (RFC 3461 §5.2).
    pub host_reports: bool,
    /// An alias of ours passes it on to another home, which is asked for no report (RFC 3461 §5.2.7.1).
    pub passed_on: bool,
}

impl Sent {
    /// Of our own.
    pub fn ours(reply: Reply) -> Self {
        Self { reply, host: None, host_reports: false, passed_on: false }
    }

    /// Does the other server have the mail?
    pub fn is_done(&self) -> bool {
        self.reply.severity() == Severity::Done
    }

    /// Will it never?
    pub fn is_final(&self) -> bool {
        self.reply.severity() != Severity::Transient
    }
}

impl Outbound {
    /// Sends a mail to its recipients in one domain; an answer for each, in order.
    pub async fn send(&self, domain: &Domain, mail: &Outgoing) -> Vec<Sent> {
        let all = |sent: Sent| vec![sent; mail.recipients.len()];
        if mail.require_tls {
            // RFC 8689 §4.2.1 wants the server's name vouched for, by DNSSEC or MTA-STS, and its certificate checked. (todo)
            let says = "REQUIRETLS: nothing vouches for the way to the servers of the domain";
            return all(Sent::ours(Reply::named(550, 7, 30, says)));
        }
        let hosts = match route::find(self, domain).await {
            Route::Hosts(hosts) => hosts,
            Route::Nowhere(reply) => return all(Sent::ours(reply)),
        };
        let mut last = Sent::ours(Reply::named(451, 4, 1, "no server of the domain answers"));
        for host in hosts.iter().take(OUTBOUND_HOSTS_MAX) {
            match self.open(host).await {
                Ok(session) => return session.send(mail).await,
                Err(sent) => {
                    tracing::info!(queue = %mail.id, host = %host.name, reply = %sent.reply, "a server cannot be used now");
                    // RFC 5321 §5.1: another exchanger may do better; a permanent greeting is that host's word only.
                    last = sent;
                }
            }
        }
        if last.is_final() && hosts.len() > 1 {
            last.reply = Reply::named(451, 4, 1, "").saying(format!("no server of the domain takes mail from us: {}", last.reply));
        }
        all(last)
    }

    /// A session behind EHLO, inside TLS where the host has it.
    async fn open(&self, host: &Host) -> Result<Box<dyn client::Conversation>, Sent> {
        let stream = self.connect(host).await?;
        let plain = Session::greet(stream, &host.name, &self.hostname).await?;
        if !plain.offers("STARTTLS") {
            tls::note(&host.name, None);
            return Ok(Box::new(plain));
        }
        match tls::upgrade(plain, &self.connector, &host.name, &self.hostname).await {
            Ok(secured) => Ok(Box::new(secured)),
            // RFC 7435 §3: without a promise that TLS works, mail in clear is better than none.
            Err(error) => {
                tracing::warn!(host = %host.name, %error, "TLS does not work there; sending without");
                tls::note(&host.name, None);
                let stream = self.connect(host).await?;
                Ok(Box::new(Session::greet(stream, &host.name, &self.hostname).await?))
            }
        }
    }

    async fn connect(&self, host: &Host) -> Result<TcpStream, Sent> {
        let failed = |error: &dyn std::fmt::Display| {
            let says = format!("cannot connect to {} ({}): {error}", host.name, host.address);
            Sent::ours(Reply::named(451, 4, 1, "").saying(says))
        };
        let connecting = async {
            let socket = if host.address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
            if let Some(source) = self.source(host.address) {
                socket.bind(SocketAddr::new(source, 0))?;
            }
            socket.connect(SocketAddr::new(host.address, self.port)).await
        };
        match timeout(OUTBOUND_CONNECT, connecting).await {
            Ok(Ok(stream)) => {
                // Commands are sent whole; waiting to fill a packet only delays them.
                let _ = stream.set_nodelay(true);
                Ok(stream)
            }
            Ok(Err(error)) => Err(failed(&error)),
            Err(_) => Err(failed(&"no answer")),
        }
    }

    /// Several homes on one machine have a loopback address each: who speaks from its own can be told from the others.
    fn source(&self, destination: IpAddr) -> Option<IpAddr> {
        let own = self.own_addresses.iter().find(|own| own.is_loopback() && own.is_ipv4() == destination.is_ipv4());
        own.copied().filter(|_| destination.is_loopback())
    }
}
