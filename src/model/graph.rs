//! An ONNX file, and the networks that engines have loaded from it.

use std::sync::{Arc, OnceLock};

#[cfg(feature = "rten")]
use super::load_once::LoadOnce;
use crate::engine::InputSpec;
#[cfg(feature = "rten")]
use crate::engine::onnx::Network;
use crate::engine::{effnet, fused};
use crate::onnx;

/// Why a graph cannot run in a build without rten.
#[cfg(not(feature = "rten"))]
pub(super) const WITHOUT_RTEN: &str = "this build has no engine for it (feature `rten`)";

/// A parsed file, shared by all engines.
pub(super) struct OnnxFile {
    file: onnx::Model,
    input: InputSpec,
    /// The shape of one input row in the graph.
    row_shape: Vec<usize>,
    /// The network for the onnx engine, loaded on first use.
    #[cfg(feature = "rten")]
    network: LoadOnce<Network>,
    /// The network for the effnet engine, or why that engine cannot run it; computed on first use.
    effnet: OnceLock<Result<Arc<effnet::Network>, String>>,
    /// The same for the fused engine.
    fused: OnceLock<Result<Arc<fused::Network>, String>>,
}

impl OnnxFile {
    pub fn new(file: onnx::Model, input: InputSpec, row_shape: Vec<usize>) -> Self {
        OnnxFile {
            file,
            input,
            row_shape,
            #[cfg(feature = "rten")]
            network: LoadOnce::new(),
            effnet: OnceLock::new(),
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
    pub fn effnet(&self) -> Result<Arc<effnet::Network>, String> {
        let recognised = self.effnet.get_or_init(|| match effnet::Network::of(&self.file) {
            Ok(network) if network.input() == self.input => Ok(Arc::new(network)),
            Ok(_) => Err("the metadata states another shape for its input".into()),
            Err(reason) => Err(reason),
        });
        recognised.clone()
    }

    /// The network for the fused engine, or why that engine cannot run it.
    pub fn fused(&self) -> Result<Arc<fused::Network>, String> {
        let planned =
            self.fused.get_or_init(|| fused::Network::of(&self.file, &self.row_shape).map(Arc::new));
        planned.clone()
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
