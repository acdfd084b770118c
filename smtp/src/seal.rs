// SPDX-License-Identifier: AGPL-3.0-or-later
//! ARC (RFC 8617): what passes through this home to another one is sealed, so that the next server can see what we found
//! of its sender. From stays as it is; the seal says that it was true when the mail came here.

use hearth_types::Domain;
use mail_auth::common::crypto::HashAlgorithm;
use mail_auth::common::headers::HeaderWriter;
use mail_auth::dkim::Canonicalization;
use mail_auth::{ArcOutput, AuthenticationResults, DkimResult, MessageAuthenticator};
use tokio::time::timeout;

use crate::ctx::Server;
use crate::inbound::check::authenticated;
use crate::limits::{CHECKS, SEALED_RESULTS_BYTES_MAX};
use crate::message::Message;

/// The three fields of our set, to stand in front of a message, which is as it came but for claims in our name; `results` is
/// our Authentication-Results of it. Empty: there is nothing to vouch for (our own people's mail), no key, or a chain that
/// was broken before it came here: RFC 8617 §5.1.2 would have that said, and nobody would read it.
pub(crate) async fn seal(server: &Server, domain: &Domain, message: &Message, results: &str) -> String {
    if results.is_empty() {
        return String::new();
    }
    let Some(keys) = server.signer.keys_of(domain).await else { return String::new() };
    // What our own signature over the message is made of.
    let ours = Some((Canonicalization::Relaxed, HashAlgorithm::Sha256));
    let message = match authenticated(message, ours).await {
        Ok(Some(message)) => message,
        Ok(None) => return String::new(),
        Err(error) => {
            tracing::error!(%domain, %error, "a large mail that passes on cannot be read, and is not sealed");
            return String::new();
        }
    };
    let chain = if message.ams_headers.is_empty() && message.as_headers.is_empty() && message.aar_headers.is_empty() {
        ArcOutput::default()
    } else {
        let authenticator = MessageAuthenticator(server.dns.inner().await.clone());
        match timeout(CHECKS, authenticator.verify_arc(&message)).await {
            Ok(chain) if *chain.result() == DkimResult::Pass => chain,
            _ => return String::new(),
        }
    };
    let results = in_one_line(results);
    let results = AuthenticationResults::new(&results);
    match keys.seal(&message, &results, &chain) {
        Some(Ok(set)) => set.to_header(),
        Some(Err(error)) => {
            tracing::warn!(%domain, %error, "a mail that passes on could not be sealed");
            String::new()
        }
        None => String::new(),
    }
}

/// The seal is made over the field as it stands, so it has no folds; and no more results than fit into a line (RFC 5322
/// §2.1.1).
fn in_one_line(results: &str) -> String {
    let mut line = String::new();
    for (at, result) in results.split(';').enumerate() {
        let result = result.split_whitespace().collect::<Vec<_>>().join(" ");
        if line.len() + result.len() + 2 > SEALED_RESULTS_BYTES_MAX {
            break;
        }
        if at > 0 {
            line.push_str("; ");
        }
        line.push_str(&result);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_one_line_of_a_bounded_length() {
        assert_eq!(
            in_one_line("mx.example;\r\n\tspf=pass smtp.mailfrom=a@b.c;\r\n\tdkim=none"),
            "mx.example; spf=pass smtp.mailfrom=a@b.c; dkim=none"
        );
        let long = |count: usize| format!("mx{}", ";\r\n\tdkim=fail".repeat(count));
        assert!(in_one_line(&long(10)).ends_with("dkim=fail"));
        let cut = in_one_line(&long(1000));
        assert!(cut.len() <= SEALED_RESULTS_BYTES_MAX && cut.len() > SEALED_RESULTS_BYTES_MAX - 20 && cut.ends_with("dkim=fail"));
    }
}
