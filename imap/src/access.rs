// SPDX-License-Identifier: AGPL-3.0-or-later
//! Mailboxes of others: how they are called, and what somebody may do there (RFC 4314).
//!
//! A name leads to a [`Spot`]: an account, a path in it, and the [`Reach`] of who asks. Every command that is given a
//! name looks it up with [`Spot::find`] inside its transaction, saying which rights it needs; that is the one place where
//! a name of another's mailbox becomes a mailbox. Of the open mailbox the rights are looked at anew before each command.

use hearth_identity::directory::{Kind, MemberRole, Standing};
use hearth_mailstore::acl::{self, Entry};
use hearth_mailstore::{Error, Flag, FlagSet, MailTx, Mailbox, Rights, mailbox};
use hearth_types::{AccountId, Address, MailboxId, Trouble};
use hearth_wire::imap::SEPARATOR;
use hearth_wire::imap::response::{Code, ListLine, Reply};

use crate::command::permanent_flags;
use crate::ctx::Ctx;
use crate::fault::Failure;

/// What persons share is below this name (RFC 2342: other users' namespace).
pub const OTHER_USERS: &str = "Other Users";
/// What belongs to groups is below this one (RFC 2342: shared namespace).
pub const SHARED: &str = "Shared";
/// With any of these a mailbox is not kept a secret (RFC 4314 §4, MYRIGHTS).
const KNOWN_BY: Rights =
    Rights::LOOKUP.with(Rights::READ).with(Rights::INSERT).with(Rights::CREATE).with(Rights::DELETE).with(Rights::ADMINISTER);
/// Without any of these a mailbox is READ-ONLY (RFC 4314 §5.2; `\Seen` is shared as all flags are).
pub const CHANGES: Rights = FLAGS.with(Rights::INSERT).with(Rights::EXPUNGE);
/// Each lets some flags be changed.
pub const FLAGS: Rights = Rights::SEEN.with(Rights::WRITE).with(Rights::MARK_DELETED);
/// What takes a message away.
pub const REMOVES: Rights = Rights::MARK_DELETED.with(Rights::EXPUNGE);

/// What a name says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named<'n> {
    /// A mailbox of one's own.
    Own(&'n str),
    /// One of another account.
    Foreign {
        /// Below which name.
        namespace: &'static str,
        /// Whose.
        owner: Address,
        /// Its name there.
        path: &'n str,
    },
}

/// `Other Users/anna@home.example/Lists` is `Lists` of Anna; all that is not written so is one's own.
pub fn parse_name(name: &str) -> Named<'_> {
    let foreign = || {
        let (first, rest) = name.split_once(SEPARATOR)?;
        let namespace = [OTHER_USERS, SHARED].into_iter().find(|known| *known == first)?;
        let (owner, path) = rest.split_once(SEPARATOR)?;
        let owner = Address::parse(&owner.replace("%2F", "/")).ok()?;
        Some(Named::Foreign { namespace, owner, path })
    };
    foreign().unwrap_or(Named::Own(name))
}

/// What stands before the names of an account's mailboxes: `Other Users/anna@home.example/`.
pub fn prefix(kind: Kind, owner: &Address) -> String {
    let namespace = if kind == Kind::Group { SHARED } else { OTHER_USERS };
    format!("{namespace}{SEPARATOR}{}{SEPARATOR}", owner.to_string().replace(SEPARATOR, "%2F"))
}

/// Who asks, as the mailboxes of an account see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// They are theirs; no list says otherwise.
    Owner,
    /// Somebody else.
    Other {
        /// All that they are to a list.
        identities: Vec<AccountId>,
        /// What they may do without being named: members of a group, with what is the group's.
        base: Rights,
    },
}

impl Reach {
    /// How somebody reaches the mailboxes of `owner`, who is not themselves. What is a group's is its members': they do
    /// with it as they like, and who says who is a member also says who else may see it.
    pub fn of(standing: &Standing, owner: AccountId) -> Self {
        let base = match standing.groups.iter().find(|(group, _)| *group == owner) {
            Some((_, MemberRole::Owner)) => Rights::ALL,
            Some((_, MemberRole::Member)) => Rights::ALL.without(Rights::ADMINISTER),
            None => Rights::NONE,
        };
        Self::Other { identities: standing.identities.clone(), base }
    }

    /// What a list leaves them.
    pub fn rights<'e>(&self, entries: impl IntoIterator<Item = &'e Entry>) -> Rights {
        match self {
            Self::Owner => Rights::ALL,
            Self::Other { identities, base } => {
                let rights = acl::decide(entries, identities, *base);
                // Who rules a group keeps its lists: what was taken away there can be given back.
                let kept = if base.has(Rights::ADMINISTER) { Rights::LOOKUP.with(Rights::ADMINISTER) } else { Rights::NONE };
                rights.with(kept)
            }
        }
    }

    /// The rights of one mailbox.
    pub fn rights_of(&self, tx: &mut MailTx<'_>, mailbox: MailboxId) -> Result<Rights, Error> {
        match self {
            Self::Owner => Ok(Rights::ALL),
            Self::Other { .. } => Ok(self.rights(&acl::list(tx, mailbox)?)),
        }
    }
}

/// Pure: is that enough? RFC 4314 §6: who may not know of a mailbox is told that there is none.
pub fn check(rights: Rights, needed: Rights) -> Result<(), Failure> {
    if rights.has(needed) && rights.has_any(KNOWN_BY) {
        Ok(())
    } else if rights.has(Rights::LOOKUP) {
        Err(refusal())
    } else {
        Err(Error::NoSuchMailbox.into())
    }
}

/// RFC 5530 §3
pub fn refusal() -> Failure {
    Reply::no("you may not do that here").word("NOPERM").into()
}

/// The right that changing a flag takes (RFC 4314 §4, STORE).
pub fn right_for(flag: &Flag) -> Rights {
    match flag {
        Flag::Deleted => Rights::MARK_DELETED,
        Flag::Seen => Rights::SEEN,
        _ => Rights::WRITE,
    }
}

/// Those flags that may be set.
pub fn permitted(flags: &FlagSet, rights: Rights) -> FlagSet {
    flags.iter().filter(|flag| rights.has(right_for(flag))).collect()
}

/// Where a name leads.
#[derive(Clone, Debug)]
pub struct Spot {
    /// Whose store it is in.
    pub account: AccountId,
    /// The name there.
    pub path: String,
    /// What stands before names of that account; nothing before one's own.
    pub prefix: String,
    /// Who asks.
    pub reach: Reach,
}

impl Spot {
    /// The mailbox at the name, for somebody who needs these rights there. One's own are also known by what mail programs
    /// call the mailbox of a role.
    pub fn find(&self, tx: &mut MailTx<'_>, needed: Rights) -> Result<(Mailbox, Rights), Failure> {
        let find = if self.is_foreign() { mailbox::find_by_name } else { mailbox::find_as_named };
        let found = find(tx, &self.path)?;
        self.admit(tx, found, needed)
    }

    /// The one of this very name: what is removed or called otherwise is meant so.
    pub fn find_exact(&self, tx: &mut MailTx<'_>, needed: Rights) -> Result<(Mailbox, Rights), Failure> {
        let found = mailbox::find_by_name(tx, &self.path)?;
        self.admit(tx, found, needed)
    }

    fn admit(&self, tx: &mut MailTx<'_>, found: Option<Mailbox>, needed: Rights) -> Result<(Mailbox, Rights), Failure> {
        let found = found.ok_or(Error::NoSuchMailbox)?;
        let rights = self.reach.rights_of(tx, found.id)?;
        check(rights, needed)?;
        Ok((found, rights))
    }

    /// The mailbox that a message is to go to; NO [TRYCREATE] where CREATE would help.
    pub fn find_target(&self, tx: &mut MailTx<'_>) -> Result<(Mailbox, Rights), Failure> {
        let may_create = self.check_new(tx).is_ok();
        self.find(tx, Rights::INSERT).map_err(|failure| match failure {
            // RFC 9051 §7.1
            Failure::Fault(hearth_types::Fault::Peer(reply)) if may_create && reply.code == Some(Code::Word("NONEXISTENT")) => {
                reply.word("TRYCREATE").into()
            }
            other => other,
        })
    }

    /// May a mailbox be made or come to be at this name? RFC 4314 §4: `k` on the nearest mailbox above.
    pub fn check_new(&self, tx: &mut MailTx<'_>) -> Result<(), Failure> {
        let Reach::Other { base, .. } = &self.reach else { return Ok(()) };
        let mut above = self.path.as_str();
        while let Some((shorter, _)) = above.rsplit_once(SEPARATOR) {
            above = shorter;
            if let Some(found) = mailbox::find_by_name(tx, above)? {
                return check(self.reach.rights_of(tx, found.id)?, Rights::CREATE);
            }
        }
        check(*base, Rights::CREATE)
    }

    /// How the client calls a mailbox of this account.
    pub fn name(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    /// Is it somebody else's?
    pub fn is_foreign(&self) -> bool {
        self.reach != Reach::Owner
    }
}

/// Where a name leads, for who has signed in.
pub async fn find_spot(ctx: &mut Ctx, name: &str) -> Result<Spot, Failure> {
    let me = ctx.account()?;
    let (namespace, owner, path) = match parse_name(name) {
        Named::Own(path) => {
            return Ok(Spot { account: me, path: path.to_string(), prefix: String::new(), reach: Reach::Owner });
        }
        Named::Foreign { namespace, owner, path } => (namespace, owner, path),
    };
    let directory = &ctx.shared.directory;
    let found = directory.find_account_by_address(&owner).await.map_err(Trouble::from)?;
    // A masked address says nothing of whose it is.
    let masked = directory.find_masked(&owner).await.map_err(Trouble::from)?;
    let found = found.filter(|found| masked.is_none() && found.id != me && (found.kind == Kind::Group) == (namespace == SHARED));
    let found = found.ok_or(Error::NoSuchMailbox)?;
    let standing = directory.find_standing(me).await.map_err(Trouble::from)?;
    let reach = Reach::of(&standing, found.id);
    Ok(Spot { account: found.id, path: path.to_string(), prefix: prefix(found.kind, &found.primary), reach })
}

/// What may be done in the open mailbox, as it is now. Of one's own, that never changes.
pub async fn recheck(ctx: &mut Ctx) -> Result<(), Failure> {
    let Some(selected) = ctx.selected.as_deref().filter(|selected| selected.reach != Reach::Owner) else { return Ok(()) };
    let me = ctx.account()?;
    let (owner, mailbox) = (selected.account, selected.mailbox);
    let directory = &ctx.shared.directory;
    let standing = directory.find_standing(me).await.map_err(Trouble::from)?;
    let is_there = directory.find_account(owner).await.map_err(Trouble::from)?.is_some();
    let reach = Reach::of(&standing, owner);
    let rights = if is_there {
        let reach = reach.clone();
        ctx.shared.store.read(owner, move |tx| reach.rights_of(tx, mailbox)).await.map_err(Failure::from)?
    } else {
        // The store would make the account anew.
        Rights::NONE
    };
    let selected = ctx.selected()?;
    let before = std::mem::replace(&mut selected.rights, rights);
    selected.reach = reach;
    if before == rights || selected.read_only {
        return Ok(());
    }
    // RFC 4314 §5.1.1: the client is to know.
    let flags = permanent_flags(&selected.view.told().keywords(), rights);
    ctx.write_untagged(&Reply::ok("what can be set now").with(Code::PermanentFlags(flags))).await
}

/// A mailbox that somebody can see.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Whose store it is in.
    pub account: AccountId,
    /// As the client knows it: by its whole name, with its own subscription; a special use is of one's own alone.
    pub mailbox: Mailbox,
    /// What may be done there.
    pub rights: Rights,
}

impl Seen {
    /// Is it somebody else's?
    pub fn is_foreign(&self, me: AccountId) -> bool {
        self.account != me
    }
}

/// The mailboxes of another account that can be seen, under the names that they have here.
pub fn select_seen(
    owner: AccountId,
    prefix: &str,
    reach: &Reach,
    all: &[Mailbox],
    lists: &[(MailboxId, Entry)],
    follows: &[(AccountId, MailboxId)],
) -> Vec<Seen> {
    let of = |id: MailboxId| lists.iter().filter(move |(mailbox, _)| *mailbox == id).map(|(_, entry)| entry);
    let seen = all.iter().filter_map(|mailbox| {
        let rights = reach.rights(of(mailbox.id));
        rights.has(Rights::LOOKUP).then(|| {
            let subscribed = follows.contains(&(owner, mailbox.id));
            let path = format!("{prefix}{}", mailbox.path);
            Seen { account: owner, mailbox: Mailbox { path, subscribed, role: None, ..mailbox.clone() }, rights }
        })
    });
    seen.collect()
}

/// Every mailbox that can be seen: one's own; and those of others, unless nobody asks for them.
pub async fn list_seen(ctx: &mut Ctx, others_too: bool) -> Result<Vec<Seen>, Failure> {
    let me = ctx.account()?;
    let (own, follows) = ctx.shared.store.read(me, |tx| Ok::<_, Failure>((mailbox::list(tx)?, acl::follows(tx)?))).await?;
    let mut seen: Vec<Seen> = own.into_iter().map(|mailbox| Seen { account: me, mailbox, rights: Rights::ALL }).collect();
    if !others_too {
        return Ok(seen);
    }
    let (standing, sharers) = ctx.shared.directory.list_sharers(me).await.map_err(Trouble::from)?;
    for sharer in sharers {
        let read = ctx.shared.store.read(sharer.account, |tx| Ok::<_, Failure>((mailbox::list(tx)?, acl::list_all(tx)?)));
        let (all, lists) = read.await?;
        let reach = Reach::of(&standing, sharer.account);
        seen.extend(select_seen(sharer.account, &prefix(sharer.kind, &sharer.address), &reach, &all, &lists, &follows));
    }
    Ok(seen)
}

/// Could a pattern, behind its reference, match a name of another's mailbox, or a level above one?
pub fn may_match(reference: &str, pattern: &str) -> bool {
    let full = if pattern.starts_with(SEPARATOR) { pattern.to_string() } else { format!("{reference}{pattern}") };
    let literal = full.split(['*', '%']).next().unwrap_or_default();
    let wild = literal.len() < full.len();
    [OTHER_USERS, SHARED].into_iter().any(|namespace| {
        literal == namespace || literal.starts_with(&format!("{namespace}{SEPARATOR}")) || wild && namespace.starts_with(literal)
    })
}

/// The levels above mailboxes of others, which are no mailboxes themselves: `Other Users`, `Other Users/anna@home.example`.
pub fn levels(seen: &[Seen], me: AccountId) -> Vec<ListLine> {
    let mut lines: Vec<ListLine> = Vec::new();
    for one in seen.iter().filter(|one| one.is_foreign(me)) {
        let name = one.mailbox.path.as_str();
        for (at, _) in name.match_indices(SEPARATOR) {
            let above = name.get(..at).unwrap_or_default();
            let known = seen.iter().any(|other| other.mailbox.path == above) || lines.iter().any(|line| line.name == above);
            if !known {
                // RFC 4314 §4: a mailbox above that may not be seen is as if it were not.
                let attributes = vec!["\\Noselect", "\\HasChildren"];
                lines.push(ListLine { attributes, name: above.to_string(), ..ListLine::default() });
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let owner = Address::parse("anna@home.example").expect("an address");
        assert_eq!(
            parse_name("Other Users/anna@home.example/Lists/a"),
            Named::Foreign { namespace: OTHER_USERS, owner: owner.clone(), path: "Lists/a" }
        );
        assert_eq!(
            parse_name("Shared/anna@home.example/INBOX"),
            Named::Foreign { namespace: SHARED, owner: owner.clone(), path: "INBOX" }
        );
        for own in ["INBOX", "Other Users", "Other Users/anna@home.example", "Shared/photos/2026", "Shared", "other users/a@b.c/d"]
        {
            assert_eq!(parse_name(own), Named::Own(own));
        }
        for kind in [Kind::Person, Kind::Group, Kind::Service] {
            let odd = Address::parse("a/b@home.example").expect("an address");
            let name = format!("{}x/y", prefix(kind, &odd));
            assert!(matches!(parse_name(&name), Named::Foreign { owner, path: "x/y", .. } if owner == odd), "{name}");
        }
    }

    #[test]
    fn patterns_that_reach_others() {
        for (reference, pattern, reaches) in [
            ("", "*", true),
            ("", "%", true),
            ("", "INBOX", false),
            ("", "Sh%", true),
            ("", "Sent%", false),
            ("Other Users/", "%", true),
            ("", "Shared", true),
            ("", "Shared2/%", false),
            ("", "", false),
        ] {
            assert_eq!(may_match(reference, pattern), reaches, "{reference:?} {pattern:?}");
        }
    }

    #[test]
    fn enough_or_not_and_what_is_said() {
        let word = |rights: &str, needed: Rights| match check(Rights::parse(rights).expect("letters"), needed) {
            Ok(()) => "ok",
            Err(Failure::Fault(hearth_types::Fault::Peer(reply))) => match reply.code {
                Some(Code::Word(word)) => word,
                _ => "no code",
            },
            Err(_) => "trouble",
        };
        assert_eq!(word("lr", Rights::READ), "ok");
        assert_eq!(word("r", Rights::READ), "ok");
        assert_eq!(word("l", Rights::READ), "NOPERM");
        assert_eq!(word("i", Rights::READ), "NONEXISTENT", "it is not visible");
        assert_eq!(word("", Rights::NONE), "NONEXISTENT");
        assert_eq!(word("p", Rights::NONE), "NONEXISTENT");
    }

    #[test]
    fn members_have_what_is_the_group_s() {
        let id = AccountId::from_i64;
        let standing = Standing {
            identities: vec![id(1), id(0), id(7), id(8)],
            groups: vec![(id(7), MemberRole::Member), (id(8), MemberRole::Owner)],
        };
        let rights = |owner| Reach::of(&standing, id(owner)).rights(&[]).to_string();
        assert_eq!(rights(7), "lrswipkxtecd");
        assert_eq!(rights(8), "lrswipkxteacd");
        assert_eq!(rights(9), "");
        let taken = [Entry { grantee: id(1), negative: true, rights: Rights::DELETE }];
        assert!(!Reach::of(&standing, id(8)).rights(&taken).has(Rights::DELETE));
    }
}
