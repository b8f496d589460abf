//! Writing TorchScript files, the `.pt` that libtorch opens, without libtorch.
//!
//! Such a file is a zip archive of code (a subset of Python), pickled attributes, and tensors. The weights are written
//! as parameters of one module, so that one file is enough for every precision: cast the module after opening it
//! (`module.to(torch.bfloat16)`), and the network computes in that type.

mod archive;
mod effnet;
mod graph;
mod pickle;

use std::fmt::Write;

use half::f16;

use archive::Archive;
use pickle::Pickle;

pub(super) use effnet::module as of_effnet;
pub(super) use graph::module as of_graph;

/// The version of the format, which PyTorch reads since 1.6.
const FORMAT_VERSION: &str = "3\n";

/// PyTorch's number for single precision.
const FLOAT: u32 = 6;

/// A TorchScript module with one method, `forward(x)`.
#[derive(Debug, Default)]
pub struct Module {
    parameters: Vec<Parameter>,
    forward: Vec<String>,
}

#[derive(Debug)]
struct Parameter {
    name: String,
    shape: Vec<usize>,
    values: Vec<f32>,
}

impl Module {
    /// A module without parameters, whose `forward` does nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a parameter, which `forward` can use as `self.<name>`.
    ///
    /// # Panics
    /// If the number of values is not that of the shape, or the name is not valid.
    pub fn parameter(&mut self, name: &str, shape: &[usize], values: &[f32]) {
        assert_eq!(shape.iter().product::<usize>(), values.len(), "{name}: {shape:?}");
        let letters = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        assert!(
            letters && name.starts_with(|c: char| c.is_ascii_lowercase()),
            "{name:?} is not a valid name"
        );
        self.parameters.push(Parameter {
            name: name.to_owned(),
            shape: shape.to_vec(),
            values: values.to_vec(),
        });
    }

    /// Adds a statement to `forward(self, x: Tensor)`, in the language of serialised TorchScript
    /// (`y = torch.silu(x)`). The last one is `return (a, b)`, or `return {"name": a, "other": b}`.
    pub fn statement(&mut self, text: impl Into<String>) {
        self.forward.push(text.into());
    }

    /// The file's bytes. Weights are stored in half precision if that is exact for all of them, else in single
    /// precision. `returns` is the type of `forward`: `Tuple[Tensor, Tensor]` or `Dict[str, Tensor]`.
    ///
    /// # Panics
    /// If it would be larger than 4 GiB, the limit of a plain zip archive.
    pub fn to_bytes(&self, returns: &str) -> Vec<u8> {
        let is_half = self.parameters.iter().flat_map(|parameter| &parameter.values).all(|&v| fits_half(v));
        let mut archive = Archive::new("sleeve");
        archive.add("data.pkl", &self.attributes(is_half));
        archive.add("code/__torch__.py", self.code(returns).as_bytes());
        archive.add("constants.pkl", &Pickle::empty_tuple());
        for (index, parameter) in self.parameters.iter().enumerate() {
            let values = parameter.values.iter();
            let bytes: Vec<u8> = if is_half {
                values.flat_map(|&v| f16::from_f32(v).to_le_bytes()).collect()
            } else {
                values.flat_map(|v| v.to_le_bytes()).collect()
            };
            archive.add(&format!("data/{index}"), &bytes);
        }
        archive.add("version", FORMAT_VERSION.as_bytes());
        archive.add("byteorder", b"little");
        archive.finish()
    }

    fn code(&self, returns: &str) -> String {
        let names: Vec<String> =
            self.parameters.iter().map(|parameter| format!("\"{}\", ", parameter.name)).collect();
        let mut code = String::from("class Network(Module):\n");
        let _ = writeln!(code, "  __parameters__ = [{}]\n  __buffers__ = []", names.concat());
        for parameter in &self.parameters {
            let _ = writeln!(code, "  {} : Tensor", parameter.name);
        }
        code += "  training : bool\n";
        let _ = writeln!(code, "  def forward(self: __torch__.Network,\n    x: Tensor) -> {returns}:");
        for statement in &self.forward {
            let _ = writeln!(code, "    {statement}");
        }
        code
    }

    /// The module's attributes: its parameters, which refer to `data/<index>`, and the flag that it is not training.
    fn attributes(&self, is_half: bool) -> Vec<u8> {
        let storage = if is_half { "HalfStorage" } else { "FloatStorage" };
        let mut pickle = Pickle::new();
        pickle.begin_object("__torch__", "Network");
        for (index, parameter) in self.parameters.iter().enumerate() {
            pickle.text(&parameter.name);
            pickle.tensor(storage, &index.to_string(), &parameter.shape);
        }
        pickle.text("training");
        pickle.boolean(false);
        pickle.end_object();
        pickle.finish()
    }
}

/// A string in Python's syntax.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            ' '..='~' => quoted.push(c),
            // Names come from files, so other characters are written as bytes, in octal.
            other => {
                let mut bytes = [0; 4];
                for byte in other.encode_utf8(&mut bytes).bytes() {
                    quoted += &format!("\\{byte:03o}");
                }
            }
        }
    }
    quoted.push('"');
    quoted
}

fn fits_half(value: f32) -> bool {
    f16::from_f32(value).to_f32().to_bits() == value.to_bits()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_as_torchscript_writes_it() {
        let mut module = Module::new();
        module.parameter("w", &[2], &[1.0, 2.0]);
        module.statement("return torch.mul(x, self.w)");
        assert_eq!(
            module.code("Tensor"),
            "class Network(Module):\n  __parameters__ = [\"w\", ]\n  __buffers__ = []\n  w : Tensor\n  \
             training : bool\n  def forward(self: __torch__.Network,\n    x: Tensor) -> Tensor:\n    \
             return torch.mul(x, self.w)\n"
        );
    }

    #[test]
    fn names_are_pythons() {
        assert_eq!(quoted("PartitionedCall:0"), "\"PartitionedCall:0\"");
        assert_eq!(quoted("a\"\\\n"), "\"a\\\"\\\\\\012\"");
    }

    #[test]
    fn weights_are_halved_only_where_nothing_is_lost() {
        let size = |value: f32| {
            let mut module = Module::new();
            module.parameter("w", &[4096], &[value; 4096]);
            module.to_bytes("Tensor").len()
        };
        assert_eq!(size(0.1) - size(0.5), 2 * 4096);
        // Also beyond half precision's range.
        assert_eq!(size(1e6), size(0.1));
    }
}
