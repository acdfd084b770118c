// SPDX-License-Identifier: AGPL-3.0-or-later
//! Reaching the vault. Only `hearth-oauth` opens it; a command asks it through the gate's socket. When the node is
//! down, a `hearth-oauth --gate-only` runs for as long as the command needs it.

use std::fs::File;
use std::process::Stdio;

use anyhow::{Context, anyhow, bail};
use hearth_boot::Config;
use hearth_identity::login::Gate;
use hearth_types::{AccountId, Trouble};
use rustix::fs::{FlockOperation, flock};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::limits::{GATE_READY, GATE_STOP};
use crate::place::sibling;
use crate::supervisor::notify::{News, NotifySocket};
use crate::supervisor::terminate;

/// A gate that answers; the short-lived one stops when this is closed.
pub struct OpenGate {
    gate: Gate,
    own: Option<Own>,
}

struct Own {
    child: Child,
    _lock: File,
}

impl OpenGate {
    /// The gate of the running node, or a short-lived one.
    pub async fn open(config: &Config) -> anyhow::Result<Self> {
        let socket = config.run_path("gate.sock");
        let gate = Gate::new(&socket);
        if gate.is_up().await {
            return Ok(Self { gate, own: None });
        }
        // Two commands at once take turns; the second may find that the node has come up meanwhile.
        let lock = lock(config, "gate.lock").await?;
        if gate.is_up().await {
            return Ok(Self { gate, own: None });
        }
        let child = start(config).await?;
        Ok(Self { gate, own: Some(Own { child, _lock: lock }) })
    }

    /// The gate itself.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Stops the short-lived gate.
    pub async fn close(mut self) {
        if let Some(own) = &mut self.own {
            terminate(&own.child);
            if timeout(GATE_STOP, own.child.wait()).await.is_err() {
                let _ = own.child.kill().await;
            }
        }
    }
}

/// What the gate could not do, for a person.
pub fn refused(trouble: Trouble) -> anyhow::Error {
    anyhow!("{}", trouble.cause())
}

/// Tells somebody by letter of what a command did to their account. It is done either way.
pub async fn tell(config: &Config, account: AccountId, event: &str, what: &str) {
    let told = async {
        let gate = OpenGate::open(config).await?;
        let told = gate.gate().tell(account, event, what).await.map_err(refused);
        gate.close().await;
        told
    };
    if let Err(error) = told.await {
        tracing::warn!(%error, "the person could not be told of it by letter");
    }
}

/// Waits for a lock in `run/`, which is held as long as the file is open.
pub(crate) async fn lock(config: &Config, name: &'static str) -> anyhow::Result<File> {
    let path = config.run_path(name);
    let locked = tokio::task::spawn_blocking(move || {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let file = File::options().create(true).truncate(false).write(true).open(path)?;
        flock(&file, FlockOperation::LockExclusive)?;
        Ok::<_, std::io::Error>(file)
    });
    locked.await?.with_context(|| format!("cannot lock run/{name}; run as the owner of the data directory"))
}

async fn start(config: &Config) -> anyhow::Result<Child> {
    let notify = NotifySocket::bind(config.run_path(&format!("notify.gate.{}.sock", std::process::id())))?;
    let mut child = Command::new(sibling("hearth-oauth")?)
        .arg("--dir")
        .arg(&config.dir)
        .arg("--gate-only")
        .env("NOTIFY_SOCKET", notify.path())
        .env("HEARTH_LOG__LEVEL", "error")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("cannot start hearth-oauth")?;
    let mut says = None;
    let ready = timeout(GATE_READY, async {
        loop {
            tokio::select! {
                biased;
                news = notify.receive() => match news {
                    News::Ready => return Ok(()),
                    News::Status(text) => says = Some(text),
                    News::Other => {}
                },
                _ = child.wait() => {
                    if let Some(News::Status(text)) = notify.pending() {
                        says = Some(text);
                    }
                    return Err(says.take().unwrap_or_else(|| "hearth-oauth ended at once; see: hearth doctor".to_owned()));
                }
            }
        }
    });
    match ready.await {
        Ok(Ok(())) => Ok(child),
        Ok(Err(says)) => bail!("{says}"),
        Err(_) => bail!("hearth-oauth did not open the vault within {} s; see: hearth doctor", GATE_READY.as_secs()),
    }
}
