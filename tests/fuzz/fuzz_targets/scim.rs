// SPDX-License-Identifier: AGPL-3.0-or-later
//! `hearth_fuzz::scim` on whatever the fuzzer thinks of.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hearth_fuzz::run("scim", data));
