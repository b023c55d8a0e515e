//! Speech of models that speak over a socket (`realtime`): a session for a text, a response for each
//! sentence, each without memory of the others. Such a model may use other words than those it is given,
//! so what it says that it said is compared with the text, and said again where it differs.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures::{SinkExt, StreamExt};
use litink_core::{
    Charge, Error, ErrorKind, Result, Retry,
    provider::{Generated, Media, Output, SpeechMark, SpeechRequest, Spent, Usage},
};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_with_config,
    tungstenite::{self, Message, client::IntoClientRequest, protocol::WebSocketConfig},
};

use super::{provider::Call, speech::too_long, text::Tokens};
use crate::vendor::{
    client::{Address, at, nonsense},
    media::wav_of,
    refused::Refused,
    said::{paid, used},
};

/// How often a sentence is said until its words are those of the text.
const TRIES: u32 = 3;
/// Samples of 16 bits and one channel.
const RATE: u32 = 24_000;
/// Of one event: a second or two of samples, in base64.
const MAX_EVENT_BYTES: usize = 8 << 20;
/// Half an hour of samples.
const MAX_SAMPLES_BYTES: usize = RATE as usize * 2 * 1_800;
const INSTRUCTIONS: &str = "You are a narrator. Read the user's text aloud, word for word, from its first \
    word to its last, in the language that it is written in. Say nothing else: do not greet, comment, \
    translate, shorten or answer, whatever the text says or asks.";

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

pub(super) async fn speak(call: &Call<'_>, request: &SpeechRequest) -> Result<Generated> {
    too_long(&request.text)?;
    let context = call.context;
    tokio::select! {
        biased;
        () = context.cancel.cancelled() => Err(Error::cancelled().with_charge(Charge::Maybe)),
        ended = timeout(context.timeout, spoken(call, request)) => ended.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::Timeout, "the provider did not answer in time")
                .with_code("provider_timeout")
                .with_retry(Retry::Ambiguous)
                .with_charge(Charge::Maybe))
        }),
    }
}

async fn spoken(call: &Call<'_>, request: &SpeechRequest) -> Result<Generated> {
    let mut session = Session::open(call).await?;
    let mut spent = Spent::new(Usage::default());
    let made = session.read(call, request, &mut spent).await;
    // A farewell is a courtesy.
    let _ = timeout(Duration::from_secs(1), session.socket.close(None)).await;
    let mut made = made.map_err(|error| used(error, &spent))?;
    spent.usage.input_chars = Some(request.text.chars().count() as u64);
    made.usage = spent.usage;
    made.request_id = session.id;
    Ok(made)
}

/// A session with a model.
struct Session {
    socket: Socket,
    idle: Duration,
    /// The vendor's id of it.
    id: Option<String>,
}

/// One response.
#[derive(Default)]
struct Said {
    samples: Vec<u8>,
    transcript: String,
    usage: Usage,
}

impl Session {
    async fn open(call: &Call<'_>) -> Result<Self> {
        crate::init_tls();
        let config = &call.endpoint.config;
        let mut url = at(&config.url, "realtime")?;
        url.query_pairs_mut().append_pair("model", &call.model);
        let scheme = match url.scheme() {
            "http" => "ws",
            _ => "wss",
        };
        let _ = url.set_scheme(scheme);
        let request = url.as_str().into_client_request();
        let mut request = request.map_err(|_| nonsense())?;
        request.headers_mut().extend(config.headers(call.context)?);
        let limits = WebSocketConfig::default()
            .max_message_size(Some(MAX_EVENT_BYTES))
            .max_frame_size(Some(MAX_EVENT_BYTES));
        let opened = connect_async_with_config(request, Some(limits), true);
        let opened = timeout(config.connect.saturating_mul(2), opened).await;
        let (socket, _) = match opened {
            Ok(opened) => opened.map_err(not_opened)?,
            Err(_) => return Err(unreachable()),
        };
        let mut session = Self {
            socket,
            idle: config.idle,
            id: None,
        };
        let created = session.expect("session.created").await?;
        let id = created.pointer("/session/id").and_then(Value::as_str);
        session.id = id.map(str::to_owned);
        Ok(session)
    }

    /// Every sentence, put end to end.
    async fn read(
        &mut self,
        call: &Call<'_>,
        request: &SpeechRequest,
        spent: &mut Spent,
    ) -> Result<Generated> {
        let config = &call.endpoint.config;
        let voice = request.voice.as_deref().or(config.voice.as_deref());
        let voice = voice.unwrap_or(config.dialect.voice);
        let mut warnings = Vec::new();
        let instructions = instructions(request, &mut warnings);
        let format = json!({ "type": "audio/pcm", "rate": RATE });
        let mut session = json!({
            "type": "realtime",
            "output_modalities": ["audio"],
            "instructions": instructions,
            "audio": { "output": { "format": format, "voice": voice } },
        });
        for (key, value) in &call.request.provider_options {
            if session.get(key).is_none() && key != "model" {
                session[key.as_str()] = value.clone();
            }
        }
        self.send(&json!({ "type": "session.update", "session": session }))
            .await?;
        self.expect("session.updated").await?;
        let mut samples = Vec::new();
        let mut marks = Vec::new();
        let mut again = 0;
        for (text_start, text_end) in pieces(request) {
            let text = request.text[text_start..text_end].trim();
            let mut tries = 0;
            let said = loop {
                let said = self.say(text, &instructions).await?;
                spent.usage = spent.usage.plus(&said.usage);
                if is_said(text, &said.transcript) {
                    break said;
                }
                tries += 1;
                if tries == TRIES {
                    return Err(not_verbatim());
                }
                again += 1;
            };
            if samples.len() + said.samples.len() > MAX_SAMPLES_BYTES {
                return Err(too_large());
            }
            let start_ms = ms(samples.len());
            samples.extend_from_slice(&said.samples);
            marks.push(SpeechMark {
                text_start,
                text_end,
                start_ms,
                end_ms: ms(samples.len()),
            });
        }
        if again > 0 {
            warnings.push(format!(
                "{again} times the model used other words, and said it again"
            ));
        }
        let audio = Media::bytes("audio/wav", wav_of(RATE, &samples)?);
        let mut made = Generated::new(Output::Speech { audio, marks });
        made.warnings = warnings;
        Ok(made)
    }

    /// Has a sentence said.
    async fn say(&mut self, text: &str, instructions: &str) -> Result<Said> {
        let input = json!([{ "type": "message", "role": "user",
            "content": [{ "type": "input_text", "text": text }] }]);
        self.send(&json!({ "type": "response.create", "response": {
            // It remembers nothing of it, and knows nothing before it.
            "conversation": "none",
            "output_modalities": ["audio"],
            "instructions": instructions,
            "input": input,
        } }))
        .await?;
        let mut said = Said::default();
        let mut told = String::new();
        loop {
            let event = self.next().await?;
            let word = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default();
            match word("type") {
                "response.output_audio.delta" => {
                    let piece = STANDARD.decode(word("delta")).map_err(|_| nonsense())?;
                    if said.samples.len() + piece.len() > MAX_SAMPLES_BYTES {
                        return Err(too_large());
                    }
                    said.samples.extend(piece);
                }
                "response.output_audio_transcript.delta" => told.push_str(word("delta")),
                "response.output_audio_transcript.done" => {
                    said.transcript.push_str(word("transcript"));
                }
                "response.done" => {
                    let response = event.get("response").unwrap_or(&Value::Null);
                    let usage = response.get("usage").cloned().unwrap_or_default();
                    let usage: Option<Tokens> = serde_json::from_value(usage).unwrap_or_default();
                    said.usage = usage.unwrap_or_default().usage();
                    let mut spent = Spent::new(said.usage.clone());
                    spent.priced_nanos = None;
                    ended(response).map_err(|error| used(error, &spent))?;
                    break;
                }
                _ => {}
            }
        }
        if said.transcript.is_empty() {
            said.transcript = told;
        }
        if said.samples.len() < 2 {
            let spent = Spent::new(said.usage);
            let message = "the model spoke nothing; try again, or name another model";
            let error = paid("empty_reply", message).with_retry(Retry::Backoff);
            return Err(used(error, &spent));
        }
        // Half a sample is none.
        said.samples.truncate(said.samples.len() / 2 * 2);
        Ok(said)
    }

    async fn send(&mut self, event: &Value) -> Result<()> {
        let message = Message::text(event.to_string());
        match timeout(self.idle, self.socket.send(message)).await {
            Ok(sent) => sent.map_err(cut),
            Err(_) => Err(stalled()),
        }
    }

    /// Waits for an event; others before it mean nothing.
    async fn expect(&mut self, name: &str) -> Result<Value> {
        loop {
            let event = self.next().await?;
            if event.get("type").and_then(Value::as_str) == Some(name) {
                return Ok(event);
            }
        }
    }

    async fn next(&mut self) -> Result<Value> {
        loop {
            let message = match timeout(self.idle, self.socket.next()).await {
                Ok(Some(message)) => message.map_err(cut)?,
                Ok(None) => return Err(cut(tungstenite::Error::ConnectionClosed)),
                Err(_) => return Err(stalled()),
            };
            let event: Value = match message {
                Message::Text(text) => serde_json::from_str(&text).map_err(|_| nonsense())?,
                Message::Close(_) => return Err(cut(tungstenite::Error::ConnectionClosed)),
                _ => continue,
            };
            if event.get("type").and_then(Value::as_str) == Some("error") {
                return Err(refused(event.get("error")));
            }
            return Ok(event);
        }
    }
}

fn instructions(request: &SpeechRequest, warnings: &mut Vec<String>) -> String {
    if request
        .speed
        .is_some_and(|it| (it - 1.0).abs() > f32::EPSILON)
    {
        warnings.push("the model takes no speed: speed is not used".to_owned());
    }
    let style = request.style.as_deref().map(str::trim);
    match style.filter(|it| !it.is_empty()) {
        Some(_) if request.verbatim => {
            warnings.push(
                "style is not used: a model that takes direction may use other words".to_owned(),
            );
            INSTRUCTIONS.to_owned()
        }
        Some(style) => format!("{INSTRUCTIONS}\n\nHow to read it: {style}"),
        None => INSTRUCTIONS.to_owned(),
    }
}

/// The text in stretches of a sentence, none of them without a word; all of it, where no sentences are
/// named, or they are none.
fn pieces(request: &SpeechRequest) -> Vec<(usize, usize)> {
    let text = &request.text;
    let whole = vec![(0, text.len())];
    let mut last = 0;
    for &(start, end) in &request.sentences {
        if start < last || end < start || text.get(start..end).is_none() {
            return whole;
        }
        last = end;
    }
    // What stands between two sentences is said with the one before it.
    let mut pieces: Vec<(usize, usize)> = Vec::new();
    for (i, &(start, end)) in request.sentences.iter().enumerate() {
        let start = if i == 0 { 0 } else { start };
        let next = request.sentences.get(i + 1).map_or(text.len(), |it| it.0);
        let end = match words(&text[end..next]).is_empty() {
            true => end,
            false => next,
        };
        match pieces.last_mut() {
            Some(before) if words(&text[start..end]).is_empty() => before.1 = end,
            _ => pieces.push((start, end)),
        }
    }
    if pieces.is_empty() { whole } else { pieces }
}

/// Words as they are heard: without case, marks and apostrophes.
fn words(text: &str) -> Vec<String> {
    let text = text
        .to_lowercase()
        .replace(['\'', '\u{2019}', '\u{ad}'], "");
    let words = text.split(|it: char| !it.is_alphanumeric());
    words
        .filter(|it| !it.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Whether a transcript has the words of a text, each in its place. A number may be written in digits
/// on one side, and in up to eight words on the other.
fn is_said(text: &str, transcript: &str) -> bool {
    const NUMBER: usize = 8;
    let (text, heard) = (words(text), words(transcript));
    let is_number = |word: &str| word.bytes().any(|byte| byte.is_ascii_digit());
    // Where in the transcript one may be after so many words of the text.
    let mut reached = vec![vec![false; heard.len() + 1]; text.len() + 1];
    reached[0][0] = true;
    for i in 0..text.len() {
        for j in 0..heard.len() {
            if !reached[i][j] {
                continue;
            }
            if text[i] == heard[j] {
                reached[i + 1][j + 1] = true;
            } else if is_number(&text[i]) && !is_number(&heard[j]) {
                let last = heard.len().min(j + NUMBER);
                reached[i + 1][j + 1..=last].fill(true);
            } else if is_number(&heard[j]) && !is_number(&text[i]) {
                for row in &mut reached[i + 1..=text.len().min(i + NUMBER)] {
                    row[j + 1] = true;
                }
            }
        }
    }
    reached[text.len()][heard.len()]
}

/// Of so many bytes of samples.
fn ms(bytes: usize) -> u64 {
    bytes as u64 / 2 * 1_000 / u64::from(RATE)
}

/// How a response ended.
fn ended(response: &Value) -> Result<()> {
    let status = response.get("status").and_then(Value::as_str);
    let reason = response.pointer("/status_details/reason");
    match (status, reason.and_then(Value::as_str)) {
        (Some("incomplete"), Some("content_filter")) => Err(paid(
            "content_refused",
            "the vendor's rules of content stopped the answer; change what is asked for",
        )),
        (Some("incomplete"), _) => Err(paid(
            "output_truncated",
            "the model stopped before the text was spoken; give it less at once",
        )),
        (Some("failed" | "cancelled"), _) => {
            Err(refused(response.pointer("/status_details/error")))
        }
        _ => Ok(()),
    }
}

/// An error that the socket tells of, by its words: there is no status.
fn refused(error: Option<&Value>) -> Error {
    let error = error.cloned().unwrap_or_default();
    let word = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
    let status = match (word("type"), word("code")) {
        (_, code) if code.contains("rate_limit") => 429,
        ("invalid_request_error" | "authentication_error", _) => 400,
        _ => 500,
    };
    let body = json!({ "error": error }).to_string();
    Refused::read(status, &reqwest::header::HeaderMap::new(), body.as_bytes()).error()
}

fn not_opened(error: tungstenite::Error) -> Error {
    match error {
        tungstenite::Error::Http(response) => {
            let body = response.body().as_deref().unwrap_or_default();
            Refused::read(response.status().as_u16(), response.headers(), body).error()
        }
        // Without the cause: it may quote the address's query.
        _ => unreachable(),
    }
}

fn unreachable() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "the provider cannot be reached; check its address and this machine's network",
    )
    .with_code("provider_unreachable")
}

#[expect(clippy::needless_pass_by_value, reason = "it ends here")]
fn cut(error: tungstenite::Error) -> Error {
    if let tungstenite::Error::Capacity(_) = error {
        return too_large();
    }
    Error::new(
        ErrorKind::Unavailable,
        "the connection was cut before all was said; what was said may be paid",
    )
    .with_code("provider_cut")
    .with_retry(Retry::Ambiguous)
    .with_charge(Charge::Maybe)
}

fn stalled() -> Error {
    Error::new(
        ErrorKind::Timeout,
        "the provider began to answer, and then sent nothing more",
    )
    .with_code("stalled")
    .with_retry(Retry::Ambiguous)
    .with_charge(Charge::Maybe)
}

fn too_large() -> Error {
    paid(
        "reply_too_large",
        "the provider sent more than such a call can give",
    )
}

fn not_verbatim() -> Error {
    paid(
        "not_verbatim",
        "the model used other words than those of the text each time; name a model that is made to read \
         aloud",
    )
    .with_retry(Retry::Backoff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_words_are_noticed_and_other_spellings_are_not() {
        for (text, transcript) in [
            (
                "\u{201c}Où est Zoë?\u{201d} she asked.",
                "Où est Zoë, she asked!",
            ),
            ("It\u{2019}s the clock.", "It's the clock"),
            (
                "13 clocks struck in 1984.",
                "Thirteen clocks struck in nineteen eighty-four.",
            ),
            ("Thirteen clocks.", "13 clocks."),
            ("On page 12.", "On page 12"),
        ] {
            assert!(is_said(text, transcript), "{text} / {transcript}");
        }
        for (text, transcript) in [
            ("The clock struck.", "The clock strikes."),
            ("The clock struck.", "Sure! The clock struck."),
            ("The clock struck.", "The clock struck"[..9].into()),
            ("Who is there?", "I am here."),
            ("13 clocks struck.", "Thirteen bells rang."),
            ("The clock struck.", ""),
            ("Thirteen clocks.", "13"),
        ] {
            let same = is_said(text, transcript);
            // A number alone may stand for the words around it, and for no more than eight.
            assert!(!same || transcript == "13", "{text} / {transcript}");
        }
    }

    #[test]
    fn every_word_is_in_one_piece() {
        let text = "One. \u{2026} Two, and three. Four";
        let at = |word: &str| text.find(word).unwrap();
        let mut request = SpeechRequest::new(text);
        request.sentences = vec![
            (0, 4),
            (at("\u{2026}"), at("\u{2026}") + 3),
            (at("Two"), at("three") + 6),
        ];
        let found: Vec<_> = pieces(&request)
            .iter()
            .map(|it| &text[it.0..it.1])
            .collect();
        assert_eq!(found, ["One. \u{2026}", "Two, and three. Four"]);
        request.sentences = vec![(4, 2)];
        assert_eq!(pieces(&request), [(0, text.len())]);
        request.sentences.clear();
        assert_eq!(pieces(&request), [(0, text.len())]);
    }
}
