//! M4B, MP3 and FLAC with the ffmpeg program.
//!
//! ffmpeg only compresses: it reads samples from its standard input and writes a bare file. Tags,
//! cover and chapters are written here afterwards, so that no title ever stands in a command line
//! and every byte of them is ours. The program is started, never linked (Debian's build is GPL).

mod encoder;
mod flac;
mod language;
mod m4b;
mod mp3;
mod process;

pub use encoder::FfmpegEncoder;
pub use process::FfmpegLimits;
