// SPDX-License-Identifier: AGPL-3.0-or-later
//! Metrics in Prometheus' text format on a Unix socket in `DIR/run`.
//!
//! `curl --unix-socket DIR/run/imap.metrics.sock http://localhost/metrics` shows them. The responder answers every
//! request with the same page and closes: no routes, no keep-alive, nothing to attack from outside the machine.

use std::path::{Path, PathBuf};

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{interval, timeout};

use crate::limits::{METRICS_DEADLINE, METRICS_REQUEST_BYTES_MAX, METRICS_UPKEEP};

/// Upper ends of the histograms' buckets, in seconds.
const BUCKETS: [f64; 12] = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0];

/// Installs the recorder and serves it; without a socket (no `run` directory) the counters still count.
pub(crate) fn start(name: &str, socket: PathBuf) {
    let recorder = PrometheusBuilder::new()
        .add_global_label("process", name)
        .set_buckets(&BUCKETS)
        .and_then(PrometheusBuilder::install_recorder);
    let handle = match recorder {
        Ok(handle) => handle,
        Err(error) => return tracing::warn!(%error, "no metrics"),
    };
    metrics::counter!("hearth_panics_total").absolute(0);
    tokio::spawn(upkeep(handle.clone()));
    match bind(&socket) {
        Ok(listener) => drop(tokio::spawn(serve(listener, handle))),
        Err(error) => tracing::warn!(%error, socket = %socket.display(), "no metrics socket"),
    }
}

fn bind(socket: &Path) -> std::io::Result<UnixListener> {
    match std::fs::remove_file(socket) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    UnixListener::bind(socket)
}

async fn upkeep(handle: PrometheusHandle) {
    let mut every = interval(METRICS_UPKEEP);
    loop {
        every.tick().await;
        handle.run_upkeep();
    }
}

async fn serve(listener: UnixListener, handle: PrometheusHandle) {
    loop {
        match listener.accept().await {
            // One at a time: a scraper that dawdles delays other scrapers and nobody else.
            Ok((stream, _)) => drop(timeout(METRICS_DEADLINE, answer(stream, &handle)).await),
            Err(error) => {
                tracing::debug!(%error, "metrics socket");
                tokio::time::sleep(METRICS_DEADLINE).await;
            }
        }
    }
}

async fn answer(mut stream: UnixStream, handle: &PrometheusHandle) -> std::io::Result<()> {
    let mut request = Vec::with_capacity(512);
    while !request.windows(4).any(|bytes| bytes == b"\r\n\r\n") && request.len() < METRICS_REQUEST_BYTES_MAX {
        if stream.read_buf(&mut request).await? == 0 {
            break;
        }
    }
    let page = handle.render();
    let head = format!(
        "HTTP/1.0 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        page.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(page.as_bytes()).await?;
    stream.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_socket_answers_with_what_was_counted() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("test.metrics.sock");
        std::fs::write(&socket, b"left over by a killed process").unwrap();
        start("test", socket.clone());
        metrics::counter!("hearth_test_total").increment(3);
        let mut stream = UnixStream::connect(&socket).await.unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.unwrap();
        assert!(reply.starts_with("HTTP/1.0 200 OK\r\n"), "{reply}");
        assert!(reply.contains("hearth_test_total{process=\"test\"} 3"), "{reply}");
    }
}
