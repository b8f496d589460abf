//! The devices of this machine.

use super::effnet::KernelSet;
use super::options::Precision;
use super::plugin::Library;

/// A device that models can run on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeviceInfo {
    /// Its name, as [`Device`](super::Device) is parsed from: `cpu`, `cuda:0`.
    pub name: String,
    /// A description to show to users: `CPU, AVX-512`.
    pub description: String,
}

/// The devices that are available, the CPU first. If the torch plugin is installed, it is loaded to list CUDA devices.
///
/// ```
/// for device in sleeve::engine::devices() {
///     println!("{}: {}", device.name, device.description);
/// }
/// ```
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
