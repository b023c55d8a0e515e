//! Speech, with the times of its characters.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use litink_core::{
    Result,
    provider::{CallContext, Generated, Media, Output, Request, SpeechMark, SpeechRequest},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::provider::{ElevenLabsProvider, audio, audio_of, format_of, segment};
use crate::vendor::{
    client::nonsense,
    marks::{Timed, marks},
};

/// Samples: MP3 begins with silence that its times do not count.
const FORMAT: &str = "pcm_24000";
/// The paces that the vendor takes.
const SPEEDS: (f64, f64) = (0.7, 1.2);

#[derive(Deserialize)]
struct Spoken {
    audio_base64: String,
    #[serde(default)]
    alignment: Option<Alignment>,
}

/// When each character is said, in seconds.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Alignment {
    characters: Vec<String>,
    character_start_times_seconds: Vec<f64>,
    character_end_times_seconds: Vec<f64>,
}

pub(super) async fn speak(
    provider: &ElevenLabsProvider,
    request: &Request,
    speech: &SpeechRequest,
    context: &CallContext,
) -> Result<Generated> {
    let mut warnings = Vec::new();
    let model = provider.model(request)?;
    let body = body(request, speech, model.as_deref(), &mut warnings);
    let voice = segment(provider.voice(speech.voice.as_deref())?);
    let timed = request.provider_options.get("timestamps") != Some(&Value::Bool(false));
    let path = match timed {
        true => format!("text-to-speech/{voice}/with-timestamps"),
        false => format!("text-to-speech/{voice}"),
    };
    let answer = provider.ask(&path, body, FORMAT, request, context).await?;
    let format = format_of(request, FORMAT);
    let (kind, bytes, found) = if timed {
        let spoken: Spoken = answer.json()?;
        let bytes = STANDARD.decode(spoken.audio_base64.trim());
        let (kind, bytes) = audio(&bytes.map_err(|_| nonsense())?, &format)?;
        let words = spoken.alignment.unwrap_or_default().words();
        let words = marks(&speech.text, &words);
        if words.is_empty() && !speech.text.trim().is_empty() {
            warnings.push("the vendor did not say when each word is spoken".to_owned());
        }
        (kind, bytes, of_sentences(words, &speech.sentences))
    } else {
        let (kind, bytes) = audio_of(&answer, &format)?;
        (kind, bytes, Vec::new())
    };
    let output = Output::Speech {
        audio: Media::bytes(kind, bytes),
        marks: found,
    };
    let chars = speech.text.chars().count() as u64;
    let mut made = provider.made(output, model, &answer, chars);
    made.warnings.extend(warnings);
    Ok(made)
}

fn body(
    request: &Request,
    speech: &SpeechRequest,
    model: Option<&str>,
    warnings: &mut Vec<String>,
) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("text".into(), json!(speech.text));
    if let Some(model) = model {
        body.insert("model_id".into(), json!(model));
    }
    if speech
        .style
        .as_deref()
        .is_some_and(|it| !it.trim().is_empty())
    {
        warnings.push("the vendor takes no direction in words: style is not used".to_owned());
    }
    let speed = speech.speed.filter(|it| (it - 1.0).abs() > f32::EPSILON);
    if let Some(speed) = speed {
        // As it is written, not as its bits are.
        let wanted: f64 = speed.to_string().parse().unwrap_or(1.0);
        let taken = wanted.clamp(SPEEDS.0, SPEEDS.1);
        if taken != wanted {
            warnings.push(format!("the vendor speaks at 0.7 to 1.2: speed is {taken}"));
        }
        body.insert("voice_settings".into(), json!({ "speed": taken }));
    }
    if request.variant > 0 {
        body.insert("seed".into(), json!(request.variant));
    }
    body
}

impl Alignment {
    /// Characters between spaces, with the time of the first and of the last.
    fn words(&self) -> Vec<Timed> {
        let times = self
            .character_start_times_seconds
            .iter()
            .zip(&self.character_end_times_seconds);
        let mut words: Vec<Timed> = Vec::new();
        let mut open = false;
        for (character, (&start, &end)) in self.characters.iter().zip(times) {
            if character.trim().is_empty() {
                open = false;
                continue;
            }
            match words.last_mut().filter(|_| open) {
                Some(word) => {
                    word.word.push_str(character);
                    word.end = end;
                }
                None => words.push(Timed {
                    word: character.clone(),
                    start,
                    end,
                }),
            }
            open = true;
        }
        words
    }
}

/// One mark for each sentence, from its first word to its last; the words', where no sentences are
/// named or one of them has no word.
fn of_sentences(words: Vec<SpeechMark>, sentences: &[(usize, usize)]) -> Vec<SpeechMark> {
    let of = |&(text_start, text_end): &(usize, usize)| {
        let inside = |it: &&SpeechMark| it.text_start >= text_start && it.text_start < text_end;
        let first = words.iter().find(inside)?;
        let last = words.iter().rev().find(inside)?;
        Some(SpeechMark {
            text_start,
            text_end,
            start_ms: first.start_ms,
            end_ms: last.end_ms,
        })
    };
    let found: Option<Vec<_>> = sentences.iter().map(of).collect();
    found.filter(|it| !it.is_empty()).unwrap_or(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alignment(text: &str) -> Alignment {
        let count = text.chars().count();
        Alignment {
            characters: text.chars().map(String::from).collect(),
            character_start_times_seconds: (0..count).map(|i| i as f64 * 0.1).collect(),
            character_end_times_seconds: (1..=count).map(|i| i as f64 * 0.1).collect(),
        }
    }

    #[test]
    fn characters_become_words_and_words_become_sentences() {
        let text = "Où est Zoë? Là.";
        let words = marks(text, &alignment(text).words());
        let found: Vec<_> = words
            .iter()
            .map(|it| &text[it.text_start..it.text_end])
            .collect();
        assert_eq!(found, ["Où", "est", "Zoë?", "Là."]);
        assert_eq!((words[1].start_ms, words[1].end_ms), (300, 600));
        let first = text.find('?').unwrap() + 1;
        let sentences = [(0, first), (first + 1, text.len())];
        let found = of_sentences(words.clone(), &sentences);
        let times: Vec<_> = found.iter().map(|it| (it.start_ms, it.end_ms)).collect();
        assert_eq!(times, [(0, 1_100), (1_200, 1_500)]);
        assert_eq!(of_sentences(words.clone(), &[]), words);
        // A sentence without a word: no half of a list.
        assert_eq!(of_sentences(words.clone(), &[(0, 3), (2, 3)]), words);
        // Lists of unlike length are no reason to fail.
        let mut short = alignment(text);
        short.character_end_times_seconds.truncate(2);
        assert_eq!(short.words().len(), 1);
    }
}
