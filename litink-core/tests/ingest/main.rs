//! Reading whole files, good, careless and hostile.

mod bad_input;
mod damage;
mod epub;
mod files;
mod formats;
mod golden;
mod samples;
mod text;
