//! The sweeper: hints again at what was committed and never seen.

use std::time::Duration;

use super::Engine;
use crate::{
    Actor, Result,
    domain::{Run, RunState, Step, StepState},
    repository::{MAX_LIMIT, Order, Query, RepositoryExt},
    schema::Table,
};

impl Engine {
    /// Hints again at the steps of running runs that nobody has touched for `idle`. A crash between
    /// a commit and its hint loses nothing by this; a hint too many is harmless. Says how many
    /// steps it looked at.
    pub async fn sweep(&self, idle: Duration) -> Result<usize> {
        let mut query = Query::new(Table::Runs)
            .states([RunState::Running.as_str()])
            .order(Order::Oldest)
            .limit(MAX_LIMIT);
        let mut swept = 0;
        loop {
            let page = self.repository().page::<Run>(Actor::Worker, &query).await?;
            for run in &page.items {
                swept += self.sweep_run(run, idle).await?;
            }
            match page.next {
                Some(next) => query = query.after(Some(next)),
                None => return Ok(swept),
            }
        }
    }

    async fn sweep_run(&self, run: &Run, idle: Duration) -> Result<usize> {
        let query = Query::new(Table::Steps)
            .parent(run.id())
            .states([StepState::Pending.as_str(), StepState::Running.as_str()])
            .matching("waiting_on", 0)
            .idle_for(idle)
            .order(Order::Position);
        let steps: Vec<Step> = self.repository().all(Actor::Worker, query).await?;
        self.hint(run, steps.iter()).await?;
        Ok(steps.len())
    }
}
