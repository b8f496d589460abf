//! What this machine can run models on.

use super::effnet::KernelSet;
use super::options::Precision;

/// A device that models can run on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceInfo {
    /// Its name, as [`Device`](super::Device) is parsed from: `cpu`, `cuda:0`.
    pub name: String,
    /// What it is, for people.
    pub description: String,
}

/// The devices that answer, the CPU first.
pub fn devices() -> Vec<DeviceInfo> {
    let kernels = KernelSet::best(Precision::F32).map_or(String::new(), |set| format!(", {set}"));
    vec![DeviceInfo { name: "cpu".to_owned(), description: format!("CPU{kernels}") }]
}
