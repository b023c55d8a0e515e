//! A proxy that does to a connection what networks do: cuts it, loses an answer, is slow, hangs.
//!
//! It knows bytes and no protocol, so any server can stand behind it. What it does is said by the
//! number of a byte, never by chance: the same trouble hits the same call each time.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp},
    sync::watch,
    task::JoinHandle,
};
use url::Url;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Trouble {
    /// Nothing.
    None,
    /// Once: the connection that asks the byte of this number (from now on, over all connections)
    /// is cut before that byte reaches the server. 0 is before the next call.
    CutAsking(u64),
    /// Once: the connection is cut before the answers' byte of this number reaches the client. 0
    /// loses the next answer whole, although the server did what it was asked.
    CutAnswering(u64),
    /// The server is away: connections are cut, and new ones end at once.
    Away,
    /// What is sent is taken, and nothing comes of it.
    Hang,
    /// Everything takes so much longer, and no more than so many bytes pass in a second.
    Slow {
        /// Added to each piece that passes, in each direction.
        latency: Duration,
        /// Of each connection, in each direction.
        bytes_per_s: u32,
    },
}

/// A place in a conversation: so many bytes were asked and answered when it was the client's turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// Bytes from the client.
    pub asked: u64,
    /// Bytes from the server.
    pub answered: u64,
}

#[derive(Debug)]
struct State {
    trouble: Trouble,
    fired: bool,
    /// Since the trouble was set.
    passed: Turn,
    turns: Vec<Turn>,
    answering: bool,
}

impl State {
    fn new(trouble: Trouble) -> Self {
        Self {
            trouble,
            fired: false,
            passed: Turn::default(),
            turns: vec![Turn::default()],
            answering: false,
        }
    }

    fn turn(&mut self, answers: bool) {
        if self.answering && !answers {
            self.turns.push(self.passed);
        }
        self.answering = answers;
    }

    /// How many of these bytes may pass, and whether the connection ends after them.
    fn pass(&mut self, answers: bool, bytes: u64) -> (u64, bool) {
        self.turn(answers);
        let passed = if answers {
            &mut self.passed.answered
        } else {
            &mut self.passed.asked
        };
        let at = match (self.trouble, answers) {
            (Trouble::CutAsking(at), false) | (Trouble::CutAnswering(at), true) => Some(at),
            _ => None,
        };
        if let Some(at) = at.filter(|at| *passed + bytes > *at) {
            let may = at.saturating_sub(*passed);
            *passed += may;
            self.trouble = Trouble::None;
            self.fired = true;
            return (may, true);
        }
        *passed += bytes;
        (bytes, false)
    }
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Rises when every connection is to be cut.
    cuts: watch::Sender<u64>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A proxy on a free loopback port, which ends when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Before a server, `127.0.0.1:5432`.
    ///
    /// # Errors
    /// Where no port is free.
    pub async fn before(server: impl Into<String>) -> io::Result<Self> {
        let server = server.into();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            state: Mutex::new(State::new(Trouble::None)),
            cuts: watch::channel(0).0,
        });
        let to_pass = Arc::clone(&shared);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(connection(client, server.clone(), Arc::clone(&to_pass)));
            }
        });
        Ok(Self {
            address,
            shared,
            accepting,
        })
    }

    /// Before the server of a URL.
    ///
    /// # Errors
    /// Where no port is free, or the URL names no server.
    pub async fn before_url(url: &Url) -> io::Result<Self> {
        let addresses = url.socket_addrs(|| match url.scheme() {
            "postgres" | "postgresql" => Some(5432),
            "amqp" => Some(5672),
            _ => None,
        })?;
        let address = addresses.first().ok_or(io::ErrorKind::InvalidInput)?;
        Self::before(address.to_string()).await
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A URL with this proxy in the place of its server.
    #[must_use]
    pub fn instead(&self, url: &Url) -> Url {
        let mut url = url.clone();
        // Only URLs that cannot have a host refuse one.
        let _ = url.set_host(Some("127.0.0.1"));
        let _ = url.set_port(Some(self.address.port()));
        url
    }

    /// What goes wrong from now on. Bytes are counted from here.
    pub fn set(&self, trouble: Trouble) {
        *self.shared.state() = State::new(trouble);
        if trouble == Trouble::Away {
            self.cut();
        }
    }

    /// Cuts every connection that there is.
    pub fn cut(&self) {
        self.shared.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Whether a cut that was set has happened.
    #[must_use]
    pub fn fired(&self) -> bool {
        self.shared.state().fired
    }

    /// What passed since the trouble was set.
    #[must_use]
    pub fn passed(&self) -> Turn {
        self.shared.state().passed
    }

    /// A cut for each way in which each call of a conversation can be cut, of the one that passed
    /// since the trouble was set: before it is asked, in the middle of it, before its answer (which
    /// is lost whole), and in the answer's last byte.
    #[must_use]
    pub fn cuts(&self) -> Vec<Trouble> {
        let mut cuts = Vec::new();
        let state = self.shared.state();
        let ends = state.turns.iter().skip(1).copied().chain([state.passed]);
        for (begin, end) in state.turns.iter().zip(ends) {
            if end.asked > begin.asked {
                let middle = begin.asked + (end.asked - begin.asked) / 2;
                cuts.extend([begin.asked, middle].map(Trouble::CutAsking));
            }
            if end.answered > begin.answered {
                let last = end.answered - 1;
                cuts.extend([begin.answered, last].map(Trouble::CutAnswering));
            }
        }
        cuts.dedup();
        cuts
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn connection(client: TcpStream, server: String, shared: Arc<Shared>) {
    let mut cuts = shared.cuts.subscribe();
    if shared.state().trouble == Trouble::Away {
        return;
    }
    let Ok(upstream) = TcpStream::connect(server).await else {
        return;
    };
    // Small pieces are not to wait for one another: that would be a slowness of our own.
    let _ = (client.set_nodelay(true), upstream.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = upstream.into_split();
    tokio::select! {
        () = pump(from_client, to_server, false, &shared) => {}
        () = pump(from_server, to_client, true, &shared) => {}
        _ = cuts.changed() => {}
    }
}

async fn pump(
    mut from: tcp::OwnedReadHalf,
    mut to: tcp::OwnedWriteHalf,
    answers: bool,
    shared: &Shared,
) {
    let mut bytes = vec![0; 16 << 10];
    loop {
        let Ok(read @ 1..) = from.read(&mut bytes).await else {
            return;
        };
        let trouble = shared.state().trouble;
        match trouble {
            Trouble::Hang => std::future::pending().await,
            Trouble::Slow {
                latency,
                bytes_per_s,
            } => {
                let time = Duration::from_secs(read as u64) / bytes_per_s.max(1);
                tokio::time::sleep(latency + time).await;
            }
            _ => {}
        }
        let (may, ends) = shared.state().pass(answers, read as u64);
        let may = usize::try_from(may).unwrap_or(read).min(read);
        if to.write_all(&bytes[..may]).await.is_err() || ends {
            return;
        }
    }
}
