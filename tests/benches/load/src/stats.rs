// SPDX-License-Identifier: AGPL-3.0-or-later
//! Phases (many sessions, one shared counter of operations), latencies, CPU accounting.
use crate::config::{Args, Server};
use serde_json::json;
use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

pub type Fut<'a> = Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>>;

#[derive(Default, Clone)]
pub struct Phase {
    pub lat_us: Vec<u64>,
    pub errors: usize,
    pub first_error: String,
    pub secs: f64,
}

/// Runs `total` operations over the sessions (each works alone), for at most `max_secs`.
pub async fn phase<S, F>(sessions: Vec<S>, total: usize, max_secs: f64, f: F) -> (Vec<S>, Phase)
where
    S: Send + 'static,
    F: for<'a> Fn(&'a mut S, usize) -> Fut<'a> + Send + Sync + 'static,
{
    let f = Arc::new(f);
    let next = Arc::new(AtomicUsize::new(0));
    let start = Instant::now();
    let end = start + Duration::from_secs_f64(max_secs);
    let mut tasks = vec![];
    for mut s in sessions {
        let (f, next) = (f.clone(), next.clone());
        tasks.push(tokio::spawn(async move {
            let mut p = Phase::default();
            loop {
                let i = next.fetch_add(1, Ordering::Relaxed);
                if i >= total || Instant::now() >= end || p.errors > 20 {
                    break;
                }
                let t = Instant::now();
                match f(&mut s, i).await {
                    Ok(()) => p.lat_us.push(t.elapsed().as_micros() as u64),
                    Err(e) => {
                        p.errors += 1;
                        if p.first_error.is_empty() {
                            p.first_error = e;
                        }
                    }
                }
            }
            (s, p)
        }));
    }
    let mut all = Phase::default();
    let mut back = vec![];
    for t in tasks {
        let (s, p) = t.await.expect("task");
        back.push(s);
        all.lat_us.extend(p.lat_us);
        all.errors += p.errors;
        if all.first_error.is_empty() {
            all.first_error = p.first_error;
        }
    }
    all.secs = start.elapsed().as_secs_f64();
    all.lat_us.sort_unstable();
    (back, all)
}

pub fn pct(sorted: &[u64], p: f64) -> u64 {
    if sorted.is_empty() {
        return 0;
    }
    let i = ((sorted.len() as f64) * p).ceil() as usize;
    sorted[i.clamp(1, sorted.len()) - 1]
}

// ---- processes -------------------------------------------------------------------------------

/// Root pids and every descendant.
pub fn tree(server: &Server) -> Vec<u32> {
    let mut kids: HashMap<u32, Vec<u32>> = HashMap::new();
    if let Ok(d) = std::fs::read_dir("/proc") {
        for e in d.flatten() {
            let Some(pid) = e.file_name().to_str().and_then(|s| s.parse::<u32>().ok()) else { continue };
            if let Some(v) = stat_fields(pid) {
                kids.entry(v.0).or_default().push(pid);
            }
        }
    }
    let mut out = vec![];
    let mut seen = HashSet::new();
    let mut todo: Vec<u32> = server
        .proc
        .pidfiles
        .iter()
        .filter_map(|f| std::fs::read_to_string(f).ok())
        .filter_map(|s| s.split_whitespace().next().and_then(|x| x.parse().ok()))
        .collect();
    while let Some(p) = todo.pop() {
        if seen.insert(p) && std::path::Path::new(&format!("/proc/{p}")).exists() {
            out.push(p);
            todo.extend(kids.get(&p).into_iter().flatten());
        }
    }
    out
}
/// (ppid, utime+stime+cutime+cstime in ticks)
fn stat_fields(pid: u32) -> Option<(u32, u64)> {
    let s = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let r = &s[s.rfind(')')? + 2..];
    let f: Vec<&str> = r.split(' ').collect();
    let t = |i: usize| f.get(i).and_then(|x| x.parse::<u64>().ok()).unwrap_or(0);
    Some((f.get(1)?.parse().ok()?, t(11) + t(12) + t(13) + t(14)))
}
#[derive(Clone, Copy, Default, Debug)]
pub struct Usage {
    pub server_ticks: u64,
    pub self_ticks: u64,
    pub busy_ticks: u64,
    pub steal_ticks: u64,
    pub write_bytes: u64,
}
pub fn usage(server: &Server) -> Usage {
    let mut u = Usage::default();
    for p in tree(server) {
        u.server_ticks += stat_fields(p).map(|x| x.1).unwrap_or(0);
        if let Ok(s) = std::fs::read_to_string(format!("/proc/{p}/io")) {
            u.write_bytes +=
                s.lines().find_map(|l| l.strip_prefix("write_bytes: ")).and_then(|x| x.parse::<u64>().ok()).unwrap_or(0);
        }
    }
    u.self_ticks = stat_fields(std::process::id()).map(|x| x.1).unwrap_or(0);
    if let Ok(s) = std::fs::read_to_string("/proc/stat") {
        let v: Vec<u64> = s.lines().next().unwrap_or("").split_whitespace().skip(1).filter_map(|x| x.parse().ok()).collect();
        let g = |i: usize| v.get(i).copied().unwrap_or(0);
        u.busy_ticks = g(0) + g(1) + g(2) + g(5) + g(6); // user nice system irq softirq
        u.steal_ticks = g(7);
    }
    u
}
pub fn pss_kb(server: &Server) -> (u64, u64, usize) {
    let (mut pss, mut rss) = (0, 0);
    let t = tree(server);
    for p in &t {
        if let Ok(s) = std::fs::read_to_string(format!("/proc/{p}/smaps_rollup")) {
            let g = |k: &str| {
                s.lines()
                    .find_map(|l| l.strip_prefix(k))
                    .and_then(|x| x.split_whitespace().next())
                    .and_then(|x| x.parse::<u64>().ok())
                    .unwrap_or(0)
            };
            pss += g("Pss:");
            rss += g("Rss:");
        }
    }
    (pss, rss, t.len())
}
pub fn load1() -> f64 {
    std::fs::read_to_string("/proc/loadavg").ok().and_then(|s| s.split(' ').next().and_then(|x| x.parse().ok())).unwrap_or(0.0)
}

// ---- reporting -------------------------------------------------------------------------------

pub struct Out {
    pub server: Server,
    pub workload: String,
    pub args: Args,
    before: Usage,
    t0: Instant,
    load: f64,
}
impl Out {
    pub fn new(server: &Server, workload: &str, args: &Args) -> Out {
        Out {
            server: server.clone(),
            workload: workload.into(),
            args: args.clone(),
            before: usage(server),
            t0: Instant::now(),
            load: load1(),
        }
    }
    /// Call just before a measured phase.
    pub fn start(&mut self) {
        self.before = usage(&self.server);
        self.t0 = Instant::now();
        self.load = load1();
    }
    /// `extra` goes into the record as it is.
    pub fn phase(&self, op: &str, sessions: usize, p: &Phase, extra: serde_json::Value) {
        let n = p.lat_us.len();
        let mut x = json!({
            "sessions": sessions, "n": n, "errors": p.errors, "secs": r3(p.secs),
            "rate": r3(n as f64 / p.secs.max(1e-9)),
            "p50_ms": pct(&p.lat_us, 0.5) as f64 / 1000.0, "p90_ms": pct(&p.lat_us, 0.9) as f64 / 1000.0,
            "p99_ms": pct(&p.lat_us, 0.99) as f64 / 1000.0, "max_ms": p.lat_us.last().copied().unwrap_or(0) as f64 / 1000.0,
        });
        if !p.first_error.is_empty() {
            x["first_error"] = json!(p.first_error.chars().take(300).collect::<String>());
        }
        merge(&mut x, extra);
        self.record(op, n, x);
    }
    pub fn record(&self, op: &str, n: usize, mut x: serde_json::Value) {
        let a = usage(&self.server);
        let wall = self.t0.elapsed().as_secs_f64();
        let s = a.server_ticks.saturating_sub(self.before.server_ticks) as f64 / 100.0;
        let c = a.self_ticks.saturating_sub(self.before.self_ticks) as f64 / 100.0;
        let b = a.busy_ticks.saturating_sub(self.before.busy_ticks) as f64 / 100.0;
        let w = a.write_bytes.saturating_sub(self.before.write_bytes) as f64 / 1024.0;
        let mut m = json!({
            "server": self.server.name, "workload": self.workload, "op": op,
            "srv_cpu_ms_op": r3(s * 1000.0 / n.max(1) as f64), "cli_cpu_ms_op": r3(c * 1000.0 / n.max(1) as f64),
            "srv_cores": r3(s / wall.max(1e-9)), "write_kib_op": r3(w / n.max(1) as f64),
            "foreign_cores": r3(((b - s - c) / wall.max(1e-9)).max(0.0)),
            "steal_cores": r3(a.steal_ticks.saturating_sub(self.before.steal_ticks) as f64 / 100.0 / wall.max(1e-9)),
            "load1": self.load, "unix": std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map(|d| d.as_secs()).unwrap_or(0),
        });
        if self.server.proc.pidfiles.is_empty() {
            for k in ["srv_cpu_ms_op", "srv_cores", "write_kib_op", "foreign_cores"] {
                m.as_object_mut().unwrap().remove(k);
            }
        }
        if let Some(l) = self.args.0.get("label") {
            m["label"] = json!(l);
        }
        merge(&mut m, std::mem::take(&mut x));
        println!("{}", human(&m));
        if let Some(f) = self.args.0.get("out") {
            use std::io::Write;
            if let Ok(mut f) = std::fs::OpenOptions::new().append(true).create(true).open(f) {
                let _ = writeln!(f, "{m}");
            }
        }
    }
}
pub fn r3(x: f64) -> f64 {
    (x * 1000.0).round() / 1000.0
}
pub fn merge(a: &mut serde_json::Value, b: serde_json::Value) {
    if let serde_json::Value::Object(b) = b {
        for (k, v) in b {
            a[k] = v;
        }
    }
}
fn human(m: &serde_json::Value) -> String {
    let s = |k: &str| m[k].as_str().unwrap_or("").to_string();
    let mut o = format!("{:<12} {:<9} {:<22}", s("server"), s("workload"), s("op"));
    if m.get("rate").is_some() {
        o.push_str(&format!(
            " {:>9.1}/s p50 {:>8.2} p99 {:>8.2} ms n={} err={}",
            m["rate"].as_f64().unwrap_or(0.0),
            m["p50_ms"].as_f64().unwrap_or(0.0),
            m["p99_ms"].as_f64().unwrap_or(0.0),
            m["n"],
            m["errors"]
        ));
    }
    for (k, v) in m.as_object().unwrap() {
        if !["server", "workload", "op", "rate", "p50_ms", "p90_ms", "p99_ms", "max_ms", "n", "errors", "sessions", "secs", "unix"]
            .contains(&k.as_str())
        {
            o.push_str(&format!(" {k}={v}"));
        }
    }
    o
}
