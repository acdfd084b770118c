// SPDX-License-Identifier: AGPL-3.0-or-later
//! Making a certificate.

use std::time::{Duration, SystemTime};

use hearth_types::{Address, Secret};
use sequoia_openpgp::Packet;
use sequoia_openpgp::cert::{CertBuilder, CipherSuite};
use sequoia_openpgp::packet::UserID;
use sequoia_openpgp::serialize::MarshalInto as _;
use sequoia_openpgp::types::{Features, KeyFlags};

use super::{Clean, Refusal};

/// How long a new certificate is good for; it can be extended for as long as the secret key is there.
pub const VALIDITY: Duration = Duration::from_secs(3 * 365 * 24 * 3600);
/// A certificate is dated a little back, so that a correspondent whose clock is behind can use it at once.
pub(super) const BACKDATE: Duration = Duration::from_secs(60);

/// Which programs a certificate is made for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// Version 4, Ed25519 and X25519 as GnuPG 2.1 and later know them, no AEAD announced: works everywhere.
    #[default]
    Compatible,
    /// Version 6 (RFC 9580): for correspondents whose programs are of 2024 and later.
    Modern,
}

/// A new certificate.
#[derive(Debug)]
pub struct Generated {
    /// The public part.
    pub clean: Clean,
    /// The transferable secret key, binary and without a passphrase: for the vault.
    pub secret: Secret<Vec<u8>>,
    /// A revocation of it, made at birth, as one signature packet: for the vault.
    pub revocation: Secret<Vec<u8>>,
}

/// Makes a certificate whose user ids are `addresses`, the first of which carries the name.
pub fn generate(name: &str, addresses: &[Address], profile: Profile, now: SystemTime) -> Result<Generated, Refusal> {
    let mut builder = CertBuilder::new()
        .set_creation_time(now - BACKDATE)
        .set_validity_period(VALIDITY)
        .set_cipher_suite(CipherSuite::Cv25519)
        .add_signing_subkey()
        .add_subkey(KeyFlags::empty().set_transport_encryption().set_storage_encryption(), None, None);
    builder = match profile {
        // RFC 9580 §5.2.3.32: who reads that version 2 of the encrypted container is understood sends it, and GnuPG 2.2
        // cannot open it (quirk: Sequoia 2.4 announces it by default, 2026-11).
        Profile::Compatible => builder
            .set_profile(sequoia_openpgp::Profile::RFC4880)
            .and_then(|builder| builder.set_features(Features::empty().set_seipdv1())),
        Profile::Modern => builder.set_profile(sequoia_openpgp::Profile::RFC9580),
    }
    .map_err(Refusal::library)?;
    for (position, address) in addresses.iter().enumerate() {
        builder = builder.add_userid(user_id(if position == 0 { name } else { "" }, address));
    }
    let (cert, revocation) = builder.generate().map_err(Refusal::library)?;
    Ok(Generated {
        clean: Clean::of(&cert, now)?,
        secret: Secret::new(cert.as_tsk().to_vec().map_err(Refusal::library)?),
        revocation: Secret::new(Packet::from(revocation).to_vec().map_err(Refusal::library)?),
    })
}

/// `Name <address>`, or the address alone where the name cannot stand in a user id.
fn user_id(name: &str, address: &Address) -> UserID {
    let address = address.to_string();
    let name = name.trim();
    let named = (!name.is_empty()).then(|| UserID::from_address(name, None, &address).ok()).flatten();
    named.unwrap_or_else(|| UserID::from(format!("<{address}>")))
}
