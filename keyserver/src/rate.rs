// SPDX-License-Identifier: AGPL-3.0-or-later
//! How often one peer may ask, so that nobody learns who lives here by asking for everybody.
//!
//! One number per peer and bucket, the generic cell rate algorithm (ITU-T I.371): the moment until
//! which the peer has used up what it was given. Time comes in; nothing waits.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hearth_types::Timestamp;

use crate::limits::{
    BY_ADDRESS_BURST, BY_ADDRESS_EVERY, BY_KEY_BURST, BY_KEY_EVERY, BY_WKD_NAME_BURST, BY_WKD_NAME_EVERY, PEERS_MAX, UPLOAD_BURST,
    UPLOAD_EVERY,
};

/// What is counted apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bucket {
    /// Look-ups by address (HKP, VKS).
    ByAddress,
    /// Look-ups by the name of an address in a Web Key Directory.
    ByWkdName,
    /// Look-ups by fingerprint or key id.
    ByKey,
    /// Submissions.
    Upload,
}

impl Bucket {
    const fn bounds(self) -> (u32, Duration) {
        match self {
            Self::ByAddress => (BY_ADDRESS_BURST, BY_ADDRESS_EVERY),
            Self::ByWkdName => (BY_WKD_NAME_BURST, BY_WKD_NAME_EVERY),
            Self::ByKey => (BY_KEY_BURST, BY_KEY_EVERY),
            Self::Upload => (UPLOAD_BURST, UPLOAD_EVERY),
        }
    }
}

/// What every peer has used.
#[derive(Debug, Default)]
pub struct Rates(Mutex<HashMap<(Bucket, IpAddr), Timestamp>>);

impl Rates {
    /// Counts one request; `Err` says how long to wait.
    pub fn admit(&self, bucket: Bucket, peer: IpAddr, now: Timestamp) -> Result<(), Duration> {
        let (burst, every) = bucket.bounds();
        // What a panic left behind is whole: each change is one assignment.
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let peer = (bucket, network_of(peer));
        if used.len() >= PEERS_MAX && !used.contains_key(&peer) {
            make_room(&mut used, now);
        }
        let until = used.entry(peer).or_insert(now);
        let next = (*until).max(now).after(every);
        if next.since(now) > every * burst {
            return Err(next.since(now).saturating_sub(every * burst));
        }
        *until = next;
        Ok(())
    }
}

/// Peers that have used nothing are forgotten, and if all have used something, the quarter that used least.
fn make_room(used: &mut HashMap<(Bucket, IpAddr), Timestamp>, now: Timestamp) {
    used.retain(|_, until| *until > now);
    if used.len() < PEERS_MAX {
        return;
    }
    let mut untils: Vec<Timestamp> = used.values().copied().collect();
    let (_, quarter, _) = untils.select_nth_unstable(PEERS_MAX / 4);
    let (quarter, mut spare) = (*quarter, PEERS_MAX / 4);
    used.retain(|_, until| {
        let stays = *until > quarter || spare == 0;
        spare = spare.saturating_sub(usize::from(!stays));
        stays
    });
}

/// RFC 6177 §2: one customer has a /64 or more, so an IPv6 peer is its /64.
fn network_of(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX))),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(n: u32) -> IpAddr {
        IpAddr::V4(n.into())
    }

    #[test]
    fn a_burst_and_then_one_at_a_time() {
        let rates = Rates::default();
        let now = Timestamp::from_secs(1_000);
        for (bucket, burst, every) in [
            (Bucket::ByAddress, BY_ADDRESS_BURST, BY_ADDRESS_EVERY),
            (Bucket::ByWkdName, BY_WKD_NAME_BURST, BY_WKD_NAME_EVERY),
            (Bucket::ByKey, BY_KEY_BURST, BY_KEY_EVERY),
            (Bucket::Upload, UPLOAD_BURST, UPLOAD_EVERY),
        ] {
            for _ in 0..burst {
                assert_eq!(rates.admit(bucket, peer(1), now), Ok(()), "{bucket:?}: another one is another");
            }
            assert_eq!(rates.admit(bucket, peer(1), now), Err(every));
            assert_eq!(rates.admit(bucket, peer(2), now), Ok(()), "another peer");
            let early = now.after(every.saturating_sub(Duration::from_millis(1)));
            assert!(rates.admit(bucket, peer(1), early).is_err());
            assert_eq!(rates.admit(bucket, peer(1), now.after(every)), Ok(()));
            assert!(rates.admit(bucket, peer(1), now.after(every)).is_err());
        }
    }

    #[test]
    fn one_network_is_one_peer() {
        let rates = Rates::default();
        let now = Timestamp::from_secs(1_000);
        for n in 0..UPLOAD_BURST {
            let peer = IpAddr::V6(Ipv6Addr::from_bits(0x2001_0db8_u128 << 96 | u128::from(n)));
            assert_eq!(rates.admit(Bucket::Upload, peer, now), Ok(()));
        }
        assert!(rates.admit(Bucket::Upload, "2001:db8::ffff".parse().unwrap(), now).is_err());
        assert!(rates.admit(Bucket::Upload, "2001:db8:0:1::1".parse().unwrap(), now).is_ok());
    }

    #[test]
    fn peers_are_bounded_and_a_busy_one_is_not_forgotten() {
        let rates = Rates::default();
        let now = Timestamp::from_secs(1_000);
        while rates.admit(Bucket::Upload, peer(0), now).is_ok() {}
        for n in 1..=2 * PEERS_MAX as u32 {
            assert_eq!(rates.admit(Bucket::Upload, peer(n), now), Ok(()));
        }
        assert!((PEERS_MAX * 3 / 4..=PEERS_MAX).contains(&rates.0.lock().unwrap().len()));
        assert!(rates.admit(Bucket::Upload, peer(0), now).is_err());
    }
}
