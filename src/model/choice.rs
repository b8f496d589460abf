//! Chooses the engine for a model.

use std::sync::{Arc, PoisonError};

use super::parts::Parts;
use crate::engine::effnet::EffnetEngine;
use crate::engine::fused::{FusedEngine, Network};
#[cfg(feature = "rten")]
use crate::engine::onnx::OnnxEngine;
use crate::engine::plugin::{Library, PluginEngine};
use crate::engine::{Device, Engine, EngineChoice, EngineOptions, OutputSpec, Precision};
use crate::{Error, Result};

/// The engine that the options name, or the fastest that they allow.
pub(super) fn engine(parts: &Parts, options: &EngineOptions) -> Result<Arc<dyn Engine>> {
    match (options.engine, &options.device) {
        (EngineChoice::Torch, Device::Auto) => {
            let device = match cuda() {
                Ok(_) => Device::Cuda(vec![0]),
                Err(reason) => {
                    log::info!("model {}: on the CPU: {reason}", parts.name);
                    Device::Cpu
                }
            };
            torch(parts, &EngineOptions { device, ..options.clone() })
        }
        (EngineChoice::Torch, _) => torch(parts, options),
        (EngineChoice::Effnet | EngineChoice::Fused | EngineChoice::Onnx, Device::Cuda(_)) => {
            let name = match options.engine {
                EngineChoice::Onnx => "onnx",
                EngineChoice::Fused => "fused",
                _ => "effnet",
            };
            Err(Error::Unavailable(format!(
                "device {}: the {name} engine runs on the CPU; the torch engine runs on CUDA",
                options.device
            )))
        }
        (EngineChoice::Auto, Device::Cuda(_)) => torch(parts, options),
        (EngineChoice::Auto, Device::Auto) if parts.torch.is_some() => match cuda() {
            Ok(_) => torch(parts, &EngineOptions { device: Device::Cuda(vec![0]), ..options.clone() }),
            Err(reason) => {
                log::info!("model {}: on the CPU: {reason}", parts.name);
                on_cpu(parts, options)
            }
        },
        _ => on_cpu(parts, options),
    }
}

/// On the CPU, ONNX graphs run on the engines inside this library; a model with only a TorchScript file runs on the
/// plugin.
fn on_cpu(parts: &Parts, options: &EngineOptions) -> Result<Arc<dyn Engine>> {
    let Some(onnx) = &parts.onnx else {
        if options.engine == EngineChoice::Auto {
            return torch(parts, &EngineOptions { device: Device::Cpu, ..options.clone() });
        }
        return Err(Error::model(
            &parts.name,
            "there is only a TorchScript file, but this engine runs .onnx",
        ));
    };
    if matches!(options.engine, EngineChoice::Auto | EngineChoice::Effnet) {
        match onnx.effnet() {
            Ok(network) => {
                let engine = EffnetEngine::new(network, options)?;
                return Ok(Arc::new(engine.describe_outputs(&parts.outputs)?));
            }
            Err(reason) if options.engine == EngineChoice::Effnet => {
                return Err(Error::model(&parts.name, format!("not an EfficientNet-B0: {reason}")));
            }
            Err(reason) => log::debug!("model {}: not on the effnet engine: {reason}", parts.name),
        }
    }
    let is_f32 = matches!(options.precision, Precision::Auto | Precision::F32);
    if options.engine == EngineChoice::Fused || options.engine == EngineChoice::Auto && is_f32 {
        let fitting = |network: Arc<Network>| network.fits(parts.input, &parts.outputs).map(|()| network);
        match onnx.fused().and_then(fitting) {
            Ok(network) => {
                return Ok(Arc::new(FusedEngine::new(network, parts.input, parts.outputs.clone(), options)?));
            }
            Err(reason) if options.engine == EngineChoice::Fused => {
                return Err(Error::model(&parts.name, format!("not for the fused engine: {reason}")));
            }
            Err(reason) => log::debug!("model {}: not on the fused engine: {reason}", parts.name),
        }
    }
    if !is_f32 {
        return Err(Error::Unavailable(format!(
            "precision {}: the onnx engine computes in f32 only",
            options.precision
        )));
    }
    #[cfg(feature = "rten")]
    {
        let network = onnx.network().map_err(|reason| Error::model(&parts.name, reason))?;
        Ok(Arc::new(OnnxEngine::new(network, parts.input, parts.outputs.clone(), options)?))
    }
    #[cfg(not(feature = "rten"))]
    Err(Error::Unavailable(format!("model {}: {}", parts.name, super::graph::WITHOUT_RTEN)))
}

/// The CUDA devices of the plugin, or why there are none.
fn cuda() -> Result<Vec<String>> {
    Library::torch()?.cuda_devices()
}

/// The model on the libtorch plugin: on CUDA, an existing engine with the same options is shared.
fn torch(parts: &Parts, options: &EngineOptions) -> Result<Arc<dyn Engine>> {
    if !matches!(options.device, Device::Cuda(_)) {
        return new_torch(parts, options);
    }
    // Held while an engine is created, so that concurrent calls do not create two.
    let mut shared = parts.on_cuda.lock().unwrap_or_else(PoisonError::into_inner);
    shared.retain(|(_, engine)| engine.strong_count() > 0);
    let found = shared.iter().find(|(made_with, _)| made_with == options);
    if let Some(engine) = found.and_then(|(_, engine)| engine.upgrade()) {
        return Ok(engine);
    }
    let engine = new_torch(parts, options)?;
    shared.push((options.clone(), Arc::downgrade(&engine)));
    Ok(engine)
}

fn new_torch(parts: &Parts, options: &EngineOptions) -> Result<Arc<dyn Engine>> {
    let cannot = |reason: &dyn std::fmt::Display| {
        Error::Unavailable(match options.device {
            Device::Cuda(_) => format!("device {}: {reason}", options.device),
            _ => format!("the torch engine: {reason}"),
        })
    };
    // A model that cannot run there is refused before a large library is loaded.
    let (subject, bytes) = match &parts.torch {
        Some(file) => (file.subject.clone(), file.bytes()?),
        None => {
            let file = parts.to_torchscript().map_err(|error| cannot(&error))?;
            (parts.name.clone(), file.into())
        }
    };
    let library = Library::torch().map_err(|error| match options.device {
        Device::Cuda(_) => cannot(&error),
        _ => error,
    })?;
    let engine = PluginEngine::torch(library, &subject, &bytes, parts.input, options)?;
    let order = order(engine.outputs(), &parts.outputs).map_err(|reason| Error::model(subject, reason))?;
    Ok(Arc::new(engine.with_outputs(&parts.outputs, order)?))
}

/// For each output of the model, the index of the file's output: by name if the file has names, else by order. All must
/// exist.
fn order(found: &[OutputSpec], wanted: &[OutputSpec]) -> Result<Vec<usize>, String> {
    let unnamed = found.iter().all(|output| output.name.is_empty());
    let place = |(index, output): (usize, &OutputSpec)| {
        let at = if unnamed {
            (found.len() == wanted.len()).then_some(index)
        } else {
            found.iter().position(|candidate| candidate.name == output.name)
        };
        at.filter(|&at| found[at].dim == output.dim)
    };
    let order: Option<Vec<usize>> = wanted.iter().enumerate().map(|(i, o)| place((i, o))).collect();
    order.ok_or_else(|| {
        let list = |outputs: &[OutputSpec]| -> String {
            let list: Vec<String> = outputs
                .iter()
                .map(|output| match output.name.as_str() {
                    "" => format!("{} values", output.dim),
                    name => format!("{name} ({})", output.dim),
                })
                .collect();
            list.join(", ")
        };
        format!("it returns {}, but the model's outputs are {}", list(found), list(wanted))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Purpose;

    fn outputs(list: &[(&str, usize)]) -> Vec<OutputSpec> {
        let output =
            |&(name, dim): &(&str, usize)| OutputSpec { name: name.into(), purpose: Purpose::Other, dim };
        list.iter().map(output).collect()
    }

    #[test]
    fn outputs_are_found_by_name_or_else_by_order() {
        let wanted = outputs(&[("predictions", 400), ("embeddings", 1280)]);
        let named = outputs(&[("embeddings", 1280), ("other", 3), ("predictions", 400)]);
        assert_eq!(order(&named, &wanted), Ok(vec![2, 0]));
        assert_eq!(order(&outputs(&[("", 400), ("", 1280)]), &wanted), Ok(vec![0, 1]));
        for wrong in [
            &[("", 1280), ("", 400)][..],
            &[("", 400)],
            &[("embeddings", 1280)],
            &[("embeddings", 1280), ("predictions", 50)],
        ] {
            let why = order(&outputs(wrong), &wanted).unwrap_err();
            assert!(why.contains("predictions (400), embeddings (1280)"), "{why}");
        }
    }
}
