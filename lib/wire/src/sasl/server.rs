// SPDX-License-Identifier: AGPL-3.0-or-later
//! The server's half of an exchange: octets in, a [`Turn`] out.

use hearth_types::{Secret, constant_time_eq};

use super::error::Malformed;
use super::mechanism::{ChannelBinding, Mechanism};
pub use super::oauth::TokenError;
use super::scram::{self, ClientFirst, Flag, Verifier};
use super::{MESSAGE_BYTES_MAX, login, oauth, plain};

/// An exchange that is under way.
pub struct Server {
    mechanism: Mechanism,
    binding: ChannelBinding,
    nonce: String,
    state: State,
}

/// What to do next.
#[derive(Debug)]
pub enum Turn {
    /// Send this, and pass on what comes back.
    Challenge(Vec<u8>),
    /// Check a password; the exchange itself is over.
    Password(PasswordClaim),
    /// Check a token. When it will not do: [`Server::refuse_token`].
    Token(TokenClaim),
    /// Find the verifiers of this user and go on with [`Server::offer`].
    Verifiers {
        /// The name that was claimed.
        user: String,
    },
    /// The client knew the password of the verifier at this place; the exchange is over.
    Proved {
        /// Its place in what was offered.
        index: usize,
        /// Who the client wants to act as, when it said so.
        authorization: Option<String>,
    },
    /// It ended without a login.
    Failed(Failure),
}

/// Why an exchange ended without a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The octets are not what the mechanism says.
    Malformed(Malformed),
    /// No verifier admits the proof.
    Proof,
    /// The channel binding is not that of this connection, or somebody hid that we can bind.
    Binding,
    /// The client has acknowledged that its token was refused.
    Token,
}

/// A name and a password.
#[derive(Debug)]
pub struct PasswordClaim {
    /// Who the client wants to act as, when it said so.
    pub authorization: Option<String>,
    /// Who it claims to be.
    pub user: String,
    /// Its password, as typed.
    pub password: Secret<String>,
}

/// A token.
#[derive(Debug)]
pub struct TokenClaim {
    /// Who the client wants to act as, when it said so.
    pub authorization: Option<String>,
    /// The token; empty when the client only asks where tokens come from.
    pub token: Secret<String>,
}

enum State {
    Begun,
    LoginUser,
    LoginPassword { user: String },
    Scram(ClientFirst),
    ScramOffered { first: ClientFirst, server_first: String, nonce: String, verifiers: Vec<Verifier> },
    ScramProved { index: usize, authorization: Option<String> },
    TokenAsked,
    TokenRefused,
    Over,
}

impl Server {
    /// An exchange by a mechanism. `nonce` is 128 random bits or more, printable and without a comma;
    /// only SCRAM uses it.
    pub fn new(mechanism: Mechanism, binding: ChannelBinding, nonce: String) -> Self {
        Self { mechanism, binding, nonce, state: State::Begun }
    }

    /// What the client sent: at first its initial response, if there is one.
    pub fn step(&mut self, octets: Option<&[u8]>) -> Turn {
        if octets.is_some_and(|octets| octets.len() > MESSAGE_BYTES_MAX) {
            return self.fail(Failure::Malformed(Malformed { mechanism: self.mechanism.name(), what: "the message is too long" }));
        }
        let next = match (std::mem::replace(&mut self.state, State::Over), octets) {
            // LOGIN prompts at once; a client of the others speaks first and is asked to by an empty challenge.
            (State::Begun, None) if self.mechanism == Mechanism::Login => Ok(self.ask(State::LoginUser, login::PROMPT_USER)),
            (State::Begun, None) => Ok(self.ask(State::Begun, b"")),
            (State::Begun, Some(octets)) => self.begin(octets),
            (State::LoginUser, Some(octets)) => login::parse_user(octets)
                .map(|user| self.ask(State::LoginPassword { user }, login::PROMPT_PASSWORD))
                .map_err(malformed),
            (State::LoginPassword { user }, Some(octets)) => {
                login::parse_password(user, octets).map(Turn::Password).map_err(malformed)
            }
            (State::ScramOffered { first, server_first, nonce, verifiers }, Some(octets)) => {
                self.finish_scram(&first, &server_first, &nonce, &verifiers, octets)
            }
            // RFC 5802 §5: the client has nothing to add to our signature, but has seen it.
            (State::ScramProved { index, authorization }, Some([])) => Ok(Turn::Proved { index, authorization }),
            // RFC 7628 §3.2.3: a dummy response, %x01; some clients send an empty one, XOAUTH2's any.
            (State::TokenRefused, Some(_)) => Err(Failure::Token),
            _ => Err(Failure::Malformed(Malformed { mechanism: self.mechanism.name(), what: "a message out of turn" })),
        };
        next.unwrap_or_else(|failure| self.fail(failure))
    }

    /// The verifiers of the user that SCRAM named; for an unknown user a salt that stays the same, and none.
    pub fn offer(&mut self, salt: &[u8], iterations: u32, verifiers: Vec<Verifier>) -> Turn {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Scram(first) => {
                let nonce = format!("{}{}", first.nonce, self.nonce);
                let server_first = scram::encode_server_first(&nonce, salt, iterations);
                let challenge = server_first.clone().into_bytes();
                self.state = State::ScramOffered { first, server_first, nonce, verifiers };
                Turn::Challenge(challenge)
            }
            _ => self.fail(Failure::Proof),
        }
    }

    /// The token will not do: the reason as JSON, after whose acknowledgement the exchange fails.
    pub fn refuse_token(&mut self, error: TokenError, issuer: &str) -> Turn {
        match self.state {
            State::TokenAsked => {
                self.state = State::TokenRefused;
                Turn::Challenge(oauth::encode_error(self.mechanism, error, issuer))
            }
            _ => self.fail(Failure::Token),
        }
    }

    fn ask(&mut self, state: State, challenge: &[u8]) -> Turn {
        self.state = state;
        Turn::Challenge(challenge.to_vec())
    }

    fn fail(&mut self, failure: Failure) -> Turn {
        self.state = State::Over;
        Turn::Failed(failure)
    }

    fn begin(&mut self, octets: &[u8]) -> Result<Turn, Failure> {
        match self.mechanism {
            Mechanism::Plain => plain::parse_message(octets).map(Turn::Password).map_err(malformed),
            // An empty initial response is none (quirk: Outlook 2016 sends `AUTH LOGIN =`).
            Mechanism::Login if octets.is_empty() => Ok(self.ask(State::LoginUser, login::PROMPT_USER)),
            Mechanism::Login => {
                let user = login::parse_user(octets).map_err(malformed)?;
                Ok(self.ask(State::LoginPassword { user }, login::PROMPT_PASSWORD))
            }
            Mechanism::OAuthBearer | Mechanism::XOAuth2 => {
                let parse = if self.mechanism == Mechanism::XOAuth2 { oauth::parse_xoauth2 } else { oauth::parse_bearer };
                let claim = parse(octets).map_err(malformed)?;
                self.state = State::TokenAsked;
                Ok(Turn::Token(claim))
            }
            Mechanism::ScramSha256 | Mechanism::ScramSha256Plus => {
                let first = scram::parse_client_first(octets).map_err(malformed)?;
                self.admit_flag(&first.flag)?;
                let user = first.user.clone();
                self.state = State::Scram(first);
                Ok(Turn::Verifiers { user })
            }
        }
    }

    /// RFC 5802 §6: -PLUS binds and the other does not; and who believes that we cannot bind, while we
    /// offered it, was lied to.
    fn admit_flag(&self, flag: &Flag) -> Result<(), Failure> {
        let can_bind = self.binding != ChannelBinding::none();
        match flag {
            Flag::Binds(name) if self.mechanism.binds() && self.binding.find(name).is_some() => Ok(()),
            Flag::Cannot if !self.mechanism.binds() => Ok(()),
            Flag::Thinks if !self.mechanism.binds() && !can_bind => Ok(()),
            _ => Err(Failure::Binding),
        }
    }

    fn finish_scram(
        &mut self,
        first: &ClientFirst,
        server_first: &str,
        nonce: &str,
        verifiers: &[Verifier],
        octets: &[u8],
    ) -> Result<Turn, Failure> {
        let last = scram::parse_client_final(octets).map_err(malformed)?;
        let mut bound = first.header.clone().into_bytes();
        if let Flag::Binds(name) = &first.flag {
            bound.extend_from_slice(self.binding.find(name).ok_or(Failure::Binding)?);
        }
        if !constant_time_eq(&last.binding, &bound) {
            return Err(Failure::Binding);
        }
        if !constant_time_eq(last.nonce.as_bytes(), nonce.as_bytes()) {
            return Err(Failure::Proof);
        }
        // RFC 5802 §3: AuthMessage.
        let auth_message = format!("{},{server_first},{}", first.bare, last.without_proof);
        // Every verifier is tried, so that the time tells nothing of which one it was.
        let mut found = None;
        for (index, verifier) in verifiers.iter().enumerate() {
            if verifier.admits(auth_message.as_bytes(), &last.proof) {
                found = Some((index, verifier));
            }
        }
        let (index, verifier) = found.ok_or(Failure::Proof)?;
        let signature = scram::encode_server_final(&verifier.sign(auth_message.as_bytes()));
        self.state = State::ScramProved { index, authorization: first.authorization.clone() };
        Ok(Turn::Challenge(signature.into_bytes()))
    }
}

fn malformed(malformed: Malformed) -> Failure {
    Failure::Malformed(malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    fn text(turn: Turn) -> String {
        match turn {
            Turn::Challenge(octets) => String::from_utf8(octets).expect("a challenge in UTF-8"),
            other => panic!("want a challenge, got {other:?}"),
        }
    }

    fn binding() -> ChannelBinding {
        ChannelBinding { exporter: Some(vec![7; 32]), server_end_point: Some(vec![9; 32]) }
    }

    #[test]
    fn example_of_rfc_7677() {
        // RFC 7677 §3: user `user`, password `pencil`.
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let verifier = Verifier::new("pencil", &salt, 4096);
        let mut server = Server::new(Mechanism::ScramSha256, ChannelBinding::none(), "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0".into());
        let turn = server.step(Some(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"));
        assert!(matches!(turn, Turn::Verifiers { user } if user == "user"));
        let other = Verifier::new("crayon", &salt, 4096);
        assert_eq!(
            text(server.offer(&salt, 4096, vec![other, verifier])),
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
        );
        let last = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                    p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        assert_eq!(text(server.step(Some(last.as_bytes()))), "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
        assert!(matches!(server.step(Some(b"")), Turn::Proved { index: 1, authorization: None }));
        assert!(matches!(server.step(Some(b"")), Turn::Failed(_)), "an exchange ends once");
    }

    /// A whole exchange by a client that does its part, but for what a row spoils.
    fn scram(mechanism: Mechanism, ours: ChannelBinding, header: &str, data: &[u8], password: &str) -> Turn {
        let mut server = Server::new(mechanism, ours, "server".into());
        let bare = "n=user,r=client";
        match server.step(Some(format!("{header}{bare}").as_bytes())) {
            Turn::Verifiers { .. } => {}
            other => return other,
        }
        let first = text(server.offer(b"salt", 4096, vec![Verifier::new("pencil", b"salt", 4096)]));
        let last = scram::client::encode_final(header, data, bare, &first, password).expect("a final message");
        match server.step(Some(last.as_bytes())) {
            Turn::Challenge(_) => server.step(Some(b"")),
            other => other,
        }
    }

    #[test]
    fn bindings_right_and_wrong() {
        use Mechanism::{ScramSha256, ScramSha256Plus};
        let none = ChannelBinding::none;
        type Case<'a> = (Mechanism, ChannelBinding, &'a str, &'a [u8], &'a str, Option<Failure>);
        let rows: [Case<'_>; 12] = [
            (ScramSha256Plus, binding(), "p=tls-exporter,,", &[7; 32], "pencil", None),
            (ScramSha256Plus, binding(), "p=tls-server-end-point,,", &[9; 32], "pencil", None),
            (ScramSha256, binding(), "n,,", b"", "pencil", None),
            (ScramSha256, none(), "y,,", b"", "pencil", None),
            (ScramSha256Plus, binding(), "p=tls-exporter,,", &[8; 32], "pencil", Some(Failure::Binding)),
            (ScramSha256Plus, binding(), "p=tls-unique,,", &[7; 32], "pencil", Some(Failure::Binding)),
            (ScramSha256Plus, none(), "p=tls-exporter,,", &[7; 32], "pencil", Some(Failure::Binding)),
            (ScramSha256Plus, binding(), "n,,", b"", "pencil", Some(Failure::Binding)),
            (ScramSha256, binding(), "p=tls-exporter,,", &[7; 32], "pencil", Some(Failure::Binding)),
            // Somebody between us took -PLUS out of the list.
            (ScramSha256, binding(), "y,,", b"", "pencil", Some(Failure::Binding)),
            (ScramSha256, binding(), "n,,", b"", "crayon", Some(Failure::Proof)),
            (ScramSha256Plus, binding(), "p=tls-exporter,,", &[7; 32], "crayon", Some(Failure::Proof)),
        ];
        for (mechanism, ours, header, data, password, failure) in rows {
            match (scram(mechanism, ours, header, data, password), failure) {
                (Turn::Proved { index: 0, .. }, None) => {}
                (Turn::Failed(got), Some(want)) => assert_eq!(got, want, "{header}"),
                (turn, want) => panic!("{mechanism:?} {header}: got {turn:?}, want {want:?}"),
            }
        }
    }

    #[test]
    fn an_unknown_user_is_told_at_the_end() {
        let mut server = Server::new(Mechanism::ScramSha256, ChannelBinding::none(), "server".into());
        server.step(Some(b"n,,n=nobody,r=client"));
        let first = text(server.offer(b"salt", 4096, Vec::new()));
        let last = scram::client::encode_final("n,,", b"", "n=nobody,r=client", &first, "pencil").unwrap();
        assert!(matches!(server.step(Some(last.as_bytes())), Turn::Failed(Failure::Proof)));
    }

    #[test]
    fn a_nonce_that_is_not_ours() {
        let mut server = Server::new(Mechanism::ScramSha256, ChannelBinding::none(), "server".into());
        server.step(Some(b"n,,n=user,r=client"));
        let first = text(server.offer(b"salt", 4096, vec![Verifier::new("pencil", b"salt", 4096)]));
        let first = first.replace("clientserver", "clientother");
        let last = scram::client::encode_final("n,,", b"", "n=user,r=client", &first, "pencil").unwrap();
        assert!(matches!(server.step(Some(last.as_bytes())), Turn::Failed(Failure::Proof)));
    }

    #[test]
    fn plain_with_and_without_an_initial_response() {
        for late in [false, true] {
            let mut server = Server::new(Mechanism::Plain, ChannelBinding::none(), String::new());
            if late {
                assert_eq!(text(server.step(None)), "");
            }
            let turn = server.step(Some(b"\0tim\0tanstaaftanstaaf"));
            assert!(matches!(turn, Turn::Password(claim) if claim.user == "tim"));
        }
    }

    #[test]
    fn login_asks_twice() {
        for initial in [None, Some(&b""[..]), Some(b"tim")] {
            let mut server = Server::new(Mechanism::Login, ChannelBinding::none(), String::new());
            let mut prompt = text(server.step(initial));
            if prompt == "Username:" {
                prompt = text(server.step(Some(b"tim")));
            }
            assert_eq!(prompt, "Password:");
            let turn = server.step(Some(b"secret"));
            assert!(matches!(turn, Turn::Password(claim) if claim.user == "tim" && claim.password.matches("secret")));
        }
    }

    #[test]
    fn a_refused_token_is_told_in_json_first() {
        for response in [&b"\x01"[..], b"", b"whatever"] {
            let mut server = Server::new(Mechanism::OAuthBearer, ChannelBinding::none(), String::new());
            assert!(matches!(server.step(Some(b"n,,\x01auth=Bearer x\x01\x01")), Turn::Token(_)));
            assert_eq!(text(server.refuse_token(TokenError::Invalid, "")), r#"{"status":"invalid_token","scope":"mail"}"#);
            assert!(matches!(server.step(Some(response)), Turn::Failed(Failure::Token)));
        }
    }

    #[test]
    fn a_message_is_bounded() {
        for (length, fits) in [(MESSAGE_BYTES_MAX, true), (MESSAGE_BYTES_MAX + 1, false)] {
            let mut server = Server::new(Mechanism::Plain, ChannelBinding::none(), String::new());
            let mut message = b"\0tim\0".to_vec();
            message.resize(length, b'x');
            assert_eq!(matches!(server.step(Some(&message)), Turn::Password(_)), fits);
        }
    }
}
