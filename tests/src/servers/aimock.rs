use std::{
    path::PathBuf,
    process::{Child, Stdio},
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD as STANDARD};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{answers, command, free_port, on_path, skip, wait_for};
use crate::{http::Client, tone::spoken};

/// An independent server of OpenAI's shape that writes down what it is asked: aimock, of npm.
#[derive(Debug)]
pub struct Aimock {
    server: Child,
    client: Client,
    port: u16,
    _folder: TempDir,
}

impl Aimock {
    /// One that speaks a short tone whatever the text, so long after it was asked. `None`,
    /// said, where it is not installed.
    ///
    /// # Panics
    /// Where it does not start.
    #[must_use]
    pub fn start(latency: Duration) -> Option<Self> {
        let modules = std::env::var_os("LITINK_TEST_OPENAI_NPM").map(PathBuf::from);
        let (Some(modules), Some(node)) = (modules, on_path("node")) else {
            skip("LITINK_TEST_OPENAI_NPM is not set; cargo xtask test rust sets it");
            return None;
        };
        let folder = tempfile::tempdir().expect("a folder");
        let fixtures = folder.path().join("fixtures.json");
        let audio = STANDARD.encode(spoken("tones").expect("a tone"));
        let speech = json!({ "match": { "endpoint": "speech" },
                             "response": { "audio": audio, "format": "wav" } });
        let written = json!({ "fixtures": [speech] }).to_string();
        std::fs::write(&fixtures, written).expect("a file");
        let port = free_port();
        let server = command(&node, None)
            .arg(modules.join(".bin/llmock"))
            .args(["-p", &port.to_string(), "--journal-max", "0", "-f"])
            .arg(&fixtures)
            .stderr(Stdio::null())
            .spawn()
            .expect("node starts");
        wait_for("aimock", || answers(port));
        let started = Self {
            server,
            client: Client::new(format!("127.0.0.1:{port}")),
            port,
            _folder: folder,
        };
        let slow = json!({ "latencyMs": latency.as_millis() });
        let told = started.client.post("/__aimock/chaos", &slow);
        assert_eq!(told.expect("an answer").status, 200);
        Some(started)
    }

    /// Where OpenAI's interface begins.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }

    /// The texts that it was asked to speak, in order.
    ///
    /// # Panics
    /// Where it does not say.
    #[must_use]
    pub fn spoken(&self) -> Vec<String> {
        let journal = self.client.get("/__aimock/journal").expect("a journal");
        let Value::Array(entries) = journal.json() else {
            panic!("aimock's journal is no list");
        };
        let speech = |entry: &Value| entry["path"].as_str() == Some("/v1/audio/speech");
        let text = |entry: &Value| {
            let said = entry["body"]["messages"][0]["content"].as_str();
            said.expect("the text of a call").to_owned()
        };
        entries.iter().filter(|it| speech(it)).map(text).collect()
    }
}

impl Drop for Aimock {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
