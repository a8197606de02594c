//! The delete callbacks: whoever shows the secret may say that something was deleted at the
//! dashboard. Its files go to the trash, and it is not sent again.

mod away;
mod claim;
mod delete;
mod door;
mod limiter;
mod names;
mod refusal;
mod sweeper;
mod trash;
mod wire;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{delete, post};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tower_http::timeout::{RequestBodyTimeoutLayer, TimeoutError};
use tracing::info;

pub use sweeper::sweep;

use crate::config::Config;
use crate::journal::Journal;
use crate::listener::{self, Bounds};
use crate::outbox::Outbox;
use crate::watch::{Questions, SourceHints};
use delete::{Deleted, Subject};
use door::Admitted;
use limiter::Limiter;
use refusal::Refusal;
use wire::{DeleteReports, ItemDeleted, ReportsDeleted};

/// The longest list of what to delete, in bytes.
const BODY_MAX: usize = 1 << 20;
/// For the next piece of it.
const BODY_WAIT: Duration = Duration::from_secs(10);

const BOUNDS: Bounds = Bounds {
    head: Duration::from_secs(10),
    write: Duration::from_secs(10),
    stop: Duration::from_secs(5),
    connections: 32,
    per_host: 8,
};

/// What deleting takes.
pub struct Desk {
    outbox: Outbox,
    settings: watch::Receiver<Arc<Config>>,
    journal: Journal,
    questions: Questions,
    hints: SourceHints,
    limiter: Mutex<Limiter>,
    turn: tokio::sync::Mutex<()>,
}

impl Desk {
    pub fn new(
        outbox: Outbox,
        settings: watch::Receiver<Arc<Config>>,
        journal: Journal,
        questions: Questions,
        hints: SourceHints,
    ) -> Self {
        let (limiter, turn) = (Mutex::default(), tokio::sync::Mutex::default());
        Self { outbox, settings, journal, questions, hints, limiter, turn }
    }
}

/// Listens where the configuration says.
///
/// # Errors
/// In words that name the key and what to do.
pub async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        let what = match error.kind() {
            io::ErrorKind::AddrInUse => "another program listens there; name another port",
            io::ErrorKind::PermissionDenied => {
                "ports below 1024 are not for everybody; name another"
            }
            io::ErrorKind::AddrNotAvailable => "this machine has no such address, or not yet",
            _ => "cannot listen",
        };
        io::Error::new(error.kind(), format!("callback.listen {address}: {what}: {error}"))
    })
}

/// Answers until told to stop.
pub async fn serve(listener: TcpListener, desk: Arc<Desk>, stop: CancellationToken) {
    match listener.local_addr() {
        Ok(address) => info!(%address, "deletions are heard of here"),
        Err(error) => info!(%error, "deletions are heard of"),
    }
    listener::serve(listener, router(desk), BOUNDS, stop.cancelled_owned()).await;
}

fn router(desk: Arc<Desk>) -> Router {
    Router::new()
        .route("/delete-reports", post(delete_reports))
        .route("/api/delete/{id}", delete(delete_item))
        .method_not_allowed_fallback(async || Refusal::WrongMethod)
        .fallback(async || Refusal::NotFound)
        .with_state(desk)
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(RequestBodyTimeoutLayer::new(BODY_WAIT))
}

async fn delete_reports(
    _admitted: Admitted,
    State(desk): State<Arc<Desk>>,
    request: Request,
) -> Result<Response, Refusal> {
    let body = Bytes::from_request(request, &()).await.map_err(|error| unreadable(&error))?;
    let asked: DeleteReports = serde_json::from_slice(&body)
        .map_err(|error| Refusal::Bad(format!("the body is not what it should be: {error}")))?;
    let ids = asked.ids.into_iter().map(Subject::Id);
    let subjects: Vec<Subject> = ids.chain(asked.files.into_iter().map(Subject::Name)).collect();
    if subjects.is_empty() {
        return Err(Refusal::Bad("No files specified".to_owned()));
    }
    let (deleted, outcome) = finish(desk, subjects, asked.delete_audio).await;
    let status = if outcome.is_ok() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let answer = ReportsDeleted {
        deleted: deleted.moved,
        message: message(&deleted),
        errors: deleted.errors,
        error: outcome.err(),
    };
    Ok((status, Json(answer)).into_response())
}

async fn delete_item(
    _admitted: Admitted,
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
) -> Response {
    let (mut deleted, outcome) = finish(desk, vec![Subject::Id(id)], true).await;
    let idempotent = deleted.before > 0;
    let (code, message) = match outcome {
        Err(trouble) => (StatusCode::SERVICE_UNAVAILABLE, trouble),
        Ok(()) if deleted.known == 0 => (StatusCode::NOT_FOUND, deleted.errors.remove(0)),
        Ok(()) if deleted.moved == 0 && !deleted.errors.is_empty() => {
            (StatusCode::INTERNAL_SERVER_ERROR, "its files cannot be moved".to_owned())
        }
        Ok(()) if idempotent => (StatusCode::OK, "it had been deleted before".to_owned()),
        Ok(()) => (StatusCode::OK, message(&deleted)),
    };
    let answer = ItemDeleted {
        status: if code == StatusCode::OK { "success" } else { "error" },
        message,
        deleted_files: deleted.moved,
        errors: deleted.errors,
        idempotent,
    };
    (code, Json(answer)).into_response()
}

/// Deletes to the end, even where whoever asked does not wait for it.
async fn finish(
    desk: Arc<Desk>,
    subjects: Vec<Subject>,
    with_audio: bool,
) -> (Deleted, Result<(), String>) {
    let deleting = tokio::spawn(async move { desk.delete(subjects, with_audio).await });
    match deleting.await {
        Ok((deleted, outcome)) => (deleted, outcome.map_err(|trouble| trouble.to_string())),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => (Deleted::default(), Err("the daemon is stopping".to_owned())),
        },
    }
}

fn message(deleted: &Deleted) -> String {
    let files = match deleted.moved {
        1 => "1 file was moved to the trash".to_owned(),
        count => format!("{count} files were moved to the trash"),
    };
    match deleted.errors.len() {
        0 => files,
        errors => format!("{files}; {errors} could not be deleted"),
    }
}

/// What a body is that cannot be read.
fn unreadable(error: &axum::extract::rejection::BytesRejection) -> Refusal {
    let first: &(dyn std::error::Error + 'static) = error;
    let mut causes = std::iter::successors(Some(first), |cause| cause.source());
    if causes.any(|cause| cause.is::<TimeoutError>()) {
        Refusal::Stalled
    } else if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        Refusal::TooLarge
    } else {
        Refusal::Bad("the body cannot be read to its end".to_owned())
    }
}
