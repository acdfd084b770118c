// SPDX-License-Identifier: AGPL-3.0-or-later
//! `hearth status`: what runs.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::bail;
use hearth_boot::Config;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::limits::PORT_PROBE;
use crate::out::Out;
use crate::place::Place;
use crate::supervisor::{PROCESSES, lock};

/// The services of every home and their standard ports.
const PORTS: [(&str, u16); 10] = [
    ("smtp", 25),
    ("submissions", 465),
    ("submission", 587),
    ("imap", 143),
    ("imaps", 993),
    ("pop3", 110),
    ("pop3s", 995),
    ("sieve", 4190),
    ("http", 80),
    ("https", 443),
];
/// Those of a home that chose them.
const LDAP_PORTS: [(&str, u16); 2] = [("ldap", 389), ("ldaps", 636)];

/// The services of this home and their standard ports.
pub(super) fn services(config: &Config) -> impl Iterator<Item = (&'static str, u16)> {
    PORTS.into_iter().chain(LDAP_PORTS.into_iter().filter(|_| config.ldap.enabled))
}

/// Runs it.
pub async fn run(place: &Place, out: &Out) -> anyhow::Result<()> {
    let config = &place.config;
    let Some(supervisor) = lock::holder(config) else {
        if out.is_json() {
            out.result(&json!({ "running": false, "processes": [], "ports": [] }), "");
        }
        bail!("{} is not running; start it with: hearth up --dir {}", config.dir.display(), config.dir.display());
    };
    let mut processes = vec![process("up", supervisor)];
    for name in PROCESSES {
        let pid = std::fs::read_to_string(config.run_path(&format!("{name}.pid"))).ok().and_then(|text| text.trim().parse().ok());
        processes.push(pid.map_or_else(|| json!({ "name": name, "running": false }), |pid| process(name, pid)));
    }
    let ports = ports(config).await;
    if out.is_json() {
        out.result(&json!({ "running": true, "processes": processes, "ports": ports }), "");
        return Ok(());
    }
    let total: u64 = processes.iter().filter_map(|process| process["memory_kib"].as_u64()).sum();
    for process in &mut processes {
        let memory = process["memory_kib"].as_u64().map(|kib| format!("{:.1} MB", mib(kib)));
        let uptime = process["uptime_seconds"].as_u64().map(spoken);
        process["memory"] = json!(memory);
        process["uptime"] = json!(uptime);
    }
    out.table(&processes, &["name", "running", "pid", "uptime", "memory"], "");
    out.line(&format!("memory in all: {:.1} MB\n", mib(total)));
    out.table(&ports, &["service", "address", "answers"], "");
    Ok(())
}

/// Each port and whether it answers.
pub(super) async fn ports(config: &Config) -> Vec<Value> {
    let mut rows = Vec::new();
    for (service, standard) in services(config) {
        let address = config.local_address(standard);
        rows.push(json!({ "service": service, "address": address.to_string(), "answers": answers(address).await }));
    }
    rows
}

async fn answers(address: SocketAddr) -> bool {
    matches!(timeout(PORT_PROBE, TcpStream::connect(address)).await, Ok(Ok(_)))
}

fn process(name: &str, pid: u32) -> Value {
    let running = std::path::Path::new(&format!("/proc/{pid}")).exists();
    json!({ "name": name, "running": running, "pid": pid, "uptime_seconds": uptime(pid).map(|time| time.as_secs()), "memory_kib": memory_kib(pid) })
}

/// Proportional set size: what is shared with other processes counts in parts.
fn memory_kib(pid: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    text.lines().find_map(|line| line.strip_prefix("Pss:"))?.split_whitespace().next()?.parse().ok()
}

fn uptime(pid: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let machine = std::fs::read_to_string("/proc/uptime").ok()?;
    let machine: f64 = machine.split_whitespace().next()?.parse().ok()?;
    let started = started_at(&stat)?;
    Some(Duration::from_secs_f64((machine - started).max(0.0)))
}

/// Proc_pid_stat(5): field 22, in clock ticks since the machine started; the name in field 2 may have blanks.
fn started_at(stat: &str) -> Option<f64> {
    let ticks: f64 = stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()?;
    let per_second = rustix::param::clock_ticks_per_second();
    #[expect(clippy::cast_precision_loss, reason = "a hundred ticks a second, for a display")]
    let per_second = per_second as f64;
    Some(ticks / per_second)
}

#[expect(clippy::cast_precision_loss, reason = "for a display with one decimal")]
fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

fn spoken(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_may_have_blanks_and_brackets() {
        let fields: Vec<String> = (3..=52).map(|field| if field == 22 { "4200".to_owned() } else { "0".to_owned() }).collect();
        let stat = format!("77 (a ) b) {}", fields.join(" "));
        let expected = 4200.0 / rustix::param::clock_ticks_per_second() as f64;
        assert!((started_at(&stat).unwrap() - expected).abs() < 1e-9);
    }

    #[test]
    fn times_are_spoken() {
        assert_eq!(spoken(59), "59 s");
        assert_eq!(spoken(60), "1 min");
        assert_eq!(spoken(3_660), "1 h 1 min");
        assert_eq!(spoken(90_000), "1 d 1 h");
    }

    #[test]
    fn this_process_has_memory_and_a_start() {
        let own = process("test", std::process::id());
        assert_eq!(own["running"], true);
        assert!(own["memory_kib"].as_u64().unwrap() > 0);
        assert!(own["uptime_seconds"].is_u64());
    }
}
