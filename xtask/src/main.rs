// SPDX-License-Identifier: AGPL-3.0-or-later
//! xtask
fn main() {}
