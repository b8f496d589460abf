//! What the fused engines share when they read an ONNX graph: walking it, constants and their arithmetic, and how a
//! tensor's axes map to those of a feature map.

pub(in crate::engine) mod constant;
pub(in crate::engine) mod fold;
pub(in crate::engine) mod size;
pub(in crate::engine) mod view;
pub(in crate::engine) mod walk;

pub(in crate::engine) use size::Size;
