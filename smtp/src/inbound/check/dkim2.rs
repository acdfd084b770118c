// SPDX-License-Identifier: AGPL-3.0-or-later
//! Does a chain of DKIM2 signatures hold (draft-ietf-dkim-dkim2-spec, as mail-auth 0.13 reads it)? It is a draft: what is
//! found is noted, and decides nothing.

use hearth_types::Address;
use mail_auth::dkim2::{BodyRecipe, Dkim2Error, Dkim2Output, Envelope, MessageInstance, Step};
use mail_auth::{AuthenticatedMessage, Dkim2Result, Error, MessageAuthenticator};

use super::{Finding, Subject};
use crate::limits::{DKIM2_HOPS_MAX, SIGNATURES_MAX};

pub(super) async fn look<'x>(
    authenticator: &MessageAuthenticator,
    subject: &Subject<'_>,
    message: &'x AuthenticatedMessage<'x>,
) -> Dkim2Output<'x> {
    if subject.message.whole().is_none() {
        // mail-auth makes its hashes of a whole body, and a large one is not in memory.
        return Dkim2Result::None.into();
    }
    if !is_bounded(message) {
        return Dkim2Result::PermError(Error::Dkim2(Dkim2Error::ChainTooLong)).into();
    }
    // Its signatures cover the envelope, with the angle brackets.
    let sender = format!("<{}>", subject.sender.map(Address::to_string).unwrap_or_default());
    let recipients = subject.recipients.iter().map(|recipient| format!("<{recipient}>"));
    authenticator.verify_dkim2(message, Envelope::new(sender, recipients)).await
}

pub(super) fn finding(output: &Dkim2Output<'_>) -> Finding {
    match output.result() {
        Dkim2Result::Pass => Finding::Pass,
        Dkim2Result::Fail(_) => Finding::Fail,
        Dkim2Result::PermError(_) => Finding::PermError,
        Dkim2Result::TempError(_) => Finding::TempError,
        Dkim2Result::None => Finding::None,
    }
}

/// Each hop costs a hash over the whole message, each signature a look-up; and a recipe tells how to make the message of
/// the hop before out of this one, so that one which copies a line twice could make terabytes of it.
fn is_bounded(message: &AuthenticatedMessage<'_>) -> bool {
    let (hops, instances) = (&message.dkim2_signatures, &message.dkim2_instances);
    let signatures: usize = hops.iter().map(|hop| hop.header.s.len()).sum();
    hops.len() <= DKIM2_HOPS_MAX
        && instances.len() <= DKIM2_HOPS_MAX
        && signatures <= SIGNATURES_MAX
        && instances.iter().all(|instance| copies_once(&instance.header))
}

fn copies_once(instance: &MessageInstance) -> bool {
    let Some(recipe) = &instance.recipe else { return true };
    let body = match &recipe.body {
        BodyRecipe::Steps(steps) => steps.as_slice(),
        BodyRecipe::None | BodyRecipe::Unreconstructable => &[],
    };
    recipe.headers.iter().map(|field| field.steps.as_slice()).chain([body]).all(goes_forward)
}

fn goes_forward(steps: &[Step]) -> bool {
    let mut behind = 0;
    steps.iter().all(|step| match step {
        Step::Data(_) => true,
        Step::Copy { start, end } => start > &std::mem::replace(&mut behind, *end),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipe_copies_each_line_once() {
        let copy = |start, end| Step::Copy { start, end };
        let data = || Step::Data(vec!["x".to_string()]);
        for (steps, good) in [
            (vec![], true),
            (vec![data(), copy(1, 3), data(), copy(4, u32::MAX)], true),
            (vec![copy(1, 3), copy(3, 4)], false),
            (vec![copy(5, 9), copy(1, 2)], false),
            (vec![copy(1, u32::MAX), copy(1, u32::MAX)], false),
            (vec![copy(0, 4)], false),
        ] {
            assert_eq!(goes_forward(&steps), good, "{steps:?}");
        }
    }
}
