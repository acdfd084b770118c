// SPDX-License-Identifier: AGPL-3.0-or-later
//! What is spoken of LDAP, and what is not.

use hearth_spec::Row;

/// Everything, in the order in which it is shown.
pub const ROWS: &[Row] = &[
    Row::spoken("bind, simple", 4513, "§5.1.3: over TLS alone"),
    Row::declined("bind, anonymous", 4513, "§5.1.1", "it is answered, and opens nothing but the root entry"),
    Row::declined("bind, without a password", 4513, "§5.1.2", "programs take its success for a right password"),
    Row::declined("bind, SASL", 4513, "§5.2", "what wants LDAP sends a password"),
    Row::spoken("search", 4511, "§4.5: 1000 entries, 64 filters, eight deep"),
    Row::declined("search, order and extensible matches", 4511, "§4.5.1.7", "no attribute here has them: they are undefined"),
    Row::spoken("StartTLS", 4511, "§4.14"),
    Row::spoken("Who am I?", 4532, "§2"),
    Row::spoken("root entry", 4512, "§5.1"),
    Row::declined("modify, add, delete, rename", 4511, "§4.6 to §4.9", "the directory is only read"),
    Row::declined("compare", 4511, "§4.10", "a search says the same"),
    Row::declined("controls", 4511, "§4.1.11", "a household's answers fit one page; a critical one is refused"),
    Row::declined("subschema", 4512, "§4.4", "the attributes are those of RFC 4519 and inetOrgPerson"),
];
