use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{
    from_json,
    speak::{SpeakInput, SpeakOutput},
    to_json,
};
use crate::{
    Error, ErrorKind, Result,
    audio::{self, JoinOptions, Joiner, PartSpan, Pcm, SampleSpan, subtitle::Cue},
    domain::Step,
    engine::{Asset, StepContext},
    provider::SpeechMark,
    recipe::StepOutput,
    storage::{Area, StorageExt, StorageKey},
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
    let joined = tokio::task::spawn_blocking(move || join(parts)?.stored())
        .await
        .map_err(|error| Error::internal("joining a chapter stopped").with_source(error))??;
    // Named by what is in it: an attempt that was taken over, and writes late, replaces nothing.
    let key = |(_, hash): &(Bytes, String), ending: &str| {
        let stem = step.key.replace('/', "-");
        let name = format!("{stem}-{}.{ending}", crate::hash::short(hash));
        let run = context.run();
        StorageKey::new(run.meta.owner, Area::Audio, run.id(), &name)
    };
    let samples_key = key(&joined.samples, "s16le");
    let cues_key = key(&joined.cues, "cues.json");
    let storage = context.engine().storage();
    storage
        .put_bytes(context.owner(), &samples_key, joined.samples.0, "audio/L16")
        .await?;
    storage
        .put_bytes(
            context.owner(),
            &cues_key,
            joined.cues.0,
            "application/json",
        )
        .await?;
    StepOutput::new(ChapterOutput {
        title: input.title,
        samples_key,
        samples: joined.count,
        sample_rate: joined.sample_rate,
        cues_key,
    })
}

async fn parts(input: &ChapterInput, context: &StepContext) -> Result<Vec<Part>> {
    let steps = context.completed(&input.parts).await?;
    let outputs: Vec<SpeakOutput> = steps
        .iter()
        .map(|step| from_json(&step.output))
        .collect::<Result<_>>()?;
    let ids: Vec<_> = outputs.iter().map(|output| output.generation).collect();
    let assets = context.assets(&ids).await?;
    let mut parts = Vec::with_capacity(steps.len());
    for (step, asset) in steps.iter().zip(assets) {
        let Asset::Speech { audio, marks, .. } = asset else {
            return Err(Error::new(
                ErrorKind::Corrupt,
                "a stored generation is not speech",
            ));
        };
        let storage = context.engine().storage();
        let bytes = storage
            .get_bytes(context.owner(), &audio.key, MAX_PART_BYTES)
            .await?;
        let decoded = tokio::task::spawn_blocking(move || audio::decode(&bytes, &audio.media_type));
        let pcm = decoded
            .await
            .map_err(|error| Error::internal("decoding stopped").with_source(error))??;
        parts.push(Part {
            input: from_json(&step.input)?,
            pcm,
            marks,
        });
    }
    Ok(parts)
}

struct Joined {
    pcm: Pcm,
    cues: Vec<Cue>,
}

/// As it is stored: bytes, with their hashes.
struct Stored {
    samples: (Bytes, String),
    count: u64,
    sample_rate: u32,
    cues: (Bytes, String),
}

impl Joined {
    fn stored(self) -> Result<Stored> {
        let hashed = |bytes: Bytes| {
            let hash = blake3::hash(&bytes).to_string();
            (bytes, hash)
        };
        Ok(Stored {
            samples: hashed(self.pcm.to_le_bytes()),
            count: self.pcm.samples.len() as u64,
            sample_rate: self.pcm.sample_rate,
            cues: hashed(to_json(&self.cues)?.to_string().into()),
        })
    }
}

fn join(parts: Vec<Part>) -> Result<Joined> {
    let mut joiner = Joiner::new(JoinOptions::default());
    let mut spoken = Vec::with_capacity(parts.len());
    for Part { input, pcm, marks } in parts {
        let marks_ms = marks
            .iter()
            .map(|mark| (mark.start_ms, mark.end_ms))
            .collect();
        joiner.push(audio::Part {
            pcm,
            after: input.ends,
            marks_ms,
        })?;
        spoken.push(input);
    }
    let joined = joiner.finish()?;
    let rate = joined.pcm.sample_rate;
    let cues = spoken
        .iter()
        .zip(&joined.parts)
        .flat_map(|(input, part)| cues_of(input, part, rate));
    Ok(Joined {
        cues: cues.collect(),
        pcm: joined.pcm,
    })
}

/// One cue a sentence: by the provider's marks where it gave one for each, else in proportion to
/// the characters within the measured part.
fn cues_of(input: &SpeakInput, part: &PartSpan, sample_rate: u32) -> Vec<Cue> {
    let by_marks = part.marks.len() == input.sentences.len();
    let spans = input
        .sentences
        .iter()
        .enumerate()
        .map(|(i, &(start, end))| {
            let span = if by_marks {
                part.marks[i]
            } else {
                share(input, part, start, end)
            };
            (input.text.get(start..end).unwrap_or_default(), span)
        });
    spans
        .map(|(text, span)| Cue {
            start: audio::duration_of(span.start, sample_rate),
            end: audio::duration_of(span.end, sample_rate),
            text: text.split_whitespace().collect::<Vec<_>>().join(" "),
        })
        .filter(|cue| !cue.text.is_empty() && cue.start < cue.end)
        .collect()
}

/// The stretch of a part that these bytes of its text take up.
fn share(input: &SpeakInput, part: &PartSpan, start: usize, end: usize) -> SampleSpan {
    let total = input.text.chars().count().max(1) as u64;
    let at = |byte: usize| {
        let before = input
            .text
            .get(..byte)
            .map_or(0, |text| text.chars().count()) as u64;
        part.start + (part.end - part.start) * before / total
    };
    SampleSpan {
        start: at(start),
        end: at(end),
    }
}
