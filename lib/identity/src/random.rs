// SPDX-License-Identifier: AGPL-3.0-or-later
//! Chance, from the kernel.

/// Random bytes.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the kernel's random source answers");
    bytes
}
