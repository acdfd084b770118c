// SPDX-License-Identifier: AGPL-3.0-or-later
//! Pure: how fast strangers may be, and whether one was here before. All of it is in memory, bounded, and forgets when
//! it is full: a flood makes it lenient, never large.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hearth_types::{Address, Timestamp};
use ipnet::{Ipv4Net, Ipv6Net};

use crate::limits::{
    ADDRESS_RATE, CONNECTION_RATE, GREY_AFTER, GREY_KEPT, GREY_WITHIN, NETWORK_RATE, PACE_PLACES_MAX, RECIPIENT_RATE, Rate,
    SENDER_RATE,
};

/// Of whom a bucket is.
#[derive(Clone, Copy, Debug, Hash)]
pub enum Of<'a> {
    /// One connection, by its other end.
    Connection(SocketAddr),
    /// One address.
    Address(IpAddr),
    /// Its network: 24 bits of IPv4, 48 of IPv6.
    Network(IpAddr),
    /// An envelope sender.
    Sender(&'a Address),
    /// A recipient.
    Recipient(&'a Address),
}

/// How fast each kind may be: what `limits.rs` says, or the owner of the home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    connection: Rate,
    address: Rate,
    network: Rate,
    sender: Rate,
    recipient: Rate,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            connection: CONNECTION_RATE,
            address: ADDRESS_RATE,
            network: NETWORK_RATE,
            sender: SENDER_RATE,
            recipient: RECIPIENT_RATE,
        }
    }
}

impl Rates {
    /// Takes `"address=50/200"` in; false when it is no such thing.
    pub fn change(&mut self, text: &str) -> bool {
        let Some((kind, rate)) = text.split_once('=') else { return false };
        let Some((Ok(burst), Ok(per_hour))) = rate.split_once('/').map(|(burst, hour)| (burst.trim().parse(), hour.trim().parse()))
        else {
            return false;
        };
        let slot = match kind.trim() {
            "connection" => &mut self.connection,
            "address" => &mut self.address,
            "network" => &mut self.network,
            "sender" => &mut self.sender,
            "recipient" => &mut self.recipient,
            _ => return false,
        };
        *slot = Rate { burst, per_hour };
        burst > 0
    }

    /// The one that holds for this.
    pub fn of(&self, of: &Of<'_>) -> Rate {
        match of {
            Of::Connection(_) => self.connection,
            Of::Address(_) => self.address,
            Of::Network(_) => self.network,
            Of::Sender(_) => self.sender,
            Of::Recipient(_) => self.recipient,
        }
    }
}

/// Token buckets, and the greylist.
#[derive(Debug, Default)]
pub struct Pace {
    hasher: RandomState,
    buckets: Mutex<HashMap<u64, Bucket>>,
    grey: Mutex<HashMap<u64, Grey>>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    at: Timestamp,
}

#[derive(Clone, Copy, Debug)]
struct Grey {
    first: Timestamp,
    last: Timestamp,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pace {
    /// Takes a token; false when there is none. `percent` scales the rate; 0 is without bounds.
    pub fn take(&self, of: Of<'_>, rate: Rate, percent: u32, now: Timestamp) -> bool {
        if percent == 0 {
            return true;
        }
        let scale = f64::from(percent) / 100.0;
        let (burst, per_second) = ((f64::from(rate.burst) * scale).max(1.0), f64::from(rate.per_hour) * scale / 3600.0);
        let key = match of {
            Of::Network(ip) => self.hasher.hash_one((1, network(ip))),
            other => self.hasher.hash_one((0, other)),
        };
        let mut buckets = lock(&self.buckets);
        make_room(&mut buckets, |bucket| now.since(bucket.at) < Duration::from_secs(3600));
        let bucket = buckets.entry(key).or_insert(Bucket { tokens: burst, at: now });
        bucket.tokens = (bucket.tokens + now.since(bucket.at).as_secs_f64() * per_second).min(burst);
        bucket.at = now;
        let has_one = bucket.tokens >= 1.0;
        if has_one {
            bucket.tokens -= 1.0;
        }
        has_one
    }

    /// Is this the second time, late enough and not too late, that this network sends from there to them?
    pub fn was_here(&self, ip: IpAddr, sender: Option<&Address>, recipient: &Address, now: Timestamp) -> bool {
        let key = self.hasher.hash_one((network(ip), sender.map(Address::key), recipient.key()));
        let mut grey = lock(&self.grey);
        make_room(&mut grey, |one| now.since(one.last) < GREY_KEPT);
        let one = grey.entry(key).or_insert(Grey { first: now, last: now });
        let passed = one.last > one.first;
        let waited = now.since(one.first);
        if (passed && now.since(one.last) < GREY_KEPT) || (waited >= GREY_AFTER && waited < GREY_WITHIN) {
            one.last = now;
            return true;
        }
        if passed || waited >= GREY_WITHIN {
            *one = Grey { first: now, last: now };
        }
        false
    }
}

fn network(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => IpAddr::V4(Ipv4Net::new(ip, 24).map_or(ip, |network| network.network())),
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Net::new(ip, 48).map_or(ip, |network| network.network())),
    }
}

fn make_room<T>(map: &mut HashMap<u64, T>, is_fresh: impl Fn(&T) -> bool) {
    if map.len() < PACE_PLACES_MAX {
        return;
    }
    map.retain(|_, one| is_fresh(one));
    if map.len() >= PACE_PLACES_MAX {
        map.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp::from_secs(1_800_000_000);
    const RATE: Rate = Rate { burst: 3, per_hour: 60 };

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn later(seconds: u64) -> Timestamp {
        NOON.after(Duration::from_secs(seconds))
    }

    #[test]
    fn a_bucket_is_emptied_and_fills_again() {
        let pace = Pace::default();
        let take = |at| pace.take(Of::Address(ip("192.0.2.1")), RATE, 100, at);
        assert_eq!([take(NOON), take(NOON), take(NOON), take(NOON)], [true, true, true, false]);
        assert!(!take(later(59)));
        assert!(take(later(120)) && take(later(120)) && !take(later(120)));
        assert!(pace.take(Of::Address(ip("192.0.2.2")), RATE, 100, NOON), "everybody has a bucket of their own");
        assert!((0..100).all(|_| pace.take(Of::Address(ip("192.0.2.1")), RATE, 0, NOON)));
        assert_eq!((0..10).filter(|_| pace.take(Of::Address(ip("192.0.2.9")), RATE, 200, NOON)).count(), 6);
    }

    #[test]
    fn rates_are_the_owners_to_change() {
        let mut rates = Rates::default();
        for (text, good) in [
            ("address=50/200", true),
            (" recipient = 3 / 9 ", true),
            ("address=0/200", false),
            ("address=50", false),
            ("address=x/1", false),
            ("street=1/1", false),
            ("", false),
        ] {
            assert_eq!(rates.change(text), good, "{text}");
        }
        let alice = "alice@home.example".parse().expect("an address");
        assert_eq!(rates.of(&Of::Recipient(&alice)), Rate { burst: 3, per_hour: 9 });
        assert_eq!(rates.of(&Of::Sender(&alice)), SENDER_RATE);
    }

    #[test]
    fn neighbours_share_a_network() {
        for (one, other, outside) in
            [("192.0.2.1", "192.0.2.200", "192.0.3.1"), ("2001:db8:1::1", "2001:db8:1:ff::1", "2001:db8:2::1")]
        {
            let pace = Pace::default();
            for _ in 0..3 {
                assert!(pace.take(Of::Network(ip(one)), RATE, 100, NOON));
            }
            assert!(!pace.take(Of::Network(ip(other)), RATE, 100, NOON), "{other}");
            assert!(pace.take(Of::Network(ip(outside)), RATE, 100, NOON), "{outside}");
            assert!(pace.take(Of::Address(ip(one)), RATE, 100, NOON), "an address is not its network");
        }
    }

    #[test]
    fn it_stays_small() {
        let pace = Pace::default();
        for n in 0..PACE_PLACES_MAX + 10 {
            let n = u32::try_from(n).expect("fits");
            pace.take(Of::Address(IpAddr::V4(n.into())), RATE, 100, NOON);
        }
        assert!(lock(&pace.buckets).len() <= PACE_PLACES_MAX);
    }

    #[test]
    fn who_comes_again_was_here() {
        let pace = Pace::default();
        let (carol, alice): (Address, Address) = ("c@else.example".parse().expect("one"), "a@home.example".parse().expect("one"));
        let came = |from: &str, at| pace.was_here(ip(from), Some(&carol), &alice, at);
        assert!(!came("192.0.2.1", NOON));
        assert!(!came("192.0.2.1", NOON.after(GREY_AFTER - Duration::from_secs(1))));
        assert!(came("192.0.2.77", NOON.after(GREY_AFTER)), "from a neighbour");
        assert!(came("192.0.2.1", NOON.after(GREY_WITHIN)), "known from now on");
        assert!(!came("198.51.100.1", NOON.after(GREY_AFTER)));
        assert!(!pace.was_here(ip("192.0.2.1"), None, &alice, NOON.after(GREY_AFTER)));
        let pace = Pace::default();
        let came = |at| pace.was_here(ip("192.0.2.1"), Some(&carol), &alice, at);
        assert!(!came(NOON) && !came(NOON.after(GREY_WITHIN)), "too late, and begins anew");
        assert!(came(NOON.after(GREY_WITHIN + GREY_AFTER)));
    }

    #[test]
    fn each_kind_has_a_rate_of_its_own() {
        let (carol, peer) = ("carol@else.example".parse().expect("an address"), "192.0.2.1:4000".parse().expect("an address"));
        for (of, rate) in [
            (Of::Connection(peer), CONNECTION_RATE),
            (Of::Address(peer.ip()), ADDRESS_RATE),
            (Of::Network(peer.ip()), NETWORK_RATE),
            (Of::Sender(&carol), SENDER_RATE),
            (Of::Recipient(&carol), RECIPIENT_RATE),
        ] {
            let (pace, burst) = (Pace::default(), usize::try_from(rate.burst).expect("fits"));
            let taken = |at| (0..2000).take_while(|_| pace.take(of, Rates::default().of(&of), 100, at)).count();
            assert_eq!(taken(NOON), burst, "{of:?}");
            let hour = usize::try_from(rate.per_hour).expect("fits").min(burst);
            assert_eq!(taken(later(3600)), hour, "{of:?}");
        }
    }

    #[test]
    fn who_was_here_is_known_for_a_while() {
        let alice = "alice@home.example".parse().expect("an address");
        for (after, known) in [(GREY_KEPT - Duration::from_secs(1), true), (GREY_KEPT, false)] {
            let pace = Pace::default();
            let came = |at| pace.was_here(ip("192.0.2.1"), None, &alice, at);
            assert!(!came(NOON) && came(NOON.after(GREY_AFTER)));
            assert_eq!(came(NOON.after(GREY_AFTER + after)), known, "{after:?}");
        }
    }
}
