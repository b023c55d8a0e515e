//! Scanned pages read by the tesseract program. It is not linked, and litink works without it.

use std::{
    ffi::OsString,
    num::NonZero,
    path::{Path, PathBuf},
    thread,
};

use async_trait::async_trait;
use litink_core::{
    Error, ErrorKind, Result,
    ocr::{Ocr, OcrLine, PageImage},
};
use quick_xml::{Reader, events::BytesStart, events::Event};

use crate::process;

/// What a page may say, as tesseract writes it: a thousand times what a dense one does.
const PAGE_BYTES: u64 = 64 << 20;

/// The tesseract program (version 4 or later).
#[derive(Clone, Debug)]
pub struct Tesseract {
    program: PathBuf,
    languages: String,
}

impl Tesseract {
    /// The `tesseract` that stands in a folder of the `PATH` variable, for English.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] (code `tesseract_missing`), naming the package to install.
    pub fn find() -> Result<Self> {
        let program = process::find("tesseract").ok_or_else(|| {
            let message = "not installed, so scanned books are refused; as root: apt-get install \
                           tesseract-ocr";
            Error::new(ErrorKind::Configuration, message).with_code("tesseract_missing")
        })?;
        Ok(Self::new(program))
    }

    /// A certain program, for English.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            languages: "eng".into(),
        }
    }

    /// The languages to expect, as tesseract names them, with `+` between them. Default `eng`.
    #[must_use]
    pub fn with_languages(mut self, languages: impl Into<String>) -> Self {
        self.languages = languages.into();
        self
    }

    /// Whether it runs and has its languages; where it is and which they are.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] (code `tesseract_language_missing`), naming the package, and
    /// [`ErrorKind::Unavailable`] (code `program_failed`).
    pub async fn check(&self) -> Result<String> {
        let finished = process::run(&self.program, &["--list-langs".into()], b"", 65_536).await?;
        let listed = String::from_utf8_lossy(&finished.stdout);
        let has = |wanted: &&str| listed.lines().any(|line| line.trim() == *wanted);
        match self.languages.split('+').find(|it| !has(it)) {
            Some(missing) => Err(self.language_missing(missing)),
            None => Ok(format!("{} ({})", self.program.display(), self.languages)),
        }
    }

    fn language_missing(&self, language: &str) -> Error {
        let package = language.replace('_', "-").to_lowercase();
        Error::new(
            ErrorKind::Configuration,
            format!(
                "tesseract does not know the language `{language}`; as root: apt-get install \
                 tesseract-ocr-{package}, or correct `ocr_languages`"
            ),
        )
        .with_code("tesseract_language_missing")
        .with_context("program", self.program.display())
    }

    /// The program that is started.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }
}

#[async_trait]
impl Ocr for Tesseract {
    fn name(&self) -> &'static str {
        "tesseract"
    }

    /// As many as there are processors: a page keeps one of them busy.
    fn concurrency(&self) -> usize {
        thread::available_parallelism().map_or(1, NonZero::get)
    }

    async fn recognise(&self, page: PageImage) -> Result<Vec<OcrLine>> {
        let dpi = page.dpi.to_string();
        let arguments = ["stdin", "stdout", "-l", &self.languages, "--dpi", &dpi];
        let more = ["-c", "tessedit_create_hocr=1", "-c", "hocr_font_info=0"];
        let arguments: Vec<OsString> = arguments.iter().chain(&more).map(Into::into).collect();
        let picture = page.to_pgm();
        let finished = process::run(&self.program, &arguments, &picture, PAGE_BYTES).await?;
        if !finished.ok {
            if finished.stderr.contains("loading language") {
                self.check().await?;
            }
            return Err(process::failed(&self.program, "failed")
                .with_context("page", page.number)
                .with_source(finished.stderr));
        }
        let text = String::from_utf8_lossy(&finished.stdout);
        lines(&text).map_err(|error| {
            process::failed(&self.program, "wrote what is no hOCR")
                .with_context("page", page.number)
                .with_source(error)
        })
    }
}

/// The lines of a page in hOCR: spans of a class that begins with `ocr_`, of spans `ocrx_word`.
fn lines(hocr: &str) -> std::result::Result<Vec<OcrLine>, quick_xml::Error> {
    let mut reader = Reader::from_str(hocr);
    reader.config_mut().check_end_names = false;
    let (mut lines, mut sure): (Vec<OcrLine>, Vec<Vec<f32>>) = (Vec::new(), Vec::new());
    let mut in_word = false;
    loop {
        match reader.read_event()? {
            Event::Eof => break,
            Event::Start(tag) if tag.name().as_ref() == "span" => {
                let (class, title) = (attribute(&tag, "class"), attribute(&tag, "title"));
                in_word = class == "ocrx_word";
                match class.as_str() {
                    "ocrx_word" => {
                        let confidence = property(&title, "x_wconf").first().copied();
                        if let (Some(line), Some(sure)) = (lines.last_mut(), sure.last_mut()) {
                            line.text.push(' ');
                            sure.push(confidence.unwrap_or(0.0) / 100.0);
                        }
                    }
                    class if class.starts_with("ocr_") => {
                        lines.push(placed(&title));
                        sure.push(Vec::new());
                    }
                    _ => {}
                }
            }
            Event::End(tag) if tag.name().as_ref() == "span" => in_word = false,
            Event::Text(text) if in_word => {
                if let Some(line) = lines.last_mut() {
                    line.text.push_str(&text.xml10_content());
                }
            }
            Event::GeneralRef(entity) if in_word => {
                if let Some(line) = lines.last_mut() {
                    line.text.push_str(&character(&entity)?);
                }
            }
            _ => {}
        }
    }
    for (line, sure) in lines.iter_mut().zip(&sure) {
        line.text = line.text.split_whitespace().collect::<Vec<_>>().join(" ");
        line.confidence = sure.iter().sum::<f32>() / sure.len().max(1) as f32;
    }
    lines.retain(|line| !line.text.is_empty());
    Ok(lines)
}

/// What an entity stands for.
fn character(
    entity: &quick_xml::events::BytesRef<'_>,
) -> std::result::Result<String, quick_xml::Error> {
    if let Some(character) = entity.resolve_char_ref()? {
        return Ok(character.to_string());
    }
    let known = quick_xml::escape::resolve_predefined_entity(entity);
    Ok(known.unwrap_or_default().to_owned())
}

/// A line where its properties say that it stands.
fn placed(title: &str) -> OcrLine {
    let mut line = OcrLine::new("");
    if let [left, top, right, bottom] = property(title, "bbox")[..] {
        (line.left, line.right) = (left, right);
        // Where the baseline is, from the lower left corner of the box.
        let drop = property(title, "baseline").get(1).copied().unwrap_or(0.0);
        line.baseline = bottom + drop;
        let size = property(title, "x_size").first().copied();
        line.size = size.unwrap_or(bottom - top);
    }
    line
}

/// The numbers of a property: 36, 92, 580 and 122 of `bbox 36 92 580 122; x_size 30`.
fn property(title: &str, name: &str) -> Vec<f32> {
    let own = title.split(';').find_map(|it| {
        let (key, numbers) = it.trim().split_once(' ')?;
        (key == name).then_some(numbers)
    });
    let numbers = own.unwrap_or_default().split_whitespace();
    numbers.filter_map(|it| it.parse().ok()).collect()
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> String {
    let found = tag.try_get_attribute(name).ok().flatten();
    found.map(|it| it.value.into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_with_their_place_and_how_sure_they_are() {
        let hocr = r#"<?xml version="1.0" encoding="UTF-8"?>
            <html><body><div class='ocr_page' title='image "stdin"; bbox 0 0 600 800; ppageno 0'>
            <p class='ocr_par'><span class='ocr_header' id='l1' title="bbox 10 20 110 50; baseline 0 -6; x_size 30; x_descenders 6">
            <span class='ocrx_word' title='bbox 10 20 60 50; x_wconf 90'>Fire</span>
            <span class='ocrx_word' title='bbox 70 20 110 50; x_wconf 70'><strong>&amp;</strong></span>
            <span class='ocrx_word' title='x_wconf 80'>ice&#39;s</span></span>
            <span class='ocr_line' title="bbox 1 2 3 4"><span class='ocrx_word'> </span></span></p></div></body></html>"#;
        let found = lines(hocr).unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
        let line = &found[0];
        assert_eq!(line.text, "Fire & ice's");
        assert_eq!(
            (line.left, line.right, line.baseline, line.size),
            (10.0, 110.0, 44.0, 30.0)
        );
        assert!((line.confidence - 0.8).abs() < 0.001);
        assert!(lines("no markup").unwrap().is_empty());
        assert!(lines("<span class='ocr_line' <").is_err());
    }
}
