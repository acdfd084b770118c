// SPDX-License-Identifier: AGPL-3.0-or-later
//! What was just done, said once by the page that follows. The name travels in the address (`?done=...`), so that a reload
//! asks for the page again and not for the deed; the sentence is one of ours.

use crate::t;

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// An app is removed from the home.
    AppRemoved,
    /// An account is gone with all that it had.
    PersonRemoved,
    /// An app of one person is let in no longer.
    AppDisconnected,
    /// An app password is ended.
    AppPasswordEnded,
    /// A passkey is removed.
    PasskeyRemoved,
    /// A passkey has another name.
    PasskeyRenamed,
    /// An authenticator app is removed.
    AuthenticatorRemoved,
    /// One device is signed out.
    DeviceOut,
    /// All others are signed out.
    EverywhereOut,
    /// An address elsewhere is proven.
    ContactProven,
    /// The name or the language is another.
    ProfileChanged,
    /// Mail goes to another address alone.
    ForwardProven,
    /// The very form came before.
    Before,
}

impl Done {
    const ALL: [Self; 13] = [
        Self::AppRemoved,
        Self::PersonRemoved,
        Self::AppDisconnected,
        Self::AppPasswordEnded,
        Self::PasskeyRemoved,
        Self::PasskeyRenamed,
        Self::AuthenticatorRemoved,
        Self::DeviceOut,
        Self::EverywhereOut,
        Self::ContactProven,
        Self::ProfileChanged,
        Self::ForwardProven,
        Self::Before,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::AppRemoved => "app-removed",
            Self::PersonRemoved => "person-removed",
            Self::AppDisconnected => "app-disconnected",
            Self::AppPasswordEnded => "app-password-ended",
            Self::PasskeyRemoved => "passkey-removed",
            Self::PasskeyRenamed => "passkey-renamed",
            Self::AuthenticatorRemoved => "authenticator-removed",
            Self::DeviceOut => "device-out",
            Self::EverywhereOut => "everywhere-out",
            Self::ContactProven => "contact-proven",
            Self::ProfileChanged => "profile-changed",
            Self::ForwardProven => "forward-proven",
            Self::Before => "before",
        }
    }

    /// Its sentence, in the language of the request.
    pub fn says(self) -> &'static str {
        match self {
            Self::AppRemoved => t("The app is removed, and who was signed in through it is signed out."),
            Self::PersonRemoved => t("The account is gone, with its mail, passwords and keys."),
            Self::AppDisconnected => t("The app is disconnected."),
            Self::AppPasswordEnded => t("The app password is ended; what used it is shut out."),
            Self::PasskeyRemoved => t("The passkey is removed."),
            Self::PasskeyRenamed => t("The passkey has its new name."),
            Self::AuthenticatorRemoved => t("The authenticator app is removed."),
            Self::DeviceOut => t("The device is signed out."),
            Self::EverywhereOut => t("Everything else is signed out."),
            Self::ContactProven => t("The address is yours: you are told there too from now on."),
            Self::ProfileChanged => t("Your name and language are saved."),
            Self::ForwardProven => t("The address is yours: your mail goes there alone from now on."),
            Self::Before => t("That was sent before, and was not done a second time."),
        }
    }

    /// The address of a page that says so.
    pub fn at(self, path: &str) -> String {
        format!("{path}?done={}", self.name())
    }

    /// By its name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|done| done.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_found_by_its_name_and_nothing_else_is() {
        for done in Done::ALL {
            assert_eq!(Done::find(done.name()), Some(done));
            assert_eq!(done.at("/account"), format!("/account?done={}", done.name()));
        }
        assert_eq!(Done::find("<b>"), None);
    }
}
