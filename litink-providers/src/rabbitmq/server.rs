use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use lapin::{
    Channel, Connection, ConnectionProperties, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable, ShortString},
    uri::AMQPUri,
};
use litink_core::{Error, ErrorKind, Result};
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};

use super::{
    error,
    hub::Hub,
    listening,
    publishing::{self, Hint},
};

/// By it we notice a broker that is gone without a word.
const HEARTBEAT_S: u16 = 10;
/// How long a connection may take to be made, and the broker to answer.
pub(super) const ANSWER: Duration = Duration::from_secs(10);
/// How long to wait before a connection is tried again: from the first to the second.
pub(super) const PAUSES: (Duration, Duration) =
    (Duration::from_millis(100), Duration::from_secs(5));
/// Hints that may wait to be published. Where there are more, everybody is told to look instead.
const WAITING: usize = 4_096;
/// What nobody can read is kept, up to so many.
const DEAD: i64 = 1_000;

/// A RabbitMQ broker. Clones share its two connections, which end with the last of them.
#[derive(Clone)]
pub struct RabbitServer {
    link: Arc<Link>,
}

struct Link {
    config: Config,
    hub: Arc<Hub>,
    hints: mpsc::Sender<Hint>,
    /// Whether there were more hints than could wait.
    missed: Arc<AtomicBool>,
    tasks: [JoinHandle<()>; 2],
}

impl Drop for Link {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl fmt::Debug for RabbitServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RabbitServer({})", self.place())
    }
}

impl RabbitServer {
    /// Connects to a broker, `amqp://USER:PASSWORD@HOST:PORT/VHOST` or `amqps://` with TLS, and
    /// declares litink's exchanges. One virtual host for each store: hints of another would only
    /// wake for nothing.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] (codes `bad_backend_url`, `rabbitmq_refused`, `rabbitmq_vhost`,
    /// `rabbitmq_declared_otherwise`); [`ErrorKind::Unavailable`] (code `rabbitmq_unreachable`).
    pub async fn open(url: &str) -> Result<Self> {
        crate::init_tls();
        let config = Config::parse(url)?;
        // Says at once what is wrong; the tasks would try for ever.
        let connection = config.connect("litink").await?;
        let declared = timeout(ANSWER, config.declare(&connection)).await;
        declared
            .map_err(|_| error::unreachable())?
            .map_err(|e| error::of(&e))?;
        let hub = Arc::new(Hub::default());
        let (hints, received) = mpsc::channel(WAITING);
        let missed = Arc::new(AtomicBool::new(false));
        let tasks = [
            tokio::spawn(listening::run(config.clone(), Arc::clone(&hub), connection)),
            tokio::spawn(publishing::run(
                config.clone(),
                received,
                Arc::clone(&missed),
            )),
        ];
        let link = Link {
            config,
            hub,
            hints,
            missed,
            tasks,
        };
        Ok(Self {
            link: Arc::new(link),
        })
    }

    pub(super) fn config(&self) -> &Config {
        &self.link.config
    }

    pub(super) fn hub(&self) -> &Arc<Hub> {
        &self.link.hub
    }

    /// Tells this process at once, and the others as soon as the broker takes it. Never waits.
    pub(super) fn tell(&self, hint: Hint) {
        match &hint {
            Hint::Ready { kind } => self.hub().ready(kind),
            Hint::News => self.hub().news(),
        }
        if self.link.hints.try_send(hint).is_err() {
            self.link.missed.store(true, Ordering::SeqCst);
        }
    }

    pub(super) fn place(&self) -> &str {
        &self.link.config.place
    }
}

/// Where the broker is.
#[derive(Clone)]
pub(super) struct Config {
    uri: AMQPUri,
    /// Without secrets.
    place: String,
}

impl Config {
    fn parse(url: &str) -> Result<Self> {
        let parsed = url::Url::parse(url).map_err(|_| error::bad_url())?;
        let mut uri: AMQPUri = url.parse().map_err(|_| error::bad_url())?;
        uri.query.heartbeat.get_or_insert(HEARTBEAT_S);
        let milliseconds = u64::try_from(ANSWER.as_millis()).unwrap_or(u64::MAX);
        uri.query.connection_timeout.get_or_insert(milliseconds);
        let mut place = format!("{}:{}", uri.authority.host, uri.authority.port);
        place.push_str(parsed.path());
        Ok(Self { uri, place })
    }

    pub(super) async fn connect(&self, name: &str) -> Result<Connection> {
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let connecting = Connection::connect_uri(self.uri.clone(), properties);
        match timeout(ANSWER, connecting).await {
            Ok(connected) => connected.map_err(|e| error::of(&e)),
            Err(_) => Err(error::unreachable()),
        }
    }

    /// Where jobs that may begin are told of, by kind.
    pub(super) const JOBS: &str = "litink.jobs";
    /// Where everybody listens.
    pub(super) const NEWS: &str = "litink.news";
    /// Where unreadable messages end.
    pub(super) const DEAD: &str = "litink.dead";

    /// The exchanges, and the queue of dead letters.
    pub(super) async fn declare(&self, connection: &Connection) -> lapin::Result<Channel> {
        let channel = connection.create_channel().await?;
        for (name, kind) in [
            (Self::JOBS, ExchangeKind::Topic),
            (Self::NEWS, ExchangeKind::Fanout),
            (Self::DEAD, ExchangeKind::Fanout),
        ] {
            let options = ExchangeDeclareOptions {
                durable: true,
                ..ExchangeDeclareOptions::default()
            };
            let none = FieldTable::default();
            channel
                .exchange_declare(name.into(), kind, options, none)
                .await?;
        }
        let arguments = table([
            ("x-queue-type", text("quorum")),
            ("x-max-length", AMQPValue::LongLongInt(DEAD)),
        ]);
        declare_queue(&channel, Self::DEAD, arguments).await?;
        bind(&channel, Self::DEAD, Self::DEAD, "").await?;
        Ok(channel)
    }
}

pub(super) async fn declare_queue(
    channel: &Channel,
    name: &str,
    arguments: FieldTable,
) -> lapin::Result<()> {
    let options = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    let declared = channel.queue_declare(name.into(), options, arguments).await;
    declared.map(drop)
}

pub(super) async fn bind(
    channel: &Channel,
    queue: &str,
    exchange: &str,
    key: &str,
) -> lapin::Result<()> {
    let (options, none) = (QueueBindOptions::default(), FieldTable::default());
    channel
        .queue_bind(queue.into(), exchange.into(), key.into(), options, none)
        .await
}

pub(super) fn table<const N: usize>(entries: [(&str, AMQPValue); N]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in entries {
        table.insert(ShortString::from(name), value);
    }
    table
}

pub(super) fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

/// A store that this cannot be put over.
pub(crate) fn no_store() -> Error {
    Error::new(
        ErrorKind::Configuration,
        "`queue_url` is an `amqp` URL, which carries hints and keeps no jobs: these are where \
         `database_url` says, which must be `sqlite` or `postgres` for it",
    )
    .with_code("rabbitmq_without_store")
}
