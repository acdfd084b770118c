// SPDX-License-Identifier: AGPL-3.0-or-later
//! Which hosts take mail for a domain (RFC 5321 §5.1).

use std::net::IpAddr;

use hearth_net::dns::{DnsError, Mx};
use hearth_types::Domain;
use hearth_wire::smtp::Reply;

use super::Outbound;
use crate::limits::OUTBOUND_HOSTS_MAX;

/// A host with one of its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Its name, for the certificate and the log.
    pub name: String,
    /// Where it is.
    pub address: IpAddr,
}

/// Where the mail goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// To these, in this order.
    Hosts(Vec<Host>),
    /// It cannot go anywhere, now or ever.
    Nowhere(Reply),
}

/// The exchangers that are to be tried, or why there are none. Pure.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Exchangers {
    Try(Vec<String>),
    /// RFC 7505: the domain says that it takes no mail.
    NullMx,
    /// RFC 5321 §5.1: we are the best exchanger, yet do not know the domain.
    Ourselves,
}

pub(super) async fn find(outbound: &Outbound, domain: &Domain) -> Route {
    let records = match outbound.dns.mx(domain.as_str()).await {
        Ok(answer) => answer.records,
        Err(error) => return Route::Nowhere(unknown(&error)),
    };
    let names = match exchangers(domain, records, &outbound.own_names) {
        Exchangers::Try(names) => names,
        Exchangers::NullMx => return Route::Nowhere(Reply::named(556, 1, 10, "the domain takes no mail (null MX)")),
        Exchangers::Ourselves => return Route::Nowhere(ourselves()),
    };
    addresses(outbound, names).await
}

fn exchangers(domain: &Domain, mut records: Vec<Mx>, own_names: &[String]) -> Exchangers {
    if let [only] = records.as_slice()
        && only.host.is_empty()
    {
        return Exchangers::NullMx;
    }
    records.retain(|mx| !mx.host.is_empty());
    if records.is_empty() {
        // The domain itself is its exchanger.
        records.push(Mx { preference: 0, host: domain.as_str().to_string() });
    }
    records.sort();
    let is_own = |mx: &Mx| own_names.iter().any(|own| own.eq_ignore_ascii_case(&mx.host));
    // Those that are no better than ourselves would send it back to us.
    if let Some(own) = records.iter().find(|mx| is_own(mx)).map(|mx| mx.preference) {
        records.retain(|mx| mx.preference < own);
    }
    if records.is_empty() {
        return Exchangers::Ourselves;
    }
    Exchangers::Try(records.into_iter().map(|mx| mx.host).take(OUTBOUND_HOSTS_MAX).collect())
}

async fn addresses(outbound: &Outbound, names: Vec<String>) -> Route {
    let (mut hosts, mut trouble, mut met_ourselves) = (Vec::new(), None, false);
    for name in names {
        match outbound.dns.addresses(&name).await {
            Ok(answer) => {
                for address in answer.records {
                    if is_ourselves(outbound, address) {
                        met_ourselves = true;
                    } else {
                        hosts.push(Host { name: name.clone(), address });
                    }
                }
            }
            Err(error) => trouble = Some(error),
        }
    }
    match trouble {
        _ if !hosts.is_empty() => Route::Hosts(hosts),
        Some(error) => Route::Nowhere(unknown(&error)),
        None if met_ourselves => Route::Nowhere(ourselves()),
        None => Route::Nowhere(Reply::named(550, 1, 2, "there is no mail server for the domain")),
    }
}

/// An address that we listen on, at the port that we would connect to.
fn is_ourselves(outbound: &Outbound, address: IpAddr) -> bool {
    outbound
        .own_addresses
        .iter()
        .any(|own| *own == address || (own.is_unspecified() && address.is_loopback()) || address.is_unspecified())
}

fn ourselves() -> Reply {
    Reply::named(554, 4, 6, "the domain's mail server is this one, and it does not know the domain")
}

fn unknown(error: &DnsError) -> Reply {
    Reply::named(451, 4, 3, "").saying(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(records: &[(u16, &str)]) -> Exchangers {
        let domain = Domain::parse("x.org").expect("a domain");
        let records = records.iter().map(|(preference, host)| Mx { preference: *preference, host: (*host).to_string() }).collect();
        exchangers(&domain, records, &["mail.home.example".to_string()])
    }

    fn names(names: &[&str]) -> Exchangers {
        Exchangers::Try(names.iter().map(|name| (*name).to_string()).collect())
    }

    #[test]
    fn the_preferred_come_first() {
        assert_eq!(order(&[(20, "b"), (10, "a"), (30, "c")]), names(&["a", "b", "c"]));
    }

    #[test]
    fn a_domain_without_exchangers_is_its_own() {
        assert_eq!(order(&[]), names(&["x.org"]));
    }

    #[test]
    fn the_null_mx_says_no() {
        assert_eq!(order(&[(0, "")]), Exchangers::NullMx);
        assert_eq!(order(&[(0, ""), (10, "a")]), names(&["a"]));
    }

    #[test]
    fn mail_does_not_go_in_circles() {
        assert_eq!(order(&[(10, "Mail.Home.Example")]), Exchangers::Ourselves);
        assert_eq!(order(&[(10, "a"), (20, "mail.home.example"), (20, "b"), (30, "c")]), names(&["a"]));
    }

    #[test]
    fn hosts_are_bounded() {
        let many: Vec<(u16, String)> = (0..100).map(|n| (n, format!("h{n}"))).collect();
        let many: Vec<(u16, &str)> = many.iter().map(|(n, host)| (*n, host.as_str())).collect();
        let count = |records: &[(u16, &str)]| match order(records) {
            Exchangers::Try(names) => names.len(),
            _ => 0,
        };
        assert_eq!(count(&many[..OUTBOUND_HOSTS_MAX]), OUTBOUND_HOSTS_MAX);
        assert_eq!(count(&many), OUTBOUND_HOSTS_MAX);
    }
}
