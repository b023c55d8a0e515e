//! Another server becomes the primary, and the address leads there.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    time::{Duration, Instant},
};

use litink_core::queue::{JobState, NewJob, Queue, Turn};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};

use crate::server::{Own, Worker, complete, queue, want};

/// An address that leads to one server now and to another later, as a balancer's or a name does;
/// connections that are open stay where they are.
struct Address {
    port: u16,
    leads_to: Arc<AtomicU16>,
}

impl Address {
    async fn of(server: &Own) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let leads_to = Arc::new(AtomicU16::new(server.port()));
        let to = leads_to.clone();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let server = ("127.0.0.1", to.load(Ordering::SeqCst));
                tokio::spawn(async move {
                    if let Ok(mut server) = TcpStream::connect(server).await {
                        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                    }
                });
            }
        });
        Self { port, leads_to }
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    fn leads_to(&self, server: &Own) {
        self.leads_to.store(server.port(), Ordering::SeqCst);
    }
}

/// Two servers, the second of which has all that the first has.
fn pair() -> Option<(Own, Own)> {
    let first = Own::start(&[])?;
    let of_first = [
        "--replicaof".to_owned(),
        format!("127.0.0.1 {}", first.port()),
    ];
    let second = Own::start(&of_first.each_ref().map(String::as_str))?;
    let begun = Instant::now();
    let mut connection = second.connect();
    loop {
        let info: String = redis::cmd("INFO").query(&mut connection).unwrap();
        if info.contains("master_link_status:up") {
            return Some((first, second));
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{info}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn kinds() -> Turn {
    Turn {
        kinds: vec!["kind".into()],
        ..want(5, Duration::ZERO)
    }
}

/// What was begun before is settled after, and nothing is lost or begun twice.
async fn goes_on(first: Own, second: Own, fail_over: impl FnOnce(&mut Own, &Own)) {
    let address = Address::of(&first).await;
    let queue = queue(&address.url()).await;
    let jobs: Vec<NewJob> = (0..20).map(|i| NewJob::new("kind", json!(i))).collect();
    queue.enqueue(&jobs).await.unwrap();
    let mut worker = Worker::open(&queue).await;
    let leased = worker.turn(kinds()).await.unwrap().leased;
    assert_eq!(leased.len(), 5);
    let mut beside = first.connect();
    let told: u32 = redis::cmd("WAIT")
        .arg(1)
        .arg(5_000)
        .query(&mut beside)
        .unwrap();
    assert_eq!(told, 1, "the replica has it all");

    let mut first = first;
    fail_over(&mut first, &second);
    let (later, moment) = (address.leads_to.clone(), second.port());
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(700)).await;
        later.store(moment, Ordering::SeqCst);
    });

    let settle = leased.iter().map(|it| complete(it.lease)).collect();
    let turn = Turn { settle, ..kinds() };
    let begun = Instant::now();
    let exchanged = loop {
        match worker.turn(turn.clone()).await {
            Ok(exchanged) => break exchanged,
            Err(error) => {
                println!("{:?}: {error}", begun.elapsed());
                assert!(begun.elapsed() < Duration::from_secs(12), "{error}");
            }
        }
    };
    println!("goes on after {:?}", begun.elapsed());
    assert_eq!(exchanged.settled, [true; 5]);
    assert_eq!(exchanged.leased.len(), 5);
    assert!(exchanged.leased.iter().all(|it| it.lease.token == 1));
    queue.heartbeat(worker.session).await.unwrap();
    address.leads_to(&second);
    let mut role = second.connect();
    let role: Vec<redis::Value> = redis::cmd("ROLE").query(&mut role).unwrap();
    assert_eq!(role[0], redis::Value::BulkString(b"master".to_vec()));
    let stats = queue.stats().await.unwrap();
    let jobs = &stats[0].jobs;
    assert_eq!(
        [JobState::Completed, JobState::Running, JobState::Available].map(|it| jobs[&it]),
        [5, 5, 10]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_dies_is_replaced() {
    let Some((first, second)) = pair() else {
        return;
    };
    goes_on(first, second, |first, second| {
        first.kill();
        let mut promoted = redis::cmd("REPLICAOF");
        promoted
            .arg("NO")
            .arg("ONE")
            .exec(&mut second.connect())
            .unwrap();
    })
    .await;
}

/// The old primary lives on as a replica, and connections to it stay open.
#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_hands_over_is_left() {
    let Some((first, second)) = pair() else {
        return;
    };
    goes_on(first, second, |first, second| {
        let mut beside = first.connect();
        redis::cmd("FAILOVER").exec(&mut beside).unwrap();
        let begun = Instant::now();
        loop {
            let mut role = second.connect();
            let role: Vec<redis::Value> = redis::cmd("ROLE").query(&mut role).unwrap();
            if role[0] == redis::Value::BulkString(b"master".to_vec()) {
                break;
            }
            assert!(begun.elapsed() < Duration::from_secs(10), "{role:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    })
    .await;
}
