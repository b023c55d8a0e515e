//! Many who want the same thing at once: one call is made for all of them.

use std::{collections::HashSet, time::Duration};

use futures::future::try_join_all;
use litink_core::{
    recipe::StepOutput,
    testing::scripted::{Script, ScriptedProvider},
};
use serde_json::json;

use crate::bench::{Bench, One, options, speech};

#[tokio::test]
async fn a_hundred_wants_of_one_thing_are_one_call() {
    let slow = |_: &_| Script::after(Duration::from_millis(50), Script::Answer);
    let provider = ScriptedProvider::new("vendor").otherwise(slow);
    let recipe = One::new(|context| async move {
        let request = speech();
        let wants = (0..100).map(|_| context.generate("vendor", &request));
        let made = try_join_all(wants).await?;
        let ids: HashSet<_> = made.iter().map(|it| it.id).collect();
        assert_eq!((made.len(), ids.len()), (100, 1));
        StepOutput::new(json!(null))
    });
    let bench = Bench::with(&provider, recipe, options(), |builder| builder);
    // Two runs of it, too.
    let (one, other) = (bench.start().await, bench.start().await);
    bench.completes(one).await;
    bench.completes(other).await;
    assert_eq!(provider.calls().len(), 1);
    assert_eq!(bench.row().await.attempt, 1);
    bench.end().await;
}
