// SPDX-License-Identifier: AGPL-3.0-or-later
//! `hearth doctor`: what is wrong, in plain words, with the one next step.
//!
//! Each check is one function that returns its findings; none changes anything. They stand by what they look at, in
//! `doctor/`.

mod certificates;
mod files;
mod machine;
mod network;
mod people;
mod stores;

use std::path::Path;

use hearth_boot::Config;
use serde_json::{Value, json};

pub(super) use network::ports_are_free;

use crate::out::Out;
use crate::place::Place;
use crate::supervisor::lock;

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    check: &'static str,
    ok: bool,
    says: String,
    /// The next step; empty when there is none to take.
    step: String,
}

impl Finding {
    fn fine(check: &'static str, says: impl Into<String>) -> Self {
        Self { check, ok: true, says: says.into(), step: String::new() }
    }

    fn wrong(check: &'static str, says: impl Into<String>, step: impl Into<String>) -> Self {
        Self { check, ok: false, says: says.into(), step: step.into() }
    }
}

/// What can be done when something is lost: `hearth` makes no backups yet.
fn from_copy(config: &Config, what: &str) -> String {
    let dir = config.dir.display();
    format!("stop the node and put {what} back from your own copy of {dir}, if you made one; hearth makes none yet")
}

/// Runs it. It finds fault with the home and not with the command line: the exit status is 0 when it could look.
pub async fn run(dir: Option<&Path>, out: &Out) -> anyhow::Result<()> {
    // A command line without a directory is the person's to correct.
    crate::place::chosen(dir)?;
    let findings = match Place::load(dir) {
        Err(error) => {
            vec![Finding::wrong("configuration", error.to_string(), "correct what the line says and run hearth doctor again")]
        }
        Ok(place) => look(&place.config).await,
    };
    if out.is_json() {
        let rows: Vec<Value> = findings
            .iter()
            .map(|finding| json!({ "check": finding.check, "ok": finding.ok, "says": finding.says, "do": finding.step }))
            .collect();
        out.result(&Value::from(rows), "");
        return Ok(());
    }
    let mut lines = String::new();
    for finding in &findings {
        lines.push_str(&format!("{:4} {:14} {}\n", if finding.ok { "ok" } else { "BAD" }, finding.check, finding.says));
        if !finding.step.is_empty() {
            lines.push_str(&format!("     {:14} do: {}\n", "", finding.step));
        }
    }
    let wrong = findings.iter().filter(|finding| !finding.ok).count();
    lines.push_str(&if wrong == 0 {
        "Nothing is wrong.".to_owned()
    } else {
        format!("{wrong} of {} checks found something.", findings.len())
    });
    out.line(&lines);
    Ok(())
}

async fn look(config: &Config) -> Vec<Finding> {
    let mut findings = vec![Finding::fine("configuration", format!("{} is understood", config.path("hearth.toml").display()))];
    let running = lock::holder(config).is_some();
    findings.push(files::permissions(config));
    findings.extend(certificates::certificates(config));
    findings.push(machine::clock(config));
    findings.push(machine::disk(config));
    findings.push(stores::databases(config).await);
    findings.push(stores::vault(config).await);
    findings.push(people::admin(config).await);
    findings.push(people::rules(config).await);
    findings.push(machine::processes(config, running));
    findings.push(network::ports(config, running).await);
    findings.push(stores::text_index(config).await);
    findings.push(stores::queue_age(config).await);
    findings.push(network::dns(config).await);
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a home on this machine alone.
    pub(super) fn config(dir: &Path) -> Config {
        let text = "[home]\ndomain = \"home.localhost\"\n[listen]\naddresses = [\"127.0.0.1\"]\n";
        Config::from_text(dir, text, []).unwrap()
    }
}
