//! The program, the voice and the pace of one request.

use std::{ffi::OsString, path::Path, path::PathBuf};

use litink_core::{Error, ErrorKind, Result, ResultExt, provider::SpeechRequest};

use super::{
    Programs, spoken,
    voices::{self, Named},
    wav::Pcm,
};
use crate::{local::programs::Program, process};

/// Words a minute at speed 1.0: espeak-ng's own 175 is brisk for a book.
const WORDS_PER_MINUTE: f32 = 165.0;
/// espeak-ng goes no slower.
const FEWEST_WORDS_PER_MINUTE: f32 = 80.0;
/// Between sentences of one process. espeak-ng's own pauses are at most 1.3 s, at its slowest.
const BREAK: &str = "<break time=\"3000ms\"/>";
const LEAST_BREAK_MS: u64 = 2_500;
/// Beyond 450 words a minute espeak-ng presses the audio together, breaks and all.
const MOST_PACE_WITH_BREAKS: f32 = 2.5;
/// 25 minutes of a sentence at 22,050 Hz.
const SENTENCE_BYTES: u64 = 64 << 20;

/// Speaks sentences, all with one voice.
#[derive(Debug)]
pub(super) struct Synthesizer {
    program: PathBuf,
    voice: Named,
    pace: f32,
}

/// Chooses by voice, else by language. Also returns what could not be honoured.
pub(super) async fn choose(
    programs: &Programs,
    request: &SpeechRequest,
) -> Result<(Synthesizer, Vec<String>)> {
    let asked_pace = checked_pace(request.speed)?;
    let mut warnings = Vec::new();
    let (program, voice) = match &request.voice {
        Some(id) => by_id(programs, id).await?,
        None => by_language(programs, request.language.as_deref(), &mut warnings).await?,
    };
    let slowest = FEWEST_WORDS_PER_MINUTE / WORDS_PER_MINUTE;
    let pace = match voice {
        Named::Espeak(_) if asked_pace < slowest => {
            warnings.push(format!("espeak-ng is not slower than {slowest:.2}"));
            slowest
        }
        _ => asked_pace,
    };
    let synthesizer = Synthesizer {
        program,
        voice,
        pace,
    };
    if synthesizer.loses_letters(&request.text) {
        warnings.push("flite reads English letters only: others are left out".to_owned());
    }
    Ok((synthesizer, warnings))
}

fn checked_pace(speed: Option<f32>) -> Result<f32> {
    let speed = speed.unwrap_or(1.0);
    if (0.25..=4.0).contains(&speed) {
        return Ok(speed);
    }
    Err(Error::invalid(
        "bad_speed",
        "speed is a number from 0.25 to 4; 1 is the voice's own pace",
    ))
}

async fn by_id(programs: &Programs, id: &str) -> Result<(PathBuf, Named)> {
    let voice = voices::parse(id)?;
    match &voice {
        Named::Flite(_) => Ok((path(&programs.flite)?, voice)),
        Named::Espeak(name) => {
            let program = path(&programs.espeak_ng)?;
            let language = name.split_once('+').map_or(name.as_str(), |(l, _)| l);
            if !speaks(&program, language).await? {
                return Err(voices::unknown());
            }
            Ok((program, voice))
        }
    }
}

async fn by_language(
    programs: &Programs,
    language: Option<&str>,
    warnings: &mut Vec<String>,
) -> Result<(PathBuf, Named)> {
    let tag = language.unwrap_or("en").to_ascii_lowercase();
    let tag = tag.replace('_', "-");
    let primary = tag.split('-').next().unwrap_or_default();
    let Some(program) = programs.espeak_ng.path.clone() else {
        if primary != "en" {
            warnings.push("flite speaks English only; espeak-ng has this language".to_owned());
        }
        return Ok((either_path(&programs.flite)?, Named::Flite("slt")));
    };
    for candidate in [tag.as_str(), primary] {
        let candidate = if candidate == "en" {
            "en-us"
        } else {
            candidate
        };
        if voices::is_tag(candidate) && speaks(&program, candidate).await? {
            return Ok((program, Named::Espeak(candidate.to_owned())));
        }
    }
    warnings.push("espeak-ng does not have this language: it is read as English".to_owned());
    Ok((program, Named::Espeak("en-us".to_owned())))
}

/// Whether espeak-ng has a language: asks it about those that are not on the list.
async fn speaks(program: &Path, language: &str) -> Result<bool> {
    if voices::is_listed(language) {
        return Ok(true);
    }
    let arguments = ["-v", language, "-q", "--stdin"].map(OsString::from);
    let finished = process::run(program, &arguments, b"", 4_096).await?;
    Ok(finished.ok)
}

fn path(program: &Program) -> Result<PathBuf> {
    program.path.clone().ok_or_else(|| {
        let Program { name, package, .. } = program;
        missing(format!(
            "this voice needs the program {name}: apt-get install {package}, or name another voice"
        ))
    })
}

fn either_path(program: &Program) -> Result<PathBuf> {
    program.path.clone().ok_or_else(|| {
        missing(
            "local speech needs the program espeak-ng or flite: apt-get install espeak-ng \
             (Debian's package; flite has the smaller one), or name another speech provider"
                .to_owned(),
        )
    })
}

fn missing(message: String) -> Error {
    Error::new(ErrorKind::Configuration, message).with_code("missing_program")
}

impl Synthesizer {
    pub(super) fn program(&self) -> &Path {
        &self.program
    }

    /// 1.0 for the voice's own pace.
    pub(super) fn pace(&self) -> f32 {
        self.pace
    }

    /// The text as this program can read it; empty when there is nothing to say.
    pub(super) fn readable(&self, text: &str) -> String {
        match self.voice {
            Named::Espeak(_) => spoken::for_espeak(text),
            Named::Flite(_) => spoken::for_flite(text).0,
        }
    }

    fn loses_letters(&self, text: &str) -> bool {
        matches!(self.voice, Named::Flite(_)) && spoken::for_flite(text).1
    }

    /// Speaks readable sentences; as many audios as there are sentences.
    pub(super) async fn say(&self, sentences: &[&str]) -> Result<Vec<Pcm>> {
        if sentences.len() > 1
            && let Some(parts) = self.say_together(sentences).await?
        {
            return Ok(parts);
        }
        let mut parts = Vec::with_capacity(sentences.len());
        for sentence in sentences {
            parts.push(self.say_one(sentence).await?);
        }
        Ok(parts)
    }

    async fn say_one(&self, words: &str) -> Result<Pcm> {
        let wav = match &self.voice {
            Named::Espeak(voice) => self.espeak(voice, words, &[]).await,
            Named::Flite(voice) => self.flite(voice, words).await,
        };
        let audio = wav.and_then(|wav| Pcm::from_wav(&wav));
        audio.map(Pcm::trimmed).operation("local.speech")
    }

    /// Sentences in one process, parted by a break that no sentence has within it. `None` where
    /// that does not give a part for each sentence, or the program does not do it.
    pub(super) async fn say_together(&self, sentences: &[&str]) -> Result<Option<Vec<Pcm>>> {
        let Named::Espeak(voice) = &self.voice else {
            return Ok(None);
        };
        if self.pace > MOST_PACE_WITH_BREAKS {
            return Ok(None);
        }
        let escaped: Vec<_> = sentences
            .iter()
            .map(|words| format!("<s>{}</s>", words.replace('&', "&amp;")))
            .collect();
        let markup = format!("<speak>{}</speak>", escaped.join(BREAK));
        let wav = self.espeak(voice, &markup, &["-m"]).await;
        let audio = wav
            .and_then(|wav| Pcm::from_wav(&wav))
            .operation("local.speech")?;
        let parts = audio.parts(LEAST_BREAK_MS);
        Ok((parts.len() == sentences.len()).then_some(parts))
    }

    async fn espeak(&self, voice: &str, words: &str, more: &[&str]) -> Result<Vec<u8>> {
        let voice = voices::espeak_argument(voice);
        let words_per_minute = (WORDS_PER_MINUTE * self.pace).round().to_string();
        // -b 1: the text is UTF-8; -z: no pause at its end, ours follows
        let fixed = ["-b", "1", "-z", "--stdin", "--stdout"];
        let arguments: Vec<_> = ["-v", &voice, "-s", &words_per_minute]
            .iter()
            .chain(&fixed)
            .chain(more)
            .map(OsString::from)
            .collect();
        let finished =
            process::run(&self.program, &arguments, words.as_bytes(), SENTENCE_BYTES).await?;
        if !finished.ok {
            return Err(process::failed(&self.program, "failed").with_source(finished.stderr));
        }
        Ok(finished.stdout)
    }

    /// flite goes back to fill in the header of what it writes, so it needs a file.
    async fn flite(&self, voice: &str, words: &str) -> Result<Vec<u8>> {
        let file = tempfile::NamedTempFile::new()?;
        let stretch = format!("duration_stretch={}", 1.0 / self.pace);
        let mut arguments: Vec<OsString> = ["-voice", voice, "--setf", &stretch, "-o"]
            .iter()
            .map(OsString::from)
            .collect();
        arguments.push(file.path().into());
        let finished = process::run(&self.program, &arguments, words.as_bytes(), 4_096).await?;
        if !finished.ok {
            return Err(process::failed(&self.program, "failed").with_source(finished.stderr));
        }
        let size = file.as_file().metadata()?.len();
        if size > SENTENCE_BYTES {
            return Err(process::too_long(&self.program));
        }
        Ok(tokio::fs::read(file.path()).await?)
    }
}
