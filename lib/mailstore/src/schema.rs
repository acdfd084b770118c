// SPDX-License-Identifier: AGPL-3.0-or-later
//! The tables. Every row carries its account, so that one text serves a database per account
//! (SQLite) and one for all (PostgreSQL).

use hearth_db::Migration;

/// The steps of an account's `mail.db`, or of the schema `mail`.
pub(crate) const STEPS: &[Migration] = &[
    Migration { version: 1, name: "mail", breaking: false, sql: MAIL },
    Migration { version: 2, name: "scripts", breaking: false, sql: SCRIPTS },
    Migration { version: 3, name: "filters", breaking: false, sql: FILTERS },
    Migration { version: 4, name: "annotations", breaking: false, sql: ANNOTATIONS },
    Migration { version: 5, name: "imports", breaking: false, sql: IMPORTS },
    Migration { version: 6, name: "attachment names", breaking: false, sql: INDEX_ANEW },
    Migration { version: 7, name: "sharing", breaking: false, sql: SHARING },
    Migration { version: 8, name: "contacts", breaking: false, sql: CONTACTS },
    Migration { version: 9, name: "annotated", breaking: false, sql: ANNOTATED },
];

/// The steps of an account's `search.db` (SQLite alone; PostgreSQL has its index in `mail`).
pub(crate) const SEARCH_STEPS: &[Migration] = &[
    Migration { version: 1, name: "search", breaking: false, sql: SEARCH },
    Migration { version: 2, name: "attachment names", breaking: false, sql: SEARCH_ANEW },
];

const MAIL: &str = "
-- One row: the counters. boot names the boot of the machine in which modseq was last given out.
CREATE TABLE account (
    account BIGINT NOT NULL PRIMARY KEY,
    modseq BIGINT NOT NULL,
    boot BIGINT NOT NULL,
    uid_validity BIGINT NOT NULL,
    horizon BIGINT NOT NULL,
    messages BIGINT NOT NULL,
    used_bytes BIGINT NOT NULL,
    limit_bytes BIGINT,
    indexed_modseq BIGINT NOT NULL
);

-- parent is 0 at the top.
CREATE TABLE mailbox (
    account BIGINT NOT NULL,
    id BIGINT NOT NULL,
    parent BIGINT NOT NULL,
    name TEXT NOT NULL,
    role TEXT,
    subscribed BOOLEAN NOT NULL,
    sort_order BIGINT NOT NULL,
    uid_validity BIGINT NOT NULL,
    uid_next BIGINT NOT NULL,
    highest_modseq BIGINT NOT NULL,
    created_modseq BIGINT NOT NULL,
    modseq BIGINT NOT NULL,
    counts_modseq BIGINT NOT NULL,
    total BIGINT NOT NULL,
    unseen BIGINT NOT NULL,
    deleted BIGINT NOT NULL,
    size_bytes BIGINT NOT NULL,
    PRIMARY KEY (account, id)
);
CREATE UNIQUE INDEX mailbox_name ON mailbox (account, parent, name);
CREATE UNIQUE INDEX mailbox_role ON mailbox (account, role) WHERE role IS NOT NULL;

-- What lists and searches scan; short rows. flags are bits (seen 1, answered 2, flagged 4, draft 8).
CREATE TABLE message (
    account BIGINT NOT NULL,
    id BIGINT NOT NULL,
    thread BIGINT NOT NULL,
    body BIGINT NOT NULL,
    size_bytes BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    sent_at BIGINT NOT NULL,
    modseq BIGINT NOT NULL,
    created_modseq BIGINT NOT NULL,
    flags BIGINT NOT NULL,
    keywords TEXT NOT NULL,
    has_attachment BOOLEAN NOT NULL,
    subject TEXT NOT NULL,
    sender TEXT NOT NULL,
    PRIMARY KEY (account, id)
-- sqlite:
) WITHOUT ROWID;
-- postgres:
);
-- both:
CREATE INDEX message_modseq ON message (account, modseq);
CREATE INDEX message_thread ON message (account, thread);
CREATE INDEX message_body ON message (account, body);

-- Envelope, structure, preview: packed by hearth_wire::message.
CREATE TABLE summary (
    account BIGINT NOT NULL,
    message BIGINT NOT NULL,
    packed BYTES NOT NULL,
    PRIMARY KEY (account, message)
);

-- A message in a mailbox.
CREATE TABLE entry (
    account BIGINT NOT NULL,
    mailbox BIGINT NOT NULL,
    uid BIGINT NOT NULL,
    message BIGINT NOT NULL,
    deleted BOOLEAN NOT NULL,
    saved_at BIGINT NOT NULL,
    PRIMARY KEY (account, mailbox, uid)
-- sqlite:
) WITHOUT ROWID;
-- postgres:
);
-- both:
CREATE UNIQUE INDEX entry_message ON entry (account, message, mailbox);

-- Raw bytes: prefix, then data (zstd) or, when data is NULL, the file blobs/<id>.
CREATE TABLE body (
    account BIGINT NOT NULL,
    id BIGINT NOT NULL,
    size_bytes BIGINT NOT NULL,
    prefix BYTES NOT NULL,
    data BYTES,
    PRIMARY KEY (account, id)
);

-- An upload; its bytes are a body.
CREATE TABLE blob (
    account BIGINT NOT NULL,
    id BIGINT NOT NULL,
    body BIGINT NOT NULL,
    size_bytes BIGINT NOT NULL,
    media_type TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (account, id)
);
CREATE INDEX blob_body ON blob (account, body);

CREATE TABLE thread (
    account BIGINT NOT NULL,
    id BIGINT NOT NULL,
    created_modseq BIGINT NOT NULL,
    modseq BIGINT NOT NULL,
    PRIMARY KEY (account, id)
-- sqlite:
) WITHOUT ROWID;
-- postgres:
);
-- both:
CREATE INDEX thread_modseq ON thread (account, modseq);

-- Hashes of the Message-IDs that a message names, with that of its base subject.
CREATE TABLE thread_ref (
    account BIGINT NOT NULL,
    hash BIGINT NOT NULL,
    message BIGINT NOT NULL,
    subject BIGINT NOT NULL,
    thread BIGINT NOT NULL,
    PRIMARY KEY (account, hash, message)
-- sqlite:
) WITHOUT ROWID;
-- postgres:
);
-- both:
CREATE INDEX thread_ref_message ON thread_ref (account, message);

-- Tombstones. kind: 1 message, 2 UID (id is the UID), 3 mailbox, 4 thread; since step 8 also 5 address book, 6 card.
CREATE TABLE gone (
    account BIGINT NOT NULL,
    kind BIGINT NOT NULL,
    modseq BIGINT NOT NULL,
    id BIGINT NOT NULL,
    mailbox BIGINT NOT NULL,
    created_modseq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (account, kind, modseq, id, mailbox)
-- sqlite:
) WITHOUT ROWID;
-- postgres:
);
-- both:

-- Deliveries that were taken, so that none is taken twice.
CREATE TABLE delivery (
    account BIGINT NOT NULL,
    id TEXT NOT NULL,
    message BIGINT NOT NULL,
    mailbox BIGINT NOT NULL,
    uid BIGINT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (account, id)
);

-- postgres:
CREATE TABLE words (
    account BIGINT NOT NULL,
    message BIGINT NOT NULL,
    head TSVECTOR NOT NULL,
    body TSVECTOR NOT NULL,
    PRIMARY KEY (account, message)
);
CREATE INDEX words_head ON words USING GIN (head);
CREATE INDEX words_body ON words USING GIN (body);
";

const SCRIPTS: &str = "
-- Sieve scripts; at most one is active.
CREATE TABLE script (
    account BIGINT NOT NULL,
    id BIGINT NOT NULL,
    name TEXT NOT NULL,
    active BOOLEAN NOT NULL,
    size_bytes BIGINT NOT NULL,
    modseq BIGINT NOT NULL,
    content BYTES NOT NULL,
    PRIMARY KEY (account, id)
);
CREATE UNIQUE INDEX script_name ON script (account, name);
CREATE UNIQUE INDEX script_active ON script (account) WHERE active;
";

const FILTERS: &str = "
-- Hashes of what a filter has seen (duplicates, senders who were answered).
CREATE TABLE memory (
    account BIGINT NOT NULL,
    id TEXT NOT NULL,
    until BIGINT NOT NULL,
    PRIMARY KEY (account, id)
);
CREATE INDEX memory_until ON memory (account, until);

-- What was thought of a message, and whether its words were counted so.
CREATE TABLE lesson (
    account BIGINT NOT NULL,
    message BIGINT NOT NULL,
    junk BOOLEAN NOT NULL,
    learnt BOOLEAN NOT NULL,
    PRIMARY KEY (account, message)
);

-- One row: messages that were learnt, and the modseq up to which changes were looked at.
CREATE TABLE learning (
    account BIGINT NOT NULL PRIMARY KEY,
    modseq BIGINT NOT NULL,
    good BIGINT NOT NULL,
    junk BIGINT NOT NULL
);

-- word is a hash.
CREATE TABLE word (
    account BIGINT NOT NULL,
    word BIGINT NOT NULL,
    good BIGINT NOT NULL,
    junk BIGINT NOT NULL,
    PRIMARY KEY (account, word)
-- sqlite:
) WITHOUT ROWID;
-- postgres:
);
-- both:
";

const ANNOTATIONS: &str = "
-- METADATA; mailbox is 0 for the account.
CREATE TABLE annotation (
    account BIGINT NOT NULL,
    mailbox BIGINT NOT NULL,
    name TEXT NOT NULL,
    content BYTES NOT NULL,
    PRIMARY KEY (account, mailbox, name)
);
";

const IMPORTS: &str = "
-- id is the hash of what an imported message is called where it came from.
CREATE TABLE imported (
    account BIGINT NOT NULL,
    id TEXT NOT NULL,
    PRIMARY KEY (account, id)
-- sqlite:
) WITHOUT ROWID;
-- postgres:
);
-- both:
";

/// The index knows more of each mail: it is filled anew.
const INDEX_ANEW: &str = "
-- postgres:
DELETE FROM words;
UPDATE account SET indexed_modseq = 0;
-- both:
";

const SEARCH_ANEW: &str = "
DROP TABLE words;
CREATE VIRTUAL TABLE words USING fts5 (head, body, content='', contentless_delete=1, tokenize='unicode61 remove_diacritics 2');
UPDATE indexed SET modseq = 0;
";

const SHARING: &str = "
-- ACL of a mailbox: what a grantee (an account, a group's account, or 0 for anyone) may do there, or may not when negative.
-- rights are bits, as Rights has them.
CREATE TABLE acl (
    account BIGINT NOT NULL,
    mailbox BIGINT NOT NULL,
    grantee BIGINT NOT NULL,
    negative BOOLEAN NOT NULL,
    rights BIGINT NOT NULL,
    PRIMARY KEY (account, mailbox, grantee, negative)
);

-- Mailboxes of other accounts that this one is subscribed to.
CREATE TABLE follow (
    account BIGINT NOT NULL,
    owner BIGINT NOT NULL,
    mailbox BIGINT NOT NULL,
    PRIMARY KEY (account, owner, mailbox)
);

ALTER TABLE account ADD COLUMN limit_messages BIGINT;
";

const CONTACTS: &str = "
-- The first one has the id 1 and is there before it is written; see address_book.rs.
CREATE TABLE address_book (
    account BIGINT NOT NULL,
    id BIGINT NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    sort_order BIGINT NOT NULL,
    is_default BOOLEAN NOT NULL,
    subscribed BOOLEAN NOT NULL,
    created_modseq BIGINT NOT NULL,
    modseq BIGINT NOT NULL,
    PRIMARY KEY (account, id)
);
CREATE UNIQUE INDEX address_book_default ON address_book (account) WHERE is_default;

-- content is a JSContact Card (RFC 9553), as JSON.
CREATE TABLE card (
    account BIGINT NOT NULL,
    id BIGINT NOT NULL,
    uid TEXT NOT NULL,
    size_bytes BIGINT NOT NULL,
    created_modseq BIGINT NOT NULL,
    modseq BIGINT NOT NULL,
    content TEXT NOT NULL,
    PRIMARY KEY (account, id)
);
CREATE UNIQUE INDEX card_uid ON card (account, uid);
CREATE INDEX card_modseq ON card (account, modseq);

CREATE TABLE card_book (
    account BIGINT NOT NULL,
    book BIGINT NOT NULL,
    card BIGINT NOT NULL,
    PRIMARY KEY (account, book, card)
-- sqlite:
) WITHOUT ROWID;
-- postgres:
);
-- both:
CREATE INDEX card_book_card ON card_book (account, card);

-- E-mail addresses as they are compared.
CREATE TABLE card_address (
    account BIGINT NOT NULL,
    address TEXT NOT NULL,
    card BIGINT NOT NULL,
    PRIMARY KEY (account, address, card)
-- sqlite:
) WITHOUT ROWID;
-- postgres:
);
-- both:
CREATE INDEX card_address_card ON card_address (account, card);

ALTER TABLE account ADD COLUMN cards BIGINT NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN card_bytes BIGINT NOT NULL DEFAULT 0;
";

const ANNOTATED: &str = "
-- The modseq of the last change to any entry of METADATA: who knows them all need not read them again.
ALTER TABLE account ADD COLUMN annotated BIGINT NOT NULL DEFAULT 0;
";

const SEARCH: &str = "
CREATE VIRTUAL TABLE words USING fts5 (head, body, content='', contentless_delete=1, tokenize='unicode61 remove_diacritics 2');
CREATE TABLE indexed (modseq BIGINT NOT NULL);
INSERT INTO indexed (modseq) VALUES (0);
";
