// SPDX-License-Identifier: AGPL-3.0-or-later
//! Core/echo (RFC 8620 §4): what comes in goes out.

use crate::ctx::Reading;
use crate::error::MethodError;
use crate::method::args::Args;
use crate::request::Arguments;

/// Carries out the call.
pub fn run(_: &mut Reading<'_, '_>, args: Args) -> Result<Arguments, MethodError> {
    Ok(args.into_inner())
}
