//! EfficientNet-B0, fused: this library's fastest way to run that network on a CPU.
//!
//! [`Network`] is the network read from an ONNX file of any exporter; [`EffnetEngine`] runs it.
//!
//! # How it works
//!
//! `recognise/` finds the network in an ONNX file by what the graph computes: nodes become expressions over feature
//! maps, without layout and with folded constants, and one module compares these with EfficientNet-B0's table. Any
//! other graph goes to rten; the reason is logged at debug level. `network.rs` holds shapes and weights, `plan.rs` the
//! network prepared for one instruction set.
//!
//! A CPU core does 16 multiply-adds in one AVX-512 instruction and starts about one such instruction every cycle or
//! two, if its operands are in registers. Everything below serves to keep them there.
//!
//! - **Layout.** Maps are stored pixel by pixel, with all channels of a pixel together. So a vector holds 16 channels
//!   of one pixel, and all of them need the same operation.
//! - **1x1 convolutions** (nine tenths of the work) are matrix products, `kernels/linear.rs`. A *tile* of the result
//!   (some pixels by 1 to 3 vectors of output channels) stays in registers during the loop over input channels: load a
//!   line of weights once, multiply it by one value of each pixel. `pack.rs` stores the weights in that order, so they
//!   are read sequentially. The number of registers (32 or 16) limits the tile, so tile shapes depend on the
//!   instruction set.
//! - **Blocks are fused** (`block.rs`). A block's expanded maps are six times as large as its input; computed whole,
//!   they would go through memory three times. So the expansion computes one chunk of channels at a time into a scratch
//!   map with a border of zeros. The depthwise convolution, its SiLU and the sum for the squeeze-and-excite gate follow
//!   in one pass (`kernels/depthwise.rs`) while that chunk is still in the nearest cache. The gate and the projection,
//!   with bias and residual, follow after all chunks.
//! - **Small maps** (8 x 6, 4 x 3 pixels) have too few pixels per loaded weight, so several patches go through those
//!   blocks together.
//! - **Threads** (`engine/cpu/team.rs`): with many patches, each thread takes its own patches; with one, all threads form a team
//!   that shares the chunks of a block. Threads claim work unit by unit, so a thread that the system suspends delays
//!   the others little.
//! - **Same bits.** A sum always adds its products in the order of the input channels, and partial sums over chunks are
//!   added in a fixed order. So for a given kernel set a patch's output does not depend on batch, position, neighbours
//!   or threads.
//!
//! Kernels are written once, generic over the trait in `engine/cpu/simd`, and wrapped for AVX-512, AVX2 with FMA, and portable
//! code in functions with `#[target_feature]`; the engine picks a table of them at run time (`tables.rs`). Optional
//! bfloat16 products use AMX tiles or AVX-512's dot product (`kernels/x86_bf16.rs`). `reference.rs` is the plain
//! version that every block is tested against. `workspace.rs` holds a thread's memory, so that a call allocates
//! nothing. While a network runs, denormals count as zero; `engine/cpu/float_state.rs` restores the caller's settings. `cargo
//! xtask bench effnet` compares it with onnxruntime, OpenVINO and rten; `--stages` prints the time of each stage.
//!
//! Medians of one interleaved run on a two-core Xeon with AVX-512 and AMX (243 GFLOP/s of f32 per core), milliseconds
//! per patch:
//!
//! | | Sleeve | onnxruntime | OpenVINO | rten | Sleeve / onnxruntime |
//! |---|---|---|---|---|---|
//! | f32, 1 thread, batch 64 | 1.45 | 3.16 | 2.54 | 11.1 | 0.46 |
//! | f32, 2 threads, batch 64 | 0.69 | 1.53 | 1.39 | 5.4 | 0.45 |
//! | f32, 1 thread, batch 1 | 1.65 | 2.51 | 2.68 | 11.4 | 0.66 |
//! | f32, 2 threads, batch 1 | 1.12 | 1.88 | 2.02 | 8.7 | 0.60 |
//! | bfloat16 (AMX), 1 thread, batch 64 | 0.73 | 1.86 (int8) | 1.62 | | 0.39 |
//!
//! That is 52 % of the f32 peak in the first row. AVX2 takes 2.56 ms, 1.77 times as long: this CPU's 256-bit
//! multiply-adds run at half the rate of its 512-bit ones (124 GFLOP/s), and the AVX2 kernels reach 59 % of that.

mod block;
mod clock;
mod engine;
mod forward;
mod kernels;
pub(crate) mod network;
mod pack;
mod plan;
mod recognise;
#[cfg(test)]
mod reference;
pub(crate) mod tail;
#[cfg(test)]
mod tests;

mod tables;
mod workspace;

pub use crate::engine::cpu::KernelSet;
pub use clock::Stage;
pub use engine::{EffnetEngine, Network, Refusal};
pub use network::{HEAD_CHANNELS, STAGES, STEM_CHANNELS};
