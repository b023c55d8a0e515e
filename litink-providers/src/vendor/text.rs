//! A provider of text, made of what a vendor's interface differs in.

use std::{fmt, marker::PhantomData, sync::Arc};

use async_trait::async_trait;
use litink_core::{
    Error, ErrorKind, Result,
    provider::{
        CallContext, Estimate, Generated, GenerationProvider, Input, Modality, Operation, Output,
        ProviderCapabilities, Reply, Request, Spent, TextCapabilities, TextRequest, Usage,
    },
};
use serde_json::{Map, Value};

use super::{
    Vendor, VendorConfig,
    client::{Answer, Endpoint},
    said::{MAX_TEXT_BYTES, Said, checked, read_at_most, used},
    stream::Gather,
};
use crate::catalog;

/// How a vendor is asked for text, and how it answers.
pub trait TextVendor: Send + Sync + 'static {
    /// What is the same for all who use it.
    const VENDOR: &'static Vendor;
    /// The path below the address.
    fn path(model: &str) -> String;
    /// The body, for at most so many tokens.
    fn body(model: &str, request: &TextRequest, max_output_tokens: u32) -> Map<String, Value>;
    /// What the answer says.
    ///
    /// # Errors
    /// Code `bad_reply` for one that makes no sense.
    #[doc(hidden)]
    fn said(answer: &[u8]) -> Result<Said>;
    /// The path of an answer that comes as events.
    fn stream_path(model: &str) -> String {
        Self::path(model)
    }
    /// What a body says besides, where the answer is to come as events.
    fn streamed(body: &mut Map<String, Value>) {
        body.insert("stream".into(), true.into());
    }
    /// Puts events together.
    #[doc(hidden)]
    fn gather() -> Box<dyn Gather>;
}

/// Text from a vendor.
///
/// Each call is sent once, and nothing of it shows a key. What the vendor retires is said 60 days
/// before, as a warning of each result.
pub struct TextProvider<V> {
    endpoint: Endpoint<VendorConfig>,
    vendor: PhantomData<fn() -> V>,
}

impl<V> fmt::Debug for TextProvider<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.endpoint.fmt(f)
    }
}

impl<V: TextVendor> TextProvider<V> {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] (code `no_tls`) where this system has no certificates.
    pub fn new(config: VendorConfig) -> Result<Self> {
        Ok(Self {
            endpoint: Endpoint::new(config)?,
            vendor: PhantomData,
        })
    }

    /// Where it is, and what is asked for.
    #[must_use]
    pub fn config(&self) -> &VendorConfig {
        &self.endpoint.config
    }

    #[cfg(feature = "gemini")]
    pub(crate) fn endpoint(&self) -> &Endpoint<VendorConfig> {
        &self.endpoint
    }

    fn model_for(&self, request: &Request) -> Result<String> {
        self.config()
            .model(request.model.as_deref(), Modality::Text)
    }

    fn limit(&self, text: &TextRequest) -> u32 {
        text.max_output_tokens
            .unwrap_or(self.config().max_output_tokens)
    }

    fn price(&self, model: &str, usage: &Usage) -> Option<i64> {
        self.config().price(model, usage)
    }

    async fn make(&self, request: &Request, context: &CallContext) -> Result<Generated> {
        let Input::Text(text) = &request.input else {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "`{}` makes text alone here; name another provider",
                    V::VENDOR.name
                ),
            )
            .with_code("unsupported_modality"));
        };
        let model = self.model_for(request)?;
        let mut body = V::body(&model, text, self.limit(text));
        for (key, value) in &request.provider_options {
            // What the call is about, and what bounds its price, is not to be changed under it.
            if !matches!(
                key.as_str(),
                "model" | "messages" | "contents" | "stream" | "max_tokens"
            ) {
                merge(&mut body, key, value);
            }
        }
        let answer = if context.deltas.is_some() {
            V::streamed(&mut body);
            let (path, body) = (V::stream_path(&model), Value::Object(body));
            let mut gather = V::gather();
            self.endpoint
                .stream(&path, body, context, MAX_TEXT_BYTES, &mut *gather)
                .await?
        } else {
            let (path, body) = (V::path(&model), Value::Object(body));
            self.endpoint
                .json(&path, body, context, MAX_TEXT_BYTES)
                .await?
        };
        self.generated(request, text, model, &answer)
    }

    fn generated(
        &self,
        request: &Request,
        text: &TextRequest,
        model: String,
        answer: &Answer,
    ) -> Result<Generated> {
        answer.refused_in_success()?;
        let said = V::said(&answer.bytes)?;
        let mut spent = Spent::new(said.usage);
        if said.tier.is_none() {
            // Others have other prices than those of the lists.
            spent.priced_nanos = self.price(&model, &spent.usage);
        }
        let written = checked(said.text, &said.ended, text)
            .map_err(|error| used(error, &spent).with_rates(answer.rates()))?;
        let mut made = Generated::new(Output::Text { text: written });
        made.request_id = answer.request_id().or(said.id);
        made.usage = spent.usage;
        made.priced_nanos = spent.priced_nanos;
        made.rates = answer.rates();
        let tier = said.tier.map(|tier| format!("served in the tier {tier}"));
        made.warnings.extend(tier);
        if request.variant > 0 {
            let told = "another take is left to chance: models take no number for it";
            made.warnings.push(told.to_owned());
        }
        made.warnings.extend(self.config().near_end(&model));
        made.model = said.model.filter(|it| !it.is_empty()).or(Some(model));
        Ok(made)
    }
}

/// Puts an option in; within an object, beside what is there.
fn merge(body: &mut Map<String, Value>, key: &str, value: &Value) {
    match (body.get_mut(key), value) {
        (Some(Value::Object(there)), Value::Object(given)) => {
            for (key, value) in given {
                if key != "maxOutputTokens" {
                    there.insert(key.clone(), value.clone());
                }
            }
        }
        _ => {
            body.insert(key.to_owned(), value.clone());
        }
    }
}

#[async_trait]
impl<V: TextVendor> GenerationProvider for TextProvider<V> {
    fn name(&self) -> &str {
        V::VENDOR.name
    }

    fn capabilities(&self, _model: Option<&str>) -> Arc<ProviderCapabilities> {
        let mut text = TextCapabilities::default();
        text.json_schema = true;
        let mut capabilities = ProviderCapabilities::default();
        capabilities.text = Some(text);
        capabilities.max_concurrency = self.config().max_concurrency;
        capabilities.on_ambiguous = self.config().on_ambiguous;
        Arc::new(capabilities)
    }

    fn variant(&self, request: &Request) -> Value {
        serde_json::json!({
            "url": self.config().url().as_str(),
            "model": self.model_for(request).ok(),
        })
    }

    fn estimate(&self, request: &Request) -> Estimate {
        let mut estimate = Estimate::default();
        let (Input::Text(text), Ok(model)) = (&request.input, self.model_for(request)) else {
            return estimate;
        };
        estimate.usage = read_at_most(text);
        estimate.usage.output_tokens = Some(u64::from(self.limit(text)));
        estimate.cost_nanos = catalog::most(&estimate.usage, |usage| self.price(&model, usage));
        estimate
    }

    async fn generate(&self, request: &Request, context: &CallContext) -> Result<Reply> {
        let made = self.make(request, context).await?;
        Ok(Reply::Done(Box::new(made)))
    }

    async fn poll(&self, operation: &Operation, _context: &CallContext) -> Result<Reply> {
        Err(Error::not_found("operation", &operation.id))
    }

    async fn cancel(&self, _operation: &Operation, _context: &CallContext) -> Result<()> {
        Ok(())
    }
}
