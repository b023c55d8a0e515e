//! A small HTTP client for loopback, so that the tests need no other in their tree.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    time::Duration,
};

use serde_json::Value;

/// A server on loopback.
#[derive(Clone, Debug)]
pub struct Client {
    address: String,
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers' lines.
    pub headers: Vec<String>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON; null where it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

impl Client {
    /// For `127.0.0.1:7878`.
    pub fn new(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
        }
    }

    /// GET.
    ///
    /// # Errors
    /// Those of the connection.
    pub fn get(&self, path: &str) -> io::Result<Answer> {
        self.send("GET", path, &[], &[])
    }

    /// POST of JSON.
    ///
    /// # Errors
    /// Those of the connection.
    pub fn post(&self, path: &str, body: &Value) -> io::Result<Answer> {
        let body = body.to_string();
        self.send(
            "POST",
            path,
            &["Content-Type: application/json"],
            body.as_bytes(),
        )
    }

    /// POST of a file as `multipart/form-data`.
    ///
    /// # Errors
    /// Those of the connection.
    pub fn upload(&self, path: &str, file: &Path) -> io::Result<Answer> {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let mut body = format!(
            "--litink\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n"
        )
        .into_bytes();
        body.extend(std::fs::read(file)?);
        body.extend(b"\r\n--litink--\r\n");
        self.send(
            "POST",
            path,
            &["Content-Type: multipart/form-data; boundary=litink"],
            &body,
        )
    }

    fn send(&self, method: &str, path: &str, headers: &[&str], body: &[u8]) -> io::Result<Answer> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n",
            self.address,
            body.len()
        );
        for header in headers {
            head += header;
            head += "\r\n";
        }
        stream.write_all(head.as_bytes())?;
        stream.write_all(b"\r\n")?;
        // A server that refuses early closes its side; its answer is still there to be read.
        let _ = stream.write_all(body);
        read(stream)
    }
}

fn read(stream: TcpStream) -> io::Result<Answer> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status = line
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| io::Error::other(format!("not HTTP: {line:?}")))?;
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end() {
            "" => break,
            header => headers.push(header.to_owned()),
        }
    }
    let chunked = headers
        .iter()
        .any(|h| h.eq_ignore_ascii_case("transfer-encoding: chunked"));
    let body = if chunked {
        chunks(&mut reader)?
    } else {
        rest(&mut reader)?
    };
    Ok(Answer {
        status,
        headers,
        body,
    })
}

fn rest(reader: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    reader.read_to_end(&mut body)?;
    Ok(body)
}

fn chunks(reader: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let size = usize::from_str_radix(line.trim(), 16).map_err(io::Error::other)?;
        if size == 0 {
            return Ok(body);
        }
        let start = body.len();
        body.resize(start + size, 0);
        reader.read_exact(&mut body[start..])?;
        reader.read_line(&mut String::new())?;
    }
}
