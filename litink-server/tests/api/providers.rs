//! `/api/v1/providers` and `/api/v1/formats`

use serde_json::json;

use crate::app::App;

#[tokio::test]
async fn providers_tell_their_voices() {
    let app = App::start().await;
    let providers = app.get("/api/v1/providers").await.json();
    assert_eq!(providers[0]["name"], "script");
    assert_eq!(
        providers[0]["capabilities"]["speech"]["voices"][0]["id"],
        "alto"
    );
}

#[tokio::test]
async fn formats_tell_whether_they_can_be_made_here() {
    let app = App::start().await;
    let formats = app.get("/api/v1/formats").await.json();
    let named = |name: &str| {
        formats
            .as_array()
            .unwrap()
            .iter()
            .find(|format| format["name"] == name)
            .unwrap()
    };
    assert_eq!(named("wav")["available"], json!(true));
    // Without an encoder but the built-in one.
    assert_eq!(named("m4b")["available"], json!(false));
    assert!(named("m4b")["missing"].as_str().unwrap().contains("ffmpeg"));
}
