//! SIGKILL at random moments of a run that a vendor is paid for, counted in that vendor's own
//! journal: nothing whose answer was kept is asked for again; of what was in flight, what the
//! setting says, and each time it is known.
//!
//! `LITINK_TEST_KILLS` says how often (500, say).

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    collections::{HashMap, HashSet},
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use litink_core::{
    Actor, LOCAL_USER,
    domain::{Generation, GenerationState, Run, RunState, Step},
    engine::Engine,
    repository::{Query, RepositoryExt},
    schema::Table,
};
use litink_providers::Settings;
use litink_tests::{litink, servers::Aimock};
use rand::{Rng, SeedableRng, rngs::StdRng};

const ACTOR: Actor = Actor::User(LOCAL_USER);
/// Each is a call of its own, its title and its paragraph.
const CHAPTERS: usize = 200;
/// Calls in flight at once.
const AT_ONCE: usize = 8;
/// Of this vendor, a call of which would else have no known price.
const PRICES: &str = r#"{"as_of": "2026-11-23", "source": "the test", "models": [
    {"provider": "openai", "model": "tts-1", "prices": [{"input_chars": 15000000000000}]}]}"#;
const LATENCY: Duration = Duration::from_millis(60);

fn kills() -> usize {
    let said = std::env::var("LITINK_TEST_KILLS").ok();
    said.map_or(60, |it| it.parse().expect("LITINK_TEST_KILLS is a number"))
}

/// A book, a vendor who counts, and what is kept of them.
struct Story {
    folder: tempfile::TempDir,
    vendor: Aimock,
}

impl Story {
    fn begin(policy: &str) -> Option<Self> {
        let vendor = Aimock::start(LATENCY)?;
        let folder = tempfile::tempdir().unwrap();
        let mut book = String::from("The Ledger\n\n");
        for n in 1..=CHAPTERS {
            let _ = write!(
                book,
                "Chapter {n}\n\nOn day {n} the clerk wrote down {} coins, and no more.\n\n",
                n * 7
            );
        }
        fs::write(folder.path().join("ledger.txt"), book).unwrap();
        fs::write(folder.path().join("prices.json"), PRICES).unwrap();
        let settings = format!(
            "lease_s = 0.5\nprices = \"prices.json\"\n[providers.openai]\napi_key = \"sk-none\"\nbase_url = \"{}\"\n\
             speech_model = \"tts-1\"\nmax_concurrency = {AT_ONCE}\non_ambiguous = \"{policy}\"\n",
            vendor.url()
        );
        fs::write(folder.path().join("litink.toml"), settings).unwrap();
        Some(Self { folder, vendor })
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn program(&self, arguments: &[&str]) -> Command {
        let mut command = litink(&self.data());
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    fn make(&self) -> Command {
        let mut make = self.program(&["make", "--provider", "openai", "--formats", "wav,vtt"]);
        make.arg("--out").arg(self.folder.path().join("out"));
        make.arg(self.folder.path().join("ledger.txt"));
        make
    }

    async fn ledger(&self) -> Ledger {
        Ledger::of(&self.data()).await
    }

    /// How often each text was asked for.
    fn asked(&self) -> HashMap<String, usize> {
        let mut asked = HashMap::new();
        for text in self.vendor.spoken() {
            *asked.entry(text).or_default() += 1;
        }
        asked
    }
}

/// What litink itself holds, by the texts.
struct Ledger {
    run: Option<Run>,
    calls: HashMap<String, Generation>,
}

impl Ledger {
    async fn of(data: &Path) -> Self {
        let engine: Engine = litink_providers::open(&Settings::in_folder(data.to_owned()))
            .await
            .unwrap();
        let repository = engine.repository();
        let rows: Vec<Generation> = repository
            .all(Actor::Service, Query::new(Table::Generations))
            .await
            .unwrap();
        let steps: Vec<Step> = repository
            .all(Actor::Service, Query::new(Table::Steps).heavy())
            .await
            .unwrap();
        let texts: HashMap<_, _> = steps
            .iter()
            .filter_map(|step| Some((step.id(), step.input["text"].as_str()?.to_owned())))
            .collect();
        // The cover is drawn, and not spoken.
        let spoken = |row: Generation| Some((texts.get(&row.step_id?)?.clone(), row));
        let calls = rows.into_iter().filter_map(spoken).collect();
        let mut runs = engine.runs(ACTOR, None, None, 10).await.unwrap().items;
        assert!(runs.len() <= 1, "one command is one run");
        let run = runs.pop();
        Self { run, calls }
    }

    fn texts(&self, state: GenerationState) -> HashSet<String> {
        let so = self.calls.iter().filter(|(_, row)| row.state == state);
        so.map(|(text, _)| text.clone()).collect()
    }

    fn is_completed(&self) -> bool {
        self.run
            .as_ref()
            .is_some_and(|run| run.state == RunState::Completed)
    }
}

async fn sleep(random: &mut StdRng) {
    tokio::time::sleep(Duration::from_millis(random.random_range(150..1_300))).await;
}

/// Whether it was killed, and had not ended before.
fn killed(child: &mut Child) -> bool {
    let ended = child.try_wait().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    ended.is_none()
}

fn seeded() -> StdRng {
    let seed = rand::random();
    println!("seed {seed}");
    StdRng::seed_from_u64(seed)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_in_flight_is_sent_again_and_known_as_such() {
    let mut random = seeded();
    let (mut done, mut repeats, mut stories) = (0, 0, 0);
    while done < kills() {
        let Some(story) = Story::begin("resend") else {
            return;
        };
        // The attempts that were in flight at a death. Each may be made again.
        let mut left: HashSet<(u32, String)> = HashSet::new();
        let mut kept: Vec<(HashMap<String, usize>, HashSet<String>)> = Vec::new();
        loop {
            let mut child = story.make().spawn().unwrap();
            sleep(&mut random).await;
            if !killed(&mut child) {
                break;
            }
            done += 1;
            let ledger = story.ledger().await;
            let started = ledger.texts(GenerationState::Started);
            let attempts = |text: String| (ledger.calls[&text].attempt, text);
            // One that an earlier death left may still wait for its turn.
            let fresh = started.into_iter().map(attempts);
            let fresh = fresh.filter(|it| left.insert(it.clone())).count();
            assert!(fresh <= AT_ONCE, "{fresh} in flight");
            kept.push((story.asked(), ledger.texts(GenerationState::Completed)));
            if done >= kills() {
                break;
            }
        }
        assert!(story.make().status().unwrap().success());

        let (asked, ledger) = (story.asked(), story.ledger().await);
        assert!(ledger.is_completed());
        assert!(asked.len() >= CHAPTERS, "{} calls", asked.len());
        for (before, completed) in &kept {
            for text in completed {
                assert_eq!(before[text], asked[text], "asked again when kept: {text}");
            }
        }
        for (text, times) in &asked {
            let most = 1 + left.iter().filter(|(_, it)| it == text).count();
            let row = &ledger.calls[text];
            assert!(*times <= most, "{times} times, {most} at most: {text}");
            assert!(
                *times <= row.attempt as usize,
                "{times} times, {} known: {text}",
                row.attempt
            );
            // What the first may have cost is not forgotten.
            let doubtful = row.metered.unsettled_nanos.unwrap_or(0) > 0;
            assert_eq!(doubtful, row.attempt > 1, "{text}: {:?}", row.metered);
        }
        repeats += asked.values().sum::<usize>() - asked.len();
        stories += 1;
    }
    println!("{done} kills in {stories} runs: {repeats} calls were sent again, each known");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_is_sent_again_only_when_somebody_says_so() {
    let mut random = seeded();
    let (mut done, mut held, mut stories) = (0, 0, 0);
    while done < kills() / 4 {
        let Some(story) = Story::begin("hold") else {
            return;
        };
        // The attempts that were held when somebody resumed. Each may be made again.
        let mut left: HashSet<(u32, String)> = HashSet::new();
        let mut commands = 0;
        loop {
            let mut child = story.make().spawn().unwrap();
            sleep(&mut random).await;
            done += usize::from(killed(&mut child));
            commands += 1;
            assert!(commands < 50, "this book is not made in 50 commands");
            // A worker goes on, and nobody says anything.
            let mut worker = story.program(&["work"]).spawn().unwrap();
            let ended = async {
                loop {
                    let ledger = story.ledger().await;
                    match &ledger.run {
                        Some(run) if run.state == RunState::Running => {}
                        _ => return,
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            };
            tokio::time::timeout(Duration::from_secs(60), ended)
                .await
                .expect("it ends");
            killed(&mut worker);
            let ledger = story.ledger().await;
            for (text, times) in story.asked() {
                let most = 1 + left.iter().filter(|(_, it)| *it == text).count();
                assert!(
                    times <= most,
                    "{times} times, {most} at most: {text}: {:?}",
                    ledger.calls.get(&text)
                );
            }
            if ledger.is_completed() {
                break;
            }
            // Which the next command does.
            let attempts = |text: String| (ledger.calls[&text].attempt, text);
            let of_held = ledger.texts(GenerationState::Held);
            left.extend(of_held.into_iter().map(attempts));
            if done >= kills() / 4 {
                break;
            }
        }
        // Each command lets go of what is held when it begins, and ends at the next in doubt.
        let finished = (0..=2 * AT_ONCE).any(|_| story.make().status().unwrap().success());
        assert!(finished && story.ledger().await.is_completed());
        stories += 1;
        held += left.len();
    }
    println!("{done} kills in {stories} runs: {held} calls were held, none sent unasked");
}
