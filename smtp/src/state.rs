// SPDX-License-Identifier: AGPL-3.0-or-later
//! Pure: the phase of a session and what it admits. No async, no stores.

use hearth_identity::directory::List;
use hearth_identity::login::Login;
use hearth_types::{AccountId, Address};
use hearth_wire::smtp::replies::{
    AUTH_FAILED_535_5_7_8, AUTH_REQUIRED_530_5_7_0, BAD_SEQUENCE_503_5_5_1, BINARY_BY_BDAT_503_5_5_1, NO_RECIPIENTS_554_5_5_1,
    NOT_IMPLEMENTED_502_5_5_1, TLS_FOR_AUTH_538_5_7_11, TLS_REQUIRED_530_5_7_0, TOO_MUCH_421_4_7_0, UNKNOWN_COMMAND_500_5_5_2,
};
use hearth_wire::smtp::{Body, Command, LineCheck, MailParams, RcptParams, Reply, Severity};

use crate::limits::{ERRORS_FREE, ERRORS_MAX, IDLE_COMMANDS_MAX, MESSAGES_MAX, SIGN_IN_FAILURES_MAX};
use crate::message::Intake;

/// Which door the peer came in by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Port 25: strangers, for our own people.
    Mx,
    /// Ports 465 and 587: our own people, for anybody (RFC 6409).
    Submission,
    /// A socket of this machine: a mail server that stands before us (RFC 2033).
    Lmtp,
}

/// A session from its greeting to its end. STARTTLS makes a new one (RFC 3207 §4.2).
#[derive(Debug)]
pub struct State {
    /// Which door.
    pub kind: Kind,
    /// Inside TLS.
    pub secured: bool,
    /// Who signed in.
    pub login: Option<Login>,
    /// What the client calls itself, and whether by EHLO.
    pub hello: Option<Hello>,
    /// The mail transaction.
    pub transaction: Option<Transaction>,
    errors: u32,
    idle_commands: u32,
    messages: u32,
    sign_in_failures: u32,
}

/// EHLO or HELO.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The client's name for itself; nothing is believed of it.
    pub name: String,
    /// By EHLO.
    pub extended: bool,
}

/// From MAIL until the message is taken, refused or given up.
#[derive(Debug)]
pub struct Transaction {
    /// `None` is the null sender.
    pub sender: Option<Address>,
    /// What MAIL said besides.
    pub params: MailParams,
    /// Who was accepted.
    pub recipients: Vec<Accepted>,
    /// Octets that came by BDAT.
    pub chunks: Option<Chunks>,
}

impl Transaction {
    /// Does the message come as it is, without lines (RFC 3030 §3)?
    pub fn is_binary(&self) -> bool {
        self.params.body == Some(Body::BinaryMime)
    }
}

/// A recipient that RCPT accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// As the client wrote it.
    pub address: Address,
    /// Where it goes; looked up at RCPT.
    pub goal: Goal,
    /// What RCPT said besides.
    pub params: RcptParams,
}

/// Where a recipient's mail goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Goal {
    /// Mailboxes here, and addresses elsewhere that stand behind it.
    Here {
        /// Mailboxes of this home.
        accounts: Vec<AccountId>,
        /// Addresses of other homes.
        forwards: Vec<Address>,
    },
    /// A mailing list of this home.
    List {
        /// Which.
        list: List,
        /// Who is on it.
        members: Vec<Address>,
    },
    /// A server of the house, which reads its mail from the directory.
    House,
    /// An address that each home has, of one where nobody lives: it takes reports, and puts off all else.
    Vacant,
    /// Another home.
    Elsewhere,
}

/// What BDAT has brought so far.
#[derive(Debug, Default)]
pub struct Chunks {
    /// The message.
    pub(crate) intake: Option<Intake>,
    /// Its line ends.
    pub check: LineCheck,
}

impl State {
    /// At the greeting.
    pub fn new(kind: Kind, secured: bool) -> Self {
        Self {
            kind,
            secured,
            login: None,
            hello: None,
            transaction: None,
            errors: 0,
            idle_commands: 0,
            messages: 0,
            sign_in_failures: 0,
        }
    }

    /// May this command run now? If not, the reply.
    pub fn admit(&self, command: &Command) -> Result<(), Reply> {
        let in_chunks = self.transaction.as_ref().is_some_and(|transaction| transaction.chunks.is_some());
        match command {
            // RFC 2033 §4.1: each protocol has its own greeting.
            Command::Ehlo(_) | Command::Helo(_) if self.kind == Kind::Lmtp => Err(UNKNOWN_COMMAND_500_5_5_2),
            Command::Lhlo(_) if self.kind != Kind::Lmtp => Err(UNKNOWN_COMMAND_500_5_5_2),
            Command::StartTls if self.kind == Kind::Lmtp => Err(NOT_IMPLEMENTED_502_5_5_1),
            Command::Auth { .. } if self.kind != Kind::Submission => Err(NOT_IMPLEMENTED_502_5_5_1),
            Command::Auth { .. } if !self.secured => Err(TLS_FOR_AUTH_538_5_7_11),
            // RFC 4954 §4: once, outside a transaction; (deviates: EHLO is not asked for again after it)
            Command::Auth { .. } if self.login.is_some() || self.transaction.is_some() => Err(BAD_SEQUENCE_503_5_5_1),
            Command::StartTls if self.secured || self.transaction.is_some() => Err(BAD_SEQUENCE_503_5_5_1),
            Command::Auth { .. } | Command::StartTls if !self.said_ehlo() => Err(BAD_SEQUENCE_503_5_5_1),
            Command::Mail(..) if self.hello.is_none() || self.transaction.is_some() => Err(BAD_SEQUENCE_503_5_5_1),
            Command::Mail(..) if self.kind == Kind::Submission && !self.secured => Err(TLS_REQUIRED_530_5_7_0),
            Command::Mail(..) if self.kind == Kind::Submission && self.login.is_none() => Err(AUTH_REQUIRED_530_5_7_0),
            Command::Rcpt(..) | Command::Data if in_chunks => Err(BAD_SEQUENCE_503_5_5_1),
            Command::Rcpt(..) | Command::Data | Command::Bdat { .. } => match &self.transaction {
                None => Err(BAD_SEQUENCE_503_5_5_1),
                Some(transaction) if transaction.recipients.is_empty() && !matches!(command, Command::Rcpt(..)) => {
                    Err(NO_RECIPIENTS_554_5_5_1)
                }
                Some(transaction) if transaction.is_binary() && *command == Command::Data => Err(BINARY_BY_BDAT_503_5_5_1),
                Some(_) => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn said_ehlo(&self) -> bool {
        self.hello.as_ref().is_some_and(|hello| hello.extended)
    }

    /// Were there so many errors that replies are slowed?
    pub fn is_slowed(&self) -> bool {
        self.errors >= ERRORS_FREE
    }

    /// Counts a command and its reply; gives what to say instead when the peer has used up what it may have.
    pub fn count(&mut self, command: Option<&Command>, reply: &Reply) -> Option<Reply> {
        if matches!(reply.severity(), Severity::Permanent | Severity::Transient) {
            self.errors += 1;
        }
        match command {
            Some(Command::Data | Command::Bdat { last: true, .. }) if reply.code == 250 => {
                self.messages += 1;
                (self.idle_commands, self.errors) = (0, 0);
            }
            Some(Command::Auth { .. }) if reply.code == AUTH_FAILED_535_5_7_8.code => self.sign_in_failures += 1,
            Some(Command::Mail(..) | Command::Rcpt(..) | Command::Data | Command::Bdat { .. }) => {}
            _ => self.idle_commands += 1,
        }
        let spent = self.errors > ERRORS_MAX
            || self.idle_commands > IDLE_COMMANDS_MAX
            || self.messages > MESSAGES_MAX
            || self.sign_in_failures >= SIGN_IN_FAILURES_MAX;
        spent.then_some(TOO_MUCH_421_4_7_0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_wire::smtp::parse_command;
    use hearth_wire::smtp::replies::OK_250_2_0_0;

    fn code(state: &State, line: &str) -> u16 {
        let command = parse_command(line.as_bytes()).expect(line);
        state.admit(&command).map_or_else(|reply| reply.code, |()| 0)
    }

    fn login() -> Login {
        Login {
            account: AccountId::from_i64(1),
            address: "a@x.org".parse().expect("an address"),
            session: hearth_types::SessionId::from_i64(1),
            scopes: Vec::new(),
        }
    }

    fn transaction(recipients: usize) -> Transaction {
        let accepted =
            Accepted { address: "a@x.org".parse().expect("an address"), goal: Goal::Elsewhere, params: RcptParams::default() };
        Transaction { sender: None, params: MailParams::default(), recipients: vec![accepted; recipients], chunks: None }
    }

    #[test]
    fn each_phase_admits_its_commands() {
        let mut state = State::new(Kind::Mx, false);
        for (line, want) in
            [("MAIL FROM:<>", 503), ("STARTTLS", 503), ("RCPT TO:<a@x.org>", 503), ("DATA", 503), ("NOOP", 0), ("QUIT", 0)]
        {
            assert_eq!(code(&state, line), want, "{line}");
        }
        state.hello = Some(Hello { name: "x".into(), extended: true });
        for (line, want) in [("MAIL FROM:<>", 0), ("STARTTLS", 0), ("AUTH PLAIN", 502), ("BDAT 1", 503)] {
            assert_eq!(code(&state, line), want, "{line}");
        }
        state.transaction = Some(transaction(0));
        for (line, want) in
            [("MAIL FROM:<>", 503), ("RCPT TO:<a@x.org>", 0), ("DATA", 554), ("BDAT 1 LAST", 554), ("STARTTLS", 503)]
        {
            assert_eq!(code(&state, line), want, "{line}");
        }
        state.transaction = Some(Transaction { chunks: Some(Chunks::default()), ..transaction(1) });
        for (line, want) in [("RCPT TO:<a@x.org>", 503), ("DATA", 503), ("BDAT 1", 0), ("RSET", 0)] {
            assert_eq!(code(&state, line), want, "{line}");
        }
    }

    #[test]
    fn lmtp_has_a_greeting_of_its_own() {
        let lmtp = State::new(Kind::Lmtp, false);
        for (line, want) in
            [("EHLO x", 500), ("HELO x", 500), ("LHLO x", 0), ("MAIL FROM:<>", 503), ("STARTTLS", 502), ("AUTH PLAIN", 502)]
        {
            assert_eq!(code(&lmtp, line), want, "{line}");
        }
        assert_eq!(code(&State::new(Kind::Mx, false), "LHLO x"), 500);
    }

    #[test]
    fn submission_wants_tls_then_a_login() {
        let mut state = State::new(Kind::Submission, false);
        state.hello = Some(Hello { name: "x".into(), extended: true });
        assert_eq!((code(&state, "AUTH PLAIN"), code(&state, "MAIL FROM:<>")), (538, 530));
        state.secured = true;
        assert_eq!((code(&state, "AUTH PLAIN"), code(&state, "MAIL FROM:<>"), code(&state, "STARTTLS")), (0, 530, 503));
        state.login = Some(login());
        assert_eq!((code(&state, "AUTH PLAIN"), code(&state, "MAIL FROM:<>")), (503, 0));
        state.hello = Some(Hello { name: "x".into(), extended: false });
        assert_eq!(code(&state, "MAIL FROM:<>"), 0);
    }

    #[test]
    fn errors_are_bounded_on_both_sides() {
        let mut state = State::new(Kind::Mx, false);
        for count in 0..ERRORS_MAX {
            assert_eq!(state.is_slowed(), count >= ERRORS_FREE);
            assert_eq!(state.count(None, &BAD_SEQUENCE_503_5_5_1), None);
        }
        assert_eq!(state.count(None, &BAD_SEQUENCE_503_5_5_1), Some(TOO_MUCH_421_4_7_0));
    }

    #[test]
    fn idle_commands_are_bounded_and_a_message_begins_anew() {
        let mut state = State::new(Kind::Mx, false);
        for _ in 0..IDLE_COMMANDS_MAX {
            assert_eq!(state.count(Some(&Command::Noop), &OK_250_2_0_0), None);
        }
        assert_eq!(state.count(Some(&Command::Data), &OK_250_2_0_0), None);
        assert_eq!(state.count(Some(&Command::Noop), &OK_250_2_0_0), None);
        for _ in 1..IDLE_COMMANDS_MAX {
            assert_eq!(state.count(Some(&Command::Noop), &OK_250_2_0_0), None);
        }
        assert!(state.count(Some(&Command::Noop), &OK_250_2_0_0).is_some());
    }

    #[test]
    fn messages_are_bounded_on_both_sides() {
        let mut state = State::new(Kind::Mx, false);
        for _ in 0..MESSAGES_MAX {
            assert_eq!(state.count(Some(&Command::Data), &OK_250_2_0_0), None);
        }
        assert!(state.count(Some(&Command::Data), &OK_250_2_0_0).is_some());
    }

    #[test]
    fn guessing_is_bounded() {
        let mut state = State::new(Kind::Submission, true);
        let auth = Command::Auth { mechanism: "PLAIN".into(), initial: None };
        let failed = AUTH_FAILED_535_5_7_8;
        for _ in 1..SIGN_IN_FAILURES_MAX {
            assert_eq!(state.count(Some(&auth), &failed), None);
        }
        assert!(state.count(Some(&auth), &failed).is_some());
    }
}
