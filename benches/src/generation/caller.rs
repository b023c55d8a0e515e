//! Those who call, each a process of its own: bare reqwest, and litink.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use futures::{StreamExt, stream};
use litink_benches::{rig::Rig, stores::Backend};
use litink_core::{
    Error, GenerationId, Retry,
    cache::MemoryCache,
    provider::{
        CallContext, Deltas, GenerationProvider, Input, Message, Reply, Request, Role, TextRequest,
        layers::{Adaptive, CallRates, RateLimited},
    },
};
use litink_providers::{
    init_tls,
    openai::{Dialect, OpenAiConfig, OpenAiProvider, TextApi},
};
use serde_json::{Value, json};

use crate::{Result, process};

/// What `table` is given first to be this.
pub(crate) const CHILD: &str = "generation-caller";

/// Before what is measured: connections, and what is made once.
const WARM: usize = 256;
/// Calls at once.
const AT_ONCE: usize = 16;

/// Arguments: `reqwest` or `litink`; `calls`, `stream`, `memory`, `flat`, `quota` or `hits`; URL; how many.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let [who, what, url, count] = arguments else {
        return Err("wanted: reqwest|litink calls|stream|memory|flat|quota|hits URL COUNT".into());
    };
    let count: usize = count.parse().map_err(|_| format!("{count}: no number"))?;
    init_tls();
    let runtime = tokio::runtime::Runtime::new().map_err(|error| error.to_string())?;
    let said = runtime.block_on(async {
        match (&**who, &**what) {
            ("reqwest", _) => Bare::new(url)?.run(what, count).await,
            (_, "quota") => quota(url, count).await,
            (_, "hits") => hits(count).await,
            _ => Ours::new(url, what)?.run(what, count).await,
        }
    })?;
    println!("{said}");
    Ok(())
}

const PROMPT: &str = "Say in two sentences what happened to the lamp.";

/// Somebody who calls.
#[async_trait]
trait Calls: Send + Sync {
    async fn call(&self) -> Result<()>;

    async fn many(&self, count: usize, at_once: usize) -> Result<()> {
        let calls = stream::iter(0..count).map(|_| self.call());
        let mut calls = calls.buffer_unordered(at_once);
        while let Some(done) = calls.next().await {
            done?;
        }
        Ok(())
    }

    /// What so many calls need.
    async fn run(&self, what: &str, count: usize) -> Result<Value> {
        if what == "memory" {
            self.many(count, count).await?;
            return Ok(json!({ "peak_mb": process::memory_mb("self", "VmHWM")? }));
        }
        self.many(WARM.min(count), AT_ONCE).await?;
        let before = process::cpu("self")?;
        if what == "flat" {
            self.many(count / 10, AT_ONCE).await?;
            let early = process::memory_mb("self", "VmRSS")?;
            self.many(count - count / 10, AT_ONCE).await?;
            let late = process::memory_mb("self", "VmRSS")?;
            return Ok(json!({ "early_mb": early, "late_mb": late }));
        }
        self.many(count, AT_ONCE).await?;
        let used = process::cpu("self")?.saturating_sub(before);
        Ok(json!({ "cpu_us": used.as_secs_f64() * 1e6 / count as f64 }))
    }
}

/// No more than has to be: a request, and its answer as JSON.
struct Bare {
    client: reqwest::Client,
    url: String,
    stream: bool,
}

impl Bare {
    fn new(url: &str) -> Result<Self> {
        Ok(Self {
            client: reqwest::Client::new(),
            url: format!("{url}/chat/completions"),
            stream: false,
        })
    }

    async fn run(mut self, what: &str, count: usize) -> Result<Value> {
        self.stream = what == "stream";
        Calls::run(&self, what, count).await
    }
}

#[async_trait]
impl Calls for Bare {
    async fn call(&self) -> Result<()> {
        let text = |error: reqwest::Error| error.to_string();
        let body = json!({ "model": "m", "stream": self.stream,
                           "messages": [{ "role": "user", "content": PROMPT }] });
        let request = self.client.post(&self.url).bearer_auth("sk-none");
        let answer = request.json(&body).send().await.map_err(text)?;
        let bytes = answer.bytes().await.map_err(text)?;
        if !self.stream {
            let said: Value = serde_json::from_slice(&bytes).map_err(|it| it.to_string())?;
            if !said["choices"][0]["message"]["content"].is_string() {
                return Err("no answer".into());
            }
        }
        Ok(())
    }
}

/// The provider, with the layers that an engine puts around it or without.
struct Ours {
    provider: Arc<dyn GenerationProvider>,
    stream: bool,
}

fn provider(url: &str) -> Result<OpenAiProvider> {
    let text = |error: Error| error.to_string();
    let mut config = OpenAiConfig::new(url, None).map_err(text)?;
    config.dialect = Dialect::named("generic").ok_or("no dialect")?;
    config.text_api = TextApi::Chat;
    config.text_model = Some("m".into());
    config.max_concurrency = 1_000;
    OpenAiProvider::new(config).map_err(text)
}

fn request() -> Request {
    let mut text = TextRequest::default();
    text.messages = vec![Message {
        role: Role::User,
        text: PROMPT.into(),
    }];
    Request::new(Input::Text(text))
}

impl Ours {
    fn new(url: &str, what: &str) -> Result<Self> {
        Ok(Self {
            provider: Arc::new(provider(url)?),
            stream: what == "stream",
        })
    }
}

#[async_trait]
impl Calls for Ours {
    async fn call(&self) -> Result<()> {
        let mut context = CallContext::new(GenerationId::random());
        if self.stream {
            context.deltas = Some(Deltas::new(|_| {}));
        }
        let reply = self.provider.generate(&request(), &context).await;
        match reply.map_err(|error| error.to_string())? {
            Reply::Done(_) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    }
}

/// How much of an enforced quota is used in two minutes, and how many calls it refuses: `rpm` calls a
/// minute, for which many wait all the time.
async fn quota(url: &str, rpm: usize) -> Result<Value> {
    let mut rates = CallRates::default();
    rates.requests_per_minute = Some(rpm as u64);
    let adaptive = Adaptive::new(Arc::new(provider(url)?));
    let limited = RateLimited::new(Arc::new(adaptive), Arc::new(MemoryCache::default()), rates);
    let (made, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let time = Duration::from_secs(120);
    let begun = Instant::now();
    let one = || async {
        while begun.elapsed() < time {
            let context = CallContext::new(GenerationId::random());
            match limited.generate(&request(), &context).await {
                Ok(_) => {
                    made.fetch_add(1, Ordering::Relaxed);
                }
                Err(error) => {
                    if error.code() == "rate_limited" {
                        refused.fetch_add(1, Ordering::Relaxed);
                    }
                    // As a worker would: the step comes again.
                    let pause = match error.retry() {
                        Retry::After(pause) => pause,
                        _ => return Err(error.to_string()),
                    };
                    tokio::time::sleep(pause.min(Duration::from_secs(5))).await;
                }
            }
        }
        Ok(())
    };
    futures::future::try_join_all((0..AT_ONCE).map(|_| one())).await?;
    let (made, refused) = (made.into_inner() as f64, refused.into_inner() as f64);
    let most = rpm as f64 * begun.elapsed().as_secs_f64() / 60.0;
    Ok(json!({ "used_percent": made * 100.0 / most,
               "refused_percent": refused * 100.0 / (made + refused).max(1.0) }))
}

/// A generation that was made before, asked for again: rows and bytes in SQLite and a folder.
async fn hits(count: usize) -> Result<Value> {
    let text = |error: Error| error.to_string();
    let rig = Rig::open(Backend::Sqlite, Duration::ZERO)
        .await
        .map_err(text)?;
    let took = rig.hits(count).await.map_err(text)?;
    rig.close().await.map_err(text)?;
    Ok(json!({ "hit_us": took.as_secs_f64() * 1e6 / count as f64 }))
}
