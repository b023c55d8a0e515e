//! What the benchmarks share: books that are generated, a provider that costs nothing, stores on
//! a disk.

pub mod books;
pub mod rig;
pub mod speak;
pub mod stores;
