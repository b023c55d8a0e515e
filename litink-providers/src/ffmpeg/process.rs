//! Runs the program: feeds it, watches it, and turns its end into an error.

use std::{
    ffi::OsString,
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use bytes::Bytes;
use futures::{TryStreamExt, stream::BoxStream};
use litink_core::{Error, ErrorKind, Result};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{Child, ChildStdin, Command},
    time::timeout,
};
use tokio_util::task::AbortOnDropHandle;

/// How much of the program's complaints is kept: its last lines say what went wrong.
const STDERR_BYTES: usize = 8 << 10;

/// How long ffmpeg may take. There is no limit on a whole encoding, which takes as long as the
/// samples take to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FfmpegLimits {
    /// The longest time without taking a chunk of samples. Default 60 s: it encodes minutes of
    /// audio in a second, so this only ends a program that hangs or a machine that is stuck.
    pub stall: Duration,
    /// The longest time from the last sample to its end. Default 300 s, enough to write the index
    /// of a long book to a slow disk.
    pub finish: Duration,
}

impl Default for FfmpegLimits {
    fn default() -> Self {
        Self {
            stall: Duration::from_secs(60),
            finish: Duration::from_secs(300),
        }
    }
}

/// Runs the program on `pcm` to its end. Dropping the future kills it.
pub(super) async fn run(
    program: &Path,
    arguments: &[OsString],
    pcm: BoxStream<'_, Result<Bytes>>,
    limits: &FfmpegLimits,
) -> Result<()> {
    let mut child = spawn(program, arguments)?;
    let (stdin, stderr) = child
        .stdin
        .take()
        .zip(child.stderr.take())
        .ok_or_else(|| Error::internal("ffmpeg was started without pipes"))?;
    let complaints = AbortOnDropHandle::new(tokio::spawn(tail(stderr)));
    let fed = feed(stdin, pcm, limits.stall).await;
    let ended = match &fed {
        Ok(_) => timeout(limits.finish, child.wait())
            .await
            .map_err(|_| stalled(limits.finish)),
        // The stream's own error is what counts, not how the program ends without it.
        Err(_) => Ok(child.kill().await.map(|()| ExitStatus::default())),
    };
    let fed = fed?;
    let status = ended??;
    let complaints = complaints.await.unwrap_or_default();
    verdict(status, fed, &complaints)
}

/// The first line of what `-version` prints.
pub(super) async fn version(program: &Path, limit: Duration) -> Result<String> {
    let mut command = Command::new(program);
    command
        .arg("-version")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = timeout(limit, command.output())
        .await
        .map_err(|_| stalled(limit))?;
    let output = output.map_err(not_started)?;
    let text = String::from_utf8_lossy(&output.stdout);
    match text.lines().next() {
        Some(line) if output.status.success() => Ok(line.to_owned()),
        _ => Err(failed("it does not say its version")),
    }
}

/// The error for a machine without ffmpeg.
pub(super) fn missing() -> Error {
    Error::new(
        ErrorKind::Configuration,
        "M4B, MP3 and FLAC need the ffmpeg program; install it (Debian and Ubuntu: apt install \
         ffmpeg), set its path, or choose WAV",
    )
    .with_code("ffmpeg_missing")
}

fn spawn(program: &Path, arguments: &[OsString]) -> Result<Child> {
    Command::new(program)
        .args(arguments)
        // Complaints in English, since some of them are told apart below.
        .env("LC_ALL", "C")
        .env("AV_LOG_FORCE_NOCOLOR", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(not_started)
}

fn not_started(error: std::io::Error) -> Error {
    if error.kind() == std::io::ErrorKind::NotFound {
        return missing().with_source(error);
    }
    Error::new(
        ErrorKind::Configuration,
        "ffmpeg cannot be started; check its path and its rights",
    )
    .with_code("ffmpeg_missing")
    .with_source(error)
}

/// Whether the program took all samples, or closed its input before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fed {
    All,
    Refused,
}

async fn feed(
    mut stdin: ChildStdin,
    mut pcm: BoxStream<'_, Result<Bytes>>,
    stall: Duration,
) -> Result<Fed> {
    while let Some(chunk) = pcm.try_next().await? {
        let written = timeout(stall, stdin.write_all(&chunk))
            .await
            .map_err(|_| stalled(stall))?;
        match written {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {
                return Ok(Fed::Refused);
            }
            Err(error) => return Err(failed("its input broke").with_source(error)),
        }
    }
    Ok(Fed::All)
}

/// The last bytes of what it says; the rest is read and forgotten, so that it never blocks.
async fn tail(mut stderr: impl AsyncRead + Unpin) -> String {
    let mut kept = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = stderr.read(&mut buffer).await {
        kept.extend_from_slice(&buffer[..read]);
        let excess = kept.len().saturating_sub(STDERR_BYTES);
        kept.drain(..excess);
    }
    String::from_utf8_lossy(&kept).into_owned()
}

fn verdict(status: ExitStatus, fed: Fed, complaints: &str) -> Result<()> {
    if complaints.contains("No space left on device") || complaints.contains("Disk quota exceeded")
    {
        let message = "the disk is full; make room and run the same again, nothing is lost";
        return Err(Error::new(ErrorKind::StorageFull, message));
    }
    if status.success() && fed == Fed::All {
        return Ok(());
    }
    if complaints.contains("Unknown encoder") {
        let message = "this ffmpeg was built without the encoder of this format; install a full \
                       build (Debian and Ubuntu: apt install ffmpeg)";
        return Err(Error::new(ErrorKind::Configuration, message).with_code("ffmpeg_encoder"));
    }
    Err(failed("see what it said")
        .with_context("status", status)
        .with_context("ffmpeg", last_line(complaints)))
}

fn last_line(complaints: &str) -> String {
    let line = complaints
        .lines()
        .map(str::trim)
        .rfind(|line| !line.is_empty());
    line.unwrap_or("nothing").chars().take(300).collect()
}

fn failed(why: &str) -> Error {
    Error::new(ErrorKind::Unavailable, format!("ffmpeg broke off: {why}"))
        .with_code("encoder_failed")
}

fn stalled(limit: Duration) -> Error {
    Error::new(ErrorKind::Timeout, "ffmpeg stopped working; it was ended")
        .with_code("encoder_stalled")
        .with_context("limit_ms", limit.as_millis())
}
