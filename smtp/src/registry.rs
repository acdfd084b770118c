// SPDX-License-Identifier: AGPL-3.0-or-later
//! What we speak. Dispatch, the EHLO reply, metric labels and `docs/protocols/smtp.md` are read from here.

use hearth_identity::login::{ChannelBinding, Mechanism};
use hearth_spec::{Row, Status};

use crate::limits::RECIPIENTS_MAX;
use crate::state::Kind;

/// Commands, then EHLO keywords, then what stands behind them.
pub const ROWS: &[Row] = &[
    Row::spoken("EHLO", 5321, "§4.1.1.1"),
    Row::spoken("HELO", 5321, "§4.1.1.1"),
    Row::spoken("LHLO", 2033, "§4.1"),
    Row::spoken("MAIL", 5321, "§4.1.1.2"),
    Row::spoken("RCPT", 5321, "§4.1.1.3"),
    Row::spoken("DATA", 5321, "§4.1.1.4"),
    Row::spoken("BDAT", 3030, "§2"),
    Row::spoken("RSET", 5321, "§4.1.1.5"),
    Row::spoken("NOOP", 5321, "§4.1.1.9"),
    Row::spoken("QUIT", 5321, "§4.1.1.10"),
    Row { name: "VRFY", rfc: 5321, section: "§4.1.1.6", status: Status::Partial("the answer is always 252") },
    Row::declined("EXPN", 5321, "§4.1.1.7", "it would tell strangers who is on a list"),
    Row::spoken("HELP", 5321, "§4.1.1.8"),
    Row::spoken("STARTTLS", 3207, "§4"),
    Row::spoken("AUTH", 4954, "§4"),
    Row::declined("ETRN", 1985, "", "a home has no customers that dial in"),
    Row::declined("ATRN", 2645, "", "a home has no customers that dial in"),
    Row::spoken("PIPELINING", 2920, ""),
    Row::spoken("SIZE", 1870, ""),
    Row::spoken("8BITMIME", 6152, ""),
    Row::spoken("SMTPUTF8", 6531, ""),
    Row::spoken("ENHANCEDSTATUSCODES", 2034, ""),
    Row::spoken("CHUNKING", 3030, "§2"),
    Row::spoken("BINARYMIME", 3030, "§3"),
    Row {
        name: "DSN",
        rfc: 3461,
        section: "",
        status: Status::Partial("on port 25 a success is reported to proven senders alone"),
    },
    Row { name: "LIMITS", rfc: 9422, section: "", status: Status::Partial("RCPTMAX") },
    Row {
        name: "REQUIRETLS",
        rfc: 8689,
        section: "",
        status: Status::Partial(
            "kept with the mail; what would have to go on to another home is returned, since no way there is vouched for",
        ),
    },
    Row::spoken("LMTP", 2033, ""),
    Row {
        name: "TLS-Required",
        rfc: 8689,
        section: "§3",
        status: Status::Partial(
            "kept as it stands, on what passes on too: every way out is opportunistic, so that nothing is relaxed for it; \
             REQUIRETLS goes before it (§4.1)",
        ),
    },
    Row::later("DANE", 7672, ""),
    Row::later("MTA-STS", 8461, ""),
    Row::spoken("SPF", 7208, ""),
    Row::spoken("DKIM", 6376, ""),
    Row::spoken("DKIM Ed25519", 8463, ""),
    Row::spoken("DMARC", 9989, ""),
    Row {
        name: "ARC",
        rfc: 8617,
        section: "",
        status: Status::Partial("verified; what passes on is sealed, unless its chain was broken before"),
    },
    Row {
        name: "DKIM2",
        rfc: 0,
        section: "draft-ietf-dkim-dkim2-spec",
        status: Status::Partial("as mail-auth 0.13 has it: verified and noted, never decisive"),
    },
    Row::spoken("DNS lists", 5782, ""),
    Row { name: "DMARC aggregate reports", rfc: 9990, section: "", status: Status::Partial("received") },
    Row { name: "reports of failure", rfc: 6591, section: "", status: Status::Partial("received") },
    Row { name: "feedback reports", rfc: 5965, section: "", status: Status::Partial("received") },
    Row { name: "TLS reports", rfc: 8460, section: "", status: Status::Partial("received") },
    Row::spoken("List-Id", 2919, ""),
    Row { name: "List header fields", rfc: 2369, section: "", status: Status::Partial("List-Post and List-Unsubscribe") },
    Row::spoken("One-click unsubscribing", 8058, ""),
    Row::spoken("Sieve", 5228, ""),
    Row { name: "PGP/MIME", rfc: 3156, section: "", status: Status::Partial("what is sealed at rest: hearth key seal") },
    Row { name: "Header protection", rfc: 9788, section: "", status: Status::Partial("of what is sealed at rest") },
    Row::spoken("Authentication-Results", 8601, ""),
    Row::spoken("Null MX", 7505, ""),
    Row::spoken("delivery status notifications", 3464, ""),
];

/// The row of a name.
pub fn find(name: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.name == name)
}

/// What decides which keywords a session sees.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Which listener.
    pub kind: Kind,
    /// Inside TLS.
    pub secured: bool,
    /// STARTTLS would work.
    pub tls_available: bool,
    /// Somebody signed in.
    pub signed_in: bool,
    /// The largest message.
    pub size_bytes_max: u64,
    /// For SCRAM-PLUS.
    pub binding: &'a ChannelBinding,
}

/// The lines of the EHLO reply behind the first.
pub fn keywords(facts: &Facts<'_>) -> Vec<String> {
    ROWS.iter().filter(|row| row.is_spoken()).filter_map(|row| keyword(row.name, facts)).collect()
}

fn keyword(name: &str, facts: &Facts<'_>) -> Option<String> {
    let plain = || Some(name.to_string());
    match name {
        "PIPELINING" | "8BITMIME" | "SMTPUTF8" | "ENHANCEDSTATUSCODES" | "CHUNKING" | "BINARYMIME" => plain(),
        "SIZE" => Some(format!("SIZE {}", facts.size_bytes_max)),
        "LIMITS" => Some(format!("LIMITS RCPTMAX={RECIPIENTS_MAX}")),
        "STARTTLS" if facts.kind != Kind::Lmtp && facts.tls_available && !facts.secured => plain(),
        "REQUIRETLS" if facts.secured => plain(),
        "DSN" if facts.kind != Kind::Lmtp => plain(),
        "AUTH" if facts.kind == Kind::Submission && facts.secured && !facts.signed_in => {
            let offered = Mechanism::ALL.into_iter().filter(|mechanism| mechanism.is_offered(facts.secured, facts.binding));
            Some(offered.fold("AUTH".to_string(), |line, mechanism| line + " " + mechanism.name()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(kind: Kind, secured: bool, signed_in: bool) -> String {
        let binding = ChannelBinding { exporter: Some(vec![1]), server_end_point: None };
        keywords(&Facts { kind, secured, tls_available: true, signed_in, size_bytes_max: 1000, binding: &binding }).join("|")
    }

    #[test]
    fn each_listener_shows_what_works_on_it() {
        let mx = "STARTTLS|PIPELINING|SIZE 1000|8BITMIME|SMTPUTF8|ENHANCEDSTATUSCODES|CHUNKING|BINARYMIME|DSN|LIMITS RCPTMAX=100";
        assert_eq!(shown(Kind::Mx, false, false), mx);
        assert!(!shown(Kind::Mx, true, false).contains("STARTTLS"));
        assert!(shown(Kind::Mx, true, false).contains("|REQUIRETLS"));
        let lmtp = shown(Kind::Lmtp, false, false);
        assert!(!lmtp.contains("STARTTLS") && !lmtp.contains("DSN"), "{lmtp}");
        assert!(!shown(Kind::Submission, false, false).contains("AUTH"));
        let submission = shown(Kind::Submission, true, false);
        assert!(submission.contains("AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256 OAUTHBEARER XOAUTH2 PLAIN LOGIN|"), "{submission}");
        assert!(submission.contains("|DSN|"));
        assert!(!shown(Kind::Submission, true, true).contains("AUTH"));
    }

    #[test]
    fn a_row_names_a_standard_of_the_list() {
        for row in ROWS {
            assert!(!row.name.is_empty() && (row.rfc > 0 || row.section.starts_with("draft-")), "{}", row.name);
        }
    }
}
