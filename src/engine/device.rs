//! What this machine can run models on.

use super::effnet::KernelSet;
use super::options::Precision;
use super::plugin::Library;

/// A device that models can run on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceInfo {
    /// Its name, as [`Device`](super::Device) is parsed from: `cpu`, `cuda:0`.
    pub name: String,
    /// What it is, for people.
    pub description: String,
}

/// The devices that answer, the CPU first. Where the torch plugin is installed, this loads it to ask.
pub fn devices() -> Vec<DeviceInfo> {
    let kernels = KernelSet::best(Precision::F32).map_or(String::new(), |set| format!(", {set}"));
    let mut devices = vec![DeviceInfo { name: "cpu".to_owned(), description: format!("CPU{kernels}") }];
    match Library::torch().and_then(|library| library.cuda_devices()) {
        Ok(names) => devices.extend(
            names
                .into_iter()
                .enumerate()
                .map(|(index, description)| DeviceInfo { name: format!("cuda:{index}"), description }),
        ),
        Err(reason) => log::debug!("no CUDA device: {reason}"),
    }
    devices
}
