use std::path::Path;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio_util::io::ReaderStream;

use super::{
    AudiobookOptions, OutputFormat, chapter::ChapterOutput, cover::CoverOutput, from_json,
};
use crate::{
    Error, ErrorKind, Result,
    audio::{
        duration_of,
        subtitle::{self, Cue, Layout},
    },
    domain::{Book, Export, Meta, Step},
    encoder::{AudioFormat, AudiobookTags, ChapterMark, CoverArt, EncodeRequest},
    engine::StepContext,
    recipe::StepOutput,
    repository::Change,
    storage::{Area, PutOptions, StorageExt, StorageKey},
};

/// What a `package` step makes a file of.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PackageInput {
    pub(super) format: OutputFormat,
    /// The keys of the `chapter` steps, in order.
    pub(super) chapters: Vec<String>,
    /// The key of the `cover` step, where the book has no cover of its own.
    pub(super) cover: Option<String>,
}

/// The largest cover that is put into a file.
const MAX_COVER_BYTES: u64 = 32 << 20;
/// The largest list of cues of one chapter.
const MAX_CUES_BYTES: u64 = 64 << 20;

pub(super) async fn execute(
    step: &Step,
    options: &AudiobookOptions,
    context: &StepContext,
) -> Result<StepOutput> {
    let input: PackageInput = from_json(&step.input)?;
    let steps = context.completed(&input.chapters).await?;
    let chapters: Vec<ChapterOutput> = steps
        .iter()
        .map(|step| from_json(&step.output))
        .collect::<Result<_>>()?;
    let book = context.book().await?;
    let package = Package {
        context,
        options,
        book,
        chapters,
        input,
    };
    let file = tempfile::Builder::new()
        .prefix("litink-")
        .suffix(&format!(".{}", package.input.format))
        .tempdir()?;
    let path = file
        .path()
        .join(format!("audiobook.{}", package.input.format));
    match package.input.format.audio() {
        Some(format) => package.encode(format, &path).await?,
        None => package.subtitles(&path).await?,
    }
    package.store(step, &path).await
}

/// Removes what was only made to be packaged.
pub(super) async fn finish(context: &StepContext) -> Result<StepOutput> {
    let run = context.run();
    let prefix = StorageKey::group_prefix(run.meta.owner, Area::Audio, run.id());
    context
        .engine()
        .storage()
        .delete_prefix(context.owner(), &prefix)
        .await?;
    Ok(StepOutput {
        audio_ms: 0,
        output: json!({}),
        changes: Vec::new(),
    })
}

struct Package<'a> {
    context: &'a StepContext,
    options: &'a AudiobookOptions,
    book: Book,
    chapters: Vec<ChapterOutput>,
    input: PackageInput,
}

impl Package<'_> {
    fn total_samples(&self) -> u64 {
        self.chapters.iter().map(|chapter| chapter.samples).sum()
    }

    fn sample_rate(&self) -> Result<u32> {
        let rate = self
            .chapters
            .first()
            .map_or(0, |chapter| chapter.sample_rate);
        if rate > 0
            && self
                .chapters
                .iter()
                .all(|chapter| chapter.sample_rate == rate)
        {
            return Ok(rate);
        }
        Err(Error::new(
            ErrorKind::Provider,
            "the provider spoke chapters at different sample rates",
        )
        .with_code("mixed_sample_rates"))
    }

    async fn encode(&self, format: AudioFormat, path: &Path) -> Result<()> {
        let request = EncodeRequest {
            format,
            sample_rate: self.sample_rate()?,
            total_samples: self.total_samples(),
            bitrate_kbps: self.options.bitrate_kbps,
            tags: self.tags().await?,
        };
        let encoder = self.context.engine().encoder(format)?;
        encoder.encode(&request, self.samples(), path).await
    }

    /// The samples of all chapters, end to end, read as they are needed.
    fn samples(&self) -> BoxStream<'_, Result<Bytes>> {
        let storage = self.context.engine().storage();
        futures::stream::iter(&self.chapters)
            .then(move |chapter| storage.get(self.context.owner(), &chapter.samples_key, None))
            .map_ok(|object| object.body)
            .try_flatten()
            .boxed()
    }

    async fn tags(&self) -> Result<AudiobookTags> {
        let mut start_samples = 0;
        let mut marks = Vec::with_capacity(self.chapters.len());
        for (chapter, number) in self.chapters.iter().zip(1..) {
            let title = chapter
                .title
                .clone()
                .unwrap_or_else(|| format!("Part {number}"));
            marks.push(ChapterMark {
                title,
                start_samples,
            });
            start_samples += chapter.samples;
        }
        let draft = self
            .context
            .engine()
            .provider(&self.options.provider)?
            .capabilities(None)
            .draft;
        let book = &self.book;
        let voice = self.options.voice.as_deref().unwrap_or("default voice");
        Ok(AudiobookTags {
            title: book.title.clone(),
            authors: book.authors.clone(),
            narrator: Some(format!("{} ({voice})", self.options.provider)),
            language: self
                .options
                .language
                .clone()
                .or_else(|| book.language.clone()),
            publisher: book.publisher.clone(),
            published: book.published.clone(),
            description: book.description.clone(),
            comment: draft.then(|| "Draft narration by litink's local provider.".to_owned()),
            cover: self.cover().await?,
            chapters: marks,
        })
    }

    async fn cover(&self) -> Result<Option<CoverArt>> {
        let key = match (&self.book.cover_key, &self.input.cover) {
            (Some(key), _) => Some(key.clone()),
            (None, Some(step)) => {
                let steps = self.context.completed(std::slice::from_ref(step)).await?;
                let drawn = steps
                    .first()
                    .map(|step| from_json::<CoverOutput>(&step.output));
                drawn
                    .transpose()?
                    .and_then(|drawn| drawn.image)
                    .map(|image| image.key)
            }
            (None, None) => None,
        };
        let Some(key) = key else { return Ok(None) };
        let media_type = if key.name().ends_with(".png") {
            "image/png"
        } else {
            "image/jpeg"
        };
        let storage = self.context.engine().storage();
        let bytes = storage
            .get_bytes(self.context.owner(), &key, MAX_COVER_BYTES)
            .await?;
        // Players know these two; a cover of another kind stays with the book.
        let known = key.name().ends_with(".png") || key.name().ends_with(".jpg");
        Ok(known.then(|| CoverArt {
            media_type: media_type.into(),
            bytes,
        }))
    }

    async fn subtitles(&self, path: &Path) -> Result<()> {
        let storage = self.context.engine().storage();
        let (mut cues, mut offset) = (Vec::new(), 0);
        for chapter in &self.chapters {
            let bytes = storage
                .get_bytes(self.context.owner(), &chapter.cues_key, MAX_CUES_BYTES)
                .await?;
            let of_chapter: Vec<Cue> = serde_json::from_slice(&bytes).map_err(|error| {
                Error::new(ErrorKind::Corrupt, "stored cues cannot be read").with_source(error)
            })?;
            let start = duration_of(offset, chapter.sample_rate);
            cues.extend(of_chapter.into_iter().map(|cue| Cue {
                start: cue.start + start,
                end: cue.end + start,
                text: cue.text,
            }));
            offset += chapter.samples;
        }
        let cues = subtitle::lay_out(&cues, Layout::default());
        let text = match self.input.format {
            OutputFormat::Srt => subtitle::to_srt(&cues),
            _ => subtitle::to_vtt(&cues),
        };
        Ok(tokio::fs::write(path, text).await?)
    }

    async fn store(&self, step: &Step, path: &Path) -> Result<StepOutput> {
        let run = self.context.run();
        let format = self.input.format;
        let file_name = format!("{}.{format}", file_name(&self.book.title));
        let content_hash = crate::content_hash(path).await?;
        // Named by what is in it: an attempt that was taken over, and writes late, replaces nothing.
        let name = format!("{}-{file_name}", crate::hash::short(&content_hash));
        let key = StorageKey::new(run.meta.owner, Area::Exports, run.id(), &name);
        let body = ReaderStream::with_capacity(tokio::fs::File::open(path).await?, 256 * 1024);
        let options = PutOptions::media_type(format.media_type());
        let body = body.map_err(Error::from).boxed();
        let stored = self
            .context
            .engine()
            .storage()
            .put(self.context.owner(), &key, body, &options)
            .await?;
        let duration = duration_of(self.total_samples(), self.sample_rate()?);
        let export = Export {
            meta: Meta::new(Export::id_of(run.id(), &file_name), run.meta.owner),
            run_id: run.id(),
            position: step.position,
            format: format.to_string(),
            file_name,
            media_type: format.media_type().into(),
            storage_key: key,
            bytes: stored.bytes,
            content_hash,
            duration_ms: format.audio().map(|_| duration.as_millis() as u64),
        };
        let output = json!({ "export": export.id() });
        Ok(StepOutput {
            audio_ms: 0,
            output,
            changes: vec![Change::insert(&export)?],
        })
    }
}

/// A title as a file's name, on every system: without separators and what shells and Windows trip
/// over, at most 100 bytes.
fn file_name(title: &str) -> String {
    let safe = |c: char| {
        if c.is_control() || "/\\:*?\"<>|".contains(c) {
            '-'
        } else {
            c
        }
    };
    let mut name: String = title.trim().chars().map(safe).collect();
    while name.len() > 100 {
        name.pop();
    }
    let name = name.trim_matches(['.', ' ']);
    if name.is_empty() {
        "audiobook".into()
    } else {
        name.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_become_names_that_every_system_takes() {
        assert_eq!(file_name("The Lamplighter's Map"), "The Lamplighter's Map");
        assert_eq!(file_name("../a/b: \"c\"?"), "-a-b- -c--");
        assert_eq!(file_name(" ... "), "audiobook");
        assert!(file_name(&"界".repeat(200)).len() <= 100);
    }
}
