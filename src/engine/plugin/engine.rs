//! An engine of a plugin, with the trait of all engines.

use super::library::{Library, call, text};
use crate::engine::{Device, Engine, EngineOptions, InputSpec, OutputSpec, Precision, Purpose};
use crate::{Error, Result};
use sleeve_plugin_abi::{self as abi, Handle, Request, Wanted};

/// A network that a plugin runs.
pub struct PluginEngine {
    library: Library,
    handle: Handle,
    name: &'static str,
    input: InputSpec,
    outputs: Vec<OutputSpec>,
    /// For each output, its index in the plugin.
    order: Vec<usize>,
}

// SAFETY: the interface requires that an engine can be used from any thread, and from several at once.
unsafe impl Send for PluginEngine {}
// SAFETY: as above.
unsafe impl Sync for PluginEngine {}

impl PluginEngine {
    /// Opens the bytes of a TorchScript file with the libtorch plugin. Outputs have the names of the file (empty if it
    /// has none) and no known purpose.
    ///
    /// TorchScript can contain code: open only files that you trust.
    ///
    /// # Errors
    /// `Model` with `subject`, the model's name, if the file cannot be used; `Unavailable` for a device or precision
    /// that is not available; `InvalidArgument` for a batch size out of range.
    pub fn torch(
        library: Library,
        subject: &str,
        model: &[u8],
        input: InputSpec,
        options: &EngineOptions,
    ) -> Result<Self> {
        let row = match input {
            InputSpec::Patch { frames, bands } => vec![frames, bands],
            InputSpec::Vector { dim } => vec![dim],
        };
        if options.batch_size == Some(0) {
            return Err(Error::InvalidArgument("the batch size must be at least 1, not 0".into()));
        }
        let devices: &[u32] = if let Device::Cuda(devices) = &options.device { devices } else { &[] };
        let request = Request {
            size: size_of::<Request>() as u32,
            device: if devices.is_empty() { abi::CPU } else { abi::CUDA },
            model: model.as_ptr(),
            model_length: model.len(),
            row: row.as_ptr(),
            row_rank: row.len(),
            devices: devices.as_ptr(),
            device_count: devices.len(),
            precision: match options.precision {
                Precision::Auto => abi::AUTO,
                Precision::F32 => abi::F32,
                Precision::Bf16 => abi::BF16,
                Precision::Fp16 => abi::FP16,
            },
            threads: u32::try_from(options.resolved_threads()).unwrap_or(u32::MAX),
            batch_size: options.batch_size.unwrap_or(0),
        };
        let handle = library.open(&request).map_err(|(status, reason)| match status {
            abi::BAD_MODEL => Error::model(subject, reason),
            abi::UNAVAILABLE => Error::Unavailable(reason),
            abi::INVALID_ARGUMENT => Error::InvalidArgument(reason),
            _ => Error::Engine { engine: "torch", reason },
        })?;
        let (outputs, order) = (Vec::new(), Vec::new());
        let mut engine = PluginEngine { library, handle, name: "torch", input, outputs, order };
        engine.outputs = engine.described()?;
        engine.order = (0..engine.outputs.len()).collect();
        Ok(engine)
    }

    /// The same engine with its outputs reordered and described by `outputs`, which come from metadata or from a graph.
    /// Output `i` is output `order[i]` of the file.
    ///
    /// # Errors
    /// `InvalidArgument` if an output does not exist or has another size.
    pub fn with_outputs(mut self, outputs: &[OutputSpec], order: Vec<usize>) -> Result<Self> {
        let fits = |(output, &at): (&OutputSpec, &usize)| {
            self.outputs.get(at).is_some_and(|found| found.dim == output.dim)
        };
        if outputs.len() != order.len() || !outputs.iter().zip(&order).all(fits) {
            return Err(Error::InvalidArgument(format!(
                "outputs {outputs:?} are described, but the network has {:?}",
                self.outputs
            )));
        }
        self.order = order.into_iter().map(|at| self.order[at]).collect();
        self.outputs = outputs.to_vec();
        Ok(self)
    }

    /// The outputs as the plugin describes them.
    fn described(&self) -> Result<Vec<OutputSpec>> {
        let table = self.library.table();
        // SAFETY: the engine is open.
        let count = unsafe { (table.output_count)(self.handle) };
        let mut outputs = Vec::new();
        for index in 0..count {
            let mut output = abi::Output { name: std::ptr::null(), name_length: 0, dim: 0 };
            // SAFETY: the engine is open, and both are valid for the call.
            call(|message| unsafe { (table.output)(self.handle, index, &mut output, message) })
                .map_err(|(_, reason)| Error::Engine { engine: self.name, reason })?;
            let name = if output.name.is_null() || output.name_length == 0 {
                String::new()
            } else {
                // SAFETY: the name lives until the engine is closed.
                let bytes =
                    unsafe { std::slice::from_raw_parts(output.name.cast::<u8>(), output.name_length) };
                String::from_utf8_lossy(bytes).into_owned()
            };
            outputs.push(OutputSpec { name, purpose: Purpose::Other, dim: output.dim });
        }
        Ok(outputs)
    }

    fn check(&self, input: &[f32], rows: usize, wanted: &[(usize, &mut [f32])]) -> Result<()> {
        if rows.checked_mul(self.input.len()) != Some(input.len()) {
            return Err(Error::InvalidArgument(format!(
                "expected {rows} rows of {} values, got {} values",
                self.input.len(),
                input.len()
            )));
        }
        for (index, buffer) in wanted {
            let Some(output) = self.outputs.get(*index) else {
                return Err(Error::InvalidArgument(format!(
                    "output {index} was requested; the network has {}",
                    self.outputs.len()
                )));
            };
            if rows.checked_mul(output.dim) != Some(buffer.len()) {
                return Err(Error::InvalidArgument(format!(
                    "the buffer has {} values for output {}, which has {rows} x {}",
                    buffer.len(),
                    output.name,
                    output.dim
                )));
            }
        }
        Ok(())
    }
}

impl Engine for PluginEngine {
    fn name(&self) -> &'static str {
        self.name
    }

    fn describe(&self) -> String {
        // SAFETY: the engine is open, and the message is valid for the call.
        text(|message| unsafe { (self.library.table().describe_engine)(self.handle, message) })
    }

    fn input(&self) -> InputSpec {
        self.input
    }

    fn outputs(&self) -> &[OutputSpec] {
        &self.outputs
    }

    fn batch_size(&self) -> usize {
        // SAFETY: the engine is open.
        unsafe { (self.library.table().batch_size)(self.handle) }.max(1)
    }

    fn run(&self, input: &[f32], rows: usize, wanted: &mut [(usize, &mut [f32])]) -> Result<()> {
        self.check(input, rows, wanted)?;
        if rows == 0 || wanted.is_empty() {
            return Ok(());
        }
        let places: Vec<Wanted> = wanted
            .iter_mut()
            .map(|(output, buffer)| Wanted {
                output: self.order[*output],
                data: buffer.as_mut_ptr(),
                length: buffer.len(),
            })
            .collect();
        let table = self.library.table();
        // SAFETY: the engine is open, the lengths are those of live slices (`check`), and the buffers are
        // borrowed exclusively.
        call(|message| unsafe {
            (table.run)(
                self.handle,
                input.as_ptr(),
                input.len(),
                rows,
                places.as_ptr(),
                places.len(),
                message,
            )
        })
        .map_err(|(status, reason)| match status {
            abi::INVALID_ARGUMENT => Error::InvalidArgument(reason),
            _ => Error::Engine { engine: self.name, reason },
        })
    }
}

impl Drop for PluginEngine {
    fn drop(&mut self) {
        // SAFETY: it is open, this is the only close, and no call is running.
        unsafe { (self.library.table().close)(self.handle) }
    }
}
