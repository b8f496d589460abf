//! One TorchScript file on one device, in one precision.

use tch::{CModule, Device, IValue, Kind, Tensor};

use crate::failure::{Failure, Outcome, brief};
use crate::shim;

/// An output of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Empty if the file returns a tuple.
    pub name: String,
    pub dim: usize,
}

/// A module ready to run.
pub struct Network {
    module: CModule,
    device: Device,
    kind: Kind,
    row: Vec<i64>,
    outputs: Vec<Output>,
}

impl Network {
    /// Reads a file, casts it and finds out its outputs.
    pub fn load(bytes: &[u8], device: Device, kind: Kind, row: &[usize]) -> Outcome<Self> {
        let mut reader = bytes;
        let module = CModule::load_data_on_device(&mut reader, device);
        let mut module = module.map_err(|error| {
            let why = brief(&error.to_string());
            Failure::model(format!("not a TorchScript file that libtorch {} reads: {why}", crate::VERSION))
        })?;
        module.f_set_eval().map_err(|error| Failure::model(brief(&error.to_string())))?;
        module.to(device, kind, false);
        let parameters = module.named_parameters();
        for (_, mut parameter) in parameters.map_err(|error| Failure::model(brief(&error.to_string())))? {
            if parameter.dim() == 4 {
                shim::channels_last(&mut parameter).map_err(|why| Failure::model(brief(&why)))?;
            }
        }
        let row = row.iter().map(|&size| size as i64).collect();
        let mut network = Network { module, device, kind, row, outputs: Vec::new() };
        network.outputs = network.probe()?;
        Ok(network)
    }

    /// The outputs, in the file's order.
    pub fn outputs(&self) -> &[Output] {
        &self.outputs
    }

    pub fn device(&self) -> Device {
        self.device
    }

    /// The shape of a batch.
    pub fn shape(&self, rows: usize) -> Vec<i64> {
        std::iter::once(rows as i64).chain(self.row.iter().copied()).collect()
    }

    /// Runs a batch `[rows, ...]`, in f32 on any device. Returns each output in f32 on the network's device. The error
    /// is libtorch's message.
    pub fn forward(&self, batch: &Tensor) -> Result<Vec<Tensor>, String> {
        let values = self.values(batch)?;
        values
            .into_iter()
            .map(|(_, value)| {
                value.f_to_kind(Kind::Float).and_then(|v| v.f_contiguous()).map_err(|e| e.to_string())
            })
            .collect()
    }

    /// Runs a batch. Returns the file's outputs with their names.
    fn values(&self, batch: &Tensor) -> Result<Vec<(String, Tensor)>, String> {
        let batch =
            batch.f_to_device_(self.device, self.kind, true, false).map_err(|error| error.to_string())?;
        let value = self.module.forward_is(&[IValue::Tensor(batch)]).map_err(|error| error.to_string())?;
        tensors(value)
    }

    /// Runs one row and then three, to find the outputs and to check that any batch size works.
    fn probe(&self) -> Outcome<Vec<Output>> {
        let one = self.described(1)?;
        let shape = shape_text(&self.shape(3));
        let three = self.described(3).map_err(|failure| {
            Failure::model(format!("takes one row at a time: for {shape}, {}", failure.reason))
        })?;
        if one != three {
            return Err(Failure::model(format!("its outputs change with the batch: {one:?}, {three:?}")));
        }
        Ok(one)
    }

    /// The outputs for `rows` rows.
    fn described(&self, rows: usize) -> Outcome<Vec<Output>> {
        let shape = self.shape(rows);
        let batch = Tensor::f_full(shape.as_slice(), 0.5, (Kind::Float, Device::Cpu))
            .map_err(|error| Failure::running(brief(&error.to_string())))?;
        let (values, types) = shim::types_during(|| self.values(&batch));
        let values = values.map_err(|error| {
            Failure::model(format!(
                "does not take {} in {}: {}",
                shape_text(&shape),
                kind_text(self.kind),
                brief(&error)
            ))
        })?;
        // A file may cast its input, so that it does not compute in the requested precision. Convolutions are most of
        // the work, so they must have that type; without convolutions, some of the matrix products must have it.
        let other = match types.convolutions.is_empty() {
            false => types.convolutions.iter().find(|&&kind| kind != self.kind),
            true if types.products.contains(&self.kind) => None,
            true => types.products.first(),
        };
        if let Some(&other) = other {
            return Err(Failure::unavailable(format!(
                "precision {}: this file always computes in {}",
                kind_text(self.kind),
                kind_text(other)
            )));
        }
        if values.is_empty() {
            return Err(Failure::model("returns no output"));
        }
        values
            .into_iter()
            .enumerate()
            .map(|(index, (name, value))| {
                let size = value.size();
                let what = if name.is_empty() { format!("output {index}") } else { format!("output {name}") };
                match size[..] {
                    [n, dim] if n == rows as i64 && dim > 0 => Ok(Output { name, dim: dim as usize }),
                    _ => Err(Failure::model(format!(
                        "{what} has shape {} for {rows} rows; [{rows}, dim] is needed",
                        shape_text(&size)
                    ))),
                }
            })
            .collect()
    }
}

/// The tensors that a module returns: those of a dictionary with their names, those of a tuple or list in order, or a
/// single tensor.
fn tensors(value: IValue) -> Result<Vec<(String, Tensor)>, String> {
    let unnamed = |value: IValue| match value {
        IValue::Tensor(tensor) => Ok((String::new(), tensor)),
        other => Err(format!("returns a {} among its outputs, not a tensor", kind_of(&other))),
    };
    match value {
        IValue::Tensor(tensor) => Ok(vec![(String::new(), tensor)]),
        IValue::Tuple(values) | IValue::GenericList(values) => values.into_iter().map(unnamed).collect(),
        IValue::TensorList(values) => Ok(values.into_iter().map(|tensor| (String::new(), tensor)).collect()),
        IValue::GenericDict(entries) => entries
            .into_iter()
            .map(|entry| match entry {
                (IValue::String(name), IValue::Tensor(tensor)) => Ok((name, tensor)),
                (key, value) => Err(format!(
                    "returns a dictionary of {} to {}, not of names to tensors",
                    kind_of(&key),
                    kind_of(&value)
                )),
            })
            .collect(),
        other => Err(format!("returns a {}, not a dictionary or tuple of tensors", kind_of(&other))),
    }
}

fn kind_of(value: &IValue) -> &'static str {
    match value {
        IValue::None => "None",
        IValue::Tensor(_) => "tensor",
        IValue::Double(_) | IValue::Int(_) | IValue::Bool(_) => "number",
        IValue::String(_) => "string",
        IValue::Tuple(_) => "tuple",
        IValue::GenericDict(_) => "dictionary",
        IValue::Object(_) => "object",
        _ => "list",
    }
}

/// A type's name as on the command line.
pub fn kind_text(kind: Kind) -> &'static str {
    match kind {
        Kind::Float => "f32",
        Kind::BFloat16 => "bf16",
        Kind::Half => "fp16",
        Kind::Double => "f64",
        _ => "another type",
    }
}

fn shape_text(shape: &[i64]) -> String {
    let sizes: Vec<String> = shape.iter().map(i64::to_string).collect();
    format!("[{}]", sizes.join(", "))
}
