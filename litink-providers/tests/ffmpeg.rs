//! The encoder on the real ffmpeg, its files read back with ffprobe. Both must be installed.
#![cfg(feature = "ffmpeg")]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use bytes::Bytes;
use futures::{StreamExt, stream};
use litink_core::{
    ErrorKind,
    audio::{self, Pcm},
    encoder::{AudioEncoder, AudioFormat, ChapterMark, EncodeRequest, WavEncoder},
    testing::encoder as suite,
};
use litink_providers::ffmpeg::{FfmpegEncoder, FfmpegLimits};
use serde_json::Value;

fn encoder() -> FfmpegEncoder {
    FfmpegEncoder::find().expect("these tests need ffmpeg and ffprobe (apt install ffmpeg)")
}

fn program(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/programs")
        .join(name)
}

fn probe(file: &Path) -> Value {
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
        .arg(file)
        .output()
        .expect("ffprobe runs");
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(complaints.is_empty(), "{file:?}: {complaints}");
    serde_json::from_slice(&output.stdout).unwrap()
}

async fn encode(encoder: &dyn AudioEncoder, request: &EncodeRequest, folder: &Path) -> PathBuf {
    let output = folder.join(format!("-a: book.{}", request.format));
    encoder
        .encode(request, suite::speech(request), &output)
        .await
        .unwrap();
    output
}

/// How long the audio is that a player hears, in milliseconds: decoded, with the encoder's delay and
/// padding (which the duration of an MP3 file includes) taken off.
fn heard_ms(file: &Path) -> i64 {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(format!("file:{}", file.display()))
        .args([
            "-map", "0:a", "-f", "s16le", "-ar", "48000", "-ac", "1", "-",
        ])
        .output()
        .expect("ffmpeg runs");
    assert!(
        output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout.len() as i64 / 96
}

/// A tag of the file or of its audio, in any case.
fn tag<'a>(probed: &'a Value, name: &str) -> Option<&'a str> {
    let tags = probed["format"]["tags"].as_object()?;
    let (_, value) = tags
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(name))?;
    value.as_str()
}

fn milliseconds(value: &Value) -> i64 {
    (value.as_str().unwrap().parse::<f64>().unwrap() * 1000.0).round() as i64
}

fn chapters(probed: &Value) -> Vec<(i64, i64, String)> {
    let chapter = |chapter: &Value| {
        let title = chapter["tags"]["title"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        (
            milliseconds(&chapter["start_time"]),
            milliseconds(&chapter["end_time"]),
            title,
        )
    };
    probed["chapters"]
        .as_array()
        .unwrap()
        .iter()
        .map(chapter)
        .collect()
}

#[tokio::test]
async fn it_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    suite::all(&encoder(), folder.path()).await;
}

#[tokio::test]
async fn every_format_is_read_back_as_it_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    for format in encoder().formats() {
        let request = suite::request(format);
        let file = encode(&encoder(), &request, folder.path()).await;
        let probed = probe(&file);
        let off = heard_ms(&file) - 3000;
        assert!(off.abs() <= 50, "{format}: {off} ms");
        let last_end = chapters(&probed)[1].1;
        assert!((last_end - 3000).abs() <= 50, "{format}: {last_end}");
        let expected: Vec<_> = request
            .chapters_ms()
            .iter()
            .map(|(s, _, title)| (*s as i64, title.to_string()))
            .collect();
        let found: Vec<_> = chapters(&probed)
            .into_iter()
            .map(|(s, _, title)| (s, title))
            .collect();
        assert_eq!(found, expected, "{format}");
        for (name, value) in [
            ("title", "Stolz & Vorurteil"),
            ("composer", "Erzählerin"),
            ("publisher", "litink"),
            ("genre", "Audiobook"),
        ] {
            assert_eq!(tag(&probed, name), Some(value), "{format}: {name}");
        }
        let artist = tag(&probed, "artist").unwrap().replace("; ", ";");
        assert_eq!(artist, "Jane Austen;Seth", "{format}");
        assert!(
            tag(&probed, "date").unwrap().starts_with("1813"),
            "{format}"
        );
        let comment = tag(&probed, "comment");
        assert_eq!(comment, Some("A synthetic voice"), "{format}");
        // ffprobe calls FLAC's DESCRIPTION a comment too, and shows one of the two.
        if format != AudioFormat::Flac {
            let description = tag(&probed, "description");
            assert_eq!(description, Some("Two lines\nof text"), "{format}");
        }
        let cover = probed["streams"]
            .as_array()
            .unwrap()
            .iter()
            .find(|s| s["codec_name"] == "png");
        let cover = cover.unwrap_or_else(|| panic!("{format}: no cover"));
        assert_eq!(cover["disposition"]["attached_pic"], 1, "{format}");
    }
}

#[tokio::test]
async fn m4b_is_an_audiobook_in_its_language() {
    let folder = tempfile::tempdir().unwrap();
    let file = encode(&encoder(), &suite::request(AudioFormat::M4b), folder.path()).await;
    let probed = probe(&file);
    assert_eq!(tag(&probed, "media_type"), Some("2"));
    assert_eq!(probed["streams"][0]["tags"]["language"], "deu");
    assert!(tag(&probed, "creation_time").is_none());
    assert!(tag(&probed, "encoder").is_none());
}

#[tokio::test]
async fn flac_is_lossless_and_mp3_is_as_long() {
    let folder = tempfile::tempdir().unwrap();
    let request = suite::request(AudioFormat::Wav);
    let wav = decoded(&encode(&WavEncoder, &request, folder.path()).await);
    let flac = suite::request(AudioFormat::Flac);
    assert!(decoded(&encode(&encoder(), &flac, folder.path()).await) == wav);
    let mp3 = suite::request(AudioFormat::Mp3);
    let mp3 = decoded(&encode(&encoder(), &mp3, folder.path()).await);
    assert_eq!(
        (mp3.sample_rate, mp3.samples.len()),
        (wav.sample_rate, wav.samples.len())
    );
}

fn decoded(file: &Path) -> Pcm {
    audio::decode(&std::fs::read(file).unwrap().into(), "").unwrap()
}

#[tokio::test]
async fn wav_is_read_by_ffprobe() {
    let folder = tempfile::tempdir().unwrap();
    let file = encode(
        &WavEncoder,
        &suite::request(AudioFormat::Wav),
        folder.path(),
    )
    .await;
    let probed = probe(&file);
    assert_eq!(milliseconds(&probed["format"]["duration"]), 3000);
    assert_eq!(tag(&probed, "title"), Some("Stolz & Vorurteil"));
    assert_eq!(tag(&probed, "artist"), Some("Jane Austen; Seth"));
}

#[tokio::test]
async fn hundreds_of_chapters_and_long_titles_survive() {
    let folder = tempfile::tempdir().unwrap();
    for (format, count) in [
        (AudioFormat::M4b, 700),
        (AudioFormat::Mp3, 700),
        (AudioFormat::Flac, 700),
    ] {
        let mut request = suite::request(format);
        request.tags.chapters = (0..count)
            .map(|i| ChapterMark {
                title: format!("{i} {}", "第é章".repeat(60)),
                start_samples: i * 90,
            })
            .collect();
        let probed = probe(&encode(&encoder(), &request, folder.path()).await);
        let found = chapters(&probed);
        assert_eq!(found.len() as u64, count, "{format}");
        let (start, _, title) = found.last().unwrap();
        assert_eq!(*start, request.chapters_ms()[699].0 as i64, "{format}");
        assert!(title.starts_with("699 第é章第é章"), "{format}: {title}");
    }
}

#[tokio::test]
async fn without_tags_and_in_many_rates_a_file_comes_out() {
    let folder = tempfile::tempdir().unwrap();
    for format in encoder().formats() {
        for sample_rate in [8_000, 16_000, 24_000, 44_100, 48_000, 96_000, 19_000] {
            let mut request = suite::request(format);
            request.tags = Default::default();
            request.sample_rate = sample_rate;
            let file = encode(&encoder(), &request, folder.path()).await;
            let probed = probe(&file);
            let expected = request.duration().as_millis() as i64;
            let off = heard_ms(&file) - expected;
            // AAC comes in frames of 1024 samples, and the last one is heard to its end.
            let allowed = 50.max(1_024_000 / i64::from(sample_rate));
            assert!(
                off.abs() <= allowed,
                "{format} at {sample_rate}: {off} ms of {expected}"
            );
            assert!(chapters(&probed).is_empty());
        }
    }
}

#[tokio::test]
async fn a_missing_program_names_the_package() {
    let folder = tempfile::tempdir().unwrap();
    let error = fails(&FfmpegEncoder::new("no-such-ffmpeg"), folder.path()).await;
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Configuration, "ffmpeg_missing")
    );
    assert!(error.message().contains("apt install ffmpeg"));
    let error = FfmpegEncoder::new("no-such-ffmpeg")
        .version()
        .await
        .unwrap_err();
    assert_eq!(error.code(), "ffmpeg_missing");
    assert!(
        encoder()
            .version()
            .await
            .unwrap()
            .starts_with("ffmpeg version")
    );
}

async fn fails(encoder: &FfmpegEncoder, folder: &Path) -> litink_core::Error {
    let request = suite::request(AudioFormat::M4b);
    // Endless, so that no pipe is ever large enough for all of it.
    let silence = stream::repeat_with(|| Ok(Bytes::from_static(&[0; 4096])));
    let mut request = request;
    request.total_samples = 1 << 40;
    let output = folder.join("book.m4b");
    let error = encoder
        .encode(&request, silence.boxed(), &output)
        .await
        .unwrap_err();
    assert_eq!(
        std::fs::read_dir(folder).unwrap().count(),
        0,
        "{error:?} left something behind"
    );
    error
}

#[cfg(unix)]
#[tokio::test]
async fn programs_that_fail_are_told_apart_and_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for (name, kind, code) in [
        ("dies", ErrorKind::Unavailable, "encoder_failed"),
        ("disk-full", ErrorKind::StorageFull, "storage_full"),
        ("stalls", ErrorKind::Timeout, "encoder_stalled"),
    ] {
        let limits = FfmpegLimits {
            stall: Duration::from_millis(300),
            ..Default::default()
        };
        let encoder = FfmpegEncoder::new(program(name)).with_limits(limits);
        let error = fails(&encoder, folder.path()).await;
        assert_eq!((error.kind(), error.code()), (kind, code), "{name}");
        assert!(error.to_string().len() < 600, "{name}: {error}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn dropping_the_future_kills_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let stalling = FfmpegEncoder::new(program("stalls"));
    let request = suite::request(AudioFormat::Flac);
    let output = folder.path().join("book.flac");
    let mut encoding = stalling.encode(&request, stream::pending().boxed(), &output);
    let id = loop {
        let step = tokio::time::timeout(Duration::from_millis(50), encoding.as_mut()).await;
        assert!(step.is_err(), "ended by itself");
        let part = std::fs::read_dir(folder.path())
            .unwrap()
            .next()
            .unwrap()
            .unwrap()
            .path();
        let text = std::fs::read_to_string(part).unwrap();
        if let Ok(id) = text.trim().parse::<u32>() {
            break id;
        }
    };
    drop(encoding);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    for _ in 0..100 {
        let alive = Command::new("kill")
            .args(["-0", &id.to_string()])
            .output()
            .unwrap();
        if !alive.status.success() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("process {id} still runs");
}
