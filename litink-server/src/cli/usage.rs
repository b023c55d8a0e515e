//! `litink usage`: what calls used and cost.

use std::process::ExitCode;

use clap::Args;
use litink_core::{
    Actor, Result, RunId, UserId,
    engine::{UsageBy, UsageLine, UsageQuery},
};
use litink_providers::{Dollars, Settings};

use super::{
    ACTOR, open,
    print::{self, say},
};

/// What calls used and cost, by user, run, provider, model or kind of thing.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  litink usage                                    by provider and model
  litink usage --by run,model --json
  litink usage --all --by user                    of everybody on this database")]
pub struct UsageCommand {
    /// What lines are told apart by: user, run, provider, model, modality.
    #[arg(long, default_value = "provider,model")]
    by: String,
    /// Of one run.
    #[arg(long)]
    run: Option<RunId>,
    /// Of everybody, and not of this command line alone.
    #[arg(long)]
    all: bool,
    /// Of one user.
    #[arg(long)]
    user: Option<UserId>,
    /// Print the budgets as they stand, instead.
    #[arg(long)]
    budgets: bool,
    /// Print JSON, one a line.
    #[arg(long)]
    json: bool,
}

impl UsageCommand {
    pub(super) async fn run(self, settings: &Settings) -> Result<ExitCode> {
        let query = UsageQuery::by(UsageBy::parse_list(&self.by)?)
            .run(self.run)
            .user(self.user);
        let engine = open(settings).await?;
        let actor = match self.all || self.user.is_some() {
            true => Actor::Service,
            false => ACTOR,
        };
        if self.budgets {
            let budgets = engine.budgets(actor).await?;
            if budgets.is_empty() && !self.json {
                say!("no budgets yet; `[budgets]` in the settings limits what is spent");
            }
            for budget in budgets {
                if self.json {
                    print::json(&budget)?;
                    continue;
                }
                let dollars = Dollars::from_nanos;
                say!(
                    "{:<4} {}  {} spent, {} held, {} left of {}",
                    budget.scope.as_str(),
                    budget.subject,
                    dollars(budget.spent_nanos()),
                    dollars(budget.held_nanos),
                    dollars(budget.left_nanos),
                    dollars(budget.limit_nanos)
                );
            }
            return Ok(ExitCode::SUCCESS);
        }
        let lines = engine.usage(actor, &query).await?;
        if lines.is_empty() && !self.json {
            say!("nothing was called for yet");
        }
        for line in lines {
            if self.json {
                print::json(&line)?;
            } else {
                say!("{}  {}", names(&line), in_words(&line));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn names(line: &UsageLine) -> String {
    let (user, run) = (
        line.user.map(|it| it.to_string()),
        line.run.map(|it| it.to_string()),
    );
    let all = [&user, &run, &line.provider, &line.model, &line.modality];
    let given: Vec<&str> = all.into_iter().flatten().map(String::as_str).collect();
    match given.is_empty() {
        true => "all".to_owned(),
        false => given.join("  "),
    }
}

/// `120 calls, 45000 characters: $0.42`, and what is not known of it.
pub(super) fn in_words(line: &UsageLine) -> String {
    let units = [
        (line.input_chars, "characters"),
        (line.input_tokens, "tokens read"),
        (line.output_tokens, "tokens written"),
        (line.images, "images"),
    ];
    let units = units.into_iter().filter(|(count, _)| *count > 0);
    let units: String = units
        .map(|(count, name)| format!(", {count} {name}"))
        .collect();
    let mut text = format!(
        "{} calls{units}: {}",
        line.calls,
        Dollars::from_nanos(line.cost_nanos)
    );
    if line.unknown_cost > 0 {
        text += &format!(", and {} calls whose price is not known", line.unknown_cost);
    }
    if line.unsettled_nanos > 0 {
        let most = Dollars::from_nanos(line.unsettled_nanos);
        text += &format!(", and at most {most} for what may have been paid");
    }
    text
}
