// SPDX-License-Identifier: AGPL-3.0-or-later
//! Programs of others that judge mail, started for one test.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use anyhow::Result;

use crate::{Running, free_port, run, stranger, wait_for};

/// What runs of rspamd. (quirk: rspamd 3.4 takes 22 s of a busy machine to start with all that Debian configures, most
/// of it for its list of 9,000 top-level domains; so it gets a short one, and the modules that judge who sent a mail alone.)
const CONFIGURATION: &str = r#"
options { filters = "dkim"; disable_hyperscan = true; local_addrs = []; pidfile = "FOLDER/pid"; url_tld = "FOLDER/tld";
  dns { nameserver = ["DNS"]; timeout = 1s; retransmits = 1; } }
logging { type = "console"; level = "notice"; }
modules { path = "/usr/share/rspamd/plugins/spf.lua"; path = "/usr/share/rspamd/plugins/dmarc.lua"; path = "/usr/share/rspamd/plugins/arc.lua"; }
spf { } dkim { } dmarc { } arc { }
actions { reject = 15; add_header = 6; }
worker "normal" { bind_socket = "127.0.0.1:SCAN"; count = 1; task_timeout = 60s; }
worker "rspamd_proxy" { bind_socket = "127.0.0.1:MILTER"; count = 1; milter = yes; timeout = 60s;
  upstream "local" { default = yes; self_scan = yes; } }
"#;

/// rspamd with a scanner at the first port and a milter at the second.
pub fn rspamd(folder: &Path, dns: SocketAddr) -> Result<(Running, u16, u16)> {
    let (scan, milter) = (free_port()?, free_port()?);
    let of = |name: &str| folder.join(name);
    let dns = format!("{}:{}", dns.ip(), dns.port());
    let mut text = CONFIGURATION.to_string();
    for (word, value) in
        [("FOLDER", folder.display().to_string()), ("DNS", dns), ("SCAN", scan.to_string()), ("MILTER", milter.to_string())]
    {
        text = text.replace(word, &value);
    }
    fs::write(of("rspamd.conf"), text)?;
    fs::write(of("tld"), "example\nlocalhost\n")?;
    run(stranger("chown").args(["-R", "_rspamd"]).arg(folder))?;
    let var = |name: &str| format!("--var={name}={}", folder.display());
    let mut command = stranger("rspamd");
    command.args(["-f", "-i", "-u", "_rspamd", "-g", "_rspamd", &var("DBDIR"), &var("RUNDIR"), &var("LOGDIR")]);
    command.arg("-c").arg(of("rspamd.conf"));
    let log = of("out");
    let running = Running::start(&mut command, &log)?;
    let answers = |port: u16| TcpStream::connect(("127.0.0.1", port)).is_ok();
    wait_for("rspamd", || answers(scan) && answers(milter), &log)?;
    Ok((running, scan, milter))
}
