use url::Url;

/// How an endpoint differs from OpenAI's, as data.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dialect {
    /// Its name in settings.
    pub name: &'static str,
    /// The header that the key goes in: `authorization` (as a bearer token) or another one.
    pub key_header: &'static str,
    /// The interface that text is asked of.
    pub text: TextApi,
    /// How a JSON schema is asked for.
    pub schema: SchemaSupport,
    /// What Chat Completions calls the most tokens to write.
    pub max_tokens: &'static str,
    /// Whether it speaks (`audio/speech`).
    pub speech: bool,
    /// Whether it speaks over a socket (`realtime`), too.
    pub realtime: bool,
    /// How it makes images.
    pub images: Images,
    /// Whether it changes images and keeps to others (`images/edits`).
    pub edits: bool,
    /// How audio is handed over for a transcript.
    pub transcription: Audio,
    /// Whether it makes vectors (`embeddings`).
    pub embeddings: bool,
    /// How it makes films.
    pub videos: Videos,
    /// Whether vectors are asked for in base64, a third of the bytes; numbers are read all the same.
    pub base64: bool,
    /// Whether models, voices and prices are those of the catalog.
    pub catalog: bool,
    /// The voice where none is named; endpoints shaped after OpenAI's want one.
    pub voice: &'static str,
    /// What of it was tried, and against what: for people.
    pub checked: &'static str,
}

/// An interface for text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TextApi {
    /// `responses`.
    Responses,
    /// `chat/completions`.
    Chat,
}

/// How a JSON schema is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaSupport {
    /// `json_schema`, strictly where the schema allows it.
    JsonSchema,
    /// `json_object` with a `schema` beside it, as llama.cpp's servers read it.
    JsonObject,
}

/// How audio is handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audio {
    /// As a form with a file.
    Form,
    /// In JSON, as base64.
    Json,
    /// Not at all.
    None,
}

/// How images are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Images {
    /// `images/generations`, and `images/edits` as a form.
    OpenAi,
    /// `images`, with others' images in the same JSON.
    OpenRouter,
    /// Not at all.
    None,
}

/// How films are asked for; each is begun, asked for by its id, and fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Videos {
    /// `videos`, as OpenAI had them.
    OpenAi,
    /// `videos`, with a shape, a length in whole numbers, and frames as URLs.
    OpenRouter,
    /// Not at all.
    None,
}

const OPENAI: Dialect = Dialect {
    name: "openai",
    key_header: "authorization",
    text: TextApi::Responses,
    schema: SchemaSupport::JsonSchema,
    max_tokens: "max_completion_tokens",
    speech: true,
    realtime: true,
    images: Images::OpenAi,
    edits: true,
    transcription: Audio::Form,
    embeddings: true,
    // Shut down on 24 September 2026.
    videos: Videos::None,
    base64: true,
    catalog: true,
    voice: "alloy",
    checked: "requests beside openai-python 3.54; replies of aimock, llmock and mock-ai-api; speech over \
              a socket with aimock, but for its audio; not the vendor's own servers",
};

const GENERIC: Dialect = Dialect {
    name: "generic",
    text: TextApi::Chat,
    realtime: false,
    videos: Videos::OpenAi,
    catalog: false,
    checked: "local-tts-studio (speech), llmock and mock-ai-api; films with aimock, but for their bytes",
    ..OPENAI
};

/// Every dialect.
const ALL: &[Dialect] = &[
    OPENAI,
    Dialect {
        name: "azure",
        key_header: "api-key",
        // Deployments have names of their own.
        catalog: false,
        checked: "requests only, as documented; not Azure",
        ..OPENAI
    },
    Dialect {
        name: "openrouter",
        text: TextApi::Chat,
        max_tokens: "max_tokens",
        realtime: false,
        images: Images::OpenRouter,
        transcription: Audio::Json,
        videos: Videos::OpenRouter,
        catalog: false,
        checked: "films with aimock, their bytes too; images and transcripts as the types of its Python \
                  SDK 1.3 have them, from a server of our own; not OpenRouter",
        ..OPENAI
    },
    Dialect {
        name: "ollama",
        text: TextApi::Chat,
        max_tokens: "max_tokens",
        speech: false,
        realtime: false,
        images: Images::None,
        edits: false,
        transcription: Audio::None,
        base64: false,
        catalog: false,
        checked: "requests only, as documented; not Ollama",
        ..OPENAI
    },
    Dialect {
        name: "vllm",
        text: TextApi::Chat,
        max_tokens: "max_tokens",
        realtime: false,
        images: Images::None,
        edits: false,
        videos: Videos::OpenAi,
        base64: false,
        catalog: false,
        checked: "requests only, as documented; not vLLM",
        ..OPENAI
    },
    Dialect {
        name: "llamacpp",
        text: TextApi::Chat,
        schema: SchemaSupport::JsonObject,
        max_tokens: "max_tokens",
        speech: false,
        realtime: false,
        images: Images::None,
        edits: false,
        transcription: Audio::None,
        base64: false,
        catalog: false,
        checked: "requests only; not llama.cpp",
        ..OPENAI
    },
    Dialect {
        name: "litellm",
        text: TextApi::Chat,
        realtime: false,
        videos: Videos::OpenAi,
        catalog: false,
        checked: "requests only, as documented; not LiteLLM",
        ..OPENAI
    },
    GENERIC,
];

impl Dialect {
    /// Every one.
    #[must_use]
    pub fn all() -> &'static [Self] {
        ALL
    }

    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|dialect| dialect.name == name)
    }

    /// What an address speaks, as far as it says so; else `generic`.
    #[must_use]
    pub fn of(url: &Url) -> &'static Self {
        let host = url.host_str().unwrap_or_default().to_ascii_lowercase();
        let below = |domain: &str| {
            host.strip_suffix(domain)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        let name = if below("openai.com") {
            "openai"
        } else if below("azure.com") {
            "azure"
        } else if below("openrouter.ai") {
            "openrouter"
        } else if url.port() == Some(11434) {
            "ollama"
        } else {
            "generic"
        };
        Self::named(name).unwrap_or(&GENERIC)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_what_it_speaks() {
        for (url, name) in [
            ("https://api.openai.com/v1", "openai"),
            ("https://eu.api.openai.com/v1", "openai"),
            ("https://notopenai.com/v1", "generic"),
            ("https://openai.com.example.org/v1", "generic"),
            ("https://x.openai.azure.com/openai/v1", "azure"),
            ("https://openrouter.ai/api/v1", "openrouter"),
            ("http://localhost:11434/v1", "ollama"),
            ("http://localhost:8880/v1", "generic"),
        ] {
            assert_eq!(Dialect::of(&url.parse().unwrap()).name, name, "{url}");
        }
    }

    #[test]
    fn names_are_unique() {
        let names: std::collections::HashSet<_> = ALL.iter().map(|it| it.name).collect();
        assert_eq!(names.len(), ALL.len());
    }
}
