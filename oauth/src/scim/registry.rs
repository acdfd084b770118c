// SPDX-License-Identifier: AGPL-3.0-or-later
//! What is spoken of SCIM, and what is not; the service provider configuration says the same (`schema.rs`).

use hearth_spec::Row;

/// Everything, in the order in which it is shown.
pub const ROWS: &[Row] = &[
    Row::spoken("/Users", 7643, "§4.1: made, renamed, disabled and enabled, withdrawn; never with a password"),
    Row::spoken("/Groups", 7643, "§4.2: made, filled, removed"),
    Row::spoken("/ServiceProviderConfig", 7643, "§5"),
    Row::spoken("/ResourceTypes", 7643, "§6"),
    Row::spoken("/Schemas", 7643, "§7"),
    Row::spoken("filter", 7644, "§3.4.2.2: every operator, 1024 octets, eight deep, 32 comparisons"),
    Row::spoken("startIndex, count", 7644, "§3.4.2.4: 200 at most"),
    Row::spoken("attributes, excludedAttributes", 7644, "§3.9: whole attributes"),
    Row::spoken("PATCH", 7644, "§3.5.2: 100 operations at most"),
    Row::spoken("ETag, If-Match, If-None-Match", 7644, "§3.14"),
    Row::declined("changePassword", 7643, "§5", "nobody but the person chooses their password: they get a link"),
    Row::declined("sortBy", 7644, "§3.4.2.3", "a household's list is in the order of its addresses"),
    Row::declined("/Bulk", 7644, "§3.7", "a household's changes are few"),
    Row::spoken("/Users/.search, /Groups/.search", 7644, "§3.4.3"),
    Row::declined("/.search", 7644, "§3.4.3", "of both kinds at once: there are two requests for that"),
    Row::declined("/Me", 7644, "§3.11", "the account pages are for that"),
    Row::spoken("externalId", 7643, "§3.1: one, whichever program gave it"),
];
