// SPDX-License-Identifier: AGPL-3.0-or-later
//! One copy of something in the store, for all sessions of this process that look at it: who asks first reads for all.

use std::sync::Arc;

use hearth_mailstore::Error;
use tokio::sync::{Mutex, watch};

/// The copy.
pub struct Fresh<T> {
    known: watch::Sender<Option<Known<T>>>,
    reading: Mutex<()>,
}

/// What was read last.
struct Known<T> {
    value: Arc<T>,
    /// The account's modseq when it was read: nothing older is missing. When nothing changed, the value stays the same one.
    looked: u64,
}

impl<T> Default for Fresh<T> {
    fn default() -> Self {
        Self { known: watch::Sender::new(None), reading: Mutex::new(()) }
    }
}

impl<T> Fresh<T> {
    /// As it is now, at least as new as the account's modseq `at_least`; `None` reads in any case. `read` is given what is
    /// known, and gives what is there with the account's modseq.
    pub async fn refresh<F>(&self, at_least: Option<u64>, read: impl FnOnce(Option<Arc<T>>) -> F) -> Result<Arc<T>, Error>
    where
        F: Future<Output = Result<(Arc<T>, u64), Error>>,
    {
        let mut known = self.known.subscribe();
        let fresh = async {
            let found = known.wait_for(|known| known.as_ref().is_some_and(|known| at_least.is_some_and(|at| known.looked >= at)));
            found.await.ok().and_then(|known| known.as_ref().map(|known| Arc::clone(&known.value)))
        };
        let _reading = tokio::select! {
            biased;
            // All who waited go on at once: behind a lock alone, hundreds of sessions would go one after the other.
            Some(value) = fresh => return Ok(value),
            reading = self.reading.lock() => reading,
        };
        let (value, looked) = read(self.known()).await?;
        self.known.send_replace(Some(Known { value: Arc::clone(&value), looked }));
        Ok(value)
    }

    /// As it was when it was read last.
    pub fn known(&self) -> Option<Arc<T>> {
        self.known.borrow().as_ref().map(|known| Arc::clone(&known.value))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Four hundred ask at the same time, one reads; and whoever wants it newer reads once more.
    #[tokio::test]
    async fn one_reads_for_all() {
        let (fresh, reads) = (Arc::new(Fresh::<u64>::default()), Arc::new(AtomicUsize::new(0)));
        let ask = |at_least: Option<u64>| {
            let (fresh, reads) = (Arc::clone(&fresh), Arc::clone(&reads));
            tokio::spawn(async move {
                let read = |known: Option<Arc<u64>>| async move {
                    tokio::task::yield_now().await;
                    reads.fetch_add(1, Ordering::Relaxed);
                    let next = known.map_or(7, |known| *known + 1);
                    Ok((Arc::new(next), next))
                };
                *fresh.refresh(at_least, read).await.expect("read")
            })
        };
        let all: Vec<_> = (0..400).map(|_| ask(Some(7))).collect();
        for one in all {
            assert_eq!(one.await.expect("answered"), 7);
        }
        assert_eq!(reads.load(Ordering::Relaxed), 1);
        assert_eq!(ask(Some(8)).await.expect("answered"), 8);
        assert_eq!((ask(Some(3)).await.expect("answered"), ask(None).await.expect("answered")), (8, 9));
        assert_eq!(reads.load(Ordering::Relaxed), 3);
    }

    #[tokio::test]
    async fn who_fails_or_leaves_keeps_nobody_waiting() {
        let fresh = Fresh::<u64>::default();
        let failed = fresh.refresh(Some(1), |_| async { Err(Error::NoSuchMailbox) }).await;
        assert!(failed.is_err());
        let gone = fresh.refresh(Some(1), |_| std::future::pending());
        assert!(tokio::time::timeout(std::time::Duration::from_millis(10), gone).await.is_err());
        assert_eq!(*fresh.refresh(Some(1), |_| async { Ok((Arc::new(5), 1)) }).await.expect("read"), 5);
    }
}
