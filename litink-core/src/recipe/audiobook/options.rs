use std::{collections::BTreeSet, fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Error, Result, encoder::AudioFormat};

/// How to make an audiobook. Everything has a default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct AudiobookOptions {
    /// Who speaks: a registered provider. Default `local`, the draft that needs no key.
    pub provider: String,
    /// The provider's model; `None` for its own choice.
    pub model: Option<String>,
    /// The provider's voice; `None` for its first, or the one for the book's language.
    pub voice: Option<String>,
    /// BCP 47 tag of the text; `None` for the book's.
    pub language: Option<String>,
    /// How to speak, in words, for providers that take direction.
    pub style: Option<String>,
    /// 1.0 is the voice's own pace; 0.25 to 4.
    pub speed: Option<f32>,
    /// Which of the narrated chapters, from 1: `1-3,5`. `None` for all.
    pub chapters: Option<String>,
    /// Chapters alone, or front and back matter too. Default chapters.
    pub include: Include,
    /// Whether each chapter begins with its title. Default yes.
    pub titles: bool,
    /// Whether numbers, dates, units and abbreviations are put into words before they are spoken
    /// ([`text::speech::normalise`](crate::text::speech::normalise)), for voices that read them
    /// wrongly; subtitles then show the words. A language without rules is spoken as written.
    /// Default no: everything as written.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub normalise: bool,
    /// What to make. Default `m4b`, `vtt`, `srt`.
    pub formats: Vec<OutputFormat>,
    /// Of M4B and MP3, in kbit/s, 16 to 320. `None` for 64 (M4B) and 80 (MP3), plenty for a voice.
    pub bitrate_kbps: Option<u32>,
}

impl Default for AudiobookOptions {
    fn default() -> Self {
        Self {
            provider: "local".into(),
            model: None,
            voice: None,
            language: None,
            style: None,
            speed: None,
            chapters: None,
            include: Include::Chapters,
            titles: true,
            normalise: false,
            formats: vec![OutputFormat::M4b, OutputFormat::Vtt, OutputFormat::Srt],
            bitrate_kbps: None,
        }
    }
}

/// What is narrated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Include {
    /// The chapters of the work; where a book has none, everything.
    #[default]
    Chapters,
    /// Front and back matter, too.
    All,
}

/// A kind of file that the recipe makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum OutputFormat {
    /// AAC in MP4 with chapter marks and cover: what audiobook players want.
    M4b,
    /// MP3 with ID3v2 chapters and cover.
    Mp3,
    /// FLAC, lossless.
    Flac,
    /// WAV, lossless, made without any program.
    Wav,
    /// WebVTT subtitles.
    Vtt,
    /// SubRip subtitles.
    Srt,
}

impl OutputFormat {
    /// Every format.
    pub const ALL: &'static [Self] = &[
        Self::M4b,
        Self::Mp3,
        Self::Flac,
        Self::Wav,
        Self::Vtt,
        Self::Srt,
    ];

    /// Its name, which is its file ending.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::M4b => "m4b",
            Self::Mp3 => "mp3",
            Self::Flac => "flac",
            Self::Wav => "wav",
            Self::Vtt => "vtt",
            Self::Srt => "srt",
        }
    }

    /// The audio format, if it is audio.
    #[must_use]
    pub fn audio(self) -> Option<AudioFormat> {
        match self {
            Self::M4b => Some(AudioFormat::M4b),
            Self::Mp3 => Some(AudioFormat::Mp3),
            Self::Flac => Some(AudioFormat::Flac),
            Self::Wav => Some(AudioFormat::Wav),
            Self::Vtt | Self::Srt => None,
        }
    }

    /// Its media type.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::M4b => "audio/mp4",
            Self::Mp3 => "audio/mpeg",
            Self::Flac => "audio/flac",
            Self::Wav => "audio/wav",
            Self::Vtt => "text/vtt",
            Self::Srt => "application/x-subrip",
        }
    }
}

impl fmt::Display for OutputFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for OutputFormat {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|format| format.as_str() == text)
            .ok_or_else(|| {
                let all: Vec<_> = Self::ALL.iter().map(|format| format.as_str()).collect();
                bad_options(format!(
                    "there is no format `{text}`; take of {}",
                    all.join(", ")
                ))
            })
    }
}

impl AudiobookOptions {
    /// Reads options and checks them; null stands for all defaults.
    ///
    /// # Errors
    /// Code `bad_options`, naming what is wrong.
    pub fn parse(given: &Value) -> Result<Self> {
        let options: Self = match given {
            Value::Null => Self::default(),
            Value::Object(_) => {
                Self::deserialize(given).map_err(|error| bad_options(error.to_string()))?
            }
            _ => return Err(bad_options("options are a JSON object")),
        };
        options.check()?;
        Ok(options)
    }

    fn check(&self) -> Result<()> {
        if self.formats.is_empty() {
            return Err(bad_options(
                "`formats` is empty; name one of m4b, mp3, flac, wav, vtt, srt",
            ));
        }
        let unique: BTreeSet<_> = self.formats.iter().collect();
        if unique.len() != self.formats.len() {
            return Err(bad_options("`formats` names the same format twice"));
        }
        if self
            .speed
            .is_some_and(|speed| !(0.25..=4.0).contains(&speed))
        {
            return Err(bad_options("`speed` lies between 0.25 and 4"));
        }
        if self
            .bitrate_kbps
            .is_some_and(|rate| !(16..=320).contains(&rate))
        {
            return Err(bad_options("`bitrate_kbps` lies between 16 and 320"));
        }
        if let Some(chapters) = &self.chapters {
            parse_selection(chapters)?;
        }
        Ok(())
    }

    /// The places (from 0) of the chosen ones among `count` narrated chapters.
    ///
    /// # Errors
    /// Code `bad_options` where it names a chapter that the book does not have.
    pub fn select(&self, count: usize) -> Result<Vec<usize>> {
        let Some(text) = &self.chapters else {
            return Ok((0..count).collect());
        };
        let chosen = parse_selection(text)?;
        match chosen.last() {
            Some(last) if *last > count => Err(bad_options(format!(
                "`chapters` names chapter {last}, but the book has {count} to narrate"
            ))),
            _ => Ok(chosen.into_iter().map(|number| number - 1).collect()),
        }
    }
}

/// More chapters than any book has.
const MAX_CHAPTER: usize = 100_000;

/// `1-3,5` as numbers, sorted.
fn parse_selection(text: &str) -> Result<BTreeSet<usize>> {
    let wrong = || bad_options("`chapters` is a list of numbers and ranges such as 1-3,5");
    let number = |text: &str| {
        let number = text.trim().parse().ok()?;
        (1..=MAX_CHAPTER).contains(&number).then_some(number)
    };
    let mut chosen = BTreeSet::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = number(first).zip(number(last)).ok_or_else(wrong)?;
        if first > last {
            return Err(wrong());
        }
        chosen.extend(first..=last);
    }
    Ok(chosen)
}

fn bad_options(message: impl Into<String>) -> Error {
    Error::invalid("bad_options", message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn null_is_all_defaults_and_complete_options_stay_as_they_are() {
        let options = AudiobookOptions::parse(&Value::Null).unwrap();
        assert_eq!(options, AudiobookOptions::default());
        let again = AudiobookOptions::parse(&serde_json::to_value(&options).unwrap()).unwrap();
        assert_eq!(again, options);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let bad = [
            json!({"nonsense": 1}),
            json!({"formats": []}),
            json!({"formats": ["ogg"]}),
            json!({"formats": ["wav", "wav"]}),
            json!({"speed": 9}),
            json!({"bitrate_kbps": 1}),
            json!({"chapters": "0"}),
            json!({"chapters": "3-1"}),
            json!({"chapters": "a"}),
            json!({"chapters": "1-999999999999"}),
            json!([]),
        ];
        for given in bad {
            let error = AudiobookOptions::parse(&given).unwrap_err();
            assert_eq!(error.code(), "bad_options", "{given}");
        }
    }

    #[test]
    fn chapters_are_chosen_by_number() {
        let select = |text: &str, count| {
            let options = AudiobookOptions {
                chapters: Some(text.into()),
                ..AudiobookOptions::default()
            };
            options.select(count)
        };
        assert_eq!(select("1-3,5", 5).unwrap(), [0, 1, 2, 4]);
        assert_eq!(select("2, 1", 2).unwrap(), [0, 1]);
        assert_eq!(select("6", 5).unwrap_err().code(), "bad_options");
    }
}
