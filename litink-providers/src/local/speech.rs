//! Speech with espeak-ng or flite, cut into sentences at the sample, so that marks are exact.

use std::{ops::Range, path::Path};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use litink_core::{
    Error, ErrorKind, Result,
    provider::{Generated, Media, Output, SpeechCapabilities, SpeechMark, SpeechRequest, Usage},
};
use tokio::sync::Semaphore;

use super::programs::Programs;

mod sentences;
mod spoken;
mod synthesizer;
mod voices;
mod wav;

use sentences::{Pause, Sentence};
use synthesizer::Synthesizer;
use wav::Pcm;

/// About two minutes of speech: a turn of a worker, not an afternoon.
const MAX_INPUT_CHARS: usize = 2_000;
/// A file of 16-bit mono speech beyond this (100 minutes at 22,050 Hz) is not text any more.
const MAX_AUDIO_BYTES: usize = 256 << 20;
/// Sentences for one process: starting one takes as long as speaking eight sentences. Not the number
/// of cores, for a sentence sounds a little different after another, and the bytes must be the same
/// on every machine.
const GROUP: usize = 12;
/// Where there is nothing to say: the silence in its place.
const SILENCE_MS: u64 = 200;

/// What speech there is with these programs.
pub(super) fn capabilities(programs: &Programs) -> SpeechCapabilities {
    let mut capabilities = SpeechCapabilities::default();
    capabilities.max_input_chars = MAX_INPUT_CHARS;
    capabilities.voices = voices::available(programs);
    capabilities.marks = true;
    capabilities
}

/// Speaks a text, sentence by sentence.
pub(super) async fn speak(
    programs: &Programs,
    slots: &Semaphore,
    request: &SpeechRequest,
) -> Result<Generated> {
    let chars = request.text.chars().count();
    check_length(chars)?;
    let sentences = sentences::split(&request.text, &request.sentences)?;
    let (synthesizer, mut warnings) = synthesizer::choose(programs, request).await?;
    let spoken = say_all(&synthesizer, slots, &request.text, &sentences).await?;
    if spoken.iter().all(Option::is_none) {
        warnings.push("there was nothing to say: the audio is silence".to_owned());
    }
    let (audio, marks) = join(&sentences, spoken, synthesizer.pace())?;
    warnings.extend(unused(request));
    Ok(generated(&synthesizer, audio, marks, chars, warnings))
}

fn check_length(chars: usize) -> Result<()> {
    if chars <= MAX_INPUT_CHARS {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::LimitExceeded,
        "the text is longer than the local provider speaks in one call; split it",
    )
    .with_code("text_too_long")
    .with_context("chars", chars)
    .with_context("limit", MAX_INPUT_CHARS))
}

fn unused(request: &SpeechRequest) -> Option<String> {
    let style = request.style.as_deref()?.trim();
    (!style.is_empty()).then(|| "the local voices take no direction: style is not used".to_owned())
}

/// One audio for each sentence, in their order; `None` where there is nothing to say.
async fn say_all(
    synthesizer: &Synthesizer,
    slots: &Semaphore,
    text: &str,
    sentences: &[Sentence],
) -> Result<Vec<Option<Pcm>>> {
    let readable: Vec<_> = sentences
        .iter()
        .map(|sentence| synthesizer.readable(&text[sentence.spoken.clone()]))
        .collect();
    let words: Vec<&str> = readable.iter().map(String::as_str).collect();
    let words: Vec<&str> = words.into_iter().filter(|w| !w.is_empty()).collect();
    let calls: Vec<_> = words
        .chunks(GROUP)
        .map(|group| say(synthesizer, slots, group))
        .collect();
    let said: Vec<Vec<Pcm>> = stream::iter(calls)
        .buffered(usize::from(u8::MAX))
        .try_collect()
        .await?;
    let mut said = said.into_iter().flatten();
    Ok(readable
        .iter()
        .map(|words| if words.is_empty() { None } else { said.next() })
        .collect())
}

async fn say(synthesizer: &Synthesizer, slots: &Semaphore, group: &[&str]) -> Result<Vec<Pcm>> {
    let _slot = slots.acquire().await.map_err(|_| Error::cancelled())?;
    synthesizer.say(group).await
}

/// Joins the sentences with pauses between them; the marks count samples, so they do not drift.
fn join(
    sentences: &[Sentence],
    spoken: Vec<Option<Pcm>>,
    pace: f32,
) -> Result<(Pcm, Vec<SpeechMark>)> {
    let rate = spoken
        .iter()
        .flatten()
        .next()
        .map_or(wav::DEFAULT_RATE, |pcm| pcm.rate);
    let mut audio = Pcm::new(rate);
    let mut marks = Vec::with_capacity(sentences.len());
    for (i, (sentence, speech)) in sentences.iter().zip(spoken).enumerate() {
        if i > 0 {
            audio.pause(pause_ms(sentence.pause_before, pace));
        }
        let start_ms = audio.millis();
        match speech {
            Some(speech) => audio.append(&speech)?,
            None => audio.pause(SILENCE_MS),
        }
        within_limit(&audio)?;
        marks.push(mark(&sentence.marked, start_ms, audio.millis()));
    }
    Ok((audio, marks))
}

fn mark(text: &Range<usize>, start_ms: u64, end_ms: u64) -> SpeechMark {
    SpeechMark {
        text_start: text.start,
        text_end: text.end,
        start_ms,
        end_ms,
    }
}

fn pause_ms(pause: Pause, pace: f32) -> u64 {
    let at_own_pace = match pause {
        Pause::Sentence => 300.0,
        Pause::Paragraph => 650.0,
    };
    (at_own_pace / pace) as u64
}

fn within_limit(audio: &Pcm) -> Result<()> {
    if audio.bytes() <= MAX_AUDIO_BYTES {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::LimitExceeded,
        "the speech is longer than is kept in memory; give it shorter texts",
    )
    .with_code("speech_too_long"))
}

fn generated(
    synthesizer: &Synthesizer,
    audio: Pcm,
    marks: Vec<SpeechMark>,
    chars: usize,
    warnings: Vec<String>,
) -> Generated {
    let mut usage = Usage::default();
    usage.input_chars = Some(chars as u64);
    usage.output_ms = Some(audio.millis());
    let audio = Media::bytes("audio/wav", Bytes::from(audio.into_wav()));
    let mut made = Generated::new(Output::Speech { audio, marks });
    made.model = Some(program_name(synthesizer.program()));
    made.usage = usage;
    made.warnings = warnings;
    made
}

fn program_name(program: &Path) -> String {
    let name = program.file_stem().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests;
