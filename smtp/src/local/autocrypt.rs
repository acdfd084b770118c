// SPDX-License-Identifier: AGPL-3.0-or-later
//! The keys that correspondents send with their mails (Autocrypt Level 1 §2.3), kept for the person who got the mail. No
//! more than octets here: they are looked at when the person looks for that correspondent's key.

use hearth_filter::Judgement;
use hearth_identity::certs::AutocryptPeer;
use hearth_wire::autocrypt;
use hearth_wire::message::{Header, Headers};

use super::{Arrival, Plan};
use crate::ctx::Server;

/// Keeps what the mail says. An error costs nothing but the key.
pub(super) async fn note(server: &Server, arrival: &Arrival, plan: &Plan) {
    if plan.judged_junk || arrival.judgement == Judgement::Suspect {
        return;
    }
    let Some((address, peer)) = read(arrival) else { return };
    if let Err(error) = server.directory.note_autocrypt_peer(plan.account, &address, peer).await {
        tracing::warn!(account = %plan.account, %error, "a correspondent's key could not be kept");
    }
}

/// Level 1 §2.3: one author, one field that names the author, and no report or list.
fn read(arrival: &Arrival) -> Option<(hearth_types::Address, AutocryptPeer)> {
    let only = |name: &str| -> Option<Header<'_>> {
        let mut fields = Headers::new(arrival.message.start()).filter(|field| field.is(name));
        fields.next().filter(|_| fields.next().is_none())
    };
    let from = only("From")?.addresses();
    let [author] = from.as_slice() else { return None };
    let said = autocrypt::parse(&only("Autocrypt")?.unfolded())?;
    let author: hearth_types::Address = author.address()?.parse().ok()?;
    if said.address.key() != author.key() || Headers::new(arrival.message.start()).any(|field| field.is("List-Id")) {
        return None;
    }
    let sent = only("Date").and_then(|field| field.date()).map_or(arrival.received_at, |(date, _)| date);
    let effective_at = sent.min(arrival.received_at);
    Some((said.address, AutocryptPeer { keydata: said.keydata, mutual: said.mutual, effective_at }))
}

#[cfg(test)]
mod tests {
    use hearth_types::Timestamp;

    use super::*;

    fn arrival(header: &str) -> Arrival {
        Arrival {
            id: "a".into(),
            sender: None,
            trace: String::new(),
            message: format!("{header}\r\nhello\r\n").into_bytes().into(),
            received_at: Timestamp::from_secs(1_795_366_800),
            judgement: Judgement::Welcome,
            reason: None,
            proven: true,
            results: String::new(),
            delivered_to: Vec::new(),
            require_tls: false,
        }
    }

    #[test]
    fn one_author_and_one_field_of_theirs() {
        let field = "Autocrypt: addr=bob@b.example; prefer-encrypt=mutual;\r\n keydata=mQ==\r\n";
        let from = "From: Bob <bob@b.example>\r\n";
        let (address, peer) = read(&arrival(&format!("{from}{field}Date: Sun, 22 Nov 2026 16:00:00 +0000\r\n"))).expect("a key");
        assert_eq!((address.to_string().as_str(), peer.keydata.as_slice(), peer.mutual), ("bob@b.example", &[0x99][..], true));
        assert_eq!(peer.effective_at, Timestamp::from_secs(1_795_363_200));
        // A date of the future is now.
        let later = read(&arrival(&format!("{from}{field}Date: Sun, 22 Nov 2099 16:00:00 +0000\r\n"))).expect("a key");
        assert_eq!(later.1.effective_at, Timestamp::from_secs(1_795_366_800));
        for header in [
            format!("{from}{field}{field}"),
            format!("From: bob@b.example, eve@b.example\r\n{field}"),
            format!("From: eve@b.example\r\n{field}"),
            format!("{from}{field}List-Id: <l.b.example>\r\n"),
            from.to_string(),
            field.to_string(),
        ] {
            assert!(read(&arrival(&header)).is_none(), "{header}");
        }
    }
}
