//! The exported network as a TorchScript file, which libtorch opens on any device.
//!
//! The weights are parameters of the module, by the names they have in a checkpoint, in half precision. Whoever opens the
//! file chooses the type it computes in with `module.to(dtype)`; `forward` casts what it is given and what it returns. So
//! one file serves f32, bfloat16 and half precision. (Tracing would make the weights constants, which no cast reaches.)

mod source;

use super::weights::Weights;

#[cxx::bridge(namespace = "sleeve")]
mod bridge {
    // SAFETY: the functions keep no reference to what they are given, and turn every exception into an error.
    unsafe extern "C++" {
        include!("torchscript.h");

        type Script;

        /// An empty module.
        fn new_script() -> Result<UniquePtr<Script>>;
        /// Adds a parameter in half precision; the parts of its name, between dots, become modules.
        fn parameter(self: Pin<&mut Script>, name: &str, dims: &[i64], bits: &[u16]) -> Result<()>;
        /// Compiles methods.
        fn define(self: Pin<&mut Script>, source: &str) -> Result<()>;
        /// The module as a file.
        fn save(self: &Script) -> Result<Vec<u8>>;
    }
}

/// The file's bytes.
///
/// # Errors
/// What libtorch says.
pub fn file(weights: &Weights) -> Result<Vec<u8>, String> {
    written(weights).map_err(|error| format!("libtorch: {error}"))
}

fn written(weights: &Weights) -> Result<Vec<u8>, cxx::Exception> {
    let mut script = bridge::new_script()?;
    for (name, tensor) in &weights.tensors {
        let dims: Vec<i64> = tensor.dims.iter().map(|&dim| dim as i64).collect();
        let bits: Vec<u16> = tensor.values.iter().map(|value| value.to_bits()).collect();
        script.pin_mut().parameter(name, &dims, &bits)?;
    }
    script.pin_mut().define(&source::source(&weights.heads))?;
    script.save()
}
