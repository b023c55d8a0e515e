//! `litink books`.

use std::process::ExitCode;

use clap::Args;
use litink_core::{BookId, Result, engine::Engine};
use litink_providers::Settings;

use super::{
    ACTOR, open,
    print::{self, say},
};

/// List books, newest first; with an id, show its chapters.
#[derive(Debug, Args)]
pub struct Books {
    /// Show this book.
    id: Option<BookId>,
    /// Remove this book with its runs and finished files.
    #[arg(long, requires = "id")]
    delete: bool,
    /// Print JSON, one a line.
    #[arg(long)]
    json: bool,
}

impl Books {
    pub(super) async fn run(self, settings: &Settings) -> Result<ExitCode> {
        let engine = open(settings).await?;
        match self.id {
            Some(id) if self.delete => {
                engine.delete_book(ACTOR, id).await?;
                say!("removed {id}");
            }
            Some(id) => self.show(&engine, id).await?,
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

    async fn show(&self, engine: &Engine, id: BookId) -> Result<()> {
        let book = engine.book(ACTOR, id).await?;
        let chapters = engine.chapters(ACTOR, id, false).await?;
        if self.json {
            print::json(&book)?;
            return chapters.iter().try_for_each(print::json);
        }
        say!("{} by {}", book.title, book.authors.join(", "));
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
