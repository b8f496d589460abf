//! A collection's mel-spectrograms on disk, which training takes its patches from.
//!
//! One `.npy` file a recording, `[frames, 96]` in half precision, called by the SHA-256 of the recording's file in two
//! levels of folders: `FEATURES/ab/cd/abcd....npy`. So copies of a file share one, a renamed file keeps its own, and a
//! changed one gets another. [`store`] knows those places and the table of what there is, [`extract`] makes them.

pub mod extract;
pub mod store;

pub use extract::{Estimate, Report, Work};
pub use store::{Content, FEATURES, Recording, Store};
