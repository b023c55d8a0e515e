//! `litink import`.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use litink_core::Result;
use litink_providers::Settings;

use super::{
    ACTOR, open,
    print::{self, say},
};

/// Read books and keep them. The same file is the same book.
#[derive(Debug, Args)]
pub struct Import {
    /// The books: EPUB, PDF, DOCX, ODT, RTF, HTML, Markdown, FB2 or plain text.
    #[arg(required = true)]
    books: Vec<PathBuf>,
    /// Print the books as JSON, one a line.
    #[arg(long)]
    json: bool,
}

impl Import {
    pub(super) async fn run(self, settings: &Settings) -> Result<ExitCode> {
        let engine = open(settings).await?;
        for path in &self.books {
            let imported = engine.import_file(ACTOR, path).await?;
            let book = imported.book;
            if self.json {
                print::json(&book)?;
                continue;
            }
            let note = if imported.existing {
                " (was there already)"
            } else {
                ""
            };
            say!(
                "{}  {}: {} chapters{note}",
                book.id(),
                book.title,
                book.chapter_count
            );
            for decision in &book.decisions {
                say!("  {}", print::decision(decision));
            }
            for warning in &book.warnings {
                say!("  note: {} [{}]", warning.message, warning.code);
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
