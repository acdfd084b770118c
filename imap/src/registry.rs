// SPDX-License-Identifier: AGPL-3.0-or-later
//! The table of what we speak: commands and capabilities, each with its RFC.
//!
//! The CAPABILITY line, the phase in which a command is admitted and the names in the metrics are read
//! from here. A row that is not spoken is refused and not advertised, whatever the rest of the code can.

use hearth_spec::Row;
use hearth_wire::sasl::{ChannelBinding, Mechanism};

use crate::state::Admits;

/// What a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A command, and where it is admitted.
    Command(Admits),
    /// A capability, and when it is shown.
    Capability(Shown),
    /// A mechanism of AUTHENTICATE: shown as `AUTH=name` before login.
    Mechanism,
}

/// When a capability is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Always.
    Always,
    /// Without TLS, before login.
    WithoutTls,
    /// Before login.
    BeforeLogin,
    /// After login.
    AfterLogin,
    /// After login, until COMPRESS.
    Uncompressed,
}

/// A row with what it is.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Name, RFC, status.
    pub row: Row,
    /// What it is.
    pub kind: Kind,
}

const fn command(name: &'static str, rfc: u16, section: &'static str, admits: Admits) -> Entry {
    Entry { row: Row::spoken(name, rfc, section), kind: Kind::Command(admits) }
}

const fn capability(name: &'static str, rfc: u16, section: &'static str, shown: Shown) -> Entry {
    Entry { row: Row::spoken(name, rfc, section), kind: Kind::Capability(shown) }
}

const fn mechanism(name: &'static str, rfc: u16, section: &'static str) -> Entry {
    Entry { row: Row::spoken(name, rfc, section), kind: Kind::Mechanism }
}

const fn declined(name: &'static str, rfc: u16, why: &'static str) -> Entry {
    Entry { row: Row::declined(name, rfc, "", why), kind: Kind::Capability(Shown::Always) }
}

use Admits::{AfterLogin, Any, BeforeLogin, Selected};

/// All of it: commands in the order of the RFC, then capabilities in the order of the CAPABILITY line.
pub const ENTRIES: &[Entry] = &[
    command("CAPABILITY", 9051, "§6.1.1", Any),
    command("NOOP", 9051, "§6.1.2", Any),
    command("LOGOUT", 9051, "§6.1.3", Any),
    command("ID", 2971, "§3.1", Any),
    command("STARTTLS", 9051, "§6.2.1", BeforeLogin),
    command("AUTHENTICATE", 9051, "§6.2.2", BeforeLogin),
    command("LOGIN", 9051, "§6.2.3", BeforeLogin),
    command("ENABLE", 9051, "§6.3.1", AfterLogin),
    command("SELECT", 9051, "§6.3.2", AfterLogin),
    command("EXAMINE", 9051, "§6.3.3", AfterLogin),
    command("CREATE", 9051, "§6.3.4", AfterLogin),
    command("DELETE", 9051, "§6.3.5", AfterLogin),
    command("RENAME", 9051, "§6.3.6", AfterLogin),
    command("SUBSCRIBE", 9051, "§6.3.7", AfterLogin),
    command("UNSUBSCRIBE", 9051, "§6.3.8", AfterLogin),
    command("LIST", 9051, "§6.3.9", AfterLogin),
    command("LSUB", 3501, "§6.3.9", AfterLogin),
    command("NAMESPACE", 9051, "§6.3.10", AfterLogin),
    command("STATUS", 9051, "§6.3.11", AfterLogin),
    command("APPEND", 9051, "§6.3.12", AfterLogin),
    command("IDLE", 9051, "§6.3.13", AfterLogin),
    command("UNAUTHENTICATE", 8437, "§3", AfterLogin),
    command("COMPRESS", 4978, "§3", AfterLogin),
    command("GETJMAPACCESS", 9698, "§3", AfterLogin),
    command("GETMETADATA", 5464, "§4.2", AfterLogin),
    command("SETMETADATA", 5464, "§4.3", AfterLogin),
    command("ESEARCH", 7377, "§2.1", AfterLogin),
    command("GETQUOTA", 9208, "§4.1.1", AfterLogin),
    command("GETQUOTAROOT", 9208, "§4.1.2", AfterLogin),
    command("SETQUOTA", 9208, "§4.1.3", AfterLogin),
    command("NOTIFY", 5465, "§3.1", AfterLogin),
    command("SETACL", 4314, "§3.1", AfterLogin),
    command("DELETEACL", 4314, "§3.2", AfterLogin),
    command("GETACL", 4314, "§3.3", AfterLogin),
    command("LISTRIGHTS", 4314, "§3.4", AfterLogin),
    command("MYRIGHTS", 4314, "§3.5", AfterLogin),
    command("CHECK", 3501, "§6.4.1", Selected),
    command("CLOSE", 9051, "§6.4.1", Selected),
    command("UNSELECT", 9051, "§6.4.2", Selected),
    command("EXPUNGE", 9051, "§6.4.3", Selected),
    command("SEARCH", 9051, "§6.4.4", Selected),
    command("SORT", 5256, "§3", Selected),
    command("THREAD", 5256, "§3", Selected),
    command("REPLACE", 8508, "§3.1", Selected),
    command("FETCH", 9051, "§6.4.5", Selected),
    command("STORE", 9051, "§6.4.6", Selected),
    command("COPY", 9051, "§6.4.7", Selected),
    command("MOVE", 9051, "§6.4.8", Selected),
    command("UID", 9051, "§6.4.9", Selected),
    command("UIDBATCHES", 10022, "§3", Selected),
    capability("IMAP4rev2", 9051, "", Shown::Always),
    capability("IMAP4rev1", 3501, "", Shown::Always),
    capability("LITERAL+", 7888, "§4", Shown::Always),
    capability("SASL-IR", 4959, "§3", Shown::Always),
    capability("ID", 2971, "", Shown::Always),
    capability("ENABLE", 5161, "", Shown::Always),
    capability("STARTTLS", 9051, "§6.2.1", Shown::WithoutTls),
    capability("LOGINDISABLED", 9051, "§6.2.3", Shown::WithoutTls),
    capability("IDLE", 2177, "", Shown::AfterLogin),
    capability("NAMESPACE", 2342, "", Shown::AfterLogin),
    capability("CHILDREN", 3348, "", Shown::AfterLogin),
    capability("MULTIAPPEND", 3502, "", Shown::AfterLogin),
    capability("BINARY", 3516, "", Shown::AfterLogin),
    capability("UNSELECT", 3691, "", Shown::AfterLogin),
    capability("UIDPLUS", 4315, "", Shown::AfterLogin),
    capability("ESEARCH", 4731, "", Shown::AfterLogin),
    capability("SEARCHRES", 5182, "", Shown::AfterLogin),
    capability("WITHIN", 5032, "", Shown::AfterLogin),
    capability("LIST-EXTENDED", 5258, "", Shown::AfterLogin),
    capability("LIST-STATUS", 5819, "", Shown::AfterLogin),
    capability("SPECIAL-USE", 6154, "", Shown::AfterLogin),
    capability("CREATE-SPECIAL-USE", 6154, "§3", Shown::AfterLogin),
    capability("MOVE", 6851, "", Shown::AfterLogin),
    capability("CONDSTORE", 7162, "§3.1", Shown::AfterLogin),
    capability("QRESYNC", 7162, "§3.2", Shown::AfterLogin),
    capability("STATUS=SIZE", 8438, "", Shown::AfterLogin),
    capability("OBJECTID", 8474, "", Shown::AfterLogin),
    capability("SAVEDATE", 8514, "", Shown::AfterLogin),
    capability("PREVIEW", 8970, "", Shown::AfterLogin),
    capability("QUOTA", 9208, "", Shown::AfterLogin),
    capability("QUOTA=RES-STORAGE", 9208, "§5.1", Shown::AfterLogin),
    capability("QUOTA=RES-MESSAGE", 9208, "§5.2", Shown::AfterLogin),
    capability("QUOTASET", 9208, "§4.1.3", Shown::AfterLogin),
    capability("ACL", 4314, "", Shown::AfterLogin),
    capability("RIGHTS=kxte", 4314, "§5.1.1", Shown::AfterLogin),
    capability("LIST-MYRIGHTS", 8440, "", Shown::AfterLogin),
    capability("NOTIFY", 5465, "", Shown::AfterLogin),
    capability("APPENDLIMIT", 7889, "", Shown::AfterLogin),
    capability("SORT", 5256, "", Shown::AfterLogin),
    capability("SORT=DISPLAY", 5957, "", Shown::AfterLogin),
    capability("ESORT", 5267, "§3", Shown::AfterLogin),
    capability("THREAD=ORDEREDSUBJECT", 5256, "§3", Shown::AfterLogin),
    capability("THREAD=REFERENCES", 5256, "§3", Shown::AfterLogin),
    capability("THREAD=REFS", 0, "draft-ietf-morg-inthread", Shown::AfterLogin),
    capability("SEARCH=FUZZY", 6203, "", Shown::AfterLogin),
    capability("IMAPSIEVE", 6785, "§3", Shown::AfterLogin),
    capability("FILTERS", 5466, "", Shown::AfterLogin),
    capability("I18NLEVEL=1", 5255, "§4", Shown::AfterLogin),
    capability("MULTISEARCH", 7377, "", Shown::AfterLogin),
    capability("PARTIAL", 9394, "", Shown::AfterLogin),
    capability("REPLACE", 8508, "", Shown::AfterLogin),
    capability("CATENATE", 4469, "", Shown::AfterLogin),
    capability("URL-PARTIAL", 5550, "§5.7.1", Shown::AfterLogin),
    capability("UIDBATCHES", 10022, "", Shown::AfterLogin),
    capability("UNAUTHENTICATE", 8437, "", Shown::AfterLogin),
    capability("COMPRESS=DEFLATE", 4978, "", Shown::Uncompressed),
    capability("UTF8=ACCEPT", 6855, "§3", Shown::AfterLogin),
    capability("UIDONLY", 9586, "", Shown::AfterLogin),
    capability("INPROGRESS", 9585, "", Shown::AfterLogin),
    capability("METADATA", 5464, "", Shown::AfterLogin),
    capability("LIST-METADATA", 9590, "", Shown::AfterLogin),
    capability("JMAPACCESS", 9698, "§2", Shown::AfterLogin),
    mechanism("SCRAM-SHA-256-PLUS", 7677, ""),
    mechanism("SCRAM-SHA-256", 7677, ""),
    mechanism("OAUTHBEARER", 7628, "§3"),
    mechanism("XOAUTH2", 0, "Google's OAuth 2.0 mechanism"),
    mechanism("PLAIN", 4616, ""),
    mechanism("LOGIN", 0, "draft-murchison-sasl-login"),
    declined("LITERAL-", 7888, "LITERAL+ holds it"),
    declined("METADATA-SERVER", 5464, "METADATA holds it"),
    declined("MESSAGELIMIT", 9738, "commands over any number of messages are done in short steps; there is no limit to tell"),
    declined("CONTEXT=SEARCH", 5267, "a view that keeps itself is what NOTIFY, CONDSTORE and PARTIAL give at less cost"),
    declined("CONTEXT=SORT", 5267, "as CONTEXT=SEARCH"),
    declined("URLAUTH", 4467, "links to single mails without a login are shares, which the account pages should make and revoke"),
    declined("CONVERT", 5259, "mail programs show attachments themselves"),
];

/// The rows alone, for the documents.
pub const ROWS: &[Row] = &{
    let mut rows = [Row::spoken("", 0, ""); ENTRIES.len()];
    let mut at = 0;
    while at < ENTRIES.len() {
        rows[at] = ENTRIES[at].row;
        at += 1;
    }
    rows
};

/// Where a command is admitted; `None` for one that we do not speak.
pub fn find_command(name: &str) -> Option<Admits> {
    ENTRIES.iter().filter(|entry| entry.row.is_spoken() && entry.row.name.eq_ignore_ascii_case(name)).find_map(|entry| match entry
        .kind
    {
        Kind::Command(admits) => Some(admits),
        _ => None,
    })
}

/// The mechanism of a name, if we offer it on this connection.
pub fn find_mechanism(name: &str, tls: bool, binding: &ChannelBinding) -> Option<Mechanism> {
    let spoken =
        |entry: &&Entry| entry.kind == Kind::Mechanism && entry.row.is_spoken() && entry.row.name.eq_ignore_ascii_case(name);
    let entry = ENTRIES.iter().find(spoken)?;
    Mechanism::parse(entry.row.name).filter(|mechanism| mechanism.is_offered(tls, binding))
}

/// The names of the mechanisms that we offer on such a connection, in the order of the table.
pub fn mechanisms(tls: bool, binding: &ChannelBinding) -> Vec<&'static str> {
    let names = ENTRIES.iter().filter(|entry| entry.kind == Kind::Mechanism).map(|entry| entry.row.name);
    names.filter(|name| find_mechanism(name, tls, binding).is_some()).collect()
}

/// What the CAPABILITY line depends on.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// Is the connection encrypted?
    pub tls: bool,
    /// Has a person signed in?
    pub signed_in: bool,
    /// Does the connection compress?
    pub compressed: bool,
    /// What SCRAM-PLUS could bind to.
    pub binding: &'a ChannelBinding,
    /// APPENDLIMIT (RFC 7889).
    pub append_bytes_max: u64,
    /// Where ManageSieve is (RFC 5804 §3).
    pub sieve_url: &'a str,
}

/// The names of the CAPABILITY response, with a space between.
pub fn capabilities(situation: Situation<'_>) -> String {
    let Situation { tls, signed_in, compressed, binding, append_bytes_max, sieve_url } = situation;
    let mut names: Vec<String> = Vec::new();
    for entry in ENTRIES.iter().filter(|entry| entry.row.is_spoken()) {
        let name = entry.row.name;
        let shown = match entry.kind {
            Kind::Command(_) => false,
            Kind::Capability(Shown::Always) => true,
            Kind::Capability(Shown::WithoutTls) => !tls && !signed_in,
            Kind::Capability(Shown::BeforeLogin) => !signed_in,
            Kind::Capability(Shown::AfterLogin) => signed_in,
            Kind::Capability(Shown::Uncompressed) => signed_in && !compressed,
            Kind::Mechanism => !signed_in && find_mechanism(name, tls, binding).is_some(),
        };
        if shown {
            names.push(match (entry.kind, name) {
                (Kind::Mechanism, name) => format!("AUTH={name}"),
                (_, "APPENDLIMIT") => format!("APPENDLIMIT={append_bytes_max}"),
                // RFC 6785 §3: where the scripts are.
                (_, "IMAPSIEVE") => format!("IMAPSIEVE={sieve_url}"),
                (_, name) => name.to_string(),
            });
        }
    }
    names.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(tls: bool, signed_in: bool) -> String {
        let binding = ChannelBinding { exporter: Some(vec![1]), server_end_point: None };
        capabilities(Situation {
            tls,
            signed_in,
            compressed: false,
            binding: &binding,
            append_bytes_max: 1000,
            sieve_url: "sieve://x",
        })
    }

    #[test]
    fn before_tls_there_is_no_way_to_show_a_password() {
        let plain = shown(false, false);
        assert!(plain.contains(" STARTTLS LOGINDISABLED") && !plain.contains("AUTH="), "{plain}");
        let tls = shown(true, false);
        assert!(!tls.contains("STARTTLS") && !tls.contains("LOGINDISABLED"), "{tls}");
        assert!(
            tls.contains("AUTH=SCRAM-SHA-256-PLUS AUTH=SCRAM-SHA-256 AUTH=OAUTHBEARER AUTH=XOAUTH2 AUTH=PLAIN AUTH=LOGIN"),
            "{tls}"
        );
    }

    #[test]
    fn after_login() {
        let line = shown(true, true);
        assert!(line.starts_with("IMAP4rev2 IMAP4rev1 "), "{line}");
        assert!(line.contains(" QRESYNC ") && line.contains(" APPENDLIMIT=1000") && !line.contains("AUTH="), "{line}");
        assert!(!line.contains("CONVERT") && !line.contains("LITERAL-"), "what is not spoken is not shown: {line}");
    }

    #[test]
    fn names_are_met_once() {
        for (at, entry) in ENTRIES.iter().enumerate() {
            let twice = |other: &Entry| {
                other.row.name == entry.row.name && std::mem::discriminant(&other.kind) == std::mem::discriminant(&entry.kind)
            };
            assert!(!ENTRIES[at + 1..].iter().any(twice), "{}", entry.row.name);
        }
        assert_eq!(ROWS.len(), ENTRIES.len());
    }

    #[test]
    fn commands() {
        assert_eq!(find_command("noop"), Some(Admits::Any));
        assert_eq!(find_command("FETCH"), Some(Admits::Selected));
        assert_eq!(find_command("CONVERT"), None);
    }
}
