//! What Sleeve's programs write with: [`AtomicFile`], a file that appears whole or not at all, and [`npy`], NumPy arrays
//! written row by row.
#![deny(missing_docs)]

pub mod atomic;
mod error;
pub mod npy;

pub use atomic::AtomicFile;
pub use error::{Error, Result};
