//! EfficientNet-B0 as a table: its layers, their sizes, and the names of their weights.
//!
//! All code of this crate that walks the network (weights, computation, export) uses this table. Names are those of
//! torchvision's EfficientNet, so that weights can be exchanged.

use sleeve::engine::effnet::{HEAD_CHANNELS, STAGES, STEM_CHANNELS};

/// Frames of a patch.
pub const FRAMES: usize = 128;
/// Mel bands of a frame.
pub const BANDS: usize = 96;
/// Values of an embedding: the mean of each channel of the last convolution.
pub const EMBEDDING: usize = HEAD_CHANNELS;
/// The dropout probability of the embedding in training.
pub const DROPOUT: f64 = 0.2;
/// The probability of stochastic depth at the last block; it grows linearly over the blocks.
pub const STOCHASTIC_DEPTH: f64 = 0.2;
/// Batch norm: added to a variance.
pub const NORM_EPSILON: f64 = 1e-5;
/// Batch norm: the weight of a batch in the running statistics.
pub const NORM_MOMENTUM: f64 = 0.1;

/// A convolution without bias, followed by batch norm and, if `activated`, SiLU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Convolution {
    /// The layer's name; the convolution is `<path>.0`, its batch norm `<path>.1`.
    pub path: String,
    /// Channels in.
    pub inputs: usize,
    /// Channels out.
    pub outputs: usize,
    /// Rows and columns of the kernel; the padding has half as many.
    pub kernel: usize,
    /// The stride in rows and columns.
    pub stride: usize,
    /// 1, or the number of channels.
    pub groups: usize,
    /// Whether SiLU follows.
    pub activated: bool,
}

impl Convolution {
    /// The dimensions of its weights.
    pub fn dims(&self) -> [usize; 4] {
        [self.outputs, self.inputs / self.groups, self.kernel, self.kernel]
    }

    /// The name of the convolution, before `.weight`.
    pub fn conv(&self) -> String {
        format!("{}.0", self.path)
    }

    /// The name of the batch norm, before `.weight`, `.bias`, `.running_mean` and `.running_var`.
    pub fn norm(&self) -> String {
        format!("{}.1", self.path)
    }

    /// Rows and columns of zeros around the map.
    pub fn padding(&self) -> usize {
        (self.kernel - 1) / 2
    }
}

/// Squeeze-and-excite: each channel is multiplied by a value computed from all channels' means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    /// The layer's name; its two 1x1 convolutions, which have biases, are `<path>.fc1` and `<path>.fc2`.
    pub path: String,
    /// Channels in and out.
    pub channels: usize,
    /// Channels between the two convolutions.
    pub squeezed: usize,
}

/// An inverted residual block.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// The 1x1 convolution to more channels; the first block has none.
    pub expand: Option<Convolution>,
    /// The depthwise convolution.
    pub depthwise: Convolution,
    /// Squeeze-and-excite.
    pub gate: Gate,
    /// The 1x1 convolution to fewer channels, without SiLU.
    pub project: Convolution,
    /// Whether the block's input is added to its output.
    pub residual: bool,
    /// In training, the probability that a block with a residual outputs only its input.
    pub drop: f64,
}

/// The convolutional network from a patch to its last map.
#[derive(Clone, Debug, PartialEq)]
pub struct Encoder {
    /// The first convolution.
    pub stem: Convolution,
    /// The blocks in order.
    pub blocks: Vec<Block>,
    /// The last convolution.
    pub head: Convolution,
}

impl Encoder {
    /// EfficientNet-B0 for patches of one channel.
    pub fn b0() -> Self {
        let conv = |path: String, inputs, outputs, kernel, stride| Convolution {
            path,
            inputs,
            outputs,
            kernel,
            stride,
            groups: 1,
            activated: true,
        };
        let count: usize = STAGES.iter().map(|stage| stage.0).sum();
        let mut blocks = Vec::with_capacity(count);
        let mut channels = STEM_CHANNELS;
        for (stage, (repeats, kernel, stride, expansion, outputs)) in (1..).zip(STAGES) {
            for repeat in 0..repeats {
                let inputs = channels;
                let wide = inputs * expansion;
                let stride = if repeat == 0 { stride } else { 1 };
                let mut layers = (0..).map(|layer| format!("features.{stage}.{repeat}.block.{layer}"));
                let mut path = || layers.next().expect("without end");
                blocks.push(Block {
                    expand: (expansion != 1).then(|| conv(path(), inputs, wide, 1, 1)),
                    depthwise: Convolution { groups: wide, ..conv(path(), wide, wide, kernel, stride) },
                    gate: Gate { path: path(), channels: wide, squeezed: (inputs / 4).max(1) },
                    project: Convolution { activated: false, ..conv(path(), wide, outputs, 1, 1) },
                    residual: stride == 1 && inputs == outputs,
                    drop: STOCHASTIC_DEPTH * blocks.len() as f64 / count as f64,
                });
                channels = outputs;
            }
        }
        Encoder {
            stem: conv("features.0".into(), 1, STEM_CHANNELS, 3, 2),
            blocks,
            head: conv(format!("features.{}", STAGES.len() + 1), channels, EMBEDDING, 1, 1),
        }
    }

    /// Every convolution with batch norm, in order.
    pub fn convolutions(&self) -> impl Iterator<Item = &Convolution> {
        let inner = self
            .blocks
            .iter()
            .flat_map(|block| block.expand.iter().chain([&block.depthwise, &block.project]));
        std::iter::once(&self.stem).chain(inner).chain([&self.head])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_that_of_the_paper() {
        let encoder = Encoder::b0();
        assert_eq!(encoder.blocks.len(), 16);
        // 81 convolutions: 16 x 3 minus the first expansion, 16 x 2 of the gates, the first and the last.
        assert_eq!(encoder.convolutions().count() + 2 * 16, 81);
        assert_eq!(encoder.blocks.iter().filter(|block| block.residual).count(), 9);
        let last = encoder.blocks.last().unwrap();
        assert_eq!((last.project.inputs, last.project.outputs, last.gate.squeezed), (1152, 320, 48));
        assert_eq!(last.project.path, "features.7.0.block.3");
        assert_eq!(encoder.blocks[0].project.path, "features.1.0.block.2");
        assert_eq!(encoder.blocks[0].drop, 0.0);
        assert!((last.drop - 0.1875).abs() < 1e-12);
        assert_eq!(encoder.head.path, "features.8");
    }
}
