// SPDX-License-Identifier: AGPL-3.0-or-later
//! How long it takes to decide what is done with a mail once all is found: a fraction of a microsecond each.

use std::hint::black_box;
use std::io::Write as _;
use std::time::Instant;

use hearth_smtp::inbound::check::{DkimFinding, DmarcFinding, Finding, Findings, Policy};
use hearth_smtp::inbound::verdict::decide;

const ROUNDS: u32 = 1_000_000;

fn report(what: &str, findings: &Findings) {
    let begun = Instant::now();
    (0..ROUNDS).for_each(|_| drop(black_box(decide(black_box(findings)))));
    let each = begun.elapsed().as_secs_f64() * 1e6 / f64::from(ROUNDS);
    let _ = writeln!(std::io::stdout(), "{what}: {each:.3} µs");
}

fn main() {
    let dmarc = |finding, policy| DmarcFinding { finding, policy, domain: "else.example".to_string() };
    let signed = vec![DkimFinding { finding: Finding::Pass, domain: "else.example".to_string() }];
    report("welcome", &Findings { dkim: signed, dmarc: dmarc(Finding::Pass, Policy::Reject), ..Findings::default() });
    report("nothing is known", &Findings::default());
    report("refused", &Findings { dmarc: dmarc(Finding::Fail, Policy::Reject), ..Findings::default() });
    let listed = Findings { blocked_by: Some("bl.example".to_string()), spf: Finding::SoftFail, ..Findings::default() };
    report("junk", &listed);
}
