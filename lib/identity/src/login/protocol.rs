// SPDX-License-Identifier: AGPL-3.0-or-later
//! What is said on the gate's socket: one JSON value per frame, questions from the client, answers from the gate.
//!
//! ```text
//! C: {"ask":"sasl","mechanism":"PLAIN","service":"imap","peer":"192.0.2.1","initial":"AGFsaWNl..."}
//! S: {"say":"challenge","data":"..."}          C: {"ask":"response","data":"..."}
//! S: {"say":"login","account":"...","address":"...","session":"...","scopes":["mail"]}
//! ```
//!
//! Octets are base64. A connection serves one question, or one exchange until its end.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hearth_types::{AccountId, SessionId, Timestamp};
use serde::{Deserialize, Serialize};

use super::{AppPassword, Login, Refusal};
use crate::service::{Service, Services};

/// Asked of the gate. Numbers stand for ids, milliseconds for times.
#[derive(Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum Question {
    /// Are you there?
    Ping,
    /// Begin a SASL exchange.
    Sasl {
        /// The mechanism's name.
        mechanism: String,
        /// For what.
        service: Service,
        /// From where.
        peer: IpAddr,
        /// `tls-exporter`.
        #[serde(default, with = "octets::option", skip_serializing_if = "Option::is_none")]
        exporter: Option<Vec<u8>>,
        /// `tls-server-end-point`.
        #[serde(default, with = "octets::option", skip_serializing_if = "Option::is_none")]
        server_end_point: Option<Vec<u8>>,
        /// The client's initial response, if it sent one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        initial: Option<Showing>,
    },
    /// Go on with it.
    Response {
        /// What the client answered.
        data: Showing,
    },
    /// Is this the password?
    Password {
        /// An address.
        user: String,
        /// Shown by it.
        password: Showing,
        /// For what.
        service: Service,
        /// From where.
        peer: IpAddr,
    },
    /// Is this token good?
    Bearer {
        /// Shown by its holder.
        token: Showing,
        /// For what.
        service: Service,
        /// From where.
        peer: IpAddr,
    },
    /// Set the human password, or take it away.
    SetPassword {
        /// Whose.
        account: i64,
        /// The new one.
        password: Option<Showing>,
    },
    /// Make an app password.
    AddAppPassword {
        /// Whose.
        account: i64,
        /// What its owner calls it.
        label: String,
        /// Names with spaces between.
        services: String,
        /// Milliseconds.
        expires_at: Option<i64>,
    },
    /// List them.
    ListAppPasswords {
        /// Whose.
        account: i64,
    },
    /// Take one back.
    RevokeAppPassword {
        /// Which.
        id: i64,
    },
    /// Seal an OpenPGP secret key.
    StoreSecretKey {
        /// Whose.
        account: i64,
        /// Its certificate's.
        fingerprint: String,
        /// The key, in base64.
        key: Showing,
    },
    /// Open it.
    ExportSecretKey {
        /// Its certificate's.
        fingerprint: String,
    },
    /// Wipe it.
    RemoveSecretKey {
        /// Its certificate's.
        fingerprint: String,
    },
    /// Tell somebody of what the command did to their account.
    Tell {
        /// Whom.
        account: i64,
        /// The event of the audit log.
        event: String,
        /// What it was about, such as an address.
        what: String,
    },
    /// Make a one-time link.
    AddLink {
        /// Whose way in.
        account: i64,
        /// Passkeys, authenticators and recovery codes are forgotten with its use.
        forget_factors: bool,
        /// How long it can be used, in seconds.
        lives: u64,
    },
    /// Wipe all secrets of an account.
    Forget {
        /// Whose.
        account: i64,
    },
    /// Look through the vault: is it whole?
    CheckVault,
}

/// Said by the gate.
#[derive(Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Answer {
    /// It is done, or: I am here.
    Done,
    /// Whether there was anything to do.
    Was {
        /// There was.
        there: bool,
    },
    /// Send this to the client and come back with its response.
    Challenge {
        /// What to send.
        #[serde(with = "octets")]
        data: Vec<u8>,
    },
    /// It is them.
    Login {
        /// Who.
        account: i64,
        /// Their primary address.
        address: String,
        /// The device.
        session: i64,
        /// What a token admits.
        scopes: Vec<String>,
    },
    /// It is not, or they may not.
    Refused {
        /// Why.
        refusal: Refusal,
    },
    /// A new app password, shown once.
    AppPassword {
        /// Its id.
        id: i64,
        /// The text.
        password: Showing,
    },
    /// App passwords.
    AppPasswords {
        /// Oldest first.
        all: Vec<Listed>,
    },
    /// The secret part of a one-time link.
    Link {
        /// The text.
        token: Showing,
    },
    /// An OpenPGP secret key.
    SecretKey {
        /// The key in base64, when there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<Showing>,
    },
    /// What was looked through.
    Checked {
        /// What is wrong with it, if anything is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wrong: Option<String>,
    },
    /// The question cannot be done: in words for a person.
    Cannot {
        /// Why not.
        why: String,
    },
    /// Something failed here; it is logged under this id.
    Trouble {
        /// Four letters.
        id: String,
    },
}

/// A secret on its way through the socket: not in `Debug`, wiped when dropped.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Showing(String);

/// An app password in a list.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Listed {
    id: i64,
    label: String,
    services: String,
    created_at: i64,
    expires_at: Option<i64>,
    last_used_at: Option<i64>,
}

impl Showing {
    /// Wraps a secret that is about to be sent.
    pub fn new(secret: &str) -> Self {
        Self(secret.to_string())
    }

    /// Wraps secret octets that are about to be sent, in base64.
    pub fn from_octets(octets: &[u8]) -> Self {
        Self(STANDARD.encode(octets))
    }

    /// The octets of what is base64.
    pub fn into_octets(self) -> Option<hearth_types::Secret<Vec<u8>>> {
        STANDARD.decode(&self.0).ok().map(hearth_types::Secret::new)
    }

    /// The secret, kept as one from here on.
    pub fn into_secret(mut self) -> hearth_types::Secret<String> {
        hearth_types::Secret::new(std::mem::take(&mut self.0))
    }
}

impl Drop for Showing {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.0);
    }
}

impl From<&AppPassword> for Listed {
    fn from(app: &AppPassword) -> Self {
        Self {
            id: app.id.as_i64(),
            label: app.label.clone(),
            services: app.services.to_string(),
            created_at: app.created_at.millis(),
            expires_at: app.expires_at.map(Timestamp::millis),
            last_used_at: app.last_used_at.map(Timestamp::millis),
        }
    }
}

impl Listed {
    pub(super) fn into_app_password(self) -> AppPassword {
        AppPassword {
            id: SessionId::from_i64(self.id),
            label: self.label,
            services: self.services.parse::<Services>().unwrap_or_default(),
            created_at: Timestamp::from_millis(self.created_at),
            expires_at: self.expires_at.map(Timestamp::from_millis),
            last_used_at: self.last_used_at.map(Timestamp::from_millis),
        }
    }
}

impl From<&Login> for Answer {
    fn from(login: &Login) -> Self {
        Self::Login {
            account: login.account.as_i64(),
            address: login.address.to_string(),
            session: login.session.as_i64(),
            scopes: login.scopes.clone(),
        }
    }
}

impl Answer {
    /// The login of an answer that is one, and whose address reads.
    pub(super) fn into_login(self) -> Option<Login> {
        match self {
            Self::Login { account, address, session, scopes } => Some(Login {
                account: AccountId::from_i64(account),
                address: address.parse().ok()?,
                session: SessionId::from_i64(session),
                scopes,
            }),
            _ => None,
        }
    }
}

mod octets {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(octets: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(octets))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map_err(D::Error::custom)
    }

    pub mod option {
        use serde::{Deserialize, Deserializer, Serializer};

        #[derive(Deserialize)]
        struct Octets(#[serde(with = "super")] Vec<u8>);

        pub fn serialize<S: Serializer>(octets: &Option<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
            match octets {
                Some(octets) => super::serialize(octets, serializer),
                None => serializer.serialize_none(),
            }
        }

        pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<u8>>, D::Error> {
            Ok(Option::<Octets>::deserialize(deserializer)?.map(|octets| octets.0))
        }
    }
}
