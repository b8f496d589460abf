//! The engine plugin that runs TorchScript on libtorch.

mod engine;
mod families;
mod files;
mod plugin;
