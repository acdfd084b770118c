// SPDX-License-Identifier: AGPL-3.0-or-later
//! Cards: the people, groups and companies of an address book (RFC 9610 §3).
//!
//! What a card says is not known here: it is JSON that comes and goes as it is. Whoever puts one in says its uid and the
//! e-mail addresses in it; these are kept beside it, so that whether somebody is known is one keyed read.

use hearth_types::{AddressBookId, CardId};

use crate::changes::{Kind, NOWHERE, bury};
use crate::error::{Error, Result};
use crate::limits::{CARD_ADDRESSES_MAX, CARD_BYTES_MAX, CARD_UID_BYTES_MAX, CARDS_BYTES_MAX, CARDS_MAX};
use crate::tx::{MailTx, number};
use crate::{address_book, quota};

/// A card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// Stays.
    pub id: CardId,
    /// The address books that it is in, ascending; one at least.
    pub books: Vec<AddressBookId>,
    /// JSON.
    pub content: String,
}

/// What is to be kept of a card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// The same on all systems; no other card of the account has it.
    pub uid: String,
    /// E-mail addresses, as [`Address::key`](hearth_types::Address::key) has them.
    pub addresses: Vec<String>,
    /// JSON.
    pub json: String,
}

/// What the account has before a change.
struct Held {
    uid: String,
    size_bytes: u64,
    created_modseq: u64,
}

/// One card.
pub fn find(tx: &mut MailTx<'_>, id: CardId) -> Result<Option<Card>> {
    let account = tx.account();
    let found = tx.find("SELECT content FROM card WHERE account = $1 AND id = $2", &[&account, &id], |row| row.get(0))?;
    let Some(content) = found else { return Ok(None) };
    Ok(Some(Card { id, books: books_of(tx, id)?, content }))
}

/// How many there are.
pub fn count(tx: &mut MailTx<'_>) -> Result<usize> {
    let account = tx.account();
    tx.one("SELECT cards FROM account WHERE account = $1", &[&account], |row| row.get(0))
}

/// The ids of all, by age.
pub fn ids(tx: &mut MailTx<'_>) -> Result<Vec<CardId>> {
    let account = tx.account();
    tx.query("SELECT id FROM card WHERE account = $1 ORDER BY id", &[&account], |row| row.get(0))
}

/// Shows the JSON of every card, one after the other, by age.
pub fn each(tx: &mut MailTx<'_>, mut visit: impl FnMut(CardId, &str)) -> Result<()> {
    let account = tx.account();
    tx.each("SELECT id, content FROM card WHERE account = $1 ORDER BY id", &[&account], |row| {
        visit(row.get(0)?, &row.get::<String>(1)?);
        Ok(())
    })
}

/// The cards in one address book, ascending.
pub fn in_book(tx: &mut MailTx<'_>, book: AddressBookId) -> Result<Vec<CardId>> {
    let account = tx.account();
    tx.query("SELECT card FROM card_book WHERE account = $1 AND book = $2 ORDER BY card", &[&account, &book], |row| row.get(0))
}

/// Is this address (as [`Address::key`](hearth_types::Address::key) has it) on a card?
pub fn knows(tx: &mut MailTx<'_>, address: &str) -> Result<bool> {
    let (account, address) = (tx.account(), address.to_string());
    let found =
        tx.find("SELECT card FROM card_address WHERE account = $1 AND address = $2 LIMIT 1", &[&account, &address], |_| Ok(()))?;
    Ok(found.is_some())
}

/// Puts a card into address books.
pub fn add(tx: &mut MailTx<'_>, content: Content, books: &[AddressBookId]) -> Result<CardId> {
    let content = checked(content)?;
    check_books(tx, books)?;
    check_uid(tx, &content.uid, None)?;
    check_room(tx, &content, None)?;
    address_book::write_first(tx)?;
    let (account, id, modseq) = (tx.account(), free_id(tx)?, number(tx.next_modseq()?)?);
    let size_bytes = number(content.json.len() as u64)?;
    tx.execute(
        "INSERT INTO card (account, id, uid, size_bytes, created_modseq, modseq, content) VALUES ($1, $2, $3, $4, $5, $5, $6)",
        &[&account, &id, &content.uid, &size_bytes, &modseq, &content.json],
    )?;
    set_books(tx, id, books)?;
    set_addresses(tx, id, &content.addresses)?;
    count_change(tx, 1, size_bytes)?;
    Ok(id)
}

/// Writes a card anew, in these address books.
pub fn change(tx: &mut MailTx<'_>, id: CardId, content: Content, books: &[AddressBookId]) -> Result<()> {
    let content = checked(content)?;
    let held = held(tx, id)?.ok_or(Error::NoSuchCard)?;
    check_books(tx, books)?;
    if content.uid != held.uid {
        check_uid(tx, &content.uid, Some(id))?;
    }
    check_room(tx, &content, Some(&held))?;
    address_book::write_first(tx)?;
    let (account, modseq) = (tx.account(), number(tx.next_modseq()?)?);
    let size_bytes = number(content.json.len() as u64)?;
    tx.execute(
        "UPDATE card SET uid = $3, size_bytes = $4, modseq = $5, content = $6 WHERE account = $1 AND id = $2",
        &[&account, &id, &content.uid, &size_bytes, &modseq, &content.json],
    )?;
    set_books(tx, id, books)?;
    set_addresses(tx, id, &content.addresses)?;
    count_change(tx, 0, size_bytes - number(held.size_bytes)?)
}

/// Removes a card.
pub fn remove(tx: &mut MailTx<'_>, id: CardId) -> Result<()> {
    let held = held(tx, id)?.ok_or(Error::NoSuchCard)?;
    let (account, modseq) = (tx.account(), tx.next_modseq()?);
    tx.execute("DELETE FROM card WHERE account = $1 AND id = $2", &[&account, &id])?;
    set_books(tx, id, &[])?;
    set_addresses(tx, id, &[])?;
    count_change(tx, -1, -number(held.size_bytes)?)?;
    bury(tx, Kind::Card, modseq, id.as_i64(), NOWHERE, held.created_modseq)
}

/// Takes a card out of an address book that goes away; one that is in no other goes as well.
pub(crate) fn take_out(tx: &mut MailTx<'_>, id: CardId, book: AddressBookId) -> Result<()> {
    if books_of(tx, id)? == [book] {
        return remove(tx, id);
    }
    let (account, modseq) = (tx.account(), number(tx.next_modseq()?)?);
    tx.execute("DELETE FROM card_book WHERE account = $1 AND book = $2 AND card = $3", &[&account, &book, &id])?;
    tx.execute("UPDATE card SET modseq = $3 WHERE account = $1 AND id = $2", &[&account, &id, &modseq])?;
    Ok(())
}

/// Many cards of one moment come with an import.
fn free_id(tx: &mut MailTx<'_>) -> Result<CardId> {
    let mut id = CardId::new(tx.now());
    while held(tx, id)?.is_some() {
        id = CardId::new(tx.now());
    }
    Ok(id)
}

fn held(tx: &mut MailTx<'_>, id: CardId) -> Result<Option<Held>> {
    let account = tx.account();
    tx.find("SELECT uid, size_bytes, created_modseq FROM card WHERE account = $1 AND id = $2", &[&account, &id], |row| {
        Ok(Held { uid: row.get(0)?, size_bytes: row.get(1)?, created_modseq: row.get(2)? })
    })
}

fn books_of(tx: &mut MailTx<'_>, id: CardId) -> Result<Vec<AddressBookId>> {
    let account = tx.account();
    tx.query("SELECT book FROM card_book WHERE account = $1 AND card = $2 ORDER BY book", &[&account, &id], |row| row.get(0))
}

fn set_books(tx: &mut MailTx<'_>, id: CardId, books: &[AddressBookId]) -> Result<()> {
    let account = tx.account();
    tx.execute("DELETE FROM card_book WHERE account = $1 AND card = $2", &[&account, &id])?;
    for book in books {
        tx.execute(
            "INSERT INTO card_book (account, book, card) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            &[&account, book, &id],
        )?;
    }
    Ok(())
}

fn set_addresses(tx: &mut MailTx<'_>, id: CardId, addresses: &[String]) -> Result<()> {
    let account = tx.account();
    tx.execute("DELETE FROM card_address WHERE account = $1 AND card = $2", &[&account, &id])?;
    for address in addresses {
        tx.execute(
            "INSERT INTO card_address (account, address, card) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            &[&account, address, &id],
        )?;
    }
    Ok(())
}

/// What is counted of an account: cards and their bytes, which are in its quota as well.
fn count_change(tx: &mut MailTx<'_>, cards: i64, bytes: i64) -> Result<()> {
    let account = tx.account();
    tx.execute(
        "UPDATE account SET cards = cards + $2, card_bytes = card_bytes + $3 WHERE account = $1",
        &[&account, &cards, &bytes],
    )?;
    tx.count_usage(0, bytes);
    Ok(())
}

fn checked(content: Content) -> Result<Content> {
    let uid = &content.uid;
    if uid.is_empty() || uid.len() > CARD_UID_BYTES_MAX || uid.chars().any(char::is_control) {
        return Err(Error::BadName("a uid has 1 to 255 octets, and no control character"));
    }
    if content.json.len() > CARD_BYTES_MAX {
        return Err(Error::TooLarge("card"));
    }
    if content.addresses.len() > CARD_ADDRESSES_MAX {
        return Err(Error::TooMany("e-mail addresses on a card"));
    }
    Ok(content)
}

/// RFC 9610 §3: a card is in one address book at least.
fn check_books(tx: &mut MailTx<'_>, books: &[AddressBookId]) -> Result<()> {
    let all = address_book::list(tx)?;
    let is_known = |id: &AddressBookId| all.iter().any(|book| book.id == *id);
    if books.is_empty() || !books.iter().all(is_known) { Err(Error::NoSuchAddressBook) } else { Ok(()) }
}

/// RFC 9610 §3: no two cards of an account have the same uid.
fn check_uid(tx: &mut MailTx<'_>, uid: &str, own: Option<CardId>) -> Result<()> {
    let (account, uid) = (tx.account(), uid.to_string());
    let found = tx.find("SELECT id FROM card WHERE account = $1 AND uid = $2", &[&account, &uid], |row| row.get::<CardId>(0))?;
    match found {
        Some(other) if Some(other) != own => Err(Error::CardExists(other)),
        _ => Ok(()),
    }
}

fn check_room(tx: &mut MailTx<'_>, content: &Content, held: Option<&Held>) -> Result<()> {
    let account = tx.account();
    let (cards, bytes): (usize, u64) =
        tx.one("SELECT cards, card_bytes FROM account WHERE account = $1", &[&account], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if held.is_none() && cards >= CARDS_MAX {
        return Err(Error::TooMany("cards"));
    }
    let more = (content.json.len() as u64).saturating_sub(held.map_or(0, |held| held.size_bytes));
    if more > 0 && bytes.saturating_add(more) > CARDS_BYTES_MAX {
        return Err(Error::TooMany("bytes of all cards"));
    }
    if more > 0 && !quota::find(tx)?.admits(0, more) {
        return Err(Error::OverQuota);
    }
    Ok(())
}
