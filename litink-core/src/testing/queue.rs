//! The conformance suite of [`Queue`](crate::queue::Queue).
//!
//! ```
//! # use std::sync::Arc;
//! # use litink_core::queue::MemoryQueue;
//! litink_core::queue_conformance!(|lease| async move { Arc::new(MemoryQueue::with_lease(lease)) });
//! # fn main() {}
//! ```
//!
//! Kinds and keys are each case's own, so that cases share a store. Two cases reach further, and
//! take care: one leases jobs of any kind, but only of the highest priority; one prunes, but only
//! jobs that have been final for three seconds.

#![expect(clippy::unwrap_used, reason = "a case fails by panicking")]

mod adding;
#[cfg(test)]
mod defects;
mod leasing;
mod model;
mod operating;
mod racing;
mod sessions;
mod settling;
mod sharing;
mod worker;

pub use adding::*;
pub use leasing::*;
pub use model::follows_the_model;
pub use operating::*;
pub use racing::*;
pub use sessions::*;
pub use settling::*;
pub use sharing::*;

use crate::queue::Queue;

lease_suite! {
    $ queue_conformance: queue for Queue;
    lease 30_000 ms:
        a_job_is_stored_as_it_was_given
        a_delayed_job_is_not_early
        one_job_lives_under_an_idempotency_key
        of_a_hundred_enqueues_with_a_key_one_adds
        an_id_is_added_once
        large_arguments_are_refused_with_the_whole_batch
        large_batches_are_refused
        what_capabilities_deny_is_refused
        jobs_come_by_priority_then_by_age
        what_became_available_first_comes_first
        a_turn_brings_only_what_it_wants
        no_kind_stands_for_any_kind
        a_waiting_turn_ends_when_a_job_comes
        a_waiting_turn_ends_when_a_delayed_job_is_due
        a_turn_waits_no_longer_than_it_says
        every_waiting_worker_gets_a_job
        a_dropped_wait_leases_nothing
        a_job_does_not_get_stuck_on_a_dropped_turn
        jobs_of_a_lost_reply_come_back
        turns_dropped_at_any_moment_lose_no_job
        no_job_is_held_twice
        a_completed_job_is_final
        a_settle_is_accepted_again_and_changes_nothing
        an_old_token_is_refused_for_its_item_alone
        a_failing_job_is_tried_again_until_it_is_discarded
        a_snooze_uses_no_attempt
        a_release_leaves_no_trace
        a_job_is_discarded_or_cancelled_by_its_worker
        a_closed_session_gives_its_jobs_back
        sessions_are_told_apart_by_id_alone
        workers_are_listed
        waiting_jobs_are_cancelled_at_once
        a_running_job_is_cancelled_through_its_worker
        a_cancel_ends_a_wait_even_for_no_jobs
        a_cancelled_job_is_not_tried_again
        jobs_are_cancelled_by_group_and_by_key
        a_paused_kind_is_not_leased
        final_jobs_are_replayed
        old_final_jobs_are_pruned
        lists_are_newest_first_and_filtered
        pages_bring_every_job_once
        stats_count_jobs_by_kind_and_state
        a_concurrency_limit_is_kept
        a_waiting_turn_ends_when_a_limit_opens
        a_rate_limit_is_kept
        a_rate_is_not_paid_by_pruning
        several_limits_are_taken_together
        a_throttle_holds_everybody_back
        limits_change_while_jobs_wait
        bad_limits_are_refused
        tenants_take_turns
        tenants_have_shares_by_their_weight
        idleness_is_worth_nothing
        priority_goes_before_turns
        of_many_waiting_workers_one_gets_the_job
        a_cancel_and_a_lease_at_once_agree
        what_is_paused_becomes_due
        a_wait_for_many_kinds_ends_with_each
        jobs_behind_held_back_ones_come;
    lease 2_000 ms:
        a_heartbeat_keeps_every_lease
        an_expired_sessions_jobs_are_rescued
        a_waiting_turn_rescues
        a_job_that_kills_its_workers_is_discarded
        a_cancelled_job_is_not_rescued
        a_crash_makes_room_under_a_limit
        a_dead_worker_is_not_listed;
}

#[cfg(test)]
mod memory {
    use std::sync::Arc;

    use crate::queue::MemoryQueue;

    queue_conformance!(|lease| async move { Arc::new(MemoryQueue::with_lease(lease)) });

    /// What is compared stands still by itself: the test tests itself.
    #[tokio::test]
    async fn it_follows_itself() {
        for seed in 1..=20 {
            let lease = std::time::Duration::from_secs(24 * 3_600);
            let queue = Arc::new(MemoryQueue::with_lease(lease));
            super::follows_the_model(queue, seed, 500).await;
        }
    }
}
