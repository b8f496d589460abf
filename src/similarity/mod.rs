//! What sounds alike: a library of tracks with one vector each, and what can be asked of it.
//!
//! A [`LibraryWriter`] makes a library file, with tracks ([`Track`]), the means of their embeddings ([`Embedding`]) and
//! what made them ([`Origin`]). A [`Library`] opens it and answers:
//!
//! | question | call |
//! |---|---|
//! | which tracks are most like some tracks, and unlike others? | [`Library::find`] |
//! | what could play next, and after that? | [`Library::playlist`] |
//! | how does one get from one track to another? | [`Library::path_between`] |
//! | which few tracks show all that there is? | [`Library::sample`] |
//! | which tracks are the same recording? | [`Library::duplicates`] |
//!
//! Similarity is the cosine of two vectors. Searches are exact: they compare every track, a million of them in some
//! hundredths of a second. Larger collections belong in a vector database.
//!
//! The file is a header and segments, in which all numbers are little-endian; `src/similarity/header.rs` and
//! `src/similarity/segment.rs` document every byte.

mod duplicates;
mod embedding;
mod find;
pub(crate) mod header;
mod kernels;
mod library;
mod origin;
mod playlist;
mod quantised;
mod query;
pub(crate) mod random;
mod sample;
mod search;
mod segment;
#[cfg(test)]
mod tests;
mod track;
mod writer;

pub use duplicates::{DuplicateGroup, DuplicateRule};
pub use embedding::{Embedding, EmbeddingBuilder};
pub use library::Library;
pub use origin::Origin;
pub use playlist::{PathOptions, PlaylistOptions};
pub use query::{Duplicates, Filter, Match, Query};
pub use sample::SampleOptions;
pub use search::Precision;
pub use track::{Tags, Track, TrackRef};
pub use writer::LibraryWriter;
