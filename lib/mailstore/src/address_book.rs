// SPDX-License-Identifier: AGPL-3.0-or-later
//! Address books (RFC 9610 §2): named sets of cards; one of them is the default.
//!
//! Every account has a default one. The first is there as soon as anybody looks, and is written with the first change:
//! so it is always [`FIRST`], and a reader needs no write.

use hearth_types::AddressBookId;
use unicode_normalization::UnicodeNormalization;

use crate::changes::{Kind, bury};
use crate::error::{Error, Result};
use crate::limits::{ADDRESS_BOOK_DESCRIPTION_BYTES_MAX, ADDRESS_BOOK_NAME_BYTES_MAX, ADDRESS_BOOKS_MAX};
use crate::tx::{MailTx, number};
use crate::{card, changes};

/// The address book that every account begins with.
pub const FIRST: AddressBookId = AddressBookId::from_i64(1);
/// What it is called until somebody renames it.
const FIRST_NAME: &str = "Contacts";

/// An address book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressBook {
    /// Stays.
    pub id: AddressBookId,
    /// In Unicode NFC; not unique.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// Below 2^31.
    pub sort_order: u32,
    /// Is it the one for cards that nobody chose one for? Exactly one is.
    pub is_default: bool,
    /// Does its owner want to see it?
    pub subscribed: bool,
    created_modseq: u64,
}

/// What may be said of one; `None` leaves it as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Its name.
    pub name: Option<String>,
    /// Its description, or none.
    pub description: Option<Option<String>>,
    /// Where it stands.
    pub sort_order: Option<u32>,
    /// Is it to be shown?
    pub subscribed: Option<bool>,
}

/// All of them, in the order in which they are shown.
pub fn list(tx: &mut MailTx<'_>) -> Result<Vec<AddressBook>> {
    let account = tx.account();
    let mut all = tx.query(
        "SELECT id, name, description, sort_order, is_default, subscribed, created_modseq FROM address_book WHERE account = $1",
        &[&account],
        |row| {
            Ok(AddressBook {
                id: row.get(0)?,
                name: row.get(1)?,
                description: row.get(2)?,
                sort_order: row.get(3)?,
                is_default: row.get(4)?,
                subscribed: row.get(5)?,
                created_modseq: row.get(6)?,
            })
        },
    )?;
    if all.is_empty() {
        all.push(first());
    }
    all.sort_by(|a, b| (a.sort_order, &a.name, a.id).cmp(&(b.sort_order, &b.name, b.id)));
    Ok(all)
}

/// Created before every change, so that it is never news.
fn first() -> AddressBook {
    AddressBook {
        id: FIRST,
        name: FIRST_NAME.to_string(),
        description: None,
        sort_order: 0,
        is_default: true,
        subscribed: true,
        created_modseq: 0,
    }
}

/// One of them.
pub fn find(tx: &mut MailTx<'_>, id: AddressBookId) -> Result<Option<AddressBook>> {
    Ok(list(tx)?.into_iter().find(|book| book.id == id))
}

/// Makes one. It is never the default: see [`make_default`].
pub fn add(tx: &mut MailTx<'_>, new: Change) -> Result<AddressBook> {
    let new = checked(new)?;
    write_first(tx)?;
    let all = list(tx)?;
    if all.len() >= ADDRESS_BOOKS_MAX {
        return Err(Error::TooMany("address books"));
    }
    let mut id = AddressBookId::new(tx.now());
    while all.iter().any(|book| book.id == id) {
        id = AddressBookId::new(tx.now());
    }
    let created_modseq = tx.next_modseq()?;
    let book = AddressBook {
        id,
        name: new.name.ok_or(Error::BadName("it is empty"))?,
        description: new.description.flatten(),
        sort_order: new.sort_order.unwrap_or(0),
        is_default: false,
        subscribed: new.subscribed.unwrap_or(true),
        created_modseq,
    };
    insert(tx, &book)?;
    Ok(book)
}

/// Changes one.
pub fn change(tx: &mut MailTx<'_>, id: AddressBookId, change: Change) -> Result<()> {
    let change = checked(change)?;
    let old = find(tx, id)?.ok_or(Error::NoSuchAddressBook)?;
    let new = AddressBook {
        name: change.name.unwrap_or_else(|| old.name.clone()),
        description: change.description.unwrap_or_else(|| old.description.clone()),
        sort_order: change.sort_order.unwrap_or(old.sort_order),
        subscribed: change.subscribed.unwrap_or(old.subscribed),
        ..old.clone()
    };
    if new == old {
        return Ok(());
    }
    write_first(tx)?;
    let (account, modseq) = (tx.account(), number(tx.next_modseq()?)?);
    tx.execute(
        "UPDATE address_book SET name = $3, description = $4, sort_order = $5, subscribed = $6, modseq = $7
         WHERE account = $1 AND id = $2",
        &[&account, &id, &new.name, &new.description, &new.sort_order, &new.subscribed, &modseq],
    )?;
    Ok(())
}

/// Makes one the default; the one that was it before, if it is another.
pub fn make_default(tx: &mut MailTx<'_>, id: AddressBookId) -> Result<Option<AddressBookId>> {
    write_first(tx)?;
    let all = list(tx)?;
    let wanted = all.iter().find(|book| book.id == id).ok_or(Error::NoSuchAddressBook)?;
    if wanted.is_default {
        return Ok(None);
    }
    let was = all.iter().find(|book| book.is_default).map(|book| book.id);
    // One after the other: the index admits a single default.
    for (id, is) in was.map(|was| (was, false)).into_iter().chain([(id, true)]) {
        let (account, modseq) = (tx.account(), number(tx.next_modseq()?)?);
        tx.execute(
            "UPDATE address_book SET is_default = $3, modseq = $4 WHERE account = $1 AND id = $2",
            &[&account, &id, &is, &modseq],
        )?;
    }
    Ok(was)
}

/// Removes one, but not the default. With `with_contents`, cards that are in no other go with it.
pub fn remove(tx: &mut MailTx<'_>, id: AddressBookId, with_contents: bool) -> Result<()> {
    let old = find(tx, id)?.ok_or(Error::NoSuchAddressBook)?;
    if old.is_default {
        return Err(Error::Forbidden("the default address book cannot be removed; make another the default first"));
    }
    let cards = card::in_book(tx, id)?;
    if !cards.is_empty() && !with_contents {
        return Err(Error::AddressBookHasContents);
    }
    for card in cards {
        card::take_out(tx, card, id)?;
    }
    let (account, modseq) = (tx.account(), tx.next_modseq()?);
    tx.execute("DELETE FROM address_book WHERE account = $1 AND id = $2", &[&account, &id])?;
    bury(tx, Kind::AddressBook, modseq, id.as_i64(), changes::NOWHERE, old.created_modseq)
}

/// Writes the first one down, if there is none at all.
pub(crate) fn write_first(tx: &mut MailTx<'_>) -> Result<()> {
    let account = tx.account();
    let some = tx.find("SELECT id FROM address_book WHERE account = $1 LIMIT 1", &[&account], |_| Ok(()))?;
    if some.is_some() { Ok(()) } else { insert(tx, &first()) }
}

fn insert(tx: &mut MailTx<'_>, book: &AddressBook) -> Result<()> {
    let account = tx.account();
    tx.execute(
        "INSERT INTO address_book (account, id, name, description, sort_order, is_default, subscribed, created_modseq, modseq)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)",
        &[
            &account,
            &book.id,
            &book.name,
            &book.description,
            &book.sort_order,
            &book.is_default,
            &book.subscribed,
            &number(book.created_modseq)?,
        ],
    )?;
    Ok(())
}

/// RFC 9610 §2: a name is not empty and has 255 octets at most.
fn checked(change: Change) -> Result<Change> {
    let name = change.name.map(|name| name.nfc().collect::<String>());
    match name.as_deref() {
        Some("") => return Err(Error::BadName("it is empty")),
        Some(name) if name.len() > ADDRESS_BOOK_NAME_BYTES_MAX => return Err(Error::BadName("it is too long")),
        Some(name) if name.chars().any(char::is_control) => return Err(Error::BadName("it has a control character")),
        _ => {}
    }
    let description = change.description.as_ref().and_then(Option::as_deref).unwrap_or_default();
    if description.len() > ADDRESS_BOOK_DESCRIPTION_BYTES_MAX {
        return Err(Error::TooLarge("description"));
    }
    if description.contains('\0') {
        return Err(Error::Forbidden("a description has no NUL"));
    }
    Ok(Change { name, ..change })
}
