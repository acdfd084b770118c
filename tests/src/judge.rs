// SPDX-License-Identifier: AGPL-3.0-or-later
//! Programs of others that judge mail, started for one test.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use anyhow::Result;

use crate::{Running, free_port, run, stranger, wait_for};

/// rspamd with a scanner at the first port and a milter at the second.
pub fn rspamd(folder: &Path, dns: SocketAddr) -> Result<(Running, u16, u16)> {
    let (scan, milter) = (free_port()?, free_port()?);
    let of = |name: &str| folder.join(name);
    for name in ["run", "db", "log", "local.d"] {
        fs::create_dir_all(of(name))?;
    }
    let write = |name: &str, text: String| fs::write(of("local.d").join(name), text);
    write(
        "options.inc",
        format!(
            "disable_hyperscan = true;\ndns {{ nameserver = [\"{dns}\"]; timeout = 1s; retransmits = 1; }}\nlocal_addrs = [];\n"
        ),
    )?;
    write("worker-normal.inc", format!("bind_socket = \"127.0.0.1:{scan}\";\n"))?;
    write(
        "worker-proxy.inc",
        format!("bind_socket = \"127.0.0.1:{milter}\";\nmilter = yes;\nupstream \"local\" {{ default = yes; self_scan = yes; }}\n"),
    )?;
    write("worker-controller.inc", format!("bind_socket = \"127.0.0.1:{}\";\n", free_port()?))?;
    write("worker-fuzzy.inc", "enabled = false;\n".into())?;
    for module in ["redis", "fuzzy_check", "rbl", "greylist", "ratelimit", "neural", "asn", "phishing"] {
        write(&format!("{module}.conf"), "enabled = false;\n".into())?;
    }
    run(stranger("chown").args(["-R", "_rspamd"]).arg(folder))?;
    let var = |name: &str, at: &str| format!("--var={name}={}", of(at).display());
    let mut command = stranger("rspamd");
    command.args(["-f", "-i", "-u", "_rspamd", "-g", "_rspamd", &var("DBDIR", "db"), &var("RUNDIR", "run"), &var("LOGDIR", "log")]);
    command.arg(format!("--var=LOCAL_CONFDIR={}", folder.display()));
    let log = of("out");
    let running = Running::start(&mut command, &log)?;
    let answers = |port: u16| TcpStream::connect(("127.0.0.1", port)).is_ok();
    wait_for("rspamd", || answers(scan) && answers(milter), &log)?;
    Ok((running, scan, milter))
}
