// SPDX-License-Identifier: AGPL-3.0-or-later
//! Every bound of the SMTP server, named, with the RFC's minimum beside it.

use std::time::Duration;

use hearth_net::lines::Deadlines;

/// RFC 5321 §4.5.3.1.8 wants 100.
pub const RECIPIENTS_MAX: usize = 100;
/// Mailboxes that the recipients of one message may come to (aliases, lists).
pub const MAILBOXES_MAX: usize = 500;
/// Refused commands on one connection that are answered at once,
pub const ERRORS_FREE: u32 = 10;
/// and how long the reply to each further one waits.
pub const ERROR_DELAY: Duration = Duration::from_secs(1);
/// Refused commands on one connection; then 421.
pub const ERRORS_MAX: u32 = 20;
/// Commands on one connection that move no mail (NOOP, RSET, VRFY, HELP, EHLO) between two messages; then 421.
pub const IDLE_COMMANDS_MAX: u32 = 200;
/// Messages on one connection; then 421.
pub const MESSAGES_MAX: u32 = 10_000;
/// Failed sign-ins on one connection; then 421.
pub const SIGN_IN_FAILURES_MAX: u32 = 3;
/// RFC 4954 §4: a line of a SASL exchange, in base64.
pub const AUTH_LINE_BYTES_MAX: usize = 12_288;
/// Rounds of one SASL exchange; SCRAM needs two, LOGIN three.
pub const AUTH_ROUNDS_MAX: usize = 8;
/// A message beyond its size is read on for this much, so that the client hears the reply; then the connection ends.
pub const OVERRUN_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// A message up to this size is in memory as a whole; of a larger one its start is, and the rest is in a file.
pub const MESSAGE_IN_MEMORY_BYTES_MAX: usize = 1024 * 1024;
/// Octets of the body of a large message that stay in memory with its header.
pub const MESSAGE_START_BYTES: usize = 4 * 1024;
/// Up to this size (a fraction of a millisecond), a message is read where it is, without a thread for that.
pub const READ_AT_ONCE_BYTES_MAX: usize = 32 * 1024;
/// What comes of a large message is written to its file when it is so much.
pub const SPOOL_WRITE_BYTES: usize = 256 * 1024;
/// Memory that all messages on their way in may take together; the next one hears 452.
pub const MESSAGES_IN_MEMORY_BYTES_MAX: usize = 192 * 1024 * 1024;
/// Space on the disk that all messages on their way in may take together, before they are stored; the next one hears 452.
pub const MESSAGES_SPOOLED_BYTES_MAX: usize = 2 * 1024 * 1024 * 1024;
/// Space on the disk that messages on their way in leave free.
pub const SPOOL_RESERVE_BYTES: u64 = 64 * 1024 * 1024;
/// Memory, or space, for a message is taken in steps of this size.
pub const MEMORY_STEP_BYTES: usize = 64 * 1024;
/// Of a large message, a person's rules see so much of each part,
pub const SIEVE_PART_BYTES_MAX: usize = 64 * 1024;
/// and so much of all parts.
pub const SIEVE_PARTS_BYTES_MAX: usize = 512 * 1024;
/// RFC 5321 §6.3 wants at least 100 when Received fields are counted; (deviates: Postfix has 50, and no mail here
/// passes so many).
pub const RECEIVED_MAX: usize = 50;

/// RFC 5321 §4.5.3.2.7: five minutes for a command; then within a line and within data, three for each piece.
pub const DEADLINES: Deadlines =
    Deadlines { idle: Duration::from_secs(5 * 60), progress: Duration::from_secs(3 * 60), write: Duration::from_secs(2 * 60) };
/// A command line that has begun ends within this: one byte a second does not hold a session for an hour.
pub const COMMAND_LINE: Duration = Duration::from_secs(60);
/// A message takes at most this long from 354 to its dot.
pub const DATA: Duration = Duration::from_secs(30 * 60);
/// All checks of a message together; what is not known by then is a temperror.
pub const CHECKS: Duration = Duration::from_secs(20);
/// A list of servers (RFC 5782) says within this whether it has the peer, or it says nothing.
pub const LIST_ANSWER: Duration = Duration::from_secs(4);

/// Signatures of a mail that are looked at (RFC 6376 §6.1); each costs a look-up and may cost a hash over the whole.
pub const SIGNATURES_MAX: usize = 20;
/// Hops of a DKIM2 chain that are looked at.
pub const DKIM2_HOPS_MAX: usize = 10;

/// How fast something may be: so many at once, and so many in an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// At once.
    pub burst: u32,
    /// In an hour.
    pub per_hour: u32,
}

/// Mails over one connection.
pub const CONNECTION_RATE: Rate = Rate { burst: 150, per_hour: 600 };
/// Mails from one address.
pub const ADDRESS_RATE: Rate = Rate { burst: 200, per_hour: 600 };
/// Mails from one network.
pub const NETWORK_RATE: Rate = Rate { burst: 400, per_hour: 1200 };
/// Mails from one envelope sender.
pub const SENDER_RATE: Rate = Rate { burst: 100, per_hour: 300 };
/// Mails to one recipient.
pub const RECIPIENT_RATE: Rate = Rate { burst: 300, per_hour: 900 };
/// Buckets, and greylisted triples, that are kept.
pub const PACE_PLACES_MAX: usize = 50_000;
/// Greylisting: who comes again is let in after this long,
pub const GREY_AFTER: Duration = Duration::from_secs(2 * 60);
/// and before this;
pub const GREY_WITHIN: Duration = Duration::from_secs(24 * 3600);
/// and is known for this long after the last mail.
pub const GREY_KEPT: Duration = Duration::from_secs(35 * 24 * 3600);
/// A sender is known to a person for this long after the last mail.
pub const SENDER_KNOWN: Duration = Duration::from_secs(90 * 24 * 3600);
/// Whom somebody wrote to is trusted for this long after the last mail to them.
pub const WRITTEN_TO_KEPT: Duration = Duration::from_secs(400 * 24 * 3600);
/// Recipients of one mail who are noted so.
pub const WRITTEN_TO_MAX: usize = 50;
/// How long a question of the admin pages may take.
pub const DESK_WITHIN: Duration = Duration::from_secs(5);
/// Sessions on the LMTP socket; the next one waits.
pub const LMTP_SESSIONS_MAX: usize = 20;
/// A proxy says for whom a connection is within this.
pub const PROXY_HEADER: Duration = Duration::from_secs(5);

/// Changed mails that are looked at before a delivery, to learn from what the person did.
pub const LESSONS_AT_ONCE_MAX: usize = 50;
/// Changes that said nothing and are looked at again, before that is written down.
pub const LESSONS_UNNOTED_MAX: u64 = 40;
/// A larger mail is not learnt from.
pub const LEARNT_BYTES_MAX: u64 = 1024 * 1024;
/// Refused mail is kept for this long,
pub const REJECTS_KEPT: Duration = Duration::from_secs(14 * 24 * 3600);
/// and at most so many for one person.
pub const REJECTS_MAX: usize = 200;
/// Characters of what a person's rules say to somebody they refuse.
pub const REJECTION_CHARS_MAX: usize = 400;

/// A larger mail is not looked into for a report: a report of a large provider has some hundred kilobytes, compressed.
pub const REPORT_MAIL_BYTES_MAX: usize = MESSAGE_IN_MEMORY_BYTES_MAX;
/// Parts of a mail that are looked into for a report.
pub const REPORT_PARTS_MAX: usize = 20;
/// A report, unpacked: a home's own has some kilobytes.
pub const REPORT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// XML tags or JSON objects in it; a report of a large provider has some thousands.
pub const REPORT_ELEMENTS_MAX: usize = 100_000;
/// The machine-readable part of feedback about one mail (RFC 5965 §2).
pub const FEEDBACK_BYTES_MAX: usize = 64 * 1024;
/// Lines that are kept of a report; all are counted.
pub const REPORT_LINES_MAX: usize = 500;
/// Characters of each text of a stranger in a report.
pub const REPORT_TEXT_CHARS_MAX: usize = 200;
/// Reports are kept for this long,
pub const REPORTS_KEPT: Duration = Duration::from_secs(90 * 24 * 3600);
/// and at most so many.
pub const REPORTS_MAX: u32 = 5_000;

/// A judge of mail outside says what it thinks within this.
pub const JUDGE_ANSWER: Duration = Duration::from_secs(30);
/// Packets that a milter may send about one mail.
pub const JUDGE_ANSWERS_MAX: usize = 5_000;
/// Octets of the fields that judges add to a mail.
pub const JUDGE_FIELDS_BYTES_MAX: usize = 32 * 1024;
/// An answer of rspamd's, header and all.
pub const JUDGE_HTTP_BYTES_MAX: usize = 1024 * 1024;

/// Octets of the results in an ARC set: they stand in one line (RFC 5322 §2.1.1).
pub const SEALED_RESULTS_BYTES_MAX: usize = 900;

/// Bodies up to this size, compressed, live in the queue's database, larger ones in files beside it.
pub const QUEUED_BODY_IN_DB_BYTES_MAX: usize = 256 * 1024;
/// RFC 5321 §4.5.4.1 wants at least 4 to 5 days.
pub const QUEUE_LIFETIME: Duration = Duration::from_secs(5 * 24 * 3600);
/// The sender hears of a delay after this long.
pub const DELAY_TOLD_AFTER: Duration = Duration::from_secs(4 * 3600);
/// A claimed recipient that its worker forgot (a crash) is due again after this long.
pub const LEASE: Duration = Duration::from_secs(40 * 60);
/// Recipients that are claimed at once.
pub const CLAIM_MAX: u32 = 200;
/// Destinations that are talked to at once.
pub const DESTINATIONS_MAX: usize = 8;
/// The queue is looked at this often even when nothing wakes it (the `hearth` command may have changed it).
pub const QUEUE_LOOK: Duration = Duration::from_secs(3);
/// A report returns this much of a message's body at most, else its header alone.
pub const RETURNED_BYTES_MAX: usize = 64 * 1024;

/// Recipients in one transaction to another server; RFC 5321 §4.5.3.1.8 lets it refuse more than 100.
pub const OUTBOUND_RECIPIENTS_MAX: usize = 100;
/// Hosts of one destination that are tried in one attempt.
pub const OUTBOUND_HOSTS_MAX: usize = 8;
/// To connect.
pub const OUTBOUND_CONNECT: Duration = Duration::from_secs(30);
/// RFC 5321 §4.5.3.2.1 to .3: greeting, EHLO, MAIL and RCPT.
pub const OUTBOUND_COMMAND: Duration = Duration::from_secs(5 * 60);
/// RFC 5321 §4.5.3.2.5: one piece of data.
pub const OUTBOUND_DATA: Duration = Duration::from_secs(3 * 60);
/// RFC 5321 §4.5.3.2.6: the reply to the final dot.
pub const OUTBOUND_DOT: Duration = Duration::from_secs(10 * 60);
/// Octets of all copies of one post to a mailing list together, before they are compressed.
pub const LIST_COPIES_BYTES_MAX: u64 = 256 * 1024 * 1024;
