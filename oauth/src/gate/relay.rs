// SPDX-License-Identifier: AGPL-3.0-or-later
//! A SASL exchange: `hearth_wire::sasl` says what to ask, the doorkeeper answers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use hearth_identity::login::{ChannelBinding, Login, Mechanism, Refusal, Service, Step};
use hearth_identity::vault::StoredAppPassword;
use hearth_types::Trouble;
use hearth_wire::sasl::{Failure, PasswordClaim, Server, TokenClaim, TokenError, Turn};
use std::net::IpAddr;

use super::doorkeeper::{Claim, Doorkeeper};

/// Octets of the server's half of SCRAM's nonce.
const NONCE_BYTES: usize = 18;

/// An exchange that is under way.
pub(super) struct Relay {
    doorkeeper: Doorkeeper,
    mechanism: Mechanism,
    service: Service,
    peer: IpAddr,
    server: Server,
    /// SCRAM: who is claimed, and the app passwords whose verifiers were offered.
    offered: Option<(Claim, Vec<StoredAppPassword>)>,
    /// OAuth: what the client is told after it has acknowledged the JSON.
    refusal: Refusal,
}

impl Relay {
    pub(super) fn new(
        doorkeeper: Doorkeeper,
        mechanism: Mechanism,
        service: Service,
        peer: IpAddr,
        binding: ChannelBinding,
    ) -> Self {
        let nonce = STANDARD_NO_PAD.encode(nonce());
        let server = Server::new(mechanism, binding, nonce);
        Self { doorkeeper, mechanism, service, peer, server, offered: None, refusal: Refusal::Credentials }
    }

    /// One message of the client; at first its initial response, if it sent one.
    pub(super) async fn step(&mut self, octets: Option<&[u8]>) -> Result<Step, Trouble> {
        let mut turn = self.server.step(octets);
        loop {
            turn = match turn {
                Turn::Challenge(octets) => return Ok(Step::Challenge(octets)),
                Turn::Password(claim) => return self.check_password(claim).await,
                Turn::Verifiers { user } => self.find_verifiers(&user).await?,
                Turn::Proved { index, authorization } => return self.enter(index, authorization).await,
                Turn::Token(claim) => match self.check_token(claim).await? {
                    Ok(login) => return Ok(Step::Done(login)),
                    Err(refusal) => self.refuse_token(refusal),
                },
                Turn::Failed(failure) => return self.fail(failure).await,
            }
        }
    }

    async fn check_password(&self, claim: PasswordClaim) -> Result<Step, Trouble> {
        let entered = self.doorkeeper.password(&claim.user, &claim.password, self.service, self.peer).await?;
        self.authorize(entered, claim.authorization).await
    }

    /// Nobody acts as somebody else here: an authorization identity (RFC 4422 §2) is another name of the
    /// same account, or it is refused.
    async fn authorize(&self, entered: Result<Login, Refusal>, authorization: Option<String>) -> Result<Step, Trouble> {
        let login = match entered {
            Ok(login) => login,
            Err(refusal) => return Ok(Step::Refused(refusal)),
        };
        if let Some(user) = authorization
            && !self.doorkeeper.claim(&user, self.service, self.peer).await?.is_of(login.account)
        {
            return Ok(Step::Refused(Refusal::Credentials));
        }
        Ok(Step::Done(login))
    }

    async fn find_verifiers(&mut self, user: &str) -> Result<Turn, Trouble> {
        let claim = self.doorkeeper.claim(user, self.service, self.peer).await?;
        let account = claim.account.as_ref();
        let is_primary = account.is_some_and(|account| account.primary.key() == claim.name);
        let offer = self.doorkeeper.vault().find_scram_offer(account.map(|account| account.id), &claim.name, is_primary).await?;
        let turn = self.server.offer(&offer.salt, offer.iterations, offer.verifiers);
        self.offered = Some((claim, offer.apps));
        Ok(turn)
    }

    async fn enter(&mut self, index: usize, authorization: Option<String>) -> Result<Step, Trouble> {
        let Some((claim, apps)) = self.offered.take() else {
            return Ok(Step::Refused(Refusal::Credentials));
        };
        let Some(app) = apps.get(index) else {
            return Ok(Step::Refused(Refusal::Credentials));
        };
        let entered = self.doorkeeper.enter_by_app_password(&claim, app).await?;
        self.authorize(entered, authorization).await
    }

    async fn check_token(&self, claim: TokenClaim) -> Result<Result<Login, Refusal>, Trouble> {
        if claim.token.expose().is_empty() {
            return Ok(Err(Refusal::Credentials));
        }
        let entered = self.doorkeeper.bearer(&claim.token, self.service, self.peer).await?;
        Ok(match self.authorize(entered, claim.authorization).await? {
            Step::Done(login) => Ok(login),
            Step::Refused(refusal) => Err(refusal),
            Step::Challenge(_) => Err(Refusal::Credentials),
        })
    }

    fn refuse_token(&mut self, refusal: Refusal) -> Turn {
        self.refusal = refusal;
        let error = if refusal == Refusal::Forbidden { TokenError::InsufficientScope } else { TokenError::Invalid };
        self.server.refuse_token(error, self.doorkeeper.issuer())
    }

    async fn fail(&mut self, failure: Failure) -> Result<Step, Trouble> {
        let refusal = match failure {
            Failure::Malformed(malformed) => {
                tracing::debug!(%malformed, service = self.service.name(), "a SASL message");
                Refusal::Malformed
            }
            Failure::Token => self.refusal,
            Failure::Proof | Failure::Binding => match self.offered.take() {
                Some((claim, _)) => {
                    let what = if failure == Failure::Binding { "wrong channel binding" } else { "wrong proof" };
                    self.doorkeeper.refuse_random(&claim, &format!("{}: {what}", self.mechanism.name())).await?
                }
                None => Refusal::Credentials,
            },
        };
        Ok(Step::Refused(refusal))
    }
}

fn nonce() -> [u8; NONCE_BYTES] {
    let mut nonce = [0; NONCE_BYTES];
    aws_lc_rs::rand::fill(&mut nonce).expect("the random source answers");
    nonce
}
