// SPDX-License-Identifier: AGPL-3.0-or-later
//! Pure: the phase of a session, what it admits, and what the client has switched on.

use hearth_wire::imap::Charset;

/// The states of RFC 9051 §3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Nobody has signed in.
    NotAuthenticated,
    /// A person has; no mailbox is open.
    Authenticated,
    /// A mailbox is open.
    Selected,
}

/// In which phases a command has a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admits {
    /// Everywhere.
    Any,
    /// Before login.
    BeforeLogin,
    /// After login.
    AfterLogin,
    /// With a mailbox open.
    Selected,
}

impl Phase {
    /// May a command run now? If not, why, in words for the BAD response.
    pub const fn admit(self, admits: Admits) -> Result<(), &'static str> {
        match (admits, self) {
            (Admits::Any, _)
            | (Admits::BeforeLogin, Self::NotAuthenticated)
            | (Admits::AfterLogin, Self::Authenticated | Self::Selected)
            | (Admits::Selected, Self::Selected) => Ok(()),
            (Admits::BeforeLogin, _) => Err("you have signed in already"),
            (Admits::AfterLogin | Admits::Selected, Self::NotAuthenticated) => Err("sign in first"),
            (Admits::Selected, _) => Err("select a mailbox first"),
        }
    }
}

/// What ENABLE and its kin have switched on; nothing switches it off again (RFC 9051 §6.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Modes {
    /// IMAP4rev2.
    pub rev2: bool,
    /// CONDSTORE: FETCH responses carry MODSEQ (RFC 7162 §3.1).
    pub condstore: bool,
    /// UTF8=ACCEPT (RFC 6855): names and texts in UTF-8, as with IMAP4rev2.
    pub utf8: bool,
    /// UIDONLY (RFC 9586): message numbers are not spoken of.
    pub uid_only: bool,
    /// QRESYNC: VANISHED instead of EXPUNGE (RFC 7162 §3.2).
    pub qresync: bool,
}

impl Modes {
    /// How names and header texts go to this client.
    pub const fn charset(self) -> Charset {
        if self.rev2 || self.utf8 { Charset::Utf8 } else { Charset::Utf7 }
    }

    /// ENABLE of one capability by its name in upper case; false for what cannot be enabled.
    pub fn enable(&mut self, name: &str) -> bool {
        match name {
            "IMAP4REV2" => self.rev2 = true,
            "CONDSTORE" => self.condstore = true,
            "UTF8=ACCEPT" => self.utf8 = true,
            "UIDONLY" => self.uid_only = true,
            "QRESYNC" => {
                // RFC 7162 §3.2.3: QRESYNC implies CONDSTORE.
                self.condstore = true;
                self.qresync = true;
            }
            _ => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_each_phase_admits() {
        use Admits::{AfterLogin, Any, BeforeLogin, Selected};
        for (phase, admitted) in [
            (Phase::NotAuthenticated, [true, true, false, false]),
            (Phase::Authenticated, [true, false, true, false]),
            (Phase::Selected, [true, false, true, true]),
        ] {
            let answers = [Any, BeforeLogin, AfterLogin, Selected].map(|admits| phase.admit(admits).is_ok());
            assert_eq!(answers, admitted, "{phase:?}");
        }
    }

    #[test]
    fn qresync_brings_condstore() {
        let mut modes = Modes::default();
        assert!(modes.enable("QRESYNC") && modes.condstore && modes.qresync);
        assert!(!modes.enable("FROB"));
        assert_eq!(modes.charset(), Charset::Utf7);
        assert!(modes.enable("IMAP4REV2"));
        assert_eq!(modes.charset(), Charset::Utf8);
    }
}
