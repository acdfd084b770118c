// SPDX-License-Identifier: AGPL-3.0-or-later
//! `hearth up`: start and look after.

use crate::out::Out;
use crate::place::Place;
use crate::supervisor;

/// Runs it until it is asked to stop.
pub async fn run(place: &Place, out: &Out) -> anyhow::Result<()> {
    supervisor::supervise(&place.config, async || {
        out.line("hearth: ready");
        Ok(())
    })
    .await
}
