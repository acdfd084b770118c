// SPDX-License-Identifier: AGPL-3.0-or-later
//! Every bound of the throttle, named. The gate's other bounds are in `hearth_identity::limits`.

use std::time::Duration;

use super::throttle::Rule;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// Guesses at one account from a network that its owner signs in from. Short waits: this is a person
/// who mistypes, or a forgotten device.
pub const OWNER: Rule = Rule { free: 20, first_wait: SECOND, longest_wait: MINUTE, forgive_one_each: MINUTE };
/// Guesses at one account from one network that is strange to it.
pub const PAIR: Rule = Rule {
    free: 10,
    first_wait: Duration::from_secs(2),
    longest_wait: Duration::from_secs(15 * 60),
    forgive_one_each: Duration::from_secs(5 * 60),
};
/// Guesses at one account from all networks that are strange to it: some 150 a day when they never end.
pub const ACCOUNT: Rule = Rule {
    free: 30,
    first_wait: Duration::from_secs(5),
    longest_wait: Duration::from_secs(15 * 60),
    forgive_one_each: Duration::from_secs(10 * 60),
};
/// Of these, guesses from where nobody failed before ([`FRESH`] says for how long): a count of their own, so that a few
/// networks that guess do not keep the owner out who is somewhere new. With [`ACCOUNT`] some 450 a day when they never end:
/// a password withstands 10^8 at least (`PASSWORD_GUESSES_LOG10`).
pub const FIRST: Rule = Rule {
    free: 60,
    first_wait: Duration::from_secs(5),
    longest_wait: Duration::from_secs(5 * 60),
    forgive_one_each: Duration::from_secs(5 * 60),
};
/// Failures in one area, of anybody: after a day it is as if nobody had failed there.
pub const FRESH: Rule =
    Rule { free: u32::MAX - 1, first_wait: SECOND, longest_wait: SECOND, forgive_one_each: Duration::from_secs(24 * 3600) };
/// Guesses from one network at accounts that it is strange to.
pub const NETWORK: Rule =
    Rule { free: 40, first_wait: Duration::from_secs(2), longest_wait: Duration::from_secs(15 * 60), forgive_one_each: MINUTE };
/// Guesses at an account's codes of six digits, whose password is known already, from all strange places together: sixteen on
/// the first day, then four a day for as long as they go on.
///
/// A guess is right by three in a million for each authenticator app (the step now and one to either side). With
/// [`CODES_AT_HOME`] that is at most 4,450 guesses in the first year from everywhere together, so one in 75 that somebody gets
/// in who knows the password and keeps trying unnoticed all the year; who only ever tries from strange places makes 1,480, one
/// in 225. NIST SP 800-63B-4 §3.2.2 allows a hundred in a row.
pub const CODES: Rule = Rule {
    free: 5,
    first_wait: MINUTE,
    longest_wait: Duration::from_secs(12 * 3600),
    forgive_one_each: Duration::from_secs(6 * 3600),
};
/// The same from where the owner signed in before, all such places together: strangers do not use it up.
pub const CODES_AT_HOME: Rule = Rule {
    free: 10,
    first_wait: Duration::from_secs(10),
    longest_wait: Duration::from_secs(6 * 3600),
    forgive_one_each: Duration::from_secs(3 * 3600),
};
/// Lines of the recovery sheet from one place: 50 random bits, so the bound is on our work.
pub const SHEET: Rule = Rule { free: 20, first_wait: SECOND, longest_wait: MINUTE, forgive_one_each: MINUTE };
/// Failures from one network with what nobody can guess (app passwords, SCRAM, tokens): a bound on what is
/// written of them, not on luck. What is right is never refused for it.
pub const FLOOD: Rule = Rule { free: 300, first_wait: SECOND, longest_wait: MINUTE, forgive_one_each: SECOND };
/// Codes of devices that are typed and wrong (RFC 8628 §5.1): of 34 bits, a few minutes long.
pub const USER_CODE: Rule =
    Rule { free: 20, first_wait: Duration::from_secs(10), longest_wait: Duration::from_secs(15 * 60), forgive_one_each: MINUTE };
/// Programs that register themselves: some ten a day, which is a family that sets up its devices.
pub const REGISTRATION: Rule =
    Rule { free: 10, first_wait: TENTH_OF_A_DAY, longest_wait: TENTH_OF_A_DAY, forgive_one_each: TENTH_OF_A_DAY };
const TENTH_OF_A_DAY: Duration = Duration::from_secs(24 * 3600 / 10);
/// Requests that clients without a secret of the household leave behind (pushed ones, those of devices): a family
/// behind one address has room, and one network cannot fill what one client may have waiting: some 120 in ten minutes.
pub const WAITING: Rule =
    Rule { free: 60, first_wait: Duration::from_secs(10), longest_wait: MINUTE, forgive_one_each: Duration::from_secs(10) };
/// Proofs and assertions of such clients, each of which is remembered for a few minutes.
pub const PROOF: Rule = Rule { free: 300, first_wait: SECOND, longest_wait: MINUTE, forgive_one_each: SECOND };

/// Rows that each of the throttle's tables holds; those that failed longest ago make room.
pub const ROWS_MAX: usize = 4_096;
/// What somebody is told to wait when too many passwords are being computed.
pub const BUSY_WAIT: Duration = Duration::from_secs(5);
/// How long exchanges may go on after the stop.
pub const DRAIN: Duration = Duration::from_secs(2);
