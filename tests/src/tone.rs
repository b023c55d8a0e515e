//! A provider of speech that is tones, and that writes down each call.

use std::{
    collections::HashMap,
    fs::OpenOptions,
    io::Write,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use litink_core::{
    Error, ErrorKind, Result,
    audio::{self, Pcm},
    provider::{
        CallContext, GenerationProvider, Input, Media, Operation, Output, ProviderCapabilities,
        Reply, Request, SpeechCapabilities,
    },
};

/// Speech as tones: 20 ms a character, pitched by its text, the same each time.
#[derive(Clone, Debug)]
pub struct ToneProvider {
    name: String,
    delay: Duration,
    capabilities: Arc<ProviderCapabilities>,
    log: Option<PathBuf>,
    fault: Fault,
    calls: Arc<Mutex<HashMap<String, u32>>>,
}

/// What goes wrong with each first call (or all, as it says).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Every call hangs for ever.
    Hang,
    /// Every reply is empty.
    Empty,
    /// Every reply is a WAV that breaks off in its header.
    Broken,
    /// Every reply is a whole WAV of silence.
    Silent,
    /// Every reply has marks far beyond its end.
    Lies,
    /// The first call of each text fails as overloaded.
    Flaky,
    /// Every call is refused for good.
    Refuses,
    /// The first call of each text panics.
    Panics,
}

impl ToneProvider {
    /// Answers after `delay`, taking at most `max_chars` a call.
    #[must_use]
    pub fn new(name: &str, delay: Duration, max_chars: usize) -> Self {
        let mut speech = SpeechCapabilities::default();
        speech.max_input_chars = max_chars;
        let mut capabilities = ProviderCapabilities::default();
        capabilities.speech = Some(speech);
        capabilities.max_concurrency = 1024;
        Self {
            name: name.to_owned(),
            delay,
            capabilities: Arc::new(capabilities),
            log: None,
            fault: Fault::None,
            calls: Arc::default(),
        }
    }

    /// Writes a line for each call to this file, which survives a kill.
    #[must_use]
    pub fn log(mut self, path: PathBuf) -> Self {
        self.log = Some(path);
        self
    }

    /// Goes wrong.
    #[must_use]
    pub fn fault(mut self, fault: Fault) -> Self {
        self.fault = fault;
        self
    }

    /// Calls by text.
    #[must_use]
    pub fn calls(&self) -> HashMap<String, u32> {
        self.calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn count(&self, text: &str) -> Result<u32> {
        if let Some(log) = &self.log {
            let mut log = OpenOptions::new().create(true).append(true).open(log)?;
            // One write, so that a kill leaves whole lines.
            log.write_all(format!("{}\n", key(text)).as_bytes())?;
        }
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let count = calls.entry(text.to_owned()).or_default();
        *count += 1;
        Ok(*count)
    }
}

/// What a call is called in the log.
#[must_use]
pub fn key(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex()[..16].to_owned()
}

#[async_trait]
impl GenerationProvider for ToneProvider {
    fn name(&self) -> &str {
        &self.name
    }

    fn capabilities(&self, _model: Option<&str>) -> Arc<ProviderCapabilities> {
        Arc::clone(&self.capabilities)
    }

    async fn generate(&self, request: &Request, _context: &CallContext) -> Result<Reply> {
        let Input::Speech(speech) = &request.input else {
            return Err(Error::new(ErrorKind::Unsupported, "tones are speech only"));
        };
        let count = self.count(&speech.text)?;
        tokio::time::sleep(self.delay).await;
        let (audio, marks) = match self.fault {
            Fault::Hang => std::future::pending().await,
            Fault::Empty => (Vec::new(), Vec::new()),
            Fault::Broken => (b"RIFF\x24\0\0\0WAVEfm".to_vec(), Vec::new()),
            Fault::Silent => (wav(&vec![0; 24_000])?, Vec::new()),
            Fault::Flaky if count == 1 => {
                return Err(Error::new(ErrorKind::Unavailable, "overloaded"));
            }
            Fault::Refuses => {
                return Err(Error::new(ErrorKind::Provider, "no").with_code("refused"));
            }
            Fault::Panics if count == 1 => panic!("a defect of the provider"),
            Fault::Lies => {
                let mark = litink_core::provider::SpeechMark {
                    text_start: 0,
                    text_end: speech.text.len(),
                    start_ms: 0,
                    end_ms: 3_600_000,
                };
                (spoken(&speech.text)?, vec![mark])
            }
            _ => (spoken(&speech.text)?, Vec::new()),
        };
        Ok(Reply::done(Output::Speech {
            audio: Media::bytes("audio/wav", audio),
            marks,
        }))
    }

    async fn poll(&self, operation: &Operation, _context: &CallContext) -> Result<Reply> {
        Err(Error::not_found("operation", &operation.id))
    }

    async fn cancel(&self, _operation: &Operation, _context: &CallContext) -> Result<()> {
        Ok(())
    }
}

const RATE: u32 = 24_000;

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a tone"
)]
fn tone(text: &str) -> Vec<i16> {
    let pitch = 200.0 + f64::from(blake3::hash(text.as_bytes()).as_bytes()[0]) * 2.0;
    let samples = text.chars().count() * RATE as usize / 50;
    let sample = |i: usize| {
        let phase = i as f64 / f64::from(RATE) * pitch * std::f64::consts::TAU;
        (phase.sin() * 9_000.0) as i16
    };
    (0..samples).map(sample).collect()
}

/// A text as a tone, a WAV.
pub(crate) fn spoken(text: &str) -> Result<Vec<u8>> {
    wav(&tone(text))
}

fn wav(samples: &[i16]) -> Result<Vec<u8>> {
    let pcm = Pcm {
        sample_rate: RATE,
        samples: samples.to_vec(),
    };
    Ok(audio::wav::to_bytes(&pcm, &audio::wav::WavTags::default())?.to_vec())
}
