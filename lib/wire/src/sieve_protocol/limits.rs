// SPDX-License-Identifier: AGPL-3.0-or-later
//! Every bound on what a ManageSieve client may send; how large a script may be is the store's to say.

use crate::imap::Bounds;

/// For a stranger: an access token has to fit.
pub const BEFORE_LOGIN: Bounds = Bounds { line_bytes_max: 16 * 1024, command_bytes_max: 32 * 1024, literal_bytes_max: 16 * 1024 };

/// For a person; `script_bytes_max` octets of a script, and what stands around it.
pub const fn after_login(script_bytes_max: usize) -> Bounds {
    Bounds {
        line_bytes_max: 16 * 1024,
        command_bytes_max: script_bytes_max + 16 * 1024,
        literal_bytes_max: script_bytes_max as u64,
    }
}
