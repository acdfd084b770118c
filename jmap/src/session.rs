// SPDX-License-Identifier: AGPL-3.0-or-later
//! The Session object (RFC 8620 §2): who you are, what we speak, where to go. It derives from the registry,
//! the limits and the configuration.

use serde_json::{Map, Value, json};

use crate::ctx::{Caller, House};
use crate::limits;
use crate::method::email::condition::SORT_OPTIONS;
use crate::registry::{CONTACTS, CORE, MAIL, ROWS};

/// The Session object, its `state` included.
pub fn session(house: &House, caller: &Caller) -> Value {
    let account = caller.account.to_string();
    let base = &house.urls.base;
    let mut object = json!({
        "capabilities": capabilities(house.size_upload_bytes_max),
        "accounts": {
            &account: {
                "name": caller.address.to_string(),
                "isPersonal": true,
                "isReadOnly": false,
                "accountCapabilities": account_capabilities(house.attachments_bytes_max),
            }
        },
        "primaryAccounts": primary_accounts(&account),
        "username": caller.address.to_string(),
        "apiUrl": format!("{base}/api/"),
        "downloadUrl": format!("{base}/download/{{accountId}}/{{blobId}}/{{name}}?type={{type}}"),
        "uploadUrl": format!("{base}/upload/{{accountId}}/"),
        "eventSourceUrl": format!("{base}/eventsource/?types={{types}}&closeafter={{closeafter}}&ping={{ping}}"),
    });
    // RFC 8620 §2: the state changes when anything else here does.
    object["state"] = state_of(&object).into();
    object
}

/// The state of the Session object: what every response names as `sessionState`.
pub fn session_state(house: &House, caller: &Caller) -> String {
    session(house, caller)["state"].as_str().unwrap_or_default().to_string()
}

fn state_of(object: &Value) -> String {
    let hash = blake3::hash(object.to_string().as_bytes());
    hash.to_hex().chars().take(16).collect()
}

/// The capabilities that have a spoken row.
fn spoken() -> impl Iterator<Item = &'static str> {
    ROWS.iter().filter(|row| row.is_spoken() && row.name.starts_with("urn:")).map(|row| row.name)
}

fn capabilities(size_upload_bytes_max: u64) -> Value {
    spoken()
        .map(|name| (name.to_string(), if name == CORE { core(size_upload_bytes_max) } else { json!({}) }))
        .collect::<Map<_, _>>()
        .into()
}

/// RFC 8620 §2: the limits, as their names there say.
fn core(size_upload_bytes_max: u64) -> Value {
    json!({
        "maxSizeUpload": size_upload_bytes_max,
        "maxConcurrentUpload": limits::CONCURRENT_UPLOADS_MAX,
        "maxSizeRequest": limits::SIZE_REQUEST_BYTES_MAX,
        "maxConcurrentRequests": limits::CONCURRENT_REQUESTS_MAX,
        "maxCallsInRequest": limits::CALLS_IN_REQUEST_MAX,
        "maxObjectsInGet": limits::OBJECTS_IN_GET_MAX,
        "maxObjectsInSet": limits::OBJECTS_IN_SET_MAX,
        "collationAlgorithms": ["i;ascii-casemap", "i;unicode-casemap"],
    })
}

fn account_capabilities(attachments_bytes_max: u64) -> Value {
    let of = |name| match name {
        MAIL => mail(attachments_bytes_max),
        CONTACTS => contacts(),
        _ => json!({}),
    };
    spoken().map(|name| (name.to_string(), of(name))).collect::<Map<_, _>>().into()
}

/// RFC 9610 §1.4.1.
fn contacts() -> Value {
    json!({ "maxAddressBooksPerCard": limits::ADDRESS_BOOKS_PER_CARD_MAX, "mayCreateAddressBook": true })
}

/// RFC 8621 §1.3.1.
fn mail(attachments_bytes_max: u64) -> Value {
    json!({
        "maxMailboxesPerEmail": limits::MAILBOXES_PER_EMAIL_MAX,
        "maxMailboxDepth": limits::MAILBOX_DEPTH_MAX,
        "maxSizeMailboxName": limits::MAILBOX_NAME_BYTES_MAX,
        "maxSizeAttachmentsPerEmail": attachments_bytes_max,
        "emailQuerySortOptions": SORT_OPTIONS,
        "mayCreateTopLevelMailbox": true,
    })
}

fn primary_accounts(account: &str) -> Value {
    spoken().map(|name| (name.to_string(), account.into())).collect::<Map<_, _>>().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::is_capability;

    #[test]
    fn only_what_is_spoken_is_advertised() {
        for object in [capabilities(1), account_capabilities(1), primary_accounts("a")] {
            let object = object.as_object().expect("an object").clone();
            assert!(object.contains_key(CORE) && object.contains_key(MAIL) && object.contains_key(CONTACTS));
            assert!(object.keys().all(|name| is_capability(name)));
            assert!(!object.contains_key(crate::registry::SUBMISSION));
        }
    }

    #[test]
    fn limits_are_at_least_what_the_rfc_suggests() {
        // RFC 8620 §2, suggested minimums.
        let core = core(50_000_000);
        for (name, least) in [
            ("maxSizeUpload", 50_000_000),
            ("maxConcurrentUpload", 4),
            ("maxSizeRequest", 10_000_000),
            ("maxConcurrentRequests", 4),
            ("maxCallsInRequest", 16),
            ("maxObjectsInGet", 500),
            ("maxObjectsInSet", 500),
        ] {
            assert!(core[name].as_u64() >= Some(least), "{name}");
        }
        assert!(mail(1)["maxSizeMailboxName"].as_u64() >= Some(100));
    }
}
