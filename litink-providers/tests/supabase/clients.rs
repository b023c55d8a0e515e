//! Supabase's own clients against the server of these tests: what they cannot use, a project would
//! not answer.

use std::{path::PathBuf, process::Stdio};

use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, process::Command};
use uuid::Uuid;

use crate::{
    postgres,
    project::{BUCKET, PUBLISHABLE, Project, SECRET},
};

/// The folder of supabase-js, or the Python that has supabase-py.
pub(crate) fn installed(variable: &str) -> Option<PathBuf> {
    if let Some(found) = std::env::var_os(variable) {
        return Some(found.into());
    }
    assert!(
        std::env::var_os("LITINK_REQUIRE_PROGRAMS").is_none(),
        "{variable} is not set; cargo xtask test rust sets it"
    );
    eprintln!("skipped: {variable} is not set; cargo xtask test rust sets it");
    None
}

pub(crate) fn script(name: &str) -> PathBuf {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/supabase/clients");
    PathBuf::from(folder).join(name)
}

/// What a program prints, given this.
pub(crate) async fn output(command: &mut Command, input: &str) -> String {
    let mut process = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = process.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).await.unwrap();
    drop(stdin);
    let output = process.wait_with_output().await.unwrap();
    let (said, wrong) = (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    );
    assert!(output.status.success(), "{said}\n{wrong}");
    said
}

fn expected(prefix: &str, user: Uuid) -> Vec<(&'static str, Value)> {
    let own = format!("{prefix}/books/b1/hello.txt");
    vec![
        ("upload", json!(own)),
        ("upload again", json!("409")),
        ("replace", json!(own)),
        ("info", json!([9, "text/plain", { "by": "scenario" }])),
        ("info of nothing", json!("404")),
        ("info of another's", json!("404")),
        ("exists", json!(true)),
        ("exists not", json!(false)),
        ("download", json!("hello you")),
        ("write to another's", json!("403")),
        ("remove another's", json!([])),
        ("signed", json!(true)),
        ("signed, changed", json!(400)),
        ("remove", json!([own])),
        ("download of nothing", json!(true)),
        ("function", json!("number")),
        ("function with a request", json!(["items", "more"])),
        ("function of a user", json!("42501")),
        ("function of nobody", json!("42501")),
        ("no function", json!("PGRST202")),
        ("user", json!(user)),
        ("user of a wrong token", json!("bad_jwt")),
    ]
}

async fn drives(command: &mut Command) {
    let Some(database) = postgres::shared().await else {
        return;
    };
    let project = Project::with_rows(&database).await;
    let user = Uuid::new_v4();
    let prefix = format!("users/{user}");
    let token = project.auth.sign(&project.auth.claims(user));
    command.args([
        project.url.as_str().trim_end_matches('/'),
        SECRET,
        PUBLISHABLE,
        &token,
        BUCKET,
        &prefix,
    ]);
    let said = output(command, "").await;
    let said: Vec<Value> = said
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let expected: Vec<Value> = expected(&prefix, user)
        .into_iter()
        .map(|(step, value)| json!({ "step": step, "value": value }))
        .collect();
    assert_eq!(said, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn supabase_js_drives_the_server_of_these_tests() {
    let Some(modules) = installed("LITINK_TEST_NODE_MODULES") else {
        return;
    };
    let mut node = Command::new("node");
    drives(node.arg(script("scenario.mjs")).arg(modules)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn supabase_py_drives_the_server_of_these_tests() {
    let Some(python) = installed("LITINK_TEST_SUPABASE_PYTHON") else {
        return;
    };
    drives(Command::new(python).arg(script("scenario.py"))).await;
}
