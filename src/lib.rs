//! Music embeddings: audio in, vectors that describe how it sounds and tags out.
//!
//! ```no_run
//! use sleeve::extractor::Extractor;
//! use sleeve::model::Model;
//!
//! // A bundled model. `Model::open` loads one from a file, with its metadata.
//! let model = Model::bundled("msd-musicnn-1")?;
//! let extractor = Extractor::builder(model).build()?;
//!
//! // Any audio format, sample rate and number of channels.
//! let analysis = extractor.extract_file("song.mp3")?;
//!
//! // One row for every patch of about three seconds, `[patches, dim]`.
//! if let Some(embeddings) = analysis.embeddings() {
//!     println!("{} patches of {} values", embeddings.nrows(), embeddings.ncols());
//! }
//! if let Some(predictions) = analysis.predictions() {
//!     for (name, activation) in analysis.classes().iter().zip(predictions.row(0)) {
//!         println!("{activation:.2} {name}");
//!     }
//! }
//! # Ok::<(), sleeve::Error>(())
//! ```
//!
//! # Modules
//!
//! In the order in which audio passes through them:
//!
//! | module | from | to |
//! |---|---|---|
//! | [`audio`] | a file or samples | mono samples at the model's sample rate |
//! | [`front_end`] | samples | frames: mel bands, or what else the network was trained on |
//! | [`patches`] | mel frames | overlapping patches |
//! | [`engine`] | batches of patches | the outputs of the network |
//! | [`model`] | a file or a bundled name | a network with its metadata |
//! | [`extractor`] | one recording | embeddings and predictions |
//! | [`stream`] | audio in real time | embeddings and predictions as it plays |
//! | [`batch`] | many recordings | the same, on all cores, in bounded memory |
//! | [`similarity`] | embeddings of a library of music | similar tracks, playlists, duplicates |
//!
//! Every call that can fail returns an [`Error`], whose message names the file, option or tensor concerned.
//!
//! # Features
//!
//! All are on by default. `bundled-model` includes the default model. `all-formats` is all audio formats and codecs; a
//! host that needs fewer names them (`flac`, `mp3`, `ogg`, `vorbis`, `opus`, `mp4`, `aac`, ...). PCM in WAV is always
//! included.
#![deny(missing_docs)]

mod contained;
mod error;

pub mod audio;
pub mod batch;
pub mod engine;
pub mod extractor;
pub mod front_end;
pub mod model;
mod onnx;
pub mod patches;
pub mod similarity;
pub mod stream;

pub use error::{Error, Result};

/// For the packages of this workspace alone: not covered by semantic versioning.
#[doc(hidden)]
pub mod internal {
    pub use sleeve_plugin_abi::panic_message;

    pub use crate::contained::{contained, is_contained, silence_contained_panics};
    pub use crate::engine::cpu::float_state::PlainFloats;
    pub use crate::extractor::frames::each_piece;
    pub use crate::front_end::kernel::batches;
    pub use crate::model::file::read_capped;
    pub use crate::model::torchscript::Module;
    pub use crate::similarity::header::mend as mend_library;

    /// ONNX files, read and written.
    pub mod onnx {
        #[cfg(feature = "rten")]
        pub use crate::engine::onnx::run_graph;
        pub use crate::onnx::*;
    }
}
