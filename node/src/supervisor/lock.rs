// SPDX-License-Identifier: AGPL-3.0-or-later
//! One supervisor for a data directory: a lock that the kernel takes back when its holder ends.

use std::fs::File;
use std::io::{Read, Seek, Write};

use anyhow::{Context, bail};
use hearth_boot::Config;
use rustix::fs::{FlockOperation, flock};

/// Held as long as this lives.
#[derive(Debug)]
pub struct UpLock {
    _file: File,
}

/// Takes the lock, or says who has it.
pub fn take(config: &Config) -> anyhow::Result<UpLock> {
    let path = config.run_path("up.lock");
    let mut file = File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&path)
        .with_context(|| format!("cannot write {}; run as the owner of {}", path.display(), config.dir.display()))?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        let holder = read(&mut file);
        bail!(
            "{} is already running (process {holder}); see it with: hearth status --dir {}",
            config.dir.display(),
            config.dir.display()
        );
    }
    file.set_len(0)?;
    file.rewind()?;
    write!(file, "{}", std::process::id())?;
    Ok(UpLock { _file: file })
}

/// The process that supervises this directory now.
pub fn holder(config: &Config) -> Option<u32> {
    let mut file = File::options().read(true).open(config.run_path("up.lock")).ok()?;
    if flock(&file, FlockOperation::NonBlockingLockShared).is_ok() {
        return None;
    }
    read(&mut file).parse().ok()
}

fn read(file: &mut File) -> String {
    let mut text = String::new();
    let _ = file.take(32).read_to_string(&mut text);
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_one_is_told_who_has_it() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("run")).unwrap();
        let config = Config::from_text(dir.path(), "[home]\ndomain = \"example.org\"\n", []).unwrap();
        assert_eq!(holder(&config), None);
        let held = take(&config).unwrap();
        let says = take(&config).unwrap_err().to_string();
        assert!(says.contains(&format!("already running (process {})", std::process::id())), "{says}");
        assert_eq!(holder(&config), Some(std::process::id()));
        drop(held);
        assert_eq!(holder(&config), None);
    }
}
