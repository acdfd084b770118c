// SPDX-License-Identifier: AGPL-3.0-or-later
//! `hearth up`: starts the processes, keeps each running, stops them gently.
//!
//! Each process has a keeper (`child.rs`) of its own: one that ends is started again (`backoff.rs`) and the others
//! notice nothing. A process that cannot start the first time stops the node with the line that it left.

mod backoff;
mod child;
pub mod lock;
mod logs;
pub mod notify;

use std::future::Future;

use anyhow::{anyhow, bail};
use hearth_boot::{Config, Stop};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

pub use child::terminate;
use child::{Keeper, Report};
use logs::Logs;

use crate::init::certificate;
use crate::limits::{CERTIFICATE_CHECK, KEYS_LOOKED_AT_EVERY, KEYS_TENDED_EVERY, KEYS_TENDED_FIRST, READY};
use crate::place::sibling;

/// The processes of a node. `oauth` first: it answers the others' questions, and stops last.
pub const PROCESSES: &[&str] = &["oauth", "smtp", "imap", "jmap", "keyserver", "router"];

/// Runs the node until SIGTERM or SIGINT. `ready` runs once, when every process answers.
pub async fn supervise<Fut: Future<Output = anyhow::Result<()>>>(
    config: &Config,
    ready: impl FnOnce() -> Fut,
) -> anyhow::Result<()> {
    let _lock = lock::take(config)?;
    certificate::renew_if_due(config)?;
    let logs = Logs::held();
    let (gate_stop, servers_stop) = (Stop::new(), Stop::new());
    let (reports, mut news) = mpsc::channel(PROCESSES.len());
    let (mut gate, mut servers) = (JoinSet::new(), JoinSet::new());
    for name in PROCESSES {
        let (set, stop) = if *name == "oauth" { (&mut gate, &gate_stop) } else { (&mut servers, &servers_stop) };
        let program = sibling(&format!("hearth-{name}"))?;
        let keeper =
            Keeper { name, program, config: config.clone(), logs: logs.clone(), stop: stop.clone(), reports: reports.clone() };
        set.spawn(keeper.keep());
    }
    drop(reports);
    let asked = asked_to_stop()?;
    tokio::pin!(asked);
    let started = tokio::select! {
        started = all_ready(&mut news) => started,
        () = &mut asked => Err(anyhow!("stopped before it was ready")),
    };
    let result = match started {
        Ok(()) => {
            logs.release();
            hearth_boot::log::start(&config.log);
            tokio::spawn(hearth_boot::footprint::keep_small());
            let result = ready().await;
            if result.is_ok() {
                tokio::select! {
                    () = &mut asked => {}
                    () = renew_now_and_then(config) => {}
                    () = tend_keys_daily(config) => {}
                }
            }
            result
        }
        Err(error) => Err(error),
    };
    // The servers may still ask the gate while they finish what is in flight.
    servers_stop.request();
    while servers.join_next().await.is_some() {}
    gate_stop.request();
    while gate.join_next().await.is_some() {}
    result
}

async fn all_ready(news: &mut mpsc::Receiver<Report>) -> anyhow::Result<()> {
    let waiting = async {
        for _ in PROCESSES {
            match news.recv().await {
                Some(Report::Ready) => {}
                Some(Report::Failed(error)) => return Err(error),
                None => bail!("every process ended; see: hearth doctor"),
            }
        }
        Ok(())
    };
    match timeout(READY, waiting).await {
        Ok(result) => result,
        Err(_) => bail!("not every process was ready within {} s; look at the machine's load and try again", READY.as_secs()),
    }
}

fn asked_to_stop() -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// The servers see the new files by themselves.
async fn renew_now_and_then(config: &Config) {
    loop {
        sleep(CERTIFICATE_CHECK).await;
        match certificate::renew_if_due(config) {
            Ok(true) => tracing::info!("the node's certificate was renewed"),
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "the node's certificate cannot be renewed; see: hearth doctor"),
        }
    }
}

/// In a process of its own, which holds secret keys for a moment and ends.
async fn tend_keys_daily(config: &Config) {
    sleep(KEYS_TENDED_FIRST).await;
    let asked_for = config.run_path("tend");
    loop {
        // Removed before the round: what is asked for meanwhile gets another.
        let _ = std::fs::remove_file(&asked_for);
        let ran = async {
            let mut command = tokio::process::Command::new(sibling("hearth")?);
            command.arg("--dir").arg(&config.dir).args(["key", "tend"]).kill_on_drop(true);
            command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null());
            anyhow::Ok(command.status().await?)
        };
        match ran.await {
            Ok(status) if status.success() => tracing::debug!("the house's keys were looked after"),
            Ok(status) => tracing::warn!(%status, "the house's keys could not be looked after; try: hearth key tend"),
            Err(error) => tracing::warn!(%error, "the house's keys could not be looked after; try: hearth key tend"),
        }
        let begun = tokio::time::Instant::now();
        while begun.elapsed() < KEYS_TENDED_EVERY && !asked_for.exists() {
            sleep(KEYS_LOOKED_AT_EVERY).await;
        }
    }
}
