//! An ONNX file, and the networks that engines have loaded from it.

use std::sync::{Arc, OnceLock};

#[cfg(feature = "rten")]
use super::load_once::LoadOnce;
use crate::engine::InputSpec;
use crate::engine::effnet;
#[cfg(feature = "rten")]
use crate::engine::onnx::Network;
use crate::onnx;

/// Why a graph cannot run in a build without rten.
#[cfg(not(feature = "rten"))]
pub(super) const WITHOUT_RTEN: &str = "this build has no engine for it (feature `rten`)";

/// A parsed file, shared by all engines.
pub(super) struct OnnxFile {
    file: onnx::Model,
    input: InputSpec,
    /// The shape of one input row in the graph.
    #[cfg(feature = "rten")]
    row_shape: Vec<usize>,
    /// The network for the onnx engine, loaded on first use.
    #[cfg(feature = "rten")]
    network: LoadOnce<Network>,
    /// The network for the effnet engine, or why that engine cannot run it; computed on first use.
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

    /// The widths of all outputs, measured by running the network: needed if the graph does not state them.
    pub fn measure(&self) -> Result<Vec<usize>, String> {
        #[cfg(feature = "rten")]
        return self.network()?.measure();
        #[cfg(not(feature = "rten"))]
        Err(WITHOUT_RTEN.into())
    }

    /// The network for the effnet engine, or why that engine cannot run it.
    pub fn fused(&self) -> Result<Arc<effnet::Network>, String> {
        let recognised = self.fused.get_or_init(|| match effnet::Network::of(&self.file) {
            Ok(network) if network.input() == self.input => Ok(Arc::new(network)),
            Ok(_) => Err("the metadata states another shape for its input".into()),
            Err(reason) => Err(reason),
        });
        recognised.clone()
    }

    /// The file.
    pub fn file(&self) -> &onnx::Model {
        &self.file
    }

    /// The network for the onnx engine, loaded by the first call.
    #[cfg(feature = "rten")]
    pub fn network(&self) -> Result<Arc<Network>, String> {
        self.network.get(|| Network::load(&self.file, self.row_shape.clone()))
    }
}
