// SPDX-License-Identifier: AGPL-3.0-or-later
//! The mail that alice finds when she looks around.

use anyhow::anyhow;
use hearth_boot::Config;
use hearth_mailstore::{Content, Durability, Error, FlagSet, Role, mailbox, message};
use hearth_types::{AccountId, Address, Clock};
use mail_builder::MessageBuilder;
use mail_builder::headers::date::Date;

use crate::place;

/// Puts it into the inbox of `account`.
pub async fn deliver(config: &Config, account: AccountId, from: &Address, to: &Address) -> anyhow::Result<()> {
    let now = Clock::system().now();
    let raw = write(from, to, now.secs())?;
    let store = place::mail(config).await?;
    let prepared = store.prepare(account, Content::Bytes(raw)).await?;
    store
        .write(account, Durability::Synced, move |tx| {
            let inbox = mailbox::find_by_role(tx, Role::Inbox)?;
            let places: Vec<_> = inbox.iter().map(|inbox| inbox.id).collect();
            message::append(tx, prepared, &places, &FlagSet::default(), now).map(drop)
        })
        .await
        .map_err(|error: Error| anyhow!("the sample mail cannot be delivered: {error}"))?;
    store.close().await?;
    Ok(())
}

fn write(from: &Address, to: &Address, date: i64) -> anyhow::Result<Vec<u8>> {
    let text = "Hello Alice,\r\n\r\nthis mail has been here since the house was built. Answer it, and it goes to my inbox \
                down the corridor.\r\n\r\nThe attachment shows that attachments work, the subject that letters of any \
                language do.\r\n\r\nBob\r\n";
    let html = "<p>Hello Alice,</p><p>this mail has been here <b>since the house was built</b>. Answer it, and it goes to my \
                inbox down the corridor.</p><p>The attachment shows that attachments work, the subject that letters of any \
                language do.</p><p>Bob</p>";
    let (from_text, to_text) = (from.to_string(), to.to_string());
    let message = MessageBuilder::new()
        .from(("Bob", from_text.as_str()))
        .to(("Alice", to_text.as_str()))
        .subject("Willkommen zu Hause \u{2013} привет, 你好")
        .date(Date::new(date))
        .message_id(format!("welcome.{date}@{}", from.domain()))
        .text_body(text)
        .html_body(html)
        .attachment("text/plain", "house rules.txt", "Shoes off. Music after ten by agreement.\r\n");
    Ok(message.write_to_vec()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_mail_with_two_texts_and_an_attachment() {
        let from = Address::parse("bob@home.localhost").unwrap();
        let to = Address::parse("alice@home.localhost").unwrap();
        let raw = String::from_utf8(write(&from, &to, 1_700_000_000).unwrap()).unwrap();
        for part in ["multipart/mixed", "multipart/alternative", "=?utf-8?", "house rules.txt", "<bob@home.localhost>"] {
            assert!(raw.contains(part), "{part}:\n{raw}");
        }
        assert!(!raw.contains("\n\n"), "lines end with CR LF");
    }
}
