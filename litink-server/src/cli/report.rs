//! What `litink make` shows: a bar on a terminal, lines elsewhere, JSON for programs.

use std::{
    collections::{HashMap, HashSet},
    io::IsTerminal,
    path::Path,
    time::{Duration, Instant},
};

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use litink_core::{
    ChapterId, Result,
    domain::{Chapter, Export, Run, RunState},
    engine::{Imported, Progress, Quote, UsageLine},
};
use serde_json::{Value, json};

use super::print::{self, say};

/// Shows what happens.
pub(super) struct Report {
    output: Output,
    titles: HashMap<ChapterId, String>,
    finished: HashSet<ChapterId>,
    began: Instant,
    last_line: Option<Instant>,
    first_fraction: Option<f64>,
}

enum Output {
    Json,
    Lines,
    Bar(ProgressBar),
}

/// Steps of the bar: fine enough to move at every piece of a long book.
const BAR_LENGTH: u64 = 1000;
/// The longest silence between plain lines.
const LINE_EVERY: Duration = Duration::from_secs(10);

impl Report {
    pub(super) fn new(json: bool) -> Self {
        let output = match (json, std::io::stderr().is_terminal()) {
            (true, _) => Output::Json,
            (false, false) => Output::Lines,
            (false, true) => Output::Bar(bar()),
        };
        Self {
            output,
            titles: HashMap::new(),
            finished: HashSet::new(),
            began: Instant::now(),
            last_line: None,
            first_fraction: None,
        }
    }

    pub(super) fn imported(&mut self, imported: &Imported, chapters: &[Chapter]) -> Result<()> {
        let book = &imported.book;
        for chapter in chapters {
            let title = chapter
                .display_title()
                .unwrap_or_else(|| "(untitled)".into());
            self.titles.insert(chapter.id(), title);
        }
        let by = match book.authors.as_slice() {
            [] => String::new(),
            authors => format!(" by {}", authors.join(", ")),
        };
        self.say(
            json!({
                "event": "imported", "book": book.id(), "title": book.title,
                "authors": book.authors, "language": book.language,
                "chapters": book.chapter_count, "characters": book.char_count,
                "existing": imported.existing, "warnings": book.warnings,
                "decisions": book.decisions,
            }),
            || {
                format!(
                    "{}{by}: {} chapters, {} characters",
                    book.title, book.chapter_count, book.char_count
                )
            },
        )?;
        for warning in &book.warnings {
            self.line(|| format!("  note: {} [{}]", warning.message, warning.code));
        }
        Ok(())
    }

    /// What will be called for, and what that costs at most: before anything is spent.
    pub(super) fn quoted(&self, quote: &Quote) -> Result<()> {
        let mut event = serde_json::to_value(quote).unwrap_or_default();
        event["event"] = json!("quoted");
        match quote.cost_nanos {
            // Nobody is told of money where there is none.
            Some(0) if !matches!(self.output, Output::Json) => Ok(()),
            _ => self.say(event, || super::quote::in_words(quote)),
        }
    }

    /// What the run cost in all, beside what was quoted for what was still to make.
    pub(super) fn cost(&self, quote: &Quote, usage: &UsageLine) -> Result<()> {
        let mut event = serde_json::to_value(usage).unwrap_or_default();
        event["event"] = json!("cost");
        event["quoted_nanos"] = json!(quote.cost_nanos);
        let free = usage.cost_nanos == 0 && usage.unknown_cost == 0 && usage.unsettled_nanos == 0;
        match &self.output {
            Output::Json => print::json(&event),
            _ if free => Ok(()),
            _ => {
                self.line(|| format!("quoted {}", super::quote::in_words(quote)));
                self.line(|| format!("actual {}", super::usage::in_words(usage)));
                Ok(())
            }
        }
    }

    pub(super) fn started(&self, run: &Run) -> Result<()> {
        let event = json!({
            "event": "started", "run": run.id(), "state": run.state, "steps": run.step_count,
            "options": run.options,
        });
        match &self.output {
            Output::Json => print::json(&event),
            _ => Ok(()),
        }
    }

    pub(super) fn progress(&mut self, progress: &Progress) -> Result<()> {
        if let Output::Json = self.output {
            let mut event = serde_json::to_value(progress).unwrap_or_default();
            event["event"] = json!("progress");
            return print::json(&event);
        }
        let first = *self.first_fraction.get_or_insert(progress.fraction);
        for chapter in &progress.chapters {
            if chapter.fraction >= 1.0 && self.finished.insert(chapter.chapter_id) {
                let title = self.title(chapter.chapter_id);
                self.line(|| format!("  {} {title}", clock(chapter.audio_ms)));
            }
        }
        match &self.output {
            Output::Bar(bar) => {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "0 to 1000"
                )]
                bar.set_position((progress.fraction * BAR_LENGTH as f64) as u64);
                bar.set_message(self.summary(progress, first));
                if progress.state.is_final() {
                    bar.finish_and_clear();
                }
            }
            Output::Lines => {
                let due = self
                    .last_line
                    .is_none_or(|last| last.elapsed() >= LINE_EVERY);
                if due && progress.state == RunState::Running {
                    self.last_line = Some(Instant::now());
                    eprintln!("{}", self.summary(progress, first));
                }
            }
            Output::Json => {}
        }
        Ok(())
    }

    /// `42 %, 12:30 of audio, chapter 5 of 61 (The Map, 60 %), 20 seconds left`
    fn summary(&self, progress: &Progress, first: f64) -> String {
        let mut text = format!(
            "{:.0} %, {} of audio",
            progress.fraction * 100.0,
            clock(progress.audio_ms)
        );
        let total = progress.chapters.len();
        if let Some((i, chapter)) = progress
            .chapters
            .iter()
            .enumerate()
            .find(|(_, chapter)| chapter.fraction < 1.0)
        {
            let title = self.title(chapter.chapter_id);
            let percent = chapter.fraction * 100.0;
            text += &format!(", chapter {} of {total} ({title}, {percent:.0} %)", i + 1);
        } else {
            text += ", putting it together";
        }
        let made = progress.fraction - first;
        if made > 0.01 {
            let left = self
                .began
                .elapsed()
                .mul_f64((1.0 - progress.fraction) / made);
            text += &format!(", {} left", HumanDuration(left));
        }
        text
    }

    fn title(&self, chapter: ChapterId) -> String {
        let title = self
            .titles
            .get(&chapter)
            .map_or("(untitled)", String::as_str);
        title.chars().take(40).collect()
    }

    pub(super) fn stopping(&self) -> Result<()> {
        self.say(json!({ "event": "stopping" }), || {
            "stopping: letting calls in flight finish (once more to stop at once)".into()
        })
    }

    pub(super) fn interrupted(&self) -> Result<()> {
        if let Output::Bar(bar) = &self.output {
            bar.finish_and_clear();
        }
        self.say(json!({ "event": "interrupted" }), || {
            "interrupted; the same command again goes on where it was".into()
        })
    }

    pub(super) fn exported(&self, export: &Export, path: &Path, written: bool) -> Result<()> {
        let event = json!({
            "event": "export", "id": export.id(), "format": export.format, "path": path,
            "bytes": export.bytes, "duration_ms": export.duration_ms, "written": written,
            "content_hash": export.content_hash,
        });
        match &self.output {
            Output::Json => print::json(&event),
            _ => {
                let length = export.duration_ms.map(clock).unwrap_or_default();
                let there = if written { "" } else { " (was there already)" };
                say!("{} {length}{there}", path.display());
                Ok(())
            }
        }
    }

    pub(super) fn done(&self) -> Result<()> {
        let seconds = self.began.elapsed();
        self.say(
            json!({ "event": "done", "seconds": seconds.as_secs_f64() }),
            || format!("done in {}", HumanDuration(seconds)),
        )
    }

    fn say(&self, event: Value, line: impl FnOnce() -> String) -> Result<()> {
        match &self.output {
            Output::Json => print::json(&event),
            _ => {
                self.line(line);
                Ok(())
            }
        }
    }

    fn line(&self, line: impl FnOnce() -> String) {
        match &self.output {
            Output::Json => {}
            Output::Lines => eprintln!("{}", line()),
            Output::Bar(bar) => bar.suspend(|| eprintln!("{}", line())),
        }
    }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(BAR_LENGTH), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{bar:30.cyan/dim} {wide_msg}") {
        bar.set_style(style.progress_chars("━━─"));
    }
    bar
}

/// `1:02:03` or `2:03`.
fn clock(ms: u64) -> String {
    let seconds = (ms + 500) / 1000;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_like_a_clock() {
        assert_eq!(clock(0), "0:00");
        assert_eq!(clock(61_499), "1:01");
        assert_eq!(clock(3_723_000), "1:02:03");
    }
}
