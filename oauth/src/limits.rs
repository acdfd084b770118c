// SPDX-License-Identifier: AGPL-3.0-or-later
//! Every bound of the provider, named.

use std::time::Duration;

pub use hearth_identity::limits::REDIRECT_URI_BYTES_MAX;

/// Octets of an authorization request as a query: it travels through the sign-in and consent pages,
/// so it must fit a request line with room to spare.
pub const AUTHORIZATION_REQUEST_BYTES_MAX: usize = 8 * 1024;
/// Parameters of one request.
pub const PARAMETERS_MAX: usize = 64;
/// Octets of `state` and of `nonce` each: we carry them, and the nonce is stored with the code.
pub const ECHO_BYTES_MAX: usize = 2048;
/// RFC 7636 §4.1: characters of a code verifier.
pub const VERIFIER_CHARS_MIN: usize = 43;
/// RFC 7636 §4.1: characters of a code verifier.
pub const VERIFIER_CHARS_MAX: usize = 128;
/// RFC 6749 §4.1.2 wants at most 10 minutes; a client that is alive needs seconds.
pub const CODE_LIFE: Duration = Duration::from_secs(60);
/// How long an access token opens doors; it can be revoked at once all the same.
pub const ACCESS_TOKEN_LIFE: Duration = Duration::from_secs(3600);
/// How long a refresh token waits for its next use.
pub const REFRESH_TOKEN_LIFE: Duration = Duration::from_secs(180 * 24 * 3600);
/// How long an ID token may be presented: a client reads it within seconds.
pub const ID_TOKEN_LIFE: Duration = Duration::from_secs(600);
/// RFC 9126 §2.2: how long a request that was pushed waits; a person may be signing in meanwhile.
pub const PUSHED_REQUEST_LIFE: Duration = Duration::from_secs(600);
/// RFC 8628 §3.2: how long a device's code can be typed.
pub const DEVICE_CODE_LIFE: Duration = Duration::from_secs(600);
/// RFC 8628 §3.2: how often a device may ask.
pub const DEVICE_POLL_EVERY: Duration = Duration::from_secs(5);
/// What a client is told to wait when as many requests wait as may.
pub const FULL_WAIT: Duration = Duration::from_secs(60);
/// A signed access token cannot be called back where it is only verified, so it does not live long.
pub const SIGNED_ACCESS_TOKEN_LIFE: Duration = Duration::from_secs(300);
/// Octets of a DPoP proof: an RSA key of 4096 bits fits.
pub const DPOP_PROOF_BYTES_MAX: usize = 8 * 1024;
/// Octets of what a client signs: an assertion or a request object.
pub const ASSERTION_BYTES_MAX: usize = 8 * 1024;
/// How long an assertion of a client may count (RFC 7523 §3 point 4 lets us bound it).
pub const ASSERTION_LIFE_MAX: Duration = Duration::from_secs(600);
/// How far the clock of a proof may be off.
pub const DPOP_SKEW: Duration = Duration::from_secs(60);
/// How often the news of ended sessions is looked at, for clients that want to be told.
pub const LOGOUT_LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long a logout token counts (OpenID Connect Back-Channel Logout §2.4 wants two minutes at most).
pub const LOGOUT_TOKEN_LIFE: Duration = Duration::from_secs(120);
/// How long a client may take to answer.
pub const LOGOUT_WITHIN: Duration = Duration::from_secs(5);
/// How often a client is tried.
pub const LOGOUT_TRIES: u32 = 3;
/// How long it is left alone after the first try; twice as long after each other.
pub const LOGOUT_AGAIN_AFTER: Duration = Duration::from_secs(2);
/// Clients that are told at once.
pub const LOGOUT_AT_ONCE: usize = 8;
/// How long rules that were read count, when another process may have changed them.
pub const POLICY_FRESH: Duration = Duration::from_secs(2);
/// How often it is looked whether keys want to be turned.
pub const KEYS_LOOK_EVERY: Duration = Duration::from_secs(3600);
/// How long somebody stays signed in to an app behind a proxy; signing out at home ends it sooner.
pub const FORWARD_LIFE: Duration = Duration::from_secs(12 * 3600);
/// How long a sign-in for such an app may take.
pub const FORWARD_START_WITHIN: Duration = Duration::from_secs(1800);
/// How long a link counts that an admin made.
pub const INVITATION_LIFE: Duration = Duration::from_secs(7 * 24 * 3600);
/// How long the link of a letter to an address elsewhere counts.
pub const CONTACT_PROOF_WITHIN: Duration = Duration::from_secs(24 * 3600);
/// One person has such a letter written this often at most.
pub const CONTACT_LETTER_EVERY: Duration = Duration::from_secs(300);
/// Mails of a mailbox of which it is told why they are there.
pub const WHY_MAILS: u32 = 25;
/// Octets of a mail in which that is looked for.
pub const WHY_HEADER_BYTES_MAX: u64 = 16 * 1024;
/// Resources that one request names (RFC 8707).
pub const RESOURCES_MAX: usize = 8;
/// Clients that act for somebody one behind the other (RFC 8693 §4.1).
pub const ACTORS_MAX: usize = 4;
/// Groups that a token names.
pub const GROUPS_MAX: usize = 200;
/// Clients that registered themselves.
pub const REGISTERED_CLIENTS_MAX: usize = 200;
/// A client that registered itself and that nobody is signed in to is forgotten after this.
pub const REGISTERED_CLIENT_KEEP: Duration = Duration::from_secs(24 * 3600);
/// Redirect URIs of a client that registers itself.
pub const REGISTERED_URIS_MAX: usize = 10;
/// Octets of a `client_id` that is an address.
pub const CLIENT_URL_BYTES_MAX: usize = 512;
/// Octets of the document at that address; the draft wants 5 KiB at most to be enough.
pub const CLIENT_DOCUMENT_BYTES_MAX: usize = 8 * 1024;
/// How long reading it may take.
pub const CLIENT_DOCUMENT_WITHIN: Duration = Duration::from_secs(5);
/// After this long it is read again.
pub const CLIENT_DOCUMENT_FRESH: Duration = Duration::from_secs(24 * 3600);
/// How long somebody stays signed in to the pages.
pub const SESSION_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);
/// People whom a browser is known by.
pub const KNOWN_PEOPLE_MAX: usize = 8;
/// How long a browser is known; browsers keep no cookie for longer (RFC 6265, and the 400 days of its successor).
pub const KNOWN_LIFE: Duration = Duration::from_secs(400 * 24 * 3600);
/// The longest that a household may choose for that.
pub const SESSION_LIFE_MAX: Duration = Duration::from_secs(365 * 24 * 3600);
/// The shortest life of an access token that a household may choose.
pub const ACCESS_TOKEN_LIFE_MIN: Duration = Duration::from_secs(300);
/// Guesses that a new password withstands at least, as a power of ten.
pub const PASSWORD_GUESSES_LOG10: u32 = 8;
/// The most that a household may ask for.
pub const PASSWORD_GUESSES_LOG10_MAX: u32 = 14;
/// After this long, an account page that changes a secret asks for the password again.
pub const SUDO_WITHIN: Duration = Duration::from_secs(600);
/// How long it is known that a form was carried out: whoever comes back to its page later has a new one.
pub const FORM_ONCE: Duration = Duration::from_secs(24 * 3600);
/// Octets of what was typed, as a form, that are carried over a sign-in; encoded once more they fit the body of a request.
pub const CARRIED_BYTES_MAX: usize = 24 * 1024;
/// A `max_age` beyond this is no bound at all.
pub const MAX_AGE_MAX: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// Characters of a user name as typed: an address has 64 + 1 + 253 octets at most.
pub const USER_NAME_CHARS_MAX: usize = 320;
/// Octets of a text in a form (a label, a name) before anybody looks closer.
pub const FORM_TEXT_BYTES_MAX: usize = 1024;
/// How long programs may keep the metadata and the key set.
pub const METADATA_FRESH: Duration = Duration::from_secs(3600);
/// How long somebody whose password was right may take over the second factor.
pub const SECOND_FACTOR_WITHIN: Duration = Duration::from_secs(300);
/// How long the challenge of a passkey counts: a sign-in page may stand open for a while.
pub const CHALLENGE_LIFE: Duration = Duration::from_secs(1800);
/// Octets of what a browser says of a passkey, as JSON.
pub const CREDENTIAL_BYTES_MAX: usize = 48 * 1024;
/// A passphrase before a secret key has so many characters at least: whoever gets hold of the file can guess for years.
pub const PASSPHRASE_CHARS_MIN: usize = 10;
/// A certificate that ends within this is said to end soon.
pub const KEY_ENDS_SOON: Duration = Duration::from_secs(60 * 24 * 3600);
