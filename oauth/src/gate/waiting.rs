// SPDX-License-Identifier: AGPL-3.0-or-later
//! SASL exchanges that wait for their client. Whoever is at the other end may take a minute, or never answer: so an
//! exchange that waits holds nothing that others need, and when there are too many, the one that waits longest ends.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hearth_identity::limits::{EXCHANGES_MAX, EXCHANGES_PER_NETWORK_MAX};
use tokio::sync::oneshot;

/// Those that wait, in the order in which they began to.
#[derive(Default)]
pub(super) struct Waiting(Mutex<Line>);

#[derive(Default)]
struct Line {
    next: u64,
    waiters: BTreeMap<u64, Waiter>,
}

struct Waiter {
    network: String,
    /// Dropped when it has to make room.
    _stays: oneshot::Sender<()>,
}

/// One that waits; it leaves the line when this is dropped.
pub(super) struct Place<'a> {
    waiting: &'a Waiting,
    number: u64,
    stays: oneshot::Receiver<()>,
}

impl Waiting {
    /// At the end of the line. Of a network that has [`EXCHANGES_PER_NETWORK_MAX`] there, and of all when there are
    /// [`EXCHANGES_MAX`], the first goes.
    pub(super) fn enter(&self, network: &str) -> Place<'_> {
        let (sender, stays) = oneshot::channel();
        let mut line = self.line();
        line.make_room(network);
        let number = line.next;
        line.next += 1;
        line.waiters.insert(number, Waiter { network: network.to_string(), _stays: sender });
        Place { waiting: self, number, stays }
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    fn make_room(&mut self, network: &str) {
        let mut own = self.waiters.iter().filter(|(_, waiter)| waiter.network == network).map(|(number, _)| *number);
        let first_of_network = own.next().filter(|_| own.count() + 1 >= EXCHANGES_PER_NETWORK_MAX);
        if let Some(number) = first_of_network {
            self.waiters.remove(&number);
        }
        if self.waiters.len() >= EXCHANGES_MAX {
            self.waiters.pop_first();
        }
    }
}

impl Place<'_> {
    /// Returns when it has to make room for another.
    pub(super) async fn is_wanted(&mut self) {
        // Nothing is ever sent: the other end is dropped.
        let _ = (&mut self.stays).await;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.waiting.line().waiters.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of them have to go.
    fn wanted(places: &mut [Place<'_>]) -> Vec<usize> {
        let gone = |place: &mut Place<'_>| place.stays.try_recv() == Err(oneshot::error::TryRecvError::Closed);
        places.iter_mut().enumerate().filter_map(|(at, place)| gone(place).then_some(at)).collect()
    }

    #[test]
    fn of_one_network_the_first_makes_room() {
        let waiting = Waiting::default();
        let mut places: Vec<_> = (0..EXCHANGES_PER_NETWORK_MAX).map(|_| waiting.enter("one")).collect();
        let mut other = [waiting.enter("other")];
        assert_eq!(wanted(&mut places), [0; 0]);
        places.push(waiting.enter("one"));
        assert_eq!((wanted(&mut places), wanted(&mut other)), (vec![0], vec![]));
        // Whoever leaves makes room, too.
        places.truncate(3);
        places.push(waiting.enter("one"));
        assert_eq!(wanted(&mut places), [0]);
    }

    #[test]
    fn of_all_the_first_makes_room() {
        let waiting = Waiting::default();
        let mut places: Vec<_> = (0..EXCHANGES_MAX).map(|n| waiting.enter(&n.to_string())).collect();
        assert_eq!(wanted(&mut places), [0; 0]);
        places.push(waiting.enter("one more"));
        assert_eq!(wanted(&mut places), [0]);
        drop(places);
        assert!(waiting.line().waiters.is_empty());
    }
}
