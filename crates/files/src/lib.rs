//! Output files of Sleeve's programs: [`AtomicFile`], which is written atomically, and [`npy`], NumPy arrays written
//! row by row.
#![deny(missing_docs)]

pub mod atomic;
mod error;
pub mod npy;

pub use atomic::AtomicFile;
pub use error::{Error, Result};
