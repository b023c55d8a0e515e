//! The worker, on its own, with the queue in memory and a clock that waits for nobody.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use litink_core::{
    Error, ErrorKind, JobId, Retry,
    cache::MemoryCache,
    queue::{Command, Job, JobState, MemoryQueue, NewJob, Queue, Selector},
    worker::{
        Execution, Failure, Handling, StopReason, TraceParent, Worker, WorkerBuilder, progress,
    },
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

const SECOND: Duration = Duration::from_secs(1);

/// A worker at work.
struct Working {
    queue: Arc<MemoryQueue>,
    stop: CancellationToken,
    abandon: CancellationToken,
    working: JoinHandle<litink_core::Result<()>>,
}

impl Working {
    fn new(build: impl FnOnce(WorkerBuilder) -> WorkerBuilder) -> Self {
        let queue = Arc::new(MemoryQueue::new());
        let worker = build(Worker::builder(queue.clone()).name("test")).build();
        let (stop, abandon) = (CancellationToken::new(), CancellationToken::new());
        Self {
            working: tokio::spawn(worker.run(stop.clone(), abandon.clone())),
            queue,
            stop,
            abandon,
        }
    }

    async fn add(&self, job: NewJob) -> JobId {
        self.queue.enqueue(&[job]).await.unwrap()[0].id()
    }

    async fn job(&self, id: JobId) -> Job {
        self.queue.get(&[id]).await.unwrap().remove(0).unwrap()
    }

    async fn until(&self, id: JobId, state: JobState) -> Job {
        let begun = Instant::now();
        loop {
            let job = self.job(id).await;
            if job.state == state {
                return job;
            }
            let waited = begun.elapsed();
            assert!(waited < 3_600 * SECOND, "not {state:?}: {job:?}");
            sleep(Duration::from_millis(10)).await;
        }
    }

    async fn ends(self) {
        self.stop.cancel();
        self.working.await.unwrap().unwrap();
    }
}

fn job(kind: &str) -> NewJob {
    NewJob::new(kind, json!({}))
}

#[derive(Debug, Deserialize)]
struct Email {
    to: String,
}

#[tokio::test(start_paused = true)]
async fn arguments_come_by_type_and_those_that_do_not_fit_are_discarded_unread() {
    let sent = Arc::new(Mutex::new(Vec::new()));
    let outbox = Arc::clone(&sent);
    let working = Working::new(|it| {
        it.handle("email", move |job: Execution<Email>| {
            outbox.lock().unwrap().push(job.args.to);
            async { Ok(()) }
        })
    });
    let good = NewJob::new("email", json!({ "to": "ada" }));
    let good = working.add(good).await;
    let bad = NewJob::new("email", json!({ "to": ["canary"] }));
    let bad = working.add(bad).await;
    working.until(good, JobState::Completed).await;
    let bad = working.until(bad, JobState::Discarded).await;
    let error = bad.error.unwrap();
    assert!(error.contains("do not fit"), "{error}");
    assert!(!error.contains("canary"), "{error}");
    assert_eq!(*sent.lock().unwrap(), ["ada"]);
    // What nobody has a handler for waits.
    let other = working.add(job("other")).await;
    sleep(60 * SECOND).await;
    assert_eq!(working.job(other).await.state, JobState::Available);
    working.ends().await;
}

#[tokio::test(start_paused = true)]
async fn failures_are_judged_by_their_class() {
    let working = Working::new(|it| {
        it.handle("fail", |job: Execution<Value>| async move {
            let again = job.attempt() > 1;
            match job.args.as_str().unwrap() {
                _ if again && job.args != "wait" => Ok(()),
                "io" => Err(std::io::Error::other("the disk is away"))?,
                "after" => Err(Failure::retry_after(100 * SECOND, "busy")),
                "never" => Err(Failure::never("no such address")),
                "invalid" => Err(Error::invalid("bad", "the book is bad"))?,
                "cancelled" => Err(Failure::cancelled()),
                "limited" if job.job().token == 1 => {
                    let retry = Retry::After(50 * SECOND);
                    Err(Error::new(ErrorKind::RateLimited, "slower").with_retry(retry))?
                }
                "wait" if job.job().token < 20 => Err(Failure::wait(SECOND)),
                _ => Ok(()),
            }
        })
    });
    let begun = Instant::now();
    let mut ended = Vec::new();
    for (how, state) in [
        ("io", JobState::Completed),
        ("after", JobState::Completed),
        ("never", JobState::Discarded),
        ("invalid", JobState::Discarded),
        ("cancelled", JobState::Cancelled),
        ("limited", JobState::Completed),
        ("wait", JobState::Completed),
    ] {
        let id = working.add(NewJob::new("fail", json!(how))).await;
        let from = begun.elapsed();
        let job = working.until(id, state).await;
        let error = job.error.clone().unwrap_or_default();
        ended.push((how, job.attempt, (begun.elapsed() - from).as_secs(), error));
    }
    let expected = [
        // A second, more or less a quarter.
        ("io", 2, ended[0].2.min(1), "the disk is away"),
        ("after", 2, 100, "busy"),
        ("never", 1, 0, "no such address"),
        ("invalid", 1, 0, "the book is bad"),
        ("cancelled", 1, 0, ""),
        ("limited", 1, 50, ""),
        ("wait", 1, 19, ""),
    ];
    for (ended, (how, attempt, after, error)) in ended.iter().zip(expected) {
        let short = (ended.0, ended.1, ended.2);
        assert_eq!(short, (how, attempt, after), "{}", ended.3);
        assert!(ended.3.contains(error), "{ended:?}");
    }
    working.ends().await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_failure_and_the_worker_lives() {
    let working = Working::new(|it| {
        it.handle("early", |_: Execution<Value>| -> std::future::Ready<_> {
            panic!("canary")
        })
        .handle("late", |_: Execution<Value>| async {
            sleep(SECOND).await;
            panic!("canary")
        })
        .handle("good", |_: Execution<Value>| async { Ok(()) })
    });
    for kind in ["early", "late"] {
        let id = working.add(job(kind).max_attempts(2, 1)).await;
        let job = working.until(id, JobState::Discarded).await;
        assert_eq!((job.attempt, job.crashes), (2, 0));
        assert_eq!(job.error.as_deref(), Some("the handler panicked"));
    }
    let good = working.add(job("good")).await;
    working.until(good, JobState::Completed).await;
    working.ends().await;
}

#[tokio::test(start_paused = true)]
async fn the_soft_deadline_comes_before_the_hard_one() {
    let handling = Handling::default().deadlines(10 * SECOND, 30 * SECOND);
    let working = Working::new(|it| {
        it.handle_with("polite", handling, |job: Execution<Value>| async move {
            assert_eq!(job.time_left(), Some(30 * SECOND));
            job.soft_deadline().await;
            assert_eq!(job.time_left(), Some(20 * SECOND));
            Ok(())
        })
        .handle_with("endless", handling, |_: Execution<Value>| {
            std::future::pending()
        })
        .handle("free", |job: Execution<Value>| async move {
            assert_eq!(job.time_left(), None);
            tokio::select! {
                () = job.soft_deadline() => Err(Failure::never("there is none")),
                () = sleep(3_000 * SECOND) => Ok(()),
            }
        })
    });
    let begun = Instant::now();
    let polite = working.add(job("polite")).await;
    working.until(polite, JobState::Completed).await;
    assert_eq!(begun.elapsed().as_secs(), 10);
    let begun = Instant::now();
    let endless = working.add(job("endless").max_attempts(1, 1)).await;
    let endless = working.until(endless, JobState::Discarded).await;
    assert_eq!(begun.elapsed().as_secs(), 30);
    assert_eq!(endless.error.as_deref(), Some("not finished after 30s"));
    let free = working.add(job("free")).await;
    working.until(free, JobState::Completed).await;
    working.ends().await;
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_job_is_told_and_one_that_does_not_listen_is_dropped() {
    let told = Arc::new(AtomicU32::new(0));
    let tell = Arc::clone(&told);
    let working = Working::new(|it| {
        it.handle("polite", move |job: Execution<Value>| {
            let tell = Arc::clone(&tell);
            async move {
                assert_eq!(job.stop_reason(), None);
                assert_eq!(job.stopped().await, StopReason::Cancelled);
                assert!(job.is_cancelled());
                tell.fetch_add(1, Ordering::Relaxed);
                Err(Failure::retry("what was under way is put away"))
            }
        })
        .handle("deaf", |_: Execution<Value>| std::future::pending())
    });
    for (kind, after) in [("polite", 0), ("deaf", 5)] {
        let id = working.add(job(kind)).await;
        working.until(id, JobState::Running).await;
        let cancel = Command::Cancel(Selector::Ids(vec![id]));
        let begun = Instant::now();
        assert_eq!(working.queue.control(&cancel).await.unwrap(), 1);
        working.until(id, JobState::Cancelled).await;
        assert_eq!(begun.elapsed().as_secs(), after, "{kind}");
    }
    assert_eq!(told.load(Ordering::Relaxed), 1);
    working.ends().await;
}

#[tokio::test(start_paused = true)]
async fn a_stopping_worker_finishes_what_it_can_and_gives_back_the_rest() {
    for at_once in [false, true] {
        let working = Working::new(|it| {
            it.grace(20 * SECOND)
                .handle("ten", |_: Execution<Value>| async {
                    sleep(10 * SECOND).await;
                    Ok(())
                })
                .handle("endless", |job: Execution<Value>| async move {
                    assert_eq!(job.stopped().await, StopReason::Draining);
                    Err(Failure::retry("stopped"))
                })
        });
        let (ten, endless) = (
            working.add(job("ten")).await,
            working.add(job("endless")).await,
        );
        working.until(ten, JobState::Running).await;
        working.until(endless, JobState::Running).await;
        let begun = Instant::now();
        working.stop.cancel();
        if at_once {
            working.abandon.cancel();
        }
        sleep(SECOND).await;
        let late = working.add(job("ten")).await;
        let queue = Arc::clone(&working.queue);
        working.working.await.unwrap().unwrap();
        let took = begun.elapsed().as_secs();
        let jobs = queue.get(&[ten, endless, late]).await.unwrap();
        let jobs: Vec<_> = jobs
            .into_iter()
            .flatten()
            .map(|it| (it.state, it.attempt))
            .collect();
        let given_back = (JobState::Available, 0);
        if at_once {
            // The one that does not listen has its own grace.
            assert_eq!((jobs, took), (vec![given_back; 3], 5));
        } else {
            let finished = (JobState::Completed, 1);
            assert_eq!((jobs, took), (vec![finished, given_back, given_back], 20));
        }
        assert_eq!(queue.workers().await.unwrap(), []);
    }
}

#[tokio::test(start_paused = true)]
async fn progress_is_known_by_lease() {
    let cache = Arc::new(MemoryCache::default());
    let kept = Arc::clone(&cache);
    let working = Working::new(|it| {
        it.cache(kept)
            .handle("count", |job: Execution<Value>| async move {
                for done in 0..=100 {
                    job.progress(done, Some(100), Some("counting")).await;
                    sleep(Duration::from_millis(100)).await;
                }
                if job.attempt() == 1 {
                    return Err(Failure::retry("once more"));
                }
                sleep(100 * SECOND).await;
                Ok(())
            })
    });
    let id = working.add(job("count")).await;
    let said = async || progress(&*cache, &working.job(id).await).await.unwrap();
    sleep(Duration::from_millis(5_050)).await;
    let half = said().await.unwrap();
    assert_eq!(
        (half.total, half.message.as_deref()),
        (Some(100), Some("counting"))
    );
    assert!((46..=50).contains(&half.done), "{half:?}");
    working.until(id, JobState::Retryable).await;
    assert_eq!(said().await.unwrap().done, 100);
    working.until(id, JobState::Running).await;
    let anew = said().await.map_or(0, |it| it.done);
    assert!(anew < 5, "a new execution begins anew: {anew}");
    working.until(id, JobState::Completed).await;
    assert_eq!(said().await.unwrap().done, 100);
    working.ends().await;
}

#[tokio::test(start_paused = true)]
async fn an_execution_is_a_child_in_its_jobs_trace_and_its_own_jobs_are_its_children() {
    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let spans = Arc::new(Mutex::new(Vec::new()));
    let made = Arc::clone(&spans);
    let working = Working::new(|it| {
        it.spans(move |job, trace| {
            made.lock().unwrap().push((job.kind.clone(), *trace));
            tracing::Span::none()
        })
        .handle("parent", |job: Execution<Value>| async move {
            let child = NewJob::new("child", json!({})).id(JobId::derived(&[b"child"]));
            job.enqueue(vec![child]).await?;
            Ok(())
        })
        .handle("child", |_: Execution<Value>| async { Ok(()) })
    });
    let parent = working.add(job("parent").trace(PARENT)).await;
    working.until(parent, JobState::Completed).await;
    let child = working
        .until(JobId::derived(&[b"child"]), JobState::Completed)
        .await;
    let given = TraceParent::parse(PARENT).unwrap();
    let spans = spans.lock().unwrap();
    let [(_, first), (_, second)] = spans[..] else {
        panic!("{spans:?}");
    };
    assert_eq!([first.trace_id, second.trace_id], [given.trace_id; 2]);
    assert_eq!(child.trace, Some(first.to_string()));
    let ids = [given.span_id, first.span_id, second.span_id];
    assert!(ids[0] != ids[1] && ids[1] != ids[2], "{ids:?}");
}

#[tokio::test(start_paused = true)]
async fn a_worker_says_who_it_is() {
    let working = Working::new(|it| {
        it.handle("b", |_: Execution<Value>| std::future::pending())
            .handle("a", |_: Execution<Value>| async { Ok(()) })
    });
    let id = working.add(job("b")).await;
    working.until(id, JobState::Running).await;
    let workers = working.queue.workers().await.unwrap();
    let [worker] = &workers[..] else {
        panic!("{workers:?}");
    };
    assert_eq!((&*worker.info.name, worker.running), ("test", 1));
    assert_eq!(worker.info.kinds, ["a", "b"]);
    assert_eq!(worker.info.pid, Some(std::process::id()));
}
