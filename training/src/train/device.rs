//! The device and the precision of a run.

use tch::{Device, Kind};

use super::flat::Layout;
use super::learner::Computation;
use super::processes::Place;
use crate::config::{Precision, Run};
use crate::error::{Error, Result};
use crate::native;

/// The device and precision for a configuration on this machine, and for this process if a launcher started several.
///
/// # Errors
/// `InvalidArgument` with the reason if there is no such device.
pub fn choose(run: &Run, place: Option<&Place>) -> Result<Computation> {
    let local = place.map_or(0, |place| place.local_rank);
    let wanted = |index: usize| {
        let there = sleeve_torch::cuda::device_count().map_err(Error::InvalidArgument)?;
        match index < there {
            true => Ok(Device::Cuda(index)),
            false => {
                let reason =
                    format!("cuda:{index} does not exist; CUDA devices are numbered from 0 to {}", there - 1);
                Err(Error::InvalidArgument(reason))
            }
        }
    };
    let device = match run.device.as_str() {
        "cpu" => Device::Cpu,
        "auto" if sleeve_torch::cuda::device_count().is_err() => Device::Cpu,
        "auto" | "cuda" => wanted(local)?,
        named => {
            let index = named.strip_prefix("cuda:").and_then(|index| index.parse().ok());
            wanted(index.ok_or_else(|| Error::InvalidArgument(format!("run.device is {named:?}")))?)?
        }
    };
    let bfloat16 = match run.precision {
        Precision::Auto => device.is_cuda(),
        Precision::Bf16 => true,
        Precision::F32 | Precision::F64 => false,
    };
    let kind = if run.precision == Precision::F64 { Kind::Double } else { Kind::Float };
    if device == Device::Cpu {
        native::keep_memory();
    }
    if device.is_cuda() {
        // Batches have few sizes, so searching for the fastest convolution is worth it.
        tch::Cuda::cudnn_set_benchmark(true);
        if run.precision == Precision::F32 {
            sleeve_torch::exact_f32();
        }
    }
    Ok(Computation { device, kind, bfloat16, layout: layout(device) })
}

/// The layout that is faster on a device.
pub fn layout(device: Device) -> Layout {
    if device.is_cuda() { Layout::ChannelsLast } else { CPU }
}

/// The faster one in `cargo xtask bench train`.
const CPU: Layout = Layout::ChannelsLast;

/// A description for a log: `cuda:0, bf16`.
pub fn describe(computation: &Computation) -> String {
    let device = match computation.device {
        Device::Cuda(index) => format!("cuda:{index}"),
        _ => format!("cpu, {} threads", tch::get_num_threads()),
    };
    let precision = match (computation.bfloat16, computation.kind) {
        (true, _) => "bf16",
        (false, Kind::Double) => "f64",
        (false, _) => "f32",
    };
    format!("{device}, {precision}")
}
