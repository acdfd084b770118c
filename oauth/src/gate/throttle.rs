// SPDX-License-Identifier: AGPL-3.0-or-later
//! How often somebody may guess. Pure: the time is an argument.
//!
//! A failure counts against the network it comes from, the account it is aimed at, and the pair of them.
//! Beyond what is free each further failure makes the next attempt wait, twice as long as the one
//! before. Time forgives one failure after the other.
//!
//! A code of six digits is another matter: whoever knows the password and may try it often enough gets in. So all
//! guesses at an account's codes count together, however many networks they come from; those from where the account has signed
//! in before in a count of their own.
//!
//! Who guesses from elsewhere cannot lock the owner out: from a network that an account has signed in
//! from, and with a browser that it has signed in with, only failures of that same pair count. And in an area (a /24 of IPv4, a
//! /48 of IPv6) where nobody failed before, the failures of other areas do not count, but for those that were the first of
//! theirs. And what cannot be guessed (128 random bits) is looked at whatever went before: of it only what was wrong
//! counts, as a [`Deed`].
//!
//! A failure is counted when the attempt is admitted and given back when it succeeds, so that a hundred
//! attempts at once are not a hundred free ones.
//!
//! Beside guesses there are deeds: what anybody may do, and not too often from one network. Each has a
//! rule and a count of its own.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

pub use hearth_identity::directory::network_of;
use hearth_types::Timestamp;

use super::limits::{
    ACCOUNT, CODES, CODES_AT_HOME, FIRST, FLOOD, FRESH, NETWORK, OWNER, PAIR, PROOF, REGISTRATION, ROWS_MAX, SHEET, USER_CODE,
    WAITING,
};

/// How many failures are free, and how the waits grow after that.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Failures that cost nothing.
    pub free: u32,
    /// The wait after the next one; each further one doubles it.
    pub first_wait: Duration,
    /// The longest wait.
    pub longest_wait: Duration,
    /// One failure is forgotten after so long without another.
    pub forgive_one_each: Duration,
}

/// Who tries a human password from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The name that was claimed, normal.
    pub account: String,
    /// From [`network_of`]; for a browser that the account is known by, the same wherever it is.
    pub network: String,
    /// From [`area_of`].
    pub area: String,
    /// The account has signed in from this network lately, or with this browser.
    pub is_known: bool,
    /// How hard it is to guess.
    pub strength: Strength,
}

/// What is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strength {
    /// A human password.
    Guessable,
    /// Six digits of an authenticator app, after the password was right.
    Code,
    /// A line of the recovery sheet, after the password was right.
    Sheet,
}

/// What a network does so often and no more, each counted for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Deed {
    /// It showed something of 128 random bits (an app password, a proof of one, a token) that was wrong.
    WrongRandom,
    /// Somebody types the code of a device.
    UserCode,
    /// A program registers itself.
    Registration,
    /// A stranger's client leaves a request that waits for a person.
    Waiting,
    /// A stranger's client shows something that may be seen once.
    Proof,
}

impl Deed {
    /// How often.
    pub const fn rule(self) -> Rule {
        match self {
            Self::WrongRandom => FLOOD,
            Self::UserCode => USER_CODE,
            Self::Registration => REGISTRATION,
            Self::Waiting => WAITING,
            Self::Proof => PROOF,
        }
    }
}

/// The memory of failures and deeds; bounded.
#[derive(Debug, Default)]
pub struct Throttle {
    pairs: Table<(String, String)>,
    accounts: Table<String>,
    /// Of accounts: failures that were the first of their area.
    firsts: Table<String>,
    /// Areas where somebody failed.
    areas: Table<String>,
    networks: Table<String>,
    deeds: HashMap<Deed, Table<String>>,
    /// Of accounts, from known networks or from strange ones. Whoever has a row here knew a password: nobody can fill
    /// the table to have a row dropped.
    codes: Table<(String, bool)>,
    sheets: Table<(String, String)>,
}

/// What one customer is given, or one company: the /24 of an IPv4 address, the /48 of an IPv6 address.
pub fn area_of(peer: IpAddr) -> String {
    match peer.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(v6) => {
            let [a, b, c, ..] = v6.segments();
            format!("{}/48", Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
        }
    }
}

impl Throttle {
    /// May this be tried now? Then it counts as a failure until [`Throttle::succeeded`]; else how long to wait.
    pub fn admit(&mut self, attempt: &Attempt, now: Timestamp) -> Result<(), Duration> {
        let wait = self.wait(attempt, now);
        if !wait.is_zero() {
            return Err(wait);
        }
        let network = &attempt.network;
        match (attempt.strength, attempt.is_known) {
            (Strength::Code, is_known) => self.codes.count(code(attempt), code_rule(is_known), now),
            (Strength::Sheet, _) => self.sheets.count(pair(attempt), &SHEET, now),
            (Strength::Guessable, true) => self.pairs.count(pair(attempt), &OWNER, now),
            (Strength::Guessable, false) => {
                self.pairs.count(pair(attempt), &PAIR, now);
                self.networks.count(network.clone(), &NETWORK, now);
                match self.failures_there(attempt, now) {
                    0 => self.firsts.count(attempt.account.clone(), &FIRST, now),
                    _ => self.accounts.count(attempt.account.clone(), &ACCOUNT, now),
                }
                self.areas.count(attempt.area.clone(), &FRESH, now);
            }
        }
        Ok(())
    }

    fn wait(&self, attempt: &Attempt, now: Timestamp) -> Duration {
        let network = &attempt.network;
        match (attempt.strength, attempt.is_known) {
            (Strength::Code, _) => self.codes.wait(&code(attempt), now),
            (Strength::Sheet, _) => self.sheets.wait(&pair(attempt), now),
            (Strength::Guessable, true) => self.pairs.wait(&pair(attempt), now),
            (Strength::Guessable, false) => {
                let others = match self.failures_there(attempt, now) {
                    0 => self.firsts.wait(&attempt.account, now),
                    _ => self.accounts.wait(&attempt.account, now),
                };
                self.pairs.wait(&pair(attempt), now).max(others).max(self.networks.wait(network, now))
            }
        }
    }

    /// Failures in the attempt's area, at whatever account.
    fn failures_there(&self, attempt: &Attempt, now: Timestamp) -> u32 {
        self.areas.rows.get(&attempt.area).map_or(0, |row| {
            let mut row = *row;
            row.forgive(&FRESH, now);
            row.failures
        })
    }

    /// An attempt that was strange is no failure after all.
    fn give_back_strange(&mut self, attempt: &Attempt, now: Timestamp) {
        match self.failures_there(attempt, now) {
            0 | 1 => self.firsts.give_back(&attempt.account, &FIRST, now),
            _ => self.accounts.give_back(&attempt.account, &ACCOUNT, now),
        }
        self.areas.give_back(&attempt.area, &FRESH, now);
        self.networks.give_back(&attempt.network, &NETWORK, now);
    }

    /// An admitted attempt was right: what it was counted as is given back, and the pair starts anew.
    /// The counts of the network, of the account and of its codes stay, for others may be guessing there.
    pub fn succeeded(&mut self, attempt: &Attempt, now: Timestamp) {
        match (attempt.strength, attempt.is_known) {
            (Strength::Code, is_known) => self.codes.give_back(&code(attempt), code_rule(is_known), now),
            (Strength::Sheet, _) => self.sheets.give_back(&pair(attempt), &SHEET, now),
            (Strength::Guessable, is_known) => {
                self.pairs.rows.remove(&pair(attempt));
                if !is_known {
                    self.give_back_strange(attempt, now);
                }
            }
        }
    }

    /// An admitted attempt was neither right nor wrong (we were too busy to say).
    pub fn undecided(&mut self, attempt: &Attempt, now: Timestamp) {
        if attempt.strength == Strength::Guessable {
            let rule = if attempt.is_known { &OWNER } else { &PAIR };
            self.pairs.give_back(&pair(attempt), rule, now);
            if !attempt.is_known {
                self.give_back_strange(attempt, now);
            }
        }
    }

    /// May a network do this now? Then it is counted; else how long to wait.
    pub fn admit_deed(&mut self, deed: Deed, network: &str, now: Timestamp) -> Result<(), Duration> {
        let table = self.deeds.entry(deed).or_default();
        let wait = table.wait(network, now);
        if !wait.is_zero() {
            return Err(wait);
        }
        table.count(network.to_string(), &deed.rule(), now);
        Ok(())
    }

    /// What was admitted does not count after all.
    pub fn give_back_deed(&mut self, deed: Deed, network: &str, now: Timestamp) {
        if let Some(table) = self.deeds.get_mut(&deed) {
            table.give_back(network, &deed.rule(), now);
        }
    }

    /// Remembers what was wrong (as a keyed hash): a device that shows the same wrong password for days
    /// guesses nothing.
    pub fn remember_wrong(&mut self, attempt: &Attempt, wrong: [u8; 8]) {
        if let Some(row) = self.pairs.rows.get_mut(&pair(attempt)) {
            row.wrong = Some(wrong);
        }
    }

    /// Was this very password wrong here the last time?
    pub fn is_known_wrong(&self, attempt: &Attempt, wrong: [u8; 8]) -> bool {
        self.pairs.rows.get(&pair(attempt)).is_some_and(|row| row.wrong == Some(wrong))
    }
}

fn pair(attempt: &Attempt) -> (String, String) {
    (attempt.account.clone(), attempt.network.clone())
}

fn code(attempt: &Attempt) -> (String, bool) {
    (attempt.account.clone(), attempt.is_known)
}

const fn code_rule(is_known: bool) -> &'static Rule {
    if is_known { &CODES_AT_HOME } else { &CODES }
}

#[derive(Debug)]
struct Table<K> {
    rows: HashMap<K, Row>,
}

impl<K> Default for Table<K> {
    fn default() -> Self {
        Self { rows: HashMap::new() }
    }
}

#[derive(Clone, Copy, Debug)]
struct Row {
    failures: u32,
    /// When `failures` was right.
    at: Timestamp,
    /// No attempt before this.
    until: Timestamp,
    wrong: Option<[u8; 8]>,
}

impl Row {
    /// Takes away what time has forgiven.
    fn forgive(&mut self, rule: &Rule, now: Timestamp) {
        let step = rule.forgive_one_each.as_millis().max(1);
        let steps = now.since(self.at).as_millis() / step;
        self.failures = self.failures.saturating_sub(u32::try_from(steps).unwrap_or(u32::MAX));
        self.at = if self.failures == 0 {
            now
        } else {
            self.at.after(Duration::from_millis(u64::try_from(steps * step).unwrap_or(u64::MAX)))
        };
    }

    /// How long the next attempt waits after so many failures.
    fn wait_after(&self, rule: &Rule) -> Duration {
        match self.failures.checked_sub(rule.free + 1) {
            None => Duration::ZERO,
            Some(beyond) => rule.first_wait.saturating_mul(2_u32.saturating_pow(beyond)).min(rule.longest_wait),
        }
    }
}

impl<K: std::hash::Hash + Eq + Clone> Table<K> {
    fn wait<Q>(&self, key: &Q, now: Timestamp) -> Duration
    where
        K: std::borrow::Borrow<Q>,
        Q: std::hash::Hash + Eq + ?Sized,
    {
        self.rows.get(key).map_or(Duration::ZERO, |row| row.until.since(now))
    }

    fn count(&mut self, key: K, rule: &Rule, now: Timestamp) {
        if !self.rows.contains_key(&key) {
            self.make_room();
        }
        let row = self.rows.entry(key).or_insert(Row { failures: 0, at: now, until: now, wrong: None });
        row.forgive(rule, now);
        row.failures = row.failures.saturating_add(1);
        row.until = now.after(row.wait_after(rule));
    }

    fn give_back<Q>(&mut self, key: &Q, rule: &Rule, now: Timestamp)
    where
        K: std::borrow::Borrow<Q>,
        Q: std::hash::Hash + Eq + ?Sized,
    {
        if let Some(row) = self.rows.get_mut(key) {
            row.failures = row.failures.saturating_sub(1);
            row.until = now.after(row.wait_after(rule)).min(row.until);
        }
    }

    /// Drops the half that failed longest ago when the table is full: seldom, and in one pass.
    fn make_room(&mut self) {
        if self.rows.len() < ROWS_MAX {
            return;
        }
        let mut times: Vec<Timestamp> = self.rows.values().map(|row| row.at.max(row.until)).collect();
        let middle = times.len() / 2;
        let (_, &mut cut, _) = times.select_nth_unstable(middle);
        let mut spare = ROWS_MAX / 2;
        // Of those at the cut itself, no more than fit.
        self.rows.retain(|_, row| {
            let keep = row.at.max(row.until) >= cut && spare > 0;
            spare -= usize::from(keep);
            keep
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(account: &str, network: &str, is_known: bool, strength: Strength) -> Attempt {
        Attempt { account: account.into(), network: network.into(), area: network.into(), is_known, strength }
    }

    fn start() -> Timestamp {
        Timestamp::from_secs(1_000_000)
    }

    /// How many failures in a row are admitted at one moment.
    fn admitted(throttle: &mut Throttle, attempt: &Attempt, tries: u32) -> u32 {
        (0..tries).take_while(|_| throttle.admit(attempt, start()).is_ok()).count() as u32
    }

    #[test]
    fn each_rule_has_two_sides() {
        for (is_known, strength, rule) in [
            (true, Strength::Guessable, OWNER),
            (false, Strength::Guessable, PAIR),
            (true, Strength::Code, CODES_AT_HOME),
            (false, Strength::Code, CODES),
            (false, Strength::Sheet, SHEET),
        ] {
            let attempt = attempt("alice", "net", is_known, strength);
            let mut throttle = Throttle::default();
            // The one that exceeds what is free is admitted, and the one after it waits.
            assert_eq!(admitted(&mut throttle, &attempt, 1_000), rule.free + 1);
            assert_eq!(throttle.admit(&attempt, start()), Err(rule.first_wait));
            assert!(throttle.admit(&attempt, start().after(rule.first_wait)).is_ok());
        }
    }

    #[test]
    fn each_deed_has_two_sides_and_takes_nothing_from_another() {
        let mut throttle = Throttle::default();
        for deed in [Deed::WrongRandom, Deed::UserCode, Deed::Registration, Deed::Waiting, Deed::Proof] {
            let mut admit = |network: &str, now| throttle.admit_deed(deed, network, now);
            let tries = (0..1_000).take_while(|_| admit("net", start()).is_ok()).count();
            assert_eq!(tries as u32, deed.rule().free + 1, "{deed:?}");
            assert_eq!(admit("net", start()), Err(deed.rule().first_wait));
            assert_eq!(admit("other", start()), Ok(()));
            assert_eq!(admit("net", start().after(deed.rule().first_wait)), Ok(()));
        }
        let mut throttle = Throttle::default();
        for _ in 0..1_000 {
            throttle.admit_deed(Deed::UserCode, "net", start()).expect("it is given back each time");
            throttle.give_back_deed(Deed::UserCode, "net", start());
        }
    }

    #[test]
    fn a_network_that_tries_many_accounts() {
        let mut throttle = Throttle::default();
        let tries = (0..1_000)
            .take_while(|n| throttle.admit(&attempt(&format!("user{n}"), "net", false, Strength::Guessable), start()).is_ok())
            .count();
        assert_eq!(tries as u32, NETWORK.free + 1);
        assert!(throttle.admit(&attempt("alice", "other", false, Strength::Guessable), start()).is_ok());
    }

    #[test]
    fn a_botnet_that_tries_one_account_does_not_keep_its_owner_out() {
        let mut throttle = Throttle::default();
        let from = |n: u32| attempt("alice", &format!("net{n}"), false, Strength::Guessable);
        // Four networks of two areas: they have what there is for those who failed before.
        let few = |n: u32| Attempt { area: format!("area{}", n % 2), ..from(n % 4) };
        let tries = (0..1_000).take_while(|n| throttle.admit(&few(*n), start()).is_ok()).count();
        assert_eq!(tries as u32, 2 + ACCOUNT.free + 1);
        assert!(throttle.admit(&Attempt { area: "area0".into(), ..from(9) }, start()).is_err(), "a neighbour of theirs");
        // Then one after the other that never failed.
        let tries = (10..1_000).take_while(|n| throttle.admit(&from(*n), start()).is_ok()).count();
        assert_eq!(2 + tries as u32, FIRST.free + 1);
        assert!(throttle.admit(&attempt("alice", "elsewhere", false, Strength::Guessable), start()).is_err());
        assert!(throttle.admit(&attempt("alice", "home", true, Strength::Guessable), start()).is_ok());
        assert!(throttle.admit(&attempt("bob", "elsewhere", false, Strength::Guessable), start()).is_ok());
    }

    #[test]
    fn waits_double_to_their_longest_and_time_forgives() {
        let mut throttle = Throttle::default();
        let attempt = attempt("alice", "net", false, Strength::Guessable);
        admitted(&mut throttle, &attempt, 1_000);
        let mut now = start();
        let mut waits = Vec::new();
        for _ in 0..12 {
            let wait = throttle.admit(&attempt, now).expect_err("it waits");
            waits.push(wait);
            now = now.after(wait);
            assert!(throttle.admit(&attempt, now).is_ok());
        }
        assert_eq!(waits[..3], [2, 4, 8].map(Duration::from_secs));
        // They grow until time forgives as fast as the guesser may fail: some 300 guesses a day.
        let last = waits.last().copied().unwrap_or_default();
        assert!(PAIR.forgive_one_each / 2 < last && last <= PAIR.longest_wait, "{waits:?}");
        let later = now.after(Duration::from_secs(24 * 3600));
        assert!((0..=PAIR.free).all(|_| throttle.admit(&attempt, later).is_ok()));
    }

    #[test]
    fn right_ones_cost_nothing() {
        let mut throttle = Throttle::default();
        let attempt = attempt("alice", "net", false, Strength::Guessable);
        for _ in 0..1_000 {
            throttle.admit(&attempt, start()).expect("a right password is never in its own way");
            throttle.succeeded(&attempt, start());
        }
    }

    #[test]
    fn a_guesser_with_an_account_of_his_own_does_not_clear_the_network() {
        let mut throttle = Throttle::default();
        let own = attempt("mallory", "net", false, Strength::Guessable);
        throttle.admit(&own, start()).expect("free");
        throttle.succeeded(&own, start());
        for n in 0..=NETWORK.free {
            if n == NETWORK.free / 2 {
                throttle.admit(&own, start()).expect("free");
                throttle.succeeded(&own, start());
            }
            throttle.admit(&attempt(&format!("user{n}"), "net", false, Strength::Guessable), start()).expect("free");
        }
        assert!(throttle.admit(&own, start()).is_err());
        assert!(throttle.admit(&attempt("alice", "net", false, Strength::Guessable), start()).is_err());
    }

    #[test]
    fn a_year_of_guesses_at_codes_from_everywhere() {
        let mut throttle = Throttle::default();
        let (year, mut admitted) = (Duration::from_secs(365 * 24 * 3600), [0_u32, 0]);
        let mut now = start();
        while now.since(start()) < year {
            let mut next = year;
            for (guesses, is_known) in admitted.iter_mut().zip([false, true]) {
                // From a network that never failed before, each time, and as soon as there is no wait.
                let from = |n: &u32| attempt("alice", &format!("net{n}"), is_known, Strength::Code);
                let wait = loop {
                    match throttle.admit(&from(guesses), now) {
                        Ok(()) => *guesses += 1,
                        Err(wait) => break wait,
                    }
                };
                next = next.min(wait);
            }
            now = now.after(next);
        }
        assert!(admitted[0] <= 1_480 && admitted.iter().sum::<u32>() <= 4_450, "{admitted:?}");
        // The owner's right codes neither clear the count nor are counted.
        let own = attempt("alice", "home", true, Strength::Code);
        let later = now.after(year);
        for _ in 0..100 {
            throttle.admit(&own, later).expect("right ones cost nothing");
            throttle.succeeded(&own, later);
        }
        for _ in 0..=CODES_AT_HOME.free {
            throttle.admit(&own, later).expect("free");
        }
        throttle.succeeded(&own, later);
        throttle.admit(&own, later).expect("given back");
        assert!(throttle.admit(&own, later).is_err(), "and no more than that");
    }

    #[test]
    fn the_same_wrong_password_is_known() {
        let mut throttle = Throttle::default();
        let attempt = attempt("alice", "net", true, Strength::Guessable);
        throttle.admit(&attempt, start()).expect("free");
        throttle.remember_wrong(&attempt, [1; 8]);
        assert!(throttle.is_known_wrong(&attempt, [1; 8]) && !throttle.is_known_wrong(&attempt, [2; 8]));
    }

    #[test]
    fn who_was_right_leaves_a_fresh_network_fresh() {
        let mut throttle = Throttle::default();
        let attempt = attempt("alice", "net", false, Strength::Guessable);
        for n in 0..1_000 {
            throttle.admit(&attempt, start()).expect("a right password is never in its own way");
            if n % 2 == 0 { throttle.succeeded(&attempt, start()) } else { throttle.undecided(&attempt, start()) }
        }
        assert_eq!(throttle.failures_there(&attempt, start()), 0);
        throttle.admit(&attempt, start()).expect("free");
        assert_eq!(throttle.failures_there(&attempt, start()), 1);
        assert_eq!(throttle.failures_there(&attempt, start().after(FRESH.forgive_one_each)), 0, "forgiven");
    }

    #[test]
    fn the_tables_are_bounded() {
        let mut throttle = Throttle::default();
        for n in 0..(ROWS_MAX * 3) {
            let _ = throttle.admit(&attempt(&format!("u{n}"), &format!("n{n}"), false, Strength::Guessable), start());
        }
        assert!(throttle.pairs.rows.len() <= ROWS_MAX && throttle.accounts.rows.len() <= ROWS_MAX);
        assert!(throttle.networks.rows.len() <= ROWS_MAX);
        assert!(throttle.pairs.rows.len() >= ROWS_MAX / 2);
    }

    #[test]
    fn an_ipv6_neighbour_is_the_same_network() {
        for (peer, network) in [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ] {
            assert_eq!(network_of(peer.parse().unwrap()), network);
        }
        for (peer, area) in
            [("192.0.2.1", "192.0.2.0/24"), ("::ffff:192.0.2.9", "192.0.2.0/24"), ("2001:db8:1:2::9", "2001:db8:1::/48")]
        {
            assert_eq!(area_of(peer.parse().unwrap()), area);
        }
    }
}
