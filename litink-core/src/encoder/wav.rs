//! The built-in encoder: WAV, without any program.

use std::path::Path;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{TryStreamExt, stream::BoxStream};
use tokio::io::{AsyncWriteExt, BufWriter};

use super::{AudioEncoder, AudioFormat, AudiobookTags, EncodeRequest, PartialFile, supports};
use crate::{
    Result,
    audio::wav::{WavFile, WavTags},
};

/// Large enough that writing costs few system calls, small beside the chunks of a chapter.
const BUFFER_BYTES: usize = 256 << 10;

/// Writes WAV with title, authors, comment and chapter marks. The cover and the other tags have no
/// place in the format.
#[derive(Clone, Copy, Debug, Default)]
pub struct WavEncoder;

#[async_trait]
impl AudioEncoder for WavEncoder {
    fn name(&self) -> &str {
        "wav"
    }

    fn formats(&self) -> Vec<AudioFormat> {
        vec![AudioFormat::Wav]
    }

    async fn encode(
        &self,
        request: &EncodeRequest,
        pcm: BoxStream<'_, Result<Bytes>>,
        output: &Path,
    ) -> Result<()> {
        supports(self, request.format)?;
        request.validate()?;
        let tags = tags(&request.tags);
        let layout = WavFile::new(request.sample_rate, request.total_samples, &tags)?;
        let partial = PartialFile::beside(output);
        let mut file = BufWriter::with_capacity(BUFFER_BYTES, partial.create().await?);
        file.write_all(&layout.header()).await?;
        let mut pcm = request.checked(pcm);
        while let Some(chunk) = pcm.try_next().await? {
            file.write_all(&chunk).await?;
        }
        file.write_all(layout.trailer()).await?;
        file.flush().await?;
        partial.keep().await
    }
}

fn tags(tags: &AudiobookTags) -> WavTags {
    let chapters = tags
        .chapters
        .iter()
        .map(|c| (c.start_samples, c.title.clone()));
    WavTags {
        title: Some(tags.title.clone()).filter(|title| !title.is_empty()),
        artist: tags.artist(),
        comment: tags.comment.clone(),
        chapters: chapters.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_keeps_the_contract() {
        let folder = tempfile::tempdir().unwrap();
        crate::testing::encoder::all(&WavEncoder, folder.path()).await;
    }

    #[tokio::test]
    async fn a_missing_folder_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("nowhere/book.wav");
        let request = crate::testing::encoder::request(AudioFormat::Wav);
        let pcm = crate::testing::encoder::speech(&request);
        let error = WavEncoder.encode(&request, pcm, &output).await.unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::NotFound);
    }
}
