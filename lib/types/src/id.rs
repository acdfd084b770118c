// SPDX-License-Identifier: AGPL-3.0-or-later
//! Identifiers: 63 bits, ordered by the time of their making, written as 13 letters.
//!
//! The high 43 bits are milliseconds since the epoch (enough until the year 2248), the low 20 are
//! random for the first of a millisecond and count on from it for the next. Those of one process ascend: what is made at
//! an earlier moment than the last (a clock was set back, a thread came late) counts on from that, and says a time that is
//! a little late; two of them never meet. They fit a BIGINT, sort by age, and are unique per table by its primary key. Written in
//! Crockford's base 32, lower case, they serve OBJECTID (RFC 8474), JMAP (RFC 8620 §1.2) and the log.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::Timestamp;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const RANDOM_BITS: u32 = 20;
const RANDOM_MASK: i64 = (1 << RANDOM_BITS) - 1;
/// The last id that this process made.
static LAST: AtomicI64 = AtomicI64::new(0);
/// Letters of a written id: 13 * 5 bits hold 63.
pub const ID_LETTERS: usize = 13;

/// What every kind of id is inside.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(i64);

impl Id {
    /// A new id, made at `now`.
    pub fn new(now: Timestamp) -> Self {
        Self::after(&LAST, now, random_u32())
    }

    fn after(last: &AtomicI64, now: Timestamp, random: u32) -> Self {
        let moment = (now.millis().max(0) << RANDOM_BITS) & i64::MAX;
        // By chance alone, two of a thousand in one millisecond would be the same in every third one.
        let next = |last: i64| match moment <= last & !RANDOM_MASK {
            true => last.saturating_add(1),
            false => moment | i64::from(random) & RANDOM_MASK,
        };
        let before = last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(next(last)));
        Self(next(before.unwrap_or_else(|before| before)))
    }

    /// From its number, as a table stores it.
    pub const fn from_i64(number: i64) -> Self {
        Self(number)
    }

    /// Its number, as a table stores it.
    pub const fn as_i64(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut letters = [b'0'; ID_LETTERS];
        let mut rest = self.0.cast_unsigned();
        for letter in letters.iter_mut().rev() {
            *letter = ALPHABET[(rest & 31) as usize];
            rest >>= 5;
        }
        f.write_str(std::str::from_utf8(&letters).expect("the alphabet is ASCII"))
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What was read is not an id of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an id: 13 letters of 0-9 and a-z without i, l, o, u")]
pub struct NotAnId;

impl FromStr for Id {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        if text.len() != ID_LETTERS {
            return Err(NotAnId);
        }
        let mut number: u128 = 0;
        for byte in text.bytes() {
            let digit = ALPHABET.iter().position(|&letter| letter == byte).ok_or(NotAnId)?;
            number = number << 5 | digit as u128;
        }
        i64::try_from(number).map(Self).map_err(|_| NotAnId)
    }
}

fn random_u32() -> u32 {
    getrandom::u32().expect("the kernel's random source answers")
}

/// Four letters for a person to read out.
pub(crate) fn short_tag() -> String {
    let mut rest = random_u32();
    let mut tag = String::with_capacity(4);
    for _ in 0..4 {
        tag.push(ALPHABET[(rest & 31) as usize].to_ascii_uppercase() as char);
        rest >>= 5;
    }
    tag
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Id);

        impl $name {
            /// A new id, made at `now`.
            pub fn new(now: Timestamp) -> Self {
                Self(Id::new(now))
            }

            /// From its number, as a table stores it.
            pub const fn from_i64(number: i64) -> Self {
                Self(Id::from_i64(number))
            }

            /// Its number, as a table stores it.
            pub const fn as_i64(self) -> i64 {
                self.0.as_i64()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                text.parse().map(Self)
            }
        }
    )*};
}

ids! {
    /// A person, group, service or guest.
    AccountId,
    /// A mail domain of this home.
    DomainId,
    /// A mailbox (RFC 8474 MAILBOXID).
    MailboxId,
    /// A message (RFC 8474 EMAILID).
    MessageId,
    /// A conversation (RFC 8474 THREADID).
    ThreadId,
    /// Stored bytes that are not yet a message (an upload).
    BlobId,
    /// A Sieve script.
    ScriptId,
    /// An address book (RFC 9610 §2).
    AddressBookId,
    /// A card in it (RFC 9610 §3).
    CardId,
    /// A signed-in device, an app password or a browser session.
    SessionId,
    /// An OAuth client.
    ClientId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_and_read_again() {
        for number in [0, 1, 31, 32, i64::MAX, 0x0123_4567_89ab_cdef] {
            let id = Id::from_i64(number);
            assert_eq!(id.to_string().len(), ID_LETTERS);
            assert_eq!(id.to_string().parse(), Ok(id));
        }
    }

    #[test]
    fn what_is_not_an_id() {
        for text in ["", "0", "00000000000000", "zzzzzzzzzzzzz", "000000000000i", "00000000000 0", "é00000000000"] {
            assert_eq!(text.parse::<Id>(), Err(NotAnId), "{text}");
        }
    }

    /// As many as a millisecond holds, made by several threads at once.
    #[test]
    fn ids_of_one_moment_are_all_different() {
        let (now, last) = (Timestamp::from_secs(1_800_000_000), AtomicI64::new(0));
        let make = || (0..1 << (RANDOM_BITS - 2)).map(|_| Id::after(&last, now, u32::MAX).0).collect::<Vec<_>>();
        let mut all = std::collections::HashSet::new();
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(make)).collect();
            threads.into_iter().for_each(|thread| all.extend(thread.join().expect("ids")));
        });
        assert_eq!(all.len(), 1 << RANDOM_BITS);
        assert!(all.iter().all(|id| [now.millis(), now.millis() + 1].contains(&(id >> RANDOM_BITS))));
        let later = Id::after(&last, Timestamp::from_secs(1_800_000_001), 7);
        assert_eq!(later.0 & RANDOM_MASK, 7, "the next moment begins by chance");
    }

    #[test]
    fn ids_ascend_though_the_clock_goes_back() {
        let last = AtomicI64::new(0);
        let at = |millis: i64, random| Id::after(&last, Timestamp::from_millis(millis), random);
        let hour = 3_600_000;
        let ids = [at(hour, 7), at(hour + 1, 9), at(hour, 7), at(0, 7), at(-1, 7), at(hour + 1, 7), at(hour + 2, 7)];
        assert!(ids.is_sorted_by(|one, next| one < next), "{ids:?}");
        assert_eq!((ids[2].0 & RANDOM_MASK, ids[6].0 & RANDOM_MASK), (10, 7), "on from the last; a new moment by chance");
        assert!(ids[5].0 >> RANDOM_BITS == hour + 1);
    }

    #[test]
    fn ordered_by_time() {
        let early = MessageId::new(Timestamp::from_secs(1_000));
        let late = MessageId::new(Timestamp::from_secs(1_001));
        assert!(early < late && early.to_string() < late.to_string());
    }
}
