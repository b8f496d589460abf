//! An ONNX file, and the networks that engines have made of it.

use std::sync::{Arc, OnceLock};

#[cfg(feature = "rten")]
use super::load_once::LoadOnce;
use crate::engine::InputSpec;
use crate::engine::effnet;
#[cfg(feature = "rten")]
use crate::engine::onnx::Network;
use crate::onnx;

/// Why a graph cannot run in a build that leaves rten out.
#[cfg(not(feature = "rten"))]
pub(super) const WITHOUT_RTEN: &str = "this build has no engine for it (feature `rten`)";

/// A file that has been read, once, for whichever engine comes.
pub(super) struct OnnxFile {
    file: onnx::Model,
    input: InputSpec,
    /// One row of the input, as the graph wants it shaped.
    #[cfg(feature = "rten")]
    row_shape: Vec<usize>,
    /// The weights as the onnx engine holds them, once somebody asked.
    #[cfg(feature = "rten")]
    network: LoadOnce<Network>,
    /// The graph as the effnet engine holds it, or why it is none of its own, once somebody asked.
    fused: OnceLock<Result<Arc<effnet::Network>, String>>,
}

impl OnnxFile {
    #[cfg_attr(not(feature = "rten"), allow(unused_variables))]
    pub fn new(file: onnx::Model, input: InputSpec, row_shape: Vec<usize>) -> Self {
        OnnxFile {
            file,
            input,
            #[cfg(feature = "rten")]
            row_shape,
            #[cfg(feature = "rten")]
            network: LoadOnce::new(),
            fused: OnceLock::new(),
        }
    }

    /// The widths of all outputs, which only running the network tells where the graph leaves one open.
    pub fn measure(&self) -> Result<Vec<usize>, String> {
        #[cfg(feature = "rten")]
        return self.network()?.measure();
        #[cfg(not(feature = "rten"))]
        Err(WITHOUT_RTEN.into())
    }

    /// The network as the effnet engine holds it, or why the graph is not one that it knows.
    pub fn fused(&self) -> Result<Arc<effnet::Network>, String> {
        let recognised = self.fused.get_or_init(|| match effnet::Network::of(&self.file) {
            Ok(network) if network.input() == self.input => Ok(Arc::new(network)),
            Ok(_) => Err("its metadata gives its input another shape".into()),
            Err(reason) => Err(reason),
        });
        recognised.clone()
    }

    /// The file.
    pub fn file(&self) -> &onnx::Model {
        &self.file
    }

    /// The weights as the onnx engine holds them, loaded by whoever asks first.
    #[cfg(feature = "rten")]
    pub fn network(&self) -> Result<Arc<Network>, String> {
        self.network.get(|| Network::load(&self.file, self.row_shape.clone()))
    }
}
