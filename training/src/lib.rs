//! The data half of Sleeve's training: from Discogs' public editorial metadata and a folder of
//! recordings to the data sets that the models learn from, after Alonso-Jiménez, Serra and Bogdanov,
//! "Music Representation Learning Based on Editorial Metadata from Discogs" (ISMIR 2022).
//!
//! In the order in which data flows: [`discogs`] turns a dump into tables.

#![deny(missing_docs)]

pub mod atomic;
pub mod cli;
pub mod discogs;
mod error;
pub mod table;

pub use error::{Error, Result};
