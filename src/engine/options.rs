//! Options of an engine: which one, on which device, in which arithmetic.

use std::fmt;
use std::str::FromStr;

use crate::Error;

/// Which engine runs the network.
///
/// Parsed from the names of the program's `--engine`: `"onnx".parse::<EngineChoice>()?`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum EngineChoice {
    /// The fastest engine that can run the model on the device.
    #[default]
    Auto,
    /// The fused EfficientNet-B0 engine.
    Effnet,
    /// The fused engine for convolutional networks.
    Fused,
    /// Any ONNX graph, through rten.
    Onnx,
    /// TorchScript, through the libtorch plugin.
    Torch,
}

/// Where a network runs.
///
/// ```
/// use sleeve::engine::Device;
///
/// assert_eq!("cuda:1".parse::<Device>()?, Device::Cuda(vec![1]));
/// assert!("gpu".parse::<Device>().is_err());
/// # Ok::<(), sleeve::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Device {
    /// CUDA if a device is available, else the CPU; the choice is logged.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// CUDA devices by index; `"cuda"` is device 0.
    Cuda(Vec<u32>),
}

/// The floating-point arithmetic of a network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Precision {
    /// The engine's default, without a visible loss of accuracy: f32 on a CPU.
    #[default]
    Auto,
    /// 32-bit floats throughout.
    F32,
    /// bfloat16 products, f32 sums.
    Bf16,
    /// Half precision (CUDA only).
    Fp16,
}

/// Options of an engine.
///
/// ```
/// use sleeve::engine::{Device, EngineOptions};
///
/// let options = EngineOptions::new().device(Device::Cpu).threads(4);
/// assert_eq!(options.batch_size, None);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EngineOptions {
    /// The engine; automatic by default.
    pub engine: EngineChoice,
    /// The device; automatic by default.
    pub device: Device,
    /// The arithmetic; automatic by default.
    pub precision: Precision,
    /// Threads of one `run`; 0 (the default) means every core that the process may use.
    pub threads: usize,
    /// Rows per batch; `None` (the default) lets the engine choose.
    pub batch_size: Option<usize>,
}

impl EngineOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the engine.
    pub fn engine(mut self, engine: EngineChoice) -> Self {
        self.engine = engine;
        self
    }

    /// Sets the device.
    pub fn device(mut self, device: Device) -> Self {
        self.device = device;
        self
    }

    /// Sets the arithmetic.
    pub fn precision(mut self, precision: Precision) -> Self {
        self.precision = precision;
        self
    }

    /// Sets the number of threads.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Sets the rows per batch; `None` lets the engine choose.
    pub fn batch_size(mut self, rows: impl Into<Option<usize>>) -> Self {
        self.batch_size = rows.into();
        self
    }

    /// The number of threads, with 0 resolved to the number of cores that the process may use.
    pub fn resolved_threads(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        }
    }
}

impl FromStr for EngineChoice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "auto" => Ok(Self::Auto),
            "effnet" => Ok(Self::Effnet),
            "fused" => Ok(Self::Fused),
            "onnx" => Ok(Self::Onnx),
            "torch" => Ok(Self::Torch),
            _ => Err(Error::InvalidArgument(format!(
                "unknown engine `{text}`; known: auto, effnet, fused, onnx, torch"
            ))),
        }
    }
}

impl FromStr for Device {
    type Err = Error;

    /// `auto`, `cpu`, `cuda`, `cuda:1` or `cuda:0,1`.
    fn from_str(text: &str) -> Result<Self, Error> {
        let unknown = || {
            Error::InvalidArgument(format!(
                "unknown device `{text}`; known: auto, cpu, cuda, cuda:0, cuda:0,1"
            ))
        };
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(vec![0])),
            _ => {
                let list = text.strip_prefix("cuda:").ok_or_else(unknown)?;
                let devices: Result<Vec<u32>, _> = list.split(',').map(str::parse).collect();
                Ok(Self::Cuda(devices.map_err(|_| unknown())?))
            }
        }
    }
}

impl FromStr for Precision {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "auto" => Ok(Self::Auto),
            "f32" => Ok(Self::F32),
            "bf16" => Ok(Self::Bf16),
            "fp16" => Ok(Self::Fp16),
            _ => Err(Error::InvalidArgument(format!(
                "unknown precision `{text}`; known: auto, f32, bf16, fp16"
            ))),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(devices) => {
                let list: Vec<String> = devices.iter().map(u32::to_string).collect();
                write!(f, "cuda:{}", list.join(","))
            }
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::Fp16 => "fp16",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read_and_written_alike() {
        for text in ["auto", "cpu", "cuda:0", "cuda:0,3"] {
            assert_eq!(text.parse::<Device>().unwrap().to_string(), text);
        }
        assert_eq!("cuda".parse::<Device>().unwrap(), Device::Cuda(vec![0]));
        for wrong in ["", "cuda:", "cuda:x", "gpu", "cuda:1,,2", "cuda:-1"] {
            assert!(wrong.parse::<Device>().is_err(), "{wrong}");
        }
    }
}
