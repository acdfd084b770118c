// SPDX-License-Identifier: AGPL-3.0-or-later
//! One process: started, watched, started again.

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Instant;

use anyhow::{Context, anyhow};
use hearth_boot::{Config, Stop};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::backoff::Backoff;
use super::logs::Logs;
use super::notify::{News, NotifySocket};
use crate::limits::STOP_GRACE;

/// What a child's keeper tells the supervisor.
#[derive(Debug)]
pub enum Report {
    /// It answers, for the first time.
    Ready,
    /// It ended before it ever answered; why.
    Failed(anyhow::Error),
}

/// Everything that keeping one process needs.
pub struct Keeper {
    /// Its name: `imap` and so on.
    pub name: &'static str,
    /// Its program.
    pub program: PathBuf,
    /// The node's configuration.
    pub config: Config,
    /// Where its log goes.
    pub logs: Logs,
    /// The request to stop it.
    pub stop: Stop,
    /// Where reports go.
    pub reports: mpsc::Sender<Report>,
}

/// How one run of the process ended.
enum Ended {
    /// We asked it to.
    Stopped,
    /// By itself, or killed.
    Alone { status: Option<ExitStatus>, says: Option<String> },
}

impl Keeper {
    /// Keeps the process running until it is asked to stop; fails only when it cannot be started the first time.
    pub async fn keep(self) {
        let mut backoff = Backoff::default();
        let mut ever_ready = false;
        loop {
            let started = Instant::now();
            let ended = match self.run(&mut ever_ready).await {
                Ok(ended) => ended,
                Err(error) => Ended::Alone { status: None, says: Some(format!("{error:#}")) },
            };
            let Ended::Alone { status, says } = ended else { break };
            let says =
                says.unwrap_or_else(|| status.map_or_else(String::new, |status| format!("hearth-{} ended: {status}", self.name)));
            if !ever_ready {
                let _ = self.reports.send(Report::Failed(anyhow!("{says}"))).await;
                break;
            }
            let wait = backoff.ended(started.elapsed());
            tracing::warn!(name = self.name, says, wait_ms = wait.as_millis(), "ended; starting it again");
            tokio::select! {
                () = sleep(wait) => {}
                () = self.stop.requested() => break,
            }
        }
        let _ = std::fs::remove_file(self.pid_file());
    }

    async fn run(&self, ever_ready: &mut bool) -> anyhow::Result<Ended> {
        let notify = NotifySocket::bind(self.config.run_path(&format!("notify.{}.sock", self.name)))?;
        let mut child = self.start(&notify)?;
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(self.logs.clone().follow(stderr));
        }
        let mut says = None;
        loop {
            tokio::select! {
                biased;
                news = notify.receive() => match news {
                    News::Ready if !*ever_ready => {
                        *ever_ready = true;
                        let _ = self.reports.send(Report::Ready).await;
                    }
                    News::Ready => tracing::info!(name = self.name, "back"),
                    News::Status(text) => says = Some(text),
                    News::Other => {}
                },
                () = self.stop.requested() => {
                    self.end(&mut child).await;
                    return Ok(Ended::Stopped);
                }
                status = child.wait() => {
                    if let Some(News::Status(text)) = notify.pending() {
                        says = Some(text);
                    }
                    return Ok(Ended::Alone { status: status.ok(), says });
                }
            }
        }
    }

    fn start(&self, notify: &NotifySocket) -> anyhow::Result<Child> {
        let child = Command::new(&self.program)
            .arg("--dir")
            .arg(&self.config.dir)
            .env("NOTIFY_SOCKET", notify.path())
            // boot/run.rs: the child ends when this process does.
            .env("HEARTH_SUPERVISOR", std::process::id().to_string())
            // glibc gives every thread an arena of its own and keeps what was freed: megabytes in each idle process.
            .env("MALLOC_ARENA_MAX", "1")
            .env("MALLOC_TRIM_THRESHOLD_", "131072")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            // Ctrl-C is for the supervisor, which stops them in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", self.program.display()))?;
        if let Some(pid) = child.id() {
            // Only for people and `hearth status`.
            let _ = std::fs::write(self.pid_file(), pid.to_string());
        }
        Ok(child)
    }

    async fn end(&self, child: &mut Child) {
        terminate(child);
        let bound = std::time::Duration::from_secs(self.config.limits.drain_seconds) + STOP_GRACE;
        if timeout(bound, child.wait()).await.is_err() {
            tracing::warn!(name = self.name, "did not stop in time; killed");
            let _ = child.kill().await;
        }
    }

    fn pid_file(&self) -> PathBuf {
        self.config.run_path(&format!("{}.pid", self.name))
    }
}

/// SIGTERM to a child that has not been waited for (so its number is still its own).
pub fn terminate(child: &Child) {
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let Some(pid) = pid {
        let _ = kill_process(pid, Signal::TERM);
    }
}
