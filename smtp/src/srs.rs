// SPDX-License-Identifier: AGPL-3.0-or-later
//! Pure: sender rewriting (SRS, <https://www.libsrs2.net/srs/srs.pdf>): a forwarded mail leaves from an address of ours
//! that holds the sender's, so that SPF holds at the next server and a bounce finds its way back through us.
//!
//! `SRS0=hash=day=domain=local@ours`. The hash is keyed, so that nobody makes us a relay; the day bounds its life.

use hearth_types::{Address, Domain, Timestamp};

/// An address is good for this many days; bounces come within five.
const DAYS_MAX: i64 = 14;
/// Days are counted modulo this, in two characters of base 32.
const DAYS: i64 = 1024;
/// Characters of the hash, five bits each.
const HASH_CHARS: usize = 8;
const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
const TAG: &str = "SRS0=";
const DAY_SECONDS: i64 = 24 * 3600;

/// Makes such addresses, and reads its own.
#[derive(Clone)]
pub(crate) struct Rewriter {
    key: [u8; 32],
}

impl Rewriter {
    pub(crate) fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// The sender of a forwarded mail; `None` when the address would be too long (RFC 5321 §4.5.3.1.1).
    pub(crate) fn wrap(&self, sender: &Address, ours: &Domain, now: Timestamp) -> Option<Address> {
        let day = day_text(now.secs() / DAY_SECONDS);
        let rest = format!("{}={}", sender.domain(), sender.local());
        let hash = self.hash(&day, &rest);
        Address::new(format!("{TAG}{hash}={day}={rest}"), ours.clone()).ok()
    }

    /// Whose mail a bounce is about; `None` when the address is not one of ours, was tampered with, or is too old.
    pub(crate) fn unwrap(&self, address: &Address, now: Timestamp) -> Option<Address> {
        let local = address.local();
        let tag = local.get(..TAG.len()).filter(|tag| tag.eq_ignore_ascii_case(TAG))?;
        let (hash, rest) = local.get(tag.len()..)?.split_once('=')?;
        let (day, rest) = rest.split_once('=')?;
        let (domain, sender) = rest.split_once('=')?;
        if !hearth_types::constant_time_eq(
            self.hash(&day.to_ascii_lowercase(), rest).as_bytes(),
            hash.to_ascii_lowercase().as_bytes(),
        ) {
            return None;
        }
        let age = (now.secs() / DAY_SECONDS - day_of(day)?).rem_euclid(DAYS);
        if age > DAYS_MAX {
            return None;
        }
        Address::new(sender, Domain::parse(domain).ok()?).ok()
    }

    /// Over lower case: servers on the way may fold it.
    fn hash(&self, day: &str, rest: &str) -> String {
        let hash = blake3::keyed_hash(&self.key, format!("{day}={}", rest.to_lowercase()).as_bytes());
        hash.as_bytes().iter().take(HASH_CHARS).map(|byte| digit(i64::from(*byte))).collect()
    }
}

/// Is it of that form at all?
pub(crate) fn is_wrapped(address: &Address) -> bool {
    address.local().get(..TAG.len()).is_some_and(|tag| tag.eq_ignore_ascii_case(TAG))
}

fn digit(n: i64) -> char {
    let at = usize::try_from(n.rem_euclid(32)).unwrap_or(0);
    char::from(BASE32.get(at).copied().unwrap_or(b'a'))
}

fn day_text(day: i64) -> String {
    let day = day.rem_euclid(DAYS);
    [digit(day / 32), digit(day)].into_iter().collect()
}

fn day_of(text: &str) -> Option<i64> {
    let value =
        |byte: u8| BASE32.iter().position(|digit| *digit == byte.to_ascii_lowercase()).and_then(|at| i64::try_from(at).ok());
    match *text.as_bytes() {
        [high, low] => Some(value(high)? * 32 + value(low)?),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_795_366_800);

    fn address(text: &str) -> Address {
        text.parse().expect("an address")
    }

    #[test]
    fn a_bounce_finds_its_way_back() {
        let (ours, rewriter) = (Domain::parse("home.example").expect("a domain"), Rewriter::new([7; 32]));
        let sender = address("Carol=x@Else.example");
        let wrapped = rewriter.wrap(&sender, &ours, NOW).expect("an address");
        assert!(is_wrapped(&wrapped) && wrapped.domain() == &ours, "{wrapped}");
        assert_eq!(rewriter.unwrap(&wrapped, NOW), Some(sender.clone()));
        let folded = address(&wrapped.to_string().to_lowercase());
        assert_eq!(rewriter.unwrap(&folded, NOW).map(|found| found.key()), Some(sender.key()));
        let days = |days: u64| NOW.after(Duration::from_secs(days * 24 * 3600));
        assert!(rewriter.unwrap(&wrapped, days(14)).is_some());
        assert_eq!(rewriter.unwrap(&wrapped, days(15)), None);
    }

    #[test]
    fn nobody_else_makes_one() {
        let (ours, rewriter) = (Domain::parse("home.example").expect("a domain"), Rewriter::new([7; 32]));
        let wrapped = rewriter.wrap(&address("carol@else.example"), &ours, NOW).expect("an address").to_string();
        for forged in [
            wrapped.replace("carol", "mallory"),
            wrapped.replace("else.example", "evil.example"),
            "SRS0=aaaaaaaa=aa=x.org=a@home.example".to_string(),
            "SRS0=@home.example".to_string(),
            "SRS0====@home.example".to_string(),
        ] {
            assert_eq!(rewriter.unwrap(&address(&forged), NOW), None, "{forged}");
        }
        assert_eq!(Rewriter::new([8; 32]).unwrap(&address(&wrapped), NOW), None);
        assert_eq!(rewriter.wrap(&address(&format!("{}@else.example", "x".repeat(60))), &ours, NOW), None);
    }
}
