// SPDX-License-Identifier: AGPL-3.0-or-later
//! The table of what this server speaks: endpoints by method and path, and the operations of HKP.
//!
//! The router of [`app`](crate::app) is made from the spoken rows, HKP finds its operation here, and
//! `docs/protocols/keys.md` is written from it.
//! The drafts: WKD is draft-koch-openpgp-webkey-service-21, HKP is draft-ietf-openpgp-hkp-01 (v2 and
//! the legacy requests), VKS is the interface of keys.openpgp.org (Hagrid).

use hearth_spec::{Row, Status};
use hearth_web::axum::routing::{MethodRouter, get, post, put};

use crate::ctx::Ctx;
use crate::endpoint::{find, hkp_add, hkp_lookup, hkp_v2, key_log, pages, vks, wkd};

const HKP_ADD: Status = Status::Partial("only updates and revocations of certificates that this home keeps");
const OWN_PEOPLE: Status = Status::Partial("people of this home alone, with an access token or an app password");
const V2_CANONICAL: Status = Status::Partial("tokens are sent to people of this home alone; others prove an address at /upload");

/// All of it.
pub const ROWS: &[Row] = &[
    Row::spoken("GET /.well-known/openpgpkey/{domain}/hu/{name}", 0, "WKD §3.1, advanced"),
    Row::spoken("GET /.well-known/openpgpkey/hu/{name}", 0, "WKD §3.1, direct"),
    Row::spoken("GET /.well-known/openpgpkey/{domain}/policy", 0, "WKD §4.5, advanced"),
    Row::spoken("GET /.well-known/openpgpkey/policy", 0, "WKD §4.5, direct"),
    Row::spoken("GET /.well-known/openpgpkey/{domain}/submission-address", 0, "WKD §4.1, advanced"),
    Row::spoken("GET /.well-known/openpgpkey/submission-address", 0, "WKD §4.1, direct"),
    Row::spoken("MAIL key-submission", 0, "WKD §4: a certificate by mail, the question, the answer"),
    Row::spoken("GET /pks/lookup", 0, "HKP §3"),
    Row::spoken("op=get", 0, "HKP §3.1.1"),
    Row::spoken("op=index", 0, "HKP §3.1.2"),
    Row::spoken("op=vindex", 0, "HKP §3.1.2"),
    Row { name: "op=stats", rfc: 0, section: "HKP §3.1.3", status: Status::Partial("what was done, not how many keys there are") },
    Row::declined("op=hget", 0, "HKP §3.1", "it finds keys by an MD5 of theirs"),
    Row { name: "POST /pks/add", rfc: 0, section: "HKP §4", status: HKP_ADD },
    Row::declined("POST /pks/hashquery", 0, "SKS", "synchronisation between key servers hands out everybody's addresses"),
    Row::spoken("GET /pks/v2/certs/by-vfingerprint/{fingerprint}", 0, "HKP v2"),
    Row::spoken("GET /pks/v2/certs/by-keyid/{keyid}", 0, "HKP v2"),
    Row::spoken("GET /pks/v2/certs/by-identity/{identity}", 0, "HKP v2"),
    Row::spoken("GET /pks/v2/certs", 0, "HKP v2: 403, nothing is listed"),
    Row::spoken("GET /pks/v2/certs/by-vfingerprint", 0, "HKP v2: 403, nothing is listed"),
    Row::spoken("GET /pks/v2/certs/by-keyid", 0, "HKP v2: 403, nothing is listed"),
    Row::spoken("GET /pks/v2/certs/by-identity", 0, "HKP v2: 403, nothing is listed"),
    Row::spoken("GET /pks/v2/index", 0, "HKP v2: 403, nothing is listed"),
    Row::spoken("GET /pks/v2/prefixlog", 0, "HKP v2: 403, nothing is listed"),
    Row::spoken("GET /pks/v2/canonical", 0, "HKP v2: 403, nothing is listed"),
    Row::spoken("PUT /pks/v2/canonical", 0, "HKP v2: 403, want the address"),
    Row::spoken("GET /pks/v2/index/{identity}", 0, "HKP v2"),
    Row::spoken("GET /pks/v2/prefixlog/{day}", 0, "HKP v2"),
    Row { name: "POST /pks/v2/certs", rfc: 0, section: "HKP v2", status: HKP_ADD },
    Row::spoken("GET /pks/v2/canonical/{identity}", 0, "HKP v2"),
    Row { name: "PUT /pks/v2/canonical/{identity}", rfc: 0, section: "HKP v2", status: V2_CANONICAL },
    Row { name: "POST /pks/v2/sendtoken", rfc: 0, section: "HKP v2", status: V2_CANONICAL },
    Row::spoken("GET /vks/v1/by-fingerprint/{fingerprint}", 0, "VKS"),
    Row::spoken("GET /vks/v1/by-keyid/{keyid}", 0, "VKS"),
    Row::spoken("GET /vks/v1/by-email/{email}", 0, "VKS"),
    Row::spoken("POST /vks/v1/upload", 0, "VKS"),
    Row::spoken("POST /vks/v1/request-verify", 0, "VKS"),
    Row { name: "GET /find/{address}", rfc: 0, section: "look-up elsewhere", status: OWN_PEOPLE },
    Row::spoken("GET /log", 0, "log of what was published: the head that the house signed"),
    Row::spoken("GET /log/{after}", 0, "log of what was published: leaves and heads after a number"),
    Row::spoken("GET /", 0, "pages: search"),
    Row::spoken("GET /search", 0, "pages: search"),
    Row::spoken("GET /upload", 0, "pages: upload"),
    Row::spoken("POST /upload", 0, "pages: upload"),
    Row::spoken("POST /upload/letter", 0, "pages: proof"),
    Row::spoken("GET /verify/{token}", 0, "pages: proof"),
    Row::spoken("POST /verify/{token}", 0, "pages: proof"),
    Row::spoken("GET /remove", 0, "pages: remove"),
    Row::spoken("POST /remove", 0, "pages: remove"),
    Row::spoken("GET /manage/{token}", 0, "pages: remove"),
    Row::spoken("POST /manage/{token}", 0, "pages: remove"),
    Row::spoken("GET /statistics", 0, "pages: statistics"),
];

/// Method and path of a row that is an endpoint, and what answers there.
pub(crate) fn route_of(row: &Row) -> Option<(&'static str, &'static str, MethodRouter<Ctx>)> {
    let (method, path) = row.name.split_once(' ')?;
    Some((method, path, keys_of(row.name).or_else(|| page_of(row.name))?))
}

fn keys_of(name: &str) -> Option<MethodRouter<Ctx>> {
    Some(match name {
        "GET /.well-known/openpgpkey/{domain}/hu/{name}" => get(wkd::run_advanced),
        "GET /.well-known/openpgpkey/hu/{name}" => get(wkd::run_direct),
        "GET /.well-known/openpgpkey/{domain}/policy" => get(wkd::run_policy_advanced),
        "GET /.well-known/openpgpkey/policy" => get(wkd::run_policy_direct),
        "GET /.well-known/openpgpkey/{domain}/submission-address" => get(wkd::run_submission_advanced),
        "GET /.well-known/openpgpkey/submission-address" => get(wkd::run_submission_direct),
        "GET /pks/lookup" => get(hkp_lookup::run),
        "POST /pks/add" => post(hkp_add::run),
        "GET /pks/v2/certs/by-vfingerprint/{fingerprint}" => get(hkp_v2::by_vfingerprint),
        "GET /pks/v2/certs/by-keyid/{keyid}" => get(hkp_v2::by_key_id),
        "GET /pks/v2/certs/by-identity/{identity}" => get(hkp_v2::by_identity),
        "GET /pks/v2/certs"
        | "GET /pks/v2/certs/by-vfingerprint"
        | "GET /pks/v2/certs/by-keyid"
        | "GET /pks/v2/certs/by-identity"
        | "GET /pks/v2/index"
        | "GET /pks/v2/prefixlog"
        | "GET /pks/v2/canonical" => get(hkp_v2::no_list),
        "PUT /pks/v2/canonical" => put(hkp_v2::no_list),
        "GET /pks/v2/index/{identity}" => get(hkp_v2::index),
        "GET /pks/v2/prefixlog/{day}" => get(hkp_v2::prefix_log),
        "POST /pks/v2/certs" => post(hkp_v2::add),
        "GET /pks/v2/canonical/{identity}" => get(hkp_v2::canonical),
        "PUT /pks/v2/canonical/{identity}" => put(hkp_v2::put_canonical),
        "POST /pks/v2/sendtoken" => post(hkp_v2::send_token),
        "GET /find/{address}" => get(find::run),
        "GET /log" => get(key_log::head),
        "GET /log/{after}" => get(key_log::entries),
        "GET /vks/v1/by-fingerprint/{fingerprint}" => get(vks::run_by_fingerprint),
        "GET /vks/v1/by-keyid/{keyid}" => get(vks::run_by_key_id),
        "GET /vks/v1/by-email/{email}" => get(vks::run_by_email),
        "POST /vks/v1/upload" => post(vks::run_upload),
        "POST /vks/v1/request-verify" => post(vks::run_request_verify),
        _ => return None,
    })
}

fn page_of(name: &str) -> Option<MethodRouter<Ctx>> {
    Some(match name {
        "GET /" => get(pages::home),
        "GET /search" => get(pages::search),
        "GET /upload" => get(pages::upload),
        "POST /upload" => post(pages::take_upload),
        "POST /upload/letter" => post(pages::letter),
        "GET /verify/{token}" => get(pages::verify),
        "POST /verify/{token}" => post(pages::verified),
        "GET /remove" => get(pages::remove),
        "POST /remove" => post(pages::ask_to_remove),
        "GET /manage/{token}" => get(pages::manage),
        "POST /manage/{token}" => post(pages::removed),
        "GET /statistics" => get(pages::statistics),
        _ => return None,
    })
}

/// HKP v2 draft §5.2.6: what may be submitted at a path, for who asks with OPTIONS.
pub(crate) fn accepts(path: &str) -> Option<&'static str> {
    match path.strip_prefix("/pks/v2/")?.split('/').next()? {
        "certs" if path == "/pks/v2/certs" => Some("application/pgp-keys"),
        "canonical" => Some(PROVEN_BY_TOKEN),
        "sendtoken" => Some("text/plain"),
        _ => None,
    }
}

/// HKP v2 draft §5.2.4.1: a certificate whose owner shows a token from their mailbox.
pub(crate) const PROVEN_BY_TOKEN: &str = "application/pgp-keys;proof=tokens";

/// The row of an HKP operation, by the value of `op`.
pub(crate) fn operation(op: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.name.strip_prefix("op=").is_some_and(|name| name.eq_ignore_ascii_case(op)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spoken_endpoint_has_its_route_and_no_other_has() {
        for row in ROWS.iter().filter(|row| !row.name.starts_with("op=") && !row.name.starts_with("MAIL ")) {
            assert_eq!(route_of(row).is_some(), row.is_spoken(), "{}", row.name);
        }
    }

    #[test]
    fn operations_are_found_whatever_their_case() {
        assert!(operation("GET").is_some_and(Row::is_spoken));
        assert!(operation("hget").is_some_and(|row| !row.is_spoken()));
        assert!(operation("").is_none() && operation("op=get").is_none());
    }
}
