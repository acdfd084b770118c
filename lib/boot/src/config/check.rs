// SPDX-License-Identifier: AGPL-3.0-or-later
//! What the types cannot say: ranges, and settings that need one another.

use super::{ConfigError, Engine, File};

/// The highest standard port that we add the offset to: ManageSieve.
const HIGHEST_PORT: u16 = 4190;
/// RFC 1035 §2.3.4: a name is at most 255 octets on the wire, 253 characters in text.
const NAME_BYTES_MAX: usize = 253;

pub(super) fn check(file: &File) -> Result<(), ConfigError> {
    name("home.domain", &file.home.domain)?;
    if !file.home.hostname.is_empty() {
        name("home.hostname", &file.home.hostname)?;
    }
    if file.listen.addresses.is_empty() {
        return Err(value("listen.addresses", "is empty; write at least one address, for example \"0.0.0.0\""));
    }
    if file.listen.port_offset > u16::MAX - HIGHEST_PORT {
        return Err(value(
            "listen.port_offset",
            &format!("the highest port would not fit; use at most {}", u16::MAX - HIGHEST_PORT),
        ));
    }
    if file.store.engine == Engine::Postgres && file.store.url.is_empty() {
        return Err(value(
            "store.url",
            "is empty; PostgreSQL needs one, for example \"postgres://hearth@localhost/hearth\" (the key is store.url)",
        ));
    }
    if file.limits.message_size_bytes_max == 0 || file.limits.connections_max == 0 || file.limits.connections_per_address_max == 0 {
        return Err(value("limits", "no limit may be 0; leave the line out to have the default"));
    }
    Ok(())
}

fn name(key: &'static str, text: &str) -> Result<(), ConfigError> {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if text.len() <= NAME_BYTES_MAX && text.split('.').all(label) {
        return Ok(());
    }
    Err(value(
        key,
        &format!("{text:?} is not a domain name; write it in lower case without a final dot, internationalised names as xn--"),
    ))
}

fn value(key: &'static str, message: &str) -> ConfigError {
    ConfigError::Value { key, message: message.to_owned() }
}
