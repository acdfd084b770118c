// SPDX-License-Identifier: AGPL-3.0-or-later
//! The house's own certificate, its secret key out of the vault: what it certifies, whom it trusts, what it signs.

use std::fs::File;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, bail};
use hearth_boot::Config;
use hearth_identity::Directory;
use hearth_identity::certs::{HOUSE, Kept, SignedHead, Source, Vouch, log};
use hearth_identity::login::Gate;
use hearth_keyserver::find::AUTHORITY;
use hearth_openpgp::authority::{self, CERTIFIED_FOR, CLOSED, LOCAL_PART, RENEWED_BEFORE};
use hearth_openpgp::secret::Keepsake;
use hearth_openpgp::{Clean, Generated};
use hearth_types::{Address, Clock, Domain, Secret, Timestamp};

use super::{digits, keepsake, now};
use crate::gate::{lock, refused};
use crate::place::Place;

/// A head is signed again after this even when nothing changed, so that an old one can be told from a new one.
const HEAD_KEPT: Duration = Duration::from_secs(23 * 3600);

/// The house's certificate with its secret key.
pub(in crate::command) struct House {
    pub(in crate::command) fingerprint: String,
    pub(in crate::command) secret: Secret<Vec<u8>>,
    domains: Vec<Domain>,
}

/// One after the other: what opens the certificate, ends it, or makes another. Held as long as this lives; whoever needs the
/// gate too opens that first.
pub(in crate::command) async fn take_turn(config: &Config) -> anyhow::Result<File> {
    lock(config, "house.lock").await
}

/// Opens it, and gives it the domains that it does not name yet; makes it when there is none, or when it was ended. Nothing
/// when the house ended it and wants no other.
pub(in crate::command) async fn open(directory: &Directory, gate: &Gate) -> anyhow::Result<Option<House>> {
    let domains: Vec<Domain> = directory.list_domains().await?.into_iter().map(|entry| entry.name).collect();
    let before = directory.find_setting(AUTHORITY).await?;
    let mut ended = None;
    if let Some(fingerprint) = &before
        && let Some(kept) = directory.find_kept(fingerprint).await?
    {
        let clean = Clean::from_stored(&kept.whole, now())?;
        if clean.is_revoked() {
            ended = Some(fingerprint);
        } else if let Some(secret) = keepsake(gate, fingerprint).await?.secret {
            let secret = grow(directory, gate, &clean, secret, &domains).await?;
            return Ok(Some(House { fingerprint: fingerprint.clone(), secret, domains }));
        }
    }
    if is_closed(directory).await? {
        // Again, should the power have gone between the end and this.
        if let Some(ended) = ended {
            directory.close_house(ended).await?;
        }
        return Ok(None);
    }
    make(directory, gate, before.as_deref(), domains).await.map(Some)
}

/// Did the house end its certificate, and wants no other?
pub(super) async fn is_closed(directory: &Directory) -> anyhow::Result<bool> {
    Ok(directory.find_setting(CLOSED).await?.is_some_and(|closed| closed == "yes"))
}

/// Makes one, in place of the one before if there was any. The setting comes last: what a power cut leaves half done is done
/// again.
async fn make(directory: &Directory, gate: &Gate, before: Option<&str>, domains: Vec<Domain>) -> anyhow::Result<House> {
    let made = authority::generate(&domains, now())?;
    let (fingerprint, secret) = (made.clean.fingerprint().to_owned(), made.secret.clone());
    keep(directory, gate, made, &domains).await?;
    trust_again(directory, &secret).await?;
    if let Some(before) = before {
        directory.remove_vouches_by(before).await?;
    }
    directory.change_setting(AUTHORITY, &fingerprint).await?;
    Ok(House { fingerprint, secret, domains })
}

/// The homes that the certificate before trusted, as far as they can be.
async fn trust_again(directory: &Directory, secret: &Secret<Vec<u8>>) -> anyhow::Result<()> {
    for home in directory.list_trusted_homes().await? {
        // One that is ended, or cannot be read, stays as it is: the daily round says so.
        if !Clean::from_stored(&home.bytes, now()).is_ok_and(|clean| !clean.is_revoked()) {
            continue;
        }
        match authority::trust(secret, &home.bytes, &home.domain, now()) {
            Ok(trusted) => {
                directory.refresh_friend(&home, trusted, false).await?;
            }
            // One friend keeps the house from nothing.
            Err(error) => tracing::warn!(
                %error,
                "the word of {0} counts no more: its home's certificate cannot be trusted anew; compare it again: hearth friend add {0}",
                home.domain
            ),
        }
    }
    Ok(())
}

/// The house's own certificate, when it is what was named: by its address in one of the house's domains, or by fingerprint.
pub(super) async fn find(directory: &Directory, named: &str) -> anyhow::Result<Option<Kept>> {
    let Some(fingerprint) = directory.find_setting(AUTHORITY).await? else { return Ok(None) };
    let is_named = match Address::parse(named) {
        Ok(address) => address.local() == LOCAL_PART && directory.find_domain(address.domain()).await?.is_some(),
        Err(_) => digits(named) == fingerprint,
    };
    Ok(if is_named { directory.find_kept(&fingerprint).await? } else { None })
}

/// Gives it the domains that it does not name; its secret key with them.
async fn grow(
    directory: &Directory,
    gate: &Gate,
    clean: &Clean,
    secret: Secret<Vec<u8>>,
    domains: &[Domain],
) -> anyhow::Result<Secret<Vec<u8>>> {
    let named = clean.named_user_ids();
    let is_missing = |domain: &&Domain| !named.iter().any(|user_id| user_id.address.domain() == *domain);
    let missing: Vec<Domain> = domains.iter().filter(is_missing).cloned().collect();
    if missing.is_empty() {
        return Ok(secret);
    }
    let more = authority::with_domains(&secret, &missing, now())?;
    let secret = more.secret.clone();
    keep(directory, gate, more, domains).await?;
    Ok(secret)
}

async fn keep(directory: &Directory, gate: &Gate, made: Generated, domains: &[Domain]) -> anyhow::Result<()> {
    let fingerprint = made.clean.fingerprint().to_owned();
    let sealed = Keepsake { revocation: Some(made.revocation), secret: Some(made.secret) }.to_bytes();
    gate.store_secret_key(HOUSE, &fingerprint, &sealed).await.map_err(refused)?;
    publish(directory, &made.clean, LOCAL_PART, domains).await
}

/// Shows a certificate of the house for an address in each of its domains.
pub(super) async fn publish(directory: &Directory, clean: &Clean, local: &str, domains: &[Domain]) -> anyhow::Result<()> {
    let addresses: Result<Vec<Address>, _> = domains.iter().map(|domain| Address::new(local, domain.clone())).collect();
    let addresses = addresses?;
    let owns = |address: &Address| addresses.iter().any(|own| own.key() == address.key());
    directory.store_cert(clean.to_certificate(None, Source::House, false, owns)).await?;
    directory.publish_cert(clean.fingerprint(), addresses.clone()).await?;
    Ok(())
}

/// Certifies what people of the house published for addresses of its domains, as far as it is not done or ends soon.
/// How many user ids.
pub(super) async fn certify(directory: &Directory, house: &House, clock: Timestamp) -> anyhow::Result<usize> {
    let mut vouches = Vec::new();
    for cert in directory.list_certs(None).await? {
        if cert.revoked || cert.expires_at.is_some_and(|end| end <= clock) {
            continue;
        }
        let shown = directory.find_shown_certs_by_key(&cert.fingerprint).await?;
        let Some(shown) = shown.into_iter().find(|shown| shown.fingerprint == cert.fingerprint) else { continue };
        let done = directory.list_vouches(&cert.fingerprint).await?;
        let is_due = |user_id: &String| {
            !done.iter().any(|vouch| {
                vouch.user_id == *user_id && vouch.issuer == house.fingerprint && vouch.expires_at > clock.after(RENEWED_BEFORE)
            })
        };
        let is_of_ours = |text: &str| {
            let address = text.rsplit_once('<').map_or(text, |(_, rest)| rest.trim_end_matches('>'));
            Address::parse(address).is_ok_and(|address| house.domains.contains(address.domain()))
        };
        let user_ids: Vec<String> = shown
            .identities
            .iter()
            .map(|identity| identity.user_id.clone())
            .filter(|text| is_of_ours(text) && is_due(text))
            .collect();
        let Some(held) = directory.find_cert(&cert.fingerprint).await?.filter(|_| !user_ids.is_empty()) else { continue };
        let packets = authority::certify(&house.secret, &held.whole, &user_ids, clock.into())?;
        vouches.extend(user_ids.into_iter().zip(packets).map(|(user_id, packet)| Vouch {
            fingerprint: cert.fingerprint.clone(),
            user_id,
            issuer: house.fingerprint.clone(),
            packet,
            created_at: clock,
            expires_at: clock.after(CERTIFIED_FOR),
        }));
    }
    let count = vouches.len();
    if count > 0 {
        directory.store_vouches(vouches).await?;
    }
    Ok(count)
}

/// Signs the head of the log when it is another one, or a day old.
pub(super) async fn sign_head(directory: &Directory, house: &House) -> anyhow::Result<bool> {
    let (size, head) = directory.find_cert_log_head().await?;
    let clock = Clock::system().now();
    let before = directory.find_signed_head().await?;
    if before.is_some_and(|signed| signed.size == size && clock.since(signed.signed_at) < HEAD_KEPT) {
        return Ok(false);
    }
    let Some(domain) = house.domains.first() else { bail!("this home has no domain") };
    let statement = log::statement(domain.as_str(), size, &head, clock);
    let signature = authority::sign(&house.secret, &statement)?;
    directory.add_signed_head(SignedHead { size, statement, signature, signed_at: clock }).await?;
    Ok(true)
}

/// After something was published: certified and logged at once, so that nobody waits for the daily round. What fails here
/// is done then.
pub(super) async fn follow_up(place: &Place, directory: &Directory, gate: &Gate) {
    let done = async {
        let _turn = take_turn(&place.config).await?;
        if let Some(house) = open(directory, gate).await? {
            certify(directory, &house, Clock::system().now()).await?;
            sign_head(directory, &house).await?;
        }
        anyhow::Ok(())
    };
    if let Err(error) = done.await {
        tracing::warn!(%error, "the house could not certify what was published; the daily round will");
    }
}

/// For a person: a day.
pub(in crate::command) fn day(at: Timestamp) -> String {
    let since = at.since(Timestamp::from_secs(0));
    let days = since.as_secs() / (24 * 3600);
    time::OffsetDateTime::from(UNIX_EPOCH + Duration::from_secs(days * 24 * 3600)).date().to_string()
}

/// The domain of a certificate's home, as `hearth friend add` takes it.
pub(in crate::command) fn home_address(domain: &str) -> anyhow::Result<Address> {
    Address::parse(&format!("{LOCAL_PART}@{domain}")).with_context(|| format!("{domain} is no domain"))
}

#[cfg(test)]
mod tests {
    use hearth_identity::directory::{Kind, NewAccount};
    use hearth_openpgp::secret::{Reason, revoke};
    use hearth_openpgp::{Profile, generate};

    use rustix::fs::{FlockOperation, flock};

    use super::*;

    async fn directory(folder: &tempfile::TempDir, domain: &str) -> (Directory, Domain) {
        let source = hearth_db::Source::Sqlite(folder.path().join("identity.db"));
        let directory = Directory::open(&source, Clock::system()).await.unwrap();
        let domain = Domain::parse(domain).unwrap();
        directory.add_domain(&domain).await.unwrap();
        (directory, domain)
    }

    #[tokio::test]
    async fn one_friend_keeps_the_house_from_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (directory, domain) = directory(&folder, "home.example").await;
        let successor = authority::generate(&[domain], now()).unwrap();
        // The first has no address of its own home in its certificate any more.
        for (friend, named) in [("a.example", "elsewhere.example"), ("b.example", "b.example")] {
            let home = authority::generate(&[Domain::parse(named).unwrap()], now()).unwrap();
            let friend = Domain::parse(friend).unwrap();
            directory.add_friend(&friend, home.clean.fingerprint(), home.clean.whole()).await.unwrap();
        }
        let before = directory.list_trusted_homes().await.unwrap();
        trust_again(&directory, &successor.secret).await.unwrap();
        let after = directory.list_trusted_homes().await.unwrap();
        assert_eq!((before[0] == after[0], before[1] == after[1]), (true, false), "the other is trusted by the successor");
    }

    #[tokio::test]
    async fn what_a_power_cut_left_of_a_house_that_closed_goes_on_the_next_round() {
        let folder = tempfile::tempdir().unwrap();
        let (directory, domain) = directory(&folder, "home.example").await;
        let made = authority::generate(std::slice::from_ref(&domain), now()).unwrap();
        publish(&directory, &made.clean, LOCAL_PART, &[domain]).await.unwrap();
        directory.change_setting(AUTHORITY, made.clean.fingerprint()).await.unwrap();
        let word = Vouch {
            fingerprint: made.clean.fingerprint().into(),
            user_id: format!("<{LOCAL_PART}@home.example>"),
            issuer: made.clean.fingerprint().into(),
            packet: b"(ours)".to_vec(),
            created_at: Clock::system().now(),
            expires_at: Clock::system().now().after(CERTIFIED_FOR),
        };
        directory.store_vouches(vec![word]).await.unwrap();
        let revocation = revoke(&made.secret, None, Reason::Retired, "").unwrap();
        let ended = made.clean.revoke(revocation, now() + Duration::from_secs(5)).unwrap();
        directory.change_setting(CLOSED, "yes").await.unwrap();
        directory.store_cert(ended.to_certificate(None, Source::House, false, |_| true)).await.unwrap();
        // Here the power went.
        assert_eq!(directory.list_vouches(made.clean.fingerprint()).await.unwrap().len(), 1);
        let gate = Gate::new(folder.path().join("no.sock"));
        assert!(open(&directory, &gate).await.unwrap().is_none());
        assert!(directory.list_vouches(made.clean.fingerprint()).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn one_after_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config::from_text(folder.path(), "[home]\ndomain = \"example.org\"\n", []).unwrap();
        let first = take_turn(&config).await.unwrap();
        let file = File::open(config.run_path("house.lock")).unwrap();
        let is_free = || flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok();
        assert!(!is_free());
        let second = tokio::spawn({
            let config = config.clone();
            async move { take_turn(&config).await.unwrap() }
        });
        drop(first);
        let second = second.await.unwrap();
        assert!(!is_free());
        drop(second);
        assert!(is_free());
    }

    #[tokio::test]
    async fn what_is_certified_is_renewed_by_itself_before_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let (clock, domain) = (Clock::fixed(Timestamp::from_secs(1_795_305_600)), Domain::parse("home.example").unwrap());
        let source = hearth_db::Source::Sqlite(folder.path().join("identity.db"));
        let directory = Directory::open(&source, clock.clone()).await.unwrap();
        directory.add_domain(&domain).await.unwrap();
        let address = Address::parse("alice@home.example").unwrap();
        let new = NewAccount { address: address.clone(), kind: Kind::Person, name: "Alice".into(), admin: false };
        let account = directory.add_account(new).await.unwrap().id;
        let alice = generate("Alice", std::slice::from_ref(&address), Profile::Compatible, clock.now().into()).unwrap();
        directory.store_cert(alice.clean.to_certificate(account, Source::Generated, true, |_| true)).await.unwrap();
        let made = authority::generate(std::slice::from_ref(&domain), clock.now().into()).unwrap();
        let house = House { fingerprint: made.clean.fingerprint().into(), secret: made.secret, domains: vec![domain] };
        let certified = || async { certify(&directory, &house, clock.now()).await.unwrap() };
        assert_eq!(certified().await, 0, "nothing is published");
        directory.publish_cert(alice.clean.fingerprint(), vec![address]).await.unwrap();
        assert_eq!((certified().await, certified().await), (1, 0));
        let until = async || directory.list_vouches(alice.clean.fingerprint()).await.unwrap()[0].expires_at;
        let first = until().await;
        clock.advance((CERTIFIED_FOR - RENEWED_BEFORE).saturating_sub(Duration::from_millis(1)));
        assert_eq!(certified().await, 0);
        clock.advance(Duration::from_millis(1));
        assert_eq!((certified().await, certified().await), (1, 0));
        assert_eq!(until().await.since(first), CERTIFIED_FOR - RENEWED_BEFORE);
    }
}
