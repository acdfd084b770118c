// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a mail program takes instead of typing: a picture for Thunderbird on a phone, a profile for Apple's devices, an add-on
//! for Thunderbird on a computer.

mod addon;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hearth_identity::directory::Account;
use hearth_types::Trouble;
use hearth_web::axum::http::{HeaderValue, header};
use hearth_web::axum::response::{IntoResponse, Response};
use qrcode::QrCode;
use qrcode::render::svg::Color;
use serde_json::json;

use crate::home::Home;

/// Settings of a mail program.
pub(super) struct Kit<'a> {
    host: &'a str,
    imap: u16,
    submission: u16,
    address: String,
    name: String,
    password: &'a str,
}

impl<'a> Kit<'a> {
    pub(super) fn of(home: &'a Home, account: &Account, password: &'a str) -> Self {
        let address = account.primary.to_string();
        let name = if account.name.is_empty() { address.clone() } else { account.name.clone() };
        Self { host: &home.hostname, imap: home.port(993), submission: home.port(465), address, name, password }
    }

    /// Thunderbird, "Export for Mobile" QR code format, version 1: TLS is 3, a plain password is 1.
    fn payload(&self) -> String {
        json!([
            1,
            [1, 1],
            [0, self.host, self.imap, 3, 1, self.address, self.address, self.password],
            [[[0, self.host, self.submission, 3, 1, self.address, self.password], [self.address, self.name]]]
        ])
        .to_string()
    }

    /// A picture, as the address of an image.
    pub(super) fn picture(&self) -> Result<String, Trouble> {
        picture(&self.payload())
    }

    /// A configuration profile, as a download.
    pub(super) fn profile(&self) -> Response {
        let fields = [
            (header::CONTENT_TYPE, HeaderValue::from_static("application/x-apple-aspen-config")),
            (header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"hearth.mobileconfig\"")),
        ];
        (fields, self.plist()).into_response()
    }

    /// Apple's Configuration Profile Reference, "Mail": payload type `com.apple.mail.managed`.
    fn plist(&self) -> String {
        let text = |name: &str, value: &str| format!("<key>{name}</key><string>{}</string>\n", escaped(value));
        let number = |name: &str, value: u16| format!("<key>{name}</key><integer>{value}</integer>\n");
        let flag = |name: &str, value: bool| format!("<key>{name}</key><{value}/>\n");
        let mail = [
            text("PayloadType", "com.apple.mail.managed"),
            number("PayloadVersion", 1),
            text("PayloadIdentifier", &format!("{}.mail.{}", self.host, self.address)),
            text("PayloadUUID", &self.uuid("mail")),
            text("PayloadDisplayName", &self.address),
            text("EmailAccountType", "EmailTypeIMAP"),
            text("EmailAccountDescription", &self.address),
            text("EmailAccountName", &self.name),
            text("EmailAddress", &self.address),
            text("IncomingMailServerAuthentication", "EmailAuthPassword"),
            text("IncomingMailServerHostName", self.host),
            number("IncomingMailServerPortNumber", self.imap),
            flag("IncomingMailServerUseSSL", true),
            text("IncomingMailServerUsername", &self.address),
            text("IncomingPassword", self.password),
            text("OutgoingMailServerAuthentication", "EmailAuthPassword"),
            text("OutgoingMailServerHostName", self.host),
            number("OutgoingMailServerPortNumber", self.submission),
            flag("OutgoingMailServerUseSSL", true),
            text("OutgoingMailServerUsername", &self.address),
            flag("OutgoingPasswordSameAsIncomingPassword", true),
        ];
        let outer = [
            text("PayloadType", "Configuration"),
            number("PayloadVersion", 1),
            text("PayloadIdentifier", &format!("{}.{}", self.host, self.address)),
            text("PayloadUUID", &self.uuid("profile")),
            text("PayloadDisplayName", &self.address),
        ];
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n\
             <plist version=\"1.0\"><dict>\n{}<key>PayloadContent</key><array><dict>\n{}</dict></array>\n</dict></plist>\n",
            outer.concat(),
            mail.concat()
        )
    }

    /// The same for the same account and host, so that a new profile takes the place of an old one.
    fn uuid(&self, of: &str) -> String {
        let hash = digest(&SHA256, format!("{of} {} {}", self.host, self.address).as_bytes());
        let hex: String = hash.as_ref().iter().take(16).map(|octet| format!("{octet:02X}")).collect();
        let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
        format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
    }
}

/// A text that a camera reads, as the address of an image.
pub(super) fn picture(text: &str) -> Result<String, Trouble> {
    let code = QrCode::new(text).map_err(|error| Trouble::new(format!("a QR code: {error}")))?;
    let picture = code.render::<Color<'_>>().min_dimensions(320, 320).quiet_zone(true).build();
    Ok(format!("data:image/svg+xml;base64,{}", STANDARD.encode(picture)))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn kit() -> Kit<'static> {
        Kit {
            host: "mail.home.example",
            imap: 993,
            submission: 465,
            address: "alice@home.example".into(),
            name: "Alice <&>".into(),
            password: "abcde-fghij",
        }
    }

    #[test]
    fn what_thunderbird_reads() {
        let read: serde_json::Value = serde_json::from_str(&kit().payload()).unwrap();
        assert_eq!(read[2], json!([0, "mail.home.example", 993, 3, 1, "alice@home.example", "alice@home.example", "abcde-fghij"]));
        assert_eq!(read[3][0][1], json!(["alice@home.example", "Alice <&>"]));
        assert!(kit().picture().unwrap().starts_with("data:image/svg+xml;base64,"));
    }

    #[test]
    fn what_an_iphone_reads() {
        let profile = kit().plist();
        for part in [
            "<string>Alice &lt;&amp;&gt;</string>",
            "<key>IncomingMailServerPortNumber</key><integer>993</integer>",
            "<key>IncomingPassword</key><string>abcde-fghij</string>",
            "<key>OutgoingMailServerUseSSL</key><true/>",
        ] {
            assert!(profile.contains(part), "{part}: {profile}");
        }
        assert_eq!(profile.matches("<dict>").count(), profile.matches("</dict>").count());
        assert_eq!(kit().uuid("mail").len(), 36);
        assert_ne!(kit().uuid("mail"), kit().uuid("profile"));
    }
}
