use std::path::Path;

use super::*;

fn shown(text: &str) -> String {
    BackendUrl::parse(text).unwrap().to_string()
}

#[test]
fn every_scheme_is_read_and_shown_without_its_secret() {
    for (text, expected) in [
        ("memory://", "memory://"),
        ("sqlite://data/litink.db", "sqlite://data/litink.db"),
        (
            "sqlite:///a%20b.db?synchronous=normal",
            "sqlite:///a b.db?synchronous=normal",
        ),
        ("file:///srv/litink", "file:///srv/litink"),
        ("file://objects", "file://objects"),
        (
            "postgres://me:canary@db:5433/litink?sslmode=require&password=canary&canary=1",
            "postgres://db:5433/litink?sslmode=require",
        ),
        ("postgresql://db/litink", "postgresql://db/litink"),
        (
            "supabase+https://x.supabase.co",
            "supabase+https://x.supabase.co",
        ),
        ("redis://:canary@cache:6379/0", "redis://cache:6379/0"),
        ("rediss://canary@cache", "rediss://cache"),
        ("amqps://me:canary@mq/%2f", "amqps://mq/%2f"),
        ("s3://canary:canary@books/a/b/", "s3://books/a/b"),
        (
            "s3://books?region=eu&endpoint=http://127.0.0.1:9000",
            "s3://books on http://127.0.0.1:9000",
        ),
    ] {
        let url = BackendUrl::parse(text).unwrap();
        assert_eq!(url.to_string(), expected);
        assert!(!format!("{url:?}").contains("canary"), "{url:?}");
    }
}

#[test]
fn what_cannot_be_used_is_refused_without_being_shown() {
    for text in [
        "",
        "canary",
        "mysql://canary",
        "memory://canary",
        "sqlite://",
        "sqlite::memory:",
        "sqlite://canary?cache=shared",
        "file://",
        "file:///canary?x",
        "postgres://me:canary/1@db/litink",
        "postgres://me:12/canary@db/litink",
        "postgres://me:12?canary@db/litink",
        "postgres://me:12#canary@db/litink",
        "supabase+https://canary:x@host",
        "supabase+https://host/canary",
        "supabase+https://",
        "s3://",
        "s3://canary@books",
        "s3://books:9000/canary",
        "s3://books?secret_access_key=canary",
        "s3://books?endpoint=http://canary:x@host",
        "s3://books?endpoint=canary",
    ] {
        let error = BackendUrl::parse(text).unwrap_err();
        assert_eq!(error.code(), "bad_backend_url", "{text}");
        assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
    }
}

#[test]
fn paths_are_decoded() {
    let url = BackendUrl::parse("file:///srv/my%20books").unwrap();
    assert_eq!(url, BackendUrl::File(Path::new("/srv/my books").into()));
    let BackendUrl::S3(url) = BackendUrl::parse("s3://k%2F:s%40@b/p%20q").unwrap() else {
        panic!("no bucket");
    };
    assert_eq!(url.prefix, "p q");
    assert_eq!(url.keys, Some(("k/".into(), "s@".into())));
}

#[test]
fn plain_text_and_hosts_are_known() {
    for (text, host, plain) in [
        ("memory://", None, false),
        ("sqlite://a", None, false),
        ("s3://b", Some("s3.amazonaws.com"), false),
        ("s3://b?endpoint=http://h:1", Some("h"), true),
        ("supabase+http://127.0.0.1:54321", Some("127.0.0.1"), true),
        ("supabase+https://h", Some("h"), false),
        ("postgres:///litink", Some("localhost"), false),
        ("redis://[::1]", Some("[::1]"), true),
        ("rediss://h", Some("h"), false),
    ] {
        let url = BackendUrl::parse(text).unwrap();
        assert_eq!((url.host(), url.is_plain_text()), (host, plain), "{text}");
    }
    assert_eq!(shown("memory:"), "memory://");
}
