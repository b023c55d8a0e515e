//! `litink books`.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use litink_core::{BookId, Error, Result, editing::Edit, engine::Engine};
use litink_providers::Settings;

use super::{
    ACTOR, open,
    print::{self, say},
};

/// List books, newest first; with an id, show its chapters or change them.
#[derive(Debug, Args)]
#[command(after_long_help = EDITS)]
pub struct Books {
    /// Show this book.
    id: Option<BookId>,
    /// Remove this book with its runs and finished files.
    #[arg(long, requires = "id")]
    delete: bool,
    /// Change its structure as a JSON file says, or as standard input says where this is `-`: a
    /// list of edits, all applied or none.
    #[arg(long, value_name = "FILE", requires = "id", conflicts_with = "delete")]
    edit: Option<PathBuf>,
    /// Only if the book is still at this version (`--json` shows it).
    #[arg(long, value_name = "N", requires = "edit")]
    version: Option<u64>,
    /// Print JSON, one a line.
    #[arg(long)]
    json: bool,
}

const EDITS: &str = r#"Edits, each an object (chapters by their ids, which --json shows):
  {"op": "rename", "chapter": ID, "title": "The Pool of Tears"}      null for none
  {"op": "reclassify", "chapter": ID, "kind": "front_matter"}        chapter, back_matter
  {"op": "number", "chapter": ID, "number": 3}                       null for none
  {"op": "renumber"}                                                 all chapters, from 1
  {"op": "section", "chapter": ID, "section": "Part Two"}            null for none
  {"op": "move", "chapter": ID, "to": 0}                             positions from 0
  {"op": "merge", "chapters": [ID, ID]}                              that follow each other
  {"op": "split", "chapter": ID, "block": 12, "title": "Afterwards"} before this block
  {"op": "describe", "title": "...", "authors": ["..."], "language": "en"}

Chapters that no edit names keep what was generated for them."#;

impl Books {
    pub(super) async fn run(self, settings: &Settings) -> Result<ExitCode> {
        let engine = open(settings).await?;
        match self.id {
            Some(id) if self.delete => {
                engine.delete_book(ACTOR, id).await?;
                say!("removed {id}");
            }
            Some(id) => {
                if let Some(file) = &self.edit {
                    self.edit(&engine, id, file).await?;
                }
                self.show(&engine, id).await?;
            }
            None => self.list(&engine).await?,
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn list(&self, engine: &Engine) -> Result<()> {
        let mut after = None;
        loop {
            let page = engine.books(ACTOR, after, 100).await?;
            for book in page.items {
                if self.json {
                    print::json(&book)?;
                } else {
                    say!(
                        "{}  {} ({} chapters)",
                        book.id(),
                        book.title,
                        book.chapter_count
                    );
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }

    async fn edit(&self, engine: &Engine, id: BookId, file: &Path) -> Result<()> {
        let named = |error: Error| error.with_context("file", file.display());
        let text = if file == Path::new("-") {
            std::io::read_to_string(std::io::stdin())
        } else {
            std::fs::read_to_string(file)
        };
        let text = text.map_err(|error| named(error.into()))?;
        let edits: Vec<Edit> = serde_json::from_str(&text).map_err(|error| {
            let message = format!("this is no list of edits (see `litink books --help`): {error}");
            named(Error::invalid("bad_edits", message).with_source(error))
        })?;
        let version = match self.version {
            Some(version) => version,
            None => engine.book(ACTOR, id).await?.meta.version,
        };
        engine.edit_book(ACTOR, id, version, &edits).await?;
        Ok(())
    }

    async fn show(&self, engine: &Engine, id: BookId) -> Result<()> {
        let book = engine.book(ACTOR, id).await?;
        let chapters = engine.chapters(ACTOR, id, false).await?;
        if self.json {
            print::json(&book)?;
            return chapters.iter().try_for_each(print::json);
        }
        say!("{} by {}", book.title, book.authors.join(", "));
        if let Some(series) = &book.series {
            let position = series.position.as_deref().unwrap_or_default();
            say!("  series: {} {position}", series.name);
        }
        for decision in &book.decisions {
            say!("  {}", print::decision(decision));
        }
        for warning in &book.warnings {
            say!("  note: {} [{}]", warning.message, warning.code);
        }
        for chapter in chapters {
            let title = chapter
                .display_title()
                .unwrap_or_else(|| "(untitled)".into());
            let kind = serde_json::to_value(chapter.kind).unwrap_or_default();
            let kind = kind.as_str().unwrap_or_default();
            // As `--chapters` counts them.
            let number = chapter.number.map(|it| it.to_string()).unwrap_or_default();
            say!(
                "  {number:>3}  {title}  ({kind}, {} characters)",
                chapter.char_count
            );
        }
        Ok(())
    }
}
