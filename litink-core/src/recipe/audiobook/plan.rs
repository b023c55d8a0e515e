use std::borrow::Cow;

use super::{
    AudiobookOptions, Include, chapter::ChapterInput, package::PackageInput, speak::SpeakInput,
    to_json,
};
use crate::{
    Error, ErrorKind, Result,
    domain::{Chapter, ChapterKind},
    recipe::{Plan, PlanInput, PlannedStep},
    text::{self, Paragraph},
};

/// The share of joining and encoding in the progress, against speaking: one part in so many.
const JOIN_SHARE: u64 = 20;

pub(super) fn plan(input: &PlanInput<'_>) -> Result<Plan> {
    let options = AudiobookOptions::parse(input.options)?;
    let Some(speech) = &input.provider.speech else {
        return Err(
            Error::new(ErrorKind::Unsupported, "this provider does not speak")
                .with_code("unsupported_modality")
                .with_context("provider", &options.provider),
        );
    };
    check_voice(&options, speech)?;
    let narrated = narrated(input.chapters, options.include);
    let chosen = options.select(narrated.len())?;
    let language = options
        .language
        .clone()
        .or_else(|| input.book.language.clone());
    let mut plan = Plan::default();
    let mut chapters = Vec::new();
    for place in chosen {
        let chapter = narrated[place];
        let spoken = Spoken {
            chapter,
            titles: options.titles,
            normalise: options.normalise,
            language: language.as_deref(),
        };
        if let Some(key) = spoken.plan(speech.max_input_chars.max(1), &mut plan)? {
            chapters.push(key);
        }
    }
    if chapters.is_empty() {
        return Err(Error::invalid(
            "nothing_to_narrate",
            "the chosen chapters hold no text; choose others, or `include` all",
        ));
    }
    let cover = input.book.cover_key.is_none().then(|| plan.draw_cover());
    plan.package(&options, &chapters, cover)?;
    Ok(plan)
}

fn check_voice(
    options: &AudiobookOptions,
    speech: &crate::provider::SpeechCapabilities,
) -> Result<()> {
    let Some(voice) = &options.voice else {
        return Ok(());
    };
    // An id with a colon is for the provider to judge: it may take more than it lists.
    if speech.voices.is_empty() || voice.contains(':') {
        return Ok(());
    }
    if speech.voices.iter().any(|known| known.id == *voice) {
        return Ok(());
    }
    let known: Vec<_> = speech
        .voices
        .iter()
        .map(|voice| voice.id.as_str())
        .collect();
    Err(
        Error::invalid("unknown_voice", format!("there is no voice `{voice}`"))
            .with_context("voices", known.join(", ")),
    )
}

fn narrated(chapters: &[Chapter], include: Include) -> Vec<&Chapter> {
    let of_the_work = |chapter: &&Chapter| chapter.kind == ChapterKind::Chapter;
    let any = chapters.iter().any(|chapter| of_the_work(&chapter));
    chapters
        .iter()
        .filter(|c| include == Include::All || !any || of_the_work(c))
        .collect()
}

/// A chapter as it is spoken.
struct Spoken<'a> {
    chapter: &'a Chapter,
    titles: bool,
    normalise: bool,
    language: Option<&'a str>,
}

impl Spoken<'_> {
    /// Plans the chapter's steps; `None` where there is nothing to say.
    fn plan(&self, max_chars: usize, plan: &mut Plan) -> Result<Option<String>> {
        let position = self.chapter.position;
        let title = self.title();
        let paragraphs: Vec<_> = title
            .iter()
            .map(|text| Paragraph {
                text,
                ends_scene: false,
            })
            .chain(text::paragraphs(&self.chapter.blocks))
            .filter(|paragraph| paragraph.text.chars().any(char::is_alphanumeric))
            .collect();
        let said: Vec<_> = paragraphs.iter().map(|p| self.said(p.text)).collect();
        let paragraphs: Vec<_> = paragraphs
            .iter()
            .zip(&said)
            .map(|(paragraph, text)| Paragraph { text, ..*paragraph })
            .collect();
        let chunks = text::chunks(&paragraphs, self.language, max_chars);
        if chunks.is_empty() {
            return Ok(None);
        }
        let (mut keys, mut characters) = (Vec::new(), 0);
        for (i, chunk) in chunks.into_iter().enumerate() {
            let chars = chunk.text.chars().count() as u64;
            let key = format!("speak/{position:04}/{i:04}");
            let input = SpeakInput {
                text: chunk.text,
                sentences: chunk
                    .sentences
                    .iter()
                    .map(|range| (range.start, range.end))
                    .collect(),
                ends: chunk.ends,
                language: self.language.map(str::to_owned),
            };
            plan.push(
                &key,
                "speak",
                Vec::new(),
                Some(self.chapter),
                chars,
                to_json(&input)?,
            );
            plan.calls += 1;
            characters += chars;
            keys.push(key);
        }
        plan.characters += characters;
        let key = format!("chapter/{position:04}");
        let input = ChapterInput {
            title: self.chapter.display_title(),
            parts: keys.clone(),
        };
        let weight = characters / JOIN_SHARE;
        plan.push(
            &key,
            "chapter",
            keys,
            Some(self.chapter),
            weight,
            to_json(&input)?,
        );
        Ok(Some(key))
    }

    /// A paragraph as it is spoken: as written, unless words were asked for.
    fn said<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match self.normalise {
            true => text::speech::normalise(text, self.language).text.into(),
            false => text.into(),
        }
    }

    fn title(&self) -> Option<String> {
        self.chapter
            .display_title()
            .filter(|_| self.titles)
            .map(|title| spoken_title(&title))
    }
}

/// A title is said as a sentence of its own.
fn spoken_title(title: &str) -> String {
    let closed = title.ends_with(['.', '!', '?', '…', ':', '。', '！', '？']);
    if closed {
        title.to_owned()
    } else {
        format!("{title}.")
    }
}

impl Plan {
    fn push(
        &mut self,
        key: &str,
        kind: &str,
        after: Vec<String>,
        chapter: Option<&Chapter>,
        weight: u64,
        input: serde_json::Value,
    ) {
        self.steps.push(PlannedStep {
            key: key.to_owned(),
            kind: kind.to_owned(),
            after,
            chapter_id: chapter.map(Chapter::id),
            weight,
            input,
        });
    }

    fn draw_cover(&mut self) -> String {
        let key = "cover".to_owned();
        self.push(&key, "cover", Vec::new(), None, 0, serde_json::Value::Null);
        key
    }

    fn package(
        &mut self,
        options: &AudiobookOptions,
        chapters: &[String],
        cover: Option<String>,
    ) -> Result<()> {
        let weight = self.characters / JOIN_SHARE;
        let mut packages = Vec::new();
        for format in &options.formats {
            let key = format!("package/{format}");
            let mut after = chapters.to_vec();
            let cover = cover.clone().filter(|_| format.audio().is_some());
            after.extend(cover.clone());
            let input = PackageInput {
                format: *format,
                chapters: chapters.to_vec(),
                cover,
            };
            let weight = if format.audio().is_some() { weight } else { 0 };
            self.push(&key, "package", after, None, weight, to_json(&input)?);
            packages.push(key);
        }
        // A cover that no format shows must still lead to the end.
        if options
            .formats
            .iter()
            .all(|format| format.audio().is_none())
        {
            packages.extend(cover);
        }
        self.push(
            "finish",
            "finish",
            packages,
            None,
            0,
            serde_json::Value::Null,
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        LOCAL_USER,
        domain::{Block, BlockKind, Book, Meta},
        provider::{ProviderCapabilities, SpeechCapabilities},
        recipe::{Recipe, audiobook::Audiobook},
        storage::{Area, StorageKey},
    };

    fn book(cover: bool) -> Book {
        let id = crate::BookId::derived(&[b"x"]);
        let key = StorageKey::new(LOCAL_USER, Area::Books, id, "x");
        serde_json::from_value(json!({
            "id": id, "owner": LOCAL_USER, "version": 1, "created_at": "2026-01-01T00:00:00Z",
            "updated_at": "2026-01-01T00:00:00Z", "state": "ready", "title": "T", "authors": [],
            "language": "en", "format": "text", "file_name": "t.txt", "file_key": key,
            "file_bytes": 1, "content_hash": "00", "chapter_count": 3, "char_count": 1,
            "warnings": [], "cover_key": cover.then_some(key),
        }))
        .unwrap()
    }

    fn chapter(position: u32, kind: ChapterKind, blocks: Vec<Block>) -> Chapter {
        let book = book(false).id();
        Chapter {
            meta: Meta::new(Chapter::id_of(book, position), LOCAL_USER),
            book_id: book,
            position,
            kind,
            number: (kind == ChapterKind::Chapter).then_some(position),
            title: None,
            section: None,
            char_count: 0,
            blocks,
        }
    }

    fn chapters() -> Vec<Chapter> {
        let text = |text: &str| Block::new(BlockKind::Paragraph, text);
        vec![
            chapter(0, ChapterKind::FrontMatter, vec![text("To my cat.")]),
            chapter(
                1,
                ChapterKind::Chapter,
                vec![
                    text("It rained. It rained all day."),
                    Block::new(BlockKind::SceneBreak, "* * *"),
                    text("Then it stopped."),
                    Block::new(BlockKind::Footnote, "Not spoken."),
                ],
            ),
            chapter(2, ChapterKind::Chapter, vec![text("The end.")]),
        ]
    }

    fn plan_with(options: Value, max_input_chars: usize) -> Result<Plan> {
        let speech = SpeechCapabilities {
            max_input_chars,
            ..SpeechCapabilities::default()
        };
        let provider = ProviderCapabilities {
            speech: Some(speech),
            ..ProviderCapabilities::default()
        };
        let options = Audiobook.options(&options)?;
        let (book, chapters) = (book(false), chapters());
        plan(&PlanInput {
            book: &book,
            chapters: &chapters,
            options: &options,
            provider: &provider,
        })
    }

    fn keys(plan: &Plan) -> Vec<&str> {
        plan.steps.iter().map(|step| step.key.as_str()).collect()
    }

    #[test]
    fn a_small_book_is_one_call_a_scene() {
        let plan = plan_with(Value::Null, 4096).unwrap();
        plan.validate().unwrap();
        assert_eq!(
            keys(&plan),
            [
                "speak/0001/0000",
                "speak/0001/0001",
                "chapter/0001",
                "speak/0002/0000",
                "chapter/0002",
                "cover",
                "package/m4b",
                "package/vtt",
                "package/srt",
                "finish"
            ]
        );
        assert_eq!(plan.calls, 3);
        let text = plan.steps[0].input["text"].as_str().unwrap();
        assert!(text.starts_with("Chapter 1."), "{text}");
        assert!(!text.contains("Not spoken"));
    }

    #[test]
    fn numbers_are_spoken_as_written_unless_words_are_asked_for() {
        let text = |options| {
            let plan = plan_with(options, 4096).unwrap();
            plan.steps[0].input["text"].as_str().unwrap().to_owned()
        };
        assert!(text(Value::Null).starts_with("Chapter 1."));
        let said = text(json!({"normalise": true}));
        assert!(said.starts_with("Chapter one."), "{said}");
        let russian = text(json!({"normalise": true, "language": "ru"}));
        assert!(russian.starts_with("Chapter 1."), "{russian}");
    }

    #[test]
    fn left_out_it_is_not_in_the_options_of_a_run() {
        let options = Audiobook.options(&Value::Null).unwrap();
        assert_eq!(options.get("normalise"), None);
        let options = Audiobook.options(&json!({"normalise": true})).unwrap();
        assert_eq!(options["normalise"], true);
    }

    #[test]
    fn long_chapters_are_cut_to_the_providers_limit() {
        let plan = plan_with(Value::Null, 20).unwrap();
        plan.validate().unwrap();
        for step in plan.steps.iter().filter(|step| step.kind == "speak") {
            assert!(step.input["text"].as_str().unwrap().chars().count() <= 20);
        }
        assert!(plan.calls > 3);
    }

    #[test]
    fn options_choose_the_chapters_and_refuse_what_is_not_there() {
        let plan = plan_with(json!({"chapters": "2", "formats": ["vtt"]}), 4096).unwrap();
        plan.validate().unwrap();
        assert_eq!(
            keys(&plan),
            [
                "speak/0002/0000",
                "chapter/0002",
                "cover",
                "package/vtt",
                "finish"
            ]
        );
        assert_eq!(plan_with(json!({"include": "all"}), 4096).unwrap().calls, 4);
        assert_eq!(
            plan_with(json!({"chapters": "9"}), 4096)
                .unwrap_err()
                .code(),
            "bad_options"
        );
    }

    #[test]
    fn a_provider_that_does_not_speak_is_refused_before_anything_is_made() {
        let (book, chapters, options) = (book(false), chapters(), Value::Null);
        let provider = ProviderCapabilities::default();
        let input = PlanInput {
            book: &book,
            chapters: &chapters,
            options: &options,
            provider: &provider,
        };
        assert_eq!(plan(&input).unwrap_err().code(), "unsupported_modality");
    }
}
