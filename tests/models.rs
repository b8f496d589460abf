//! The shipped models and the ONNX engine: against the original TensorFlow graphs, against onnxruntime, and
//! against themselves (batches, threads).

use half::f16;
use ndarray::Array2;
use ndarray_npy::read_npy;
use sleeve::engine::EngineOptions;
use sleeve::model::Model;
use sleeve_tests::{data, repository};

/// Runs one output of a model over all rows.
fn run(model: &Model, options: &EngineOptions, rows: &[f32], output: usize) -> Vec<f32> {
    let engine = model.engine(options).unwrap();
    let count = rows.len() / model.input().len();
    let mut values = vec![f32::NAN; count * model.outputs()[output].dim];
    engine.run(rows, count, &mut [(output, &mut values)]).unwrap();
    values
}

/// The patches that `models/convert_musicnn.py` showed to TensorFlow.
fn reference_patches() -> Vec<f32> {
    let bytes = std::fs::read(data("musicnn/patches.npy")).unwrap();
    let header = 10 + u16::from_le_bytes([bytes[8], bytes[9]]) as usize;
    assert!(std::str::from_utf8(&bytes[10..header]).unwrap().contains("'<f2'"));
    bytes[header..].chunks_exact(2).map(|pair| f16::from_le_bytes([pair[0], pair[1]]).to_f32()).collect()
}

#[test]
fn musicnn_agrees_with_the_original_tensorflow_graph() {
    let patches = reference_patches();
    for stem in ["msd-musicnn-1", "mtt-musicnn-1"] {
        let model = Model::open(repository().join("models").join(stem)).unwrap();
        assert!(model.warnings().is_empty(), "{:?}", model.warnings());
        for (output, tolerance) in [("predictions", 2e-3), ("embeddings", 1e-2), ("dense", 1e-2)] {
            let expected: Array2<f32> = read_npy(data(&format!("musicnn/{stem}.{output}.npy"))).unwrap();
            let index = model.output_named(output).unwrap();
            let found = run(&model, &EngineOptions::default(), &patches, index);
            let found = Array2::from_shape_vec(expected.dim(), found).unwrap();
            for (found, expected) in found.rows().into_iter().zip(expected.rows()) {
                let worst = (&found - &expected).iter().fold(0f32, |worst, d| worst.max(d.abs()));
                // Tags are compared as they are, vectors relative to their largest value.
                let largest = expected.iter().fold(0f32, |largest, v| largest.max(v.abs()));
                let scale = if output == "predictions" { 1.0 } else { largest };
                assert!(worst <= tolerance * scale, "{stem} {output}: {worst} of {scale}");
            }
        }
    }
}
