//! `/api/v1/books`

use http_body_util::Full;
use hyper::Method;
use litink_server::ServerConfig;
use serde_json::json;

use crate::app::{App, BOOK, form};

#[tokio::test]
async fn an_upload_becomes_a_book_and_the_same_file_the_same_book() {
    let app = App::start().await;
    let answer = app.upload("sea.txt", BOOK.as_bytes()).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let book = answer.json();
    let id = book["id"].as_str().unwrap();
    assert_eq!(answer.header("location"), format!("/api/v1/books/{id}"));
    insta::assert_json_snapshot!(book, {
        ".id" => "[id]", ".created_at" => "[time]", ".updated_at" => "[time]",
        ".content_hash" => "[hash]", ".warnings" => "[warnings]",
        ".decisions" => "[decisions]",
    }, @r#"
    {
      "authors": [
        "A. Sailor"
      ],
      "chapter_count": 3,
      "char_count": 104,
      "content_hash": "[hash]",
      "created_at": "[time]",
      "decisions": "[decisions]",
      "description": null,
      "file_bytes": 133,
      "file_name": "sea.txt",
      "format": "text",
      "has_cover": false,
      "id": "[id]",
      "identifier": null,
      "identifiers": [],
      "language": "en",
      "published": null,
      "publisher": null,
      "series": null,
      "state": "ready",
      "title": "The Sea",
      "updated_at": "[time]",
      "version": 1,
      "warnings": "[warnings]"
    }
    "#);
    let decisions = book["decisions"].as_array().unwrap();
    let chapters = decisions.iter().find(|d| d["code"] == "chapters").unwrap();
    assert_eq!(chapters["method"], "heading_lines");
    let confidence = chapters["confidence"].as_f64().unwrap();
    assert!((0.5..=1.0).contains(&confidence), "{chapters}");
    let again = app.upload("sea.txt", BOOK.as_bytes()).await;
    assert_eq!((again.status, &again.json()["id"]), (200, &book["id"]));
    assert_eq!(app.get(&format!("/api/v1/books/{id}")).await.json(), book);
}

#[tokio::test]
async fn chapters_come_without_their_text_or_with_it() {
    let app = App::start().await;
    let path = format!("/api/v1/books/{}/chapters", app.book().await);
    let lean = app.get(&path).await.json();
    let whole = app.get(&format!("{path}?text=true")).await.json();
    let first = &whole[0]["blocks"][0];
    assert!(first["anchor"]["offset"].is_u64(), "{first}");
    let chapters = |list: &serde_json::Value| {
        let all = list.as_array().unwrap().clone();
        all.into_iter()
            .filter(|chapter| chapter["kind"] == "chapter")
            .collect::<Vec<_>>()
    };
    assert_eq!(chapters(&lean).len(), 2, "{lean}");
    assert_eq!(chapters(&lean)[0]["blocks"].as_array().unwrap().len(), 0);
    assert!(chapters(&whole)[1]["blocks"].to_string().contains("gull"));
    assert_eq!(chapters(&whole)[1]["number"], 2);
}

#[tokio::test]
async fn chapters_are_changed_at_the_version_that_was_looked_at() {
    let app = App::start().await;
    let path = format!("/api/v1/books/{}", app.book().await);
    let before = app.get(&format!("{path}/chapters")).await.json();
    let ids: Vec<_> = before
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["id"].clone())
        .collect();
    let last = ids.len() - 1;
    let edits = json!({ "version": 1, "edits": [
        { "op": "merge", "chapters": [ids[last - 1], ids[last]] },
        { "op": "rename", "chapter": ids[last - 1], "title": "All of It" },
    ]});
    let url = format!("{path}/edits");
    let answer = app.post(&url, edits.clone()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let edited = answer.json();
    assert_eq!(edited["book"], app.get(&path).await.json());
    assert_eq!(
        (&edited["book"]["version"], &edited["book"]["chapter_count"]),
        (&json!(2), &json!(last))
    );
    assert_eq!(edited["chapters"][last - 1]["title"], "All of It");
    assert_eq!(
        edited["chapters"],
        app.get(&format!("{path}/chapters")).await.json()
    );
    assert_eq!(
        app.post(&url, edits).await.problem(),
        "409 version_conflict"
    );
    let wrong = json!({ "version": 2, "edits": [
        { "op": "renumber" }, { "op": "split", "chapter": ids[0], "block": 1000 },
    ]});
    let answer = app.post(&url, wrong).await;
    assert_eq!(answer.problem(), "422 bad_split");
    assert!(
        answer.text().contains("\"edit\":\"1\""),
        "{}",
        answer.text()
    );
    for shapeless in [
        json!({ "version": 2, "edits": [{ "op": "rename", "chapter": ids[0] }] }),
        json!({ "version": 2, "edits": [{ "op": "burn", "chapter": ids[0] }] }),
        json!({ "edits": [] }),
    ] {
        assert_eq!(app.post(&url, shapeless).await.problem(), "422 bad_json");
    }
}

#[tokio::test]
async fn lists_are_pages() {
    let app = App::start().await;
    for i in 0..5 {
        let text = format!("{BOOK}\nAnd number {i}.");
        assert_eq!(app.upload("b.txt", text.as_bytes()).await.status, 201);
    }
    let (mut after, mut seen, mut pages) = (String::new(), Vec::new(), 0);
    loop {
        let page = app
            .get(&format!("/api/v1/books?limit=2{after}"))
            .await
            .json();
        let items = page["items"].as_array().unwrap();
        seen.extend(
            items
                .iter()
                .map(|book| book["id"].as_str().unwrap().to_owned()),
        );
        pages += 1;
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    seen.sort();
    seen.dedup();
    assert_eq!((seen.len(), pages), (5, 3));
}

#[tokio::test]
async fn a_deleted_book_is_gone() {
    let app = App::start().await;
    let path = format!("/api/v1/books/{}", app.book().await);
    let delete = || {
        app.request(Method::DELETE, &path)
            .body(Full::default())
            .unwrap()
    };
    assert_eq!(app.send(delete()).await.status, 204);
    assert_eq!(app.get(&path).await.problem(), "404 not_found");
    assert_eq!(app.send(delete()).await.problem(), "404 not_found");
    assert_eq!(
        app.get(&format!("{path}/chapters")).await.problem(),
        "404 not_found"
    );
}

#[tokio::test]
async fn what_is_no_book_is_refused_with_its_reason() {
    let app = App::start().await;
    assert_eq!(app.upload("a.epub", b"").await.problem(), "422 empty_file");
    let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0";
    let refused = app.upload("a.epub", png).await;
    assert_eq!(refused.status, 415, "{refused:?}");
    refused.problem();
    assert_eq!(
        app.get("/api/v1/books").await.json()["items"]
            .as_array()
            .unwrap()
            .len(),
        0
    );
}

#[tokio::test]
async fn a_form_without_a_file_and_no_form_at_all() {
    let app = App::start().await;
    let post = || app.request(Method::POST, "/api/v1/books");
    let other = form(post(), "book", "a.txt", BOOK.as_bytes());
    assert_eq!(app.send(other).await.problem(), "422 missing_file");
    let none = post().body(Full::default()).unwrap();
    assert_eq!(app.send(none).await.problem(), "400 not_a_form");
    let torn = post().header("content-type", "multipart/form-data; boundary=edge");
    let torn = torn.body(Full::from(
        "--edge\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nThe",
    ));
    assert_eq!(app.send(torn.unwrap()).await.problem(), "422 bad_form");
}

#[tokio::test]
async fn an_upload_beyond_the_limit_is_refused() {
    let config = ServerConfig {
        max_upload_bytes: 1000,
        ..ServerConfig::default()
    };
    let app = App::with_config(config).await;
    let large = app.upload("a.txt", &vec![b'a'; 200_000]).await;
    assert_eq!(large.problem(), "413 body_too_large");
    assert_eq!(app.upload("a.txt", BOOK.as_bytes()).await.status, 201);
}

#[tokio::test]
async fn a_book_without_a_cover_says_so() {
    let app = App::start().await;
    let path = format!("/api/v1/books/{}/cover", app.book().await);
    assert_eq!(app.get(&path).await.problem(), "404 no_cover");
}
