// SPDX-License-Identifier: AGPL-3.0-or-later
//! Keys that sign tokens: one of each algorithm is made with the vault.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hearth_types::{Secret, Timestamp};

use super::Vault;
use crate::error::{Error, Result};

/// How a token is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256, 2048 bits: what every OpenID client reads.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

/// A key that signs tokens, or did until lately.
#[derive(Clone, Debug)]
pub struct SigningKey {
    /// Its name in the JWKS.
    pub kid: String,
    /// How it signs.
    pub algorithm: Algorithm,
    /// The private key, PKCS#8 DER.
    pub pkcs8: Secret<Vec<u8>>,
    /// Signs now; the others are only published, so that older tokens verify.
    pub signs: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Algorithm {
    const ALL: [Self; 3] = [Self::Rs256, Self::Es256, Self::EdDsa];

    /// Its name in JOSE (RFC 7518 §3.1, RFC 8037 §3.1).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    pub(super) fn make_key(self) -> Result<Secret<Vec<u8>>> {
        let random = SystemRandom::new();
        let failed = |_| Error::Sealed(format!("a key for {} could not be made", self.name()));
        Ok(Secret::new(match self {
            Self::Rs256 => RsaKeyPair::generate(KeySize::Rsa2048).and_then(|pair| pair.as_der()).map_err(failed)?.as_ref().to_vec(),
            Self::Es256 => {
                EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).map_err(failed)?.as_ref().to_vec()
            }
            Self::EdDsa => Ed25519KeyPair::generate_pkcs8(&random).map_err(failed)?.as_ref().to_vec(),
        }))
    }
}

impl Vault {
    /// The keys that sign tokens, newest first: one of each [`Algorithm`] signs.
    pub async fn signing_keys(&self) -> Result<Vec<SigningKey>> {
        let rows = self
            .read(|tx| {
                Ok(tx.query(
                    "SELECT kid, algorithm, sealed, state, created_at FROM signing_key WHERE state <> 'retired'
                     ORDER BY created_at DESC, kid",
                    &[],
                    |row| {
                        let (algorithm, state): (String, String) = (row.get(1)?, row.get(3)?);
                        Ok((row.get::<String>(0)?, algorithm, row.get::<Vec<u8>>(2)?, state, row.get::<Timestamp>(4)?))
                    },
                )?)
            })
            .await?;
        let mut keys = Vec::new();
        for (kid, algorithm, sealed, state, created_at) in rows {
            // A later release may sign by what we do not know: no row stops a start.
            let Some(algorithm) = Algorithm::ALL.into_iter().find(|known| known.name() == algorithm) else {
                tracing::warn!(kid, algorithm, "a signing key of an unknown algorithm is left aside");
                continue;
            };
            let pkcs8 = self.0.seal.open_sealed(&place(&kid), &sealed)?;
            keys.push(SigningKey { kid, algorithm, pkcs8, signs: state == "signing", created_at });
        }
        Ok(keys)
    }

    /// Makes a key for each algorithm that has none.
    pub(super) async fn make_signing_keys(&self) -> Result<()> {
        let there = self.signing_keys().await?;
        for algorithm in Algorithm::ALL {
            if there.iter().any(|key| key.algorithm == algorithm && key.signs) {
                continue;
            }
            let made = tokio::task::spawn_blocking(move || algorithm.make_key()).await;
            let pkcs8 = made.unwrap_or(Err(Error::Store(hearth_db::Error::Gone)))?;
            let kid = URL_SAFE_NO_PAD.encode(crate::random::bytes::<12>());
            let (sealed, now) = (self.0.seal.seal(&place(&kid), pkcs8.expose())?, self.now());
            self.write(move |tx| {
                tx.execute(
                    "INSERT INTO signing_key (kid, algorithm, sealed, state, created_at, changed_at)
                     VALUES ($1, $2, $3, 'signing', $4, $4)",
                    &[&kid, &algorithm.name(), &sealed, &now],
                )?;
                Ok(())
            })
            .await?;
        }
        Ok(())
    }
}

fn place(kid: &str) -> String {
    format!("signing_key/{kid}")
}
