//! An ONNX graph, and the networks that engines have made of it.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use super::load_once::LoadOnce;
use crate::engine::InputSpec;
use crate::engine::effnet;
use crate::engine::onnx::{Graph, Network};

/// A graph's file, read.
pub(super) struct OnnxFile {
    bytes: Cow<'static, [u8]>,
    graph: Graph,
    input: InputSpec,
    /// One row of the input, as the graph wants it shaped.
    row_shape: Vec<usize>,
    /// The weights as the onnx engine holds them, once somebody asked.
    network: LoadOnce<Network>,
    /// The graph as the effnet engine holds it, or why it is none of its own, once somebody asked.
    fused: OnceLock<Result<Arc<effnet::Network>, String>>,
}

impl OnnxFile {
    pub fn new(bytes: Cow<'static, [u8]>, graph: Graph, input: InputSpec, row_shape: Vec<usize>) -> Self {
        let (network, fused) = (LoadOnce::new(), OnceLock::new());
        OnnxFile { bytes, graph, input, row_shape, network, fused }
    }

    /// The widths of all outputs, which only running the network tells where the graph leaves one open.
    pub fn measure(&self) -> Result<Vec<usize>, String> {
        self.network()?.measure()
    }

    /// The network as the effnet engine holds it, or why the graph is not one that it knows.
    pub fn fused(&self) -> Result<Arc<effnet::Network>, String> {
        let recognised = self.fused.get_or_init(|| match effnet::Network::recognise(&self.bytes) {
            Ok(Ok(network)) if network.input() == self.input => Ok(Arc::new(network)),
            Ok(Ok(_)) => Err("its metadata gives its input another shape".into()),
            Ok(Err(reason)) => Err(reason),
            Err(error) => Err(error.to_string()),
        });
        recognised.clone()
    }

    /// The file.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The weights as the onnx engine holds them, loaded by whoever asks first.
    pub fn network(&self) -> Result<Arc<Network>, String> {
        self.network.get(|| Network::load(&self.bytes, &self.graph, self.row_shape.clone()))
    }
}
