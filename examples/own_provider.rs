//! A provider of your own, in five minutes: every text is spoken as a tone of its length.
//!
//! `cargo run -p litink-examples --example own_provider`

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use litink_core::{
    Actor, Error, ErrorKind, LOCAL_USER, Result,
    audio::{
        Pcm,
        wav::{WavTags, to_bytes},
    },
    engine::{Engine, RunSpec, WorkerOptions},
    provider::{
        CallContext, GenerationProvider, Input, Media, Operation, Output, ProviderCapabilities,
        Reply, Request, SpeechCapabilities,
    },
};
use tokio_util::sync::CancellationToken;

#[derive(Debug)]
struct Hum {
    capabilities: Arc<ProviderCapabilities>,
}

impl Hum {
    fn new() -> Self {
        let mut capabilities = ProviderCapabilities::default();
        capabilities.speech = Some(SpeechCapabilities::default());
        Self {
            capabilities: Arc::new(capabilities),
        }
    }
}

#[async_trait]
impl GenerationProvider for Hum {
    fn name(&self) -> &str {
        "hum"
    }

    fn capabilities(&self, _model: Option<&str>) -> Arc<ProviderCapabilities> {
        Arc::clone(&self.capabilities)
    }

    async fn generate(&self, request: &Request, _context: &CallContext) -> Result<Reply> {
        let Input::Speech(speech) = &request.input else {
            return Err(Error::new(ErrorKind::Unsupported, "humming is all it does"));
        };
        let length = speech.text.chars().count() * 400;
        let wave = |i: usize| ((i as f64 * 0.05).sin() * 8_000.0) as i16;
        let pcm = Pcm {
            sample_rate: 24_000,
            samples: (0..length).map(wave).collect(),
        };
        let audio = Media::bytes("audio/wav", to_bytes(&pcm, &WavTags::default())?);
        Ok(Reply::done(Output::Speech {
            audio,
            marks: Vec::new(),
        }))
    }

    async fn poll(&self, operation: &Operation, _context: &CallContext) -> Result<Reply> {
        Err(Error::not_found("operation", &operation.id)) // It always finishes at once.
    }

    async fn cancel(&self, _operation: &Operation, _context: &CallContext) -> Result<()> {
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let me = Actor::User(LOCAL_USER);
    let engine = Engine::builder().provider(Arc::new(Hum::new())).build();
    let worker = engine.worker(WorkerOptions::default());
    tokio::spawn(worker.run(CancellationToken::new(), CancellationToken::new()));

    let sample = Path::new("examples/books/the-lamplighters-map.txt");
    let book = engine.import_file(me, sample).await?.book;
    let options = serde_json::json!({ "provider": "hum", "formats": ["wav", "vtt"] });
    let run = engine
        .start(me, &RunSpec::audiobook(book.id()).options(options), None)
        .await?
        .run;
    engine.wait(me, run.id()).await?;
    for export in engine.exports(me, run.id()).await? {
        println!("{} {} bytes", export.file_name, export.bytes);
    }
    Ok(())
}
