// SPDX-License-Identifier: AGPL-3.0-or-later
//! Mailing lists: a mail to a list's address goes to each member on its own, so that each has a link of their own to leave.
//!
//! From and all else that the author signed stay as they are, so that DMARC holds by the author's signature; we sign what we
//! add (RFC 8058 §4), seal what we found (RFC 8617), and send from an address of the list, so that SPF holds and reports of
//! failure come to us and not to the author. `LIST+bounces@D` takes these; `LIST+unsubscribe-TOKEN@D` takes a member off.

use hearth_identity::directory::{List, Posting, Unsubscriber};
use hearth_types::{Address, Trouble};
use hearth_wire::message::encode_words;
use hearth_wire::smtp::replies::{LOOP_554_5_4_6, TOO_BIG_552_5_3_4};
use hearth_wire::smtp::{Field, Fields, Reply};
use metrics::counter;

use crate::ctx::Server;
use crate::inbound::check::{Finding, Findings};
use crate::limits::LIST_COPIES_BYTES_MAX;
use crate::message::Message;
use crate::queue::NewMail;
use crate::{local, seal, submission, trace};

const BOUNCES: &str = "bounces";
const UNSUBSCRIBE: &str = "unsubscribe-";

/// A mail to a list.
pub(crate) struct Post<'a> {
    /// The list.
    pub list: &'a List,
    /// Who is on it.
    pub members: &'a [Address],
    /// The address as it was written, with its subaddress.
    pub at: &'a Address,
    /// The envelope sender.
    pub sender: Option<&'a Address>,
    /// What was found of the sender; `None`: one of our own people, signed in.
    pub findings: Option<&'a Findings>,
    /// It was thought to be junk.
    pub suspect: bool,
    /// The fields that we put in front.
    pub trace: &'a str,
    /// The addresses that the mail says it was delivered to before, in lower case.
    pub delivered_to: &'a [String],
    /// The mail.
    pub message: &'a Message,
    /// RFC 8689.
    pub require_tls: bool,
}

/// The copies to be queued; or the reply to a post that the list does not take.
pub(crate) async fn take(server: &Server, post: &Post<'_>) -> Result<Result<Vec<NewMail>, Reply>, Trouble> {
    let subaddress = post.at.local().split_once('+').map(|(_, sub)| sub.to_ascii_lowercase()).unwrap_or_default();
    if subaddress == BOUNCES {
        counter!("smtp_list_bounces_total").increment(1);
        tracing::info!(list = %post.list.address, "a report about a copy of a list came");
        return Ok(Ok(Vec::new()));
    }
    if let Some(token) = subaddress.strip_prefix(UNSUBSCRIBE) {
        let left = server.directory.unsubscribe(&post.list.address, token).await?;
        tracing::info!(list = %post.list.address, was_member = left.is_some(), "somebody left a list by mail");
        return Ok(Ok(Vec::new()));
    }
    if let Some(refusal) = refuse(server, post).await? {
        counter!("smtp_list_posts_total", "taken" => "no").increment(1);
        return Ok(Err(refusal));
    }
    counter!("smtp_list_posts_total", "taken" => "yes").increment(1);
    copies(server, post).await.map(Ok)
}

async fn refuse(server: &Server, post: &Post<'_>) -> Result<Option<Reply>, Trouble> {
    let no = |says: &'static str| Ok(Some(Reply::named(550, 7, 2, "").saying(says)));
    let itself = post.list.address.to_string().to_lowercase();
    if post.delivered_to.contains(&itself) {
        return Ok(Some(LOOP_554_5_4_6));
    }
    // RFC 3834 §2: what nobody wrote goes to no list.
    let is_automatic =
        |field: Field<'_>| field.is("Auto-Submitted") && !String::from_utf8_lossy(field.value()).trim().eq_ignore_ascii_case("no");
    if post.sender.is_none() || Fields::of(post.message.start()).any(is_automatic) {
        return no("this list takes no automatic mail");
    }
    let Ok(authors) = submission::authors(post.message.start()) else { return no("this list takes mail with one From alone") };
    if !fits(post.message.len(), post.members.len()) {
        return Ok(Some(TOO_BIG_552_5_3_4));
    }
    if post.suspect {
        return no("this list passes nothing on that looks like junk");
    }
    if post.list.posting != Posting::Anyone && !authors.iter().all(|author| is_proven(author, post.sender, post.findings)) {
        return no("it cannot be seen that this comes from whom it says, and this list takes mail of some alone");
    }
    for author in &authors {
        if !server.directory.may_post(post.list, author).await? {
            return no("you may not write to this list");
        }
    }
    Ok(None)
}

/// May a post of this size go to so many?
fn fits(octets: u64, members: usize) -> bool {
    octets.saturating_mul(members as u64) <= LIST_COPIES_BYTES_MAX
}

/// Is the author who From says? By DMARC; where the domain has none, by SPF or a signature of the same domain.
pub(crate) fn is_proven(author: &Address, sender: Option<&Address>, findings: Option<&Findings>) -> bool {
    let Some(findings) = findings.filter(|findings| !findings.trusted) else { return true };
    let domain = author.domain();
    match findings.dmarc.finding {
        Finding::Pass => true,
        Finding::None => {
            let by_spf = findings.spf == Finding::Pass && sender.is_some_and(|sender| sender.domain() == domain);
            by_spf
                || findings
                    .dkim
                    .iter()
                    .any(|signature| signature.finding == Finding::Pass && signature.domain.eq_ignore_ascii_case(domain.as_str()))
        }
        _ => false,
    }
}

async fn copies(server: &Server, post: &Post<'_>) -> Result<Vec<NewMail>, Trouble> {
    let list = post.list;
    let domain = list.address.domain();
    let results = post.findings.filter(|findings| !findings.trusted).map_or("", |findings| findings.results.as_str());
    let seal = seal::seal(server, domain, post.message, results).await;
    let message = match trace::without(post.message.start(), is_of_a_list) {
        Some(start) => post.message.with_start(start),
        None => post.message.clone(),
    };
    let (tokens, keys) = (server.directory.unsubscriber().await?, server.signer.keys_of(domain).await);
    let sender = Address::new(format!("{}+{BOUNCES}", list.address.local()), domain.clone()).ok();
    let mut mails = Vec::with_capacity(post.members.len());
    for member in post.members {
        let fields = fields(server, list, &tokens, member);
        let signed = message.with_fields(fields.as_bytes());
        let keys = keys.clone();
        let signature = tokio::task::spawn_blocking(move || keys.map(|keys| keys.sign_list(&signed)).transpose()).await?;
        let signature = signature.unwrap_or_else(|error| {
            tracing::error!(%domain, %error, "a copy of a list could not be signed; it goes out unsigned");
            None
        });
        let signature = signature.unwrap_or_default();
        let head = format!("Delivered-To: {}\r\n{seal}{signature}{fields}{}", list.address, post.trace);
        mails.push(NewMail {
            require_tls: post.require_tls,
            smtputf8: local::needs_utf8(member) || !list.address.local().is_ascii(),
            ..local::leaving(sender.clone(), vec![member.clone()], head.into_bytes(), message.clone())
        });
    }
    Ok(mails)
}

/// RFC 2919, RFC 2369, RFC 8058.
fn fields(server: &Server, list: &List, tokens: &Unsubscriber, member: &Address) -> String {
    let (address, domain) = (&list.address, list.address.domain());
    let name = list.name.replace(['"', '\\', '<', '>', '\r', '\n'], " ");
    let name = if name.trim().is_empty() { String::new() } else { format!("{} ", encode_words(name.trim())) };
    let post = match list.posting {
        Posting::Owners => "NO".to_string(),
        Posting::Members | Posting::Anyone => format!("<mailto:{address}>"),
    };
    let token = tokens.token(address, member);
    let id = address.local().chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' }).collect::<String>();
    format!(
        "List-Id: {name}<{id}.{domain}>\r\nList-Post: {post}\r\n\
         List-Unsubscribe: <{}>,\r\n\t<mailto:{}+{UNSUBSCRIBE}{token}@{domain}?subject=unsubscribe>\r\n\
         List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nPrecedence: list\r\n",
        hearth_identity::directory::leave_url(&server.issuer, address, &token),
        address.local(),
    )
}

/// What another list wrote: there is one List-Id (RFC 2919 §3), and the links are ours.
fn is_of_a_list(field: &Field<'_>) -> bool {
    ["List-Id", "List-Post", "List-Unsubscribe", "List-Unsubscribe-Post", "Precedence"].iter().any(|name| field.is(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inbound::check::{DkimFinding, DmarcFinding, Policy};

    #[test]
    fn an_author_is_proven_by_the_domain_in_from() {
        let (author, other) = ("a@x.org".parse::<Address>().expect("a"), "a@y.org".parse::<Address>().expect("a"));
        let dmarc = |finding| Findings {
            dmarc: DmarcFinding { finding, policy: Policy::None, domain: "x.org".into() },
            ..Findings::default()
        };
        let signed = |domain: &str| Findings {
            dkim: vec![DkimFinding { finding: Finding::Pass, domain: domain.into() }],
            ..Findings::default()
        };
        let spf = Findings { spf: Finding::Pass, ..Findings::default() };
        for (findings, sender, proven) in [
            (None, None, true),
            (Some(Findings { trusted: true, ..Findings::default() }), None, true),
            (Some(dmarc(Finding::Pass)), Some(&other), true),
            (Some(Findings { spf: Finding::Pass, ..dmarc(Finding::Fail) }), Some(&author), false),
            (Some(dmarc(Finding::TempError)), Some(&author), false),
            (Some(signed("X.org")), Some(&other), true),
            (Some(signed("y.org")), Some(&other), false),
            (Some(spf.clone()), Some(&author), true),
            (Some(spf), Some(&other), false),
            (Some(Findings::default()), Some(&author), false),
        ] {
            assert_eq!(is_proven(&author, sender, findings.as_ref()), proven, "{findings:?}");
        }
    }

    #[test]
    fn copies_are_bounded_on_both_sides() {
        for members in [1, 7, 1000] {
            let most = LIST_COPIES_BYTES_MAX / members as u64;
            assert!(fits(most, members) && !fits(most + 1, members), "{members}");
        }
        assert!(!fits(u64::MAX, 2));
    }
}
