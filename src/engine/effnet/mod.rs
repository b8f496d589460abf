//! EfficientNet-B0, fused: the fastest way that this library has of running that one network on a CPU.
//!
//! [`Network`] is the network found in an ONNX file, whatever exporter wrote it; [`EffnetEngine`] runs it.
//!
//! # How it works
//!
//! One network, run as fast as a CPU can. `recognise/` finds it in an ONNX file by what the graph computes, whoever exported it: nodes become expressions
//! over feature maps in which layout has vanished and constants are folded, and one place compares those with EfficientNet-B0's table. A graph that is nearly
//! one goes to rten with a debug-level reason. `network.rs` is the network as numbers, `plan.rs` the network made ready for one instruction set.
//!
//! For someone who has never seen such kernels: a CPU core can do 16 multiply-adds in one AVX-512 instruction and start about one such instruction a cycle or
//! two, if its operands are in registers. Everything below serves to keep them there.
//!
//! - **Layout.** Maps are stored pixel by pixel, all channels of a pixel together, so that a vector is 16 channels of one pixel and every channel does the same.
//! - **1x1 convolutions** (nine tenths of the work) are matrix products, `kernels/linear.rs`. A *tile* of the result, some pixels by 1 to 3 vectors of output
//!   channels, stays in registers while every input channel passes: load a line of weights once, multiply it by one value of each pixel. `pack.rs` has put the
//!   weights in just that order, so they are read from front to back. How large a tile may be is a matter of the registers there are (32 or 16), so tile
//!   shapes belong to the instruction set.
//! - **Blocks are fused** (`block.rs`). A block's expanded maps are six times its input; whole, they would stream through memory three times. So the expansion
//!   is done a chunk of channels at a time into a scratch map with a border of zeros, and the depthwise convolution, its SiLU and the sum for the
//!   squeeze-and-excite gate follow in one pass (`kernels/depthwise.rs`) while that chunk is still in the nearest cache. The gate and the projection, with bias
//!   and residual, come when all chunks are done.
//! - **Small maps** (8 x 6, 4 x 3 pixels) have too few pixels to make use of a weight once it is loaded, so several patches go through those blocks together.
//! - **Threads** (`team.rs`): with many patches each thread takes patches of its own; with one, all threads form a team that shares the chunks of a block.
//!   Work is claimed unit by unit, so that a thread the system keeps waiting delays the others little.
//! - **Same bits.** A sum always takes its products in the order of the input channels, and partial sums over chunks are added in one order. So for a given
//!   kernel set a patch's output does not depend on batch, position, neighbours or threads.
//!
//! Kernels are written once, generic over the trait in `simd/`, and wrapped for AVX-512, AVX2 with FMA, and portable code in functions that carry
//! `#[target_feature]`; the engine picks a table of them at run time (`kernel_set.rs`). bfloat16 products, where asked for, go through AMX tiles or AVX-512's
//! dot product (`kernels/x86_bf16.rs`). `reference.rs` is the plain form that every block is tested against. `workspace.rs` holds a thread's memory: a call
//! allocates nothing. While a network runs, denormals count as zero; `float_state.rs` restores the caller's settings. `cargo xtask bench effnet` times it
//! beside onnxruntime, OpenVINO and rten; `--stages` says where the time goes.
//!
//! Medians of one interleaved run on a two-core Xeon with AVX-512 and AMX (243 GFLOP/s of f32 a core), milliseconds a patch:
//!
//! | | Sleeve | onnxruntime | OpenVINO | rten | Sleeve / onnxruntime |
//! |---|---|---|---|---|---|
//! | f32, 1 thread, batch 64 | 1.45 | 3.16 | 2.54 | 11.1 | 0.46 |
//! | f32, 2 threads, batch 64 | 0.69 | 1.53 | 1.39 | 5.4 | 0.45 |
//! | f32, 1 thread, batch 1 | 1.65 | 2.51 | 2.68 | 11.4 | 0.66 |
//! | f32, 2 threads, batch 1 | 1.12 | 1.88 | 2.02 | 8.7 | 0.60 |
//! | bfloat16 (AMX), 1 thread, batch 64 | 0.73 | 1.86 (int8) | 1.62 | | 0.39 |
//!
//! That is 52 % of the f32 peak in the first row. AVX2 takes 2.56 ms, 1.77 times as long: this CPU's 256-bit multiply-adds run at half the rate of its 512-bit
//! ones (124 GFLOP/s), and the AVX2 kernels reach 59 % of that.

mod block;
mod buffer;
mod clock;
mod engine;
mod float_state;
mod forward;
mod kernel_set;
mod kernels;
pub(crate) mod network;
mod pack;
mod plan;
mod recognise;
#[cfg(test)]
mod reference;
mod simd;
pub(crate) mod tail;
mod team;
#[cfg(test)]
mod tests;
mod tiles;
mod workspace;

pub use clock::Stage;
pub use engine::{EffnetEngine, Network, Refusal};
pub use kernel_set::KernelSet;
pub use network::{HEAD_CHANNELS, STAGES, STEM_CHANNELS};
