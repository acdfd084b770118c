// SPDX-License-Identifier: AGPL-3.0-or-later
//! A router of handlers on a Unix socket.
//!
//! Who may connect is decided by the file system: the folder is 0700, the socket 0600. So what the
//! router says of a peer in its header can be believed.

use std::convert::Infallible;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use hearth_types::Trouble;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::Problem;
use crate::limits::{CONNECTIONS_MAX, DRAIN_WITHIN, HEAD_BYTES_MAX, HEAD_READ_WITHIN, HEADER_FIELDS_MAX};

/// Serves `router` on `socket` until `stop` is done, then lets the answers under way finish.
///
/// Fails when the socket cannot be made, or when another process answers on it.
pub async fn serve(socket: &Path, router: Router, stop: impl Future<Output = ()>) -> io::Result<()> {
    serve_on(bind(socket)?, router, stop).await
}

/// The same on a socket that was made before, for a process that says `ready` in between.
pub async fn serve_on(listener: UnixListener, router: Router, stop: impl Future<Output = ()>) -> io::Result<()> {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX as usize));
    let (ending, ended) = watch::channel(false);
    let mut stop = pin!(stop);
    loop {
        let accepted = async {
            let place = Arc::clone(&room).acquire_owned().await.map_err(io::Error::other)?;
            listener.accept().await.map(|(stream, _)| (stream, place))
        };
        tokio::select! {
            biased;
            () = stop.as_mut() => break,
            accepted = accepted => match accepted {
                Ok((stream, place)) => {
                    tokio::spawn(converse(stream, router.clone(), Arc::new(place), ended.clone()));
                }
                // No descriptors left: those that are open will end and give some back.
                Err(error) => {
                    tracing::warn!(%error, "cannot accept");
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
            },
        }
    }
    drop(listener);
    // Nobody has gone if this fails: then there is no connection left to tell.
    let _nobody = ending.send(true);
    if tokio::time::timeout(DRAIN_WITHIN, room.acquire_many(CONNECTIONS_MAX)).await.is_err() {
        tracing::info!("answers that were still under way are cut");
    }
    Ok(())
}

/// One connection, to its end; its place is free again when what it began has ended too.
async fn converse(stream: UnixStream, router: Router, place: Arc<OwnedSemaphorePermit>, mut ended: watch::Receiver<bool>) {
    let router = TowerToHyperService::new(router);
    let answer = service_fn(|request: Request<Incoming>| {
        let is_safe = request.method().is_safe();
        let (answer, place) = (router.call(request), Arc::clone(&place));
        async move { if is_safe { answer.await } else { to_the_end(answer, place).await } }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_READ_WITHIN)
            .max_buf_size(HEAD_BYTES_MAX)
            .max_headers(HEADER_FIELDS_MAX)
            .serve_connection(TokioIo::new(stream), answer)
            .with_upgrades()
    );
    let done = tokio::select! {
        done = connection.as_mut() => done,
        _ = ended.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = done {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// RFC 9110 §9.2.1: a method that is not safe changes something, and a change is not cut in half because the peer has
/// gone: it goes on in a task of its own, within the bounds that stand around the router. A body that the peer did not
/// send whole fails for the handler as it would have.
async fn to_the_end(
    answer: impl Future<Output = Result<Response, Infallible>> + Send + 'static,
    place: Arc<OwnedSemaphorePermit>,
) -> Result<Response, Infallible> {
    let task = tokio::spawn(async move {
        let _until_the_end = place;
        answer.await
    });
    // A panic of a handler was answered further in; what is left is the end of the process.
    task.await.unwrap_or_else(|error| Ok(Problem::from(Trouble::new(error)).into_response()))
}

/// Makes the socket, in the place of one that a process left behind when it was killed.
pub fn bind(socket: &Path) -> io::Result<UnixListener> {
    let said = |error: io::Error| io::Error::new(error.kind(), format!("cannot listen on {}: {error}", socket.display()));
    if let Some(folder) = socket.parent().filter(|folder| !folder.exists()) {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(said)?;
    }
    if std::os::unix::net::UnixStream::connect(socket).is_ok() {
        return Err(said(io::Error::new(io::ErrorKind::AddrInUse, "another process answers there")));
    }
    // Bound under a name that nobody knows, closed to others, and only then put in place.
    let fresh = socket.with_extension("new");
    remove_if_there(&fresh).map_err(said)?;
    let listener = UnixListener::bind(&fresh).map_err(said)?;
    std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o600)).map_err(said)?;
    std::fs::rename(&fresh, socket).map_err(said)?;
    Ok(listener)
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::body::Bytes;
    use axum::routing::{any, get, post};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::{mpsc, oneshot};

    use super::*;
    use crate::{Guard, Lang, guard, lang};

    async fn ask(socket: &Path, request: &[u8]) -> String {
        let mut stream = UnixStream::connect(socket).await.unwrap();
        // A peer that is refused may close before it has read everything.
        let _refused = stream.write_all(request).await;
        let mut answer = Vec::new();
        // ... and what it said before that counts.
        while stream.read_buf(&mut answer).await.is_ok_and(|octets| octets > 0) {}
        String::from_utf8(answer).unwrap()
    }

    struct Served {
        folder: tempfile::TempDir,
        stop: oneshot::Sender<()>,
        done: tokio::task::JoinHandle<io::Result<()>>,
    }

    impl Served {
        fn socket(&self) -> std::path::PathBuf {
            self.folder.path().join("run/x.sock")
        }
    }

    fn served(router: Router) -> Served {
        let folder = tempfile::tempdir().unwrap();
        let (stop, stopped) = oneshot::channel();
        // Bound before anybody asks: what is asked early waits in the kernel's queue.
        let listener = bind(&folder.path().join("run/x.sock")).unwrap();
        let done = tokio::spawn(serve_on(listener, router, async {
            let _stop = stopped.await;
        }));
        Served { folder, stop, done }
    }

    #[tokio::test]
    async fn answers_and_stops() {
        let served = served(Router::new().route("/", get(|| async { "hello" })));
        let answer = ask(&served.socket(), b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("hello"), "{answer}");
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&served.socket()), mode(served.socket().parent().unwrap())), (0o600, 0o700));
        served.stop.send(()).unwrap();
        served.done.await.unwrap().unwrap();
    }

    /// A handler that has begun, and ends when it may.
    struct Slow {
        begun: mpsc::UnboundedReceiver<()>,
        go: Arc<Semaphore>,
        ended: mpsc::UnboundedReceiver<Lang>,
        router: Router,
    }

    fn slow() -> Slow {
        let ((begins, begun), (ends, ended)) = (mpsc::unbounded_channel(), mpsc::unbounded_channel());
        let go = Arc::new(Semaphore::new(0));
        let waits = Arc::clone(&go);
        let handler = any(async move |_: Bytes| {
            begins.send(()).unwrap();
            waits.acquire().await.unwrap().forget();
            ends.send(lang()).unwrap();
        });
        Slow { begun, go, ended, router: guard(Router::new().route("/", handler), Guard::default()) }
    }

    #[tokio::test]
    async fn an_answer_under_way_is_finished() {
        let mut slow = slow();
        let served = served(slow.router);
        let socket = served.socket();
        let asked = tokio::spawn(async move { ask(&socket, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await });
        slow.begun.recv().await.unwrap();
        served.stop.send(()).unwrap();
        slow.go.add_permits(1);
        assert!(asked.await.unwrap().starts_with("HTTP/1.1 200"));
        served.done.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_change_goes_on_when_the_peer_has_gone_and_is_waited_for() {
        let mut slow = slow();
        let mut served = served(slow.router);
        let mut stream = UnixStream::connect(served.socket()).await.unwrap();
        stream.write_all(b"POST / HTTP/1.1\r\nHost: x\r\nAccept-Language: fr\r\nContent-Length: 2\r\n\r\nab").await.unwrap();
        slow.begun.recv().await.unwrap();
        drop(stream);
        served.stop.send(()).unwrap();
        let early = tokio::time::timeout(Duration::from_millis(200), &mut served.done).await;
        assert!(early.is_err(), "it ended before what it had begun");
        slow.go.add_permits(1);
        assert_eq!(slow.ended.recv().await, Some(Lang::Fr));
        served.done.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_question_ends_with_whoever_asked_and_so_does_half_a_body() {
        for request in ["GET / HTTP/1.1\r\nHost: x\r\n\r\n", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na"] {
            let mut slow = slow();
            let served = served(slow.router);
            let mut stream = UnixStream::connect(served.socket()).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            if request.starts_with("GET") {
                slow.begun.recv().await.unwrap();
            }
            drop(stream);
            served.stop.send(()).unwrap();
            served.done.await.unwrap().unwrap();
            slow.go.add_permits(1);
            assert_eq!(slow.ended.recv().await, None, "{request}");
        }
    }

    #[tokio::test]
    async fn a_change_that_panics_or_is_late_is_answered() {
        async fn bad() -> &'static str {
            panic!("on purpose, in a test")
        }
        let late = post(std::future::pending::<()>);
        let bounds = Guard { answer_within: Duration::from_millis(10), ..Guard::default() };
        let served = served(guard(Router::new().route("/bad", post(bad)).route("/late", late), bounds));
        for (path, status) in [("/bad", "HTTP/1.1 500"), ("/late", "HTTP/1.1 503")] {
            let request = format!("POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            let answer = ask(&served.socket(), request.as_bytes()).await;
            assert!(answer.starts_with(status), "{answer}");
        }
    }

    #[tokio::test]
    async fn a_header_has_its_size() {
        let served = served(Router::new().route("/", get(|| async { "hello" })));
        let with = |octets: usize| format!("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nA: {}\r\n\r\n", "a".repeat(octets));
        let fits = ask(&served.socket(), with(HEAD_BYTES_MAX - 1024).as_bytes()).await;
        assert!(fits.starts_with("HTTP/1.1 200"), "{fits}");
        let too_large = ask(&served.socket(), with(HEAD_BYTES_MAX * 2).as_bytes()).await;
        assert!(too_large.starts_with("HTTP/1.1 431"), "{too_large}");
        let fields = |many: usize| format!("GET / HTTP/1.1\r\nConnection: close\r\n{}\r\n", "a: b\r\n".repeat(many - 1));
        let fits = ask(&served.socket(), fields(HEADER_FIELDS_MAX).as_bytes()).await;
        assert!(fits.starts_with("HTTP/1.1 200"), "{fits}");
        let too_many = ask(&served.socket(), fields(HEADER_FIELDS_MAX + 1).as_bytes()).await;
        assert!(too_many.starts_with("HTTP/1.1 431"), "{too_many}");
    }

    #[tokio::test]
    async fn a_socket_left_behind_is_replaced_and_a_live_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("x.sock");
        drop(bind(&socket).unwrap());
        assert!(socket.exists());
        let _live = bind(&socket).unwrap();
        let error = bind(&socket).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(error.to_string().contains("x.sock"), "{error}");
    }
}
