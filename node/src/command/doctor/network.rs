// SPDX-License-Identifier: AGPL-3.0-or-later
//! What others see of the home: its ports, and what DNS says of it.

use std::net::{SocketAddr, TcpListener};

use hearth_boot::Config;
use hearth_net::records::State;

use super::super::{domain, status};
use super::Finding;
use crate::supervisor::lock;

pub(super) async fn ports(config: &Config, running: bool) -> Finding {
    if running {
        let silent: Vec<String> = status::ports(config)
            .await
            .iter()
            .filter(|row| row["answers"] != true)
            .map(|row| format!("{} ({})", row["service"].as_str().unwrap_or_default(), row["address"].as_str().unwrap_or_default()))
            .collect();
        return match silent.as_slice() {
            [] => Finding::fine("ports", "every port answers"),
            silent => Finding::wrong(
                "ports",
                format!("no answer from {}", silent.join(", ")),
                "look at the log; a firewall on this machine may be in the way",
            ),
        };
    }
    first_taken(config).unwrap_or_else(|| Finding::fine("ports", "every port is free"))
}

/// Whether a node could bind its ports now; the error says what to do.
pub(in crate::command) fn ports_are_free(config: &Config) -> anyhow::Result<()> {
    match first_taken(config) {
        Some(finding) if lock::holder(config).is_none() => anyhow::bail!("{}; {}", finding.says, finding.step),
        _ => Ok(()),
    }
}

fn first_taken(config: &Config) -> Option<Finding> {
    status::services(config).flat_map(|(_, standard)| config.addresses(standard)).find_map(taken)
}

fn taken(address: SocketAddr) -> Option<Finding> {
    match TcpListener::bind(address) {
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Some(Finding::wrong(
            "ports",
            format!("port {} on {} is in use by another program", address.port(), address.ip()),
            "stop that program, or choose another listen.port_offset in hearth.toml",
        )),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Some(Finding::wrong(
            "ports",
            format!("port {} needs a right that this user does not have", address.port()),
            "start as root with process.user set, or set listen.port_offset in hearth.toml",
        )),
        _ => None,
    }
}

pub(super) async fn dns(config: &Config) -> Finding {
    let name = config.domain();
    if name == "localhost" || name.ends_with(".localhost") {
        return Finding::fine("dns", format!("{name} is for this machine alone and needs no DNS"));
    }
    let checked = match domain::check(config, name).await {
        Ok(checked) => checked,
        Err(error) => {
            return Finding::wrong("dns", format!("{error:#}"), "correct dns.servers in hearth.toml, or the machine's network");
        }
    };
    let wrong = |needed: bool| checked.iter().filter(move |(record, state)| record.needed == needed && *state != State::Right);
    let missing: Vec<String> = wrong(true).map(|(record, _)| format!("{} {}", record.name, record.type_name)).collect();
    let step = format!("hearth domain check {name}");
    if !missing.is_empty() {
        return Finding::wrong("dns", format!("not published as it should be: {}", missing.join(", ")), step);
    }
    match wrong(false).count() {
        0 => Finding::fine("dns", "everything is published"),
        count => Finding { step, ..Finding::fine("dns", format!("what is needed is published; {count} useful records are not")) },
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::config;
    use super::*;

    #[test]
    fn a_port_of_ldap_that_another_program_has_is_found() {
        let held = TcpListener::bind(("127.0.0.86", 0)).unwrap();
        let offset = held.local_addr().unwrap().port() - 636;
        let dir = tempfile::tempdir().unwrap();
        let found = |more: &str| {
            let text = format!(
                "[home]\ndomain = \"home.localhost\"\n[listen]\naddresses = [\"127.0.0.86\"]\nport_offset = {offset}\n{more}"
            );
            first_taken(&Config::from_text(dir.path(), &text, []).unwrap())
        };
        let finding = found("[ldap]\nenabled = true\n").unwrap();
        assert!(!finding.ok && finding.says.contains(&held.local_addr().unwrap().port().to_string()), "{finding:?}");
        let port = held.local_addr().unwrap().port().to_string();
        assert!(found("").is_none_or(|finding| !finding.says.contains(&port)), "a home without LDAP has no use for it");
    }

    #[tokio::test]
    async fn a_name_of_this_machine_needs_no_dns() {
        let dir = tempfile::tempdir().unwrap();
        assert!(dns(&config(dir.path())).await.ok);
    }
}
