//! A chat endpoint on this machine that thinks nothing: what a call costs besides is the caller's.

use std::{sync::Arc, thread, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream},
    net::{TcpListener, TcpStream},
};

use crate::Result;

/// Pieces of a streamed answer.
pub(crate) const EVENTS: usize = 1_000;
/// How long `/slow` waits, so that all callers are in flight at once.
const SLOW: Duration = Duration::from_secs(3);

/// One that answers as long as this process lives.
pub(crate) struct Endpoint {
    port: u16,
}

impl Endpoint {
    /// Starts it, on threads of its own.
    pub(crate) fn start() -> Result<Self> {
        let text = |error: std::io::Error| error.to_string();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").map_err(text)?;
        listener.set_nonblocking(true).map_err(text)?;
        let port = listener.local_addr().map_err(text)?.port();
        let runtime = tokio::runtime::Runtime::new().map_err(text)?;
        thread::spawn(move || runtime.block_on(serve(listener)));
        Ok(Self { port })
    }

    /// Where the interface begins; `/slow` answers late.
    pub(crate) fn url(&self, prefix: &str) -> String {
        format!("http://127.0.0.1:{}{prefix}/v1", self.port)
    }
}

async fn serve(listener: std::net::TcpListener) {
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    let (whole, streamed) = (Arc::new(whole()), Arc::new(streamed()));
    while let Ok((socket, _)) = listener.accept().await {
        let (whole, streamed) = (Arc::clone(&whole), Arc::clone(&streamed));
        tokio::spawn(async move {
            // Who calls may go away.
            let _ = answer(socket, &whole, &streamed).await;
        });
    }
}

/// Request after request of a connection.
async fn answer(socket: TcpStream, whole: &[u8], streamed: &[u8]) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    let mut socket = BufStream::with_capacity(64 << 10, 64 << 10, socket);
    let mut line = String::new();
    let mut body = Vec::new();
    loop {
        line.clear();
        if socket.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let is_slow = line.contains("/slow/");
        let mut length = 0;
        loop {
            line.clear();
            socket.read_line(&mut line).await?;
            if line.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        body.resize(length, 0);
        socket.read_exact(&mut body).await?;
        if is_slow {
            tokio::time::sleep(SLOW).await;
        }
        let stream = body.windows(13).any(|it| it == b"\"stream\":true");
        let spaced = body.windows(14).any(|it| it == b"\"stream\": true");
        let reply = if stream || spaced { streamed } else { whole };
        socket.write_all(reply).await?;
        socket.flush().await?;
    }
}

fn whole() -> Vec<u8> {
    let said = "The lamp was out, and it was lit again. ".repeat(10);
    let body = format!(
        r#"{{"id":"c-1","object":"chat.completion","created":1790000000,"model":"m","choices":[{{"index":0,"message":{{"role":"assistant","content":"{said}","refusal":null}},"logprobs":null,"finish_reason":"stop"}}],"usage":{{"prompt_tokens":20,"completion_tokens":90,"total_tokens":110,"prompt_tokens_details":{{"cached_tokens":0}}}},"system_fingerprint":"f"}}"#
    );
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")
        .into_bytes()
}

fn streamed() -> Vec<u8> {
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut reply = head.to_owned();
    let mut chunk = |data: &str| {
        let event = format!("data: {data}\n\n");
        reply.push_str(&format!("{:x}\r\n{event}\r\n", event.len()));
    };
    let piece = |delta: &str, end: &str, usage: &str| {
        format!(
            r#"{{"id":"c-1","object":"chat.completion.chunk","created":1790000000,"model":"m","choices":[{{"index":0,"delta":{delta},"finish_reason":{end}}}],"usage":{usage}}}"#
        )
    };
    for _ in 0..EVENTS {
        chunk(&piece(r#"{"content":" lamp"}"#, "null", "null"));
    }
    let usage = r#"{"prompt_tokens":20,"completion_tokens":1000,"total_tokens":1020}"#;
    chunk(&piece("{}", r#""stop""#, usage));
    chunk("[DONE]");
    reply.push_str("0\r\n\r\n");
    reply.into_bytes()
}
