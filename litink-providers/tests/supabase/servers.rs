//! The servers of these tests for another program, the benchmarks: an S3-compatible one, one of
//! Supabase's shape, and `@supabase/lite` over a database of `LITINK_TEST_POSTGRES_URL`. Prints where
//! they are, as one line of JSON, and stops them when its input ends.

#![expect(clippy::unwrap_used, reason = "a test server fails by panicking")]
#![expect(dead_code, unused_imports, reason = "tests need more of the servers")]

mod lite_server;
#[path = "../postgres/server.rs"]
mod postgres;
mod project;
#[path = "../s3/server.rs"]
mod s3;

use serde_json::json;

#[tokio::main]
async fn main() {
    let s3 = s3::Server::start("servers").await;
    let project = project::Project::start().await;
    let lite = lite_server::Lite::start().await;
    let said = json!({
        "s3": s3.as_ref().map(|it| it.url(&format!("{}:{}", s3::KEY, s3::SECRET), s3::BUCKET)),
        "s3_endpoint": s3.as_ref().map(|it| format!("http://127.0.0.1:{}", it.port)),
        "s3_key": s3::KEY,
        "s3_secret": s3::SECRET,
        "bucket": s3::BUCKET,
        "project": project.url.as_str().trim_end_matches('/'),
        "project_secret": project::SECRET,
        "lite": lite.as_ref().map(|it| &it.url),
        "lite_secret": lite.as_ref().map(|it| &it.secret),
    });
    println!("{said}");
    let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new()));
    drop(ended.await);
}
