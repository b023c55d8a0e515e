//! Sound effects (`sound-generation`) and music (`music`).

use litink_core::{
    Result,
    provider::{CallContext, Generated, Media, Output, Request, SoundKind, SoundRequest},
};
use serde_json::{Map, json};

use super::provider::{ElevenLabsProvider, audio_of, format_of};

const FORMAT: &str = "mp3_44100_128";
/// Of an effect, in milliseconds, as the vendor takes it.
const EFFECT_MS: (u64, u64) = (500, 30_000);
/// Of music.
const MUSIC_MS: (u64, u64) = (3_000, 600_000);

pub(super) async fn sound(
    provider: &ElevenLabsProvider,
    request: &Request,
    sound: &SoundRequest,
    context: &CallContext,
) -> Result<Generated> {
    let model = provider.model(request)?;
    let mut warnings = Vec::new();
    let mut within = |(least, most): (u64, u64)| {
        let wanted = sound.duration_ms?;
        let taken = wanted.clamp(least, most);
        if taken != wanted {
            warnings.push(format!(
                "the vendor makes {least} to {most} ms: it is asked for {taken} ms"
            ));
        }
        Some(taken)
    };
    let mut body = Map::new();
    let path = match sound.kind {
        SoundKind::Effect => {
            body.insert("text".into(), json!(sound.prompt));
            if let Some(ms) = within(EFFECT_MS) {
                body.insert("duration_seconds".into(), json!(ms as f64 / 1_000.0));
            }
            "sound-generation"
        }
        SoundKind::Music => {
            body.insert("prompt".into(), json!(sound.prompt));
            if let Some(ms) = within(MUSIC_MS) {
                body.insert("music_length_ms".into(), json!(ms));
            }
            "music"
        }
    };
    if let Some(model) = &model {
        body.insert("model_id".into(), json!(model));
    }
    if request.variant > 0 {
        warnings.push("another take is left to chance: sounds take no number for it".to_owned());
    }
    let answer = provider.ask(path, body, FORMAT, request, context).await?;
    let (media_type, bytes) = audio_of(&answer, &format_of(request, FORMAT))?;
    let output = Output::Sound {
        audio: Media::bytes(media_type, bytes),
    };
    let chars = sound.prompt.chars().count() as u64;
    let mut made = provider.made(output, model, &answer, chars);
    // Sounds are not billed by the characters of their prompt: without the vendor's count, nobody knows.
    if answer.headers.get("character-cost").is_none() {
        made.usage.input_chars = None;
        made.priced_nanos = None;
    }
    made.warnings.extend(warnings);
    Ok(made)
}
