// SPDX-License-Identifier: AGPL-3.0-or-later
//! One script after another: the home's own before and after a person's. As long as one only keeps the mail where it would
//! have gone, the next is asked; the first that files, discards, redirects or refuses has the last word.

use std::sync::Arc;

use hearth_mailstore::FlagSet;

use super::{Action, Place, Ran};

impl Ran {
    /// Is the mail merely kept, so that the next script is asked?
    pub fn only_keeps(&self) -> bool {
        let keeps = |action: &Action| matches!(action, Action::File { place: Place::Usual, .. });
        let tells = |action: &Action| matches!(action, Action::Send { .. });
        self.actions.iter().any(keeps) && self.actions.iter().all(|action| keeps(action) || tells(action))
    }

    /// The mail as it stands after this run, when a script edited it.
    pub fn edited(&self) -> Option<&Arc<Vec<u8>>> {
        self.actions.iter().find_map(|action| match action {
            Action::File { place: Place::Usual, edited, .. } => edited.as_ref(),
            _ => None,
        })
    }

    /// This run and the next, which saw the mail as this one left it: its flags, its edits and what it sends stay.
    pub fn then(self, next: Self) -> Self {
        let edits = self.edited().cloned();
        let mut kept = FlagSet::EMPTY;
        let mut actions = Vec::with_capacity(self.actions.len() + next.actions.len());
        for action in self.actions {
            match action {
                Action::File { flags, .. } => kept.extend(flags.iter()),
                other => actions.push(other),
            }
        }
        for action in next.actions {
            actions.push(match action {
                Action::File { place, mut flags, edited } => {
                    flags.extend(kept.iter());
                    Action::File { place, flags, edited: edited.or_else(|| edits.clone()) }
                }
                Action::Redirect { to, edited } => Action::Redirect { to, edited: edited.or_else(|| edits.clone()) },
                other => other,
            });
        }
        let mut remember = self.remember;
        remember.extend(next.remember);
        Self { actions, remember, error: self.error.or(next.error) }
    }
}

#[cfg(test)]
mod tests {
    use hearth_mailstore::Flag;

    use super::*;

    fn file(path: Option<&str>, flags: &[Flag], edited: Option<&str>) -> Action {
        let place = path.map_or(Place::Usual, |path| Place::Path { path: path.into(), create: false });
        Action::File { place, flags: flags.iter().cloned().collect(), edited: edited.map(|text| Arc::new(text.into())) }
    }

    fn ran(actions: Vec<Action>) -> Ran {
        Ran { actions, ..Ran::default() }
    }

    #[test]
    fn who_only_keeps_lets_the_next_one_speak() {
        let redirect = Action::Redirect { to: "a@b.c".into(), edited: None };
        let send = Action::Send { to: Vec::new(), message: Arc::default(), is_answer: true };
        for (actions, keeps) in [
            (vec![file(None, &[Flag::Seen], Some("x"))], true),
            (vec![file(None, &[], None), send.clone()], true),
            (vec![send], false),
            (vec![file(Some("A"), &[], None)], false),
            (vec![file(None, &[], None), redirect], false),
            (vec![], false),
        ] {
            assert_eq!(ran(actions.clone()).only_keeps(), keeps, "{actions:?}");
        }
    }

    #[test]
    fn flags_and_edits_go_on() {
        let first = ran(vec![file(None, &[Flag::Seen], Some("edited"))]);
        assert_eq!(first.edited().map(|raw| raw.as_slice()), Some(&b"edited"[..]));
        let next = ran(vec![file(Some("A"), &[Flag::Flagged], None), file(Some("B"), &[], Some("more"))]);
        assert_eq!(
            first.clone().then(next).actions,
            [file(Some("A"), &[Flag::Flagged, Flag::Seen], Some("edited")), file(Some("B"), &[Flag::Seen], Some("more"))]
        );
        assert_eq!(first.then(ran(vec![])).actions, [], "discarded");
    }
}
