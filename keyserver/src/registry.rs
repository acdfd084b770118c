// SPDX-License-Identifier: AGPL-3.0-or-later
//! The table of what this server speaks: endpoints by method and path, and the operations of HKP.
//!
//! The router of [`app`](crate::app) is made from the spoken rows, HKP finds its operation here, and
//! `docs/protocols/keys.md` is written from it.
//! The drafts: WKD is draft-koch-openpgp-webkey-service-21, HKP is draft-ietf-openpgp-hkp-01 (legacy
//! requests), VKS is the interface of keys.openpgp.org (Hagrid).

use hearth_spec::{Row, Status};
use hearth_web::axum::routing::{MethodRouter, get, post};

use crate::ctx::Ctx;
use crate::endpoint::{hkp_add, hkp_lookup, vks, wkd};

const HKP_ADD: Status = Status::Partial("only updates and revocations of certificates that this home keeps");
const VKS_UPLOAD: Status =
    Status::Partial("only updates of certificates that this home keeps; its people publish when they are signed in");

/// All of it.
pub const ROWS: &[Row] = &[
    Row::spoken("GET /.well-known/openpgpkey/{domain}/hu/{name}", 0, "WKD §3.1, advanced"),
    Row::spoken("GET /.well-known/openpgpkey/hu/{name}", 0, "WKD §3.1, direct"),
    Row::spoken("GET /.well-known/openpgpkey/{domain}/policy", 0, "WKD §4.5, advanced"),
    Row::spoken("GET /.well-known/openpgpkey/policy", 0, "WKD §4.5, direct"),
    Row::later("GET /.well-known/openpgpkey/{domain}/submission-address", 0, "WKD §4.1"),
    Row::spoken("GET /pks/lookup", 0, "HKP §3"),
    Row::spoken("op=get", 0, "HKP §3.1.1"),
    Row::spoken("op=index", 0, "HKP §3.1.2"),
    Row::spoken("op=vindex", 0, "HKP §3.1.2"),
    Row::declined("op=stats", 0, "HKP §3.1.3", "how many keys a household has is its own business"),
    Row::declined("op=hget", 0, "HKP §3.1", "it finds keys by an MD5 of theirs"),
    Row { name: "POST /pks/add", rfc: 0, section: "HKP §4", status: HKP_ADD },
    Row::declined("POST /pks/hashquery", 0, "SKS", "synchronisation between key servers hands out everybody's addresses"),
    Row::later("GET /pks/v2/certs/by-vfingerprint/{fingerprint}", 0, "HKP v2"),
    Row::later("GET /pks/v2/certs/by-keyid/{keyid}", 0, "HKP v2"),
    Row::later("GET /pks/v2/certs/by-identity/{identity}", 0, "HKP v2"),
    Row::spoken("GET /vks/v1/by-fingerprint/{fingerprint}", 0, "VKS"),
    Row::spoken("GET /vks/v1/by-keyid/{keyid}", 0, "VKS"),
    Row::spoken("GET /vks/v1/by-email/{email}", 0, "VKS"),
    Row { name: "POST /vks/v1/upload", rfc: 0, section: "VKS", status: VKS_UPLOAD },
    Row::later("POST /vks/v1/request-verify", 0, "VKS"),
];

/// The path of a row that is an endpoint, and what answers there.
pub(crate) fn route_of(row: &Row) -> Option<(&'static str, MethodRouter<Ctx>)> {
    let path = row.name.split_once(' ').map(|(_, path)| path)?;
    let answers = match row.name {
        "GET /.well-known/openpgpkey/{domain}/hu/{name}" => get(wkd::run_advanced),
        "GET /.well-known/openpgpkey/hu/{name}" => get(wkd::run_direct),
        "GET /.well-known/openpgpkey/{domain}/policy" => get(wkd::run_policy_advanced),
        "GET /.well-known/openpgpkey/policy" => get(wkd::run_policy_direct),
        "GET /pks/lookup" => get(hkp_lookup::run),
        "POST /pks/add" => post(hkp_add::run),
        "GET /vks/v1/by-fingerprint/{fingerprint}" => get(vks::run_by_fingerprint),
        "GET /vks/v1/by-keyid/{keyid}" => get(vks::run_by_key_id),
        "GET /vks/v1/by-email/{email}" => get(vks::run_by_email),
        "POST /vks/v1/upload" => post(vks::run_upload),
        _ => return None,
    };
    Some((path, answers))
}

/// The row of an HKP operation, by the value of `op`.
pub(crate) fn operation(op: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.name.strip_prefix("op=").is_some_and(|name| name.eq_ignore_ascii_case(op)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spoken_endpoint_has_its_route_and_no_other_has() {
        for row in ROWS.iter().filter(|row| !row.name.starts_with("op=")) {
            assert_eq!(route_of(row).is_some(), row.is_spoken(), "{}", row.name);
        }
    }

    #[test]
    fn operations_are_found_whatever_their_case() {
        assert!(operation("GET").is_some_and(Row::is_spoken));
        assert!(operation("stats").is_some_and(|row| !row.is_spoken()));
        assert!(operation("").is_none() && operation("op=get").is_none());
    }
}
