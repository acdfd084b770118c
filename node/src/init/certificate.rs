// SPDX-License-Identifier: AGPL-3.0-or-later
//! The node's own certificate authority and the certificate that it signs.
//!
//! ECDSA P-256 throughout: every mail program knows it, and a Raspberry Pi signs thousands a second. The node's key
//! stays when its certificate is renewed, so that a TLSA record (3 1 1) stays true.

use std::net::IpAddr;
use std::path::Path;

use anyhow::{Context, anyhow};
use hearth_boot::Config;
use hearth_boot::config::Ca;
use hearth_identity::Directory;
use hearth_types::Clock;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType, SerialNumber,
};
use time::{Duration, OffsetDateTime};
use x509_parser::pem::Pem;

use super::write::{read_text, replace};
use crate::limits::{AUTHORITY_DAYS, CERTIFICATE_DAYS, CERTIFICATE_RENEW_DAYS};

/// The clocks of two machines differ; a certificate is valid from a day ago.
const BACKDATED: Duration = Duration::days(1);

/// Writes `ca.pem`, `ca.key`, `node.pem` and `node.key` into `tls`.
pub fn create(config: &Config, names: &[String], tls: &Path) -> anyhow::Result<()> {
    let ca_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let node_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let authority = authority(config.domain())?;
    let ca_pem = authority.self_signed(&ca_key)?.pem();
    let issuer = Issuer::from_params(&authority, &ca_key);
    let node = node(config, names)?.signed_by(&node_key, &issuer)?;
    replace(&tls.join("ca.pem"), ca_pem.as_bytes(), 0o644)?;
    replace(&tls.join("ca.key"), ca_key.serialize_pem().as_bytes(), 0o600)?;
    replace(&tls.join("node.key"), node_key.serialize_pem().as_bytes(), 0o600)?;
    replace(&tls.join("node.pem"), format!("{}{ca_pem}", node.pem()).as_bytes(), 0o644)?;
    Ok(())
}

/// A certificate with the names of all domains and of the apps behind the front door; the servers see it by themselves.
pub async fn renew_for_all(config: &Config, directory: &Directory) -> anyhow::Result<()> {
    let mut names = config.names(config.domain());
    let domains = directory.list_domains().await?;
    let more = domains.iter().flat_map(|domain| config.names(domain.name.as_str()));
    for name in more.chain(directory.list_app_hosts().await?) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    renew(config, &names)
}

/// Signs a new certificate for the node's key, with these names.
fn renew(config: &Config, names: &[String]) -> anyhow::Result<()> {
    let ca_pem = read_text(&config.path("tls/ca.pem"))?;
    let ca_key = KeyPair::from_pem(&read_text(&config.path("tls/ca.key"))?)
        .context("tls/ca.key is not a key; put it back from a copy of yours")?;
    let node_key = KeyPair::from_pem(&read_text(&config.path("tls/node.key"))?)
        .context("tls/node.key is not a key; put it back from a copy of yours")?;
    let issuer =
        Issuer::from_ca_cert_pem(&ca_pem, &ca_key).context("tls/ca.pem is not a certificate; put it back from a copy of yours")?;
    let node = node(config, names)?.signed_by(&node_key, &issuer)?;
    replace(&config.path("tls/node.pem"), format!("{}{ca_pem}", node.pem()).as_bytes(), 0o644)
}

/// Renews the certificate when it ends soon; `true` when it did.
pub fn renew_if_due(config: &Config) -> anyhow::Result<bool> {
    if config.tls.ca != Ca::Own {
        return Ok(false);
    }
    let facts = facts(&config.path("tls/node.pem"))?;
    if facts.days_left > CERTIFICATE_RENEW_DAYS {
        return Ok(false);
    }
    renew(config, &facts.names)?;
    Ok(true)
}

/// What a certificate file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The names it is for.
    pub names: Vec<String>,
    /// Whole days until it ends; negative when it has.
    pub days_left: i64,
    /// SHA-256 of its public key, for a TLSA record 3 1 1.
    pub key_hash: Vec<u8>,
}

/// Reads the first certificate of a file.
pub fn facts(path: &Path) -> anyhow::Result<Facts> {
    let text = read_text(path)?;
    let broken = || anyhow!("{} is not a certificate; put it back from a copy of yours", path.display());
    let pem = Pem::iter_from_buffer(text.as_bytes()).next().ok_or_else(broken)?.map_err(|_| broken())?;
    let certificate = pem.parse_x509().map_err(|_| broken())?;
    let ends = certificate.validity().not_after.timestamp();
    let names = certificate
        .subject_alternative_name()
        .ok()
        .flatten()
        .map(|extension| extension.value.general_names.iter().filter_map(dns_name).collect())
        .unwrap_or_default();
    let key_hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, certificate.public_key().raw).as_ref().to_vec();
    Ok(Facts { names, days_left: (ends - Clock::system().now().secs()).div_euclid(86_400), key_hash })
}

fn dns_name(name: &x509_parser::extensions::GeneralName<'_>) -> Option<String> {
    match name {
        x509_parser::extensions::GeneralName::DNSName(name) => Some((*name).to_owned()),
        _ => None,
    }
}

fn authority(domain: &str) -> anyhow::Result<CertificateParams> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name = named(&format!("Hearth home {domain}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    lives(&mut params, AUTHORITY_DAYS)?;
    params.serial_number = Some(serial()?);
    Ok(params)
}

fn node(config: &Config, names: &[String]) -> anyhow::Result<CertificateParams> {
    let mut params = CertificateParams::new(names.to_vec())?;
    params.distinguished_name = named(&config.hostname());
    for ip in &config.listen.addresses {
        if is_loopback(*ip) {
            params.subject_alt_names.push(SanType::IpAddress(*ip));
        }
    }
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    lives(&mut params, CERTIFICATE_DAYS)?;
    params.serial_number = Some(serial()?);
    Ok(params)
}

fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

fn lives(params: &mut CertificateParams, days: i64) -> anyhow::Result<()> {
    let now = OffsetDateTime::from_unix_timestamp(Clock::system().now().secs()).context("the clock is far off; correct it")?;
    params.not_before = now - BACKDATED;
    params.not_after = now + Duration::days(days);
    Ok(())
}

fn named(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    // RFC 5280 appendix A.1: a common name has at most 64 characters.
    names.push(DnType::CommonName, name.chars().take(64).collect::<String>());
    names
}

/// RFC 5280 §4.1.2.2: positive, unique, at most 20 octets.
fn serial() -> anyhow::Result<SerialNumber> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| anyhow!("the system gives no random numbers; try again"))?;
    if let Some(first) = bytes.first_mut() {
        *first = (*first & 0x7f) | 0x40;
    }
    Ok(SerialNumber::from_slice(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_net::tls::{Connector, Tls, Verification};

    fn config(dir: &Path) -> Config {
        let text = "[home]\ndomain = \"home.localhost\"\n[listen]\naddresses = [\"127.0.0.1\"]\n";
        std::fs::create_dir_all(dir.join("tls")).unwrap();
        Config::from_text(dir, text, []).unwrap()
    }

    async fn meet(config: &Config, name: &str) -> Verification {
        let tls = Tls::load(&config.path("tls/node.pem"), &config.path("tls/node.key"), &[]).unwrap();
        let connector = Connector::new(&[config.path("tls/ca.pem")]).unwrap();
        let (ours, theirs) = tokio::io::duplex(65536);
        let (server, client) = tokio::join!(tls.accept(ours), connector.opportunistic(name, theirs));
        server.unwrap();
        client.unwrap().1.verification
    }

    #[tokio::test]
    async fn a_client_that_trusts_the_authority_believes_every_name() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path());
        let names = config.names(config.domain());
        create(&config, &names, &config.path("tls")).unwrap();
        for name in names.iter().map(String::as_str).chain(["127.0.0.1"]) {
            assert_eq!(meet(&config, name).await, Verification::Verified, "{name}");
        }
        assert!(matches!(meet(&config, "other.localhost").await, Verification::Unverified(_)));
        let before = facts(&config.path("tls/node.pem")).unwrap();
        assert!(before.days_left >= CERTIFICATE_DAYS - 1);
        assert!(!renew_if_due(&config).unwrap());
        renew(&config, &[names[0].clone(), "new.localhost".into()]).unwrap();
        assert_eq!(meet(&config, "new.localhost").await, Verification::Verified);
        assert_eq!(facts(&config.path("tls/node.pem")).unwrap().key_hash, before.key_hash, "the key stays");
    }
}
