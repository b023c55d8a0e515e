//! What every [`AudioEncoder`] must do.
//!
//! Each case is an `async fn` that panics when the encoder breaks the contract; [`all`] runs every
//! one. `folder` is an empty folder that the case may write to.
//!
//! ```no_run
//! # async fn example(encoder: impl litink_core::encoder::AudioEncoder) {
//! let folder = std::env::temp_dir().join("encoder");
//! std::fs::create_dir(&folder).expect("a folder");
//! litink_core::testing::encoder::all(&encoder, &folder).await;
//! # }
//! ```

use std::{path::Path, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, stream, stream::BoxStream};

use crate::{
    Error, ErrorKind, Result,
    encoder::{AudioEncoder, AudioFormat, AudiobookTags, ChapterMark, CoverArt, EncodeRequest},
};

const SAMPLE_RATE: u32 = 22_050;
const SAMPLES: u64 = 3 * SAMPLE_RATE as u64;

/// Runs every case.
pub async fn all(encoder: &dyn AudioEncoder, folder: &Path) {
    makes_every_format_it_names(encoder, folder).await;
    gives_the_same_bytes_twice(encoder, folder).await;
    replaces_a_file_only_when_whole(encoder, folder).await;
    refuses_formats_it_does_not_name(encoder, folder).await;
    refuses_what_cannot_be_encoded(encoder, folder).await;
    refuses_audio_of_another_length(encoder, folder).await;
    passes_on_the_errors_of_the_stream(encoder, folder).await;
    stops_and_cleans_up_when_dropped(encoder, folder).await;
}

/// Each named format comes out as a file that begins as that format does, alone in its folder.
pub async fn makes_every_format_it_names(encoder: &dyn AudioEncoder, folder: &Path) {
    assert!(!encoder.name().is_empty(), "an encoder has a name");
    assert!(!encoder.formats().is_empty(), "an encoder makes something");
    for format in encoder.formats() {
        let bytes = encoded(encoder, folder, &request(format)).await;
        assert!(bytes.len() > 1000, "{format}: only {} bytes", bytes.len());
        assert!(begins_as(format, &bytes), "{format}: does not begin as one");
    }
}

/// The same samples give the same bytes, however they are cut into chunks.
pub async fn gives_the_same_bytes_twice(encoder: &dyn AudioEncoder, folder: &Path) {
    for format in encoder.formats() {
        let request = request(format);
        let once = encoded(encoder, folder, &request).await;
        let output = folder.join("again");
        let chunks = chunks(&samples(), 997);
        encoder
            .encode(&request, chunks, &output)
            .await
            .expect("the second encoding");
        assert!(
            once == taken(&output),
            "{format}: other bytes the second time"
        );
    }
}

/// A file at the output stays when the encoding fails, and is replaced when it succeeds.
pub async fn replaces_a_file_only_when_whole(encoder: &dyn AudioEncoder, folder: &Path) {
    let output = folder.join("book");
    for format in encoder.formats() {
        std::fs::write(&output, "the old file").expect("a file");
        let request = request(format);
        let short = chunks(&samples()[..1000], 500);
        encoder
            .encode(&request, short, &output)
            .await
            .expect_err("too short");
        assert_eq!(
            std::fs::read(&output).expect("the old file"),
            b"the old file"
        );
        encoder
            .encode(&request, speech(&request), &output)
            .await
            .expect("an encoding");
        assert!(begins_as(format, &taken(&output)), "{format}: not replaced");
        assert_empty(folder, "replacing a file");
    }
}

/// Formats outside of [`AudioEncoder::formats`] are refused before anything is written.
pub async fn refuses_formats_it_does_not_name(encoder: &dyn AudioEncoder, folder: &Path) {
    let named = encoder.formats();
    for format in AudioFormat::ALL
        .iter()
        .filter(|format| !named.contains(format))
    {
        let error = failure(encoder, folder, &request(*format), None).await;
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::Unsupported, "audio_format")
        );
    }
}

/// What [`EncodeRequest::validate`] refuses is refused.
pub async fn refuses_what_cannot_be_encoded(encoder: &dyn AudioEncoder, folder: &Path) {
    for format in encoder.formats() {
        let mut empty = request(format);
        empty.total_samples = 0;
        let mut late = request(format);
        late.tags.chapters.push(ChapterMark {
            title: "Late".into(),
            start_samples: SAMPLES,
        });
        let mut picture = request(format);
        picture.tags.cover = Some(CoverArt {
            media_type: "image/png".into(),
            bytes: Bytes::from_static(b"GIF"),
        });
        for (request, code) in [
            (empty, "empty_audio"),
            (late, "bad_chapters"),
            (picture, "bad_cover"),
        ] {
            let error = failure(encoder, folder, &request, None).await;
            assert_eq!(
                (error.kind(), error.code()),
                (ErrorKind::InvalidInput, code)
            );
        }
    }
}

/// A stream that is shorter or longer than the request says is an error, and leaves nothing.
pub async fn refuses_audio_of_another_length(encoder: &dyn AudioEncoder, folder: &Path) {
    for format in encoder.formats() {
        let longer = [samples(), vec![0; 2]].concat();
        let shorter = samples()[2..].to_vec();
        for audio in [longer, shorter, vec![]] {
            let pcm = chunks(&audio, 4096);
            let error = failure(encoder, folder, &request(format), Some(pcm)).await;
            assert_eq!(
                (error.kind(), error.code()),
                (ErrorKind::InvalidInput, "pcm_length")
            );
        }
    }
}

/// An error in the stream comes out as it is, and leaves nothing.
pub async fn passes_on_the_errors_of_the_stream(encoder: &dyn AudioEncoder, folder: &Path) {
    for format in encoder.formats() {
        let first = Ok(Bytes::from(samples()[..10_000].to_vec()));
        let second = Err(Error::cancelled().with_code("reader_left"));
        let pcm = stream::iter([first, second]).boxed();
        let error = failure(encoder, folder, &request(format), Some(pcm)).await;
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::Cancelled, "reader_left")
        );
    }
}

/// Dropping the future in the middle leaves nothing.
pub async fn stops_and_cleans_up_when_dropped(encoder: &dyn AudioEncoder, folder: &Path) {
    for format in encoder.formats() {
        let first = stream::iter([Ok(Bytes::from(samples()[..10_000].to_vec()))]);
        let pcm = first.chain(stream::pending()).boxed();
        let request = request(format);
        let output = folder.join("book");
        let encoding = encoder.encode(&request, pcm, &output);
        let ended = tokio::time::timeout(Duration::from_millis(500), encoding).await;
        assert!(
            ended.is_err(),
            "{format}: ended without the end of its audio"
        );
        // A program that is killed may take a moment to close what it wrote.
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_empty(folder, "dropping the future");
    }
}

/// Three seconds of audio with two chapters and a cover.
#[must_use]
pub fn request(format: AudioFormat) -> EncodeRequest {
    let chapter = |title: &str, start_samples| ChapterMark {
        title: title.into(),
        start_samples,
    };
    EncodeRequest {
        format,
        sample_rate: SAMPLE_RATE,
        total_samples: SAMPLES,
        bitrate_kbps: None,
        tags: AudiobookTags {
            title: "Stolz & Vorurteil".into(),
            authors: vec!["Jane Austen".into(), "Seth".into()],
            narrator: Some("Erzählerin".into()),
            language: Some("de".into()),
            publisher: Some("litink".into()),
            published: Some("1813-01-28".into()),
            description: Some("Two lines\nof text".into()),
            comment: Some("A synthetic voice".into()),
            cover: Some(cover()),
            chapters: vec![
                chapter("Eins = 1; # \\ \"第1章\"", 0),
                chapter("Zweites – Kapitel", u64::from(SAMPLE_RATE) * 17 / 10),
            ],
        },
    }
}

/// The audio of [`request`]: a voice-like wave that rises and falls.
#[must_use]
pub fn speech(request: &EncodeRequest) -> BoxStream<'static, Result<Bytes>> {
    chunks(
        &samples()[..(request.total_samples * 2).min(SAMPLES * 2) as usize],
        8192,
    )
}

fn samples() -> Vec<u8> {
    (0..SAMPLES)
        .flat_map(|i| {
            let seconds = i as f64 / f64::from(SAMPLE_RATE);
            let syllable = (seconds * 4.0).sin().abs();
            let wave = (seconds * 140.0 * std::f64::consts::TAU).sin();
            ((wave * syllable * 9_000.0) as i16).to_le_bytes()
        })
        .collect()
}

fn chunks(audio: &[u8], size: usize) -> BoxStream<'static, Result<Bytes>> {
    let chunks: Vec<_> = audio
        .chunks(size)
        .map(|c| Ok(Bytes::copy_from_slice(c)))
        .collect();
    stream::iter(chunks).boxed()
}

/// A PNG of one grey pixel.
fn cover() -> CoverArt {
    let png = b"\x89PNG\x0d\x0a\x1a\x0a\x00\x00\x00\x0dIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x00\x00\x00\x00:~\x9bU\x00\x00\x00\x0aIDATx\x9cch\x00\x00\x00\x82\x00\x81w\xcdr\xb6\x00\x00\x00\x00IEND\xaeB`\x82";
    CoverArt {
        media_type: "image/png".into(),
        bytes: Bytes::from_static(png),
    }
}

async fn encoded(encoder: &dyn AudioEncoder, folder: &Path, request: &EncodeRequest) -> Vec<u8> {
    let output = folder.join("book");
    encoder
        .encode(request, speech(request), &output)
        .await
        .expect("an encoding");
    let bytes = taken(&output);
    assert_empty(folder, "an encoding");
    bytes
}

async fn failure(
    encoder: &dyn AudioEncoder,
    folder: &Path,
    request: &EncodeRequest,
    pcm: Option<BoxStream<'_, Result<Bytes>>>,
) -> Error {
    let pcm = pcm.unwrap_or_else(|| speech(request));
    let output = folder.join("book");
    let error = encoder
        .encode(request, pcm, &output)
        .await
        .expect_err("this must fail");
    assert_empty(folder, "a failure");
    error
}

/// Reads the file and removes it.
fn taken(output: &Path) -> Vec<u8> {
    let bytes = std::fs::read(output).expect("the file at its output");
    std::fs::remove_file(output).expect("removing the file");
    bytes
}

fn assert_empty(folder: &Path, after: &str) {
    let left: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder")
        .filter_map(|entry| Some(entry.ok()?.file_name()))
        .collect();
    assert!(left.is_empty(), "left behind after {after}: {left:?}");
}

fn begins_as(format: AudioFormat, bytes: &[u8]) -> bool {
    match format {
        AudioFormat::M4b => bytes.get(4..8) == Some(b"ftyp"),
        AudioFormat::Mp3 => bytes.starts_with(b"ID3") || bytes.starts_with(b"\xff"),
        AudioFormat::Flac => bytes.starts_with(b"fLaC"),
        AudioFormat::Wav => bytes.starts_with(b"RIFF"),
    }
}
