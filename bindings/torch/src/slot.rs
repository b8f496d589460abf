//! A slot for one running batch on a CUDA device: pinned buffers and a stream.

use tch::{Device, Kind, Tensor};

use crate::network::Network;
use crate::shim::{self, Stream};

/// Buffers and a stream.
pub struct Slot {
    stream: Stream,
    input: Tensor,
    outputs: Vec<Tensor>,
}

impl Slot {
    /// A slot for batches of up to `rows` rows.
    pub fn new(network: &Network, index: u32, rows: usize) -> Result<Self, String> {
        let pinned = |shape: &[i64]| {
            Tensor::f_zeros(shape, (Kind::Float, Device::Cpu))
                .and_then(|tensor| tensor.f_pin_memory(network.device()))
                .map_err(|error| error.to_string())
        };
        let input = pinned(&network.shape(rows))?;
        let outputs = network.outputs().iter().map(|output| pinned(&[rows as i64, output.dim as i64]));
        Ok(Slot { stream: Stream::new(index)?, input, outputs: outputs.collect::<Result<_, _>>()? })
    }

    /// Starts a batch of `rows` rows, padded with zeros after the given values, without waiting for it.
    pub fn start(&mut self, network: &Network, values: &[f32], rows: usize) -> Result<(), String> {
        let mut batch = self.input.f_narrow(0, 0, rows as i64).map_err(|error| error.to_string())?;
        fill(&mut batch, values);
        let Slot { stream, outputs, .. } = self;
        stream.within(|| {
            for (value, place) in network.forward(&batch)?.iter().zip(outputs) {
                let mut place = place.f_narrow(0, 0, rows as i64).map_err(|error| error.to_string())?;
                shim::copy_async(&mut place, value)?;
            }
            Ok(())
        })
    }

    /// Waits for the batch. Afterwards [`Self::output`] has its values.
    pub fn wait(&mut self) -> Result<(), String> {
        self.stream.wait()
    }

    /// The first values of an output.
    pub fn output(&self, index: usize, length: usize) -> &[f32] {
        values(&self.outputs[index], length)
    }
}

/// Writes values to a contiguous f32 tensor on the CPU, followed by zeros.
pub fn fill(tensor: &mut Tensor, values: &[f32]) {
    let room = tensor.numel();
    assert!(values.len() <= room && tensor.is_contiguous() && tensor.kind() == Kind::Float);
    // SAFETY: the tensor is contiguous, in f32, on the CPU, and not shared.
    let all = unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast::<f32>(), room) };
    all[..values.len()].copy_from_slice(values);
    all[values.len()..].fill(0.0);
}

/// The first values of a contiguous f32 tensor on the CPU.
pub fn values(tensor: &Tensor, length: usize) -> &[f32] {
    assert!(length <= tensor.numel() && tensor.is_contiguous() && tensor.kind() == Kind::Float);
    // SAFETY: as in `fill`, for as long as the tensor is borrowed.
    unsafe { std::slice::from_raw_parts(tensor.data_ptr().cast::<f32>(), length) }
}
