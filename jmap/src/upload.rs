// SPDX-License-Identifier: AGPL-3.0-or-later
//! Upload (RFC 8620 §6.1): octets become a blob. A large upload goes through a file, so that memory stays small.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::StreamExt;
use hearth_mailstore::{Content, Durability, Error};
use hearth_types::id::Id;
use hearth_types::{AccountId, Trouble};
use hearth_web::Peer;
use hearth_web::axum::body::Body;
use hearth_web::axum::extract::{Path as UrlPath, Request, State};
use hearth_web::axum::http::{HeaderMap, StatusCode, header};
use hearth_web::axum::response::{IntoResponse, Response};
use serde_json::json;
use tokio::fs::File;
use tokio::io::AsyncWriteExt;

use crate::blob_id::BlobRef;
use crate::ctx::House;
use crate::endpoint::{self, App, Kind};
use crate::error::Problem;
use crate::limits::{CONCURRENT_UPLOADS_MAX, MEDIA_TYPE_BYTES_MAX, UPLOAD_IN_MEMORY_BYTES_MAX};

/// Carries out the request.
pub async fn run(State(app): State<Arc<App>>, UrlPath(account): UrlPath<String>, peer: Peer, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let own = match app.admit(&parts.headers, &peer).await {
        Ok(guest) => guest.caller.account,
        Err(response) => return response,
    };
    let stored = match app.places.take(own, Kind::Upload, CONCURRENT_UPLOADS_MAX) {
        _ if account.parse() != Ok(own) => Err(Problem::NotFound("this is not an account of yours".to_string())),
        None => Err(Problem::Limit("maxConcurrentUpload")),
        Some(_place) => store(&app.house, own, media_type(&parts.headers), &parts.headers, body).await,
    };
    stored.unwrap_or_else(IntoResponse::into_response)
}

async fn store(house: &House, own: AccountId, media_type: String, headers: &HeaderMap, body: Body) -> Result<Response, Problem> {
    let max = house.size_upload_bytes_max;
    let too_large = || Problem::TooLarge(format!("an upload has {max} octets at most"));
    let announced =
        headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()).and_then(|text| text.parse::<u64>().ok());
    if announced.is_some_and(|octets| octets > max) {
        return Err(too_large());
    }
    let received = receive(house, body).await?.ok_or_else(too_large)?;
    let prepared = house.store.prepare(own, received.content).await.map_err(problem)?;
    let kept_type = media_type.clone();
    let blob = house
        .store
        .write(own, Durability::Synced, move |tx| hearth_mailstore::blob::add(tx, prepared, &kept_type))
        .await
        .map_err(problem)?;
    let answer = json!({
        "accountId": own.to_string(),
        "blobId": BlobRef::upload(blob.id).to_string(),
        "type": media_type,
        "size": blob.size_bytes,
    });
    Ok(endpoint::json(StatusCode::CREATED, &answer))
}

fn problem(error: Error) -> Problem {
    match error {
        Error::Full => Problem::OverQuota("there is no space left here to store this".to_string()),
        Error::OverQuota => Problem::OverQuota("your space here is used up".to_string()),
        error => Problem::ours(&Trouble::from(error)),
    }
}

fn io_problem(error: std::io::Error) -> Problem {
    problem(Error::from(error))
}

/// What came in, and the file that holds it, which goes away with this.
struct Received {
    content: Content,
    _file: Option<Waiting>,
}

/// A file that is removed when dropped.
struct Waiting(PathBuf);

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::debug!(%error, "an upload's file cannot be removed");
        }
    }
}

/// Takes the body in; `None` when it is too large.
async fn receive(house: &House, body: Body) -> Result<Option<Received>, Problem> {
    let (mut memory, mut file, mut octets) = (Vec::new(), None, 0_u64);
    let mut stream = body.into_data_stream();
    while let Some(piece) = stream.next().await {
        // The peer went away in the middle, or the guard's bound was passed: nothing is kept either way.
        let Ok(piece) = piece else { return Ok(None) };
        octets += piece.len() as u64;
        if octets > house.size_upload_bytes_max {
            return Ok(None);
        }
        if file.is_none() && memory.len() + piece.len() > UPLOAD_IN_MEMORY_BYTES_MAX {
            file = Some(open(house, &memory).await.map_err(io_problem)?);
            memory = Vec::new();
        }
        match &mut file {
            Some((_, open)) => open.write_all(&piece).await.map_err(io_problem)?,
            None => memory.extend_from_slice(&piece),
        }
    }
    match file {
        None => Ok(Some(Received { content: Content::Bytes(memory), _file: None })),
        Some((waiting, mut open)) => {
            open.flush().await.map_err(io_problem)?;
            Ok(Some(Received { content: Content::File(waiting.0.clone()), _file: Some(waiting) }))
        }
    }
}

async fn open(house: &House, begun: &[u8]) -> std::io::Result<(Waiting, File)> {
    let path = house.uploads.join(Id::new(house.clock.now()).to_string());
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(&path).await?;
    let waiting = Waiting(path);
    file.write_all(begun).await?;
    Ok((waiting, file))
}

/// Makes the folder where uploads wait, and removes what a process that was killed left there.
pub fn clear(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// RFC 8620 §6.1: the Content-Type of the request, or what stands for none.
fn media_type(headers: &HeaderMap) -> String {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::trim);
    let given = given.filter(|kind| !kind.is_empty() && kind.len() <= MEDIA_TYPE_BYTES_MAX);
    given.unwrap_or("application/octet-stream").to_string()
}
