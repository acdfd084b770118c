// SPDX-License-Identifier: AGPL-3.0-or-later
//! NOTIFY (RFC 5465): of which events in which mailboxes a client wants to hear.

use super::command::{FetchItem, Source};
use super::cursor::{Bad, Cursor, Parsed};
use super::encode::Writer;
use super::limits::{FETCH_ITEMS_MAX, LIST_ITEMS_MAX, NOTIFY_GROUPS_MAX};
use super::mailbox_name::Charset;
use super::parse_fetch::parse_items;
use super::parse_sources::parse_source;

/// The events that we tell of, as BADEVENT lists them (RFC 5465 §3.1).
pub const EVENTS: [&str; 7] = [
    "MessageNew",
    "MessageExpunge",
    "FlagChange",
    "MailboxName",
    "SubscriptionChange",
    "MailboxMetadataChange",
    "ServerMetadataChange",
];

/// NOTIFY SET
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notify {
    /// STATUS: how the mailboxes stand is told at once.
    pub status: bool,
    /// In the order of the client.
    pub groups: Vec<NotifyGroup>,
}

/// event-group
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotifyGroup {
    /// Where.
    pub scope: NotifyScope,
    /// What.
    pub events: NotifyEvents,
}

/// filter-mailboxes
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotifyScope {
    /// The open mailbox, at once.
    Selected,
    /// The open mailbox; EXPUNGE waits for a command that lets numbers change.
    SelectedDelayed,
    /// Others.
    Others(Source),
}

/// events; none of them is NONE.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NotifyEvents {
    /// MessageNew and MessageExpunge, which stand together (RFC 5465 §5).
    pub messages: bool,
    /// What of a new message is told with it.
    pub fetch: Vec<FetchItem>,
    /// FlagChange
    pub flags: bool,
    /// MailboxName
    pub names: bool,
    /// SubscriptionChange
    pub subscriptions: bool,
    /// MailboxMetadataChange
    pub metadata: bool,
    /// ServerMetadataChange
    pub server_metadata: bool,
    /// One that we do not know, or AnnotationChange.
    pub unsupported: bool,
}

/// notify = "NOTIFY" SP (notify-set / notify-none); `None` is the latter.
pub(crate) fn parse_notify(cursor: &mut Cursor<'_>, charset: Charset) -> Parsed<Option<Notify>> {
    if cursor.word("NONE") {
        return Ok(None);
    }
    if !cursor.word("SET") {
        return Err(Bad("NOTIFY is SET or NONE"));
    }
    cursor.space()?;
    let status = cursor.word("STATUS");
    let mut groups: Vec<NotifyGroup> = Vec::new();
    while status && groups.is_empty() || !cursor.is_at_end() {
        if status || !groups.is_empty() {
            cursor.space()?;
        }
        if groups.len() >= NOTIFY_GROUPS_MAX {
            return Err(Bad("a list is too long"));
        }
        groups.push(parse_group(cursor, charset)?);
    }
    let of_selected = groups.iter().filter(|group| !matches!(group.scope, NotifyScope::Others(_))).count();
    match (groups.is_empty(), of_selected) {
        (true, _) => Err(Bad("there is no group of events")),
        (_, 0 | 1) => Ok(Some(Notify { status, groups })),
        // RFC 5465 §6.1
        _ => Err(Bad("the open mailbox is named twice")),
    }
}

fn parse_group(cursor: &mut Cursor<'_>, charset: Charset) -> Parsed<NotifyGroup> {
    cursor.expect(b'(', "an opening parenthesis is missing")?;
    let scope = if cursor.word("SELECTED") {
        NotifyScope::Selected
    } else if cursor.word("SELECTED-DELAYED") {
        NotifyScope::SelectedDelayed
    } else {
        NotifyScope::Others(parse_source(cursor, charset)?)
    };
    cursor.space()?;
    let events = parse_events(cursor)?;
    cursor.expect(b')', "a group of events does not end")?;
    let of_messages_alone = !(events.names || events.subscriptions || events.metadata || events.server_metadata);
    match scope {
        // RFC 5465 §6.1
        NotifyScope::Selected | NotifyScope::SelectedDelayed if !of_messages_alone => {
            Err(Bad("the open mailbox has events of messages alone"))
        }
        // RFC 5465 §8
        NotifyScope::Others(_) if !events.fetch.is_empty() => Err(Bad("only of the open mailbox can messages be fetched")),
        scope => Ok(NotifyGroup { scope, events }),
    }
}

/// events = ( "(" event *(SP event) ")" ) / "NONE"
fn parse_events(cursor: &mut Cursor<'_>) -> Parsed<NotifyEvents> {
    let mut events = NotifyEvents::default();
    if cursor.word("NONE") {
        return Ok(events);
    }
    let (mut new, mut expunge, mut changes) = (false, false, false);
    cursor.expect(b'(', "an opening parenthesis is missing")?;
    for count in 0.. {
        if count >= LIST_ITEMS_MAX {
            return Err(Bad("a list is too long"));
        }
        let event = cursor.keyword()?;
        match event.as_str() {
            "MESSAGENEW" => new = true,
            "MESSAGEEXPUNGE" => expunge = true,
            "FLAGCHANGE" => (events.flags, changes) = (true, true),
            "ANNOTATIONCHANGE" => (events.unsupported, changes) = (true, true),
            "MAILBOXNAME" => events.names = true,
            "SUBSCRIPTIONCHANGE" => events.subscriptions = true,
            "MAILBOXMETADATACHANGE" => events.metadata = true,
            "SERVERMETADATACHANGE" => events.server_metadata = true,
            // event-ext
            _ => events.unsupported = true,
        }
        if cursor.eat(b')') {
            break;
        }
        cursor.space()?;
        // "MessageNew" [SP "(" fetch-att *(SP fetch-att) ")"]
        if cursor.peek() == Some(b'(') {
            if event != "MESSAGENEW" || !events.fetch.is_empty() {
                return Err(Bad("what is fetched stands behind MessageNew"));
            }
            events.fetch = cursor.list(FETCH_ITEMS_MAX, false, parse_items)?.concat();
            if cursor.eat(b')') {
                break;
            }
            cursor.space()?;
        }
    }
    // RFC 5465 §5
    if new != expunge || changes && !new {
        return Err(Bad("MessageNew and MessageExpunge stand together, and with FlagChange"));
    }
    events.messages = new;
    Ok(events)
}

impl Writer<'_> {
    pub(super) fn notify(&mut self, notify: Option<&Notify>) {
        let Some(notify) = notify else { return self.text("NOTIFY NONE") };
        self.text(if notify.status { "NOTIFY SET STATUS" } else { "NOTIFY SET" });
        for group in &notify.groups {
            self.text(" (");
            match &group.scope {
                NotifyScope::Selected => self.text("SELECTED"),
                NotifyScope::SelectedDelayed => self.text("SELECTED-DELAYED"),
                NotifyScope::Others(source) => self.source(source),
            }
            self.text(" ");
            self.notify_events(&group.events);
            self.text(")");
        }
    }

    fn notify_events(&mut self, events: &NotifyEvents) {
        if *events == NotifyEvents::default() {
            return self.text("NONE");
        }
        let mut before = "(";
        if events.messages {
            self.text("(MessageNew");
            for (at, item) in events.fetch.iter().enumerate() {
                self.text(if at > 0 { " " } else { " (" });
                super::encode_fetch::encode_fetch_item(self.out, item);
            }
            self.text(if events.fetch.is_empty() { " MessageExpunge" } else { ") MessageExpunge" });
            before = " ";
        }
        for (on, name) in [
            (events.flags, "FlagChange"),
            (events.names, "MailboxName"),
            (events.subscriptions, "SubscriptionChange"),
            (events.metadata, "MailboxMetadataChange"),
            (events.server_metadata, "ServerMetadataChange"),
            (events.unsupported, "UnknownEvent"),
        ] {
            if on {
                self.text(before);
                self.text(name);
                before = " ";
            }
        }
        self.text(")");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Parsed<Option<Notify>> {
        let mut cursor = Cursor::new(text.as_bytes());
        let parsed = parse_notify(&mut cursor, Charset::Utf7)?;
        cursor.end()?;
        Ok(parsed)
    }

    #[test]
    fn what_a_client_wants() {
        assert_eq!(parse("none"), Ok(None));
        let text = "set status (selected (MessageNew (UID BODY.PEEK[HEADER.FIELDS (From)]) MessageExpunge FlagChange)) \
                    (subtree (Lists \"a b\") (messagenew messageexpunge)) (personal (MailboxName)) (inboxes none)";
        let Ok(Some(Notify { status: true, groups })) = parse(text) else { panic!("{:?}", parse(text)) };
        assert_eq!(groups.len(), 4);
        assert_eq!(groups[0].scope, NotifyScope::Selected);
        assert!(groups[0].events.messages && groups[0].events.flags && groups[0].events.fetch.len() == 2);
        assert!(groups[1].events.messages && !groups[1].events.flags);
        assert!(groups[2].events.names && !groups[2].events.messages);
        assert_eq!(groups[3].events, NotifyEvents::default());
    }

    #[test]
    fn what_the_rfc_forbids() {
        for text in [
            "",
            "set",
            "set status",
            "set (selected)",
            "set (selected ())",
            "set (selected (MessageNew))",
            "set (selected (MessageExpunge))",
            "set (selected (FlagChange))",
            "set (selected (MessageNew MessageExpunge MailboxName))",
            "set (selected none) (selected-delayed none)",
            "set (personal (MessageNew (UID) MessageExpunge))",
            "set (selected (MessageExpunge (UID) MessageNew))",
            "set (selected-soon none)",
            "set (personal none)(inboxes none)",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        let Ok(Some(unknown)) = parse("set (personal (MessageNew MessageExpunge AnnotationChange))") else { panic!("parses") };
        assert!(unknown.groups[0].events.unsupported);
    }

    #[test]
    fn groups_have_a_bound() {
        let many = |count: usize| format!("set{}", " (inboxes none)".repeat(count));
        assert!(parse(&many(NOTIFY_GROUPS_MAX)).is_ok());
        assert!(parse(&many(NOTIFY_GROUPS_MAX + 1)).is_err());
    }
}
