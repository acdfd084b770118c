// SPDX-License-Identifier: AGPL-3.0-or-later
//! Every bound of this room, named.

use std::time::Duration;

/// Characters of a person's, a client's or a device's name.
pub const NAME_CHARS_MAX: usize = 200;
/// Octets of a redirect URI.
pub const REDIRECT_URI_BYTES_MAX: usize = 2048;
/// Characters of a human password. Longer ones are refused before anything is computed.
pub const PASSWORD_CHARS_MAX: usize = 128;
/// Characters that a new human password has at least (NIST SP 800-63B-4 §3.1.1.2 with a second factor or throttling: 8).
pub const PASSWORD_CHARS_MIN: usize = 8;
/// Aliases, lists and groups that a delivery follows one into the other.
pub const EXPANSION_DEPTH_MAX: usize = 8;
/// Recipients that one address stands for at most.
pub const EXPANSION_RECIPIENTS_MAX: usize = 1_000;
/// Targets of one alias; members of one list or group.
pub const TARGETS_MAX: usize = 1_000;
/// Addresses of one account.
pub const ADDRESSES_MAX: usize = 200;
/// Masked addresses of one account.
pub const MASKED_MAX: usize = 1_000;
/// App passwords of one account: SCRAM tries each, at a few microseconds.
pub const APP_PASSWORDS_MAX: usize = 50;
/// Names of one app password for SCRAM, the primary address first: each costs a few milliseconds when it is made.
pub const SCRAM_NAMES_MAX: usize = 20;
/// How long a key signs tokens before the next is made.
pub const SIGNING_KEY_LIFE: Duration = Duration::from_secs(90 * 24 * 3600);
/// How long the next key is published before it signs: clients keep key sets for a while.
pub const SIGNING_KEY_AHEAD: Duration = Duration::from_secs(2 * 24 * 3600);
/// How long a key is published after it signed its last token.
pub const SIGNING_KEY_OVERLAP: Duration = Duration::from_secs(7 * 24 * 3600);
/// Keys that a client may register.
pub const CLIENT_KEYS_MAX: usize = 10;
/// Names in a client's `default_acr_values`.
pub const ACR_VALUES_MAX: usize = 10;
/// Passkeys of one account.
pub const PASSKEYS_MAX: usize = 20;
/// Authenticator apps of one account.
pub const TOTP_MAX: usize = 5;
/// RFC 6238 §5.2: steps of thirty seconds by which the clock of an authenticator may be off.
pub const TOTP_SKEW_STEPS: i64 = 1;
/// Recovery codes on one sheet.
pub const RECOVERY_CODES: usize = 10;
/// How long a one-time link can be used at most.
pub const LINK_LIFE_MAX: Duration = Duration::from_secs(14 * 24 * 3600);
/// Octets of an OpenPGP secret key that the vault seals.
pub const SECRET_KEY_BYTES_MAX: usize = 64 * 1024;
/// Octets of a frame on the gate's socket: a sealed key in base64 fits.
pub const FRAME_BYTES_MAX: usize = 128 * 1024;
/// How long the gate waits for the next frame of an exchange.
pub const GATE_STEP_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a server waits for the gate's answer: argon2 may stand in a queue.
pub const GATE_ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a process of the house takes to ask what it connected for, and to take the answer.
pub const GATE_QUESTION_TIMEOUT: Duration = Duration::from_secs(5);
/// Exchanges of the gate whose client has the word; the one that waits longest makes room for the next.
pub const EXCHANGES_MAX: usize = 256;
/// Of these, those with one network of strangers.
pub const EXCHANGES_PER_NETWORK_MAX: usize = 16;
/// Connections to the gate: those that wait, and the few at a time that ask.
pub const GATE_CONNECTIONS_MAX: usize = 1_024;
/// Questions, and steps of exchanges, that the gate looks up at once: more than argon2 ever has in its queue
/// ([`ARGON2_WAITING_MAX`]), so that an app password or a token does not stand behind guesses.
pub const GATE_QUESTIONS_AT_ONCE: usize = 128;
/// Orders of the house that the gate carries out at once.
pub const GATE_ORDERS_AT_ONCE: usize = 8;
/// argon2 computations at once, 19 MiB each, where nothing else was configured.
pub const ARGON2_AT_ONCE: usize = 2;
/// One argon2 computation at a time for so much memory.
pub const ARGON2_MEMORY_BYTES: u64 = 32 * 1024 * 1024;
/// However much memory there is: more than this many cores a home does not have.
pub const ARGON2_AT_ONCE_MAX: usize = 32;
/// Passwords that wait for argon2 at most; more are asked to come back.
pub const ARGON2_WAITING_MAX: usize = 64;
/// Of these places, those that guesses of strangers leave free, so that who signed in here before does not stand outside.
pub const ARGON2_KEPT: usize = 24;
const _: () = assert!(ARGON2_KEPT < ARGON2_WAITING_MAX && GATE_QUESTIONS_AT_ONCE > ARGON2_AT_ONCE_MAX + ARGON2_WAITING_MAX);
/// How often a process looks whether sessions ended.
pub const REVOCATION_POLL: Duration = Duration::from_millis(400);
/// How long the news of an ended session is kept.
pub const REVOCATION_KEEP: Duration = Duration::from_secs(24 * 3600);
/// A session's last use is written at most this often.
pub const LAST_USED_EVERY: Duration = Duration::from_secs(60);
/// A network's last use is written at most this often.
pub const NETWORK_USED_EVERY: Duration = Duration::from_secs(24 * 3600);
/// Networks that are remembered per account; the oldest goes.
pub const KNOWN_NETWORKS_MAX: usize = 32;
/// A network that was not used for so long is a stranger's again.
pub const KNOWN_NETWORK_KEEP: Duration = Duration::from_secs(90 * 24 * 3600);
/// Rows of the audit log of what was done; the oldest go.
pub const AUDIT_ROWS_MAX: usize = 50_000;
/// Rows of each kind of failure, which strangers write: they push nothing else out.
pub const AUDIT_FAILURES_MAX: usize = 2_000;
/// Failures of one kind within this time and from one network are one row of the audit log with a count.
pub const AUDIT_MERGE: Duration = Duration::from_secs(3600);
/// Sessions of one account that have not ended; the one used longest ago ends.
pub const SESSIONS_MAX: usize = 200;
/// OAuth clients.
pub const CLIENTS_MAX: usize = 1_000;
/// Requests of clients that wait for a person (PAR, devices), of 8 KiB at most each.
pub const PENDING_MAX: usize = 1_000;
/// Of these, of one client.
pub const PENDING_OF_CLIENT_MAX: usize = 500;
/// Values of one kind that may be seen once and are remembered, for minutes: more proofs than a household makes.
pub const SEEN_ONCE_MAX: usize = 5_000;
/// A spent refresh token that comes again within this time, its successor unused, is a lost answer.
pub const REFRESH_RETRY: Duration = Duration::from_secs(60);
/// A code that comes again later than this ends the session that it granted; sooner it is only refused.
pub const CODE_REPLAY_GRACE: Duration = Duration::from_secs(20);
/// Letters of the house that wait for the mail server.
pub const LETTERS_MAX: usize = 1_000;
/// Octets of one such letter.
pub const LETTER_BYTES_MAX: usize = 64 * 1024;
/// An address is written to about its certificates this often at most.
pub const CERT_MAIL_EVERY: Duration = Duration::from_secs(3600);
/// How long an upload waits for a request to prove its addresses.
pub const UPLOAD_KEEP: Duration = Duration::from_secs(3600);
/// How long a link in a letter is good.
pub const PROOF_KEEP: Duration = Duration::from_secs(24 * 3600);
/// Uploads and proofs that wait; the oldest goes.
pub const UPLOADS_MAX: usize = 500;
/// Certificates of people elsewhere that are remembered; the ones found longest ago go.
pub const SEEN_MAX: u32 = 10_000;
/// Of these, for one address.
pub const SEEN_OF_ADDRESS_MAX: u32 = 16;
/// Correspondents' certificates that a person's list shows.
pub const TOLD_LISTED_MAX: u32 = 200;
/// How long what was found is remembered after it was last found.
pub const SEEN_KEEP: Duration = Duration::from_secs(400 * 24 * 3600);
/// Correspondents of one person whose Autocrypt fields are kept; the oldest go.
pub const AUTOCRYPT_PEERS_MAX: u32 = 2_000;
/// Mails to servers of the house that wait.
pub const HOUSE_MAILS_MAX: usize = 200;
/// Octets of one such mail.
pub const HOUSE_MAIL_BYTES_MAX: usize = 256 * 1024;
