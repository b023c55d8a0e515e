//! What a scripted provider answers by itself: small, valid, and the same each time.

use std::{f64::consts::TAU, time::Duration};

use bytes::Bytes;

use super::{ScriptedProvider, unsupported};
use crate::{
    Error, Result,
    provider::{
        CallContext, Generated, Input, Media, Output, Request, SpeechMark, SpeechRequest, Usage,
    },
};

/// Samples per second: what most vendors of speech send.
const SAMPLE_RATE: u32 = 24_000;

impl ScriptedProvider {
    pub(super) async fn answer(
        &self,
        request: &Request,
        context: &CallContext,
    ) -> Result<Generated> {
        let mut generated = Generated::new(self.output(request, context).await?);
        generated.model = request.model.clone();
        generated.cost_nanos = self.cost_nanos;
        generated.usage = self.usage(&request.input);
        generated.request_id = Some("scripted".into());
        Ok(generated)
    }

    async fn output(&self, request: &Request, context: &CallContext) -> Result<Output> {
        Ok(match &request.input {
            Input::Text(_) => Output::Text {
                text: "A scripted sentence.".into(),
            },
            Input::Speech(speech) => self.speech(speech),
            Input::Image(_) => Output::Image {
                image: Media::bytes("image/png", tone_image()),
            },
            Input::Video(_) => return Err(unsupported()),
            Input::Transcription(transcription) => {
                let media = context.media.as_ref().ok_or_else(|| {
                    Error::internal("the call has no source of media to transcribe")
                })?;
                media.open(&transcription.audio).await?;
                Output::Transcription {
                    text: "A scripted transcript.".into(),
                    marks: Vec::new(),
                }
            }
            Input::Embedding(embedding) => {
                let length = embedding.dimensions.unwrap_or(8) as usize;
                let texts = embedding.texts.iter();
                Output::Embedding {
                    vectors: texts.map(|text| vector(text, length)).collect(),
                }
            }
            Input::Sound(sound) => {
                let time = Duration::from_millis(sound.duration_ms.unwrap_or(1_000));
                Output::Sound {
                    audio: Media::bytes("audio/wav", tone_wav(time, 220.0)),
                }
            }
        })
    }

    fn speech(&self, request: &SpeechRequest) -> Output {
        let pitch = match request.voice.as_deref() {
            Some("bass") => 110.0,
            _ => 220.0,
        };
        let time = self.time_of(&request.text);
        let marks = request
            .sentences
            .iter()
            .filter_map(|&(text_start, text_end)| {
                let at = |byte| Some(self.time_of(request.text.get(..byte)?));
                Some(SpeechMark {
                    text_start,
                    text_end,
                    start_ms: millis(at(text_start)?),
                    end_ms: millis(at(text_end)?),
                })
            });
        let wants_marks = self
            .capabilities
            .speech
            .as_ref()
            .is_some_and(|speech| speech.marks);
        Output::Speech {
            audio: Media::bytes("audio/wav", tone_wav(time, pitch)),
            marks: if wants_marks {
                marks.collect()
            } else {
                Vec::new()
            },
        }
    }

    fn time_of(&self, text: &str) -> Duration {
        let chars = text.chars().count() as u64;
        Duration::from_millis(chars.saturating_mul(self.ms_per_char))
    }

    fn usage(&self, input: &Input) -> Usage {
        let mut usage = Usage::default();
        match input {
            Input::Speech(speech) => {
                usage.input_chars = Some(speech.text.chars().count() as u64);
                usage.output_ms = Some(millis(self.time_of(&speech.text)));
            }
            Input::Image(_) => usage.images = Some(1),
            _ => {}
        }
        usage
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A vector that depends on the text alone, each component from 0 to 1.
fn vector(text: &str, length: usize) -> Vec<f32> {
    let mut bytes = vec![0; length];
    let mut reader = blake3::Hasher::new().update(text.as_bytes()).finalize_xof();
    reader.fill(&mut bytes);
    bytes
        .into_iter()
        .map(|byte| f32::from(byte) / 255.0)
        .collect()
}

/// A tone as a WAV file: mono, 16 bits, 24,000 samples per second, at a loudness that passes for
/// speech. At least a tenth of a second long, since nothing that is spoken is shorter.
#[must_use]
pub fn tone_wav(time: Duration, hz: f64) -> Bytes {
    const LEAST: Duration = Duration::from_millis(100);
    const AMPLITUDE: f64 = 8_000.0;
    let seconds = time.max(LEAST).as_secs_f64();
    let samples = (seconds * f64::from(SAMPLE_RATE)).round() as u32;
    let step = TAU * hz / f64::from(SAMPLE_RATE);
    let mut wav = wav_header(samples * 2);
    for i in 0..samples {
        let sample = (f64::from(i) * step).sin() * AMPLITUDE;
        wav.extend_from_slice(&(sample as i16).to_le_bytes());
    }
    wav.into()
}

fn wav_header(data_bytes: u32) -> Vec<u8> {
    let mut header = Vec::with_capacity(44 + data_bytes as usize);
    header.extend_from_slice(b"RIFF");
    header.extend_from_slice(&(36 + data_bytes).to_le_bytes());
    header.extend_from_slice(b"WAVEfmt ");
    header.extend_from_slice(&16u32.to_le_bytes());
    header.extend_from_slice(&1u16.to_le_bytes()); // PCM
    header.extend_from_slice(&1u16.to_le_bytes()); // mono
    header.extend_from_slice(&SAMPLE_RATE.to_le_bytes());
    header.extend_from_slice(&(SAMPLE_RATE * 2).to_le_bytes());
    header.extend_from_slice(&2u16.to_le_bytes());
    header.extend_from_slice(&16u16.to_le_bytes());
    header.extend_from_slice(b"data");
    header.extend_from_slice(&data_bytes.to_le_bytes());
    header
}

/// A PNG of one grey pixel.
#[must_use]
pub fn tone_image() -> Bytes {
    Bytes::from_static(
        b"\x89PNG\r\n\x1a\n\
        \0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0\x90wS\xde\
        \0\0\0\x0cIDAT\x78\xda\x63\x68\x68\x68\0\0\x03\x04\x01\x81\x75\x2e\x01\xbc\
        \0\0\0\0IEND\xaeB`\x82",
    )
}
