//! The engine plugin that runs TorchScript on libtorch.

mod engine;
mod files;
mod plugin;
