//! The network that is trained: an EfficientNet-B0 over patches of 128 frames by 96 mel bands, and the heads on
//! its embedding.
//!
//! [`architecture`] is its table, [`description`] which heads a network has, [`parameters`] its weights and what
//! they start from, [`masks`] decides what is dropped in training, and [`plain`] computes embeddings slowly; these need
//! nothing but Rust. With the feature `torch`, `model` computes the network in libtorch, forwards and backwards, and
//! `loss` says what is learnt.

pub mod architecture;
pub mod description;
pub mod masks;
pub mod parameters;
pub mod plain;
pub(crate) mod random;

#[cfg(feature = "torch")]
pub mod loss;
#[cfg(feature = "torch")]
pub mod model;

pub use description::{Description, Head, HeadKind};
pub use parameters::{Tensor, Tensors};
