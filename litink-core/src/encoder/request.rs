//! What to encode, and what to say about it.

use bytes::Bytes;
use futures::{StreamExt, stream::BoxStream};
use serde::{Deserialize, Serialize};

use super::AudioFormat;
use crate::{Error, Result, audio};

/// Rates that every format can carry, perhaps after the encoder resampled them.
const SAMPLE_RATES: std::ops::RangeInclusive<u32> = 8_000..=96_000;

/// A picture block of FLAC ends at 16 MiB, and players give up long before.
const MAX_COVER_BYTES: usize = 15 << 20;

/// One audio file to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodeRequest {
    /// The kind of file.
    pub format: AudioFormat,
    /// Samples a second of the audio that comes in, 8,000 to 96,000 Hz. The file has the same rate,
    /// or the nearest that its format knows.
    pub sample_rate: u32,
    /// How many samples come in; at least 1.
    pub total_samples: u64,
    /// Thousand bits a second for M4B and MP3. `None` leaves it to the encoder: 64, at which one
    /// voice cannot be told from the original. Lossless formats ignore it.
    pub bitrate_kbps: Option<u32>,
    /// What the file says about itself.
    pub tags: AudiobookTags,
}

/// What an audiobook says about itself. Empty fields are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AudiobookTags {
    /// The book's title; also the album.
    pub title: String,
    /// Who wrote it, in the book's order. Joined with "; " where a format has one field.
    pub authors: Vec<String>,
    /// Who reads it: a person's or a voice's name.
    pub narrator: Option<String>,
    /// The language as a BCP 47 tag (`en`, `de-AT`).
    pub language: Option<String>,
    /// Who published it.
    pub publisher: Option<String>,
    /// When it was published: a year or an ISO 8601 date. Formats that only have a year take the
    /// first four digits in a row.
    pub published: Option<String>,
    /// What it is about, plain text.
    pub description: Option<String>,
    /// A remark, such as that the voice is synthetic.
    pub comment: Option<String>,
    /// The cover.
    pub cover: Option<CoverArt>,
    /// Where the chapters begin, in order. The first usually begins at 0.
    pub chapters: Vec<ChapterMark>,
}

impl AudiobookTags {
    /// The authors in one line, or `None` without any.
    #[must_use]
    pub fn artist(&self) -> Option<String> {
        Some(self.authors.join("; ")).filter(|artist| !artist.is_empty())
    }

    /// The year of publication: the first four digits in a row.
    #[must_use]
    pub fn year(&self) -> Option<&str> {
        let published = self.published.as_deref()?;
        let year = |at: usize| {
            let digits = published.get(at..at + 4)?;
            digits
                .bytes()
                .all(|byte| byte.is_ascii_digit())
                .then_some(digits)
        };
        (0..published.len()).find_map(year)
    }
}

/// A picture in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoverArt {
    /// `image/jpeg` or `image/png`.
    pub media_type: String,
    /// The picture's file, at most 15 MiB.
    pub bytes: Bytes,
}

impl CoverArt {
    fn is_what_it_says(&self) -> bool {
        match self.media_type.as_str() {
            "image/jpeg" => self.bytes.starts_with(b"\xff\xd8\xff"),
            "image/png" => self.bytes.starts_with(b"\x89PNG\r\n\x1a\n"),
            _ => false,
        }
    }
}

/// Where a chapter begins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChapterMark {
    /// The chapter's title. Players cut long ones: M4B keeps the first 255 bytes.
    pub title: String,
    /// Its first sample.
    pub start_samples: u64,
}

impl EncodeRequest {
    /// Checks what every encoder relies on.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) with code `empty_audio` (no
    /// samples), `bad_sample_rate`, `bad_chapters` (not in order, two at one sample, or beyond the
    /// end) or `bad_cover` (neither JPEG nor PNG, or too large).
    pub fn validate(&self) -> Result<()> {
        if self.total_samples == 0 {
            return Err(Error::invalid("empty_audio", "there is no audio to encode"));
        }
        if !SAMPLE_RATES.contains(&self.sample_rate) {
            let message = "the sample rate must be from 8000 to 96000 Hz";
            return Err(
                Error::invalid("bad_sample_rate", message).with_context("hz", self.sample_rate)
            );
        }
        self.validate_chapters()?;
        self.validate_cover()
    }

    fn validate_chapters(&self) -> Result<()> {
        let mut starts = self
            .tags
            .chapters
            .iter()
            .map(|chapter| chapter.start_samples);
        let in_order = starts.clone().is_sorted_by(|a, b| a < b);
        let inside = starts
            .next_back()
            .is_none_or(|last| last < self.total_samples);
        if in_order && inside {
            return Ok(());
        }
        let message = "chapter marks must be in order, apart, and before the end of the audio";
        Err(Error::invalid("bad_chapters", message))
    }

    fn validate_cover(&self) -> Result<()> {
        let Some(cover) = &self.tags.cover else {
            return Ok(());
        };
        if cover.is_what_it_says() && cover.bytes.len() <= MAX_COVER_BYTES {
            return Ok(());
        }
        Err(Error::invalid(
            "bad_cover",
            "the cover must be a JPEG or a PNG of at most 15 MiB",
        )
        .with_context("bytes", cover.bytes.len()))
    }

    /// When each chapter begins and ends, in milliseconds, and its title. Each ends where the next
    /// begins, the last at the end of the audio.
    #[must_use]
    pub fn chapters_ms(&self) -> Vec<(u64, u64, &str)> {
        let chapters = &self.tags.chapters;
        let starts = chapters.iter().map(|chapter| chapter.start_samples);
        let ends = starts.clone().skip(1).chain([self.total_samples]);
        let titles = chapters.iter().map(|chapter| chapter.title.as_str());
        starts
            .zip(ends)
            .zip(titles)
            .map(|((start, end), title)| (self.ms(start), self.ms(end), title))
            .collect()
    }

    /// The nearest millisecond of a sample.
    fn ms(&self, sample: u64) -> u64 {
        let rate = u128::from(self.sample_rate.max(1));
        let ms = (u128::from(sample) * 1000 + rate / 2) / rate;
        u64::try_from(ms).unwrap_or(u64::MAX)
    }

    /// How long the audio is.
    #[must_use]
    pub fn duration(&self) -> std::time::Duration {
        audio::duration_of(self.total_samples, self.sample_rate)
    }

    /// `pcm`, ending with an error of code `pcm_length` where it is longer or shorter than
    /// [`EncodeRequest::total_samples`] says.
    #[must_use]
    pub fn checked<'a>(&self, pcm: BoxStream<'a, Result<Bytes>>) -> BoxStream<'a, Result<Bytes>> {
        let expected = self.total_samples.saturating_mul(2);
        let end = futures::stream::once(async { Ok(None) });
        pcm.map(|chunk| chunk.map(Some))
            .chain(end)
            .scan(0u64, move |seen, chunk| {
                let checked = chunk.and_then(|chunk| count(seen, expected, chunk));
                std::future::ready(checked.transpose())
            })
            .boxed()
    }
}

/// Counts a chunk, or, at the end (`None`), compares what came with what should have come.
fn count(seen: &mut u64, expected: u64, chunk: Option<Bytes>) -> Result<Option<Bytes>> {
    *seen += chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
    let wrong = if chunk.is_some() {
        *seen > expected
    } else {
        *seen != expected
    };
    if wrong {
        let message = "the audio is not as long as the request says";
        return Err(Error::invalid("pcm_length", message)
            .with_context("expected_bytes", expected)
            .with_context("received_bytes", *seen));
    }
    Ok(chunk)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> EncodeRequest {
        EncodeRequest {
            format: AudioFormat::Wav,
            sample_rate: 22_050,
            total_samples: 44_100,
            bitrate_kbps: None,
            tags: AudiobookTags {
                chapters: vec![
                    ChapterMark {
                        title: "Eins".into(),
                        start_samples: 0,
                    },
                    ChapterMark {
                        title: "Zwei".into(),
                        start_samples: 22_061,
                    },
                ],
                ..AudiobookTags::default()
            },
        }
    }

    fn code(change: impl FnOnce(&mut EncodeRequest)) -> String {
        let mut request = request();
        change(&mut request);
        request.validate().unwrap_err().code().to_owned()
    }

    #[test]
    fn what_cannot_be_encoded_is_refused() {
        request().validate().unwrap();
        assert_eq!(code(|r| r.total_samples = 0), "empty_audio");
        assert_eq!(code(|r| r.sample_rate = 4_000), "bad_sample_rate");
        assert_eq!(code(|r| r.total_samples = 22_061), "bad_chapters");
        assert_eq!(
            code(|r| r.tags.chapters[1].start_samples = 0),
            "bad_chapters"
        );
        assert_eq!(code(|r| r.tags.chapters.reverse()), "bad_chapters");
        let gif = CoverArt {
            media_type: "image/jpeg".into(),
            bytes: Bytes::from_static(b"GIF89a"),
        };
        assert_eq!(code(|r| r.tags.cover = Some(gif)), "bad_cover");
    }

    #[test]
    fn chapters_are_rounded_to_milliseconds_and_end_at_the_next() {
        let request = request();
        assert_eq!(
            request.chapters_ms(),
            [(0, 1000, "Eins"), (1000, 2000, "Zwei")]
        );
    }

    #[test]
    fn the_year_is_found_in_what_books_say() {
        let year = |published: &str| {
            let tags = AudiobookTags {
                published: Some(published.into()),
                ..Default::default()
            };
            tags.year().map(str::to_owned)
        };
        assert_eq!(year("1813-01-28").as_deref(), Some("1813"));
        assert_eq!(year("Frühjahr 1813").as_deref(), Some("1813"));
        assert_eq!(year("813"), None);
        assert_eq!(year("äö"), None);
    }

    #[tokio::test]
    async fn the_length_of_the_stream_is_checked() {
        for (bytes, good) in [(4, true), (3, false), (5, false), (0, false)] {
            let mut request = request();
            request.total_samples = 2;
            let chunks = vec![Ok(Bytes::from(vec![0; bytes]))];
            let checked = request.checked(futures::stream::iter(chunks).boxed());
            let results: Vec<_> = checked.collect().await;
            assert_eq!(results.iter().all(Result::is_ok), good, "{bytes}");
        }
    }
}
