//! `GET /api/v1/exports/{id}/content`: the bytes, whole or a range of them (RFC 9110).

use std::ops::Range;

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderName, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use litink_core::{ExportId, domain::Export, repository::RepositoryExt};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use uuid::Uuid;

use crate::{
    access::Authenticated,
    error::{ApiError, Problem},
    extract::{self, Path},
    state::AppState,
};

/// Download a finished file, or listen to it: ranges, `ETag` and `If-None-Match` are understood.
#[utoipa::path(get, path = "/{id}/content", tag = "exports", operation_id = "get_export_content",
    params(("id" = Uuid, Path),
        ("Range" = Option<String>, Header, description = "`bytes=0-99`, `bytes=100-`, `bytes=-100`"),
        ("If-None-Match" = Option<String>, Header, description = "An `ETag`")),
    responses(
        (status = 200, description = "The file", content_type = "application/octet-stream"),
        (status = 206, description = "The range", content_type = "application/octet-stream"),
        (status = 304, description = "Unchanged"),
        (status = 404, description = "No such thing", body = Problem, content_type = "application/problem+json"),
        (status = 416, description = "The range lies outside the file", body = Problem,
            content_type = "application/problem+json")))]
pub(super) async fn content(
    State(state): State<AppState>,
    caller: Authenticated,
    Path(id): Path<Uuid>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let export: Export = state.engine.repository().find(caller.actor, id).await?;
    let described = describe(&export);
    if is_known(&headers, &etag(&export)) {
        return Ok((StatusCode::NOT_MODIFIED, described).into_response());
    }
    let range = match wanted(&headers, &export) {
        Wanted::Whole => None,
        Wanted::Range(range) => Some(range),
        Wanted::Outside => return Ok(outside(&export)),
    };
    let length = range
        .as_ref()
        .map_or(export.bytes, |range| range.end - range.start);
    let body = if method == Method::HEAD {
        Body::empty()
    } else {
        let reader = state
            .engine
            .open_export(caller.actor, ExportId(id), range.clone())
            .await?;
        Body::from_stream(reader.object.body)
    };
    let framed = [
        (header::CONTENT_TYPE, export.media_type.clone()),
        (header::CONTENT_LENGTH, length.to_string()),
        (header::CONTENT_DISPOSITION, disposition(&export.file_name)),
    ];
    Ok(match range {
        None => (StatusCode::OK, described, framed, body).into_response(),
        Some(range) => {
            let part = format!("bytes {}-{}/{}", range.start, range.end - 1, export.bytes);
            let part = [(header::CONTENT_RANGE, part)];
            (StatusCode::PARTIAL_CONTENT, described, framed, part, body).into_response()
        }
    })
}

fn describe(export: &Export) -> [(HeaderName, String); 3] {
    [
        (header::ETAG, etag(export)),
        (header::ACCEPT_RANGES, "bytes".into()),
        (header::CACHE_CONTROL, "private, no-cache".into()),
    ]
}

fn etag(export: &Export) -> String {
    format!("\"{}\"", export.content_hash)
}

/// Whether the caller has these bytes already (RFC 9110, 13.1.2: a weak comparison).
fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let Some(known) = extract::header(headers, header::IF_NONE_MATCH) else {
        return false;
    };
    let mut tags = known
        .split(',')
        .map(|tag| tag.trim().trim_start_matches("W/"));
    tags.any(|tag| tag == etag || tag == "*")
}

#[derive(Debug, PartialEq)]
enum Wanted {
    Whole,
    Range(Range<u64>),
    Outside,
}

/// What is asked for. What is no single range of bytes is passed over, as RFC 9110, 14.2 has it,
/// and so is a range of an older content (`If-Range`).
fn wanted(headers: &HeaderMap, export: &Export) -> Wanted {
    let stale = extract::header(headers, header::IF_RANGE).is_some_and(|tag| tag != etag(export));
    match extract::header(headers, header::RANGE) {
        Some(range) if !stale => parse(range, export.bytes),
        _ => Wanted::Whole,
    }
}

fn parse(range: &str, bytes: u64) -> Wanted {
    let Some((first, last)) = range
        .trim()
        .strip_prefix("bytes=")
        .and_then(|range| range.split_once('-'))
    else {
        return Wanted::Whole;
    };
    let range = match (first.trim(), last.trim()) {
        ("", last) => last
            .parse()
            .ok()
            .map(|length: u64| bytes.saturating_sub(length)..bytes),
        (first, "") => first.parse().ok().map(|first| first..bytes),
        (first, last) => first
            .parse::<u64>()
            .ok()
            .zip(last.parse::<u64>().ok())
            .and_then(|(first, last)| {
                (first <= last).then(|| first..last.saturating_add(1).min(bytes))
            }),
    };
    match range {
        None => Wanted::Whole,
        Some(range) if range.start >= range.end => Wanted::Outside,
        Some(range) => Wanted::Range(range),
    }
}

fn outside(export: &Export) -> Response {
    let message = "the range lies outside the file".to_owned();
    let error = ApiError::request(StatusCode::RANGE_NOT_SATISFIABLE, "bad_range", message);
    (
        [(header::CONTENT_RANGE, format!("bytes */{}", export.bytes))],
        error,
    )
        .into_response()
}

/// What RFC 8187 lets stand as it is.
const ATTR_CHAR: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The name twice (RFC 6266): in ASCII for old clients, and as it is.
fn disposition(name: &str) -> String {
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '%') || c == ' ';
    let ascii: String = name
        .chars()
        .map(|c| if plain(c) { c } else { '_' })
        .collect();
    let encoded = utf8_percent_encode(name, ATTR_CHAR);
    format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_ranges_are_understood_and_the_rest_is_passed_over() {
        let cases = [
            ("bytes=0-9", Wanted::Range(0..10)),
            ("bytes=90-", Wanted::Range(90..100)),
            ("bytes=-10", Wanted::Range(90..100)),
            ("bytes=-1000", Wanted::Range(0..100)),
            ("bytes=95-1000", Wanted::Range(95..100)),
            ("bytes=100-", Wanted::Outside),
            ("bytes=200-300", Wanted::Outside),
            ("bytes=-0", Wanted::Outside),
            ("bytes=9-0", Wanted::Whole),
            ("bytes=0-1,5-6", Wanted::Whole),
            ("bytes=a-b", Wanted::Whole),
            ("bytes=0-18446744073709551615", Wanted::Range(0..100)),
            ("pages=1-2", Wanted::Whole),
        ];
        for (range, wanted) in cases {
            assert_eq!(parse(range, 100), wanted, "{range}");
        }
        assert_eq!(parse("bytes=0-", 0), Wanted::Outside);
    }

    #[test]
    fn names_of_any_script_are_kept() {
        assert_eq!(
            disposition("Käfer \"1\".m4b"),
            "attachment; filename=\"K_fer _1_.m4b\"; filename*=UTF-8''K%C3%A4fer%20%221%22.m4b"
        );
        assert!(!disposition("a\r\nb").contains(['\r', '\n']));
    }
}
