//! A client of HTTP/1.1 that keeps its connections, the same for every server that is measured.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    thread,
    time::Duration,
};

use crate::Result;

/// Connections at once.
pub(crate) const CONNECTIONS: usize = 4;

/// One kept connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
    port: u16,
}

impl Connection {
    /// Connects on loopback.
    pub(crate) fn open(port: u16) -> Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let stream = TcpStream::connect(address).map_err(text)?;
        stream.set_nodelay(true).map_err(text)?;
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .map_err(text)?;
        Ok(Self {
            stream: BufReader::new(stream),
            port,
        })
    }

    /// The body of what is at a path.
    pub(crate) fn get(&mut self, path: &str) -> Result<String> {
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n\r\n",
            self.port
        );
        self.exchange(head.as_bytes(), "200")
    }

    /// Uploads a file as the field `file` of a form; it must be a new one.
    pub(crate) fn upload(&mut self, path: &str, name: &str, content: &str) -> Result<String> {
        let form = format!(
            "--litink\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
             Content-Type: text/plain\r\n\r\n{content}\r\n--litink--\r\n"
        );
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Length: {}\r\n\
             Content-Type: multipart/form-data; boundary=litink\r\n\r\n{form}",
            self.port,
            form.len()
        );
        self.exchange(request.as_bytes(), "201")
    }

    fn exchange(&mut self, request: &[u8], wanted: &str) -> Result<String> {
        self.stream.get_mut().write_all(request).map_err(text)?;
        let status = self.line()?;
        let mut length = 0;
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value
                    .trim()
                    .parse()
                    .map_err(|_| "a bad content-length".to_owned())?;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).map_err(text)?;
        if status.split(' ').nth(1) != Some(wanted) {
            return Err(format!("the server answered {status}"));
        }
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        match self.stream.read_line(&mut line).map_err(text)? {
            0 => Err("the server closed the connection".into()),
            _ => Ok(line.trim_end().to_owned()),
        }
    }
}

/// Sends `count` requests over [`CONNECTIONS`] connections; `send` is told each one's number.
pub(crate) fn drive(
    port: u16,
    count: usize,
    send: impl Fn(&mut Connection, usize) -> Result<String> + Sync,
) -> Result<()> {
    let client = |first: usize| {
        let mut connection = Connection::open(port)?;
        for number in (first..count).step_by(CONNECTIONS) {
            send(&mut connection, number)?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let client = &client;
        let clients: Vec<_> = (0..CONNECTIONS)
            .map(|first| scope.spawn(move || client(first)))
            .collect();
        clients
            .into_iter()
            .try_for_each(|client| client.join().map_err(|_| "a client panicked".to_owned())?)
    })
}

fn text(error: std::io::Error) -> String {
    error.to_string()
}
