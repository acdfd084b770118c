// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a person's doings say of a mail (it is wanted, it is junk), and the counts that a classifier learns from them.
//!
//! Nothing is done when somebody moves a mail or sets a keyword: the changes are in the account already, by modseq.
//! [`lessons`] reads those since the last time, off the interactive path, and says what is new: a mail that is in Junk
//! or has `$Junk` is junk; one with `$NotJunk`, one that was answered or flagged, one that was put into the archive or
//! taken out of Junk is wanted. Where a mail was delivered to says nothing, and neither does throwing it away: of what was
//! thrown away unread it is noted alone who it was from.

use hearth_types::MessageId;

use crate::error::Result;
use crate::flags::{Flag, FlagSet};
use crate::mailbox::{self, Role};
use crate::tx::{MailTx, number};

/// Which of the two a mail is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Wanted.
    Good,
    /// Junk.
    Junk,
}

/// In how many mails something was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Wanted ones.
    pub good: u32,
    /// Junk.
    pub junk: u32,
}

/// A mail to learn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lesson {
    /// Which.
    pub message: MessageId,
    /// As what it was learnt before; to be unlearnt.
    pub was: Option<Class>,
    /// What it is.
    pub is: Class,
}

/// Mails that changed since the last time, and how far that goes: for [`learnt_until`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lessons {
    /// To learn from.
    pub lessons: Vec<Lesson>,
    /// Thrown away unread, since the last time.
    pub thrown: Vec<MessageId>,
    /// The modseq of the last change that was looked at.
    pub until: u64,
    /// There are more.
    pub more: bool,
}

/// Takes note that a mail went into Junk because we thought so, not the person.
pub fn judged_junk(tx: &mut MailTx<'_>, message: MessageId) -> Result<()> {
    let account = tx.account();
    tx.execute(
        "INSERT INTO lesson (account, message, junk, learnt) VALUES ($1, $2, $3, $4) ON CONFLICT (account, message) DO NOTHING",
        &[&account, &message, &true, &false],
    )?;
    Ok(())
}

/// Looks at up to `max` changed mails.
pub fn lessons(tx: &mut MailTx<'_>, max: usize) -> Result<Lessons> {
    let account = tx.account();
    let since = looked_until(tx)?;
    let rows = tx.query(
        "SELECT id, modseq, created_modseq, flags, keywords FROM message
         WHERE account = $1 AND modseq > $2 ORDER BY modseq LIMIT $3",
        &[&account, &number(since)?, &number(max as u64)?],
        |row| {
            let flags = FlagSet::from_row(row.get(3)?, &row.get::<String>(4)?, false);
            Ok((row.get::<MessageId>(0)?, row.get::<u64>(1)?, row.get::<u64>(2)?, flags))
        },
    )?;
    let mut found =
        Lessons { lessons: Vec::new(), thrown: Vec::new(), until: rows.last().map_or(since, |row| row.1), more: rows.len() >= max };
    for (message, modseq, created, flags) in rows {
        if modseq <= created {
            continue;
        }
        match lesson(tx, message, &flags)? {
            Said::Nothing => {}
            Said::Lesson(lesson) => found.lessons.push(lesson),
            Said::Thrown => found.thrown.push(message),
        }
    }
    Ok(found)
}

/// How far the changes were looked at.
pub fn looked_until(tx: &mut MailTx<'_>) -> Result<u64> {
    let account = tx.account();
    let found = tx.find("SELECT modseq FROM learning WHERE account = $1", &[&account], |row| row.get(0))?;
    Ok(found.unwrap_or(0))
}

enum Said {
    Nothing,
    Lesson(Lesson),
    Thrown,
}

fn lesson(tx: &mut MailTx<'_>, message: MessageId, flags: &FlagSet) -> Result<Said> {
    let account = tx.account();
    let known = tx.find("SELECT junk, learnt FROM lesson WHERE account = $1 AND message = $2", &[&account, &message], |row| {
        Ok((if row.get(0)? { Class::Junk } else { Class::Good }, row.get::<bool>(1)?))
    })?;
    let places = tx.query(
        "SELECT m.role, m.name, m.parent FROM entry e JOIN mailbox m ON m.account = e.account AND m.id = e.mailbox
         WHERE e.account = $1 AND e.message = $2",
        &[&account, &message],
        |row| {
            let role = row.get::<Option<String>>(0)?.and_then(|role| Role::parse(&role));
            Ok((role, row.get::<i64>(2)? == 0 && row.get::<String>(1)? == mailbox::REJECTS))
        },
    )?;
    if places.iter().any(|(_, is_rejects)| *is_rejects) {
        // It lies where we put it.
        return Ok(Said::Nothing);
    }
    let roles: Vec<Option<Role>> = places.into_iter().map(|(role, _)| role).collect();
    if known.is_none() && !flags.contains(&Flag::Seen) && !roles.is_empty() && roles.iter().all(|role| *role == Some(Role::Trash)) {
        return Ok(Said::Thrown);
    }
    let was = known.map(|(class, _)| class);
    let Some(is) = class(&roles, flags, was).filter(|is| Some(*is) != was) else { return Ok(Said::Nothing) };
    Ok(Said::Lesson(Lesson { message, was: was.filter(|_| known.is_some_and(|(_, learnt)| learnt)), is }))
}

/// Counts a mail that was thrown away unread under this word, as if it were junk, and no other; once.
pub fn note_thrown(tx: &mut MailTx<'_>, message: MessageId, word: i64) -> Result<()> {
    let account = tx.account();
    tx.execute(
        "INSERT INTO word (account, word, good, junk) VALUES ($1, $2, 0, 1)
         ON CONFLICT (account, word) DO UPDATE SET junk = word.junk + 1",
        &[&account, &word],
    )?;
    tx.execute(
        "INSERT INTO lesson (account, message, junk, learnt) VALUES ($1, $2, $3, $4) ON CONFLICT (account, message) DO NOTHING",
        &[&account, &message, &false, &false],
    )?;
    Ok(())
}

/// What the person says of a mail that is there and looks so; `was` is what was thought of it before.
fn class(roles: &[Option<Role>], flags: &FlagSet, was: Option<Class>) -> Option<Class> {
    let has = |name: &str| flags.contains(&Flag::Keyword(name.to_string()));
    let is_in = |role: Role| roles.contains(&Some(role));
    if roles.iter().all(|role| matches!(role, Some(Role::Trash | Role::Drafts | Role::Sent))) {
        return None;
    }
    if has("$notjunk") && !has("$junk") {
        return Some(Class::Good);
    }
    if is_in(Role::Junk) {
        return Some(Class::Junk);
    }
    match was {
        // It was taken out of Junk; the keyword often stays.
        Some(Class::Junk) => Some(Class::Good),
        _ if has("$junk") => Some(Class::Junk),
        _ if is_in(Role::Archive) || flags.contains(&Flag::Answered) || flags.contains(&Flag::Flagged) => Some(Class::Good),
        _ => None,
    }
}

/// Counts the words of one mail, and takes the counts back under which it was learnt before.
pub fn learn(tx: &mut MailTx<'_>, lesson: Lesson, words: &[i64]) -> Result<()> {
    if let Some(was) = lesson.was {
        count(tx, was, words, -1)?;
    }
    count(tx, lesson.is, words, 1)?;
    let account = tx.account();
    tx.execute(
        "INSERT INTO lesson (account, message, junk, learnt) VALUES ($1, $2, $3, $4)
         ON CONFLICT (account, message) DO UPDATE SET junk = $3, learnt = $4",
        &[&account, &lesson.message, &(lesson.is == Class::Junk), &true],
    )?;
    Ok(())
}

fn count(tx: &mut MailTx<'_>, class: Class, words: &[i64], by: i64) -> Result<()> {
    let account = tx.account();
    let (good, junk) = match class {
        Class::Good => (by, 0),
        Class::Junk => (0, by),
    };
    let at_least = |n: i64| n.max(0);
    for word in words {
        tx.execute(
            "INSERT INTO word (account, word, good, junk) VALUES ($1, $2, $3, $4)
             ON CONFLICT (account, word) DO UPDATE SET
                good = CASE WHEN word.good + $5 < 0 THEN 0 ELSE word.good + $5 END,
                junk = CASE WHEN word.junk + $6 < 0 THEN 0 ELSE word.junk + $6 END",
            &[&account, word, &at_least(good), &at_least(junk), &good, &junk],
        )?;
    }
    tx.execute(
        "INSERT INTO learning (account, modseq, good, junk) VALUES ($1, 0, $2, $3)
         ON CONFLICT (account) DO UPDATE SET
            good = CASE WHEN learning.good + $4 < 0 THEN 0 ELSE learning.good + $4 END,
            junk = CASE WHEN learning.junk + $5 < 0 THEN 0 ELSE learning.junk + $5 END",
        &[&account, &at_least(good), &at_least(junk), &good, &junk],
    )?;
    Ok(())
}

/// The changes up to there have been learnt from.
pub fn learnt_until(tx: &mut MailTx<'_>, modseq: u64) -> Result<()> {
    let account = tx.account();
    tx.execute(
        "INSERT INTO learning (account, modseq, good, junk) VALUES ($1, $2, 0, 0)
         ON CONFLICT (account) DO UPDATE SET modseq = $2",
        &[&account, &number(modseq)?],
    )?;
    Ok(())
}

/// The counts of all mails that were learnt, and of each word, in their order.
pub fn counts(tx: &mut MailTx<'_>, words: &[i64]) -> Result<(Counts, Vec<Counts>)> {
    let account = tx.account();
    let all = tx.find("SELECT good, junk FROM learning WHERE account = $1", &[&account], read_counts)?.unwrap_or_default();
    if all == Counts::default() {
        return Ok((all, vec![Counts::default(); words.len()]));
    }
    let each = words.iter().map(|word| count_of(tx, *word)).collect::<Result<_>>()?;
    Ok((all, each))
}

/// The counts of one word.
pub fn count_of(tx: &mut MailTx<'_>, word: i64) -> Result<Counts> {
    let account = tx.account();
    let found = tx.find("SELECT good, junk FROM word WHERE account = $1 AND word = $2", &[&account, &word], read_counts)?;
    Ok(found.unwrap_or_default())
}

fn read_counts(row: &hearth_db::Row<'_>) -> hearth_db::Result<Counts> {
    Ok(Counts { good: row.get(0)?, junk: row.get(1)? })
}

/// Forgets the lessons of mails that are gone; what was learnt from them stays.
pub(crate) fn forget(tx: &mut MailTx<'_>) -> Result<()> {
    let account = tx.account();
    tx.execute(
        "DELETE FROM lesson WHERE account = $1
         AND NOT EXISTS (SELECT 1 FROM message m WHERE m.account = lesson.account AND m.id = lesson.message)",
        &[&account],
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_says_by_doing() {
        use Class::{Good, Junk};
        let flags = |names: &[&str]| names.iter().filter_map(|name| Flag::from_imap(name)).collect::<FlagSet>();
        let inbox = Some(Role::Inbox);
        let junk = Some(Role::Junk);
        for (roles, names, was, want) in [
            (vec![inbox], vec![], None, None),
            (vec![inbox], vec!["\\Seen"], None, None),
            (vec![inbox], vec!["\\Answered"], None, Some(Good)),
            (vec![inbox], vec!["$Junk"], None, Some(Junk)),
            (vec![inbox], vec!["$NotJunk"], None, Some(Good)),
            (vec![junk], vec![], None, Some(Junk)),
            (vec![junk], vec!["$NotJunk"], Some(Junk), Some(Good)),
            (vec![junk], vec!["$junk"], Some(Junk), Some(Junk)),
            (vec![inbox], vec!["$junk"], Some(Junk), Some(Good)),
            (vec![Some(Role::Trash)], vec!["$junk"], Some(Junk), None),
            (vec![Some(Role::Archive)], vec![], None, Some(Good)),
            (vec![None], vec![], None, None),
            (vec![None], vec![], Some(Good), None),
        ] {
            assert_eq!(class(&roles, &flags(&names), was), want, "{roles:?} {names:?} {was:?}");
        }
    }
}
