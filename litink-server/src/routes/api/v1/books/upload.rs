//! `POST /api/v1/books`: a file on its way in, never held in memory.

use std::time::Duration;

use axum::{
    extract::{
        FromRequest, Multipart, Request, State,
        multipart::{Field, MultipartError, MultipartRejection},
    },
    http::{HeaderMap, StatusCode, header},
    response::IntoResponse,
};
use bytes::Bytes;
use futures::{SinkExt, StreamExt, channel::mpsc};
use litink_core::{
    Error, ErrorKind, Result,
    engine::{ImportOptions, Imported},
};
use tokio::time::timeout;
use utoipa::ToSchema;

use crate::{
    access::Authenticated,
    error::{ApiError, Problem},
    extract,
    state::AppState,
    views::BookView,
};

/// More than the boundaries and headers of a form with one file take.
pub(super) const FRAMING_BYTES: usize = 64 << 10;

/// A form with one file.
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "describes the form; its fields are read one by one"
)]
pub(super) struct Upload {
    /// The book: EPUB, PDF, DOCX, ODT, RTF, HTML, Markdown, FB2 or plain text.
    #[schema(value_type = String, format = Binary, content_media_type = "application/octet-stream")]
    file: Vec<u8>,
}

/// Import a book. The same file again is the same book.
#[utoipa::path(post, path = "", tag = "books", operation_id = "import_book",
    request_body(content = Upload, content_type = "multipart/form-data"),
    responses(
        (status = 201, description = "Imported", body = BookView, headers(("location" = String))),
        (status = 200, description = "It was there already", body = BookView,
            headers(("location" = String))),
        (status = 413, description = "Larger than allowed", body = Problem,
            content_type = "application/problem+json"),
        (status = 415, description = "Not a kind of book that is read", body = Problem,
            content_type = "application/problem+json"),
        (status = 422, description = "The file or the form cannot be used", body = Problem,
            content_type = "application/problem+json")))]
pub(super) async fn create(
    State(state): State<AppState>,
    caller: Authenticated,
    request: Request,
) -> Result<impl IntoResponse, ApiError> {
    check_length(request.headers(), state.config.max_upload_bytes)?;
    let mut form = Multipart::from_request(request, &state).await?;
    let patience = state.config.read_timeout;
    let imported = loop {
        let next = timeout(patience, form.next_field())
            .await
            .map_err(|_| stalled())?
            .map_err(|error| broken(&error))?;
        // Fields before the file are passed over.
        match next {
            Some(field) if field.name() == Some("file") => {
                break import(&state, caller, field).await?;
            }
            Some(_) => {}
            None => return Err(missing_file().into()),
        }
    };
    let status = if imported.existing {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    let location = format!("/api/v1/books/{}", imported.book.id());
    Ok((
        status,
        [(header::LOCATION, location)],
        axum::Json(BookView::from(imported.book)),
    ))
}

/// Refuses what says itself that it is too large before any of it is read.
fn check_length(headers: &HeaderMap, limit: u64) -> Result<()> {
    let length =
        extract::header(headers, header::CONTENT_LENGTH).and_then(|text| text.parse().ok());
    if length.is_some_and(|length: u64| length > limit.saturating_add(FRAMING_BYTES as u64)) {
        return Err(too_large().with_context("limit_bytes", limit));
    }
    Ok(())
}

fn missing_file() -> Error {
    Error::invalid(
        "missing_file",
        "the form has no field `file`; send the book in it",
    )
}

/// The form lends its field, the import wants a body of its own: a channel joins the two. It holds
/// two pieces, so a slow disk slows the sender down.
async fn import(state: &AppState, caller: Authenticated, field: Field<'_>) -> Result<Imported> {
    let options = ImportOptions::named(file_name(&field));
    let (sender, receiver) = mpsc::channel(2);
    let import = state.engine.import(caller.actor, receiver.boxed(), options);
    let (imported, ()) = tokio::join!(import, pump(field, sender, state.config.read_timeout));
    imported
}

/// The last part of the name that the browser sent: some send a whole path.
fn file_name(field: &Field<'_>) -> String {
    let name = field.file_name().unwrap_or_default();
    name.rsplit(['/', '\\'])
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// Hands the field's bytes on until it ends, fails or nobody wants more.
async fn pump(mut field: Field<'_>, mut sender: mpsc::Sender<Result<Bytes>>, patience: Duration) {
    loop {
        let piece = match timeout(patience, field.chunk()).await {
            Ok(Ok(Some(bytes))) => Ok(bytes),
            Ok(Ok(None)) => return,
            Ok(Err(error)) => Err(broken(&error)),
            Err(_) => Err(stalled()),
        };
        let over = piece.is_err();
        if sender.send(piece).await.is_err() || over {
            return;
        }
    }
}

fn too_large() -> Error {
    Error::new(
        ErrorKind::LimitExceeded,
        "the upload is larger than is allowed here",
    )
    .with_code("body_too_large")
}

fn stalled() -> Error {
    Error::new(
        ErrorKind::Timeout,
        "the upload stopped coming; send it again",
    )
    .with_code("upload_stalled")
}

fn broken(error: &MultipartError) -> Error {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return too_large();
    }
    Error::invalid(
        "bad_form",
        "the form ended early or is malformed; send it again",
    )
}

impl From<MultipartRejection> for ApiError {
    fn from(rejection: MultipartRejection) -> Self {
        let message = "send the book as a form: multipart/form-data with a field `file`";
        Self::request(rejection.status(), "not_a_form", message.to_owned())
    }
}

impl From<MultipartError> for ApiError {
    fn from(error: MultipartError) -> Self {
        broken(&error).into()
    }
}
