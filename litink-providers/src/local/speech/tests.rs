use std::{ffi::OsStr, io::Write};

use litink_core::provider::MediaBody;

use super::*;

/// The programs of this machine. Without one the test is skipped, and says so, unless
/// `LITINK_REQUIRE_PROGRAMS` is set.
fn programs(needed: impl Fn(&Programs) -> bool) -> Option<Programs> {
    let programs = Programs::find();
    if needed(&programs) {
        return Some(programs);
    }
    assert!(
        std::env::var_os("LITINK_REQUIRE_PROGRAMS").is_none(),
        "espeak-ng and flite are required"
    );
    // Not eprintln!, which the test harness hides.
    let _ = writeln!(
        std::io::stderr(),
        "SKIPPED: espeak-ng or flite is not installed"
    );
    None
}

fn espeak() -> Option<Programs> {
    programs(|programs| programs.espeak_ng.path.is_some())
}

fn flite() -> Option<Programs> {
    programs(|programs| programs.flite.path.is_some())
}

struct Spoken {
    wav: Bytes,
    marks: Vec<SpeechMark>,
    made: Generated,
}

async fn try_speak(programs: &Programs, request: &SpeechRequest) -> Result<Spoken> {
    let mut made = speak(programs, &Semaphore::new(4), request).await?;
    let (wav, marks) = match &mut made.output {
        Output::Speech { audio, marks } => match &audio.body {
            MediaBody::Bytes(bytes) => (bytes.clone(), std::mem::take(marks)),
            MediaBody::Stream(_) => panic!("speech is there at once"),
        },
        other => panic!("{other:?}"),
    };
    Ok(Spoken { wav, marks, made })
}

/// A request with a range for each sentence, which ends with a stop.
fn request(text: &str, voice: Option<&str>) -> SpeechRequest {
    let mut request = SpeechRequest::new(text);
    request.voice = voice.map(str::to_owned);
    let mut start = 0;
    for (at, stop) in text.match_indices('.') {
        request.sentences.push((start, at + stop.len()));
        let rest = &text[at + 1..];
        start = at + 1 + rest.len() - rest.trim_start().len();
    }
    request
}

/// The loudest sample of a stretch.
fn peak(spoken: &Spoken, from_ms: u64, to_ms: u64) -> u16 {
    let rate = u64::from(u32::from_le_bytes(spoken.wav[24..28].try_into().unwrap()));
    let byte = |ms: u64| 44 + (ms * rate / 1_000) as usize * 2;
    spoken.wav[byte(from_ms)..byte(to_ms)]
        .chunks_exact(2)
        .map(|sample| i16::from_le_bytes([sample[0], sample[1]]).unsigned_abs())
        .max()
        .unwrap()
}

const TEXT: &str = "Mira lit the lamp.  The wind rose.\n\nNobody came.";

#[tokio::test]
async fn marks_are_where_the_speech_is() {
    let Some(programs) = espeak() else { return };
    let spoken = try_speak(&programs, &request(TEXT, None)).await.unwrap();
    assert_eq!(spoken.marks.len(), 3);
    let texts: Vec<_> = spoken
        .marks
        .iter()
        .map(|m| &TEXT[m.text_start..m.text_end])
        .collect();
    assert_eq!(
        texts,
        ["Mira lit the lamp.", "The wind rose.", "Nobody came."]
    );
    for mark in &spoken.marks {
        assert!(mark.end_ms > mark.start_ms + 300, "{mark:?}");
        assert!(
            peak(&spoken, mark.start_ms, mark.end_ms) > 3_000,
            "{mark:?}"
        );
    }
    let pauses: Vec<_> = spoken
        .marks
        .windows(2)
        .map(|m| (m[0].end_ms, m[1].start_ms))
        .collect();
    for (from, to) in &pauses {
        assert_eq!(peak(&spoken, from + 1, *to), 0);
    }
    let long: Vec<_> = pauses.iter().map(|(from, to)| (to - from) / 100).collect();
    assert_eq!(long, [3, 6]);
    let total = (spoken.wav.len() as u64 - 44) / 2 * 1_000 / 22_050;
    assert_eq!(spoken.marks[2].end_ms, total);
    assert_eq!(spoken.made.usage.output_ms, Some(total));
    assert_eq!(spoken.made.usage.input_chars, Some(TEXT.len() as u64));
}

#[tokio::test]
async fn the_same_request_gives_the_same_bytes() {
    let Some(programs) = espeak() else { return };
    for voice in ["espeak:en-gb+f3", "espeak:en-us-nyc+m4"] {
        let request = request(TEXT, Some(voice));
        let first = try_speak(&programs, &request).await.unwrap();
        let second = try_speak(&programs, &request).await.unwrap();
        assert!(
            first.wav == second.wav && first.marks == second.marks,
            "{voice}"
        );
    }
}

/// Twelve sentences go through one process: each must still be where its mark says, and as long as
/// it is by itself.
#[tokio::test]
async fn sentences_spoken_together_are_those_spoken_alone() {
    let Some(programs) = espeak() else { return };
    let sentences = [
        "Tom & Ann < 3 went out.",
        "Wait... who is there?",
        "“No,” she said, “nobody.”",
        "* * *",
        "1842.",
        "It was, after all -- and he knew it -- late!",
    ];
    let text = sentences.repeat(3).join(" ");
    let voices = ["espeak:en-us", "espeak:en-gb+f3"];
    for (speed, voice) in [0.5, 1.0, 2.4, 4.0].into_iter().zip(voices.repeat(2)) {
        let mut request = SpeechRequest::new(&text);
        request.voice = Some(voice.to_owned());
        request.speed = Some(speed);
        let mut start = 0;
        for sentence in sentences.repeat(3) {
            request.sentences.push((start, start + sentence.len()));
            start += sentence.len() + 1;
        }
        let together = try_speak(&programs, &request).await.unwrap();
        for (i, sentence) in sentences.iter().enumerate() {
            let mut alone = SpeechRequest::new(*sentence);
            alone.speed = Some(speed);
            alone.voice = Some(voice.to_owned());
            let alone = try_speak(&programs, &alone).await.unwrap().marks[0].end_ms as f32;
            for mark in together.marks.iter().skip(i).step_by(sentences.len()) {
                let length = (mark.end_ms - mark.start_ms) as f32;
                // The echo of some voices dies away after a sentence, and is cut off at the text's end.
                let like = (length - alone).abs() < 160.0 + alone * 0.03;
                assert!(like, "{sentence} at {speed}: {length} ms, alone {alone} ms");
            }
        }
    }
}

#[tokio::test]
async fn every_voice_speaks_and_the_english_ones_all_differ() {
    let Some(programs) = espeak() else { return };
    let mut seen = std::collections::HashMap::new();
    for voice in voices::available(&programs) {
        let mut request = SpeechRequest::new("Mira 12");
        request.voice = Some(voice.id.clone());
        let spoken = try_speak(&programs, &request).await.unwrap();
        assert!(spoken.wav.len() > 8_000, "{}", voice.id);
        if !voice.languages[0].starts_with("en") {
            continue;
        }
        if let Some(other) = seen.insert(spoken.wav, voice.id.clone()) {
            panic!("{} sounds like {other}", voice.id);
        }
    }
    assert!(seen.len() >= 16);
}

#[tokio::test]
async fn flite_speaks_too_when_it_is_alone() {
    let Some(mut programs) = flite() else { return };
    programs.espeak_ng.path = None;
    let first = try_speak(&programs, &request(TEXT, None)).await.unwrap();
    assert_eq!(first.made.model.as_deref(), Some("flite"));
    assert_eq!(&first.wav[24..28], &16_000_u32.to_le_bytes());
    assert!(
        first.wav
            == try_speak(&programs, &request(TEXT, None))
                .await
                .unwrap()
                .wav
    );
    let mut french = request("Привет, Bob.", None);
    french.language = Some("fr".to_owned());
    assert_eq!(
        try_speak(&programs, &french)
            .await
            .unwrap()
            .made
            .warnings
            .len(),
        2
    );
    let error = try_speak(&programs, &request(TEXT, Some("espeak:de")))
        .await
        .err()
        .unwrap();
    assert_eq!(error.code(), "missing_program");
}

#[tokio::test]
async fn speed_is_honoured_within_the_programs_limits() {
    let Some(programs) = espeak() else { return };
    let mut lengths = Vec::new();
    for speed in [0.5, 1.0, 2.0] {
        let mut request = request(TEXT, None);
        request.speed = Some(speed);
        lengths.push(try_speak(&programs, &request).await.unwrap().wav.len() as f32);
    }
    assert!(
        (1.6..2.4).contains(&(lengths[0] / lengths[1])),
        "{lengths:?}"
    );
    assert!(
        (1.5..2.4).contains(&(lengths[1] / lengths[2])),
        "{lengths:?}"
    );
    let mut slow = request(TEXT, None);
    slow.speed = Some(0.25);
    assert!(try_speak(&programs, &slow).await.unwrap().made.warnings[0].contains("slower"));
    slow.speed = Some(f32::NAN);
    assert_eq!(
        try_speak(&programs, &slow).await.err().unwrap().code(),
        "bad_speed"
    );
}

#[tokio::test]
async fn languages_choose_voices() {
    let Some(programs) = espeak() else { return };
    let mut seen = std::collections::HashSet::new();
    for language in ["en-GB", "de-AT", "fr_CA", "pt-BR", "zh-Hant"] {
        let mut request = SpeechRequest::new("Mira 1234");
        request.language = Some(language.to_owned());
        let spoken = try_speak(&programs, &request).await.unwrap();
        assert_eq!(spoken.made.warnings, Vec::<String>::new(), "{language}");
        assert!(seen.insert(spoken.wav), "{language}");
    }
    let mut request = SpeechRequest::new("Mira 1234");
    request.language = Some("qqq".to_owned());
    let spoken = try_speak(&programs, &request).await.unwrap();
    assert!(spoken.made.warnings[0].contains("read as English"));
}

#[tokio::test]
async fn unknown_voices_are_refused_and_some_named() {
    let Some(programs) = espeak() else { return };
    for voice in ["nova", "espeak:qqq", "espeak:en-us+zz"] {
        let error = try_speak(&programs, &request(TEXT, Some(voice)))
            .await
            .err()
            .unwrap();
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::InvalidInput, "unknown_voice")
        );
        assert!(error.message().contains("espeak:en-us"));
    }
    // on no list of ours, but espeak-ng has it
    assert!(
        try_speak(&programs, &request(TEXT, Some("espeak:haw")))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn nothing_to_say_is_silence() {
    let Some(programs) = espeak() else { return };
    for text in ["", "* * *", "\u{0}"] {
        let spoken = try_speak(&programs, &SpeechRequest::new(text))
            .await
            .unwrap();
        assert_eq!(spoken.marks[0].end_ms, 200);
        assert_eq!(peak(&spoken, 0, 200), 0);
        assert!(spoken.made.warnings[0].contains("nothing to say"));
    }
}

#[tokio::test]
async fn text_is_never_an_option_a_file_or_markup() {
    let Some(programs) = espeak() else { return };
    for text in [
        "--help",
        "-f /etc/passwd",
        "[[h@l'oU]]",
        "<speak>Hi</speak>",
        "$(id); `id`",
    ] {
        let spoken = try_speak(&programs, &SpeechRequest::new(text))
            .await
            .unwrap();
        let seconds = spoken.marks[0].end_ms as f32 / 1_000.0;
        assert!((0.1..6.0).contains(&seconds), "{text}: {seconds}");
    }
}

#[tokio::test]
async fn without_programs_the_packages_are_named() {
    let none = Programs::find_in(OsStr::new(""));
    let error = try_speak(&none, &request(TEXT, None)).await.err().unwrap();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Configuration, "missing_program")
    );
    assert!(error.message().contains("espeak-ng") && error.message().contains("flite"));
}

#[tokio::test]
async fn long_texts_are_refused_before_anything_runs() {
    let none = Programs::find_in(OsStr::new(""));
    let error = try_speak(&none, &SpeechRequest::new("é".repeat(2_001)))
        .await
        .err()
        .unwrap();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::LimitExceeded, "text_too_long")
    );
}

#[tokio::test]
async fn every_english_voice_speaks_a_group_in_one_process() {
    let Some(programs) = espeak() else { return };
    for voice in voices::available(&programs) {
        let english = voice.languages[0].starts_with("en") && voice.id.starts_with("espeak");
        if !english {
            continue;
        }
        let (synthesizer, _) = synthesizer::choose(&programs, &request(TEXT, Some(&voice.id)))
            .await
            .unwrap();
        let parts = synthesizer
            .say_together(&["One.", "Two, three.", "Four!"])
            .await
            .unwrap();
        assert_eq!(parts.map(|parts| parts.len()), Some(3), "{}", voice.id);
    }
}
