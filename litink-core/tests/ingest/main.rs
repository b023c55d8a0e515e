//! Reading whole files, good, careless and hostile.

mod bad_input;
mod coverage;
mod damage;
mod epub;
mod files;
mod formats;
mod fuzz;
mod golden;
mod limits;
mod model;
mod samples;
mod text;
