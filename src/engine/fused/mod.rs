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
