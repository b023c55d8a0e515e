//! A server of OpenAI's shape, in the test's own runtime, with faults to order.

use std::{
    convert::Infallible,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use futures::{StreamExt, stream};
use http_body_util::{BodyExt, StreamBody, combinators::BoxBody};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::{Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use litink_providers::{
    Secret,
    openai::{Dialect, OpenAiConfig, OpenAiProvider, Videos},
};
use serde_json::Value;
use tokio::net::TcpListener;

/// A key that must be shown by nothing.
pub(crate) const KEY: &str = "sk-canary";

/// What a request came with.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Seen {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// What is answered.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// Status, headers, body.
    Full(u16, Vec<(&'static str, String)>, Bytes),
    /// The connection ends before the answer.
    Cut,
    /// A success that begins, and is cut.
    CutBody(Bytes),
    /// A success that begins, and nothing more comes.
    Stall(Bytes),
    /// Nothing for so long, then the ordinary answer.
    Slow(Duration),
    /// A success without an end.
    Endless,
}

impl Answer {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        let kind = ("content-type", "application/json".to_owned());
        Self::Full(status, vec![kind], Bytes::from(body.to_string()))
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        if let Self::Full(_, headers, _) = &mut self {
            headers.push((name, value.to_owned()));
        }
        self
    }
}

/// A running server; gone with its runtime.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) url: String,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    seen: Mutex<Vec<Seen>>,
    orders: Mutex<Vec<Answer>>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let state = Arc::new(State::default());
        let serving = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&serving);
                let service = service_fn(move |request| serve(Arc::clone(&state), request));
                let connection =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                tokio::spawn(async move {
                    // Cut connections are ordered.
                    connection.await.ok();
                });
            }
        });
        Self { url, state }
    }

    /// The next request is answered so, and the one after it by the next order.
    pub(crate) fn order(&self, answer: Answer) {
        self.state.orders.lock().unwrap().push(answer);
    }

    /// What it answers where nothing is ordered.
    #[expect(clippy::unused_self, reason = "it is this server's answer")]
    pub(crate) fn ordinary(&self, seen: &Seen) -> Answer {
        crate::answers::ordinary(seen)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().unwrap().clone()
    }

    pub(crate) fn config(&self, dialect: &str) -> OpenAiConfig {
        let config = OpenAiConfig::new(&self.url, Some(Secret::new(KEY))).unwrap();
        let mut config = config.dialect(Dialect::named(dialect).unwrap());
        if !config.dialect.catalog {
            let model = || Some("a-model".to_owned());
            config.text_model = model();
            config.speech_model = model();
            config.image_model = model();
            config.embedding_model = model();
            config.transcription_model = model();
            config.video_model =
                Some("a-model".into()).filter(|_| config.dialect.videos != Videos::None);
        }
        config.connect = Duration::from_secs(5);
        config.idle = Duration::from_millis(400);
        config
    }

    pub(crate) fn provider(&self, dialect: &str) -> OpenAiProvider {
        OpenAiProvider::new(self.config(dialect)).unwrap()
    }
}

type Body = BoxBody<Bytes, io::Error>;

async fn serve(state: Arc<State>, request: Request<Incoming>) -> io::Result<Response<Body>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let seen = Seen {
        method: head.method,
        path: head.uri.path().to_owned(),
        headers: head.headers,
        body,
    };
    let order = {
        let mut orders = state.orders.lock().unwrap();
        (!orders.is_empty()).then(|| orders.remove(0))
    };
    state.seen.lock().unwrap().push(seen.clone());
    let cut = || io::Error::other("cut");
    match order {
        None => full(crate::answers::ordinary(&seen)),
        Some(Answer::Cut) => Err(cut()),
        Some(Answer::Slow(time)) => {
            tokio::time::sleep(time).await;
            full(crate::answers::ordinary(&seen))
        }
        Some(Answer::CutBody(bytes)) => {
            let rest = stream::once(async move {
                // What came before has to be on its way.
                tokio::time::sleep(Duration::from_millis(50)).await;
                Err(cut())
            });
            Ok(begun(stream::iter([Ok(bytes)]).chain(rest)))
        }
        Some(Answer::Stall(bytes)) => Ok(begun(stream::iter([Ok(bytes)]).chain(stream::pending()))),
        Some(Answer::Endless) => {
            let piece = Bytes::from(vec![b' '; 1 << 20]);
            Ok(begun(stream::repeat_with(move || Ok(piece.clone()))))
        }
        Some(answer) => full(answer),
    }
}

fn begun(
    pieces: impl futures::Stream<Item = io::Result<Bytes>> + Send + Sync + 'static,
) -> Response<Body> {
    let body = StreamBody::new(pieces.map(|piece| piece.map(Frame::data)));
    Response::new(BodyExt::boxed(body))
}

fn full(answer: Answer) -> io::Result<Response<Body>> {
    let Answer::Full(status, headers, bytes) = answer else {
        return Err(io::Error::other("an answer that is no answer"));
    };
    let body = http_body_util::Full::new(bytes).map_err(|never: Infallible| match never {});
    let mut response = Response::new(BodyExt::boxed(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    for (name, value) in headers {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    Ok(response)
}
