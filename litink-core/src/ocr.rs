//! Reading what is written on pictures of pages.

use std::fmt;

use async_trait::async_trait;

use crate::Result;

/// A reader of pages that are pictures, such as a program or a vendor of OCR.
///
/// An engine that has one ([`EngineBuilder::ocr`](crate::engine::EngineBuilder::ocr)) reads scanned PDFs
/// with it; without one they are refused (`no_text_layer`).
///
/// ```
/// use async_trait::async_trait;
/// use litink_core::{Result, ocr::{Ocr, OcrLine, PageImage}};
///
/// #[derive(Debug)]
/// struct Stamp;
///
/// #[async_trait]
/// impl Ocr for Stamp {
///     fn name(&self) -> &str {
///         "stamp"
///     }
///
///     async fn recognise(&self, page: PageImage) -> Result<Vec<OcrLine>> {
///         let mut line = OcrLine::new(format!("Page {}", page.number));
///         line.right = page.width as f32;
///         line.baseline = 60.0;
///         line.size = 50.0;
///         Ok(vec![line])
///     }
/// }
/// ```
#[async_trait]
pub trait Ocr: fmt::Debug + Send + Sync {
    /// Its name, as reports give it.
    fn name(&self) -> &str;

    /// How many pages it reads at once. Default 1.
    fn concurrency(&self) -> usize {
        1
    }

    /// Reads a page: its lines in reading order, columns one after the other. A page of pictures only
    /// has none.
    ///
    /// # Errors
    /// Any; the import of the book fails with it.
    async fn recognise(&self, page: PageImage) -> Result<Vec<OcrLine>>;
}

/// A page, upright and in shades of grey.
#[derive(Clone)]
#[non_exhaustive]
pub struct PageImage {
    /// Which of the file, from 1.
    pub number: u32,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// Pixels to an inch of the page.
    pub dpi: u32,
    /// A byte a pixel, row by row from the top: 0 is black, 255 white.
    pub luma: Vec<u8>,
}

impl PageImage {
    /// As a file that every picture program reads (PGM, Netpbm).
    #[must_use]
    pub fn to_pgm(&self) -> Vec<u8> {
        let header = format!("P5\n{} {}\n255\n", self.width, self.height);
        [header.as_bytes(), &self.luma].concat()
    }
}

impl fmt::Debug for PageImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PageImage")
            .field("number", &self.number)
            .field("width", &self.width)
            .field("height", &self.height)
            .field("dpi", &self.dpi)
            .finish_non_exhaustive()
    }
}

/// A line of a page. Lengths are in pixels of its picture, from the upper left.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct OcrLine {
    /// What it says.
    pub text: String,
    /// Where it begins.
    pub left: f32,
    /// Where it ends.
    pub right: f32,
    /// Where its letters stand.
    pub baseline: f32,
    /// The size of its type, from the highest letters to the lowest. Headings are known by it.
    pub size: f32,
    /// How sure the text is, 0 to 1.
    pub confidence: f32,
}

impl OcrLine {
    /// A line at the upper left, in type of 1 pixel, of which the reader is sure.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            left: 0.0,
            right: 0.0,
            baseline: 0.0,
            size: 1.0,
            confidence: 1.0,
        }
    }
}
