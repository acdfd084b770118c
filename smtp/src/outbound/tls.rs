// SPDX-License-Identifier: AGPL-3.0-or-later
//! STARTTLS towards another server: opportunistic (RFC 7435), with what the certificate was worth written down.

use std::io;

use hearth_net::tls::{ClientStream, Connector, ServerFacts, Verification};
use metrics::counter;
use tokio::io::{AsyncRead, AsyncWrite};

use super::client::Session;

/// Begins TLS on a session that offers it, and says EHLO again inside (RFC 3207 §4.2).
pub(super) async fn upgrade<S>(
    session: Session<S>,
    connector: &Connector,
    host: &str,
    hostname: &str,
) -> io::Result<Session<ClientStream<S>>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let stream = session.start_tls().await?;
    let (stream, facts) = connector.opportunistic(host, stream).await?;
    note(host, Some(&facts));
    Session::resume(stream, host, hostname).await.map_err(|sent| io::Error::other(sent.reply.to_string()))
}

/// Counts how a way was secured.
pub(super) fn note(host: &str, facts: Option<&ServerFacts>) {
    let secured = match facts.map(|facts| &facts.verification) {
        None => "none",
        Some(Verification::Verified) => "verified",
        Some(Verification::Unverified(_)) => "unverified",
    };
    let version = facts.map_or("", |facts| facts.version);
    tracing::debug!(host, secured, version, "a server was reached");
    counter!("smtp_outbound_connections_total", "tls" => secured).increment(1);
}
