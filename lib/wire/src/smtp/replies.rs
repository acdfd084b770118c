// SPDX-License-Identifier: AGPL-3.0-or-later
//! The replies that this house gives, by name; the name carries the numbers.

use super::reply::Reply;

macro_rules! replies {
    ($($(#[$doc:meta])* $name:ident = $code:literal $subject:literal $detail:literal $text:literal;)*) => {$(
        $(#[$doc])*
        pub const $name: Reply = Reply::named($code, $subject, $detail, $text);
    )*};
}

replies! {
    /// QUIT.
    CLOSING_221_2_0_0 = 221 0 0 "goodbye";
    /// AUTH succeeded.
    AUTHENTICATED_235_2_7_0 = 235 7 0 "you are signed in";
    /// Done.
    OK_250_2_0_0 = 250 0 0 "ok";
    /// MAIL.
    SENDER_OK_250_2_1_0 = 250 1 0 "sender ok";
    /// RCPT.
    RECIPIENT_OK_250_2_1_5 = 250 1 5 "recipient ok";
    /// The message is on disk.
    ACCEPTED_250_2_6_0 = 250 6 0 "accepted";
    /// VRFY neither says yes nor no.
    CANNOT_VERIFY_252_2_1_5 = 252 1 5 "send some mail and see";
    /// STARTTLS.
    READY_FOR_TLS_220_2_0_0 = 220 0 0 "ready to start TLS";
    /// HELP.
    HELP_214_2_0_0 = 214 0 0 "see RFC 5321";
    /// We stop, or the peer used up what it may have.
    CLOSING_421_4_3_2 = 421 3 2 "the server is stopping, try again";
    /// Silence.
    TIMEOUT_421_4_4_2 = 421 4 2 "you were silent too long";
    /// Errors, commands or messages beyond the bound.
    TOO_MUCH_421_4_7_0 = 421 7 0 "too many errors or commands on this connection";
    /// Connections beyond the bound.
    TOO_MANY_CONNECTIONS_421_4_7_0 = 421 7 0 "too many connections";
    /// Recipient limit.
    TOO_MANY_RECIPIENTS_452_4_5_3 = 452 5 3 "too many recipients, send the rest in another message";
    /// An address that each home has, of one where nobody lives.
    NOBODY_HERE_450_4_2_1 = 450 2 1 "nobody lives here yet; come again later";
    /// The recipient's mailbox is full.
    MAILBOX_FULL_452_4_2_2 = 452 2 2 "the mailbox is full";
    /// Our disk is full.
    NO_SPACE_452_4_3_1 = 452 3 1 "no space to keep this now, try later";
    /// More than a stranger may send in this time.
    TOO_FAST_451_4_7_1 = 451 7 1 "too much mail in a short time, try later";
    /// Greylisting.
    COME_AGAIN_451_4_7_1 = 451 7 1 "we have not met before; come again in some minutes";
    /// REQUIRETLS outside of TLS (RFC 8689 §2).
    NEEDS_TLS_530_5_7_10 = 530 7 10 "REQUIRETLS wants TLS on this connection";
    /// Something here failed.
    TRY_LATER_451_4_3_0 = 451 3 0 "try later";
    /// The gate does not answer.
    AUTH_UNAVAILABLE_454_4_7_0 = 454 7 0 "signing in does not work at the moment, try later";
    /// No certificate, or the handshake failed.
    NO_TLS_454_4_7_0 = 454 7 0 "TLS is not available at the moment";
    /// Unknown command.
    UNKNOWN_COMMAND_500_5_5_2 = 500 5 2 "command not recognized";
    /// A line beyond its bound.
    LINE_TOO_LONG_500_5_5_6 = 500 5 6 "line too long";
    /// Known command, other syntax.
    SYNTAX_501_5_5_4 = 501 5 4 "syntax error in the arguments";
    /// The exchange was given up by `*`.
    AUTH_CANCELLED_501_5_7_0 = 501 7 0 "you gave up";
    /// Not base64.
    AUTH_SYNTAX_501_5_5_2 = 501 5 2 "that was not base64";
    /// Known and not done.
    NOT_IMPLEMENTED_502_5_5_1 = 502 5 1 "command not implemented";
    /// Not now in this session.
    BAD_SEQUENCE_503_5_5_1 = 503 5 1 "not now: wrong order of commands";
    /// No such mechanism.
    NO_SUCH_MECHANISM_504_5_5_4 = 504 5 4 "no such mechanism here";
    /// Bare CR or LF in a message (the name that others use for it: RFC 5321 §2.3.8 forbids them).
    BARE_LINE_END_550_5_6_11 = 550 6 11 "the message has a bare CR or LF; lines end with CRLF (RFC 5321 2.3.8)";
    /// Submission without login.
    AUTH_REQUIRED_530_5_7_0 = 530 7 0 "sign in first";
    /// Submission without TLS.
    TLS_REQUIRED_530_5_7_0 = 530 7 0 "begin with STARTTLS";
    /// Wrong name or password.
    AUTH_FAILED_535_5_7_8 = 535 7 8 "name or password is wrong";
    /// Plain AUTH without TLS.
    TLS_FOR_AUTH_538_5_7_11 = 538 7 11 "begin with STARTTLS";
    /// Nobody of this name.
    NO_SUCH_USER_550_5_1_1 = 550 1 1 "nobody of this name here";
    /// Not one of our domains.
    RELAY_DENIED_550_5_7_1 = 550 7 1 "we do not take mail for that domain";
    /// A rewritten sender's address (SRS) takes reports alone.
    REPORTS_ALONE_550_5_7_1 = 550 7 1 "this address takes reports of failure alone";
    /// The sender's domain is no place to answer to.
    BAD_SENDER_553_5_1_7 = 553 1 7 "give an address with a domain name as the sender";
    /// The sender is not the account's own.
    NOT_YOUR_ADDRESS_553_5_7_1 = 553 7 1 "that sender address is not yours";
    /// The From field is not the account's own.
    NOT_YOUR_FROM_550_5_7_1 = 550 7 1 "the address in From is not yours";
    /// DMARC.
    DMARC_550_5_7_26 = 550 7 26 "the sender's domain asks to refuse mail that is neither DKIM-signed nor sent from its servers (DMARC)";
    /// A loop.
    LOOP_554_5_4_6 = 554 4 6 "this message has been through too many servers; it is going in circles";
    /// Too big.
    TOO_BIG_552_5_3_4 = 552 3 4 "the message is too big";
    /// A line of the message is beyond its bound.
    TEXT_LINE_TOO_LONG_554_5_6_0 = 554 6 0 "a line of the message is too long";
    /// An octet 0 in a message.
    NUL_554_5_6_0 = 554 6 0 "the message has a NUL octet";
    /// The header is beyond its bound.
    HEADER_TOO_BIG_554_5_6_0 = 554 6 0 "the header is too long";
    /// The header has no one From, or too many.
    NO_FROM_550_5_6_0 = 550 6 0 "the message wants one From field with one address or more";
    /// DATA without an accepted recipient.
    NO_RECIPIENTS_554_5_5_1 = 554 5 1 "no valid recipients";
    /// MAIL or RCPT parameter unknown.
    UNKNOWN_PARAMETER_555_5_5_4 = 555 5 4 "parameter not recognized";
    /// Non-ASCII address without SMTPUTF8.
    NEEDS_SMTPUTF8_553_5_6_7 = 553 6 7 "an address with UTF-8 needs SMTPUTF8";
    /// RFC 3030 §3: a binary message has no dot that ends it.
    BINARY_BY_BDAT_503_5_5_1 = 503 5 1 "a binary message comes by BDAT";
}

/// DATA: go on.
pub fn start_input_354() -> Reply {
    Reply::plain(354, "end with a dot on a line of its own")
}

/// AUTH: the challenge, in base64.
pub fn challenge_334(base64: String) -> Reply {
    Reply::plain(334, base64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_carries_its_numbers() {
        let mut line = Vec::new();
        DMARC_550_5_7_26.encode(&mut line);
        assert!(line.starts_with(b"550 5.7.26 "));
        assert_eq!(NO_SPACE_452_4_3_1.to_string(), "452 4.3.1 no space to keep this now, try later");
    }
}
