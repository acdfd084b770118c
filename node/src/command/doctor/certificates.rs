// SPDX-License-Identifier: AGPL-3.0-or-later
//! The authority of the node, and the certificate that its servers show.

use hearth_boot::Config;

use super::{Finding, from_copy};
use crate::init::certificate;
use crate::limits::CERTIFICATE_RENEW_DAYS;

pub(super) fn certificates(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.push(match certificate::facts(&config.path("tls/ca.pem")) {
        Ok(facts) if facts.days_left > 90 => {
            Finding::fine("authority", format!("the node's authority is good for {} days", facts.days_left))
        }
        Ok(facts) => Finding::wrong(
            "authority",
            format!("the node's authority ends in {} days", facts.days_left),
            "make a new home and move the mail, or ask for help",
        ),
        Err(error) => Finding::wrong("authority", format!("{error:#}"), from_copy(config, "tls/ca.pem")),
    });
    findings.push(match certificate::facts(&config.path("tls/node.pem")) {
        Err(error) => Finding::wrong("certificate", format!("{error:#}"), from_copy(config, "tls/node.pem")),
        Ok(facts) => certificate(config, &facts),
    });
    findings
}

fn certificate(config: &Config, facts: &certificate::Facts) -> Finding {
    let missing: Vec<String> = config.names(config.domain()).into_iter().filter(|name| !facts.names.contains(name)).collect();
    if !missing.is_empty() {
        let says = format!("the certificate does not name {}", missing.join(" "));
        return Finding::wrong("certificate", says, "set home.domain and home.hostname in hearth.toml back to what they were");
    }
    if facts.days_left <= CERTIFICATE_RENEW_DAYS {
        let says = format!("the certificate ends in {} days", facts.days_left);
        return Finding::wrong("certificate", says, "start the node again; it renews it then");
    }
    Finding::fine("certificate", format!("good for {} days", facts.days_left))
}

#[cfg(test)]
mod tests {
    use super::super::tests::config;
    use super::*;

    #[test]
    fn a_certificate_that_ends_soon_or_lacks_a_name_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path());
        let names = config.names(config.domain());
        let facts = |names: &[String], days_left| certificate::Facts { names: names.to_vec(), days_left, key_hash: Vec::new() };
        assert!(certificate(&config, &facts(&names, CERTIFICATE_RENEW_DAYS + 1)).ok);
        assert!(!certificate(&config, &facts(&names, CERTIFICATE_RENEW_DAYS)).ok);
        assert!(!certificate(&config, &facts(&names[1..], 300)).ok);
    }
}
