//! The repository's verbs as functions in the database (`migrations/postgres`): what they are
//! asked, what they answer, and what their refusals mean. The same over a connection and over REST.

mod refusals;
mod replies;
mod requests;
pub(crate) mod states;

pub(crate) use refusals::Refusal;
pub(crate) use replies::{commit_reply, get_reply, list_reply, tally_reply};
pub(crate) use requests::{Keyed, commit_request, get_request, list_request, tally_request};
