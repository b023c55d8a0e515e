//! From the parts that providers spoke to one chapter.

use std::{ops::Range, time::Duration};

use super::{Loudness, LoudnessTarget, Pcm, loudness, samples_in, trim};
use crate::{Error, Result, text::Boundary};

/// How parts become a chapter.
#[derive(Clone, Debug, PartialEq)]
pub struct JoinOptions {
    /// Silence within a sentence that was cut because it was too long. Default 120 ms.
    pub clause_pause: Duration,
    /// Silence after a sentence. Default 250 ms, the pause of a narrator between sentences.
    pub sentence_pause: Duration,
    /// Silence after a paragraph. Default 600 ms.
    pub paragraph_pause: Duration,
    /// Silence after a scene. Default 1400 ms, long enough to be heard as a break.
    pub scene_pause: Duration,
    /// Silence before the first part. Default 500 ms.
    pub lead_in: Duration,
    /// Silence after the last part, whatever its boundary. Default 1000 ms.
    pub lead_out: Duration,
    /// What counts as silence at the edges of a part, in dBFS. Default -50: above the noise of
    /// recorded and generated voices, below the softest consonants.
    pub silence_dbfs: f64,
    /// How much of the silence at each edge stays. Default 30 ms, for the breath of a consonant
    /// that begins below `silence_dbfs`.
    pub keep_silence: Duration,
    /// How long each edge fades. Default 5 ms, which nobody hears; it lies inside of
    /// `keep_silence`, so speech is only touched when a part begins or ends in the middle of it.
    pub fade: Duration,
    /// How loud the chapter shall be; `None` leaves it as the parts are. See [`LoudnessTarget`].
    pub loudness: Option<LoudnessTarget>,
}

impl Default for JoinOptions {
    fn default() -> Self {
        Self {
            clause_pause: Duration::from_millis(120),
            sentence_pause: Duration::from_millis(250),
            paragraph_pause: Duration::from_millis(600),
            scene_pause: Duration::from_millis(1400),
            lead_in: Duration::from_millis(500),
            lead_out: Duration::from_millis(1000),
            silence_dbfs: -50.0,
            keep_silence: Duration::from_millis(30),
            fade: Duration::from_millis(5),
            loudness: Some(LoudnessTarget::default()),
        }
    }
}

impl JoinOptions {
    fn pause(&self, boundary: Boundary) -> Duration {
        match boundary {
            Boundary::Clause => self.clause_pause,
            Boundary::Sentence => self.sentence_pause,
            Boundary::Paragraph => self.paragraph_pause,
            Boundary::Scene => self.scene_pause,
            Boundary::Chapter => self.lead_out,
        }
    }
}

/// One spoken part of a chapter.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Part {
    /// Its samples, as they were decoded.
    pub pcm: Pcm,
    /// What comes after it.
    pub after: Boundary,
    /// Where the provider says its sentences (or words) are: start and end in milliseconds from
    /// the part's untrimmed beginning. Empty when the provider does not say.
    pub marks_ms: Vec<(u64, u64)>,
}

/// Samples of a chapter, the end excluded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SampleSpan {
    /// The first sample.
    pub start: u64,
    /// The sample after the last one.
    pub end: u64,
}

impl SampleSpan {
    /// How many samples it has.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Where a part ended up in its chapter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartSpan {
    /// The part's first sample in the chapter, after trimming.
    pub start: u64,
    /// The sample after its last one. Equal to `start` for a part that was silent.
    pub end: u64,
    /// The part's marks, shifted by what was trimmed and by its position: as many as were given,
    /// inside of the part, none before or overlapping the one before it.
    pub marks: Vec<SampleSpan>,
}

/// A chapter that was joined.
#[derive(Clone, Debug, PartialEq)]
pub struct JoinedChapter {
    /// Its samples, lead-in and lead-out included.
    pub pcm: Pcm,
    /// Where each part is, in the order in which they were pushed.
    pub parts: Vec<PartSpan>,
    /// How loud it was and by how much it was raised; `None` if no loudness was asked for.
    pub loudness: Option<Loudness>,
}

/// Joins the parts of one chapter in order.
///
/// Silence at the edges of each part is cut, edges fade, pauses come in between, and at the end the
/// whole chapter is brought to one loudness. The chapter is, to the sample, as long as the trimmed
/// parts, the pauses, the lead-in and the lead-out together.
///
/// ```
/// use litink_core::{
///     audio::{JoinOptions, Joiner, Part, Pcm},
///     text::Boundary,
/// };
///
/// let spoken = Pcm { sample_rate: 24_000, samples: vec![9_000; 24_000] };
/// let mut joiner = Joiner::new(JoinOptions::default());
/// joiner.push(Part { pcm: spoken.clone(), after: Boundary::Paragraph, marks_ms: vec![] })?;
/// joiner.push(Part { pcm: spoken, after: Boundary::Chapter, marks_ms: vec![] })?;
/// let chapter = joiner.finish()?;
/// assert_eq!(chapter.pcm.duration().as_millis(), 500 + 1000 + 600 + 1000 + 1000);
/// assert_eq!(chapter.parts[1].start, 24_000 * 21 / 10);
/// # Ok::<(), litink_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Joiner {
    options: JoinOptions,
    pcm: Pcm,
    parts: Vec<PartSpan>,
    pending: Boundary,
}

impl Joiner {
    /// A chapter without a part yet.
    #[must_use]
    pub fn new(options: JoinOptions) -> Self {
        Self {
            options,
            pcm: Pcm::default(),
            parts: Vec::new(),
            pending: Boundary::default(),
        }
    }

    /// Adds the next part. A silent part adds its pause and nothing else.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) with code `mixed_sample_rates`
    /// when its rate differs from that of the parts before it: voices of one chapter must be asked
    /// for at one rate, since litink does not resample. The joiner stays as it was.
    pub fn push(&mut self, mut part: Part) -> Result<()> {
        self.check_rate(part.pcm.sample_rate)?;
        let pause = match self.parts.is_empty() {
            true => self.options.lead_in,
            false => self.options.pause(self.pending),
        };
        self.pause(pause);
        let kept = self.trimmed(&part.pcm.samples);
        let start = self.pcm.samples.len() as u64;
        let marks = self.shifted(&part.marks_ms, &kept, start);
        let samples = part.pcm.samples.get_mut(kept).unwrap_or_default();
        trim::fade_edges(samples, self.samples(self.options.fade));
        self.pcm.samples.extend_from_slice(samples);
        let end = self.pcm.samples.len() as u64;
        self.parts.push(PartSpan { start, end, marks });
        self.pending = part.after;
        Ok(())
    }

    /// Ends the chapter: adds the lead-out and brings all of it to one loudness.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) with code `no_parts` when
    /// nothing was pushed.
    pub fn finish(mut self) -> Result<JoinedChapter> {
        if self.parts.is_empty() {
            return Err(Error::invalid(
                "no_parts",
                "a chapter needs at least one spoken part",
            ));
        }
        self.pause(self.options.lead_out);
        let target = self.options.loudness;
        let loudness = target
            .map(|target| loudness::normalise(&mut self.pcm, target))
            .transpose()?;
        Ok(JoinedChapter {
            pcm: self.pcm,
            parts: self.parts,
            loudness,
        })
    }

    fn check_rate(&mut self, rate: u32) -> Result<()> {
        if self.parts.is_empty() {
            self.pcm.sample_rate = rate;
        }
        if rate == self.pcm.sample_rate {
            return Ok(());
        }
        Err(Error::invalid(
            "mixed_sample_rates",
            "the parts of a chapter have different sample rates; ask for all voices at one rate",
        )
        .with_context("first_hz", self.pcm.sample_rate)
        .with_context("part_hz", rate))
    }

    fn samples(&self, duration: Duration) -> usize {
        usize::try_from(samples_in(duration, self.pcm.sample_rate)).unwrap_or(usize::MAX)
    }

    fn pause(&mut self, duration: Duration) {
        let silence = self.samples(duration);
        self.pcm.samples.extend(std::iter::repeat_n(0, silence));
    }

    fn trimmed(&self, samples: &[i16]) -> Range<usize> {
        let threshold = trim::amplitude(self.options.silence_dbfs).max(1);
        trim::speech(samples, threshold, self.samples(self.options.keep_silence)).unwrap_or(0..0)
    }

    fn shifted(&self, marks_ms: &[(u64, u64)], kept: &Range<usize>, at: u64) -> Vec<SampleSpan> {
        let place = |ms: u64| {
            let sample = self.samples(Duration::from_millis(ms));
            at + (sample.clamp(kept.start, kept.end) - kept.start) as u64
        };
        let mut last = at;
        let mut spans = Vec::with_capacity(marks_ms.len());
        for (start, end) in marks_ms {
            let start = place(*start).max(last);
            last = place(*end).max(start);
            spans.push(SampleSpan { start, end: last });
        }
        spans
    }
}

#[cfg(test)]
mod tests;
