// SPDX-License-Identifier: AGPL-3.0-or-later
//! What the two sides of the Web Key Service say to each other inside of their mails
//! (draft-koch-openpgp-webkey-service-21 §4.3, §4.4): `name: value` lines; and the policy file of a directory (§4.5).

use hearth_types::Address;

/// Octets of one such text that are read.
pub const TEXT_BYTES_MAX: usize = 4096;
/// A nonce is longer than this and shorter than the next (GnuPG's client wants more than 16 letters).
const NONCE_LETTERS_MIN: usize = 17;
/// Longest nonce that is read.
const NONCE_LETTERS_MAX: usize = 128;

/// A directory's question whether a certificate is to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfirmationRequest {
    /// The submission address.
    pub sender: Address,
    /// The address to be published.
    pub address: Address,
    /// Of the certificate.
    pub fingerprint: String,
    /// What only the reader of the question knows.
    pub nonce: String,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfirmationResponse {
    /// The address to be published.
    pub address: Address,
    /// The nonce of the question.
    pub nonce: String,
}

impl ConfirmationRequest {
    /// As it stands in the mail, lines ending in LF.
    pub fn encode(&self) -> String {
        format!(
            "type: confirmation-request\nsender: {}\naddress: {}\nfingerprint: {}\nnonce: {}\n",
            self.sender, self.address, self.fingerprint, self.nonce
        )
    }
}

impl ConfirmationResponse {
    /// Reads an answer; `None` when it is something else.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        let value = |wanted: &str| {
            let mut values = text.lines().filter_map(|line| line.split_once(':')).filter(|(name, _)| name.trim() == wanted);
            let (_, value) = values.next()?;
            // Said twice, it is said not at all.
            values.next().is_none().then(|| value.trim())
        };
        if value("type")? != "confirmation-response" {
            return None;
        }
        let nonce = value("nonce")?;
        let is_nonce = (NONCE_LETTERS_MIN..=NONCE_LETTERS_MAX).contains(&nonce.len())
            && nonce.bytes().all(|letter| letter.is_ascii_alphanumeric() || letter == b'-' || letter == b'_');
        Some(Self { address: Address::parse(value("address")?).ok()?, nonce: is_nonce.then(|| nonce.to_string())? })
    }
}

/// The policy file: only what is so is said.
pub fn encode_policy(submission: Option<&Address>) -> String {
    match submission {
        Some(address) => format!("submission-address: {address}\n"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_gnupgs_client() {
        let text = "type: confirmation-response\nsender: key-submission@home.example\naddress: alice@home.example\n\
                    nonce: 5bm16ycexq3d3kmj9j4itsqe7pe35bpy\n";
        let read = ConfirmationResponse::parse(text).unwrap();
        assert_eq!((read.address.to_string().as_str(), read.nonce.len()), ("alice@home.example", 32));
        assert_eq!(ConfirmationResponse::parse(&text.replace('\n', "\r\n")), Some(read));
    }

    #[test]
    fn what_is_no_answer() {
        let with = |kind: &str, nonce: &str| format!("type: {kind}\naddress: alice@home.example\nnonce: {nonce}\n");
        let nonce = "n".repeat(NONCE_LETTERS_MIN);
        assert!(ConfirmationResponse::parse(&with("confirmation-response", &nonce)).is_some());
        for text in [
            String::new(),
            with("confirmation-request", &nonce),
            with("confirmation-response", &nonce[1..]),
            with("confirmation-response", &"n".repeat(NONCE_LETTERS_MAX + 1)),
            with("confirmation-response", "with spaces and more"),
            with("confirmation-response", &format!("{nonce}\nnonce: {nonce}")),
            with("confirmation-response", &nonce) + &" ".repeat(TEXT_BYTES_MAX),
        ] {
            assert_eq!(ConfirmationResponse::parse(&text), None, "{text:?}");
        }
    }

    #[test]
    fn a_question_has_every_line() {
        let address = |text: &str| Address::parse(text).unwrap();
        let request = ConfirmationRequest {
            sender: address("key-submission@home.example"),
            address: address("alice@home.example"),
            fingerprint: "AB".repeat(20),
            nonce: "n".repeat(32),
        };
        let text = request.encode();
        assert_eq!(text.lines().count(), 5);
        assert!(text.starts_with("type: confirmation-request\nsender: key-submission@home.example\n") && text.ends_with('\n'));
    }

    #[test]
    fn a_policy_ends_its_last_line() {
        assert_eq!(encode_policy(None), "");
        assert!(encode_policy(Some(&Address::parse("key-submission@home.example").unwrap())).ends_with("example\n"));
    }
}
