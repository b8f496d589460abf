//! The fused engine for convolutional networks: MusiCNN, VGGish, YAMNet, OpenL3, TempoCNN, FSD-SINet, CREPE and heads.
//!
//! [`Network`] is a graph planned for one instruction set; [`FusedEngine`] runs it. The EfficientNet-B0 has an engine of
//! its own, [`super::effnet`], which fuses whole blocks; both share `engine/cpu` (vectors, threads, memory) and
//! `engine/graph` (constants, axes).
//!
//! # From a graph to a plan
//!
//! - `trace/` reads the nodes. Tensors become maps of `[rows, columns, channels]` with named axes, so transposes,
//!   squeezes and most reshapes become nothing. What it does not know is refused with a reason, and the whole graph goes
//!   to rten: nothing is guessed. The result is `ir.rs`: a dozen operations.
//! - `rewrite.rs` folds batch norms, borders and scales into the convolutions beside them. A rectifier and a scale before
//!   a maximum move behind it, where there are fewer values: the maximum of what rises is what the maximum rises to, and
//!   a negative scale becomes a negative filter.
//! - `plan/` groups operations into chains: a main one and the steps that its kernel does with each tile of its result.
//!   It packs the weights in the order in which the kernel reads them, and gives each value a place in memory, with the
//!   border of zeros that the convolutions after it need. Values that are never needed together share memory.
//! - `pass.rs` runs the plan for a group of patches. Early layers run patch by patch, so that a map stays in the cache
//!   between two layers; late layers, with few pixels and many weights, run for up to 16 patches at once. A convolution
//!   before a pool is computed some rows at a time, so that its map is never whole.
//!
//! # The kernels
//!
//! A core does 16 multiply-adds in one AVX-512 instruction, and two such instructions a cycle if their operands are in
//! registers. All kernels are written once, generic over the vectors of `engine/cpu/simd`, and compiled for AVX-512, AVX2
//! and plain Rust.
//!
//! - `kernels/conv.rs`: dense convolutions and dense layers as a matrix product without copying windows: 14 pixels by 32
//!   channels of sums stay in registers. It reaches 85 to 93 % of the multiply-add peak.
//! - `kernels/winograd.rs`: kernels of 3x3 and 5x5 from 16 channels on, with 36 products in place of 144 (100).
//! - `kernels/spread.rs`: MusiCNN's front end, large kernels on the single input channel with the maximum over all
//!   bands. Lanes are places in time; four results take 10 products in place of 28 (7 in place of 16 for long filters),
//!   and only maxima are stored.
//! - `kernels/depthwise.rs`, `pool.rs`, `element.rs`: lanes are channels. `finish.rs`: activations, scales, residuals.
//!
//! # What holds
//!
//! A sum adds its products in one order whatever the tile, so a row's bits do not depend on batch, position, neighbours
//! or threads. Against onnxruntime the relative error is below 1e-5 for every network. NaN gives NaN; in MusiCNN's front
//! end, a patch with a value that is not finite, or beyond 1e30, gives NaN throughout. Denormals count as zero. A call
//! allocates nothing. `reference.rs` is the plain form that random networks are compared with.

//!
//! # Measured
//!
//! `cargo xtask bench engine`, interleaved, one core of a two-core Zen 5 server with AVX-512 (275 GFLOP/s of f32
//! multiply-adds) that had other work to do: CPU time, milliseconds a patch; on two threads ratios of wall clock.
//!
//! | | multiply-adds | batch 16 | onnxruntime | ratio | batch 1, ratio | 2 threads, ratio |
//! |---|---|---|---|---|---|---|
//! | msd-musicnn-1 | 145 M | 0.61 | 2.51 | 0.24 | 0.28 | 0.43 |
//! | mtt-musicnn-1 | 741 M | 2.61 | 7.91 | 0.33 | 0.38 | 0.33 |
//! | MusiCNN, not pruned | 1399 M | 4.84 | 17.6 | 0.28 | 0.29 | 0.24 |
//! | VGGish | 864 M | 3.49 | 7.45 | 0.47 | 0.73 | 0.47 |
//! | msd-vgg-1 | 885 M | 3.11 | 10.3 | 0.30 | 0.41 | 0.26 |
//! | OpenL3, 128 bands | 5101 M | 16.2 | 39.0 | 0.42 | 0.44 | 0.40 |
//! | YAMNet | 69 M | 0.62 | 0.65 | 0.95 | 0.94 | 1.02 |
//! | TempoCNN, square 16 | 179 M | 1.00 | 1.40 | 0.71 | 0.72 | 0.62 |
//! | TempoCNN, temporal 16 | 47 M | 0.38 | 0.49 | 0.78 | 0.83 | 0.74 |
//! | FSD-SINet, vgg41 tlpf | 776 M | 2.96 | 6.55 | 0.45 | 0.54 | 0.41 |
//! | FSD-SINet, vgg42 tlpf | 3091 M | 10.5 | 25.0 | 0.42 | 0.52 | 0.42 |
//! | a head, 1280 to 512 to 400 | 0.9 M | 0.007 | 0.007 | 0.89 | 0.75 | |
//!
//! OpenVINO is between onnxruntime's time and 0.75 of it. YAMNet cannot gain more than a quarter: nine tenths of it are 1x1
//! convolutions, for which there is no algorithm of fewer products. 138 million operations take 0.50 ms at the peak, 0.77 of
//! what onnxruntime takes; it runs at 75 % of the peak, this engine at 79 %.
//!
//! # Tried and dropped
//!
//! - Channels as lanes in MusiCNN's front end, as everywhere else: 3 and 23 filters fill a fifth and three quarters of two
//!   vectors; at the full peak it would have taken 1.6 ms.
//! - Points 4 and 1/4 for groups of seven taps, 2 and -2 for Winograd's tiles: two to three times the error.
//! - Winograd's tiles of 6 x 6: 6.3e-6 after six layers, too near to the limit.
//! - One kernel for sums and steps: activations in the loop that holds the sums spill registers; rectifiers and scales
//!   after the loop do not, and save up to a third of a layer with few inputs.
//! - Fetching weights ahead in the products: 8 % faster where they are large (FSD-SINet), 3 % slower in YAMNet.

mod engine;
mod ir;
mod kernels;
mod pack;
mod pass;
mod pass_copy;
mod pass_spread;
mod pass_winograd;
mod plan;
#[cfg(test)]
mod reference;
mod rewrite;
#[cfg(test)]
mod tests;
mod toom;
mod trace;

pub use engine::{FusedEngine, Network};
