//! Changes a graph before a map is learnt on it: which of its layers are the embeddings, and at which level it hears
//! patches.

use std::f32::consts::{LN_10, LOG10_E};

use sleeve::internal::onnx::{Attribute, Model, Node, Tensor, ValueInfo, element, run_graph};

/// The most that a patch is amplified, in dB: silence stays quiet.
const MAX_GAIN: f64 = 40.0;
/// Mel frames are `log10(1 + MEL_FACTOR * power)`.
const MEL_FACTOR: f64 = 10_000.0;

/// What is changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    /// The tensor of the graph that becomes the embeddings.
    pub layer: Option<String>,
    /// The level that each patch is brought to, in dB of the mean power of a mel band.
    pub level: Option<f64>,
}

/// The changed file, and the number of values of its embeddings.
///
/// Levelling is a part of the graph: `log10(1 + 10000 g power)`, where the gain `g` brings the mean power of the patch's
/// bands to the level. All outputs hear the levelled patch, so that none depends on how loud a recording is.
///
/// # Errors
/// Why the file cannot be changed: not an ONNX file, no such output or tensor, or it does not run.
pub fn prepared(bytes: &[u8], output: &str, changes: &Changes) -> Result<(Vec<u8>, usize), String> {
    let mut model = Model::read(bytes.to_vec())?;
    let Some(at) = model.graph.output.iter().position(|info| info.name() == output) else {
        return Err(format!("it has no output `{output}`"));
    };
    if let Some(layer) = &changes.layer {
        rewire(&mut model, output, layer)?;
        model.graph.output[at] = ValueInfo::of_any_shape(output);
    }
    if let Some(level) = changes.level {
        levelled(&mut model, level)?;
    }
    let dim = values(&model, at)?;
    model.graph.output[at] = ValueInfo::rows(output, &[dim]);
    Ok((model.to_bytes(), dim))
}

/// Makes a tensor of the graph its output `output`; what had that name keeps its place in the graph.
fn rewire(model: &mut Model, output: &str, layer: &str) -> Result<(), String> {
    let nodes = &mut model.graph.node;
    if !nodes.iter().any(|node| node.output.iter().any(|made| made == layer)) {
        return Err(format!("no node makes a tensor `{layer}`"));
    }
    if layer == output {
        return Ok(());
    }
    let before = format!("{output}.before");
    for node in nodes.iter_mut() {
        node.input.iter_mut().chain(&mut node.output).filter(|name| *name == output).for_each(|name| {
            name.clone_from(&before);
        });
    }
    nodes.push(Node::new("Identity", &[layer], output, vec![]));
    Ok(())
}

/// Puts the levelling between the input and the nodes that take it.
fn levelled(model: &mut Model, level: f64) -> Result<(), String> {
    if !(-60.0..=60.0).contains(&level) {
        return Err(format!("a level of {level} dB; from -60 to 60 make sense"));
    }
    let version =
        model.opset_import.iter().find(|set| set.domain().is_empty()).map_or(0, |set| set.version());
    let graph = &mut model.graph;
    let stored: Vec<&str> = graph.initializer.iter().map(Tensor::name).collect();
    let mut inputs = graph.input.iter().filter(|input| !stored.contains(&input.name()));
    let (Some(input), None) = (inputs.next(), inputs.next()) else {
        return Err("it has not exactly one input".into());
    };
    if input.declared().dims.is_none_or(|dims| dims.len() != 3) {
        return Err("its input is not [patches, frames, bands]".into());
    }
    let input = input.name().to_owned();
    let name = |part: &str| format!("level.{part}");
    for node in &mut graph.node {
        node.input.iter_mut().filter(|from| **from == input).for_each(|from| *from = name("patch"));
    }
    // In what the input's logarithm is of.
    let target = MEL_FACTOR * 10f64.powf(level / 10.0);
    let constants = [
        ("ln_10", LN_10),
        ("one", 1.0),
        ("least", (target * 10f64.powf(-MAX_GAIN / 10.0)) as f32),
        ("target", target as f32),
        ("log10_e", LOG10_E),
    ];
    for (part, value) in constants {
        let tensor = Tensor::raw(&name(part), &[1], element::F32, value.to_le_bytes().to_vec());
        graph.initializer.push(tensor);
    }
    let (mut axes, mut mean_of) = (vec![Attribute::of_int("keepdims", 1)], vec![name("power")]);
    if version < 18 {
        axes.push(Attribute::of_ints("axes", vec![1, 2]));
    } else {
        let bytes: Vec<u8> = [1i64, 2].into_iter().flat_map(i64::to_le_bytes).collect();
        graph.initializer.push(Tensor::raw(&name("axes"), &[2], element::I64, bytes));
        mean_of.push(name("axes"));
    }
    let steps = [
        ("Mul", vec![input, name("ln_10")], "natural", vec![]),
        ("Exp", vec![name("natural")], "exponential", vec![]),
        ("Sub", vec![name("exponential"), name("one")], "power", vec![]),
        ("ReduceMean", mean_of, "mean", axes),
        ("Max", vec![name("mean"), name("least")], "clipped", vec![]),
        ("Div", vec![name("target"), name("clipped")], "gain", vec![]),
        ("Mul", vec![name("power"), name("gain")], "amplified", vec![]),
        ("Add", vec![name("amplified"), name("one")], "shifted", vec![]),
        ("Log", vec![name("shifted")], "logarithm", vec![]),
        ("Mul", vec![name("logarithm"), name("log10_e")], "patch", vec![]),
    ];
    let steps = steps.map(|(kind, inputs, output, attributes)| {
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        Node::new(kind, &inputs, &name(output), attributes)
    });
    graph.node.splice(0..0, steps);
    Ok(())
}

/// The number of values of an output.
fn values(model: &Model, output: usize) -> Result<usize, String> {
    let input = model.graph.input.first().ok_or("it has no input")?.declared().dims.unwrap_or_default();
    let row: Option<Vec<usize>> = input.iter().skip(1).copied().collect();
    let row = row.ok_or("the shape of its input is not stated")?;
    let shape: Vec<usize> = std::iter::once(1).chain(row).collect();
    let silence = vec![0.0; shape.iter().product()];
    Ok(run_graph(model, &shape, &silence)?[output].len())
}

#[cfg(test)]
mod tests {
    use sleeve::engine::EngineOptions;
    use sleeve::model::Model;

    use super::*;

    const BYTES: &[u8] = include_bytes!("../../../models/msd-musicnn-1.onnx");

    fn patch(gain: f32) -> Vec<f32> {
        let power = |at: usize| 1e-3 * (1 + at % 23) as f32 * (1 + at / 96 % 7) as f32 * gain;
        (0..187 * 96).map(|at| (1.0 + 10_000.0 * power(at)).log10()).collect()
    }

    fn run(bytes: &[u8], patch: &[f32]) -> Vec<Vec<f32>> {
        let model = sleeve::internal::onnx::Model::read(bytes.to_vec()).unwrap();
        run_graph(&model, &[1, 187, 96], patch).unwrap()
    }

    #[test]
    fn a_levelled_model_gives_the_same_at_every_level() {
        let changes = Changes { level: Some(0.0), ..Changes::default() };
        let (bytes, dim) = prepared(BYTES, "embeddings", &changes).unwrap();
        assert_eq!(dim, 200);
        let mean = |patch: &[f32]| {
            let power: f64 = patch.iter().map(|&x| (10f64.powf(x.into()) - 1.0) / 1e4).sum();
            power / patch.len() as f64
        };
        // At the level already, it is what the model gives without it.
        let own = 1.0 / mean(&patch(1.0)) as f32;
        let plain = run(BYTES, &patch(own));
        for gain in [own, own / 100.0, own * 4.0] {
            for (found, expected) in run(&bytes, &patch(gain)).iter().zip(&plain) {
                let error = found.iter().zip(expected).fold(0f32, |most, (a, b)| most.max((a - b).abs()));
                let scale = expected.iter().fold(0f32, |most, value| most.max(value.abs()));
                assert!(error < 2e-3 * scale, "gain {gain}: {error} of {scale}");
            }
        }
        // Silence is not amplified to noise.
        let silent = run(&bytes, &vec![0.0; 187 * 96]);
        assert_eq!(silent, run(BYTES, &vec![0.0; 187 * 96]));
        assert!(prepared(BYTES, "embeddings", &Changes { level: Some(f64::NAN), layer: None }).is_err());
        // The fused engine has all of it: another engine would be several times slower.
        let json = include_str!("../../../models/msd-musicnn-1.json");
        let engine =
            Model::from_bytes("x", bytes, Some(json)).unwrap().engine(&EngineOptions::default()).unwrap();
        assert_eq!(engine.name(), "fused");
    }

    #[test]
    fn any_layer_can_be_the_embeddings() {
        let layer = |layer: &str| Changes { layer: Some(layer.into()), level: None };
        let (bytes, dim) = prepared(BYTES, "embeddings", &layer("features.pooled")).unwrap();
        assert_eq!(dim, 512);
        let (before, after) = (run(BYTES, &patch(1.0)), run(&bytes, &patch(1.0)));
        assert_eq!((after[1].len(), &after[0], &after[2]), (512, &before[0], &before[2]));
        let (bytes, _) = prepared(BYTES, "embeddings", &layer("dense")).unwrap();
        let after = run(&bytes, &patch(1.0));
        assert_eq!(after[1], after[2]);
        assert!(prepared(BYTES, "embeddings", &layer("nothing")).unwrap_err().contains("`nothing`"));
        assert!(prepared(BYTES, "nothing", &layer("dense")).unwrap_err().contains("`nothing`"));
    }
}
