// SPDX-License-Identifier: AGPL-3.0-or-later
//! Pure: the messages of a session, by their numbers, and what is to become of them.

use hearth_types::MessageId;

/// One message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Its UID in INBOX.
    pub uid: u32,
    /// Its id; its unique id too.
    pub id: MessageId,
    /// Octets.
    pub size_bytes: u64,
}

/// A message, and whether it is marked.
#[derive(Clone, Debug)]
struct Slot {
    letter: Letter,
    deleted: bool,
    read: bool,
}

/// INBOX as it was at login.
#[derive(Clone, Debug, Default)]
pub struct Maildrop {
    slots: Vec<Slot>,
}

impl Maildrop {
    /// From the messages of INBOX, by UID.
    pub fn new(letters: Vec<Letter>) -> Self {
        Self { slots: letters.into_iter().map(|letter| Slot { letter, deleted: false, read: false }).collect() }
    }

    /// STAT: how many are not marked, and their octets.
    pub fn totals(&self) -> (usize, u64) {
        let standing = self.standing();
        standing.fold((0, 0), |(count, bytes), (_, letter)| (count + 1, bytes + letter.size_bytes))
    }

    /// Those that are not marked, with their numbers.
    pub fn standing(&self) -> impl Iterator<Item = (usize, &Letter)> {
        self.slots.iter().enumerate().filter(|(_, slot)| !slot.deleted).map(|(at, slot)| (at + 1, &slot.letter))
    }

    /// One that is not marked (RFC 1939 §5: a marked one is an error).
    pub fn find(&self, number: u32) -> Option<Letter> {
        let at = usize::try_from(number).ok()?.checked_sub(1)?;
        self.slots.get(at).filter(|slot| !slot.deleted).map(|slot| slot.letter)
    }

    /// DELE.
    pub fn mark(&mut self, number: u32) -> bool {
        self.slot(number).map(|slot| slot.deleted = true).is_some()
    }

    /// It was fetched.
    pub fn note_read(&mut self, number: u32) {
        if let Some(slot) = self.slot(number) {
            slot.read = true;
        }
    }

    fn slot(&mut self, number: u32) -> Option<&mut Slot> {
        let at = usize::try_from(number).ok()?.checked_sub(1)?;
        self.slots.get_mut(at).filter(|slot| !slot.deleted)
    }

    /// RSET.
    pub fn unmark(&mut self) {
        self.slots.iter_mut().for_each(|slot| slot.deleted = false);
    }

    /// UIDs that QUIT deletes.
    pub fn doomed(&self) -> Vec<u32> {
        self.slots.iter().filter(|slot| slot.deleted).map(|slot| slot.letter.uid).collect()
    }

    /// UIDs that were fetched and stay.
    pub fn read(&self) -> Vec<u32> {
        self.slots.iter().filter(|slot| slot.read && !slot.deleted).map(|slot| slot.letter.uid).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks() {
        let letter = |uid: u32| Letter { uid, id: MessageId::from_i64(i64::from(uid)), size_bytes: 10 };
        let mut drop = Maildrop::new(vec![letter(4), letter(7), letter(9)]);
        assert_eq!(drop.totals(), (3, 30));
        assert!(drop.mark(2) && !drop.mark(2) && !drop.mark(0) && !drop.mark(4));
        assert_eq!((drop.totals(), drop.find(2), drop.find(3).map(|letter| letter.uid)), ((2, 20), None, Some(9)));
        drop.note_read(1);
        drop.note_read(2);
        // Numbers stand for the whole session.
        assert_eq!(drop.standing().map(|(number, letter)| (number, letter.uid)).collect::<Vec<_>>(), [(1, 4), (3, 9)]);
        assert_eq!((drop.doomed(), drop.read()), (vec![7], vec![4]));
        drop.unmark();
        assert_eq!((drop.totals(), drop.doomed()), ((3, 30), vec![]));
    }
}
