//! The network's shapes and folded weights, independent of the instruction set.

use crate::engine::{OutputSpec, Purpose};

use super::tail::Tail;

/// A linear layer over channels: a 1x1 convolution, or a dense layer.
#[derive(Clone, Debug)]
pub(crate) struct Linear {
    pub inputs: usize,
    pub outputs: usize,
    /// `[outputs][inputs]`
    pub weights: Vec<f32>,
    pub bias: Vec<f32>,
}

/// How a kernel slides over a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// Rows and columns of the kernel, which is square.
    pub kernel: usize,
    pub stride: usize,
    /// Zeros above, left of, below and right of the map.
    pub pads: [usize; 4],
}

impl Window {
    /// Rows and columns of the output for a map of `rows` x `columns`.
    pub fn output(&self, rows: usize, columns: usize) -> (usize, usize) {
        let extent = |size: usize, before: usize, after: usize| {
            (size + before + after - self.kernel) / self.stride + 1
        };
        (extent(rows, self.pads[0], self.pads[2]), extent(columns, self.pads[1], self.pads[3]))
    }
}

/// The first convolution, from one channel.
#[derive(Clone, Debug)]
pub(crate) struct Stem {
    pub window: Window,
    pub channels: usize,
    /// `[channels][kernel][kernel]`
    pub weights: Vec<f32>,
    pub bias: Vec<f32>,
    /// The input is multiplied by `scale`, then `shift` is added, before it is padded with zeros.
    pub scale: f32,
    pub shift: f32,
}

/// A depthwise convolution: each channel has its own kernel.
#[derive(Clone, Debug)]
pub(crate) struct Depthwise {
    pub window: Window,
    /// `[channels][kernel][kernel]`
    pub weights: Vec<f32>,
    pub bias: Vec<f32>,
}

/// Squeeze-and-excite: the mean of each channel, two linear layers, and a sigmoid scale each channel.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    pub reduce: Linear,
    pub excite: Linear,
}

/// One inverted residual block ("MBConv"): expand (SiLU), depthwise (SiLU), gate, project, add.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    /// `None` in the first block, which does not expand.
    pub expand: Option<Linear>,
    pub depthwise: Depthwise,
    pub gate: Gate,
    pub project: Linear,
    /// Whether the block's input is added to its output.
    pub residual: bool,
}

/// An EfficientNet-B0, recognised in an ONNX graph, with batch norm and other constants folded.
#[derive(Clone, Debug)]
pub(crate) struct Weights {
    pub rows: usize,
    pub columns: usize,
    pub stem: Stem,
    pub blocks: Vec<Block>,
    /// The last 1x1 convolution (SiLU), whose mean over the map is the embedding.
    pub head: Linear,
    /// What the graph computes after that mean.
    pub tail: Tail,
    pub outputs: Vec<OutputSpec>,
}

/// The purpose of an output, guessed from the graph: the pooled features are embeddings; what ends in a sigmoid or
/// softmax is predictions. Metadata has priority.
pub(super) fn purpose(is_pooled: bool, is_activation: bool) -> Purpose {
    match (is_pooled, is_activation) {
        (true, _) => Purpose::Embeddings,
        (_, true) => Purpose::Predictions,
        _ => Purpose::Other,
    }
}

/// EfficientNet-B0's stages (Tan and Le, ICML 2019, table 1). Each is: number of blocks, kernel rows, stride of the
/// first block, expansion factor of the channels, and output channels.
pub const STAGES: [(usize, usize, usize, usize, usize); 7] = [
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
];
/// Output channels of the first convolution.
pub const STEM_CHANNELS: usize = 32;
/// Output channels of the last convolution: the length of the embedding.
pub const HEAD_CHANNELS: usize = 1280;
