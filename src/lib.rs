//! Music embeddings: what a recording sounds like, as a vector.
//!
//! Audio flows through the modules in the order they are listed here: [`audio`] turns a file into mono
//! samples at the model's rate, [`mel`] into log-mel frames, [`patches`] into overlapping windows of
//! frames, an [`engine`] runs a [`model`]'s network on batches of them, [`extractor`] ties it all
//! together for one recording, [`stream`] does so while the recording is being made, and [`batch`] takes many
//! recordings through one extractor.
#![deny(missing_docs)]

mod error;

pub mod audio;
pub mod batch;
pub mod engine;
pub mod extractor;
pub mod mel;
pub mod model;
mod onnx;
pub mod patches;
pub mod stream;

pub use error::{Error, Result};

/// For the packages of this workspace alone: not covered by semantic versioning.
#[doc(hidden)]
pub mod internal {
    pub use sleeve_plugin_abi::panic_message;

    pub use crate::model::file::read_capped;
    pub use crate::model::torchscript::Module;

    /// ONNX files, read and written.
    pub mod onnx {
        pub use crate::onnx::*;
    }
}
