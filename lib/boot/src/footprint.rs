// SPDX-License-Identifier: AGPL-3.0-or-later
//! Giving memory back: what starting up needed, and what a burst of work left behind.
//!
//! A process of the house has some ten megabytes of program text, most of which runs once. The kernel would take such
//! pages when it is short of memory; a small machine is better off when they count for nobody before that. What is
//! given back is read again from the page cache when it is needed, a matter of microseconds.

#![expect(unsafe_code, reason = "advice to the kernel and to the allocator has no safe face; nothing else here is unsafe")]

use std::ops::Range;

use crate::limits::{GIVE_BACK_EVERY, STARTED_WITHIN};

/// Gives memory back soon after the start and then now and then; never ends. For the runtime of a process that stays.
pub async fn keep_small() {
    tokio::time::sleep(STARTED_WITHIN).await;
    loop {
        // A panic in there is logged by the panic hook.
        let _ = tokio::task::spawn_blocking(give_back).await;
        tokio::time::sleep(GIVE_BACK_EVERY).await;
    }
}

fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim(3) takes no pointer and may be called at any time from any thread.
    unsafe {
        libc::malloc_trim(0);
    }
    let program = std::env::current_exe().unwrap_or_default();
    match std::fs::read_to_string("/proc/self/smaps") {
        Ok(smaps) => lent_by(&program.to_string_lossy(), &smaps).into_iter().for_each(forget),
        Err(error) => tracing::debug!(%error, "cannot read which pages are mine"),
    }
}

fn forget(pages: Range<usize>) {
    // SAFETY: the range is a mapping of the program file in which no page was ever written (`lent_by`), and nobody can
    // write there: what is read after this comes from the same file and is the same.
    let done = unsafe { libc::madvise(std::ptr::with_exposed_provenance_mut(pages.start), pages.len(), libc::MADV_DONTNEED) };
    if done != 0 {
        tracing::debug!(error = %std::io::Error::last_os_error(), "pages were not given back");
    }
}

/// The mappings of the file `program` that cannot be written and have no page of our own, as relocated data has.
/// `smaps` as in proc_pid_smaps(5).
fn lent_by(program: &str, smaps: &str) -> Vec<Range<usize>> {
    let mut lent = Vec::new();
    let mut candidate = None;
    for line in smaps.lines() {
        if let Some(mapping) = mapping(line) {
            candidate =
                Some(mapping).filter(|(_, rights, path)| !rights.contains('w') && *path == program).map(|(range, ..)| range);
        } else if let Some(own) = line.strip_prefix("Anonymous:") {
            lent.extend(candidate.take().filter(|_| own.trim() == "0 kB"));
        }
    }
    lent
}

/// `start-end rights offset device inode path`: the first line of a mapping.
fn mapping(line: &str) -> Option<(Range<usize>, &str, &str)> {
    let mut words = line.splitn(6, ' ');
    let (start, end) = words.next()?.split_once('-')?;
    let range = usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?;
    let rights = words.next()?;
    Some((range, rights, words.nth(3)?.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMAPS: &str = "\
56297c000000-56297c300000 r--p 00000000 fe:00 123                        /usr/bin/hearth-imap
Rss:                3072 kB
Anonymous:             0 kB
VmFlags: rd mr mw me
56297c300000-56297cf00000 r-xp 00300000 fe:00 123                        /usr/bin/hearth-imap
Rss:                8192 kB
Anonymous:             0 kB
56297cf00000-56297cf60000 r--p 00f00000 fe:00 123                        /usr/bin/hearth-imap
Anonymous:           328 kB
56297cf60000-56297cf70000 rw-p 00f60000 fe:00 123                        /usr/bin/hearth-imap
Anonymous:             0 kB
7f6a10000000-7f6a10200000 r-xp 00000000 fe:00 456                        /usr/lib/x86_64-linux-gnu/libc.so.6
Anonymous:             0 kB
7f6a20000000-7f6a20100000 r--p 00000000 00:00 0
Anonymous:             0 kB
";

    #[test]
    fn only_what_the_program_file_lends_is_given_back() {
        let lent = lent_by("/usr/bin/hearth-imap", SMAPS);
        assert_eq!(lent, [0x56297c000000..0x56297c300000, 0x56297c300000..0x56297cf00000]);
    }

    #[test]
    fn the_program_runs_on_without_its_pages() {
        let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let program = std::env::current_exe().unwrap();
        let lent: usize = lent_by(&program.to_string_lossy(), &smaps).iter().map(Range::len).sum();
        assert!(lent > 100_000, "{lent} bytes of {program:?}");
        give_back();
        assert_eq!("still here".to_uppercase(), "STILL HERE");
    }
}
