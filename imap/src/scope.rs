// SPDX-License-Identifier: AGPL-3.0-or-later
//! Pure: sets of mailboxes as NOTIFY and ESEARCH name them (RFC 5465 §6, RFC 7377 §2.2).

use hearth_mailstore::Mailbox;
use hearth_wire::imap::{MailboxName, SEPARATOR, Source};

use crate::access::{Named, OTHER_USERS, SHARED, parse_name};

/// Is a mailbox in a set? It goes by the name that the client knows; `foreign`: it is another's; `open`: it is the open one.
pub fn covers(source: &Source, mailbox: &Mailbox, foreign: bool, open: bool) -> bool {
    let is = |name: &MailboxName| mailbox.path == name.as_str();
    let below = |name: &MailboxName| mailbox.path.strip_prefix(name.as_str()).and_then(|rest| rest.strip_prefix(SEPARATOR));
    match source {
        Source::Selected => open,
        // RFC 5465 §6.3: those that mail may be delivered to; a person's rules may name any of theirs.
        Source::Inboxes | Source::Personal => !foreign,
        Source::Subscribed => mailbox.subscribed,
        Source::Subtree(names) => names.iter().any(|name| is(name) || below(name).is_some()),
        Source::SubtreeOne(names) => names.iter().any(|name| is(name) || below(name).is_some_and(|rest| !rest.contains(SEPARATOR))),
        Source::Mailboxes(names) => names.iter().any(is),
    }
}

/// Can a mailbox of another be in it?
pub fn reaches_others(source: &Source) -> bool {
    let at_others = |name: &MailboxName| {
        matches!(parse_name(name.as_str()), Named::Foreign { .. })
            || [OTHER_USERS, SHARED].iter().any(|namespace| name.as_str().split(SEPARATOR).next() == Some(namespace))
    };
    match source {
        Source::Selected | Source::Inboxes | Source::Personal => false,
        Source::Subscribed => true,
        Source::Subtree(names) | Source::SubtreeOne(names) | Source::Mailboxes(names) => names.iter().any(at_others),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing;

    fn mailbox(path: &str) -> Mailbox {
        Mailbox { subscribed: path.ends_with("a/b"), ..listing::mailbox(path) }
    }

    #[test]
    fn sets_of_mailboxes() {
        let name = |name: &str| MailboxName::new(name).expect(name);
        let theirs = "Shared/f@x.org/a/b";
        for (source, paths, reaches) in [
            (Source::Personal, &["a", "a/b", "a/b/c", "ab"][..], false),
            (Source::Subscribed, &["a/b", theirs], true),
            (Source::Selected, &["ab"], false),
            (Source::Inboxes, &["a", "a/b", "a/b/c", "ab"], false),
            (Source::Subtree(vec![name("a")]), &["a", "a/b", "a/b/c"], false),
            (Source::Subtree(vec![name("Shared")]), &[theirs], true),
            (Source::SubtreeOne(vec![name("a")]), &["a", "a/b"], false),
            (Source::SubtreeOne(vec![name("Shared/f@x.org/a")]), &[theirs], true),
            (Source::Mailboxes(vec![name("ab"), name("a/b")]), &["a/b", "ab"], false),
            (Source::Mailboxes(vec![name(theirs)]), &[theirs], true),
        ] {
            let all = ["a", "a/b", "a/b/c", "ab", theirs];
            let covered: Vec<&str> =
                all.into_iter().filter(|&path| covers(&source, &mailbox(path), path == theirs, path == "ab")).collect();
            assert_eq!((covered.as_slice(), reaches_others(&source)), (paths, reaches), "{source:?}");
        }
    }
}
