// SPDX-License-Identifier: AGPL-3.0-or-later
//! The `[smtp]` section of the configuration, read: who is believed, who passes connections on, how strict we are.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use hearth_boot::Smtp;
use hearth_filter::sieve;
use ipnet::IpNet;

use crate::inbound::pace::Rates;
use crate::judges::Judge;

/// What the owner of the home has decided.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Networks whose mail is not judged and not slowed.
    pub trusted: Vec<IpNet>,
    /// Proxies that say in front of each connection for whom it is.
    pub proxies: Vec<IpNet>,
    /// A stranger's first mail is put off.
    pub greylisting: bool,
    /// How long the first mail of a sender waits for its reply.
    pub first_sender_delay: Duration,
    /// How fast strangers may be, in percent of `limits.rs`; 0 is without bounds.
    pub pace_percent: u32,
    /// How fast each kind may be.
    pub rates: Rates,
    /// Zones that list servers which send junk.
    pub blocklists: Vec<String>,
    /// Zones that list servers which do not.
    pub allowlists: Vec<String>,
    /// Domains whose ARC seals are believed.
    pub arc_sealers: Vec<String>,
    /// Programs outside that judge mail.
    pub judges: Vec<Judge>,
    /// One that is silent puts mail off.
    pub judges_must_answer: bool,
    /// The home's own Sieve scripts, before and after each person's.
    pub sieve: [Option<Arc<Vec<u8>>>; 2],
}

impl Policy {
    /// Reads the section; an error names what cannot be read.
    pub fn new(section: &Smtp) -> anyhow::Result<Self> {
        let lower = |names: &[String]| names.iter().map(|name| name.trim_end_matches('.').to_ascii_lowercase()).collect();
        Ok(Self {
            trusted: networks("smtp.trusted_networks", &section.trusted_networks)?,
            proxies: networks("smtp.proxies", &section.proxies)?,
            greylisting: section.greylisting,
            first_sender_delay: Duration::from_secs(section.first_sender_delay_seconds),
            pace_percent: section.pace_percent,
            rates: rates(&section.rates)?,
            blocklists: lower(&section.blocklists),
            allowlists: lower(&section.allowlists),
            arc_sealers: lower(&section.arc_sealers),
            judges: section.judges.iter().map(|judge| Judge::parse(judge)).collect::<anyhow::Result<_>>()?,
            judges_must_answer: section.judges_must_answer,
            sieve: [None, None],
        })
    }

    /// Reads the home's own Sieve scripts below `dir`; one that is wrong is said before anything is served.
    pub fn read_scripts(&mut self, dir: &Path, section: &Smtp) -> anyhow::Result<()> {
        let read = |key: &str, path: &Path| {
            if path.as_os_str().is_empty() {
                return Ok(None);
            }
            let path = dir.join(path);
            let text = std::fs::read(&path).with_context(|| format!("{key}: cannot read {}", path.display()))?;
            sieve::compile(&text).with_context(|| format!("{key}: {}", path.display()))?;
            anyhow::Ok(Some(Arc::new(text)))
        };
        self.sieve = [read("smtp.sieve_before", &section.sieve_before)?, read("smtp.sieve_after", &section.sieve_after)?];
        Ok(())
    }

    /// Is mail from there taken as it is?
    pub fn trusts(&self, ip: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(&ip))
    }

    /// Does a proxy speak from there?
    pub fn is_proxy(&self, ip: IpAddr) -> bool {
        self.proxies.iter().any(|network| network.contains(&ip))
    }

    /// Are seals of this domain believed?
    pub fn trusts_sealer(&self, domain: &str) -> bool {
        self.arc_sealers.iter().any(|known| known.eq_ignore_ascii_case(domain))
    }
}

fn rates(texts: &[String]) -> anyhow::Result<Rates> {
    let mut rates = Rates::default();
    for text in texts {
        anyhow::ensure!(rates.change(text), "smtp.rates: {text:?} is not like \"address=50/200\"");
    }
    Ok(rates)
}

fn networks(key: &str, texts: &[String]) -> anyhow::Result<Vec<IpNet>> {
    let network = |text: &String| {
        let alone = text.parse::<IpAddr>().map(IpNet::from);
        alone.or_else(|_| text.parse::<IpNet>()).with_context(|| format!("{key}: {text:?} is neither an address nor a network"))
    };
    texts.iter().map(network).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_that_is_wrong_is_said_at_the_start() {
        let folder = tempfile::tempdir().expect("a folder");
        let section = Smtp { sieve_before: "before.sieve".into(), ..Smtp::default() };
        let mut policy = Policy::new(&section).expect("a policy");
        let mut read = |text: Option<&str>| {
            if let Some(text) = text {
                std::fs::write(folder.path().join("before.sieve"), text).expect("written");
            }
            policy.read_scripts(folder.path(), &section).map_err(|error| format!("{error:#}"))
        };
        assert!(read(None).is_err_and(|error| error.contains("smtp.sieve_before: cannot read")));
        assert!(read(Some("nonsense!")).is_err_and(|error| error.contains("before.sieve")));
        assert_eq!(read(Some("keep;")), Ok(()));
        assert!(policy.sieve[0].is_some() && policy.sieve[1].is_none());
    }

    #[test]
    fn networks_are_read() {
        let section = Smtp {
            trusted_networks: vec!["192.0.2.0/24".into(), "2001:db8::1".into()],
            arc_sealers: vec!["Lists.Example.".into()],
            ..Smtp::default()
        };
        let policy = Policy::new(&section).expect("a policy");
        for (ip, trusted) in
            [("192.0.2.9", true), ("192.0.3.1", false), ("2001:db8::1", true), ("2001:db8::2", false), ("127.0.0.1", false)]
        {
            assert_eq!(policy.trusts(ip.parse().expect("an address")), trusted, "{ip}");
        }
        assert!(policy.trusts_sealer("lists.example") && !policy.is_proxy("192.0.2.9".parse().expect("an address")));
        let wrong = Smtp { rates: vec!["address=0/0".into()], ..Smtp::default() };
        assert!(Policy::new(&wrong).is_err_and(|error| error.to_string().contains("smtp.rates")));
        let wrong = Smtp { proxies: vec!["everybody".into()], ..Smtp::default() };
        assert!(Policy::new(&wrong).is_err_and(|error| error.to_string().contains("smtp.proxies")));
    }
}
