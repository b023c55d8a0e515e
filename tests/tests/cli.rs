//! The command line, as its users run it: the real program and the real synthesizer, and what it
//! made looked at with ffprobe.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    fs,
    io::{BufRead, Write},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use litink_tests::{book, http::Client, litink};
use serde_json::{Value, json};

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn litink(&self, arguments: &[&str]) -> Output {
        let output = self.command(arguments).output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        output
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = litink(&self.0.path().join("data"));
        command.args(arguments);
        command
    }

    fn make(&self, name: &str, arguments: &[&str]) -> Vec<Value> {
        let book = book(name);
        let mut all = vec!["make", book.to_str().unwrap(), "--json", "--out", "out"];
        all.extend(arguments);
        events(&self.litink(&all))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join("out").join(name)
    }
}

fn events(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn probe(path: &Path) -> Value {
    let output = Command::new("ffprobe")
        .args([
            "-v",
            "error",
            "-of",
            "json",
            "-show_format",
            "-show_streams",
            "-show_chapters",
        ])
        .arg(path)
        .output()
        .expect("ffprobe is installed (Debian package ffmpeg)");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

fn seconds(value: &Value) -> f64 {
    value
        .as_str()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| panic!("{value}"))
}

#[test]
fn every_format_is_whole_tagged_and_marked_and_all_are_equally_long() {
    let home = Home::new();
    let events = home.make(
        "the-lamplighters-map.epub",
        &[
            "--formats",
            "m4b,mp3,flac,wav,vtt,srt",
            "--voice",
            "espeak:en-gb",
        ],
    );
    let wav = probe(&home.file("The Lamplighter’s Map.wav"));
    let length = seconds(&wav["format"]["duration"]);
    assert!(length > 60.0, "{length}");
    for format in ["m4b", "mp3", "flac"] {
        let found = probe(&home.file(&format!("The Lamplighter’s Map.{format}")));
        let off = (seconds(&found["format"]["duration"]) - length).abs();
        assert!(off < 0.05 * 3.0, "{format} is {off} s off");
        let tags = &found["format"]["tags"];
        let tag = |names: &[&str]| {
            let tags = tags.as_object().unwrap();
            let found = tags
                .iter()
                .find(|(key, _)| names.contains(&key.to_lowercase().as_str()));
            found.map(|(_, value)| value.as_str().unwrap_or_default().to_owned())
        };
        assert_eq!(
            tag(&["title", "album"]).unwrap(),
            "The Lamplighter’s Map",
            "{format}"
        );
        assert!(
            tag(&["artist", "album_artist"]).is_some(),
            "{format} names its author: {tags}"
        );
        let pictures = found["streams"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|s| s["codec_type"] == "video");
        assert_eq!(pictures.count(), 1, "{format} shows a cover");
        let chapters = found["chapters"].as_array().unwrap();
        assert_eq!(chapters.len(), 3, "{format}");
        let starts: Vec<f64> = chapters.iter().map(|c| seconds(&c["start_time"])).collect();
        assert!(
            starts[0].abs() < 0.001 && starts.is_sorted(),
            "{format} {starts:?}"
        );
        let cues = fs::read_to_string(home.file("The Lamplighter’s Map.vtt")).unwrap();
        // Where a chapter begins there is silence: no sentence is being spoken.
        for start in &starts[1..] {
            assert!(
                !spoken_at(&cues, *start),
                "{format}: a mark at {start} lies within a sentence"
            );
        }
    }
    let exported = events
        .iter()
        .filter(|event| event["event"] == "export")
        .count();
    assert_eq!(exported, 6);
    assert_eq!(events.last().unwrap()["event"], "done");
    let srt = fs::read_to_string(home.file("The Lamplighter’s Map.srt")).unwrap();
    assert!(srt.starts_with("1\n00:00:00,"), "{}", &srt[..40]);
}

fn spoken_at(vtt: &str, second: f64) -> bool {
    let parse = |clock: &str| {
        clock
            .trim()
            .split(':')
            .fold(0.0, |sum, part| sum * 60.0 + part.parse::<f64>().unwrap())
    };
    vtt.lines()
        .filter_map(|line| line.split_once(" --> "))
        .any(|(from, to)| {
            let (from, to) = (parse(from), parse(to));
            from + 0.03 < second && second < to - 0.03
        })
}

#[test]
fn the_same_command_again_makes_nothing() {
    let home = Home::new();
    let first = home.make("the-lamplighters-map.txt", &["--formats", "wav,vtt"]);
    let began = Instant::now();
    let second = home.make("the-lamplighters-map.txt", &["--formats", "wav,vtt"]);
    assert!(began.elapsed() < Duration::from_secs(5));
    let hashes = |events: &[Value]| -> Vec<Value> {
        let exports = events.iter().filter(|event| event["event"] == "export");
        exports.map(|event| event["content_hash"].clone()).collect()
    };
    assert_eq!(hashes(&first), hashes(&second));
    assert!(
        second
            .iter()
            .all(|event| event["event"] != "export" || event["written"] == false)
    );
    assert_eq!(second[0]["existing"], true);
    // Another format of the same book speaks nothing again.
    let third = home.make("the-lamplighters-map.txt", &["--formats", "flac"]);
    assert!(
        third
            .iter()
            .any(|event| event["event"] == "export" && event["format"] == "flac")
    );
}

#[test]
fn an_interrupt_stops_cleanly_and_the_same_command_goes_on() {
    let home = Home::new();
    let long = home.0.path().join("long.txt");
    let paragraph =
        "It rained on the harbour all night, and nobody slept who had a boat. ".repeat(40);
    let text: String = (1..=12)
        .map(|n| format!("CHAPTER {n}\n\n{paragraph}\n\n"))
        .collect();
    fs::write(&long, text).unwrap();
    let arguments = [
        "make",
        "long.txt",
        "--json",
        "--formats",
        "wav",
        "--out",
        "out",
    ];
    let child = home
        .command(&arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(700));
    let interrupted = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(interrupted.success());
    let output = child.wait_with_output().unwrap();
    if output.status.code() == Some(130) {
        let events = events(&output);
        assert_eq!(events.last().unwrap()["event"], "interrupted");
    } else {
        panic!("it was over before it was interrupted: {:?}", output.status);
    }
    let events = events(&home.litink(&arguments));
    assert_eq!(events.last().unwrap()["event"], "done");
    let first = events
        .iter()
        .find(|event| event["event"] == "progress")
        .unwrap();
    assert!(
        first["fraction"].as_f64().unwrap() > 0.0,
        "it goes on where it was"
    );
}

#[test]
fn help_teaches_and_mistakes_are_told_apart_by_their_exit_codes() {
    let home = Home::new();
    let help = String::from_utf8(home.litink(&["--help"]).stdout).unwrap();
    assert!(
        help.contains("Examples:") && help.contains("Exit codes:"),
        "{help}"
    );
    let code = |arguments: &[&str]| home.command(arguments).output().unwrap().status.code();
    assert_eq!(code(&["make"]), Some(2), "a misspelt command line");
    assert_eq!(code(&["make", "nothing.epub"]), Some(3), "no such book");
    let book = book("the-lamplighters-map.txt");
    let book = book.to_str().unwrap();
    assert_eq!(
        code(&["make", book, "--formats", "ogg"]),
        Some(2),
        "no such format"
    );
    assert_eq!(
        code(&["make", book, "--voice", "nobody"]),
        Some(3),
        "no such voice"
    );
    assert_eq!(
        code(&["make", book, "--chapters", "99"]),
        Some(3),
        "no such chapter"
    );
    let mut unknown = home.command(&["books"]);
    assert_eq!(
        unknown
            .env("LITINK_DATADIR", "x")
            .output()
            .unwrap()
            .status
            .code(),
        Some(4)
    );
}

#[test]
fn books_runs_voices_doctor_migrate_and_openapi_answer() {
    let home = Home::new();
    home.make(
        "the-lamplighters-map.txt",
        &["--formats", "vtt", "--chapters", "1"],
    );
    let text = |arguments: &[&str]| String::from_utf8(home.litink(arguments).stdout).unwrap();
    assert!(text(&["books"]).to_lowercase().contains("lamplighter"));
    let runs = text(&["runs", "--json"]);
    let run: Value = serde_json::from_str(runs.lines().next().unwrap()).unwrap();
    assert_eq!(run["state"], "completed");
    assert!(text(&["runs", "show", run["id"].as_str().unwrap()]).contains(".vtt"));
    assert!(text(&["books", run["book_id"].as_str().unwrap()]).contains("chapter"));
    assert!(text(&["voices"]).lines().count() >= 8);
    assert!(!text(&["doctor"]).contains("FAIL"));
    assert!(text(&["migrate"]).contains("schema version"));
    let description: Value = serde_json::from_str(&text(&["openapi"])).unwrap();
    assert!(description["openapi"].as_str().unwrap().starts_with("3.1"));
}

#[test]
fn chapters_are_edited_from_a_file_at_the_version_that_was_shown() {
    let home = Home::new();
    home.make(
        "the-lamplighters-map.txt",
        &["--formats", "vtt", "--chapters", "1"],
    );
    let books = home.litink(&["books", "--json"]);
    let id = events(&books)[0]["id"].as_str().unwrap().to_owned();
    let shown = events(&home.litink(&["books", &id, "--json"]));
    let chapter = &shown.last().unwrap()["id"];
    let edits = home.0.path().join("edits.json");
    let rename = json!([{ "op": "rename", "chapter": chapter, "title": "The Very End" }]);
    fs::write(&edits, rename.to_string()).unwrap();
    let edits = edits.to_str().unwrap();
    let edited = home.litink(&["books", &id, "--edit", edits, "--version", "1"]);
    let said = String::from_utf8_lossy(&edited.stdout).into_owned();
    assert!(said.contains("The Very End"), "{edited:?}");
    let mut again = home.command(&["books", &id, "--edit", edits, "--version", "1"]);
    let stale = again.output().unwrap();
    assert!(!stale.status.success());
    assert!(
        String::from_utf8_lossy(&stale.stderr).contains("version_conflict"),
        "{stale:?}"
    );
    fs::write(edits, r#"[{ "op": "burn" }]"#).unwrap();
    let wrong = home
        .command(&["books", &id, "--edit", edits])
        .output()
        .unwrap();
    assert!(!wrong.status.success());
    assert!(
        String::from_utf8_lossy(&wrong.stderr).contains("bad_edits"),
        "{wrong:?}"
    );
}

#[test]
fn jobs_and_queues_are_seen_and_steered() {
    let home = Home::new();
    home.make(
        "the-lamplighters-map.txt",
        &["--formats", "vtt", "--chapters", "1"],
    );
    let text = |arguments: &[&str]| -> String {
        String::from_utf8_lossy(&home.litink(arguments).stdout).into_owned()
    };
    let jobs = home.litink(&["jobs", "--json", "--state", "completed"]);
    let jobs = events(&jobs);
    assert!(!jobs.is_empty());
    let (id, kind) = (
        jobs[0]["id"].as_str().unwrap(),
        jobs[0]["kind"].as_str().unwrap(),
    );
    assert!(text(&["queues"]).contains(&format!("{kind}: ")));
    assert!(text(&["jobs", "--kind", kind]).contains(id));
    assert_eq!(text(&["jobs", "--failed"]), "");
    assert_eq!(text(&["jobs", "--failed", "--replay"]), "replayed 0\n");

    assert_eq!(text(&["jobs", id, "--replay"]), "replayed 1\n");
    assert!(text(&["jobs", id]).contains("available"));
    assert_eq!(text(&["queues", "pause", kind]), "1 changed\n");
    let stats = events(&home.litink(&["queues", "--json"]));
    let paused = stats.iter().find(|it| it["kind"] == kind).unwrap();
    assert_eq!(
        (&paused["paused"], &paused["jobs"]["available"]),
        (&json!(true), &json!(1))
    );
    assert_eq!(text(&["queues", "resume", kind]), "1 changed\n");
    assert_eq!(text(&["jobs", id, "--cancel"]), "cancelled 1\n");
    assert!(text(&["jobs", id]).contains("cancelled"));
    text(&[
        "queues",
        "limit",
        "vendor",
        "--at-once",
        "2",
        "--rate",
        "10/60",
    ]);
    text(&["queues", "throttle", "vendor", "0.5"]);
    text(&["queues", "limit", "vendor"]);
    assert_ne!(text(&["queues", "prune", "0"]), "0 changed\n");
    assert_eq!(text(&["jobs"]), "");

    for (arguments, code) in [
        (&["jobs", "--state", "nonsense"][..], 2),
        (&["jobs", "--replay"], 3),
        (&["jobs", "018f0f6e-7c1e-7000-8000-000000000000"], 3),
        (&["queues", "limit", "x", "--rate", "0/60"], 3),
        (&["queues", "limit", "x", "--rate", "60"], 2),
        (&["queues", "throttle", "x", "-1"], 2),
    ] {
        let output = home.command(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(!said.is_empty());
    }
}

#[test]
fn migrations_are_written_for_the_supabase_command_line_and_nothing_is_overwritten() {
    let home = Home::new();
    let project = home.0.path().join("project");
    let folder = project.join("supabase/migrations");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("29990101000000_own.sql"), "select 1").unwrap();
    let project = project.to_str().unwrap();
    let files = || {
        let entries = fs::read_dir(&folder).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    home.litink(&["migrate", "--supabase", project, "--seed"]);
    let first = files();
    // Later than what is there, or `supabase db push` refuses them.
    assert_eq!(first[0], "29990101000000_own.sql");
    assert_eq!(first[1], "29990101000001_litink_0001_tables.sql");
    assert!(first.len() > 6, "{first:?}");
    let again = home.litink(&["migrate", "--supabase", project, "--seed"]);
    assert!(String::from_utf8_lossy(&again.stdout).contains("every migration is there"));
    assert_eq!(files(), first);
    assert!(
        !home.0.path().join("data").exists(),
        "no database is opened"
    );

    let seed = folder.with_file_name("seed.sql");
    fs::write(&seed, "select 'own'").unwrap();
    let refused = home.command(&["migrate", "--supabase", project, "--seed"]);
    let refused = { refused }.output().unwrap();
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("file_exists"));
    assert_eq!(fs::read_to_string(&seed).unwrap(), "select 'own'");
}

/// With the password on the standard input.
fn add(home: &Home, email: &str, password: &str) -> Output {
    let (reader, mut writer) = std::io::pipe().unwrap();
    writeln!(writer, "{password}").unwrap();
    drop(writer);
    let mut command = home.command(&["users", "add", email]);
    command.stdin(reader).output().unwrap()
}

#[test]
fn users_are_added_listed_disabled_and_enabled() {
    let home = Home::new();
    let added = add(&home, " Ada@example.com", "correct horse");
    assert!(added.status.success(), "{added:?}");
    let said = format!("{added:?}");
    assert!(said.contains("added ada@example.com") && !said.contains("correct horse"));
    for (email, password, code) in [
        ("ada@example.com", "correct horse", "[user_already_exists]"),
        ("ben@example.com", "short", "[weak_password]"),
        ("ben@example.com", "", "[weak_password]"),
        ("ben", "correct horse", "[email_address_invalid]"),
    ] {
        let refused = add(&home, email, password);
        assert_eq!(refused.status.code(), Some(3), "{refused:?}");
        assert!(
            String::from_utf8_lossy(&refused.stderr).contains(code),
            "{refused:?}"
        );
    }
    let listed = |arguments: &[&str]| {
        home.litink(arguments);
        let users = events(&home.litink(&["users", "list", "--json"]));
        assert_eq!(users.len(), 1);
        assert_eq!(users[0]["email"], "ada@example.com");
        users[0]["state"].clone()
    };
    assert_eq!(listed(&["users", "list"]), "active");
    assert_eq!(listed(&["users", "disable", "ada@example.com"]), "disabled");
    assert_eq!(listed(&["users", "enable", "Ada@example.com"]), "active");
    let unknown = home
        .command(&["users", "disable", "ben@example.com"])
        .output();
    assert_eq!(unknown.unwrap().status.code(), Some(3));

    use std::os::unix::fs::PermissionsExt;
    let secret = home.0.path().join("data").join("jwt_secret");
    let mode = fs::metadata(secret).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_server_with_accounts_signs_people_in() {
    let home = Home::new();
    assert!(
        add(&home, "ada@example.com", "correct horse")
            .status
            .success()
    );
    let mut serve = home
        .command(&["serve", "--bind", "127.0.0.1:0"])
        .env("LITINK_ACCOUNTS", "true")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let mut lines = std::io::BufReader::new(serve.stdout.take().unwrap());
    lines.read_line(&mut said).unwrap();
    let address = said
        .split("http://")
        .nth(1)
        .unwrap()
        .split('/')
        .next()
        .unwrap();
    let client = Client::new(address);
    let refused = client.get("/api/v1/books").unwrap();
    assert_eq!(refused.json()["code"], "missing_token");
    let body = json!({"email": "ada@example.com", "password": "correct horse"});
    let tokens = client.post("/api/v1/auth/sign-in", &body).unwrap().json();
    assert_eq!(tokens["user"]["email"], "ada@example.com");
    let closed = client.post("/api/v1/auth/sign-up", &body).unwrap();
    assert_eq!(closed.json()["code"], "signup_disabled");
    // Another process ends it.
    home.litink(&["users", "disable", "ada@example.com"]);
    let body = json!({"refresh_token": tokens["refresh_token"]});
    let ended = client.post("/api/v1/auth/refresh", &body).unwrap();
    assert_eq!(ended.json()["code"], "session_not_found");
    serve.kill().unwrap();
    serve.wait().unwrap();
}

#[test]
fn a_reader_that_goes_away_ends_nothing() {
    let home = Home::new();
    for arguments in [&["voices"][..], &["openapi"], &["doctor", "--json"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = home.command(arguments).stdout(writer).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
    }
}
