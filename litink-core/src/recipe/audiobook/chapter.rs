use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use super::{
    from_json,
    speak::{SpeakInput, SpeakOutput},
    to_json,
};
use crate::{
    Actor, Error, ErrorKind, Result,
    audio::{self, Joiner, Pcm},
    domain::Step,
    engine::{Asset, StepContext},
    provider::SpeechMark,
    recipe::StepOutput,
    storage::{Area, StorageExt, StorageKey},
    subtitle::Cue,
};

/// What a `chapter` step joins.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ChapterInput {
    pub(super) title: Option<String>,
    /// The keys of its `speak` steps, in order.
    pub(super) parts: Vec<String>,
}

/// What it made: raw samples, so that packages only put them end to end.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ChapterOutput {
    pub(super) title: Option<String>,
    /// Signed 16-bit little-endian samples, one channel.
    pub(super) samples_key: StorageKey,
    pub(super) samples: u64,
    pub(super) sample_rate: u32,
    /// JSON: a list of [`Cue`]s from the start of the chapter.
    pub(super) cues_key: StorageKey,
}

/// The largest audio of one part.
const MAX_PART_BYTES: u64 = 512 << 20;

/// A part as it was spoken.
struct Part {
    input: SpeakInput,
    pcm: Pcm,
    marks: Vec<SpeechMark>,
}

pub(super) async fn execute(step: &Step, context: &StepContext) -> Result<StepOutput> {
    let input: ChapterInput = from_json(&step.input)?;
    let parts = parts(&input, context).await?;
    let joined = tokio::task::spawn_blocking(move || join(parts))
        .await
        .map_err(|error| Error::internal("joining a chapter stopped").with_source(error))??;
    let key = |ending: &str| {
        let name = format!("{}.{ending}", step.key.replace('/', "-"));
        StorageKey::new(context.run().meta.owner, Area::Audio, context.run().id(), &name)
    };
    let (samples_key, cues_key) = (key("s16le"), key("cues.json"));
    let storage = context.engine().storage();
    let cues = Bytes::from(to_json(&joined.cues)?.to_string());
    storage.put_bytes(Actor::Worker, &samples_key, bytes(&joined.pcm), "audio/L16").await?;
    storage.put_bytes(Actor::Worker, &cues_key, cues, "application/json").await?;
    StepOutput::new(ChapterOutput {
        title: input.title,
        samples_key,
        samples: joined.pcm.samples.len() as u64,
        sample_rate: joined.pcm.sample_rate,
        cues_key,
    })
}

async fn parts(input: &ChapterInput, context: &StepContext) -> Result<Vec<Part>> {
    let steps = context.completed(&input.parts).await?;
    let outputs: Vec<SpeakOutput> =
        steps.iter().map(|step| from_json(&step.output)).collect::<Result<_>>()?;
    let ids: Vec<_> = outputs.iter().map(|output| output.generation).collect();
    let assets = context.assets(&ids).await?;
    let mut parts = Vec::with_capacity(steps.len());
    for (step, asset) in steps.iter().zip(assets) {
        let Asset::Speech { audio, marks, .. } = asset else {
            return Err(Error::new(ErrorKind::Corrupt, "a stored generation is not speech"));
        };
        let storage = context.engine().storage();
        let bytes = storage.get_bytes(Actor::Worker, &audio.key, MAX_PART_BYTES).await?;
        let decoded = tokio::task::spawn_blocking(move || {
            audio::decode(&bytes, Some(&audio.media_type))
        });
        let pcm = decoded
            .await
            .map_err(|error| Error::internal("decoding stopped").with_source(error))??;
        parts.push(Part { input: from_json(&step.input)?, pcm, marks });
    }
    Ok(parts)
}

struct Joined {
    pcm: Pcm,
    cues: Vec<Cue>,
}

fn join(parts: Vec<Part>) -> Result<Joined> {
    let mut joiner = Joiner::default();
    let mut spoken = Vec::with_capacity(parts.len());
    for Part { input, pcm, marks } in parts {
        joiner.push(pcm, input.ends)?;
        spoken.push((input, marks));
    }
    let joined = joiner.finish()?;
    let mut cues = Vec::new();
    for ((input, marks), span) in spoken.iter().zip(&joined.spans) {
        cues.extend(cues_of(input, marks, span, joined.pcm.sample_rate));
    }
    Ok(Joined { pcm: joined.pcm, cues })
}

/// One cue a sentence: by the provider's marks where it gave them, else in proportion to the
/// characters within the measured part.
fn cues_of(
    input: &SpeakInput,
    marks: &[SpeechMark],
    span: &audio::PartSpan,
    sample_rate: u32,
) -> Vec<Cue> {
    let by_marks = marks.len() == input.sentences.len();
    let total: usize = input.text.chars().count().max(1);
    input
        .sentences
        .iter()
        .enumerate()
        .filter_map(|(i, &(start, end))| {
            let text = input.text.get(start..end)?.split_whitespace().collect::<Vec<_>>().join(" ");
            let (from, to) = if by_marks {
                (span.at_ms(marks[i].start_ms, sample_rate), span.at_ms(marks[i].end_ms, sample_rate))
            } else {
                let share = |byte: usize| {
                    let before = input.text.get(..byte).map_or(0, |text| text.chars().count());
                    span.at_share(before as f64 / total as f64)
                };
                (share(start), share(end))
            };
            (!text.is_empty() && from < to).then(|| Cue {
                start: time(from, sample_rate),
                end: time(to, sample_rate),
                text,
            })
        })
        .collect()
}

pub(super) fn time(samples: u64, sample_rate: u32) -> Duration {
    Duration::from_nanos(samples.saturating_mul(1_000_000_000) / u64::from(sample_rate.max(1)))
}

fn bytes(pcm: &Pcm) -> Bytes {
    let mut bytes = BytesMut::with_capacity(pcm.samples.len() * 2);
    for sample in &pcm.samples {
        bytes.put_i16_le(*sample);
    }
    bytes.freeze()
}
