//! `/api/v1/books`

#![expect(
    unused_qualifications,
    reason = "utoipa writes `<T as IntoParams>` for the parameters of a query"
)]

use axum::{
    body::Body,
    extract::{DefaultBodyLimit, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use litink_core::BookId;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use crate::{
    access::Authenticated,
    error::{ApiError, Problem},
    extract::{PageQuery, Params, Path, limit},
    state::AppState,
    views::{BookView, ChapterView, PageView},
};

mod editing;
mod upload;

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show, delete))
        .routes(routes!(chapters))
        .routes(routes!(editing::edit))
        .routes(routes!(cover))
}

pub(super) fn uploads(state: &AppState) -> OpenApiRouter<AppState> {
    // Room for the multipart framing around a file of the largest size.
    let limit = usize::try_from(state.config.max_upload_bytes).unwrap_or(usize::MAX);
    OpenApiRouter::new()
        .routes(routes!(upload::create))
        .layer(DefaultBodyLimit::max(
            limit.saturating_add(upload::FRAMING_BYTES),
        ))
}

/// List books, newest first.
#[utoipa::path(get, path = "", tag = "books", operation_id = "list_books", params(PageQuery),
    responses(
        (status = 200, description = "A page", body = PageView<BookView>),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json")))]
async fn list(
    State(state): State<AppState>,
    caller: Authenticated,
    Params(page): Params<PageQuery>,
) -> Result<axum::Json<PageView<BookView>>, ApiError> {
    let limit = limit(page.limit)?;
    let books = state.engine.books(caller.actor, page.after, limit).await?;
    Ok(axum::Json(PageView::of(books)))
}

/// Show a book.
#[utoipa::path(get, path = "/{id}", tag = "books", operation_id = "get_book",
    params(("id" = Uuid, Path)),
    responses(
        (status = 200, description = "The book", body = BookView),
        (status = 404, description = "No such thing", body = Problem, content_type = "application/problem+json")))]
async fn show(
    State(state): State<AppState>,
    caller: Authenticated,
    Path(id): Path<Uuid>,
) -> Result<axum::Json<BookView>, ApiError> {
    Ok(axum::Json(
        state.engine.book(caller.actor, BookId(id)).await?.into(),
    ))
}

/// Remove a book with its runs and finished files. What was generated for it is kept for its
/// owner, so that importing it again pays nothing twice.
#[utoipa::path(delete, path = "/{id}", tag = "books", operation_id = "delete_book",
    params(("id" = Uuid, Path)),
    responses(
        (status = 204, description = "Removed"),
        (status = 404, description = "No such thing", body = Problem, content_type = "application/problem+json")))]
async fn delete(
    State(state): State<AppState>,
    caller: Authenticated,
    Path(id): Path<Uuid>,
) -> Result<StatusCode, ApiError> {
    state.engine.delete_book(caller.actor, BookId(id)).await?;
    Ok(super::NO_CONTENT)
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ChaptersQuery {
    /// Whether to give the text, too. Default no.
    #[serde(default)]
    text: bool,
}

/// List the chapters of a book, in order, without their text or with it.
#[utoipa::path(get, path = "/{id}/chapters", tag = "books", operation_id = "list_chapters",
    params(("id" = Uuid, Path), ChaptersQuery),
    responses(
        (status = 200, description = "The chapters", body = [ChapterView]),
        (status = 404, description = "No such thing", body = Problem, content_type = "application/problem+json")))]
async fn chapters(
    State(state): State<AppState>,
    caller: Authenticated,
    Path(id): Path<Uuid>,
    Params(query): Params<ChaptersQuery>,
) -> Result<axum::Json<Vec<ChapterView>>, ApiError> {
    let chapters = state
        .engine
        .chapters(caller.actor, BookId(id), query.text)
        .await?;
    Ok(axum::Json(chapters.into_iter().map(Into::into).collect()))
}

/// The cover image.
#[utoipa::path(get, path = "/{id}/cover", tag = "books", operation_id = "get_cover",
    params(("id" = Uuid, Path)),
    responses(
        (status = 200, description = "The image", content_type = "image/*"),
        (status = 404, description = "No such thing", body = Problem, content_type = "application/problem+json")))]
async fn cover(
    State(state): State<AppState>,
    caller: Authenticated,
    Path(id): Path<Uuid>,
) -> Result<Response, ApiError> {
    let object = state.engine.open_cover(caller.actor, BookId(id)).await?;
    let image = image_type(object.meta.key.name());
    let mut response = Body::from_stream(object.body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(image));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(object.meta.bytes));
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("private, max-age=86400"),
    );
    Ok(response)
}

/// Only images that cannot carry a script are shown as what they are.
fn image_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("webp") => "image/webp",
        Some("gif") => "image/gif",
        _ => "application/octet-stream",
    }
}
