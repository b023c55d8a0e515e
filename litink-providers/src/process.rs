//! Programs of other people: fed, bounded and watched, without a shell.

use std::{
    env,
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use litink_core::{Error, ErrorKind, Result};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
};

/// A sentence takes 10 to 100 ms and a scanned page seconds; a process that takes this long hangs.
const TIME_LIMIT: Duration = Duration::from_secs(120);
/// What is kept of a program's complaints.
const STDERR_BYTES: u64 = 4_096;

/// What a program left behind.
pub(crate) struct Finished {
    pub(crate) ok: bool,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

/// Runs a program without a shell: `input` goes over its standard input, at most `output_bytes` come
/// back. Dropping the future kills it.
pub(crate) async fn run(
    program: &Path,
    arguments: &[OsString],
    input: &[u8],
    output_bytes: u64,
) -> Result<Finished> {
    let child = Command::new(program)
        .args(arguments)
        // As many run at once as there are processors; threads of their own would only fight.
        .env("OMP_THREAD_LIMIT", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| failed(program, "cannot be started").with_source(error))?;
    tokio::time::timeout(TIME_LIMIT, converse(child, input, output_bytes))
        .await
        .map_err(|_| {
            Error::new(
                ErrorKind::Timeout,
                format!("{} hung and was stopped", name(program)),
            )
        })?
        .map_err(|error| failed(program, "broke off").with_source(error))?
        .ok_or_else(|| too_long(program))
}

/// `None` if the program wrote more than it may.
async fn converse(
    mut child: Child,
    input: &[u8],
    output_bytes: u64,
) -> std::io::Result<Option<Finished>> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let feed = async {
        if let Some(mut stdin) = stdin {
            // A program that does not read to the end is judged by its exit code, not by this.
            let _ = stdin.write_all(input).await;
        }
    };
    let (_, stdout, stderr) = tokio::join!(
        feed,
        collect(stdout, output_bytes + 1),
        collect(stderr, STDERR_BYTES)
    );
    let stdout = stdout?;
    if stdout.len() as u64 > output_bytes {
        return Ok(None);
    }
    Ok(Some(Finished {
        ok: child.wait().await?.success(),
        stdout,
        stderr: String::from_utf8_lossy(&stderr?).into_owned(),
    }))
}

async fn collect(pipe: Option<impl AsyncRead + Unpin>, limit: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        pipe.take(limit).read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

fn name(program: &Path) -> String {
    let name = program.file_name().unwrap_or(program.as_os_str());
    name.to_string_lossy().into_owned()
}

pub(crate) fn failed(program: &Path, how: &str) -> Error {
    let name = name(program);
    Error::new(
        ErrorKind::Unavailable,
        format!("the program {name} {how}; check that it runs by itself"),
    )
    .with_code("program_failed")
}

pub(crate) fn too_long(program: &Path) -> Error {
    let name = name(program);
    Error::new(
        ErrorKind::LimitExceeded,
        format!("{name} made more than is kept in memory; give it less at once"),
    )
    .with_code("program_output_too_long")
}

/// The program of this name in the folders of a text that is written as `PATH` is.
pub(crate) fn find_in(folders: &OsStr, name: &str) -> Option<PathBuf> {
    env::split_paths(folders)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name).with_extension(env::consts::EXE_EXTENSION))
        .find(|file| is_executable(file))
}

/// The program of this name in the folders of `PATH`.
#[cfg(any(feature = "ffmpeg", feature = "tesseract"))]
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    find_in(&env::var_os("PATH").unwrap_or_default(), name)
}

#[cfg(unix)]
fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata()
        .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(file: &Path) -> bool {
    file.is_file()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    async fn shell(script: &str, input: &[u8], limit: u64) -> Result<Finished> {
        let arguments = ["-c".into(), script.into()];
        run(Path::new("/bin/sh"), &arguments, input, limit).await
    }

    #[tokio::test]
    async fn input_comes_back_whole_and_output_is_bounded() {
        let input = vec![b'x'; 300_000];
        let finished = shell("cat", &input, 300_000).await.unwrap();
        assert!(finished.ok && finished.stdout == input);
        let error = shell("cat", &input, 299_999).await.err().unwrap();
        assert_eq!(error.code(), "program_output_too_long");
    }

    #[tokio::test]
    async fn a_program_that_fails_or_does_not_read_is_reported_not_hung() {
        let finished = shell("exec <&-; echo no >&2; exit 3", &vec![0; 300_000], 10).await;
        let finished = finished.unwrap();
        assert!(!finished.ok);
        assert_eq!(finished.stderr, "no\n");
        let missing = run(Path::new("/no/such/program"), &[], b"", 10).await;
        assert_eq!(missing.err().unwrap().code(), "program_failed");
    }
}
