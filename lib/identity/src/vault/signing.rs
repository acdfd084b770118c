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
use crate::limits::{SIGNING_KEY_AHEAD, SIGNING_KEY_LIFE, SIGNING_KEY_OVERLAP};

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

/// A key as far as its turn is concerned.
struct Turned {
    kid: String,
    signs: bool,
    created_at: Timestamp,
    changed_at: Timestamp,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Rs256, Self::Es256, Self::EdDsa];

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

    /// Keeps the keys fresh: makes the next key of an algorithm when the one that signs is old, lets it sign when
    /// it was published for a while, and retires what no token needs any more. True when something changed.
    pub async fn turn_signing_keys(&self) -> Result<bool> {
        let mut changed = false;
        for algorithm in Algorithm::ALL {
            changed |= self.turn_keys_of(algorithm).await?;
        }
        Ok(changed)
    }

    async fn turn_keys_of(&self, algorithm: Algorithm) -> Result<bool> {
        let (now, name) = (self.now(), algorithm.name());
        let rows: Vec<Turned> = self
            .read(move |tx| {
                Ok(tx.query(
                    "SELECT kid, state, created_at, changed_at FROM signing_key
                     WHERE algorithm = $1 AND state <> 'retired' ORDER BY created_at, kid",
                    &[&name],
                    |row| {
                        let state: String = row.get(1)?;
                        Ok(Turned { kid: row.get(0)?, signs: state == "signing", created_at: row.get(2)?, changed_at: row.get(3)? })
                    },
                )?)
            })
            .await?;
        let Some(signing) = rows.iter().find(|row| row.signs) else {
            return Ok(false);
        };
        let next = rows.iter().find(|row| !row.signs && row.created_at > signing.created_at);
        let old: Vec<String> = rows
            .iter()
            .filter(|row| !row.signs && row.created_at < signing.created_at && now.since(row.changed_at) >= SIGNING_KEY_OVERLAP)
            .map(|row| row.kid.clone())
            .collect();
        let mut changed = !old.is_empty();
        for kid in old {
            // Its secret is of no use any more, so it is not kept.
            self.write(move |tx| Ok(tx.execute("DELETE FROM signing_key WHERE kid = $1", &[&kid]).map(drop)?)).await?;
        }
        match next {
            Some(next) if now.since(next.created_at) >= SIGNING_KEY_AHEAD => {
                let (next, before) = (next.kid.clone(), signing.kid.clone());
                self.write(move |tx| {
                    tx.execute("UPDATE signing_key SET state = 'published', changed_at = $2 WHERE kid = $1", &[&before, &now])?;
                    tx.execute("UPDATE signing_key SET state = 'signing', changed_at = $2 WHERE kid = $1", &[&next, &now])?;
                    Ok(())
                })
                .await?;
                changed = true;
            }
            None if now.since(signing.created_at) >= SIGNING_KEY_LIFE => {
                self.make_signing_key(algorithm, "published").await?;
                changed = true;
            }
            _ => {}
        }
        Ok(changed)
    }

    /// New keys at once, in the place of all: for the day when somebody else may have the old ones. Nothing that those
    /// signed verifies any more.
    pub async fn replace_signing_keys(&self) -> Result<()> {
        let old: Vec<String> = self.signing_keys().await?.into_iter().map(|key| key.kid).collect();
        // The new ones first: a home is never without.
        for algorithm in Algorithm::ALL {
            self.make_signing_key(algorithm, "signing").await?;
        }
        self.write(move |tx| {
            for kid in &old {
                tx.execute("DELETE FROM signing_key WHERE kid = $1", &[kid])?;
            }
            Ok(())
        })
        .await
    }

    /// Makes a key for each algorithm that has none.
    pub(super) async fn make_signing_keys(&self) -> Result<()> {
        let there = self.signing_keys().await?;
        for algorithm in Algorithm::ALL {
            if there.iter().any(|key| key.algorithm == algorithm && key.signs) {
                continue;
            }
            self.make_signing_key(algorithm, "signing").await?;
        }
        Ok(())
    }

    async fn make_signing_key(&self, algorithm: Algorithm, state: &'static str) -> Result<()> {
        let made = tokio::task::spawn_blocking(move || algorithm.make_key()).await;
        let pkcs8 = made.unwrap_or(Err(Error::Store(hearth_db::Error::Gone)))?;
        let kid = URL_SAFE_NO_PAD.encode(crate::random::bytes::<12>());
        let (sealed, now) = (self.0.seal.seal(&place(&kid), pkcs8.expose())?, self.now());
        self.write(move |tx| {
            tx.execute(
                "INSERT INTO signing_key (kid, algorithm, sealed, state, created_at, changed_at) VALUES ($1, $2, $3, $4, $5, $5)",
                &[&kid, &algorithm.name(), &sealed, &state, &now],
            )?;
            Ok(())
        })
        .await
    }
}

fn place(kid: &str) -> String {
    format!("signing_key/{kid}")
}
