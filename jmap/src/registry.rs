// SPDX-License-Identifier: AGPL-3.0-or-later
//! The table of what we speak: capabilities, methods, endpoints, each with its RFC and our status.
//!
//! Dispatch finds a method here and refuses what has no spoken row; the Session object advertises the
//! spoken capabilities and nothing else; `docs/protocols/jmap.md` is written from [`ROWS`].

use hearth_spec::Row;

use crate::ctx::Run;
use crate::method::{address_book, contact_card, core, email, mailbox, search_snippet, thread};

/// RFC 8620 §2.
pub const CORE: &str = "urn:ietf:params:jmap:core";
/// RFC 8621 §1.3.1.
pub const MAIL: &str = "urn:ietf:params:jmap:mail";
/// RFC 8621 §1.3.2.
pub const SUBMISSION: &str = "urn:ietf:params:jmap:submission";
/// RFC 9610 §1.4.1.
pub const CONTACTS: &str = "urn:ietf:params:jmap:contacts";

/// All that JMAP has for mail and for contacts, and what we do about it.
pub const ROWS: &[Row] = &[
    Row::spoken(CORE, 8620, "§2"),
    Row::spoken(MAIL, 8621, "§1.3.1"),
    Row::later(SUBMISSION, 8621, "§1.3.2"),
    Row::later("urn:ietf:params:jmap:vacationresponse", 8621, "§1.3.3"),
    Row::spoken(CONTACTS, 9610, "§1.4.1"),
    Row::later("urn:ietf:params:jmap:websocket", 8887, "§3"),
    Row::later("urn:ietf:params:jmap:blob", 9404, "§4"),
    Row::later("urn:ietf:params:jmap:quota", 9425, "§3"),
    Row::spoken("GET /.well-known/jmap", 8620, "§2.2"),
    Row::spoken("upload", 8620, "§6.1"),
    Row::spoken("download", 8620, "§6.2"),
    Row::spoken("eventsource", 8620, "§7.3"),
    Row::later("PushSubscription/get", 8620, "§7.2.1"),
    Row::later("PushSubscription/set", 8620, "§7.2.2"),
    Row::spoken("Core/echo", 8620, "§4"),
    Row::declined("Blob/copy", 8620, "§6.3", "a login sees one account, and a blob is there already"),
    Row::spoken("Mailbox/get", 8621, "§2.1"),
    Row::spoken("Mailbox/changes", 8621, "§2.2"),
    Row::spoken("Mailbox/query", 8621, "§2.3"),
    Row { name: "Mailbox/queryChanges", rfc: 8621, section: "§2.4", status: PARTIAL_QUERY_CHANGES },
    Row::spoken("Mailbox/set", 8621, "§2.5"),
    Row::spoken("Thread/get", 8621, "§3.1"),
    Row::spoken("Thread/changes", 8621, "§3.2"),
    Row::spoken("Email/get", 8621, "§4.2"),
    Row::spoken("Email/changes", 8621, "§4.3"),
    Row::spoken("Email/query", 8621, "§4.4"),
    Row { name: "Email/queryChanges", rfc: 8621, section: "§4.5", status: PARTIAL_EMAIL_QUERY_CHANGES },
    Row::spoken("Email/set", 8621, "§4.6"),
    Row::declined("Email/copy", 8621, "§4.7", "a login sees one account; within it, Email/set of mailboxIds does it"),
    Row::spoken("Email/import", 8621, "§4.8"),
    Row::spoken("Email/parse", 8621, "§4.9"),
    Row::spoken("SearchSnippet/get", 8621, "§5.1"),
    Row::later("Identity/get", 8621, "§6.1"),
    Row::later("Identity/changes", 8621, "§6.2"),
    Row::later("Identity/set", 8621, "§6.3"),
    Row::later("EmailSubmission/get", 8621, "§7.1"),
    Row::later("EmailSubmission/changes", 8621, "§7.2"),
    Row::later("EmailSubmission/query", 8621, "§7.3"),
    Row::later("EmailSubmission/queryChanges", 8621, "§7.4"),
    Row::later("EmailSubmission/set", 8621, "§7.5"),
    Row::later("VacationResponse/get", 8621, "§8.1"),
    Row::later("VacationResponse/set", 8621, "§8.2"),
    Row::spoken("AddressBook/get", 9610, "§2.1"),
    Row::spoken("AddressBook/changes", 9610, "§2.2"),
    Row { name: "AddressBook/set", rfc: 9610, section: "§2.3", status: PARTIAL_ADDRESS_BOOK_SET },
    Row::spoken("ContactCard/get", 9610, "§3.1"),
    Row::spoken("ContactCard/changes", 9610, "§3.2"),
    Row::spoken("ContactCard/query", 9610, "§3.3"),
    Row::spoken("ContactCard/queryChanges", 9610, "§3.4"),
    Row::spoken("ContactCard/set", 9610, "§3.5"),
    Row::declined(
        "ContactCard/copy",
        9610,
        "§3.6",
        "a login sees one account; within it, ContactCard/set of addressBookIds does it",
    ),
];

const PARTIAL_QUERY_CHANGES: hearth_spec::Status =
    hearth_spec::Status::Partial("it answers cannotCalculateChanges: a home has few mailboxes, and asking anew costs one read");
const PARTIAL_EMAIL_QUERY_CHANGES: hearth_spec::Status = hearth_spec::Status::Partial(
    "with collapseThreads, or a condition on other mails of the thread, it answers cannotCalculateChanges",
);
const PARTIAL_ADDRESS_BOOK_SET: hearth_spec::Status =
    hearth_spec::Status::Partial("shareWith stays null: address books are not shared yet");

/// A method that can be called.
pub struct Method {
    /// Its name.
    pub name: &'static str,
    /// The capability that has to be in `using`.
    pub capability: &'static str,
    /// What carries it out.
    pub run: Run,
}

const fn method(name: &'static str, capability: &'static str, run: Run) -> Method {
    Method { name, capability, run }
}

/// What carries out each spoken method.
pub const METHODS: &[Method] = &[
    method("Core/echo", CORE, Run::Read(core::echo::run)),
    method("Mailbox/get", MAIL, Run::Read(mailbox::get::run)),
    method("Mailbox/changes", MAIL, Run::Read(mailbox::changes::run)),
    method("Mailbox/query", MAIL, Run::Read(mailbox::query::run)),
    method("Mailbox/queryChanges", MAIL, Run::Read(mailbox::query_changes::run)),
    method("Mailbox/set", MAIL, Run::Change(mailbox::set::run)),
    method("Thread/get", MAIL, Run::Read(thread::get::run)),
    method("Thread/changes", MAIL, Run::Read(thread::changes::run)),
    method("Email/get", MAIL, Run::Read(email::get::run)),
    method("Email/changes", MAIL, Run::Read(email::changes::run)),
    method("Email/query", MAIL, Run::Read(email::query::run)),
    method("Email/queryChanges", MAIL, Run::Read(email::query_changes::run)),
    method("Email/set", MAIL, Run::Change(email::set::run)),
    method("Email/import", MAIL, Run::Change(email::import::run)),
    method("Email/parse", MAIL, Run::Read(email::parse::run)),
    method("SearchSnippet/get", MAIL, Run::Read(search_snippet::get::run)),
    method("AddressBook/get", CONTACTS, Run::Read(address_book::get::run)),
    method("AddressBook/changes", CONTACTS, Run::Read(address_book::changes::run)),
    method("AddressBook/set", CONTACTS, Run::Change(address_book::set::run)),
    method("ContactCard/get", CONTACTS, Run::ReadAndFill(contact_card::get::run, contact_card::openpgp::fill)),
    method("ContactCard/changes", CONTACTS, Run::Read(contact_card::changes::run)),
    method("ContactCard/query", CONTACTS, Run::Read(contact_card::query::run)),
    method("ContactCard/queryChanges", CONTACTS, Run::Read(contact_card::query_changes::run)),
    method("ContactCard/set", CONTACTS, Run::Change(contact_card::set::run)),
];

/// The row of that name.
pub fn find_row(name: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.name == name)
}

/// Do we advertise this capability?
pub fn is_capability(name: &str) -> bool {
    name.starts_with("urn:") && find_row(name).is_some_and(Row::is_spoken)
}

/// The method, if we speak it and the request uses its capability.
pub fn find_method(name: &str, using: &[String]) -> Option<&'static Method> {
    let method = METHODS.iter().find(|method| method.name == name)?;
    let is_used = using.iter().any(|capability| capability == method.capability);
    (is_used && find_row(name).is_some_and(Row::is_spoken)).then_some(method)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn spoken_methods_can_be_called_and_no_others() {
        let spoken: HashSet<&str> = ROWS
            .iter()
            .filter(|row| row.is_spoken() && row.name.contains('/') && !row.name.contains(' '))
            .map(|row| row.name)
            .collect();
        let callable: HashSet<&str> = METHODS.iter().map(|method| method.name).collect();
        assert_eq!(spoken, callable);
        assert!(METHODS.iter().all(|method| is_capability(method.capability)), "a method of a capability that is not advertised");
    }

    #[test]
    fn each_thing_has_one_row_and_its_rfc_is_known() {
        let names: HashSet<&str> = ROWS.iter().map(|row| row.name).collect();
        assert_eq!(names.len(), ROWS.len());
        for row in ROWS.iter().filter(|row| row.is_spoken()) {
            assert!(hearth_spec::rfc::find(row.rfc).is_some(), "{}", row.name);
        }
    }

    #[test]
    fn a_method_needs_its_capability() {
        let using = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert!(find_method("Email/get", &using(&[CORE, MAIL])).is_some());
        assert!(find_method("Email/get", &using(&[CORE])).is_none());
        assert!(find_method("Email/copy", &using(&[CORE, MAIL])).is_none());
        assert!(find_method("Nothing/get", &using(&[CORE, MAIL])).is_none());
    }
}
