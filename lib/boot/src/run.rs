// SPDX-License-Identifier: AGPL-3.0-or-later
//! From the command line to a serving future, and back to an exit status.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use sd_notify::NotifyState;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use crate::limits::{BLOCKING_THREAD_IDLE, BLOCKING_THREADS_MAX, RUNTIME_SHUTDOWN, THREAD_STACK_BYTES, WORKER_THREADS};
use crate::{Config, Stop, footprint, log, metrics, rights};

/// What a server is given.
#[derive(Clone, Debug)]
pub struct Boot {
    /// The process' name: `imap`, `smtp` and so on.
    pub name: &'static str,
    /// The configuration.
    pub config: Arc<Config>,
    /// Requested by SIGTERM or SIGINT. Return soon after it: what still runs `limits.drain_seconds` later is abandoned.
    pub stop: Stop,
    flags: Vec<String>,
}

impl Boot {
    /// A boot for tests and for `hearth` itself: no signals, no rights dropped.
    pub fn for_tests(name: &'static str, config: Config) -> Self {
        Self { name, config: Arc::new(config), stop: Stop::new(), flags: Vec::new() }
    }

    /// Whether the command line had this flag (one that the server named in [`run_with_flags`]).
    pub fn has_flag(&self, flag: &str) -> bool {
        self.flags.iter().any(|given| given == flag)
    }

    /// Tells the supervisor that every listener answers.
    pub fn ready(&self) {
        if let Err(error) = sd_notify::notify(&[NotifyState::Ready]) {
            tracing::warn!(%error, "the supervisor cannot be told that we are ready");
        }
        tracing::info!(process = self.name, "ready");
    }
}

/// Runs a server that takes no flags of its own. See the crate's page for the shape of a `main`.
pub fn run<F, Fut>(name: &'static str, serve: F) -> ExitCode
where
    F: FnOnce(Boot) -> Fut,
    Fut: Future<Output = anyhow::Result<()>>,
{
    run_with_flags(name, &[], serve)
}

/// Runs a server; `flags` are the further words that its command line may have, such as `--gate-only`.
pub fn run_with_flags<F, Fut>(name: &'static str, flags: &[&str], serve: F) -> ExitCode
where
    F: FnOnce(Boot) -> Fut,
    Fut: Future<Output = anyhow::Result<()>>,
{
    let command = match Command::parse(std::env::args().skip(1), std::env::var_os("HEARTH_DIR").map(PathBuf::from), flags) {
        Ok(command) => command,
        Err(says) => {
            eprintln!("hearth-{name}: {says}");
            return ExitCode::from(2);
        }
    };
    match start(name, command, serve) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let line = format!("{error:#}");
            // The supervisor repeats the line to the person; without one the person reads standard error.
            let _ = sd_notify::notify(&[NotifyState::Status(&line)]);
            eprintln!("hearth-{name}: {line}");
            ExitCode::FAILURE
        }
    }
}

fn start<F, Fut>(name: &'static str, command: Command, serve: F) -> anyhow::Result<()>
where
    F: FnOnce(Boot) -> Fut,
    Fut: Future<Output = anyhow::Result<()>>,
{
    rights::keep_files_private();
    let dir = std::path::absolute(&command.dir)?;
    let config = Config::load(&dir)?;
    log::start(&config.log);
    rights::become_user(&config.process.user)?;
    end_with_supervisor()?;
    run_directory(&config)?;
    rights::restrict(&dir)?;
    let drain = Duration::from_secs(config.limits.drain_seconds);
    let boot = Boot { name, config: Arc::new(config), stop: Stop::new(), flags: command.flags };
    let runtime = runtime()?;
    let result = runtime.block_on(async {
        metrics::start(name, boot.config.run_path(&format!("{name}.metrics.sock")));
        listen_to_signals(name, boot.stop.clone())?;
        tokio::spawn(footprint::keep_small());
        let stop = boot.stop.clone();
        let overdue = async {
            stop.requested().await;
            tokio::time::sleep(drain).await;
        };
        tokio::select! {
            result = serve(boot) => result,
            () = overdue => {
                tracing::warn!(seconds = drain.as_secs(), "stopping although sessions are still busy");
                Ok(())
            }
        }
    });
    runtime.shutdown_timeout(RUNTIME_SHUTDOWN);
    result
}

/// The runtime that every process of the house uses: small, because a home has many processes and little memory.
pub fn runtime() -> anyhow::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKER_THREADS)
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .thread_keep_alive(BLOCKING_THREAD_IDLE)
        .thread_stack_size(THREAD_STACK_BYTES)
        .enable_all()
        .build()
        .context("cannot start threads; the machine is out of memory or threads")
}

fn listen_to_signals(name: &'static str, stop: Stop) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen to signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen to signals")?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!(process = name, "stopping");
        let _ = sd_notify::notify(&[NotifyState::Stopping]);
        stop.request();
    });
    Ok(())
}

/// A supervisor that was killed cannot stop us, and a second one would find our ports taken: we end with it.
/// After the change of user, which takes the request back.
fn end_with_supervisor() -> anyhow::Result<()> {
    let Some(supervisor) = std::env::var("HEARTH_SUPERVISOR").ok().and_then(|pid| pid.parse::<i32>().ok()) else { return Ok(()) };
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM))
        .context("cannot follow the supervisor")?;
    if rustix::process::getppid().map(rustix::process::Pid::as_raw_nonzero).map(std::num::NonZero::get) != Some(supervisor) {
        anyhow::bail!("the supervisor has ended; start the node again with: hearth up");
    }
    Ok(())
}

/// `DIR/run` exists and belongs to us alone.
fn run_directory(config: &Config) -> anyhow::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    let run = config.path("run");
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&run)
        .with_context(|| format!("cannot make {}; run as the owner of {}", run.display(), config.dir.display()))
}

#[derive(Debug, PartialEq, Eq)]
struct Command {
    dir: PathBuf,
    flags: Vec<String>,
}

impl Command {
    fn parse(words: impl IntoIterator<Item = String>, from_env: Option<PathBuf>, known: &[&str]) -> Result<Self, String> {
        let mut dir = from_env;
        let mut flags = Vec::new();
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            if let Some(path) = word.strip_prefix("--dir=") {
                dir = Some(PathBuf::from(path));
            } else if word == "--dir" {
                dir = Some(words.next().map(PathBuf::from).ok_or("--dir needs a directory after it")?);
            } else if known.contains(&word.as_str()) {
                flags.push(word);
            } else {
                return Err(format!("{word:?} is not understood; say --dir DIR (`hearth up` starts all servers)"));
            }
        }
        let dir = dir.filter(|dir| dir != Path::new("")).ok_or("no data directory; say --dir DIR or set HEARTH_DIR")?;
        Ok(Self { dir, flags })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str], env: Option<&str>) -> Result<Command, String> {
        Command::parse(words.iter().map(|word| (*word).to_owned()), env.map(PathBuf::from), &["--gate-only"])
    }

    #[test]
    fn the_word_beats_the_variable() {
        assert_eq!(parse(&["--dir", "/a"], Some("/b")).unwrap().dir, Path::new("/a"));
        assert_eq!(parse(&["--dir=/a"], None).unwrap().dir, Path::new("/a"));
        assert_eq!(parse(&[], Some("/b")).unwrap().dir, Path::new("/b"));
    }

    #[test]
    fn a_flag_must_be_known() {
        assert_eq!(parse(&["--dir", "/a", "--gate-only"], None).unwrap().flags, vec!["--gate-only"]);
        assert!(parse(&["--dir", "/a", "--fast"], None).unwrap_err().contains("--fast"));
    }

    #[test]
    fn no_directory_is_a_wrong_command_line() {
        assert!(parse(&[], None).unwrap_err().contains("HEARTH_DIR"));
        assert!(parse(&["--dir"], None).is_err());
    }
}
