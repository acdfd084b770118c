// SPDX-License-Identifier: AGPL-3.0-or-later
//! Commands as a client writes them; the other half of the law parse(encode(x)) = x.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::command::{Command, Depth, Fetch, List, Qresync, StatusItem, Store, StoreAction, Tagged};
use super::encode_fetch::encode_fetch_item;
use super::mailbox_name::{Charset, MailboxName, encode_mailbox, encode_utf7};
use super::parse::STATUS_ITEMS;
use super::response::{encode_astring, encode_flags, encode_string};
use super::set::{SequenceSet, encode_sequence_set};

/// A whole command with its CRLF; literals stand where no quoted string can.
pub fn encode_command(out: &mut Vec<u8>, tagged: &Tagged, charset: Charset) {
    let mut writer = Writer { out, charset };
    writer.text(&tagged.tag);
    writer.text(" ");
    writer.command(&tagged.command);
    writer.text("\r\n");
}

pub(super) struct Writer<'a> {
    pub(super) out: &'a mut Vec<u8>,
    charset: Charset,
}

impl Writer<'_> {
    pub(super) fn text(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    pub(super) fn astring(&mut self, value: &[u8]) {
        encode_astring(self.out, value);
    }

    pub(super) fn mailbox(&mut self, name: &MailboxName) {
        encode_mailbox(self.out, name.as_str(), self.charset);
    }

    pub(super) fn set(&mut self, set: &SequenceSet) {
        encode_sequence_set(self.out, set);
    }

    pub(super) fn named(&mut self, verb: &str, name: &MailboxName) {
        self.text(verb);
        self.text(" ");
        self.mailbox(name);
    }

    fn command(&mut self, command: &Command) {
        match command {
            Command::Capability => self.text("CAPABILITY"),
            Command::Noop => self.text("NOOP"),
            Command::Logout => self.text("LOGOUT"),
            Command::StartTls => self.text("STARTTLS"),
            Command::Namespace => self.text("NAMESPACE"),
            Command::Idle => self.text("IDLE"),
            Command::Check => self.text("CHECK"),
            Command::Close => self.text("CLOSE"),
            Command::Unselect => self.text("UNSELECT"),
            Command::Expunge => self.text("EXPUNGE"),
            Command::Unauthenticate => self.text("UNAUTHENTICATE"),
            Command::GetJmapAccess => self.text("GETJMAPACCESS"),
            Command::Compress(algorithm) => self.text(&format!("COMPRESS {algorithm}")),
            Command::UidBatches { size, window } => {
                let window = window.map(|(first, last)| format!(" {first}:{last}")).unwrap_or_default();
                self.text(&format!("UIDBATCHES {size}{window}"));
            }
            Command::Thread { uid, algorithm, keys } => self.thread(*uid, *algorithm, keys),
            Command::Enable(names) => self.text(&format!("ENABLE {}", names.join(" "))),
            Command::Delete(name) => self.named("DELETE", name),
            Command::Subscribe(name) => self.named("SUBSCRIBE", name),
            Command::Unsubscribe(name) => self.named("UNSUBSCRIBE", name),
            Command::GetQuotaRoot(name) => self.named("GETQUOTAROOT", name),
            Command::Notify(notify) => self.notify(notify.as_ref()),
            Command::SetAcl { .. }
            | Command::DeleteAcl { .. }
            | Command::GetAcl(_)
            | Command::ListRights { .. }
            | Command::MyRights(_) => self.acl(command),
            Command::List(list) => self.list(list),
            Command::Search(search) => self.search(search),
            Command::Fetch(fetch) => self.fetch(fetch),
            Command::Store(store) => self.store(store),
            Command::Copy { uid, set, to } => self.copy("COPY", *uid, set, to),
            Command::Move { uid, set, to } => self.copy("MOVE", *uid, set, to),
            other => self.command_with_words(other),
        }
    }

    fn command_with_words(&mut self, command: &Command) {
        match command {
            Command::Id(pairs) => self.id(pairs),
            Command::Authenticate { mechanism, initial } => {
                self.text(&format!("AUTHENTICATE {mechanism}"));
                if let Some(initial) = initial {
                    let encoded = BASE64.encode(initial.0.expose());
                    self.text(&format!(" {}", if encoded.is_empty() { "=" } else { &encoded }));
                }
            }
            Command::Login { user, password } => {
                self.text("LOGIN ");
                self.astring(user.as_bytes());
                self.text(" ");
                self.astring(password.0.expose());
            }
            Command::Select { read_only, mailbox, condstore, qresync } => {
                self.named(if *read_only { "EXAMINE" } else { "SELECT" }, mailbox);
                self.select_parameters(*condstore, qresync.as_ref());
            }
            Command::Create { mailbox, special_use } => {
                self.named("CREATE", mailbox);
                if !special_use.is_empty() {
                    self.text(&format!(" (USE ({}))", special_use.join(" ")));
                }
            }
            Command::Rename { from, to } => {
                self.named("RENAME", from);
                self.text(" ");
                self.mailbox(to);
            }
            Command::Lsub(reference, pattern) => {
                self.text("LSUB ");
                self.name_or_pattern(reference);
                self.text(" ");
                self.name_or_pattern(pattern);
            }
            Command::Status(name, items) => {
                self.named("STATUS", name);
                self.text(" ");
                self.status_items(items);
            }
            Command::UidExpunge(set) => {
                self.text("UID EXPUNGE ");
                self.set(set);
            }
            Command::GetQuota(root) => {
                self.text("GETQUOTA ");
                self.astring(root.as_bytes());
            }
            Command::SetQuota(root, limits) => {
                self.text("SETQUOTA ");
                self.astring(root.as_bytes());
                let limits: Vec<String> = limits.iter().map(|(resource, limit)| format!("{resource} {limit}")).collect();
                self.text(&format!(" ({})", limits.join(" ")));
            }
            Command::GetMetadata { mailbox, size_bytes_max, depth, entries } => {
                self.text("GETMETADATA ");
                let size = size_bytes_max.map(|size| format!("MAXSIZE {size} ")).unwrap_or_default();
                let depth = match depth {
                    Depth::Zero => "0",
                    Depth::One => "1",
                    Depth::Infinity => "infinity",
                };
                self.text(&format!("({size}DEPTH {depth}) "));
                self.place(mailbox.as_ref());
                self.text(&format!(" ({})", entries.join(" ")));
            }
            Command::SetMetadata { mailbox, entries } => {
                self.text("SETMETADATA ");
                self.place(mailbox.as_ref());
                for (at, (entry, value)) in entries.iter().enumerate() {
                    self.text(if at > 0 { " " } else { " (" });
                    self.text(&format!("{entry} "));
                    super::response::encode_nstring(self.out, value.as_deref(), Charset::Utf8);
                }
                self.text(")");
            }
            _ => {}
        }
    }

    fn place(&mut self, mailbox: Option<&MailboxName>) {
        match mailbox {
            Some(name) => self.mailbox(name),
            None => self.text("\"\""),
        }
    }

    fn id(&mut self, pairs: &[(String, Option<String>)]) {
        self.text("ID (");
        for (at, (field, value)) in pairs.iter().enumerate() {
            self.text(if at > 0 { " " } else { "" });
            encode_string(self.out, field.as_bytes(), Charset::Utf8);
            self.text(" ");
            super::response::encode_nstring(self.out, value.as_ref().map(String::as_bytes), Charset::Utf8);
        }
        self.text(")");
    }

    fn select_parameters(&mut self, condstore: bool, qresync: Option<&Qresync>) {
        if !condstore && qresync.is_none() {
            return;
        }
        self.text(" (");
        if condstore {
            self.text("CONDSTORE");
        }
        if let Some(qresync) = qresync {
            self.text(if condstore { " " } else { "" });
            self.text(&format!("QRESYNC ({} {}", qresync.uid_validity, qresync.modseq));
            if let Some(known) = &qresync.known_uids {
                self.text(" ");
                self.set(known);
            }
            if let Some((numbers, uids)) = &qresync.matches {
                self.text(" (");
                self.set(numbers);
                self.text(" ");
                self.set(uids);
                self.text(")");
            }
            self.text(")");
        }
        self.text(")");
    }

    fn status_items(&mut self, items: &[StatusItem]) {
        let name = |item: &StatusItem| STATUS_ITEMS.iter().find(|(_, known)| known == item).map_or("", |(name, _)| *name);
        encode_flags(self.out, items.iter().map(name));
    }

    fn name_or_pattern(&mut self, text: &str) {
        let text = if self.charset == Charset::Utf7 { encode_utf7(text) } else { text.to_string() };
        encode_string(self.out, text.as_bytes(), Charset::Utf8);
    }

    fn list(&mut self, list: &List) {
        self.text("LIST ");
        let words = |pairs: &[(bool, &'static str)]| -> Vec<&'static str> {
            pairs.iter().filter(|(on, _)| *on).map(|&(_, word)| word).collect()
        };
        let select = words(&[
            (list.select_subscribed, "SUBSCRIBED"),
            (list.select_remote, "REMOTE"),
            (list.select_recursive, "RECURSIVEMATCH"),
            (list.select_special_use, "SPECIAL-USE"),
        ]);
        if list.extended {
            self.text(&format!("({}) ", select.join(" ")));
        }
        self.name_or_pattern(&list.reference);
        self.text(if list.extended { " (" } else { " " });
        for (at, pattern) in list.patterns.iter().enumerate() {
            self.text(if at > 0 { " " } else { "" });
            self.name_or_pattern(pattern);
        }
        if !list.extended {
            return;
        }
        let returns = words(&[
            (list.return_subscribed, "SUBSCRIBED"),
            (list.return_children, "CHILDREN"),
            (list.return_special_use, "SPECIAL-USE"),
            (list.return_my_rights, "MYRIGHTS"),
        ]);
        self.text(&format!(") RETURN ({}", returns.join(" ")));
        if !list.return_status.is_empty() {
            self.text(if returns.is_empty() { "STATUS " } else { " STATUS " });
            self.status_items(&list.return_status);
        }
        if !list.return_metadata.is_empty() {
            self.text(if returns.is_empty() && list.return_status.is_empty() { "METADATA " } else { " METADATA " });
            self.text(&format!("({})", list.return_metadata.join(" ")));
        }
        self.text(")");
    }

    fn copy(&mut self, verb: &str, uid: bool, set: &SequenceSet, to: &MailboxName) {
        self.text(&format!("{}{verb} ", if uid { "UID " } else { "" }));
        self.set(set);
        self.text(" ");
        self.mailbox(to);
    }

    fn fetch(&mut self, fetch: &Fetch) {
        self.text(if fetch.uid { "UID FETCH " } else { "FETCH " });
        self.set(&fetch.set);
        self.text(" (");
        for (at, item) in fetch.items.iter().enumerate() {
            self.text(if at > 0 { " " } else { "" });
            encode_fetch_item(self.out, item);
        }
        self.text(")");
        let since = fetch.changed_since.map(|since| format!("CHANGEDSINCE {since}"));
        let vanished = fetch.vanished.then(|| "VANISHED".to_string());
        let partial = fetch.partial.map(|partial| format!("PARTIAL {partial}"));
        let modifiers: Vec<String> = [since, vanished, partial].into_iter().flatten().collect();
        if !modifiers.is_empty() {
            self.text(&format!(" ({})", modifiers.join(" ")));
        }
    }

    fn store(&mut self, store: &Store) {
        self.text(if store.uid { "UID STORE " } else { "STORE " });
        self.set(&store.set);
        if let Some(since) = store.unchanged_since {
            self.text(&format!(" (UNCHANGEDSINCE {since})"));
        }
        let sign = match store.action {
            StoreAction::Replace => "",
            StoreAction::Add => "+",
            StoreAction::Remove => "-",
        };
        self.text(&format!(" {sign}FLAGS{} ", if store.silent { ".SILENT" } else { "" }));
        encode_flags(self.out, store.flags.iter().map(String::as_str));
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse::parse_command;
    use super::*;

    /// Commands as clients write them; each is parsed, written and parsed again.
    const COMMANDS: &[&str] = &[
        "a CAPABILITY",
        "a noop ",
        "a1.b LOGOUT",
        "a STARTTLS",
        "a NAMESPACE",
        "a IDLE",
        "a CHECK",
        "a CLOSE",
        "a UNSELECT",
        "a EXPUNGE",
        "a UID EXPUNGE 1:5,9",
        "a ID NIL",
        "a ID ()",
        "a ID (\"name\" \"Thunderbird\" \"x\" NIL)",
        "a ENABLE CONDSTORE imap4rev2",
        "a AUTHENTICATE PLAIN",
        "a AUTHENTICATE plain =",
        "a AUTHENTICATE PLAIN AGFsaWNlAHNlY3JldA==",
        "a LOGIN alice@home.localhost {6}\r\nse\"cr\\",
        "a LOGIN \"al ice\" {4}\r\n\u{e9}\r\n",
        "a SELECT inbox",
        "a EXAMINE \"a b\" (CONDSTORE)",
        "a SELECT Entw&APw-rfe (QRESYNC (67890007 20050715194045000 41,43:211,214:541))",
        "a SELECT INBOX (CONDSTORE QRESYNC (1 2 1:9 (1,3 5,9)))",
        "a SELECT INBOX (QRESYNC (1 2 (1,3 5,9)))",
        "a CREATE x/y/",
        "a CREATE Sent (USE (\\Sent \\Archive))",
        "a DELETE x",
        "a RENAME x \"y z\"",
        "a SUBSCRIBE x",
        "a UNSUBSCRIBE x",
        "a LIST \"\" *",
        "a LIST \"\" \"\"",
        "a LIST (SUBSCRIBED RECURSIVEMATCH) \"\" % RETURN (CHILDREN)",
        "a LIST (SPECIAL-USE REMOTE) \"x/\" (a% \"b*\") RETURN (SUBSCRIBED SPECIAL-USE STATUS (MESSAGES UNSEEN))",
        "a LIST () \"\" x",
        "a LSUB \"\" %",
        "a STATUS inbox (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN DELETED SIZE HIGHESTMODSEQ MAILBOXID APPENDLIMIT DELETED-STORAGE)",
        "a SEARCH ALL",
        "a UID SEARCH RETURN (MIN MAX COUNT SAVE) 1:* UNSEEN",
        "a SEARCH RETURN () CHARSET UTF-8 OR FROM x (NOT SUBJECT {3}\r\na\r\n TEXT b)",
        "a SEARCH NEW OLD RECENT KEYWORD $x UNKEYWORD y ANSWERED UNDELETED DRAFT",
        "a SEARCH BEFORE 1-Feb-1994 SENTON \"2-Feb-2020\" SAVEDSINCE 3-Mar-2021 SAVEDATESUPPORTED LARGER 5 SMALLER 9 OLDER 60 YOUNGER 70",
        "a SEARCH HEADER List-ID \"\" BODY \"x y\" MODSEQ \"/flags/\\\\draft\" all 620162338 UID 1:9 $ EMAILID M1 THREADID T1",
        "a FETCH 1 FAST",
        "a FETCH 1:* (ALL UID)",
        "a UID FETCH 1,3 FULL (CHANGEDSINCE 5 VANISHED)",
        "a FETCH 1 (BODY[] BODY.PEEK[]<0.100> BODY[HEADER] BODY[TEXT] BODY[1] BODY[1.2.MIME] BODY[2.HEADER.FIELDS (To \"a b\")])",
        "a FETCH 1 (BODY.PEEK[HEADER.FIELDS.NOT (To)] RFC822 RFC822.HEADER RFC822.TEXT BODY BODYSTRUCTURE ENVELOPE MODSEQ)",
        "a FETCH $ (BINARY[1]<0.5> BINARY.PEEK[] BINARY.SIZE[1.2] PREVIEW PREVIEW (LAZY) EMAILID THREADID SAVEDATE)",
        "a STORE 1 FLAGS ()",
        "a UID STORE 1:5 (UNCHANGEDSINCE 12) +FLAGS.SILENT (\\Seen $Forwarded)",
        "a STORE 1 -FLAGS \\Deleted x",
        "a COPY 1:2 x",
        "a UID COPY $ x",
        "a MOVE 1 x",
        "a UID MOVE 1:* x",
        "a GETQUOTA \"\"",
        "a GETQUOTAROOT inbox",
        "a SETQUOTA \"\" (STORAGE 512 message 9)",
        "a SETQUOTA \"#user/a b\" ()",
        "a NOTIFY NONE",
        "a notify set status (selected-delayed (MessageNew (UID FLAGS BODY.PEEK[HEADER.FIELDS (To)]) MessageExpunge FlagChange)) (subtree (a \"b c\") (MessageNew MessageExpunge)) (mailboxes x none)",
        "a NOTIFY SET (personal (MailboxName SubscriptionChange MailboxMetadataChange ServerMetadataChange)) (inboxes (Frob))",
        "a SETACL x anna@home.example lrswi",
        "a SETACL \"a b\" -anyone +",
        "a SETACL x $team -te",
        "a DELETEACL x \"b c\"",
        "a GETACL inbox",
        "a LISTRIGHTS inbox anyone",
        "a MYRIGHTS inbox",
        "a LIST \"\" % RETURN (MYRIGHTS STATUS (UNSEEN))",
        "a UID FETCH 1:* FLAGS (PARTIAL -1:-30 CHANGEDSINCE 7)",
        "a SEARCH RETURN (PARTIAL 23500:24000 COUNT) UNDELETED",
        "a SORT (SUBJECT REVERSE DATE) US-ASCII ALL",
        "a UID SORT RETURN (MIN MAX SAVE PARTIAL 1:5) (ARRIVAL CC FROM SIZE TO DISPLAYFROM REVERSE DISPLAYTO) utf-8 TEXT \"x\" 1:9",
        "a THREAD ORDEREDSUBJECT UTF-8 SINCE 5-Mar-2000",
        "a UID THREAD REFERENCES US-ASCII ALL",
        "a THREAD refs UTF-8 (SEEN 1)",
        "a ESEARCH IN (mailboxes (a \"b c\") subtree-one x subtree (y z) personal selected inboxes subscribed) RETURN (COUNT) FROM x",
        "a ESEARCH UNSEEN",
        "a UNAUTHENTICATE",
        "a UIDBATCHES 2000",
        "a uidbatches 500 11:20",
        "a COMPRESS DEFLATE",
        "a GETJMAPACCESS",
        "a GETMETADATA \"\" /Shared/comment",
        "a GETMETADATA (MAXSIZE 1024 DEPTH infinity) inbox (/shared/x /private/y)",
        "a SETMETADATA inbox (/private/comment {5}\r\na\r\nb\r /shared/comment NIL)",
        "a LIST \"\" % RETURN (METADATA (/shared/comment) CHILDREN)",
    ];

    #[test]
    fn what_is_written_is_read_back() {
        for text in COMMANDS {
            let line = format!("{text}\r\n");
            for charset in [Charset::Utf7, Charset::Utf8] {
                let parsed = parse_command(line.as_bytes(), charset).unwrap_or_else(|error| panic!("{text}: {error}"));
                let mut out = Vec::new();
                encode_command(&mut out, &parsed, charset);
                let again = parse_command(&out, charset);
                assert_eq!(again.as_ref(), Ok(&parsed), "{text}\n{}", String::from_utf8_lossy(&out));
            }
        }
    }

    #[test]
    fn a_command_cut_short_is_a_mistake_or_a_command() {
        for text in COMMANDS {
            for cut in 0..text.len() {
                let _ = parse_command(&text.as_bytes()[..cut], Charset::Utf7);
                let line = [&text.as_bytes()[..cut], b"\r\n"].concat();
                let _ = parse_command(&line, Charset::Utf8);
            }
        }
    }
}
