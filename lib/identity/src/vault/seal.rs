// SPDX-License-Identifier: AGPL-3.0-or-later
//! Sealing with AES-256-GCM under a key that is a file of its own.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use hearth_types::Secret;

use crate::error::{Error, Result};

const KEY_BYTES: usize = 32;

/// The key, ready to seal and to open.
pub(super) struct Seal(LessSafeKey);

impl Seal {
    /// Reads the key file; makes it when it is not there and `may_make`.
    pub(super) fn open(path: &Path, may_make: bool) -> Result<Self> {
        let failed = |cause| Error::Io { place: path.display().to_string(), cause };
        let key = match File::open(path) {
            Ok(file) => read_key(file, path)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && may_make => make_key(path).map_err(failed)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Error::Sealed(format!(
                    "the vault's key file {} is gone: put it back from a copy of yours, for nobody can sign in without it",
                    path.display()
                )));
            }
            Err(error) => return Err(failed(error)),
        };
        let key = UnboundKey::new(&AES_256_GCM, key.expose()).map_err(|_| unsealable("the key file"))?;
        Ok(Self(LessSafeKey::new(key)))
    }

    /// Seals octets for one place (a table and a row): they open in no other. The nonce is random and stands in front.
    pub(super) fn seal(&self, place: &str, octets: &[u8]) -> Result<Vec<u8>> {
        let nonce = crate::random::bytes::<NONCE_LEN>();
        let mut body = octets.to_vec();
        let tag = self
            .0
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(place), &mut body)
            .map_err(|_| unsealable(place))?;
        Ok([nonce.as_slice(), body.as_slice(), tag.as_ref()].concat())
    }

    /// Opens what was sealed for a place.
    pub(super) fn open_sealed(&self, place: &str, sealed: &[u8]) -> Result<Secret<Vec<u8>>> {
        let (nonce, body) = sealed.split_first_chunk::<NONCE_LEN>().ok_or_else(|| unsealable(place))?;
        let mut body = body.to_vec();
        let opened = self.0.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(place), &mut body);
        let length = opened.map_err(|_| unsealable(place))?.len();
        body.truncate(length);
        Ok(Secret::new(body))
    }
}

fn unsealable(place: &str) -> Error {
    Error::Sealed(format!("{place} does not open: the key file is not the one that the vault was made with"))
}

fn read_key(file: File, path: &Path) -> Result<Secret<Vec<u8>>> {
    let mut octets = Vec::with_capacity(KEY_BYTES + 1);
    let read = file.take(KEY_BYTES as u64 + 1).read_to_end(&mut octets);
    read.map_err(|cause| Error::Io { place: path.display().to_string(), cause })?;
    let key = Secret::new(octets);
    if key.expose().len() == KEY_BYTES {
        Ok(key)
    } else {
        Err(Error::Sealed(format!("{} is not a vault's key file: it has not {KEY_BYTES} octets", path.display())))
    }
}

/// Synced with its folder before anything is sealed by it.
fn make_key(path: &Path) -> std::io::Result<Secret<Vec<u8>>> {
    let key = Secret::new(crate::random::bytes::<KEY_BYTES>().to_vec());
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(key.expose())?;
    file.sync_all()?;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        File::open(folder)?.sync_all()?;
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_for_one_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vault.key");
        let seal = Seal::open(&path, true).unwrap();
        let sealed = seal.seal("a/1", b"secret").unwrap();
        assert!(!sealed.windows(6).any(|octets| octets == b"secret"));
        let again = Seal::open(&path, false).unwrap();
        assert!(again.open_sealed("a/1", &sealed).unwrap().matches(b"secret"));
        assert!(again.open_sealed("a/2", &sealed).is_err());
        for cut in [0, 5, sealed.len() - 1] {
            assert!(again.open_sealed("a/1", &sealed[..cut]).is_err());
        }
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_key_file_that_is_gone_or_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vault.key");
        assert!(matches!(Seal::open(&path, false), Err(Error::Sealed(_))));
        for length in [KEY_BYTES - 1, KEY_BYTES + 1] {
            std::fs::write(&path, vec![1; length]).unwrap();
            assert!(matches!(Seal::open(&path, true), Err(Error::Sealed(_))));
        }
    }
}
