// SPDX-License-Identifier: AGPL-3.0-or-later
//! Web Key Directory (draft-koch-openpgp-webkey-service-21 §3.1): the certificate of one address, in
//! binary, with no identity but that address.

use hearth_types::{Domain, Trouble};
use hearth_web::Peer;
use hearth_web::axum::extract::{Path, State};
use hearth_web::axum::http::StatusCode;
use hearth_web::axum::response::Response;
use hearth_wire::wkd;
use hearth_wire::wks::encode_policy;

use crate::answer::{self, Failure, Refusal};
use crate::ctx::Ctx;
use crate::rate::Bucket;
use crate::wks;

/// `https://openpgpkey.D/.well-known/openpgpkey/D/hu/NAME`
pub(crate) async fn run_advanced(State(ctx): State<Ctx>, peer: Peer, Path((domain, name)): Path<(String, String)>) -> Response {
    let found = async { look_up(&ctx, &peer, &advanced(&peer, &domain)?, &name).await };
    found.await.unwrap_or_else(answer::as_text)
}

/// `https://D/.well-known/openpgpkey/hu/NAME`
pub(crate) async fn run_direct(State(ctx): State<Ctx>, peer: Peer, Path(name): Path<String>) -> Response {
    let found = async { look_up(&ctx, &peer, &direct(&peer)?, &name).await };
    found.await.unwrap_or_else(answer::as_text)
}

/// The policy that a directory must have, beside the advanced method.
pub(crate) async fn run_policy_advanced(State(ctx): State<Ctx>, peer: Peer, Path(domain): Path<String>) -> Response {
    let found = async { policy(&ctx, &advanced(&peer, &domain)?).await };
    found.await.unwrap_or_else(answer::as_text)
}

/// The policy that a directory must have, beside the direct method.
pub(crate) async fn run_policy_direct(State(ctx): State<Ctx>, peer: Peer) -> Response {
    let found = async { policy(&ctx, &direct(&peer)?).await };
    found.await.unwrap_or_else(answer::as_text)
}

async fn look_up(ctx: &Ctx, peer: &Peer, domain: &Domain, name: &str) -> Result<Response, Failure> {
    ctx.admit(Bucket::ByWkdName, peer)?;
    // What `?l=` says of the local part is not needed: the name decides.
    if !wkd::is_hashed_local_part(name) {
        return Err(Failure::Peer(Refusal::not_found()));
    }
    let found = ctx.directory.find_shown_certs_by_wkd_hash(domain, name).await.map_err(Trouble::from)?;
    ctx.count(!found.is_empty());
    if found.is_empty() {
        return Err(Failure::Peer(Refusal::not_found()));
    }
    Ok(answer::binary(&found))
}

/// §4.5: the file has to be there; it says what is so, and while no mail is taken it is empty.
async fn policy(ctx: &Ctx, domain: &Domain) -> Result<Response, Failure> {
    match ctx.directory.find_domain(domain).await.map_err(Trouble::from)? {
        Some(_) => {
            let submission = wks::submission_address(ctx, domain).await?;
            Ok(answer::text(StatusCode::OK, encode_policy(submission.as_ref())))
        }
        None => Err(Failure::Peer(Refusal::not_found())),
    }
}

/// Where a certificate is sent by mail, beside the advanced method (§4.1).
pub(crate) async fn run_submission_advanced(State(ctx): State<Ctx>, peer: Peer, Path(domain): Path<String>) -> Response {
    let found = async { submission(&ctx, &advanced(&peer, &domain)?).await };
    found.await.unwrap_or_else(answer::as_text)
}

/// The same beside the direct method.
pub(crate) async fn run_submission_direct(State(ctx): State<Ctx>, peer: Peer) -> Response {
    let found = async { submission(&ctx, &direct(&peer)?).await };
    found.await.unwrap_or_else(answer::as_text)
}

async fn submission(ctx: &Ctx, domain: &Domain) -> Result<Response, Failure> {
    let address = wks::submission_address(ctx, domain).await?.ok_or_else(|| Failure::Peer(Refusal::not_found()))?;
    Ok(answer::text(StatusCode::OK, format!("{address}\n")))
}

/// The domain in the path, which must be the one of the name that was asked.
fn advanced(peer: &Peer, domain: &str) -> Result<Domain, Failure> {
    let domain = Domain::parse(domain).map_err(|_| Failure::Peer(Refusal::not_found()))?;
    if host_of(peer) == domain.below("openpgpkey") { Ok(domain) } else { Err(Failure::Peer(Refusal::not_found())) }
}

fn direct(peer: &Peer) -> Result<Domain, Failure> {
    Domain::parse(host_of(peer)).map_err(|_| Failure::Peer(Refusal::not_found()))
}

fn host_of(peer: &Peer) -> &str {
    let host = peer.host.rsplit_once(':').map_or(peer.host.as_str(), |(host, _)| host);
    host.strip_suffix('.').unwrap_or(host)
}
