//! The work whose instructions `cargo xtask bench instructions` counts, for targets that this machine can only emulate:
//! there time says nothing, but a count does.
//!
//! `instructions mel FRONT-END plain|best BATCHES` computes batches of mel frames; `instructions network FILE SET PATCHES`
//! runs patches one after the other, on one thread, with the kernels of a set. Each prints how many frames or patches it
//! computed. The difference of two counts is the cost without loading.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use sleeve::engine::effnet::{EffnetEngine, KernelSet, Network as Effnet};
use sleeve::engine::fused::{FusedEngine, Network as Fused};
use sleeve::engine::{Engine, EngineOptions, InputSpec, OutputSpec, Purpose};
use sleeve::front_end::FrontEnd;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["mel", front_end, which, count] => mel(front_end, which == "plain", count.parse()?),
        ["network", file, set, count] => network(Path::new(file), set, count.parse()?),
        _ => {
            bail!("instructions mel FRONT-END plain|best BATCHES, or: instructions network FILE SET PATCHES")
        }
    }
}

fn mel(front_end: &str, plain: bool, count: usize) -> Result<()> {
    let front_end: FrontEnd = front_end.parse()?;
    let (frames, mut run) = sleeve::internal::batches(front_end, plain).context("it has no bands")?;
    let samples = values((frames - 1) * front_end.hop() + front_end.frame_size());
    let mut bands = vec![0.0; frames * front_end.bands()];
    for _ in 0..count {
        run(black_box(&samples), black_box(&mut bands));
    }
    println!("{}", frames * count);
    Ok(())
}

fn network(file: &Path, set: &str, count: usize) -> Result<()> {
    let sets = || KernelSet::ALL.into_iter().filter(|set| set.is_available());
    let set =
        sets().find(|known| known.to_string() == set).with_context(|| format!("no kernels {set} here"))?;
    let engine = engine(file, set)?;
    let patch = values(engine.input().len());
    let mut out: Vec<Vec<f32>> = engine.outputs().iter().map(|output| vec![0.0; output.dim]).collect();
    for _ in 0..count {
        let mut wanted: Vec<(usize, &mut [f32])> =
            out.iter_mut().map(Vec::as_mut_slice).enumerate().collect();
        engine.run(black_box(&patch), 1, &mut wanted)?;
    }
    println!("{count}");
    Ok(())
}

/// The engine that a model would get, with kernels of our choice.
fn engine(file: &Path, set: KernelSet) -> Result<Box<dyn Engine>> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let options = EngineOptions::default().threads(1);
    if let Ok(network) = Effnet::recognise(bytes.clone()) {
        return Ok(Box::new(EffnetEngine::with_kernels(Arc::new(network), &options, set)?));
    }
    let graph = sleeve::internal::onnx::Model::read(bytes.clone()).map_err(anyhow::Error::msg)?;
    let inputs = graph.signature().inputs;
    let dims = inputs.first().and_then(|input| input.dims.clone()).context("the network has no input")?;
    let row: Option<Vec<usize>> = dims.into_iter().skip(1).collect();
    let row = row.context("the network's input has an open shape")?;
    let network = Arc::new(Fused::read(bytes, &row, set).map_err(anyhow::Error::msg)?);
    let outputs =
        network.outputs().iter().map(|(name, dim)| OutputSpec::new(name, Purpose::Other, *dim)).collect();
    let input = InputSpec::Vector { dim: row.iter().product() };
    Ok(Box::new(FusedEngine::new(network, input, outputs, &options)?))
}

/// Values like those of sound and of mel bands, the same in every run.
fn values(count: usize) -> Vec<f32> {
    (0..count).map(|index| (index * 7919 % 997) as f32 / 1000.0).collect()
}
