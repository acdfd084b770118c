// SPDX-License-Identifier: AGPL-3.0-or-later
//! What stands in the event source's URL, and what its events look like (RFC 8620 §7.1 and §7.3). Pure.

use std::time::Duration;

use hearth_types::AccountId;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::limits::{PING_SECONDS_MAX, PING_SECONDS_MIN};

/// The types whose state we push. RFC 8621 §1.5 adds EmailDelivery.
pub const TYPES: &[&str] = &["Mailbox", "Thread", "Email", "EmailDelivery", "AddressBook", "ContactCard"];

/// The variables of eventSourceUrl.
#[derive(Debug, Default, Deserialize)]
pub struct Variables {
    /// `*`, or names with commas between.
    #[serde(default)]
    types: Option<String>,
    /// `state` or `no`.
    #[serde(default)]
    closeafter: Option<String>,
    /// Seconds.
    #[serde(default)]
    ping: Option<String>,
}

/// What the client wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// `None` for all.
    types: Option<Vec<String>>,
    /// The stream ends after the first event.
    pub close_after_state: bool,
    /// How often to say that we are there.
    pub ping: Option<Duration>,
}

impl Options {
    /// Does the client want to hear of this type?
    pub fn wants(&self, name: &str) -> bool {
        self.types.as_ref().is_none_or(|types| types.iter().any(|wanted| wanted == name))
    }
}

/// Reads the variables.
pub fn parse_variables(variables: &Variables) -> Result<Options, &'static str> {
    let types = match variables.types.as_deref() {
        None | Some("" | "*") => None,
        Some(names) => Some(names.split(',').map(|name| name.trim().to_string()).collect()),
    };
    let close_after_state = match variables.closeafter.as_deref() {
        None | Some("" | "no") => false,
        Some("state") => true,
        Some(_) => return Err("closeafter is neither state nor no"),
    };
    let ping = match variables.ping.as_deref() {
        None | Some("" | "0") => None,
        Some(text) => {
            let seconds: u64 = text.parse().map_err(|_| "ping is not a number of seconds")?;
            // RFC 8620 §7.3: the server may choose another interval, and says which.
            Some(Duration::from_secs(seconds.clamp(PING_SECONDS_MIN, PING_SECONDS_MAX)))
        }
    };
    Ok(Options { types, close_after_state, ping })
}

/// RFC 8620 §7.1: a StateChange; its id is what a client shows when it comes again.
pub fn state_event(account: AccountId, modseq: u64, types: &[&str]) -> String {
    let states: Map<String, Value> = types.iter().map(|&name| (name.to_string(), modseq.to_string().into())).collect();
    let change = json!({ "@type": "StateChange", "changed": { account.to_string(): states } });
    format!("event: state\nid: {modseq}\ndata: {change}\n\n")
}

/// RFC 8620 §7.3: the interval that is kept.
pub fn ping_event(interval: Duration) -> String {
    format!("event: ping\ndata: {}\n\n", json!({ "interval": interval.as_secs() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(types: &str, closeafter: &str, ping: &str) -> Result<Options, &'static str> {
        parse_variables(&Variables { types: Some(types.into()), closeafter: Some(closeafter.into()), ping: Some(ping.into()) })
    }

    #[test]
    fn variables() {
        let all = parse("*", "no", "0").expect("options");
        assert!(all.wants("Email") && !all.close_after_state && all.ping.is_none());
        let some = parse("Email,Mailbox", "state", "30").expect("options");
        assert!(some.wants("Email") && !some.wants("Thread") && some.close_after_state);
        assert_eq!(some.ping, Some(Duration::from_secs(30)));
        assert!(parse("*", "yes", "0").is_err() && parse("*", "no", "x").is_err() && parse("*", "no", "-1").is_err());
        assert_eq!(parse_variables(&Variables::default()), Ok(all));
    }

    #[test]
    fn pings_are_bounded_on_both_sides() {
        for (asked, kept) in [
            (PING_SECONDS_MIN - 1, PING_SECONDS_MIN),
            (PING_SECONDS_MIN, PING_SECONDS_MIN),
            (PING_SECONDS_MAX, PING_SECONDS_MAX),
            (PING_SECONDS_MAX + 1, PING_SECONDS_MAX),
        ] {
            assert_eq!(parse("*", "no", &asked.to_string()).expect("options").ping, Some(Duration::from_secs(kept)));
        }
    }

    #[test]
    fn events_to_the_octet() {
        let account = AccountId::from_i64(0);
        assert_eq!(
            state_event(account, 7, &["Email"]),
            "event: state\nid: 7\ndata: {\"@type\":\"StateChange\",\"changed\":{\"0000000000000\":{\"Email\":\"7\"}}}\n\n"
        );
        assert_eq!(ping_event(Duration::from_secs(30)), "event: ping\ndata: {\"interval\":30}\n\n");
    }
}
