//! litink's [`AudioEncoder`] on ffmpeg.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use litink_core::{
    Error, ErrorKind, Result, ResultExt,
    encoder::{AudioEncoder, AudioFormat, EncodeRequest, PartialFile, supports},
};

use super::{
    FfmpegLimits, flac, language, m4b, mp3,
    process::{self, missing},
};

/// One voice at 64 kbit/s cannot be told from the original, in AAC and in MP3 up to 24 kHz.
const DEFAULT_KBPS: u32 = 64;

/// Encodes M4B (AAC), MP3 and FLAC.
///
/// M4B files have their index (`moov`) at the end: players that stream them ask the server for
/// ranges, as all current ones do. FLAC has chapter marks as `CHAPTERxxx` comments, of which the
/// first 1000 chapters fit. While MP3 and FLAC are tagged, the file exists twice.
///
/// ```no_run
/// # fn main() -> litink_core::Result<()> {
/// let encoder = litink_providers::ffmpeg::FfmpegEncoder::find()?;
/// # let _ = encoder; Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct FfmpegEncoder {
    program: PathBuf,
    limits: FfmpegLimits,
}

impl FfmpegEncoder {
    /// The `ffmpeg` that stands in a folder of the `PATH` variable.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] with code `ffmpeg_missing`, naming the package to install.
    pub fn find() -> Result<Self> {
        let program = crate::process::find("ffmpeg").ok_or_else(missing)?;
        Ok(Self::new(program))
    }

    /// A certain program. A name without a folder is looked up in the `PATH` at each start.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            limits: FfmpegLimits::default(),
        }
    }

    /// Sets how long ffmpeg may take.
    #[must_use]
    pub fn with_limits(mut self, limits: FfmpegLimits) -> Self {
        self.limits = limits;
        self
    }

    /// The program that is started.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// What the program calls itself (`ffmpeg version 5.1.9 ...`), for a check of the set-up.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] with code `ffmpeg_missing`, or [`ErrorKind::Unavailable`] with
    /// code `encoder_failed` when it does not run.
    pub async fn version(&self) -> Result<String> {
        process::version(&self.program, self.limits.finish).await
    }

    async fn compress(
        &self,
        request: &EncodeRequest,
        pcm: BoxStream<'_, Result<Bytes>>,
        output: &Path,
    ) -> Result<()> {
        let arguments = arguments(request, output);
        process::run(
            &self.program,
            &arguments,
            request.checked(pcm),
            &self.limits,
        )
        .await
    }
}

#[async_trait]
impl AudioEncoder for FfmpegEncoder {
    fn name(&self) -> &str {
        "ffmpeg"
    }

    fn formats(&self) -> Vec<AudioFormat> {
        vec![AudioFormat::M4b, AudioFormat::Mp3, AudioFormat::Flac]
    }

    async fn encode(
        &self,
        request: &EncodeRequest,
        pcm: BoxStream<'_, Result<Bytes>>,
        output: &Path,
    ) -> Result<()> {
        supports(self, request.format)?;
        request.validate()?;
        let bare = PartialFile::beside(output);
        // Created here first, so that a missing folder or missing rights are told as such.
        bare.create().await?;
        self.compress(request, pcm, bare.path())
            .await
            .operation("ffmpeg.encode")?;
        let tagged = tagged(bare, request.clone(), output.to_path_buf()).await?;
        tagged.keep().await
    }
}

/// Writes the tags on a thread that may block. It owns the files, so that they are removed even
/// when the future is dropped while it works.
async fn tagged(bare: PartialFile, request: EncodeRequest, output: PathBuf) -> Result<PartialFile> {
    let work = move || match request.format {
        AudioFormat::M4b => m4b::tag(bare, &request),
        AudioFormat::Mp3 => mp3::tag(&bare, &request, &output),
        AudioFormat::Flac => flac::tag(&bare, &request, &output),
        format => Err(
            Error::new(ErrorKind::Unsupported, "this format cannot be tagged")
                .with_context("format", format),
        ),
    };
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::internal("tagging broke off").with_source(error))?
}

fn arguments(request: &EncodeRequest, output: &Path) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = Vec::new();
    let mut add = |list: &[&str]| arguments.extend(list.iter().map(OsString::from));
    add(&[
        "-nostdin",
        "-hide_banner",
        "-loglevel",
        "error",
        "-xerror",
        "-y",
    ]);
    add(&[
        "-f",
        "s16le",
        "-ar",
        &request.sample_rate.to_string(),
        "-ac",
        "1",
        "-i",
        "pipe:0",
    ]);
    // The same samples give the same bytes: no dates, no versions, no threads.
    add(&[
        "-map_metadata",
        "-1",
        "-fflags",
        "+bitexact",
        "-flags:a",
        "+bitexact",
        "-threads",
        "1",
    ]);
    let bitrate = format!("{}k", request.bitrate_kbps.unwrap_or(DEFAULT_KBPS));
    match request.format {
        AudioFormat::M4b => {
            // A quarter of the default coder's time, and no worse on speech.
            add(&["-c:a", "aac", "-aac_coder", "fast", "-b:a", &bitrate]);
            if let Some(language) = request
                .tags
                .language
                .as_deref()
                .and_then(language::iso_639_2)
            {
                add(&["-metadata:s:a:0", &format!("language={language}")]);
            }
            add(&["-f", "ipod"]);
        }
        AudioFormat::Mp3 => {
            add(&["-c:a", "libmp3lame", "-b:a", &bitrate]);
            add(&["-id3v2_version", "0", "-f", "mp3"]);
        }
        _ => add(&["-c:a", "flac", "-f", "flac"]),
    }
    // With the protocol spelled out a name may begin with a dash or hold a colon.
    let mut file = OsString::from("file:");
    file.push(output);
    arguments.push(file);
    arguments
}
