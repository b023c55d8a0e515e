//! The conformance suite of [`Repository`](crate::repository::Repository).
//!
//! ```
//! # use std::sync::Arc;
//! # use litink_core::repository::MemoryRepository;
//! litink_core::repository_conformance!(Arc::new(MemoryRepository::new()));
//! # fn main() {}
//! ```

#![expect(clippy::unwrap_used, reason = "a case fails by panicking")]

mod budgets;
mod changes;
mod lists;
mod rows;
mod schedules;
mod scope;

pub use budgets::*;
pub use changes::*;
pub use lists::*;
pub use schedules::*;
pub use scope::*;

use crate::repository::Repository;

suite! {
    $ repository_conformance: repository for Repository;
    what_was_committed_is_read_back
    an_id_is_inserted_once
    an_update_needs_the_version
    setting_nothing_still_makes_a_version
    changes_apply_in_their_order
    what_does_not_fit_the_schema_is_refused
    a_failed_commit_changes_nothing
    a_dropped_commit_is_whole_or_nothing
    increments_keep_their_minimum
    concurrent_increments_all_count
    of_concurrent_updates_one_wins
    of_concurrent_inserts_one_wins
    a_commit_with_a_key_applies_once
    a_failed_commit_does_not_use_up_its_key
    of_concurrent_commits_with_a_key_one_applies
    a_check_holds_a_commit_to_a_state
    a_delete_takes_the_children_along
    a_parent_must_exist_and_have_the_same_owner
    limits_are_kept
    users_reach_only_their_own_rows
    users_insert_only_for_themselves
    users_write_only_what_is_theirs_to_write
    what_is_published_everybody_reads
    keys_of_commits_are_each_actors_own
    lists_filter_by_owner_parent_and_state
    lists_filter_by_indexed_columns
    lists_are_in_order
    tallies_add_up_what_a_list_would_bring
    pages_bring_every_row_once
    pages_stand_firm_while_rows_come_and_go
    heavy_columns_come_when_asked_for
    idle_rows_are_found_by_the_stores_clock
    bad_queries_are_refused
    schedules_are_for_services_alone
    of_many_who_move_a_schedule_on_one_does
    calls_at_once_never_overshoot_a_budget
}

#[cfg(test)]
mod memory {
    use std::sync::Arc;

    use crate::repository::MemoryRepository;

    repository_conformance!(Arc::new(MemoryRepository::new()));
}
