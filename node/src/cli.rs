// SPDX-License-Identifier: AGPL-3.0-or-later
//! The words that `hearth` understands. The doc comments are its help.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::command::key;

/// A home for mail, login and keys.
///
/// Try it:            hearth demo
/// Set up your own:   hearth init --dir DIR --domain YOUR.DOMAIN
/// Start it:          hearth up --dir DIR
/// A person:          hearth account add alice@YOUR.DOMAIN
/// For a mail program: hearth app-password add alice@YOUR.DOMAIN --label laptop
/// What is wrong:     hearth doctor
#[derive(Debug, Parser)]
#[command(name = "hearth", version, verbatim_doc_comment, propagate_version = true)]
pub struct Cli {
    /// The data directory.
    #[arg(long, global = true, env = "HEARTH_DIR", value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Print JSON, for programs.
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Set up a home to play with, with the people alice and bob, and start it.
    ///
    /// The domain is home.localhost, on this machine alone (127.0.0.1), with all ports 10000 higher than usual. DIR is
    /// ./hearth-demo when not given. The second start uses DIR again.
    Demo {
        /// Set it up, print what a person needs to know, and end.
        #[arg(long, hide = true)]
        set_up_only: bool,
    },
    /// Set up a home: configuration, databases, keys, certificates.
    Init(InitArgs),
    /// Start all processes and look after them, until Ctrl-C.
    ///
    /// Prints `hearth: ready` when every listener answers.
    Up,
    /// What runs: processes, memory, ports.
    Status,
    /// What is wrong, in plain words, with the one next step.
    Doctor,
    /// What happened here: who signed in or could not, who changed what. The newest first.
    ///
    /// No secret and no content of mail stands in it.
    Log(LogArgs),
    /// People, groups and services that have an account.
    #[command(subcommand)]
    Account(AccountCommand),
    /// Further addresses of an account.
    #[command(subcommand)]
    Address(AddressCommand),
    /// Addresses that lead to other addresses.
    #[command(subcommand)]
    Alias(AliasCommand),
    /// Mailing lists: one address, many readers, who may be anywhere.
    #[command(subcommand)]
    List(ListCommand),
    /// Groups: one address and one account for several people of this home.
    #[command(subcommand)]
    Group(GroupCommand),
    /// Passwords for mail programs, one for each device.
    #[command(subcommand)]
    AppPassword(AppPasswordCommand),
    /// Domains of this home, and what to publish in DNS for them.
    #[command(subcommand)]
    Domain(DomainCommand),
    /// Programs that people sign in to with their account here (OAuth, OpenID Connect).
    #[command(subcommand)]
    Client(ClientCommand),
    /// OpenPGP certificates of an account.
    Key(key::KeyArgs),
    /// Other homes: whose word counts, and what each may do.
    #[command(subcommand)]
    Friend(FriendCommand),
    /// Mail that waits to be sent.
    #[command(subcommand)]
    Queue(QueueCommand),
    /// Bring a person's mail from elsewhere, or write it to files.
    #[command(subcommand)]
    Mailbox(MailboxCommand),
}

/// `hearth log`
#[derive(Debug, Args)]
pub struct LogArgs {
    /// Of this account alone: what it did, and what was done to it. One that was removed is known by its address still.
    #[arg(long, value_name = "ADDRESS")]
    pub account: Option<String>,
    /// So many rows at most.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=50_000))]
    pub limit: u32,
}

/// `hearth friend`
#[derive(Debug, Subcommand)]
pub enum FriendCommand {
    /// Believe what another home says of its own people, and of nobody else, and ask it first for their keys.
    ///
    /// Without --fingerprint, the one that its domain publishes is shown, to be compared by telephone.
    Add {
        /// The home's domain.
        domain: String,
        /// The fingerprint of the home's certificate, as its people told you.
        #[arg(long)]
        fingerprint: Option<String>,
    },
    /// List friends, also those that ended.
    List,
    /// Show what a friend may do, or change it.
    Rights {
        /// The home's domain.
        domain: String,
        /// Ask it for the keys of anybody: it learns whom the people of this house write to.
        #[arg(long, value_enum, value_name = "ON|OFF")]
        looks_up_keys: Option<Switch>,
    },
    /// Believe it no more, and take every right back.
    End {
        /// The home's domain.
        domain: String,
    },
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Switch {
    /// It may.
    On,
    /// It may not.
    Off,
}

/// `hearth mailbox`
#[derive(Debug, Subcommand)]
pub enum MailboxCommand {
    /// Bring mail from an mbox file, a Maildir, or another IMAP server.
    ///
    /// What was brought is remembered: when a run was cut short, the next one goes on, and a repeated one brings what is
    /// new. Folders find ours by what they are for (Sent, Drafts ..); flags and dates stay.
    Import(MailboxImportArgs),
    /// Write all mail of an account to files, also while it is in use.
    Export {
        /// An address of the account.
        account: String,
        /// The folder to write to; it is made when it is not there.
        to: PathBuf,
        /// How: a file per letter, or a file per mailbox.
        #[arg(long, value_enum, default_value_t = MailFormat::Maildir)]
        format: MailFormat,
    },
    /// Let others of the house read a mailbox, write in it, or manage it.
    ///
    /// Their mail programs show it below "Other Users", a group's below "Shared". It is what a mail program does that
    /// knows IMAP's access lists.
    Share {
        /// An address of the account that owns it; a group's, too.
        account: String,
        /// Its name: INBOX, or Lists/Garden.
        mailbox: String,
        /// An address of a person or a group of the house, or anyone.
        with: String,
        /// What they may do.
        #[arg(value_enum)]
        may: ShareLevel,
    },
    /// Show what an account shares, and with whom.
    Shares {
        /// An address of the account.
        account: String,
    },
}

/// What somebody may do with a mailbox of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ShareLevel {
    /// See it, read its mails and mark them as read.
    Read,
    /// Also put mails into it, flag them and delete them.
    Write,
    /// Everything that its owner may: make mailboxes below it, delete it, and share it with others.
    Manage,
    /// Nothing any more.
    Off,
}

/// What `hearth mailbox import` takes.
#[derive(Args, Debug)]
pub struct MailboxImportArgs {
    /// An address of the account.
    pub account: String,
    /// An mbox file, a folder of *.mbox files, a Maildir, or imaps://HOST[:PORT].
    pub source: String,
    /// Put everything below this mailbox, instead of beside and into ours.
    #[arg(long, value_name = "MAILBOX")]
    pub into: Option<String>,
    /// The name to sign in with at the other server; the account's address when not given.
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// Read an OAuth access token for it from standard input, instead of a password.
    #[arg(long)]
    pub token_stdin: bool,
    /// Read the password for it from standard input; it is asked for when not given.
    #[arg(long, conflicts_with = "token_stdin")]
    pub password_stdin: bool,
    /// Sign in by OAuth at google, microsoft, yahoo, fastmail, or at the issuer of this address.
    #[arg(long, value_name = "PROVIDER", requires = "oauth_client", conflicts_with_all = ["token_stdin", "password_stdin"])]
    pub oauth: Option<String>,
    /// The id of a program that you have registered there.
    #[arg(long, value_name = "ID", requires = "oauth")]
    pub oauth_client: Option<String>,
    /// A file with its secret, if it has one.
    #[arg(long, value_name = "FILE", requires = "oauth")]
    pub oauth_secret: Option<PathBuf>,
    /// What to ask the issuer for.
    #[arg(long, value_name = "SCOPE", default_value = "mail", requires = "oauth")]
    pub oauth_scope: String,
    /// Connect to this address, instead of asking DNS.
    #[arg(long, value_name = "IP")]
    pub connect: Option<IpAddr>,
}

/// How mail is written to files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MailFormat {
    /// A folder per mailbox, a file per letter. Done again, it adds what is new.
    Maildir,
    /// NAME.mbox per mailbox.
    Mbox,
}

/// `hearth init`
#[derive(Args, Debug)]
pub struct InitArgs {
    /// The domain of the people's addresses. It does not change later.
    #[arg(long, value_name = "D")]
    pub domain: String,
    /// The machine's name in DNS; mail.D when not given.
    #[arg(long, value_name = "H")]
    pub hostname: Option<String>,
    /// An address of this machine to listen on; may be repeated. All when not given.
    #[arg(long, value_name = "IP")]
    pub address: Vec<IpAddr>,
    /// Added to every standard port.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub port_offset: u16,
    /// A name server to ask; may be repeated. Those of the system when not given.
    #[arg(long, value_name = "IP:PORT")]
    pub dns: Vec<SocketAddr>,
    /// A PEM file of certificates to trust beside the public ones; may be repeated.
    #[arg(long, value_name = "PEM")]
    pub extra_root: Vec<PathBuf>,
    /// Keep everything in this PostgreSQL database, postgres://USER@HOST/DATABASE; in files of DIR when not given. A
    /// password belongs into ~/.pgpass or the variable PGPASSWORD.
    #[arg(long, value_name = "URL")]
    pub postgres: Option<String>,
    /// Who signs this node's certificate: its own authority, or a public one.
    #[arg(long, value_enum, default_value_t = CaChoice::Own)]
    pub ca: CaChoice,
    /// Make this account, which may change this home; its password is printed. A name, or an address of the domain.
    #[arg(long, value_name = "ADDRESS")]
    pub admin: Option<String>,
}

/// `--ca`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CaChoice {
    /// The node's own certificate authority.
    #[value(name = "self")]
    Own,
    /// A public one, by ACME.
    Acme,
}

/// `hearth account`
#[derive(Debug, Subcommand)]
pub enum AccountCommand {
    /// Add a person. Asks for the password, or reads it with --password-stdin.
    Add(AccountAddArgs),
    /// All accounts.
    List,
    /// One account: addresses, devices, app passwords.
    Show {
        /// An address of the account.
        account: String,
    },
    /// Keep an account out and end its connections; its mail stays.
    Disable {
        /// An address of the account.
        account: String,
    },
    /// Let a disabled account in again.
    Enable {
        /// An address of the account.
        account: String,
    },
    /// Remove an account with its mail, passwords and keys. This cannot be undone.
    Remove {
        /// An address of the account.
        account: String,
        /// Really do it.
        #[arg(long)]
        yes: bool,
    },
    /// Make a link by which a person chooses a password: for somebody new, or who has lost every way in.
    Link {
        /// An address of the account.
        account: String,
        /// Forget their passkeys, authenticator apps and recovery codes when the link is used.
        #[arg(long)]
        forget_factors: bool,
        /// How many hours the link counts.
        #[arg(long, default_value_t = 24, value_name = "HOURS")]
        hours: u64,
    },
    /// Set the password that the person signs in with.
    SetPassword {
        /// An address of the account.
        account: String,
        /// Read it from standard input.
        #[arg(long)]
        password_stdin: bool,
    },
}

/// `hearth account add`
#[derive(Args, Debug)]
pub struct AccountAddArgs {
    /// The first address, in a domain of this home.
    pub address: String,
    /// The person's name.
    #[arg(long, default_value = "")]
    pub name: String,
    /// May change this home.
    #[arg(long)]
    pub admin: bool,
    /// What kind of account.
    #[arg(long, value_enum, default_value_t = KindChoice::Person)]
    pub kind: KindChoice,
    /// Read the password from standard input.
    #[arg(long)]
    pub password_stdin: bool,
    /// The address was somebody else's before, and that is meant: their letters, and their accounts in apps that know people by
    /// their address, are the new one's.
    #[arg(long)]
    pub again: bool,
}

/// `--kind`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum KindChoice {
    /// Somebody who lives here.
    Person,
    /// Several people behind one address.
    Group,
    /// A program or a machine.
    Service,
    /// Somebody from another home.
    Guest,
}

/// `hearth address`
#[derive(Debug, Subcommand)]
pub enum AddressCommand {
    /// Give an account one more address.
    Add {
        /// An address of the account.
        account: String,
        /// The new one.
        address: String,
        /// It was somebody else's before, and that is meant.
        #[arg(long)]
        again: bool,
    },
    /// Make an address for one correspondent: nobody guesses it, and it can be switched off.
    ///
    /// Give it to a shop or a newsletter. The first who writes to it is the only one who may from then on, so that an
    /// address that was sold or stolen is of no use; --open leaves it open for everybody. Mail to it comes into the usual
    /// INBOX. `hearth address off ADDRESS` ends it, `hearth address masks ACCOUNT` shows them all.
    Mask {
        /// An address of the account.
        account: String,
        /// For whom: the name of a shop, say.
        #[arg(long = "for", value_name = "WHOM", default_value = "")]
        label: String,
        /// Everybody may write to it.
        #[arg(long)]
        open: bool,
    },
    /// The masked addresses of an account, for whom each is and who may write to it.
    Masks {
        /// An address of the account.
        account: String,
    },
    /// Switch a masked address off: it takes no mail.
    Off {
        /// Which.
        address: String,
    },
    /// Switch a masked address on again.
    On {
        /// Which.
        address: String,
    },
    /// Take an address away; the primary one stays.
    Remove {
        /// Which.
        address: String,
    },
    /// The addresses of an account, or of all.
    List {
        /// An address of the account.
        account: Option<String>,
    },
}

/// `hearth alias`
#[derive(Debug, Subcommand)]
pub enum AliasCommand {
    /// Make an address that leads to others.
    ///
    /// `*@DOMAIN` is every address of that domain that leads nowhere else; it leads to one account:
    /// hearth alias add '*@anna.example' anna@example.org
    Add {
        /// The new address, in a domain of this home.
        address: String,
        /// Where it leads: addresses here or anywhere.
        #[arg(required = true)]
        targets: Vec<String>,
    },
    /// Remove one.
    Remove {
        /// Which.
        address: String,
    },
    /// All of them.
    List,
}

/// `hearth list`
#[derive(Debug, Subcommand)]
pub enum ListCommand {
    /// Make a mailing list, or add members to one.
    Add {
        /// The list's address, in a domain of this home.
        address: String,
        /// Members.
        members: Vec<String>,
        /// Its name, for a new one.
        #[arg(long, default_value = "")]
        name: String,
        /// Who may write to it: members, anyone, or owners (the admins of this home). Members, for a new one.
        #[arg(long, value_name = "WHO", value_parser = ["members", "anyone", "owners"])]
        posting: Option<String>,
    },
    /// Remove a list, or members from it.
    Remove {
        /// The list's address.
        address: String,
        /// Members; without any the list itself goes.
        members: Vec<String>,
    },
    /// All lists, or the members of one.
    List {
        /// The list's address.
        address: Option<String>,
    },
}

/// `hearth group`
#[derive(Debug, Subcommand)]
pub enum GroupCommand {
    /// Add members to a group; the group is made when it is not there.
    Add {
        /// The group's address.
        group: String,
        /// Accounts, by address.
        members: Vec<String>,
    },
    /// Take members out of a group.
    Remove {
        /// The group's address.
        group: String,
        /// Accounts, by address.
        #[arg(required = true)]
        members: Vec<String>,
    },
    /// All groups, or the members of one.
    List {
        /// The group's address.
        group: Option<String>,
    },
}

/// `hearth app-password`
#[derive(Debug, Subcommand)]
pub enum AppPasswordCommand {
    /// Make one. It is shown once.
    Add {
        /// An address of the account.
        account: String,
        /// What it is for: the name of a device.
        #[arg(long)]
        label: String,
        /// What it opens: smtp, imap, pop3, sieve, jmap, keys (looking for other people's), ldap. All of mail when not given.
        #[arg(long = "for", value_name = "SERVICE", value_delimiter = ',')]
        services: Vec<String>,
    },
    /// The app passwords of an account.
    List {
        /// An address of the account.
        account: String,
    },
    /// Take one back and cut its connections.
    Revoke {
        /// Its id, from the list.
        id: String,
    },
}

/// `hearth domain`
#[derive(Debug, Subcommand)]
pub enum DomainCommand {
    /// Add a domain, with DKIM keys and names in the certificate.
    Add {
        /// Its name.
        domain: String,
    },
    /// All domains.
    List,
    /// Remove a domain that has no addresses left.
    Remove {
        /// Its name.
        domain: String,
    },
    /// The DNS records to publish, as lines of a zone file.
    Records {
        /// Its name; the home's own when not given.
        domain: Option<String>,
    },
    /// Compare those records with what DNS says now.
    Check {
        /// Its name; the home's own when not given.
        domain: Option<String>,
    },
    /// What other mail servers report about mail of a domain, in the last 90 days.
    ///
    /// Servers that know DMARC tell once a day who sent mail in the domain's name and whether it passed; servers that
    /// know TLS-RPT tell whether they could reach this home by TLS; some tell when a person called a mail junk. They
    /// write to reports@DOMAIN, which `hearth domain records` names. Mail that failed and did not come from a machine of
    /// yours is somebody pretending, and nothing is to be done; when it did come from one of yours, look at
    /// `hearth domain check`.
    Reports {
        /// Its name; the home's own when not given.
        domain: Option<String>,
        /// Show each source of each report, not the sums alone.
        #[arg(long)]
        sources: bool,
    },
}

/// What `hearth client add` takes.
#[derive(Debug, Args)]
pub struct ClientAddArgs {
    /// What people see when they sign in; the app's own name with --preset.
    #[arg(required_unless_present_any = ["preset", "metadata"])]
    pub name: Option<String>,
    /// An app whose settings are known: see `hearth client presets`.
    #[arg(long, value_name = "NAME")]
    pub preset: Option<String>,
    /// Where the app is, for --preset.
    #[arg(long, value_name = "URL", requires = "preset")]
    pub url: Option<String>,
    /// Where the front door finds the app, for --preset forward-auth: http://127.0.0.1:8096.
    #[arg(long, value_name = "URL", requires = "preset")]
    pub upstream: Option<String>,
    /// Where the program receives the answer; may be repeated.
    #[arg(long, required_unless_present_any = ["preset", "service_account", "device", "exchange", "metadata"], value_name = "URI")]
    pub redirect_uri: Vec<String>,
    /// Where a browser may go after signing out; may be repeated.
    #[arg(long, value_name = "URI")]
    pub post_logout_redirect_uri: Vec<String>,
    /// Where the program is told that somebody signed out.
    #[arg(long, value_name = "URI")]
    pub backchannel_logout_uri: Option<String>,
    /// A page of the program that signs out, loaded in a frame.
    #[arg(long, value_name = "URI")]
    pub frontchannel_logout_uri: Option<String>,
    /// A program that shows a code for people to type (a television, a command line).
    #[arg(long)]
    pub device: bool,
    /// The service account that the program acts as when it acts for itself.
    #[arg(long, value_name = "ADDRESS", conflicts_with = "public")]
    pub service_account: Option<String>,
    /// Do not insist on PKCE: for a program that cannot.
    #[arg(long, conflicts_with = "public")]
    pub without_pkce: bool,
    /// How ID tokens are signed: RS256, ES256 or EdDSA.
    #[arg(long, value_name = "ALG", value_parser = ["RS256", "ES256", "EdDSA"])]
    pub id_token_alg: Option<String>,
    /// ID tokens say who somebody is and nothing else of them: for a program that asks userinfo.
    #[arg(long)]
    pub lean_id_token: bool,
    /// People have names in it that no other program knows them by.
    #[arg(long)]
    pub pairwise: bool,
    /// Access tokens that the program can read and verify itself.
    #[arg(long)]
    pub jwt_access_tokens: bool,
    /// What its tokens can be for; may be repeated.
    #[arg(long, value_name = "URI")]
    pub resource: Vec<String>,
    /// A resource that the program is: it may exchange tokens for it into tokens of its own; may be repeated.
    #[arg(long, value_name = "URI", conflicts_with = "public")]
    pub exchange: Vec<String>,
    /// A program without a secret: on a phone, in a browser, on a desktop.
    #[arg(long)]
    pub public: bool,
    /// The id, when the program prescribes one; a new one when not given.
    #[arg(long, value_name = "ID")]
    pub client_id: Option<String>,
    /// A scope that it may ask for; may be repeated. openid, profile, email and offline_access when not given.
    #[arg(long, value_name = "SCOPE")]
    pub scope: Vec<String>,
    /// Do not ask people whether they agree.
    #[arg(long)]
    pub trusted: bool,
    /// A file with more that it says of itself: a JSON object with members of RFC 7591.
    ///
    /// For keys of its own (jwks, private_key_jwt), signed userinfo, signed or pushed requests, tokens bound to a key (DPoP). What
    /// the command line says comes first.
    #[arg(long, value_name = "FILE")]
    pub metadata: Option<PathBuf>,
}

/// What `hearth client change` takes.
#[derive(Debug, Args)]
pub struct ClientChangeArgs {
    /// Its id.
    pub client_id: String,
    /// What people see when they sign in.
    #[arg(long)]
    pub name: Option<String>,
    /// Where the program receives the answer, in the place of all others; may be repeated.
    #[arg(long, value_name = "URI")]
    pub redirect_uri: Vec<String>,
    /// Where a browser may go after signing out, in the place of all others; may be repeated.
    #[arg(long, value_name = "URI")]
    pub post_logout_redirect_uri: Vec<String>,
    /// A scope that it may ask for, in the place of all others; may be repeated.
    #[arg(long, value_name = "SCOPE")]
    pub scope: Vec<String>,
    /// A file with members of RFC 7591, in the place of those that it names; null takes one away.
    #[arg(long, value_name = "FILE")]
    pub metadata: Option<PathBuf>,
    /// Another secret, shown once; the old one counts no more.
    #[arg(long)]
    pub new_secret: bool,
}

/// `hearth client`
#[derive(Debug, Subcommand)]
pub enum ClientCommand {
    /// Register a program. The secret is shown once.
    Add(Box<ClientAddArgs>),
    /// Change a program's name, places, scopes or metadata, or give it another secret. Who is signed in stays so.
    Change(Box<ClientChangeArgs>),
    /// Apps that we know the settings of.
    Presets,
    /// Let an account, or everyone in a group, use a program; from then on only those that are listed may.
    Allow {
        /// Its id.
        client_id: String,
        /// An address of a person or a group.
        account: String,
    },
    /// Take somebody off that list.
    Deny {
        /// Its id.
        client_id: String,
        /// An address of a person or a group.
        account: String,
    },
    /// Let everyone use a program again.
    Open {
        /// Its id.
        client_id: String,
    },
    /// Let a program in that registered itself, or that was disabled.
    Enable {
        /// Its id.
        client_id: String,
    },
    /// Let nobody in through a program any more, without forgetting it.
    Disable {
        /// Its id.
        client_id: String,
    },
    /// What becomes of programs that register themselves: approved (they wait), open, or off.
    Registration {
        /// One of the three; says what it is when not given.
        choice: Option<String>,
    },
    /// All of them.
    List,
    /// One of them.
    Show {
        /// Its id.
        client_id: String,
    },
    /// Remove one and end its sessions.
    Remove {
        /// Its id.
        client_id: String,
    },
}

/// `hearth queue`
#[derive(Debug, Subcommand)]
pub enum QueueCommand {
    /// All mail that waits.
    List,
    /// One mail: recipients, attempts, answers.
    Show {
        /// Its id.
        id: String,
    },
    /// Try now, one mail or all.
    Retry {
        /// Its id; all when not given.
        id: Option<String>,
    },
    /// Do not try until it is released.
    Hold {
        /// Its id.
        id: String,
    },
    /// Let a held one go.
    Release {
        /// Its id.
        id: String,
    },
    /// Give a mail up without a bounce.
    Drop {
        /// Its id.
        id: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_is_a_word_too() {
        let said = |line: &[&str]| Cli::try_parse_from(line).unwrap_err();
        for (asked, option) in [
            (&["hearth", "help"][..], &["hearth", "--help"][..]),
            (&["hearth", "help", "account"], &["hearth", "account", "--help"]),
            (&["hearth", "account", "help", "add"], &["hearth", "account", "add", "--help"]),
        ] {
            let (asked, option) = (said(asked), said(option));
            assert_eq!((asked.exit_code(), asked.to_string()), (0, option.to_string()));
        }
    }

    #[test]
    fn options_may_stand_anywhere() {
        let cli = Cli::try_parse_from(["hearth", "account", "add", "alice@x.org", "--password-stdin", "--json", "--dir", "/srv/h"])
            .unwrap();
        assert!(cli.json && cli.dir.is_some());
        assert_eq!(Cli::try_parse_from(["hearth", "nonsense"]).unwrap_err().exit_code(), 2);
    }
}
