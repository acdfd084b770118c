// SPDX-License-Identifier: AGPL-3.0-or-later
//! Structured lines on standard error, for people or for programs; and panics, logged and counted.

use std::io::IsTerminal;
use std::panic::PanicHookInfo;

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::config::{Log, LogFormat};

/// Begins logging. A second call in one process (tests) changes nothing.
///
/// A level that cannot be read gives `info` and a warning: a typing error in it does not keep the mail away.
pub fn start(log: &Log) {
    let filter: Result<Targets, _> = log.level.parse();
    let bad = filter.is_err();
    let filter = filter.unwrap_or_else(|_| Targets::new().with_default(tracing::Level::INFO));
    let layer = match log.format {
        LogFormat::Human => fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => fmt::layer().json().flatten_event(true).with_writer(std::io::stderr).boxed(),
    };
    let started = tracing_subscriber::registry().with(layer.with_filter(filter)).try_init().is_ok();
    if started && bad {
        tracing::warn!(level = log.level, "log.level cannot be read; using info");
    }
    std::panic::set_hook(Box::new(on_panic));
}

/// A panic ends one session; it is written down with its place and counted.
fn on_panic(info: &PanicHookInfo<'_>) {
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let payload = info.payload();
    let says = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    metrics::counter!("hearth_panics_total").increment(1);
    tracing::error!(place, says, "panic: this is a defect of ours, please report it with this line");
}
