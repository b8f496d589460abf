//! Files of Sleeve's programs. Written: [`AtomicFile`], [`npy`] (NumPy arrays, row by row), [`lock`] and [`sync`] for
//! folders that several processes write to and that outlast a power cut. Read: [`walk`], which finds the audio files of
//! a folder. [`names`] is about file names of any kind, [`Stamp`] about noticing changed files.
#![deny(missing_docs)]

pub mod atomic;
mod error;
pub mod lock;
pub mod names;
pub mod npy;
mod stamp;
pub mod sync;
pub mod walk;

pub use atomic::AtomicFile;
pub use error::{Error, Result};
pub use stamp::Stamp;
