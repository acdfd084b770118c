// SPDX-License-Identifier: AGPL-3.0-or-later
//! May the envelope sender send from this address (RFC 7208)?
//!
//! mail-auth evaluates. What it forgives would be unfair to somebody, so two things are done around it: a record that it
//! read and that has a fault is permerror for the whole (RFC 7208 §4.6), and it is given the peer's names without their
//! last dot, with which `ptr` matches nothing.

use std::borrow::Borrow;
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use hearth_net::dns::Resolver;
use hearth_wire::spf;
use mail_auth::common::cache::NoCache;
use mail_auth::spf::Mechanism;
use mail_auth::spf::verify::SpfParameters;
use mail_auth::{DnssecStatus, MX, MessageAuthenticator, Parameters, RecordSet, ResolverCache, SpfOutput, SpfResult, Txt};

use super::{Finding, Subject};

pub(super) async fn look(authenticator: &MessageAuthenticator, dns: &Resolver, subject: &Subject<'_>, sender: &str) -> SpfOutput {
    // RFC 7208 §5: an IPv4 address in IPv6 clothes is an IPv4 address.
    let ip = subject.ip.to_canonical();
    let mut read = Read::default();
    let mut output = evaluate(authenticator, subject, ip, sender, &read, None).await;
    let mut names = read.names();
    if read.asks_for_names() {
        // RFC 7208 §5.5: without an answer there is no name.
        let claimed = dns.ptr(ip).await.map(|answer| answer.records).unwrap_or_default();
        read = Read::default();
        output = evaluate(authenticator, subject, ip, sender, &read, Some(&Names(claimed))).await;
        names = read.names();
    }
    for name in names {
        // The resolver has kept it since.
        let Ok(texts) = dns.txt(&name).await else { continue };
        if !spf::is_sound(texts.records.iter().map(String::as_str)) {
            return output.with_result(SpfResult::PermError);
        }
    }
    output
}

async fn evaluate(
    authenticator: &MessageAuthenticator,
    subject: &Subject<'_>,
    ip: IpAddr,
    sender: &str,
    read: &Read,
    names: Option<&Names>,
) -> SpfOutput {
    let params = if sender.is_empty() {
        // RFC 7208 §2.4: the null sender stands for postmaster at the HELO name.
        SpfParameters::verify_ehlo(ip, subject.hello, subject.hostname)
    } else {
        SpfParameters::verify_mail_from(ip, subject.hello, subject.hostname, sender)
    };
    type No<T> = NoCache<Box<str>, RecordSet<T>>;
    let parameters: Parameters<'_, _, Read, No<MX>, No<Ipv4Addr>, No<Ipv6Addr>, Names> =
        Parameters { params, cache_txt: Some(read), cache_mx: None, cache_ptr: names, cache_ipv4: None, cache_ipv6: None };
    authenticator.verify_spf(parameters).await
}

/// The records that an evaluation has read: where they are, and whether one asks for the peer's names.
#[derive(Default)]
struct Read(Mutex<(Vec<String>, bool)>);

impl Read {
    fn names(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    fn asks_for_names(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1
    }
}

impl ResolverCache<Box<str>, Txt> for Read {
    fn get<Q: Hash + Eq + ?Sized>(&self, _: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
    {
        None
    }

    fn remove<Q: Hash + Eq + ?Sized>(&self, _: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
    {
        None
    }

    fn insert(&self, name: Box<str>, value: Txt, _: Instant) {
        // RFC 7208 §6.2: what is wrong with an explanation is no matter.
        let Txt::Spf(record) = value else { return };
        let asks = |mechanism: &Mechanism| matches!(mechanism, Mechanism::Ptr { .. }) || mechanism.needs_ptr();
        let mut read = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        read.1 |= record.directives.iter().any(|directive| asks(&directive.mechanism));
        read.0.push(name.into());
    }
}

/// What the peer's address calls itself, without last dots.
struct Names(Vec<String>);

impl ResolverCache<IpAddr, RecordSet<Box<str>>> for Names {
    fn get<Q: Hash + Eq + ?Sized>(&self, _: &Q) -> Option<RecordSet<Box<str>>>
    where
        IpAddr: Borrow<Q>,
    {
        let rrset = self.0.iter().map(|name| name.as_str().into()).collect();
        Some(RecordSet { rrset, dnssec_status: DnssecStatus::Indeterminate })
    }

    fn remove<Q: Hash + Eq + ?Sized>(&self, _: &Q) -> Option<RecordSet<Box<str>>>
    where
        IpAddr: Borrow<Q>,
    {
        None
    }

    fn insert(&self, _: IpAddr, _: RecordSet<Box<str>>, _: Instant) {}
}

pub(super) fn finding(output: &SpfOutput) -> Finding {
    match output.result() {
        SpfResult::Pass => Finding::Pass,
        SpfResult::Fail => Finding::Fail,
        SpfResult::SoftFail => Finding::SoftFail,
        SpfResult::Neutral => Finding::Neutral,
        SpfResult::TempError => Finding::TempError,
        SpfResult::PermError => Finding::PermError,
        SpfResult::None => Finding::None,
    }
}
