//! The encoder in plain Rust: slow, for a few patches, with the same bits on every machine.
//!
//! It computes layer by layer over a whole batch, so that batch norms can be set to the statistics that they would have
//! after training: about those of the layer before them.

use super::architecture::{BANDS, Block, Convolution, EMBEDDING, Encoder, FRAMES, Gate, NORM_EPSILON};
use super::parameters::{Tensor, Tensors};
use super::random;

/// One patch's feature map: channel by channel, row by row.
#[derive(Clone)]
struct Map {
    rows: usize,
    columns: usize,
    values: Vec<f32>,
}

impl Map {
    fn channels(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks_exact(self.rows * self.columns)
    }
}

/// Called with a convolution's output before its batch norm is applied, which it may change.
type Norms<'a> = dyn FnMut(&mut Tensors, &Convolution, &[Map]) + 'a;

/// The embeddings of patches, `128 x 96` values each, in inference mode.
pub fn embeddings(tensors: &Tensors, patches: &[f32]) -> Vec<f32> {
    let mut tensors = tensors.clone();
    run(&mut tensors, patches, &mut |_, _, _| {})
}

/// Sets batch norms to random scales and shifts, and to the statistics of noise with random changes: a network whose
/// embeddings differ from patch to patch and reveal every mistake in folding.
pub fn randomise_norms(tensors: &mut Tensors, seed: u64) {
    const PATCHES: usize = 6;
    let mut random = random::generator(&[b"noise", &seed.to_le_bytes()]);
    let mut patches = Vec::with_capacity(PATCHES * FRAMES * BANDS);
    for _ in 0..PATCHES {
        // As in music, some bands and some frames are louder than others.
        let mut loudness =
            |count: usize| -> Vec<f64> { (0..count).map(|_| random::unit(&mut random)).collect() };
        let (bands, frames) = (loudness(BANDS), loudness(FRAMES));
        for frame in frames {
            patches.extend(bands.iter().map(|band| (8.0 * frame * band * random::unit(&mut random)) as f32));
        }
    }
    let Encoder { blocks, head, .. } = Encoder::b0();
    // Residual branches are kept small, which limits the growth of rounding errors from block to block: large random
    // ones would amplify errors far more than trained networks do.
    let added: Vec<String> =
        blocks.into_iter().filter(|block| block.residual).map(|block| block.project.path).collect();
    run(tensors, &patches, &mut |tensors, layer, maps| {
        let norm = layer.norm();
        let mut random = random::generator(&[b"norms", &seed.to_le_bytes(), norm.as_bytes()]);
        let mut drawn = [const { Vec::new() }; 4];
        for channel in 0..layer.outputs {
            let (mean, variance) = statistics(maps, channel);
            let sign = if random::unit(&mut random) < 0.1 { -1.0 } else { 1.0 };
            // So that embeddings have a common part, as those of trained networks do.
            let shift = if *layer == head { 0.75 } else { 0.0 };
            let part = if added.contains(&layer.path) { 0.1 } else { 1.0 };
            let values = [
                sign * part * (0.6 + random::unit(&mut random)),
                shift + 0.15 * random::normal(&mut random),
                mean + 0.15 * random::normal(&mut random) * variance.sqrt(),
                (0.8 + 0.4 * random::unit(&mut random)) * variance,
            ];
            drawn.iter_mut().zip(values).for_each(|(drawn, value)| drawn.push(value as f32));
        }
        for (name, values) in ["weight", "bias", "running_mean", "running_var"].into_iter().zip(drawn) {
            tensors.insert(format!("{norm}.{name}"), Tensor { dims: vec![layer.outputs], values });
        }
    });
}

fn run(tensors: &mut Tensors, patches: &[f32], norms: &mut Norms) -> Vec<f32> {
    let encoder = Encoder::b0();
    let patches = patches.chunks_exact(FRAMES * BANDS);
    let patches = patches.map(|patch| Map { rows: FRAMES, columns: BANDS, values: patch.to_vec() }).collect();
    let mut maps = convolution(tensors, &encoder.stem, patches, norms);
    for layer in &encoder.blocks {
        maps = block(tensors, layer, maps, norms);
    }
    maps = convolution(tensors, &encoder.head, maps, norms);
    let embeddings: Vec<f32> = maps.iter().flat_map(|map| map.channels().map(mean)).collect();
    debug_assert_eq!(embeddings.len(), maps.len() * EMBEDDING);
    embeddings
}

fn block(tensors: &mut Tensors, block: &Block, given: Vec<Map>, norms: &mut Norms) -> Vec<Map> {
    let mut maps = given.clone();
    if let Some(expand) = &block.expand {
        maps = convolution(tensors, expand, maps, norms);
    }
    maps = convolution(tensors, &block.depthwise, maps, norms);
    maps.iter_mut().for_each(|map| gate(tensors, &block.gate, map));
    maps = convolution(tensors, &block.project, maps, norms);
    if block.residual {
        for (map, given) in maps.iter_mut().zip(&given) {
            map.values.iter_mut().zip(&given.values).for_each(|(value, given)| *value += given);
        }
    }
    maps
}

fn convolution(tensors: &mut Tensors, layer: &Convolution, maps: Vec<Map>, norms: &mut Norms) -> Vec<Map> {
    let weights = &tensors[&format!("{}.weight", layer.conv())].values;
    let mut maps: Vec<Map> = maps.iter().map(|map| convolved(map, layer, weights)).collect();
    norms(tensors, layer, &maps);
    let norm = layer.norm();
    let [scale, shift, mean, variance] = ["weight", "bias", "running_mean", "running_var"]
        .map(|name| &tensors[&format!("{norm}.{name}")].values);
    for map in &mut maps {
        for (channel, values) in map.values.chunks_exact_mut(map.rows * map.columns).enumerate() {
            let factor =
                (f64::from(scale[channel]) / (f64::from(variance[channel]) + NORM_EPSILON).sqrt()) as f32;
            for value in values {
                let x = (*value - mean[channel]) * factor + shift[channel];
                *value = if layer.activated { silu(x) } else { x };
            }
        }
    }
    maps
}

fn convolved(map: &Map, layer: &Convolution, weights: &[f32]) -> Map {
    let Convolution { inputs, outputs, kernel, stride, groups, .. } = *layer;
    let border = layer.padding();
    let size = |size: usize| (size + 2 * border - kernel) / stride + 1;
    let (rows, columns) = (size(map.rows), size(map.columns));
    let mut values = vec![0.0f32; outputs * rows * columns];
    let (per_group, outputs_per_group) = (inputs / groups, outputs / groups);
    for (output, into) in values.chunks_exact_mut(rows * columns).enumerate() {
        let first = output / outputs_per_group * per_group;
        for input in 0..per_group {
            let from = &map.values[(first + input) * map.rows * map.columns..][..map.rows * map.columns];
            if kernel == 1 && stride == 1 {
                let weight = weights[output * per_group + input];
                into.iter_mut().zip(from).for_each(|(into, &from)| *into += weight * from);
                continue;
            }
            for (tap, &weight) in weights[(output * per_group + input) * kernel * kernel..][..kernel * kernel]
                .iter()
                .enumerate()
            {
                let (down, right) = (tap / kernel, tap % kernel);
                for (row, into) in into.chunks_exact_mut(columns).enumerate() {
                    let Some(y) = (row * stride + down).checked_sub(border).filter(|&y| y < map.rows) else {
                        continue;
                    };
                    let from = &from[y * map.columns..][..map.columns];
                    for (column, into) in into.iter_mut().enumerate() {
                        let x = (column * stride + right).wrapping_sub(border);
                        *into += weight * from.get(x).copied().unwrap_or(0.0);
                    }
                }
            }
        }
    }
    Map { rows, columns, values }
}

fn gate(tensors: &Tensors, gate: &Gate, map: &mut Map) {
    let layer = |name: &str, x: &[f32]| -> Vec<f32> {
        let of = |what: &str| &tensors[&format!("{}.{name}.{what}", gate.path)].values;
        let rows = of("weight").chunks_exact(x.len()).zip(of("bias"));
        rows.map(|(row, bias)| bias + row.iter().zip(x).map(|(a, b)| a * b).sum::<f32>()).collect()
    };
    let means: Vec<f32> = map.channels().map(mean).collect();
    let squeezed: Vec<f32> = layer("fc1", &means).into_iter().map(silu).collect();
    let factors = layer("fc2", &squeezed).into_iter().map(sigmoid);
    for (values, factor) in map.values.chunks_exact_mut(map.rows * map.columns).zip(factors) {
        values.iter_mut().for_each(|value| *value *= factor);
    }
}

/// The mean and variance of a channel over all maps.
fn statistics(maps: &[Map], channel: usize) -> (f64, f64) {
    let size = maps[0].rows * maps[0].columns;
    let values = || maps.iter().flat_map(|map| &map.values[channel * size..][..size]).map(|&v| f64::from(v));
    let count = (maps.len() * size) as f64;
    let mean = values().sum::<f64>() / count;
    (mean, values().map(|value| (value - mean).powi(2)).sum::<f64>() / count)
}

fn mean(values: &[f32]) -> f32 {
    values.iter().sum::<f32>() / values.len() as f32
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

fn silu(x: f32) -> f32 {
    x * sigmoid(x)
}
