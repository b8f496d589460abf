//! The mel-spectrograms of a collection on disk, from which training reads patches.
//!
//! One `.npy` file per recording, `[frames, 96]` in half precision, named by the SHA-256 of the recording's audio in
//! two levels of folders: `FEATURES/ab/cd/abcd....npy`. So copies share their features, a file that is renamed or tagged
//! anew keeps them, and other audio gets new ones. One folder serves several collections. [`store`] has the paths and the
//! table of features, [`extract`] computes
//! them.

pub mod extract;
mod merge;
pub mod store;

pub use extract::{Estimate, Report, Work};
pub use store::{Content, FEATURES, Recording, Store};
