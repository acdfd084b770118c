// SPDX-License-Identifier: AGPL-3.0-or-later
//! Pure: what a client that said NOTIFY (RFC 5465) is told when the mailboxes that it can see change from one [`Picture`]
//! to the next. Of the open mailbox `news.rs` tells; here is how ([`OfSelected`]).

use std::collections::HashMap;

use hearth_mailstore::{Mailbox, Rights};
use hearth_types::{AccountId, MailboxId};
use hearth_wire::imap::response::ListLine;
use hearth_wire::imap::{FetchItem, NotifyEvents, NotifyGroup, NotifyScope, SEPARATOR, StatusItem};

use crate::access::{Reach, Seen, select_seen};
use crate::limits::NOTIFY_MAILBOXES_MAX;
use crate::listing::Listing;
use crate::scope::{covers, reaches_others};

/// Which events a client wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watch {
    /// None of them: NOTIFY NONE.
    pub groups: Vec<NotifyGroup>,
}

/// What it wants of the open mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OfSelected<'w> {
    /// It never said NOTIFY: everything, while a command runs.
    AsEver,
    /// Nothing that it did not ask for.
    Nothing,
    /// All the time.
    Messages {
        /// EXPUNGE waits for a command.
        delayed: bool,
        /// Flags too.
        flags: bool,
        /// What of new messages.
        fetch: &'w [FetchItem],
    },
}

/// Where an entry of METADATA belongs; `None` is one's account.
pub type Place = Option<(AccountId, MailboxId)>;

/// The mailboxes that somebody can see, at one moment.
#[derive(Clone, Debug, Default)]
pub struct Picture {
    /// One's own first.
    pub seen: Vec<Seen>,
    /// Entries of METADATA that may be told, with a hash of each value; none when none of them changed.
    pub entries: Vec<(Place, String, i64)>,
}

/// The mailboxes of another, at one moment.
#[derive(Clone, Debug)]
pub struct Other<'l> {
    /// Whose.
    pub account: AccountId,
    /// What stands before their names.
    pub prefix: &'l str,
    /// How they are reached.
    pub reach: &'l Reach,
    /// All of them.
    pub listing: &'l Listing,
}

/// Something to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// A name came, went, changed, or its subscription did.
    List(ListLine),
    /// Messages came, went, or changed their flags.
    Status(Mailbox, Vec<StatusItem>),
    /// Entries changed; the name is empty for the account.
    Metadata(String, Vec<String>),
}

impl Picture {
    /// What somebody sees of their own and of others.
    pub fn new(me: AccountId, own: &Listing, others: &[Other<'_>]) -> Self {
        let mut picture = Self::default();
        picture.seen.extend(own.mailboxes.iter().map(|mailbox| Seen {
            account: me,
            mailbox: mailbox.clone(),
            rights: Rights::ALL,
        }));
        for other in others {
            let Other { account, prefix, reach, listing } = other;
            picture.seen.extend(select_seen(*account, prefix, reach, &listing.mailboxes, &listing.lists, &own.follows));
        }
        picture
    }

    /// And the entries: all of one's own, and of others those that are shared.
    pub fn with_entries(mut self, me: AccountId, own: &Listing, others: &[Other<'_>]) -> Self {
        self.entries.extend(own.entries.iter().map(|(place, name, hash)| (place.map(|id| (me, id)), name.clone(), *hash)));
        for Other { account, listing, .. } in others {
            let shared = listing.entries.iter().filter(|(_, name, _)| name.starts_with("/shared"));
            self.entries.extend(shared.filter_map(|(place, name, hash)| Some((Some((*account, (*place)?)), name.clone(), *hash))));
        }
        self
    }

    /// Each by what stays the same of it.
    fn by_id(&self) -> HashMap<(AccountId, MailboxId), &Seen> {
        self.seen.iter().map(|one| (id(one), one)).collect()
    }
}

fn id(one: &Seen) -> (AccountId, MailboxId) {
    (one.account, one.mailbox.id)
}

/// What to look at when a picture changes.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'s> {
    /// Who watches.
    pub me: AccountId,
    /// The open mailbox, of which messages are told elsewhere.
    pub open: Option<(AccountId, MailboxId)>,
    /// Names that the client changed itself just now (RFC 5465 §5: it need not hear of that).
    pub own: &'s [String],
    /// Does it know modseqs?
    pub condstore: bool,
}

impl Watch {
    /// Of the open mailbox.
    pub fn of_selected(&self) -> OfSelected<'_> {
        let of = |group: &&NotifyGroup| !matches!(group.scope, NotifyScope::Others(_));
        match self.groups.iter().find(of) {
            Some(NotifyGroup { scope, events }) if events.messages => {
                OfSelected::Messages { delayed: *scope == NotifyScope::SelectedDelayed, flags: events.flags, fetch: &events.fetch }
            }
            _ => OfSelected::Nothing,
        }
    }

    /// Is any of the others to be watched?
    pub fn looks_around(&self) -> bool {
        self.others().any(|(_, events)| *events != NotifyEvents::default())
    }

    /// Can mailboxes of others be among them?
    pub fn reaches_others(&self) -> bool {
        self.others().any(|(source, _)| reaches_others(source))
    }

    fn others(&self) -> impl Iterator<Item = (&hearth_wire::imap::Source, &NotifyEvents)> {
        self.groups.iter().filter_map(|group| match &group.scope {
            NotifyScope::Others(source) => Some((source, &group.events)),
            _ => None,
        })
    }

    /// What is wanted of one mailbox: several groups add up (RFC 5465 §6).
    fn wants(&self, one: &Seen, me: AccountId) -> NotifyEvents {
        let mut all = NotifyEvents::default();
        for (source, events) in self.others() {
            if covers(source, &one.mailbox, one.is_foreign(me), false) {
                all.messages |= events.messages;
                all.flags |= events.flags;
                all.names |= events.names;
                all.subscriptions |= events.subscriptions;
                all.metadata |= events.metadata;
            }
        }
        // RFC 5465 §5: every event takes the rights to see it and to read it.
        if one.rights.has(Rights::READ) { all } else { NotifyEvents::default() }
    }

    /// RFC 5465 §5.8: are there more mailboxes than we are willing to watch for one client?
    pub fn overflows(&self, picture: &Picture, me: AccountId) -> bool {
        let watched = picture.seen.iter().filter(|one| self.wants(one, me) != NotifyEvents::default());
        watched.count() > NOTIFY_MAILBOXES_MAX
    }

    /// How the mailboxes stand, for STATUS; and those that are covered and may not be read (RFC 5465 §3.1).
    pub fn first(&self, picture: &Picture, status: bool, situation: Situation<'_>) -> Vec<Told> {
        let mut told = Vec::new();
        for one in &picture.seen {
            let wants = self.wants(one, situation.me);
            let covered = || self.others().any(|(source, _)| covers(source, &one.mailbox, one.is_foreign(situation.me), false));
            if !one.rights.has(Rights::READ) && covered() {
                told.push(Told::List(ListLine { attributes: vec!["\\NoAccess"], ..line(one, picture) }));
            } else if status && wants.messages && situation.open != Some((one.account, one.mailbox.id)) {
                let mut items = vec![StatusItem::Messages, StatusItem::UidNext, StatusItem::UidValidity];
                items.extend(situation.condstore.then_some(StatusItem::HighestModSeq));
                told.push(Told::Status(one.mailbox.clone(), items));
            }
        }
        told
    }

    /// What changed.
    pub fn decide(&self, before: &Picture, now: &Picture, situation: Situation<'_>) -> Vec<Told> {
        let mut told = self.decide_names(before, now, situation);
        let known = before.by_id();
        for one in &now.seen {
            let Some(old) = known.get(&id(one)) else { continue };
            let wants = self.wants(one, situation.me);
            if situation.open != Some((one.account, one.mailbox.id)) {
                let items = status_items(&old.mailbox, &one.mailbox, &wants, situation.condstore);
                if !items.is_empty() {
                    told.push(Told::Status(one.mailbox.clone(), items));
                }
            }
            if wants.metadata && !situation.own.contains(&one.mailbox.path) {
                told.extend(changed_entries(before, now, Some((one.account, one.mailbox.id)), &one.mailbox.path));
            }
        }
        if self.others().any(|(_, events)| events.server_metadata) && !situation.own.iter().any(String::is_empty) {
            told.extend(changed_entries(before, now, None, ""));
        }
        told
    }

    /// MailboxName and SubscriptionChange. RFC 5465 §5.4: who may see a mailbox no longer is told that it is gone.
    fn decide_names(&self, before: &Picture, now: &Picture, situation: Situation<'_>) -> Vec<Told> {
        let mut lines: Vec<ListLine> = Vec::new();
        let mut add = |line: ListLine| {
            if !lines.iter().any(|known| known.name == line.name) {
                lines.push(line);
            }
        };
        let is_own = |one: &Seen| situation.own.contains(&one.mailbox.path);
        let (known, there) = (before.by_id(), now.by_id());
        for old in before.seen.iter().filter(|old| !there.contains_key(&id(old)) && !is_own(old)) {
            if self.wants(old, situation.me).names {
                add(ListLine { attributes: vec!["\\NonExistent"], name: old.mailbox.path.clone(), ..ListLine::default() });
                self.parent(old, now, situation.me).into_iter().for_each(&mut add);
            }
        }
        for one in now.seen.iter().filter(|one| !is_own(one)) {
            let wants = self.wants(one, situation.me);
            let Some(old) = known.get(&id(one)) else {
                if wants.names {
                    add(line(one, now));
                    self.parent(one, now, situation.me).into_iter().for_each(&mut add);
                }
                continue;
            };
            let old_wants = self.wants(old, situation.me);
            let moved = (&old.mailbox.name, old.mailbox.parent) != (&one.mailbox.name, one.mailbox.parent);
            if moved && (wants.names || old_wants.names) {
                add(ListLine { old_name: Some(old.mailbox.path.clone()), ..line(one, now) });
            } else if old.mailbox.subscribed != one.mailbox.subscribed && (wants.subscriptions || old_wants.subscriptions) {
                add(line(one, now));
            }
        }
        lines.into_iter().map(Told::List).collect()
    }

    /// The mailbox right above one that came or went, which is affected too.
    fn parent(&self, one: &Seen, now: &Picture, me: AccountId) -> Option<ListLine> {
        let above = now.seen.iter().find(|other| other.account == one.account && Some(other.mailbox.id) == one.mailbox.parent)?;
        self.wants(above, me).names.then(|| line(above, now))
    }
}

/// A name with what is true of it now.
fn line(one: &Seen, now: &Picture) -> ListLine {
    let name = one.mailbox.path.clone();
    let below = |other: &Seen| other.mailbox.path.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with(SEPARATOR));
    let mut attributes = vec![if now.seen.iter().any(below) { "\\HasChildren" } else { "\\HasNoChildren" }];
    if one.mailbox.subscribed {
        attributes.push("\\Subscribed");
    }
    attributes.extend(one.mailbox.role.and_then(|role| role.as_imap()));
    ListLine { attributes, name, ..ListLine::default() }
}

/// RFC 5465 §5.1 to §5.3: what of a STATUS is due.
fn status_items(old: &Mailbox, new: &Mailbox, wants: &NotifyEvents, condstore: bool) -> Vec<StatusItem> {
    let counts = |mailbox: &Mailbox| (mailbox.total, mailbox.uid_next, mailbox.uid_validity);
    let messages = wants.messages && counts(old) != counts(new);
    let flags = wants.flags && old.highest_modseq != new.highest_modseq;
    let unseen = wants.flags && old.unseen != new.unseen;
    let mut items = Vec::new();
    if messages {
        items.extend([StatusItem::Messages, StatusItem::UidNext]);
    }
    if messages || unseen || flags && condstore {
        items.push(StatusItem::UidValidity);
    }
    if unseen {
        items.push(StatusItem::Unseen);
    }
    if condstore && (messages || flags) {
        items.push(StatusItem::HighestModSeq);
    }
    items
}

fn changed_entries(before: &Picture, now: &Picture, place: Place, name: &str) -> Option<Told> {
    let of = |picture: &Picture| -> Vec<(String, i64)> {
        let here = picture.entries.iter().filter(|(at, _, _)| *at == place);
        here.map(|(_, name, hash)| (name.clone(), *hash)).collect()
    };
    let (old, new) = (of(before), of(now));
    let mut changed: Vec<String> = old.iter().filter(|entry| !new.contains(entry)).map(|(name, _)| name.clone()).collect();
    changed.extend(new.iter().filter(|entry| !old.contains(entry)).map(|(name, _)| name.clone()));
    changed.sort_unstable();
    changed.dedup();
    (!changed.is_empty()).then(|| Told::Metadata(name.to_string(), changed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing;
    use hearth_wire::imap::{Charset, Command, parse_command};

    const ME: AccountId = AccountId::from_i64(1);
    const ANNA: AccountId = AccountId::from_i64(2);

    fn watch(text: &str) -> Watch {
        let line = format!("a NOTIFY SET {text}\r\n");
        match parse_command(line.as_bytes(), Charset::Utf8).expect("parses").command {
            Command::Notify(Some(notify)) => Watch { groups: notify.groups },
            other => panic!("{other:?}"),
        }
    }

    fn mailbox(id: i64, path: &str) -> Mailbox {
        let parent = path.contains('/').then(|| MailboxId::from_i64(100));
        Mailbox { id: MailboxId::from_i64(id), parent, ..listing::mailbox(path) }
    }

    fn picture(mailboxes: &[Mailbox]) -> Picture {
        let seen = mailboxes.iter().map(|mailbox| Seen { account: ME, mailbox: mailbox.clone(), rights: Rights::ALL }).collect();
        Picture { seen, entries: Vec::new() }
    }

    fn said(watch: &Watch, before: &Picture, now: &Picture, situation: Situation<'_>) -> Vec<String> {
        let told = watch.decide(before, now, situation);
        told.iter()
            .map(|told| match told {
                Told::List(line) => {
                    let old = line.old_name.as_ref().map(|old| format!(" from {old}")).unwrap_or_default();
                    format!("{} {}{old}", line.name, line.attributes.join(" "))
                }
                Told::Status(mailbox, items) => format!("{} {items:?}", mailbox.path),
                Told::Metadata(name, entries) => format!("{name:?} {}", entries.join(" ")),
            })
            .collect()
    }

    const HERE: Situation<'static> = Situation { me: ME, open: None, own: &[], condstore: false };

    #[test]
    fn messages_elsewhere() {
        let everything = watch("(selected none) (personal (MessageNew MessageExpunge FlagChange))");
        let before = picture(&[mailbox(1, "INBOX"), mailbox(2, "b")]);
        let new = Mailbox { total: 1, uid_next: 2, unseen: 1, highest_modseq: 5, ..mailbox(2, "b") };
        let now = picture(&[mailbox(1, "INBOX"), new.clone()]);
        assert_eq!(said(&everything, &before, &now, HERE), ["b [Messages, UidNext, UidValidity, Unseen]"]);
        let condstore = Situation { condstore: true, ..HERE };
        assert_eq!(said(&everything, &before, &now, condstore), ["b [Messages, UidNext, UidValidity, Unseen, HighestModSeq]"]);
        let open = Situation { open: Some((ME, MailboxId::from_i64(2))), ..HERE };
        assert!(said(&everything, &before, &now, open).is_empty(), "of the open one SELECTED decides");
        let flagged = picture(&[mailbox(1, "INBOX"), Mailbox { highest_modseq: 6, ..new }]);
        assert!(said(&everything, &now, &flagged, HERE).is_empty(), "RFC 5465 §5.1: without CONDSTORE a flag is not told");
        assert_eq!(said(&everything, &now, &flagged, condstore), ["b [UidValidity, HighestModSeq]"]);
        let messages = watch("(mailboxes (b x) (MessageNew MessageExpunge))");
        assert!(said(&messages, &now, &flagged, condstore).is_empty());
        assert!(said(&watch("(mailboxes INBOX (MessageNew MessageExpunge))"), &before, &now, HERE).is_empty());
        assert!(said(&Watch::default(), &before, &now, condstore).is_empty(), "NOTIFY NONE");
    }

    #[test]
    fn names() {
        let names = watch("(personal (MailboxName))");
        let before = picture(&[mailbox(100, "a"), mailbox(2, "a/b"), mailbox(3, "c")]);
        let moved = Mailbox { path: "a2/b".into(), ..mailbox(2, "a/b") };
        let now = picture(&[mailbox(100, "a2"), moved, mailbox(3, "c")]);
        assert_eq!(said(&names, &before, &now, HERE), ["a2 \\HasChildren from a"], "those below are not told");
        let gone = picture(&[mailbox(100, "a"), mailbox(3, "c")]);
        assert_eq!(said(&names, &before, &gone, HERE), ["a/b \\NonExistent", "a \\HasNoChildren"]);
        assert_eq!(said(&names, &gone, &before, HERE), ["a/b \\HasNoChildren", "a \\HasChildren"]);
        let own = Situation { own: &["a/b".to_string()], ..HERE };
        assert!(said(&names, &gone, &before, own).is_empty(), "its own doing");
        let subscribed = picture(&[mailbox(100, "a"), Mailbox { subscribed: true, ..mailbox(3, "c") }]);
        assert!(said(&names, &gone, &subscribed, HERE).is_empty());
        let both = watch("(subscribed (SubscriptionChange))");
        assert_eq!(said(&both, &gone, &subscribed, HERE), ["c \\HasNoChildren \\Subscribed"]);
        assert_eq!(said(&both, &subscribed, &gone, HERE), ["c \\HasNoChildren"]);
    }

    #[test]
    fn entries() {
        type Place = Option<(AccountId, MailboxId)>;
        let place: Place = Some((ME, MailboxId::from_i64(1)));
        let with = |entries: &[(Place, &str, i64)]| Picture {
            entries: entries.iter().map(|(place, name, hash)| (*place, name.to_string(), *hash)).collect(),
            ..picture(&[mailbox(1, "INBOX")])
        };
        let before = with(&[(None, "/shared/x", 1), (place, "/shared/a", 1), (place, "/shared/b", 1)]);
        let now = with(&[(None, "/shared/x", 2), (place, "/shared/a", 2), (place, "/shared/c", 1)]);
        let mailboxes = watch("(personal (MailboxMetadataChange))");
        assert_eq!(said(&mailboxes, &before, &now, HERE), ["\"INBOX\" /shared/a /shared/b /shared/c"]);
        assert_eq!(said(&watch("(inboxes (ServerMetadataChange))"), &before, &now, HERE), ["\"\" /shared/x"]);
    }

    #[test]
    fn what_is_shared_and_what_no_longer_is() {
        let subtree = watch("(subtree \"Other Users\" (MailboxName MessageNew MessageExpunge))");
        assert!(subtree.reaches_others() && subtree.looks_around());
        let listing = |rights: Rights| Listing {
            mailboxes: vec![mailbox(7, "Photos")],
            lists: vec![(MailboxId::from_i64(7), hearth_mailstore::acl::Entry { grantee: ME, negative: false, rights })],
            ..Listing::default()
        };
        let reach = Reach::Other { identities: vec![ME], base: Rights::NONE };
        let of = |listing: &Listing| {
            Picture::new(ME, &Listing::default(), &[Other { account: ANNA, prefix: "Other Users/anna@x/", reach: &reach, listing }])
        };
        let rights = Rights::LOOKUP.with(Rights::READ);
        let (hidden, shown) = (of(&listing(Rights::NONE)), of(&listing(rights)));
        assert_eq!(said(&subtree, &hidden, &shown, HERE), ["Other Users/anna@x/Photos \\HasNoChildren"]);
        assert_eq!(said(&subtree, &shown, &hidden, HERE), ["Other Users/anna@x/Photos \\NonExistent"]);
        assert!(said(&watch("(personal (MailboxName))"), &hidden, &shown, HERE).is_empty());
        let unreadable = of(&listing(Rights::LOOKUP));
        let first = subtree.first(&unreadable, true, HERE);
        assert!(matches!(first.as_slice(), [Told::List(line)] if line.attributes == ["\\NoAccess"]), "{first:?}");
    }

    #[test]
    fn of_the_open_mailbox() {
        assert_eq!(Watch::default().of_selected(), OfSelected::Nothing);
        assert_eq!(watch("(selected none)").of_selected(), OfSelected::Nothing);
        let delayed = watch("(selected-delayed (MessageNew MessageExpunge))");
        assert_eq!(delayed.of_selected(), OfSelected::Messages { delayed: true, flags: false, fetch: &[] });
        assert!(!delayed.looks_around());
    }

    #[test]
    fn mailboxes_have_a_bound() {
        let all = watch("(personal (MessageNew MessageExpunge))");
        let many = |count: usize| {
            let mailboxes: Vec<Mailbox> = (1..).take(count).map(|id| mailbox(id, &format!("m{id}"))).collect();
            picture(&mailboxes)
        };
        assert!(!all.overflows(&many(NOTIFY_MAILBOXES_MAX), ME));
        assert!(all.overflows(&many(NOTIFY_MAILBOXES_MAX + 1), ME));
        assert!(!Watch::default().overflows(&many(NOTIFY_MAILBOXES_MAX + 1), ME));
    }
}
