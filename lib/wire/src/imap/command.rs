// SPDX-License-Identifier: AGPL-3.0-or-later
//! Commands as values (RFC 9051 §6).

use hearth_types::{Secret, Timestamp};

use super::acl::RightsChange;
use super::date::Day;
use super::mailbox_name::MailboxName;
use super::notify::Notify;
use super::set::SequenceSet;

/// A command with the tag that its answer will carry.
#[derive(Clone, Debug, PartialEq)]
pub struct Tagged {
    /// The client's tag.
    pub tag: String,
    /// What it asks.
    pub command: Command,
}

/// A password on its way to the gate; does not show itself.
#[derive(Clone, Debug)]
pub struct Password(pub Secret<Vec<u8>>);

impl PartialEq for Password {
    fn eq(&self, other: &Self) -> bool {
        self.0.matches(other.0.expose())
    }
}

/// What a client asks. APPEND is read by [`super::append`], for its message does not fit in a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// CAPABILITY
    Capability,
    /// NOOP
    Noop,
    /// LOGOUT
    Logout,
    /// STARTTLS
    StartTls,
    /// NAMESPACE
    Namespace,
    /// IDLE
    Idle,
    /// CHECK (RFC 3501 §6.4.1)
    Check,
    /// CLOSE
    Close,
    /// UNSELECT
    Unselect,
    /// EXPUNGE
    Expunge,
    /// ID (RFC 2971): what the client says of itself.
    Id(Vec<(String, Option<String>)>),
    /// ENABLE: capability names, in upper case.
    Enable(Vec<String>),
    /// AUTHENTICATE
    Authenticate {
        /// In upper case.
        mechanism: String,
        /// The initial response, decoded; `=` is an empty one.
        initial: Option<Password>,
    },
    /// LOGIN
    Login {
        /// The name as it was given.
        user: String,
        /// The password.
        password: Password,
    },
    /// SELECT and EXAMINE
    Select {
        /// EXAMINE?
        read_only: bool,
        /// Which mailbox.
        mailbox: MailboxName,
        /// `(CONDSTORE)`
        condstore: bool,
        /// `(QRESYNC (..))`
        qresync: Option<Qresync>,
    },
    /// CREATE
    Create {
        /// Its name.
        mailbox: MailboxName,
        /// `(USE (..))` (RFC 6154 §3): special-use attributes as written.
        special_use: Vec<String>,
    },
    /// DELETE
    Delete(MailboxName),
    /// RENAME
    Rename {
        /// Old name.
        from: MailboxName,
        /// New name.
        to: MailboxName,
    },
    /// SUBSCRIBE
    Subscribe(MailboxName),
    /// UNSUBSCRIBE
    Unsubscribe(MailboxName),
    /// LIST
    List(List),
    /// LSUB (RFC 3501 §6.3.9): reference and pattern.
    Lsub(String, String),
    /// STATUS
    Status(MailboxName, Vec<StatusItem>),
    /// UID EXPUNGE
    UidExpunge(SequenceSet),
    /// SEARCH, SORT and ESEARCH, and their UID forms.
    Search(Search),
    /// THREAD and UID THREAD (RFC 5256 §5)
    Thread {
        /// UIDs?
        uid: bool,
        /// How.
        algorithm: ThreadAlgorithm,
        /// All of these have to hold.
        keys: Vec<SearchKey>,
    },
    /// FETCH and UID FETCH
    Fetch(Fetch),
    /// STORE and UID STORE
    Store(Store),
    /// COPY and UID COPY
    Copy {
        /// UIDs?
        uid: bool,
        /// Which messages.
        set: SequenceSet,
        /// Where to.
        to: MailboxName,
    },
    /// MOVE and UID MOVE
    Move {
        /// UIDs?
        uid: bool,
        /// Which messages.
        set: SequenceSet,
        /// Where to.
        to: MailboxName,
    },
    /// UIDBATCHES (RFC 10022 §3)
    UidBatches {
        /// Messages of a batch.
        size: u32,
        /// The first and the last batch that are wanted, counted from the newest message.
        window: Option<(u32, u32)>,
    },
    /// GETQUOTA (RFC 9208 §4.1.1)
    GetQuota(String),
    /// GETQUOTAROOT (RFC 9208 §4.1.2)
    GetQuotaRoot(MailboxName),
    /// SETQUOTA (RFC 9208 §4.1.3): the root, and the new limits by resource in upper case.
    SetQuota(String, Vec<(String, u64)>),
    /// NOTIFY (RFC 5465); `None` is NONE.
    Notify(Option<Notify>),
    /// SETACL (RFC 4314 §3.1)
    SetAcl {
        /// Whose list.
        mailbox: MailboxName,
        /// Who.
        identifier: String,
        /// How.
        change: RightsChange,
        /// Letters.
        rights: String,
    },
    /// DELETEACL (RFC 4314 §3.2)
    DeleteAcl {
        /// Whose list.
        mailbox: MailboxName,
        /// Who.
        identifier: String,
    },
    /// GETACL (RFC 4314 §3.3)
    GetAcl(MailboxName),
    /// LISTRIGHTS (RFC 4314 §3.4)
    ListRights {
        /// Whose list.
        mailbox: MailboxName,
        /// Who.
        identifier: String,
    },
    /// MYRIGHTS (RFC 4314 §3.5)
    MyRights(MailboxName),
    /// UNAUTHENTICATE (RFC 8437)
    Unauthenticate,
    /// COMPRESS (RFC 4978): the algorithm in upper case.
    Compress(String),
    /// GETJMAPACCESS (RFC 9698)
    GetJmapAccess,
    /// GETMETADATA (RFC 5464 §4.2)
    GetMetadata {
        /// `None` is the server.
        mailbox: Option<MailboxName>,
        /// MAXSIZE
        size_bytes_max: Option<u32>,
        /// DEPTH
        depth: Depth,
        /// In lower case.
        entries: Vec<String>,
    },
    /// SETMETADATA (RFC 5464 §4.3)
    SetMetadata {
        /// `None` is the server.
        mailbox: Option<MailboxName>,
        /// Names in lower case, and values; `None` removes.
        entries: Vec<(String, Option<Vec<u8>>)>,
    },
}

/// DEPTH of GETMETADATA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// The entry alone.
    Zero,
    /// And those directly below it.
    One,
    /// And all below it.
    Infinity,
}

/// The QRESYNC parameter of SELECT (RFC 7162 §3.2.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Qresync {
    /// The UIDVALIDITY that the client knows.
    pub uid_validity: u32,
    /// The last modseq that it saw.
    pub modseq: u64,
    /// The UIDs that it knows; all when absent.
    pub known_uids: Option<SequenceSet>,
    /// Message numbers and the UIDs that they had (RFC 7162 §3.2.5.2).
    pub matches: Option<(SequenceSet, SequenceSet)>,
}

/// LIST (RFC 9051 §6.3.9, RFC 5258).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List {
    /// Written in the extended form (options, several patterns or RETURN)?
    pub extended: bool,
    /// SUBSCRIBED
    pub select_subscribed: bool,
    /// REMOTE: all of ours are local, so it changes nothing.
    pub select_remote: bool,
    /// RECURSIVEMATCH
    pub select_recursive: bool,
    /// SPECIAL-USE
    pub select_special_use: bool,
    /// The reference name.
    pub reference: String,
    /// Patterns with `*` and `%`.
    pub patterns: Vec<String>,
    /// RETURN SUBSCRIBED
    pub return_subscribed: bool,
    /// RETURN CHILDREN
    pub return_children: bool,
    /// RETURN SPECIAL-USE
    pub return_special_use: bool,
    /// RETURN STATUS (RFC 5819)
    pub return_status: Vec<StatusItem>,
    /// RETURN MYRIGHTS (RFC 8440)
    pub return_my_rights: bool,
    /// RETURN METADATA (RFC 9590): entries.
    pub return_metadata: Vec<String>,
}

/// What STATUS can tell (RFC 9051 §6.3.11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusItem {
    /// MESSAGES
    Messages,
    /// RECENT (RFC 3501)
    Recent,
    /// UIDNEXT
    UidNext,
    /// UIDVALIDITY
    UidValidity,
    /// UNSEEN
    Unseen,
    /// DELETED
    Deleted,
    /// SIZE
    Size,
    /// HIGHESTMODSEQ (RFC 7162 §3.1.7)
    HighestModSeq,
    /// MAILBOXID (RFC 8474 §4.3)
    MailboxId,
    /// APPENDLIMIT (RFC 7889)
    AppendLimit,
    /// DELETED-STORAGE (RFC 9208 §4.1.4)
    DeletedStorage,
}

/// SEARCH (RFC 9051 §6.4.4), SORT (RFC 5256) and ESEARCH (RFC 7377).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// UID SEARCH?
    pub uid: bool,
    /// RETURN (..); `None` when the client asked in the old form.
    pub returns: Option<SearchReturn>,
    /// The order that SORT asks for; empty for SEARCH.
    pub sort: Vec<SortCriterion>,
    /// Where ESEARCH looks; empty for SEARCH, which looks in the open mailbox.
    pub sources: Vec<Source>,
    /// All of these have to hold.
    pub keys: Vec<SearchKey>,
}

/// The result options of SEARCH.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SearchReturn {
    /// MIN
    pub min: bool,
    /// MAX
    pub max: bool,
    /// ALL
    pub all: bool,
    /// COUNT
    pub count: bool,
    /// SAVE (RFC 9051 §6.4.4.1)
    pub save: bool,
    /// PARTIAL (RFC 9394 §3.1)
    pub partial: Option<Partial>,
    /// RELEVANCY (RFC 6203 §4)
    pub relevancy: bool,
}

impl SearchReturn {
    /// Was nothing asked for?
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Some of a result, counted from its begin or its end, from 1 (RFC 9394 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partial {
    /// `-1:-100`?
    pub from_end: bool,
    /// As written.
    pub first: u32,
    /// As written.
    pub last: u32,
}

impl Partial {
    /// The places of these in a result of so many.
    pub fn window(&self, length: usize) -> std::ops::Range<usize> {
        let at = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        let (low, high) = (at(self.first.min(self.last)), at(self.first.max(self.last)));
        if self.from_end {
            let end = (length + 1).saturating_sub(low);
            length.saturating_sub(high).min(end)..end
        } else {
            (low - 1).min(length)..high.min(length)
        }
    }
}

impl std::fmt::Display for Partial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.from_end { "-" } else { "" };
        write!(f, "{sign}{}:{sign}{}", self.first, self.last)
    }
}

/// One key of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SortCriterion {
    /// REVERSE
    pub reverse: bool,
    /// By what.
    pub key: SortKey,
}

/// What SORT sorts by (RFC 5256 §3, RFC 5957 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortKey {
    /// INTERNALDATE.
    Arrival,
    /// Local part of the first Cc.
    Cc,
    /// The Date field; INTERNALDATE without one.
    Date,
    /// Display name (else the address) of the first From.
    DisplayFrom,
    /// Display name (else the address) of the first To.
    DisplayTo,
    /// Local part of the first From.
    From,
    /// How well it is what a FUZZY key looks for (RFC 6203 §5).
    Relevancy,
    /// RFC822.SIZE
    Size,
    /// The base subject.
    Subject,
    /// Local part of the first To.
    To,
}

/// How THREAD finds what belongs together (RFC 5256 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThreadAlgorithm {
    /// One thread per base subject.
    OrderedSubject,
    /// By References and In-Reply-To, then by subject.
    References,
    /// By References and In-Reply-To alone; threads by their newest message (draft-ietf-morg-inthread §4).
    Refs,
}

/// A set of mailboxes (RFC 5465 §6, RFC 7377 §2.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The open one.
    Selected,
    /// Where mail is delivered.
    Inboxes,
    /// All in the personal namespace.
    Personal,
    /// Those that are subscribed.
    Subscribed,
    /// These and all below them.
    Subtree(Vec<MailboxName>),
    /// These and those directly below them.
    SubtreeOne(Vec<MailboxName>),
    /// These.
    Mailboxes(Vec<MailboxName>),
}

/// Which date of a message a search looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DateOf {
    /// INTERNALDATE
    Received,
    /// The Date header.
    Sent,
    /// SAVEDATE (RFC 8514)
    Saved,
}

/// How a date compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Earlier than the day.
    Before,
    /// On the day.
    On,
    /// On the day or later.
    Since,
}

/// One search key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SearchKey {
    /// ALL
    All,
    /// A flag as the client writes it (`\Seen`, `$Forwarded`), set or not.
    Flag(String, bool),
    /// OLD and NEW are RECENT and SEEN together; we keep no `\Recent`, so only this one is left.
    Recent,
    /// BEFORE, ON, SINCE and their SENT and SAVED kin.
    Date(DateOf, When, Day),
    /// SAVEDATESUPPORTED
    SaveDateSupported,
    /// HEADER; FROM, TO, CC, BCC and SUBJECT are that too. The name in lower case.
    Header(String, String),
    /// BODY
    Body(String),
    /// TEXT
    Text(String),
    /// LARGER
    Larger(u64),
    /// SMALLER
    Smaller(u64),
    /// OLDER (RFC 5032), in seconds.
    Older(u32),
    /// YOUNGER (RFC 5032), in seconds.
    Younger(u32),
    /// A set of message numbers.
    Numbers(SequenceSet),
    /// UID
    Uids(SequenceSet),
    /// MODSEQ (RFC 7162 §3.1.5)
    ModSeq(u64),
    /// EMAILID (RFC 8474)
    EmailId(String),
    /// THREADID (RFC 8474)
    ThreadId(String),
    /// FILTER (RFC 5466 §3.1): the name of a search that is kept in the METADATA of the account.
    Filter(String),
    /// FUZZY (RFC 6203 §3): texts in it are found by their words.
    Fuzzy(Box<SearchKey>),
    /// NOT
    Not(Box<SearchKey>),
    /// OR
    Or(Box<SearchKey>, Box<SearchKey>),
    /// ( .. )
    And(Vec<SearchKey>),
}

/// FETCH (RFC 9051 §6.4.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// UID FETCH?
    pub uid: bool,
    /// Which messages.
    pub set: SequenceSet,
    /// What of them.
    pub items: Vec<FetchItem>,
    /// CHANGEDSINCE (RFC 7162 §3.1.4.1)
    pub changed_since: Option<u64>,
    /// VANISHED (RFC 7162 §3.2.6)
    pub vanished: bool,
    /// PARTIAL (RFC 9394 §3.3)
    pub partial: Option<Partial>,
}

/// One thing to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchItem {
    /// ENVELOPE
    Envelope,
    /// FLAGS
    Flags,
    /// INTERNALDATE
    InternalDate,
    /// RFC822.SIZE
    Size,
    /// UID
    Uid,
    /// BODY (the structure, without extension data)
    Body,
    /// BODYSTRUCTURE
    BodyStructure,
    /// MODSEQ
    ModSeq,
    /// EMAILID
    EmailId,
    /// THREADID
    ThreadId,
    /// SAVEDATE
    SaveDate,
    /// PREVIEW, or PREVIEW (LAZY)
    Preview {
        /// Only if it costs nothing; ours never does.
        lazy: bool,
    },
    /// BODY[..] and BODY.PEEK[..]
    Section {
        /// Which part of the message.
        section: Section,
        /// Leave `\Seen` alone?
        peek: bool,
        /// `<start.count>`
        partial: Option<(u32, u32)>,
    },
    /// RFC822 (RFC 3501): BODY[] under its old name.
    Rfc822,
    /// RFC822.HEADER: BODY.PEEK[HEADER] under its old name.
    Rfc822Header,
    /// RFC822.TEXT: BODY[TEXT] under its old name.
    Rfc822Text,
    /// BINARY[..] and BINARY.PEEK[..] (RFC 9051 §6.4.5, RFC 3516)
    Binary {
        /// The part's number.
        part: Vec<u32>,
        /// Leave `\Seen` alone?
        peek: bool,
        /// `<start.count>`
        partial: Option<(u32, u32)>,
    },
    /// BINARY.SIZE[..]
    BinarySize(Vec<u32>),
}

impl FetchItem {
    /// Does fetching it set `\Seen`?
    pub fn sets_seen(&self) -> bool {
        match self {
            Self::Section { peek, .. } | Self::Binary { peek, .. } => !peek,
            Self::Rfc822 | Self::Rfc822Text => true,
            _ => false,
        }
    }
}

/// section-spec
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// The part's number; empty for the message.
    pub part: Vec<u32>,
    /// What of the part.
    pub text: SectionText,
}

/// section-text
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SectionText {
    /// All of it.
    All,
    /// HEADER
    Header,
    /// HEADER.FIELDS, names as written.
    HeaderFields(Vec<String>),
    /// HEADER.FIELDS.NOT
    HeaderFieldsNot(Vec<String>),
    /// TEXT
    Text,
    /// MIME
    Mime,
}

/// STORE (RFC 9051 §6.4.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// UID STORE?
    pub uid: bool,
    /// Which messages.
    pub set: SequenceSet,
    /// UNCHANGEDSINCE (RFC 7162 §3.1.3)
    pub unchanged_since: Option<u64>,
    /// What to do with the flags.
    pub action: StoreAction,
    /// `.SILENT`?
    pub silent: bool,
    /// The flags as written.
    pub flags: Vec<String>,
}

/// FLAGS, +FLAGS, -FLAGS
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreAction {
    /// These and no others.
    Replace,
    /// These too.
    Add,
    /// Not these.
    Remove,
}

/// The words of APPEND before a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppendOptions {
    /// Flags as written.
    pub flags: Vec<String>,
    /// The date-time, if one was given.
    pub received_at: Option<Timestamp>,
    /// How its octets come.
    pub form: AppendForm,
}

/// How the octets of an appended message come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AppendForm {
    /// In one literal.
    #[default]
    Literal,
    /// `UTF8 (~{n}` (RFC 6855 §4): a parenthesis follows the message.
    Utf8,
    /// `CATENATE (..)` (RFC 4469 §4): texts, and parts of other messages.
    Catenate,
}
