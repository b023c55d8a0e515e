//! Whole runs of the real program while the servers beneath it stop and start, lose rights and run
//! full: what it makes is what an undisturbed run makes, and made once.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use litink_core::{
    Actor, LOCAL_USER,
    domain::{Generation, Step, StepState},
    engine::Engine,
    repository::{Query, RepositoryExt},
    schema::Table,
    storage::StorageExt,
};
use litink_providers::{Secret, Settings};
use litink_tests::{
    book, litink,
    servers::{Postgres, Rights, Seaweed, on_path, skip},
};

const ME: Actor = Actor::User(LOCAL_USER);

/// Where a run keeps its rows and bytes, besides its own folder.
#[derive(Clone, Default)]
pub(crate) struct Place {
    pub(crate) database: Option<String>,
    pub(crate) storage: Option<String>,
}

/// A folder with a slow voice that writes down each call, and the program on it.
pub(crate) struct Bench {
    folder: tempfile::TempDir,
    pub(crate) place: Place,
}

impl Bench {
    /// `None`, said, where the voice is not installed.
    pub(crate) fn new(place: Place) -> Option<Self> {
        let Some(voice) = on_path("espeak-ng") else {
            skip("`espeak-ng` is not installed");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let bin = folder.path().join("bin");
        fs::create_dir(&bin).unwrap();
        let script = format!(
            "#!/bin/sh\ncase \"$*\" in *--version*|*--voices*) ;; *) sleep 0.1; echo call >> {}/calls;; esac\nexec {} \"$@\"\n",
            folder.path().display(),
            voice.display(),
        );
        fs::write(bin.join("espeak-ng"), script).unwrap();
        fs::set_permissions(bin.join("espeak-ng"), fs::Permissions::from_mode(0o755)).unwrap();
        Some(Self { folder, place })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// The real program, making the small book.
    pub(crate) fn make(&self) -> Command {
        let mut make = litink(&self.data());
        let path = format!(
            "{}:{}",
            self.path().join("bin").display(),
            std::env::var("PATH").unwrap()
        );
        make.env("PATH", path).env("LITINK_CONCURRENCY", "2");
        make.env("LITINK_LEASE_S", "2")
            .env("LITINK_MAX_ATTEMPTS", "20");
        for (name, url) in [
            ("LITINK_DATABASE_URL", &self.place.database),
            ("LITINK_STORAGE_URL", &self.place.storage),
        ] {
            if let Some(url) = url {
                make.env(name, url);
            }
        }
        make.args(["make", "--formats", "wav,vtt", "--out"]);
        make.arg(self.path().join("out"))
            .arg(book("the-lamplighters-map.txt"));
        make
    }

    pub(crate) fn start(&self) -> Child {
        let mut make = self.make();
        make.stdout(Stdio::null()).stderr(Stdio::piped());
        make.spawn().unwrap()
    }

    pub(crate) fn calls(&self) -> usize {
        let calls = fs::read_to_string(self.path().join("calls")).unwrap_or_default();
        calls.lines().count()
    }

    /// Until so many calls were made by a run that is on its way.
    pub(crate) fn until(&self, calls: usize, run: &mut Child) {
        let begun = Instant::now();
        while self.calls() < calls {
            assert!(run.try_wait().unwrap().is_none(), "it ended before");
            assert!(begun.elapsed() < Duration::from_secs(60), "no call is made");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) async fn made(&self) -> Made {
        let mut settings = Settings::in_folder(self.data());
        settings.database_url = self.place.database.as_deref().map(Secret::new);
        settings.storage_url = self.place.storage.as_deref().map(Secret::new);
        let engine = litink_providers::open(&settings).await.unwrap();
        let mut made = Made::of(&engine).await;
        made.calls = self.calls();
        made.files = fs::read_dir(self.path().join("out"))
            .unwrap()
            .map(|file| file.unwrap().path())
            .map(|file| {
                (
                    file.file_name().unwrap().to_string_lossy().into_owned(),
                    hash(&fs::read(file).unwrap()),
                )
            })
            .collect();
        made
    }
}

fn hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

/// Everything that a run leaves, times aside.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Made {
    /// Calls of the voice.
    pub(crate) calls: usize,
    /// The files that were asked for.
    files: BTreeMap<String, String>,
    /// Rows by table and id: versions count the writes, so that a step done twice shows.
    pub(crate) rows: BTreeMap<String, u64>,
    /// Objects with their hashes.
    objects: BTreeMap<String, String>,
    /// Steps that were begun more than once.
    pub(crate) again: usize,
}

impl Made {
    /// The same files, ids and bytes, nothing beside them; steps may have been tried again.
    pub(crate) fn is_the_same_work_as(&self, calm: &Self) {
        assert_eq!((&self.files, &self.objects), (&calm.files, &calm.objects));
        assert!(self.rows.keys().eq(calm.rows.keys()), "{:?}", self.rows);
    }

    async fn of(engine: &Engine) -> Self {
        let mut rows = BTreeMap::new();
        for table in [
            Table::Books,
            Table::Chapters,
            Table::Runs,
            Table::Steps,
            Table::Generations,
            Table::Exports,
        ] {
            let mut query = Query::new(table).limit(1_000);
            loop {
                let page = engine
                    .repository()
                    .list(Actor::Service, &query)
                    .await
                    .unwrap();
                for row in page.items {
                    let name = format!("{} {}", table.def().name, row.id().unwrap());
                    rows.insert(name, row.version().unwrap());
                }
                let Some(next) = page.next else { break };
                query = query.after(Some(next));
            }
        }
        let steps: Vec<Step> = engine
            .repository()
            .all(Actor::Service, Query::new(Table::Steps))
            .await
            .unwrap();
        assert!(steps.len() > 10);
        for step in &steps {
            assert_eq!(step.state, StepState::Completed, "{}", step.key);
            assert_eq!(step.waiting_on, 0, "{}", step.key);
        }
        let again = steps.iter().filter(|step| step.attempt != 1).count();
        let paid: Vec<Generation> = engine
            .repository()
            .all(Actor::Service, Query::new(Table::Generations))
            .await
            .unwrap();
        assert!(paid.iter().all(|it| it.output.is_some()));
        let mut objects = BTreeMap::new();
        for object in engine
            .storage()
            .list(ME, "", None, 1_000)
            .await
            .unwrap()
            .items
        {
            let bytes = engine
                .storage()
                .get_bytes(ME, &object.key, 1 << 30)
                .await
                .unwrap();
            objects.insert(object.key.to_string(), hash(&bytes));
        }
        assert!(objects.len() > 5);
        Self {
            calls: 0,
            files: BTreeMap::new(),
            rows,
            objects,
            again,
        }
    }
}

pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn ends_well(run: Child) {
    let output = run.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
}

/// On a folder, with nobody in the way.
pub(crate) async fn undisturbed() -> Option<Made> {
    let bench = Bench::new(Place::default())?;
    ends_well(bench.start());
    let made = bench.made().await;
    assert_eq!((made.files.len(), made.again), (2, 0));
    Some(made)
}

#[tokio::test]
async fn a_run_goes_on_when_postgres_and_s3_stop_and_start() {
    let (Some(calm), Some(mut postgres), Some(mut weed)) =
        (undisturbed().await, Postgres::start(), Seaweed::start())
    else {
        return;
    };
    let place = Place {
        database: Some(postgres.url("postgres").to_string()),
        storage: Some(weed.url(&weed.endpoint(), "runs")),
    };
    let bench = Bench::new(place).unwrap();
    let mut run = bench.start();
    bench.until(2, &mut run);
    postgres.stop();
    std::thread::sleep(Duration::from_millis(300));
    postgres.start_again();
    bench.until(calm.calls / 2, &mut run);
    weed.stop();
    std::thread::sleep(Duration::from_millis(300));
    weed.start_again(Rights::All);
    bench.until(calm.calls - 2, &mut run);
    postgres.stop();
    weed.stop();
    postgres.start_again();
    weed.start_again(Rights::All);
    ends_well(run);
    let made = bench.made().await;
    made.is_the_same_work_as(&calm);
    // Where a server comes back within the time that calls are repeated for, as on a calm machine,
    // there is no call and no step more. A slower one fails what is in flight, which is tried again.
    assert!(made.calls < calm.calls * 2, "{} calls", made.calls);
    println!("{} calls instead of {}", made.calls, calm.calls);
}
