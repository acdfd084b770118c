// SPDX-License-Identifier: AGPL-3.0-or-later
//! Making a certificate.

use std::time::{Duration, SystemTime};

use hearth_types::{Address, Secret};
use sequoia_openpgp::Packet;
use sequoia_openpgp::cert::{CertBuilder, CipherSuite};
use sequoia_openpgp::packet::UserID;
use sequoia_openpgp::serialize::MarshalInto as _;
use sequoia_openpgp::types::{Features, KeyFlags};

use crate::{Clean, Refusal};

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
    /// Version 6 whose encryption key is ML-KEM-768 with X25519 (RFC 9980 §4.2): what is sealed to it today stays sealed
    /// when there are quantum computers. It has no other: who encrypts to a plain key as well gains nothing.
    PostQuantum,
}

impl Profile {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Compatible, Self::Modern, Self::PostQuantum];

    /// Its name in settings and forms.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Compatible => "compatible",
            Self::Modern => "modern",
            Self::PostQuantum => "post-quantum",
        }
    }

    /// The profile of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.as_str() == name)
    }
}

/// The setting that says which certificate a new account gets; none when it says none.
pub const AT_BIRTH: &str = "keys.at_birth";

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

/// The suite whose encryption keys are ML-KEM-768 with X25519; nothing is signed by it here.
pub(super) const POST_QUANTUM: CipherSuite = CipherSuite::MLDSA65_Ed25519;

pub(super) fn encryption_flags() -> KeyFlags {
    KeyFlags::empty().set_transport_encryption().set_storage_encryption()
}

/// Makes a certificate whose user ids are `addresses`, the first of which carries the name.
pub fn generate(name: &str, addresses: &[Address], profile: Profile, now: SystemTime) -> Result<Generated, Refusal> {
    let mut builder = CertBuilder::new()
        .set_creation_time(now - BACKDATE)
        .set_validity_period(VALIDITY)
        .set_cipher_suite(CipherSuite::Cv25519)
        .add_signing_subkey()
        .add_subkey(encryption_flags(), None, (profile == Profile::PostQuantum).then_some(POST_QUANTUM));
    builder = match profile {
        // RFC 9580 §5.2.3.32: who reads that version 2 of the encrypted container is understood sends it, and GnuPG 2.2
        // cannot open it (quirk: Sequoia 2.4 announces it by default, 2026-11).
        Profile::Compatible => builder
            .set_profile(sequoia_openpgp::Profile::RFC4880)
            .and_then(|builder| builder.set_features(Features::empty().set_seipdv1())),
        Profile::Modern | Profile::PostQuantum => builder.set_profile(sequoia_openpgp::Profile::RFC9580),
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

#[cfg(test)]
mod tests {
    use sequoia_openpgp::Cert;
    use sequoia_openpgp::cert::Preferences as _;
    use sequoia_openpgp::parse::Parse as _;
    use sequoia_openpgp::policy::StandardPolicy;
    use sequoia_openpgp::types::PublicKeyAlgorithm::{self, ECDH, MLKEM768_X25519, X25519};

    use super::*;
    use crate::flood::now;

    #[test]
    fn each_profile_has_its_version_and_its_encryption_key() {
        let wanted: [(Profile, u8, PublicKeyAlgorithm); 3] =
            [(Profile::Compatible, 4, ECDH), (Profile::Modern, 6, X25519), (Profile::PostQuantum, 6, MLKEM768_X25519)];
        for (profile, version, algorithm) in wanted {
            let made = generate("Alice", &[Address::parse("alice@home.example").unwrap()], profile, now()).unwrap();
            let cert = Cert::from_bytes(&made.clean.whole()).unwrap();
            let policy = StandardPolicy::new();
            let valid = cert.with_policy(&policy, now()).unwrap();
            let keys: Vec<_> = valid.keys().alive().supported().for_transport_encryption().collect();
            assert_eq!((keys.len(), keys[0].key().pk_algo(), keys[0].key().version()), (1, algorithm, version), "{profile:?}");
            let announces = valid.features().is_some_and(|features| features.supports_seipdv2());
            assert_eq!(announces, version == 6, "{profile:?}");
            assert_eq!(Profile::parse(profile.as_str()), Some(profile));
        }
    }
}
