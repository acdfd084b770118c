// SPDX-License-Identifier: AGPL-3.0-or-later
//! The front door: TLS for HTTPS, and which name and path goes to which process.
//!
//! What comes in: connections to the HTTPS and HTTP ports from anybody. What leaves: requests to the Unix sockets
//! in `DIR/run` (`oauth.sock`, `jmap.sock`, `keyserver.sock`) with true `X-Forwarded-` fields, requests to the household's
//! own apps by people whom oauth lets through, and a few pages of our own. How it fails: a name that is not ours 421, a process that is down 503, one that is silent 504, a request
//! without a usable Host 400.
//!
//! Read first: `route.rs`, whose test is the table of names and paths. Then `front.rs` (one connection), `forward.rs`
//! (one request to a process), `app.rs` (one request to an app behind a login), `page.rs` (what we answer ourselves), `domains.rs` (the names that we answer to).
//!
//! The commonest change is a new path: an arm in `route.rs` and a row in its test.

mod app;
mod domains;
mod forward;
mod front;
pub mod limits;
mod page;
pub mod registry;
pub mod route;

use std::sync::Arc;

use hearth_boot::Boot;
use hearth_net::listen::{self, Admission};
use hearth_net::tls::Tls;

use app::Apps;
use domains::Domains;
use forward::Processes;
use front::Front;

/// Binds the doors, says that it is ready, and serves until it is asked to stop.
pub async fn serve(boot: Boot) -> anyhow::Result<()> {
    let config = Arc::clone(&boot.config);
    let tls = Tls::load(&config.path("tls/node.pem"), &config.path("tls/node.key"), &["h2", "http/1.1"])?;
    let https = listen::bind_all(&config.addresses(443))?;
    let http = listen::bind_all(&config.addresses(80))?;
    let admission = Admission::new(config.limits.connections_max, config.limits.connections_per_address_max);
    let domains = Domains::new(Arc::clone(&config));
    let processes = Processes::new(Arc::clone(&config));
    let apps = Apps::new(processes.clone(), boot.stop.clone());
    let front = Arc::new(Front { config, domains, processes, apps, tls, stop: boot.stop.clone() });
    boot.ready();
    let secure = Arc::clone(&front);
    tokio::join!(
        listen::serve(https, admission.clone(), b"", boot.stop.requested(), move |stream, peer| Arc::clone(&secure)
            .https(stream, peer)),
        listen::serve(http, admission, b"", boot.stop.requested(), move |stream, peer| Arc::clone(&front).http(stream, peer)),
    );
    Ok(())
}
