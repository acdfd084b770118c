// SPDX-License-Identifier: AGPL-3.0-or-later
//! `hearth key`: OpenPGP certificates of an account.
//!
//! Public parts go to the directory, where `hearth-keyserver` finds them; secret keys go through the gate into
//! the vault, sealed, and come out for `revoke` and `export --secret` alone. What is in a certificate is known to
//! `hearth_openpgp`. One file per command; what they share is here.

mod care;
mod dane;
mod end_house;
mod export;
mod find;
mod generate;
pub(super) mod house;
mod import;
mod list;
mod log;
mod publish;
mod remove;
mod revoke;
mod seal;
mod show;
mod tend;

use std::io::Read;
use std::path::PathBuf;
use std::time::SystemTime;

use anyhow::{Context, anyhow, bail};
use clap::{Args, Subcommand, ValueEnum};
use hearth_identity::Directory;
use hearth_identity::certs::{Held, Summary};
use hearth_identity::directory::Event;
use hearth_identity::login::Gate;
use hearth_openpgp::Profile;
use hearth_openpgp::secret::Keepsake;
use hearth_types::{AccountId, Address, Clock, Secret};

use crate::gate::refused;
use crate::out::Out;
use crate::place::{Place, account, parse_address};
pub use generate::at_birth;

/// `hearth key`
#[derive(Args, Debug)]
pub struct KeyArgs {
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Make a certificate for an account and publish it for the account's addresses.
    ///
    /// The secret key and a revocation are sealed in the vault. To use the key in a mail program:
    /// hearth key export ADDRESS --secret --armor
    Generate {
        /// An address of the account.
        #[arg(required_unless_present = "house")]
        account: Option<String>,
        /// A certificate for the house itself, where it ended its own and made no other.
        #[arg(long, conflicts_with_all = ["account", "profile"])]
        house: bool,
        /// Which programs it is made for.
        #[arg(long, value_enum, default_value_t = ProfileChoice::Compatible)]
        profile: ProfileChoice,
    },
    /// Which certificate every new person gets; off in a new house.
    ///
    /// It is published at once, so others encrypt to it: switch it on where everybody reads mail in a program that has
    /// OpenPGP, and gets their secret key from the account page.
    AtBirth {
        /// What they get; the setting is shown when it is left out.
        #[arg(value_enum)]
        choice: Option<BirthChoice>,
    },
    /// Bring a certificate, a secret key, or a revocation of a certificate that is here.
    Import {
        /// An address of the account.
        account: String,
        /// The file, armoured or binary; standard input when it is left out or `-`.
        file: Option<PathBuf>,
        /// Publish it for the account's addresses at once.
        #[arg(long)]
        publish: bool,
    },
    /// List certificates.
    List {
        /// An address of the account; all accounts when it is left out.
        account: Option<String>,
    },
    /// Show a certificate to everybody who looks for one of these addresses.
    Publish {
        /// Its fingerprint, or an address of the account when it has only one.
        key: String,
        /// An address in it; all the account's own when it is left out.
        #[arg(long = "address", value_name = "ADDRESS")]
        addresses: Vec<String>,
        /// Stop showing instead. Copies that others made stay with them.
        #[arg(long)]
        withdraw: bool,
    },
    /// Show what to compare with the key's owner, on paper or by telephone.
    Show {
        /// Its fingerprint, or an address of the account when it has only one; openpgp-ca@DOMAIN is the house itself.
        key: String,
        /// As a picture that OpenKeychain and others scan.
        #[arg(long)]
        qr: bool,
    },
    /// Find the certificate of anybody: here, with friends, where their domain publishes it.
    Find {
        /// Their address.
        address: String,
        /// On whose behalf: what this person was told before is compared. Without it, the one who looks after the house.
        #[arg(long = "for", value_name = "ACCOUNT")]
        person: Option<String>,
        /// Ask again, whatever is remembered.
        #[arg(long)]
        fresh: bool,
        /// Write the surest one to this file.
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// What was published here, in an order that nobody can change unnoticed.
    Log {
        /// Of one address.
        address: Option<String>,
        /// Compute the chain again and look at the signature over its head.
        #[arg(long, conflicts_with = "address")]
        verify: bool,
        /// Do this with the log of another home.
        #[arg(long, value_name = "DOMAIN", conflicts_with_all = ["address", "verify"])]
        home: Option<String>,
    },
    /// The daily round: certify, sign the log, remind. `hearth up` does it by itself.
    Tend,
    /// Forget a certificate. Nobody finds it here any more; a revoked one stays, without addresses.
    Remove {
        /// Its fingerprint, or an address of the account when it has only one.
        key: String,
        /// Wipe its secret key too. Mail that was encrypted to it can then be read by nobody who has no copy.
        #[arg(long)]
        secret: bool,
    },
    /// Print the lines for DNS (OPENPGPKEY) of what is published. They count where the zone is signed.
    Dane {
        /// Addresses; all that are published when they are left out.
        addresses: Vec<String>,
        /// In the form for servers that do not know the record's name.
        #[arg(long)]
        generic: bool,
    },
    /// Store an account's new mail encrypted to this key: who has the disk, or a backup, reads none of it.
    ///
    /// Reading needs the secret key in the mail program (hearth key export ADDRESS --secret --armor). The text search
    /// of the server does not see into sealed mail. Mail that is here already stays as it is.
    Seal {
        /// Its fingerprint, or an address of the account when it has only one.
        key: String,
        /// Store new mail as it comes again.
        #[arg(long)]
        off: bool,
    },
    /// Let a certificate end later. Needs its secret key here.
    Extend {
        /// Its fingerprint, or an address of the account when it has only one.
        key: String,
        /// How many days from today.
        #[arg(long, default_value_t = 1095, value_parser = clap::value_parser!(u32).range(1..=3650))]
        days: u32,
        /// Read the passphrase of the secret key from standard input.
        #[arg(long)]
        passphrase_stdin: bool,
    },
    /// Give a certificate a new encryption key; the old one still opens old mail. Needs its secret key here.
    Rotate {
        /// Its fingerprint, or an address of the account when it has only one.
        key: String,
        /// Read the passphrase of the secret key from standard input.
        #[arg(long)]
        passphrase_stdin: bool,
    },
    /// Say for good that a certificate is not to be used any more.
    ///
    /// With --house it is the one of the house itself, by which it certifies its people: another one takes its place at once and
    /// certifies them anew, unless the home closes (--reason retired) or --no-successor is said.
    Revoke {
        /// Its fingerprint, or an address of the account when it has only one.
        #[arg(required_unless_present = "house")]
        key: Option<String>,
        /// The certificate of the house itself. Friends' homes stop believing it, and compare the next one.
        #[arg(long, conflicts_with_all = ["key", "passphrase_stdin"])]
        house: bool,
        /// Make no other in its place.
        #[arg(long, requires = "house")]
        no_successor: bool,
        /// Why.
        #[arg(long, value_enum)]
        reason: ReasonChoice,
        /// A sentence for those who read it.
        #[arg(long, default_value = "")]
        message: String,
        /// Read the passphrase of the secret key from standard input.
        #[arg(long)]
        passphrase_stdin: bool,
    },
    /// Write a certificate, or its secret key, to standard output or a file.
    Export {
        /// Its fingerprint, or an address of the account when it has only one.
        key: String,
        /// The secret key. Whoever has it can read the mail that is encrypted to it.
        #[arg(long)]
        secret: bool,
        /// As text.
        #[arg(long)]
        armor: bool,
        /// The revocation that was made at its birth, to be kept on paper: whoever has it can end the certificate.
        #[arg(long, conflicts_with = "secret")]
        revocation: bool,
        /// The secret key as a mail to oneself that other mail programs read (Autocrypt Setup Message); the code for it
        /// is printed.
        #[arg(long, conflicts_with_all = ["secret", "revocation", "armor"])]
        setup: bool,
        /// Put the secret key under a passphrase, read from standard input.
        #[arg(long, requires = "secret")]
        passphrase_stdin: bool,
        /// Write it to this file, which only its owner may read.
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

/// `--profile`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ProfileChoice {
    /// Version 4, Curve25519: every OpenPGP program.
    Compatible,
    /// Version 6 (RFC 9580): programs of 2024 and later.
    Modern,
    /// Version 6 with ML-KEM-768 and X25519 (RFC 9980): sealed against quantum computers too; programs of 2026 and later.
    PostQuantum,
}

/// `hearth key at-birth`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum BirthChoice {
    /// Nothing.
    Off,
    /// As `key generate --profile compatible`.
    Compatible,
    /// As `--profile modern`.
    Modern,
    /// As `--profile post-quantum`.
    PostQuantum,
}

impl BirthChoice {
    const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Compatible => Profile::Compatible.as_str(),
            Self::Modern => Profile::Modern.as_str(),
            Self::PostQuantum => Profile::PostQuantum.as_str(),
        }
    }
}

impl From<ProfileChoice> for Profile {
    fn from(choice: ProfileChoice) -> Self {
        match choice {
            ProfileChoice::Compatible => Self::Compatible,
            ProfileChoice::Modern => Self::Modern,
            ProfileChoice::PostQuantum => Self::PostQuantum,
        }
    }
}

/// `--reason`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ReasonChoice {
    /// Somebody else may have the secret key.
    Compromised,
    /// Another certificate takes its place.
    Superseded,
    /// It is no longer used.
    Retired,
    /// Nothing is said; needs no secret key if the certificate was made here.
    Unspecified,
}

/// Runs it.
pub async fn run(place: &Place, args: KeyArgs, out: &Out) -> anyhow::Result<()> {
    match args.command {
        KeyCommand::Generate { account: Some(account), profile, .. } => generate::run(place, &account, profile, out).await,
        KeyCommand::Generate { .. } => end_house::begin_again(place, out).await,
        KeyCommand::AtBirth { choice } => generate::birth(place, choice, out).await,
        KeyCommand::Import { account, file, publish } => import::run(place, &account, file.as_deref(), publish, out).await,
        KeyCommand::List { account } => list::run(place, account.as_deref(), out).await,
        KeyCommand::Publish { key, addresses, withdraw } => publish::run(place, &key, &addresses, withdraw, out).await,
        KeyCommand::Seal { key, off } => seal::run(place, &key, off, out).await,
        KeyCommand::Show { key, qr } => show::run(place, &key, qr, out).await,
        KeyCommand::Find { address, person, fresh, output } => {
            find::run(place, &address, find::How { person: person.as_deref(), fresh, output: output.as_deref() }, out).await
        }
        KeyCommand::Log { home: Some(home), .. } => log::verify_home(place, &home, out).await,
        KeyCommand::Log { verify: true, .. } => log::verify(place, out).await,
        KeyCommand::Log { address, .. } => log::list(place, address.as_deref(), out).await,
        KeyCommand::Tend => tend::run(place, out).await,
        KeyCommand::Remove { key, secret } => remove::run(place, &key, secret, out).await,
        KeyCommand::Dane { addresses, generic } => dane::run(place, &addresses, generic, out).await,
        KeyCommand::Extend { key, days, passphrase_stdin } => {
            let passphrase = passphrase_stdin.then(passphrase).transpose()?;
            care::run(place, &key, care::Care::Extend(days), passphrase.as_ref(), out).await
        }
        KeyCommand::Rotate { key, passphrase_stdin } => {
            let passphrase = passphrase_stdin.then(passphrase).transpose()?;
            care::run(place, &key, care::Care::Rotate, passphrase.as_ref(), out).await
        }
        KeyCommand::Revoke { key: Some(key), reason, message, passphrase_stdin, .. } => {
            let passphrase = passphrase_stdin.then(passphrase).transpose()?;
            revoke::run(place, &key, reason, &message, passphrase.as_ref(), out).await
        }
        KeyCommand::Revoke { no_successor, reason, message, .. } => {
            end_house::run(place, reason, &message, no_successor, out).await
        }
        KeyCommand::Export { key, secret, armor, revocation, setup, passphrase_stdin, output } => {
            let passphrase = passphrase_stdin.then(passphrase).transpose()?;
            let what = match (secret, revocation, setup) {
                (true, ..) => export::What::Secret { passphrase },
                (_, true, _) => export::What::Revocation,
                (.., true) => export::What::Setup,
                _ => export::What::Certificate,
            };
            export::run(place, &key, what, armor, output.as_deref(), out).await
        }
    }
}

/// The time, as certificates have it.
pub(super) fn now() -> SystemTime {
    hearth_keyserver::ctx::system_time(Clock::system().now())
}

/// The first line of standard input.
fn passphrase() -> anyhow::Result<Secret<String>> {
    let mut text = String::new();
    std::io::stdin().take(8192).read_to_string(&mut text).context("the passphrase on standard input is not text")?;
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() {
        bail!("the passphrase on standard input is empty");
    }
    Ok(Secret::new(line.to_owned()))
}

/// A certificate by its fingerprint, or the only one of an account that is not revoked.
async fn find(directory: &Directory, key: &str) -> anyhow::Result<Held> {
    if key.contains('@') {
        let account = account(directory, key).await?;
        let certs = directory.list_certs(Some(account.id)).await?;
        let usable: Vec<&Summary> = certs.iter().filter(|cert| !cert.revoked).collect();
        let chosen = match usable.as_slice() {
            [] => bail!("{key} has no certificate; make one with: hearth key generate {key}"),
            [only] => only.fingerprint.clone(),
            several => {
                let fingerprints: Vec<&str> = several.iter().map(|cert| cert.fingerprint.as_str()).collect();
                bail!("{key} has {} certificates; say which one: {}", several.len(), fingerprints.join(" "))
            }
        };
        return directory.find_cert(&chosen).await?.ok_or_else(|| anyhow!("{chosen} is gone"));
    }
    let held = directory.find_cert(&digits(key)).await?;
    held.ok_or_else(|| anyhow!("there is no certificate {key}; see them all with: hearth key list"))
}

/// A fingerprint as the directory has it.
fn digits(fingerprint: &str) -> String {
    fingerprint.trim_start_matches("0x").chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_uppercase()
}

/// The addresses of an account.
async fn addresses_of(directory: &Directory, account: AccountId) -> anyhow::Result<Vec<Address>> {
    Ok(directory.list_addresses(account).await?.into_iter().map(|entry| entry.address).collect())
}

fn parse_addresses(texts: &[String]) -> anyhow::Result<Vec<Address>> {
    texts.iter().map(|text| parse_address(text)).collect()
}

/// What the vault keeps of a certificate.
async fn keepsake(gate: &Gate, fingerprint: &str) -> anyhow::Result<Keepsake> {
    match gate.export_secret_key(fingerprint).await.map_err(refused)? {
        Some(bytes) => Ok(Keepsake::parse(&bytes)?),
        None => Ok(Keepsake::default()),
    }
}

/// What happened, for the account's own list.
async fn note(directory: &Directory, event: &'static str, account: AccountId, fingerprint: &str) -> anyhow::Result<()> {
    let event = Event { event, actor: None, subject: Some(account), peer: None, service: None, detail: fingerprint.to_owned() };
    Ok(directory.add_audit(event).await?)
}
