//! `/api/v1/exports`

use http_body_util::Full;
use hyper::Method;

use crate::app::{Answer, App};

async fn ask(app: &App, path: &str, method: Method, headers: &[(&str, &str)]) -> Answer {
    let mut request = app.request(method, path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    app.send(request.body(Full::default()).unwrap()).await
}

#[tokio::test]
async fn a_file_is_described_and_downloaded() {
    let app = App::start().await;
    let export = &app.made().await[0];
    let path = format!("/api/v1/exports/{}", export["id"].as_str().unwrap());
    assert_eq!(&app.get(&path).await.json(), export);
    let whole = app.get(&format!("{path}/content")).await;
    assert_eq!(whole.status, 200);
    assert_eq!(whole.body.len() as u64, export["bytes"].as_u64().unwrap());
    assert_eq!(whole.header("content-type"), "audio/wav");
    assert_eq!(whole.header("accept-ranges"), "bytes");
    let hash = blake3::hash(&whole.body).to_hex().to_string();
    assert_eq!(whole.header("etag"), format!("\"{hash}\""));
    assert!(
        whole
            .header("content-disposition")
            .starts_with("attachment; filename=\"")
    );
    assert!(
        whole
            .header("content-disposition")
            .contains("filename*=UTF-8''")
    );
    assert_eq!(&whole.body[..4], b"RIFF");
}

#[tokio::test]
async fn ranges_are_parts_of_the_whole() {
    let app = App::start().await;
    let export = &app.made().await[0];
    let path = format!("/api/v1/exports/{}/content", export["id"].as_str().unwrap());
    let whole = app.get(&path).await.body;
    let size = whole.len();
    let cases = [
        ("bytes=0-9".to_owned(), 0..10),
        (format!("bytes={}-", size - 7), size - 7..size),
        ("bytes=-5".to_owned(), size - 5..size),
        (format!("bytes=4-{}", size * 2), 4..size),
    ];
    for (range, expected) in cases {
        let part = ask(&app, &path, Method::GET, &[("range", &range)]).await;
        assert_eq!(part.status, 206, "{range}");
        assert_eq!(part.body, whole[expected.clone()], "{range}");
        let said = format!("bytes {}-{}/{size}", expected.start, expected.end - 1);
        assert_eq!(part.header("content-range"), said);
    }
    let outside = ask(
        &app,
        &path,
        Method::GET,
        &[("range", &format!("bytes={size}-"))],
    )
    .await;
    assert_eq!(outside.problem(), "416 bad_range");
    assert_eq!(outside.header("content-range"), format!("bytes */{size}"));
    let many = ask(&app, &path, Method::GET, &[("range", "bytes=0-1,4-5")]).await;
    assert_eq!((many.status, many.body.len()), (200, size));
    let stale = [("range", "bytes=0-9"), ("if-range", "\"older\"")];
    assert_eq!(ask(&app, &path, Method::GET, &stale).await.status, 200);
}

#[tokio::test]
async fn what_is_known_is_not_sent_again_and_head_sends_nothing() {
    let app = App::start().await;
    let export = &app.made().await[0];
    let path = format!("/api/v1/exports/{}/content", export["id"].as_str().unwrap());
    let etag = format!("\"{}\"", export["content_hash"].as_str().unwrap());
    let known = ask(&app, &path, Method::GET, &[("if-none-match", &etag)]).await;
    assert_eq!((known.status, known.body.len()), (304, 0));
    assert_eq!(known.header("etag"), etag);
    let other = ask(&app, &path, Method::GET, &[("if-none-match", "\"other\"")]).await;
    assert_eq!(other.status, 200);
    let head = ask(&app, &path, Method::HEAD, &[]).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), export["bytes"].to_string());
}

#[tokio::test]
async fn what_is_not_there() {
    let app = App::start().await;
    let nowhere = "/api/v1/exports/00000000-0000-4000-8000-000000000000";
    assert_eq!(app.get(nowhere).await.problem(), "404 not_found");
    assert_eq!(
        app.get(&format!("{nowhere}/content")).await.problem(),
        "404 not_found"
    );
    assert_eq!(
        app.get("/api/v1/exports/1/content").await.problem(),
        "400 bad_path"
    );
}
