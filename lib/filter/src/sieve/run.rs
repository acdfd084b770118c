// SPDX-License-Identifier: AGPL-3.0-or-later
//! One run of a script: the events of sieve-rs become actions.

use std::collections::HashMap;
use std::sync::Arc;

use ::sieve::runtime::RuntimeError;
use ::sieve::{Context, Envelope, Event, Input, Mailbox, Recipient, Script as Name, SpamStatus};
use hearth_mailstore::{Flag, FlagSet};
use hearth_wire::message::parse_with_mail_parser;

use super::compile::{Script, compile_for, guarded, one_line, runtime};
use super::{Action, Event as Done, Lookup, Place, Ran, Remember, Subject, answer};
use crate::limits::{FILED_MAX, LOOKUPS_MAX, MEMORY_SECONDS_MAX, OUT_MESSAGES_MAX};

/// How sieve-rs names the memory of a vacation.
const VACATION_ID: &str = "_v";

impl Script {
    /// Runs the script. Never fails: see [`Ran::error`].
    pub fn run(&self, subject: &Subject<'_>, lookup: &mut dyn Lookup) -> Ran {
        self.run_because(subject, None, lookup)
    }

    /// The same for a message that is in a mailbox already, because of what was done to it.
    pub fn run_on(&self, subject: &Subject<'_>, event: &Done<'_>, lookup: &mut dyn Lookup) -> Ran {
        self.run_because(subject, Some(event), lookup)
    }

    fn run_because(&self, subject: &Subject<'_>, event: Option<&Done<'_>>, lookup: &mut dyn Lookup) -> Ran {
        let broken = || Ran::failed("The script could not be run to its end.".into());
        guarded(|| self.run_unguarded(subject, event, lookup)).unwrap_or_else(broken)
    }

    fn run_unguarded(&self, subject: &Subject<'_>, event: Option<&Done<'_>>, lookup: &mut dyn Lookup) -> Ran {
        // Such a mail would break the parser; its like is made to, so that no script is wanted for it.
        let Some(message) = parse_with_mail_parser(subject.raw) else { return Ran::usual() };
        let runtime = runtime(subject.hostname);
        let mut context = runtime.filter_parsed(message).with_user_address(subject.owner).with_user_full_name(subject.owner_name);
        context.set_envelope(Envelope::From, subject.sender);
        context.set_envelope(Envelope::To, subject.recipient);
        if let Some(event) = event {
            // RFC 6785 §4.1, §4.2
            for (name, value) in [
                ("imap.cause", event.cause),
                ("imap.mailbox", event.mailbox),
                ("imap.user", event.user),
                ("imap.email", event.user),
                ("imap.changedflags", event.changed_flags),
                ("location", "MS"),
                ("phase", "post"),
            ] {
                context.set_env_variable(name, value.to_string());
            }
        }
        if let Some(junk) = subject.junk {
            context.set_spam_status(if junk >= 1.0 { SpamStatus::Spam } else { SpamStatus::MaybeSpam(junk.max(0.0)) });
        }
        let annotations = if self.reads_annotations { lookup.annotations() } else { Vec::new() };
        for (mailbox, name, value) in annotations {
            // RFC 5490 §3.3, §5.2.
            match mailbox {
                Some(path) => context.set_medatata((path, name), value),
                None => context.set_medatata(name, value),
            }
        }
        let mut run = Run {
            lookup,
            cut_from: subject.cut_from,
            lookups: 0,
            created: HashMap::new(),
            answering: false,
            is_automatic: answer::is_automatic(subject.raw),
            answers: Vec::new(),
            written: Vec::new(),
            ran: Ran::default(),
        };
        match run.finish(&mut context, self) {
            Ok(()) => run.ran,
            Err(error) => Ran::failed(one_line(&error)),
        }
    }
}

struct Run<'l> {
    lookup: &'l mut dyn Lookup,
    cut_from: Option<u64>,
    lookups: usize,
    /// Messages that the script made, by sieve-rs's number for them.
    created: HashMap<usize, Arc<Vec<u8>>>,
    /// The next message that is made answers the sender.
    answering: bool,
    /// No person wrote the mail, so that none is answered.
    is_automatic: bool,
    answers: Vec<usize>,
    /// Messages that the script wrote as a whole.
    written: Vec<usize>,
    ran: Ran,
}

impl Run<'_> {
    fn finish(&mut self, context: &mut Context<'_>, script: &Script) -> Result<(), String> {
        let mut input = Input::Script { name: Name::Personal(String::new()), script: Arc::clone(&script.sieve) };
        while let Some(event) = context.run(input) {
            input = self.answer(event.map_err(|error| says(&error))?)?;
        }
        Ok(())
    }

    fn answer(&mut self, event: Event) -> Result<Input, String> {
        match event {
            Event::MailboxExists { mailboxes, special_use } => {
                self.ask()?;
                Ok(self.exist(&mailboxes, &special_use).into())
            }
            Event::DuplicateId { id, expiry, last } => {
                self.ask()?;
                Ok(self.remember(id, expiry, last).into())
            }
            Event::IncludeScript { name, optional } => {
                self.ask()?;
                self.include(name, optional)
            }
            // No list is known, and no function: the extensions that lead here are not offered.
            Event::ListContains { .. } | Event::Function { .. } => Ok(Input::False),
            action => self.act(action).map(|()| Input::True),
        }
    }

    fn ask(&mut self) -> Result<(), String> {
        self.lookups += 1;
        if self.lookups > LOOKUPS_MAX { Err("The script asks for too much.".to_string()) } else { Ok(()) }
    }

    /// RFC 5490 §3.1, RFC 9042 §4, RFC 8579 §4: all of them.
    fn exist(&mut self, mailboxes: &[Mailbox], special_use: &[String]) -> bool {
        let named = mailboxes.iter().all(|mailbox| match mailbox {
            Mailbox::Name(path) => self.lookup.mailbox(path),
            Mailbox::Id(id) => self.lookup.mailbox_by_id(id).is_some(),
        });
        let only = match mailboxes {
            [Mailbox::Name(path)] => Some(path.clone()),
            _ => None,
        };
        named
            && special_use.iter().all(|wanted| match (self.lookup.mailbox_by_use(wanted), &only) {
                (Some(path), Some(only)) => path == *only,
                (found, _) => found.is_some(),
            })
    }

    fn remember(&mut self, id: String, seconds: u64, last: bool) -> bool {
        let known = self.lookup.is_remembered(&id) || (self.is_automatic && id.starts_with(VACATION_ID));
        self.answering = id.starts_with(VACATION_ID) && !known;
        // RFC 7352 §3.2 `:last`: seen again, the time begins anew.
        if !known || last {
            self.ran.remember.push(Remember { id, seconds: seconds.min(MEMORY_SECONDS_MAX) });
        }
        known
    }

    fn include(&mut self, name: Name, optional: bool) -> Result<Input, String> {
        let found = match &name {
            Name::Personal(name) => self.lookup.script(name),
            // (todo) scripts of the whole home
            Name::Global(_) => None,
        };
        match found {
            Some(text) => {
                let script = compile_for(&text, self.cut_from)
                    .map_err(|error| format!("In the included script {:?}: {error}", name.as_str()))?;
                Ok(Input::Script { name, script: script.sieve })
            }
            None if optional => Ok(Input::False),
            None => Err(format!("There is no script {:?} to include.", name.as_str())),
        }
    }

    fn act(&mut self, event: Event) -> Result<(), String> {
        let action = match event {
            Event::CreatedMessage { message_id, message } => {
                if std::mem::take(&mut self.answering) {
                    self.answers.push(message_id);
                    self.written.push(message_id);
                }
                self.created.insert(message_id, Arc::new(message));
                return Ok(());
            }
            Event::Keep { flags, message_id } => {
                Action::File { place: Place::Usual, flags: flag_set(&flags), edited: self.created.get(&message_id).cloned() }
            }
            Event::FileInto { folder, flags, mailbox_id, special_use, create, message_id } => {
                let place = self.place(folder, mailbox_id, special_use, create);
                Action::File { place, flags: flag_set(&flags), edited: self.made(message_id) }
            }
            // sieve-rs counts what it sends to one address, and not what it sends to several (notices).
            Event::SendMessage { .. } if self.sent() >= OUT_MESSAGES_MAX => return Ok(()),
            Event::SendMessage { recipient, message_id, .. } => match self.send(recipient, message_id) {
                Some(action) => action,
                None => return Ok(()),
            },
            Event::Reject { reason, .. } => Action::Reject { reason },
            // Discard is the absence of all others; what is left leads from extensions that are not offered.
            _ => return Ok(()),
        };
        if self.ran.actions.len() >= FILED_MAX {
            return Err("The script files a mail into too many mailboxes.".to_string());
        }
        self.ran.actions.push(action);
        Ok(())
    }

    /// Mails that leave because of this one.
    fn sent(&self) -> usize {
        self.ran.actions.iter().filter(|action| matches!(action, Action::Redirect { .. } | Action::Send { .. })).count()
    }

    fn place(&mut self, folder: String, id: Option<String>, special_use: Option<String>, create: bool) -> Place {
        // RFC 9042 §4.1, RFC 8579 §5: the name is for when there is none such.
        let found = id.and_then(|id| self.lookup.mailbox_by_id(&id));
        let found = found.or_else(|| special_use.and_then(|wanted| self.lookup.mailbox_by_use(&wanted)));
        match found {
            Some(path) => Place::Path { path, create: false },
            None => Place::Path { path: folder, create },
        }
    }

    fn send(&mut self, recipient: Recipient, message: usize) -> Option<Action> {
        let is_answer = self.answers.contains(&message);
        match recipient {
            Recipient::Address(to) if !is_answer => Some(Action::Redirect { to, edited: self.created.get(&message).cloned() }),
            Recipient::Address(to) => Some(Action::Send { to: vec![to], message: self.made(message)?, is_answer }),
            Recipient::Group(to) => {
                self.written.push(message);
                Some(Action::Send { to, message: self.made(message)?, is_answer })
            }
            Recipient::List(_) => None,
        }
    }

    /// A message that the script made; what it wrote as a whole is made sound.
    fn made(&self, message: usize) -> Option<Arc<Vec<u8>>> {
        let raw = self.created.get(&message)?;
        Some(if self.written.contains(&message) { Arc::new(answer::make_sound(raw)) } else { Arc::clone(raw) })
    }
}

/// sieve-rs has no words for the first.
fn says(error: &RuntimeError) -> String {
    match error {
        RuntimeError::TooManyIncludes => "Too many scripts include each other.".to_string(),
        other => other.to_string(),
    }
}

/// What is no flag is left out; a script may set `\Deleted`, which would only hide the mail, and that is left out too.
fn flag_set(flags: &[String]) -> FlagSet {
    flags.iter().filter_map(|flag| Flag::from_imap(flag)).filter(|flag| *flag != Flag::Deleted).collect()
}
