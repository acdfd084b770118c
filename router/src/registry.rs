// SPDX-License-Identifier: AGPL-3.0-or-later
//! What the front door speaks.

use hearth_spec::Row;

/// The table. What a name and path lead to is in `route.rs`.
pub const ROWS: &[Row] = &[
    Row::spoken("HTTP/1.1", 9112, ""),
    Row::spoken("HTTP/2", 9113, ""),
    Row::later("HTTP/3", 9114, ""),
    Row::spoken("Upgrade, for the household's apps (WebSocket)", 9110, "§7.8"),
    Row::declined("CONNECT", 9110, "§9.3.6", "this is no proxy for strangers"),
    Row::spoken("421 Misdirected Request", 9110, "§15.5.20"),
    Row::spoken("Strict-Transport-Security", 6797, "§7.1"),
    Row::spoken("X-Forwarded-For, X-Forwarded-Host, X-Forwarded-Proto", 0, "custom"),
    Row::spoken("Remote-User, Remote-Name, Remote-Email, Remote-Groups, for the household's apps", 0, "custom"),
    Row::spoken("/.well-known/", 8615, ""),
    Row::spoken("/.well-known/mta-sts.txt", 8461, "§3.2"),
    Row::spoken("/mail/config-v1.1.xml", 0, "Thunderbird autoconfig 1.1"),
    Row::later("/.well-known/acme-challenge/", 8555, "§8.3"),
];
