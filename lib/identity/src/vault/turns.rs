// SPDX-License-Identifier: AGPL-3.0-or-later
//! Turns at a computation that takes much memory: so many at once, so many that wait, the others are sent away.
//!
//! A computation that has begun cannot be called back, so it keeps its turn to its end, whether or not anybody still
//! waits for what comes of it: a peer that hangs up frees no memory.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::password::Asker;
use crate::error::{Error, Result};

/// Who may compute now.
pub(super) struct Turns {
    /// One permit for each computation that runs.
    running: Arc<Semaphore>,
    /// One permit for each that runs or waits.
    queueing: Arc<Semaphore>,
    /// One permit for each of these that is a stranger's: fewer than there are places.
    strangers: Arc<Semaphore>,
}

/// What whoever asks has to hold while it is computed; of the house and of people known here: nothing.
#[derive(Default)]
pub(super) struct Place(#[expect(dead_code, reason = "held, not read")] Option<OwnedSemaphorePermit>);

impl Turns {
    /// So many at once, and so many more that wait; of all these places some are `kept` from strangers.
    pub(super) fn new(at_once: usize, waiting_max: usize, kept: usize) -> Self {
        Self {
            running: Arc::new(Semaphore::new(at_once)),
            queueing: Arc::new(Semaphore::new(at_once + waiting_max)),
            strangers: Arc::new(Semaphore::new(at_once + waiting_max - kept)),
        }
    }

    /// A place among those of strangers, where it is one who asks; `None` when they have no more.
    pub(super) fn place_for(&self, asker: Asker) -> Option<Place> {
        match asker {
            Asker::Known => Some(Place::default()),
            Asker::Stranger => Arc::clone(&self.strangers).try_acquire_owned().ok().map(|permit| Place(Some(permit))),
        }
    }

    /// Takes every turn and every place, as long as what is given is kept.
    #[cfg(test)]
    pub(super) fn take_all(&self) -> tokio::sync::OwnedSemaphorePermit {
        let places = u32::try_from(self.queueing.available_permits()).expect("a few");
        Arc::clone(&self.queueing).try_acquire_many_owned(places).expect("nobody computes")
    }

    /// Computes on a thread of its own when the turn comes; `None` when too many wait.
    pub(super) async fn take<T: Send + 'static>(
        &self,
        place: Place,
        compute: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<Option<T>> {
        let Ok(waiting) = Arc::clone(&self.queueing).try_acquire_owned() else {
            return Ok(None);
        };
        let turn = Arc::clone(&self.running).acquire_owned().await.expect("the semaphore is never closed");
        let computed = tokio::task::spawn_blocking(move || {
            let _until_the_end = (place, waiting, turn);
            compute()
        });
        computed.await.unwrap_or(Err(Error::Store(hearth_db::Error::Gone))).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use super::*;

    /// What computations saw of each other.
    #[derive(Default)]
    struct Seen {
        begun: AtomicU32,
        now: AtomicU32,
        most: AtomicU32,
    }

    impl Seen {
        fn compute(&self) -> Result<()> {
            self.begun.fetch_add(1, Ordering::SeqCst);
            self.most.fetch_max(self.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(10));
            self.now.fetch_sub(1, Ordering::SeqCst);
            Ok(())
        }
    }

    #[tokio::test]
    async fn who_hangs_up_makes_no_room_for_another_computation() {
        let (turns, seen) = (Arc::new(Turns::new(1, 64, 0)), Arc::new(Seen::default()));
        for begun in 1..=20 {
            let (turns, its) = (Arc::clone(&turns), Arc::clone(&seen));
            let asked = tokio::spawn(async move { turns.take(Place::default(), move || its.compute()).await });
            while seen.begun.load(Ordering::SeqCst) < begun {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            asked.abort();
        }
        let _all_done = turns.running.acquire().await.unwrap();
        assert_eq!(seen.most.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn so_many_wait_and_the_next_is_sent_away() {
        let turns = Arc::new(Turns::new(1, 1, 0));
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let first = {
            let turns = Arc::clone(&turns);
            tokio::spawn(async move { turns.take(Place::default(), move || Ok(wait.recv().is_ok())).await })
        };
        let second = {
            let turns = Arc::clone(&turns);
            tokio::spawn(async move { turns.take(Place::default(), || Ok(true)).await })
        };
        while turns.queueing.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(turns.take(Place::default(), || Ok(true)).await.unwrap(), None);
        go.send(()).unwrap();
        assert_eq!(first.await.unwrap().unwrap(), Some(true));
        assert_eq!(second.await.unwrap().unwrap(), Some(true));
        assert_eq!(turns.take(Place::default(), || Ok(true)).await.unwrap(), Some(true));
    }
}
