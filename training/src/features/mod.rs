//! The mel-spectrograms of a collection on disk, from which training reads patches.
//!
//! One `.npy` file per recording, `[frames, 96]` in half precision, named by the SHA-256 of the recording's file in two
//! levels of folders: `FEATURES/ab/cd/abcd....npy`. So copies of a file share their features, a renamed file keeps
//! them, and a changed file gets new ones. [`store`] has the paths and the table of features, [`extract`] computes
//! them.

pub mod extract;
pub mod store;

pub use extract::{Estimate, Report, Work};
pub use store::{Content, FEATURES, Recording, Store};
