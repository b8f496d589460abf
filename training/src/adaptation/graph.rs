//! Writes the map into the file of its model. The result can be used like any other model.

use half::f16;
use ndarray::ArrayViewD;
use sleeve::internal::onnx::{Model, Tensor, ValueInfo};

use super::Adaptation;
use crate::export::onnx::{DESCRIPTION, cast, dense, half};

/// The names of the map's weights and of its input in the graph.
const WEIGHT: &str = "adaptation.weight";
const BIAS: &str = "adaptation.bias";
const PLAIN: &str = "adaptation.input";

/// An ONNX file whose output `name` is the adapted one; its other outputs are unchanged.
///
/// The map is in half precision, as the weights of exported networks are.
///
/// # Errors
/// Why the file cannot be adapted: not an ONNX file, no such output, or other dimensions.
pub fn adapted(bytes: &[u8], name: &str, adaptation: &Adaptation) -> Result<Vec<u8>, String> {
    let mut model = Model::read(bytes.to_vec())?;
    let graph = &mut model.graph;
    let Some(output) = graph.output.iter_mut().find(|output| output.name() == name) else {
        return Err(format!("it has no output `{name}`"));
    };
    *output = ValueInfo::rows(name, &[adaptation.map.nrows()]);
    let mut known = graph.node.iter().flat_map(|node| node.output.iter().map(String::as_str));
    if known.any(|known| [WEIGHT, BIAS, PLAIN].contains(&known)) {
        return Err("it is adapted already; adapt the original model instead".into());
    }
    let mut made = false;
    for node in &mut graph.node {
        made |= node.output.iter().any(|output| output == name);
        node.input.iter_mut().chain(&mut node.output).filter(|tensor| *tensor == name).for_each(|tensor| {
            *tensor = PLAIN.to_owned();
        });
    }
    if !made {
        return Err(format!("no node makes its output `{name}`"));
    }
    let (stored_weight, stored_bias) = (format!("{WEIGHT}.half"), format!("{BIAS}.half"));
    graph.initializer.push(tensor(&stored_weight, adaptation.map.view().into_dyn())?);
    graph.initializer.push(tensor(&stored_bias, adaptation.bias().view().into_dyn())?);
    graph.node.push(cast(&stored_weight, WEIGHT));
    graph.node.push(cast(&stored_bias, BIAS));
    graph.node.push(dense(&[PLAIN, WEIGHT, BIAS], name));
    // The graph no longer matches this description, from which other formats could be made.
    model.metadata_props.retain(|property| property.key() != DESCRIPTION);
    Ok(model.to_bytes())
}

fn tensor(name: &str, values: ArrayViewD<f64>) -> Result<Tensor, String> {
    let halves: Vec<f16> = values.iter().map(|&value| f16::from_f64(value)).collect();
    if let Some(value) = halves.iter().find(|value| !value.is_finite()) {
        return Err(format!("the map contains {value}, which is outside half precision; use more shrinkage"));
    }
    Ok(half(name, values.shape(), &halves))
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array2};
    use sleeve::engine::EngineOptions;
    use sleeve::model::Model;

    use super::*;

    #[test]
    fn the_output_is_mapped_and_the_others_stay() {
        let bytes = include_bytes!("../../../models/msd-musicnn-1.onnx");
        let map = Array2::from_shape_fn(
            (200, 200),
            |(i, j)| if i == j { 2.0 } else { f64::from((i + 1 == j) as u8) },
        );
        let mean = Array1::from_shape_fn(200, |at| at as f64 / 64.0);
        let adaptation = Adaptation { map, mean, anchors: vec![] };
        let changed = adapted(bytes, "embeddings", &adaptation).unwrap();
        assert_eq!(
            adapted(&changed, "embeddings", &adaptation).unwrap_err().split(';').next(),
            Some("it is adapted already")
        );
        assert!(adapted(bytes, "nothing", &adaptation).unwrap_err().contains("`nothing`"));
        assert!(adapted(b"nothing", "embeddings", &adaptation).is_err());

        let run = |name: &str, bytes: &[u8], output: &str| {
            let json = include_str!("../../../models/msd-musicnn-1.json");
            let model = Model::from_bytes(name, bytes, Some(json)).unwrap();
            let index = model.output_named(output).unwrap();
            let mut values = vec![0.0; model.outputs()[index].dim];
            let patch: Vec<f32> = (0..187 * 96).map(|at| (at % 23) as f32 / 9.0).collect();
            let engine = model.engine(&EngineOptions::default().threads(1)).unwrap();
            engine.run(&patch, 1, &mut [(index, &mut values)]).unwrap();
            Array1::from_iter(values.into_iter().map(f64::from))
        };
        assert_eq!(run("a", bytes, "predictions"), run("b", &changed, "predictions"));
        let expected = adaptation.apply(&run("a", bytes, "embeddings"));
        let found = run("b", &changed, "embeddings");
        let scale = expected.iter().fold(0.0f64, |most, value| most.max(value.abs()));
        let error = (&found - &expected).iter().fold(0.0f64, |most, value| most.max(value.abs()));
        assert!(error < 2e-3 * scale, "{error} of {scale}");
    }
}
