//! `litink quote`: what `litink make` would call for and cost, before anything is spent.

use std::process::ExitCode;

use clap::Args;
use litink_core::{Result, engine::Quote};
use litink_providers::{Dollars, Settings};

use super::{
    ACTOR,
    make::Chosen,
    open,
    print::{self, say},
};

/// What making a book would call for, and the most that it would cost. Nothing is spent.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  litink quote book.epub --provider openai --model tts-1
  litink quote book.epub --provider openai --chapters 1-3 --json")]
pub struct QuoteCommand {
    #[command(flatten)]
    chosen: Chosen,
    /// Print it as JSON.
    #[arg(long)]
    json: bool,
}

impl QuoteCommand {
    pub(super) async fn run(self, settings: &Settings) -> Result<ExitCode> {
        let engine = open(settings).await?;
        let imported = engine.import_file(ACTOR, &self.chosen.book).await?;
        let spec = self.chosen.spec(&imported.book);
        let quote = engine.quote(ACTOR, &spec).await;
        let quote = quote.map_err(|error| self.chosen.explained(error))?;
        if self.json {
            print::json(&quote)?;
            return Ok(ExitCode::SUCCESS);
        }
        for line in &quote.lines {
            say!(
                "{:<12} {:<24} {:<10} {:>6} calls{}{}  {}",
                line.provider,
                line.model.as_deref().unwrap_or("-"),
                line.modality.as_str(),
                line.calls,
                made_before(line.made_before),
                units(&line.usage),
                at_most(line.cost_nanos, line.unknown_cost),
            );
        }
        say!("{}", in_words(&quote));
        Ok(ExitCode::SUCCESS)
    }
}

/// `120 calls, 20 of them made before: at most $0.42`.
pub(super) fn in_words(quote: &Quote) -> String {
    format!(
        "{} calls{}: {}",
        quote.calls,
        made_before(quote.made_before),
        at_most(quote.cost_nanos, quote.unknown_cost)
    )
}

fn made_before(calls: u64) -> String {
    match calls {
        0 => String::new(),
        calls => format!(", {calls} of them made before"),
    }
}

fn at_most(nanos: Option<i64>, unknown: u64) -> String {
    match nanos {
        Some(nanos) => format!("at most {}", Dollars::from_nanos(nanos)),
        None => format!("the price of {unknown} is not known"),
    }
}

fn units(usage: &litink_core::provider::Usage) -> String {
    let named = [
        (usage.input_chars, "characters"),
        (usage.input_tokens, "tokens read"),
        (usage.output_tokens, "tokens written"),
        (usage.images, "images"),
    ];
    let named = named
        .into_iter()
        .filter_map(|(count, name)| Some((count?, name)));
    named
        .map(|(count, name)| format!(", {count} {name}"))
        .collect()
}
