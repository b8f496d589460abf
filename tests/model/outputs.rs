//! The converted models and the ONNX engine, compared with the original TensorFlow graphs, with onnxruntime, and with
//! themselves (batches, neighbours, threads).

use std::path::Path;

use half::f16;
use ndarray::{Array2, Axis};
use ndarray_npy::{read_npy, write_npy};
use sleeve::engine::{EngineChoice, EngineOptions};
use sleeve::model::Model;
use sleeve_tests::{data, output_of, peer, recording, repository, skip};

const MODELS: [&str; 2] = ["msd-musicnn-1", "mtt-musicnn-1"];
/// The same package's baselines, which are not bundled.
const VGG: [&str; 2] = ["msd-vgg-1", "mtt-vgg-1"];

fn shipped(stem: &str) -> Model {
    let model = Model::open(repository().join("models").join(stem)).unwrap();
    assert!(model.warnings().is_empty(), "{:?}", model.warnings());
    model
}

fn options(threads: usize, batch_size: Option<usize>) -> EngineOptions {
    EngineOptions::default().engine(EngineChoice::Onnx).threads(threads).batch_size(batch_size)
}

/// One output of a model for all rows.
fn run(model: &Model, options: &EngineOptions, rows: &Array2<f32>, output: usize) -> Array2<f32> {
    let engine = model.engine(options).unwrap();
    let mut values = Array2::from_elem((rows.nrows(), model.outputs()[output].dim), f32::NAN);
    let mut wanted = [(output, values.as_slice_mut().unwrap())];
    engine.run(rows.as_slice().unwrap(), rows.nrows(), &mut wanted).unwrap();
    values
}

/// The largest difference of two arrays.
fn deviation(found: &Array2<f32>, expected: &Array2<f32>) -> f32 {
    assert_eq!(found.dim(), expected.dim());
    found.iter().zip(expected).fold(0.0, |worst, (a, b)| {
        assert!(a.is_finite() && b.is_finite());
        f32::max(worst, (a - b).abs())
    })
}

/// The patches that `models/convert_musicnn.py` and `convert_musicnn_vgg.py` ran in TensorFlow, one per row.
fn reference_patches() -> Array2<f32> {
    let bytes = std::fs::read(data("musicnn/patches.npy")).unwrap();
    let header = 10 + u16::from_le_bytes([bytes[8], bytes[9]]) as usize;
    assert!(std::str::from_utf8(&bytes[10..header]).unwrap().contains("'<f2'"));
    let values = bytes[header..].chunks_exact(2).map(|pair| f16::from_le_bytes([pair[0], pair[1]]).to_f32());
    Array2::from_shape_vec((7, 187 * 96), values.collect()).unwrap()
}

#[test]
fn musicnn_and_vgg_agree_with_the_original_tensorflow_graphs() {
    let patches = reference_patches();
    for stem in MODELS.into_iter().chain(VGG) {
        let model = shipped(stem);
        assert_eq!(model.outputs().len(), if VGG.contains(&stem) { 2 } else { 3 });
        for output in model.outputs().iter().map(|output| output.name.as_str()) {
            let tolerance = if output == "predictions" { 2e-3 } else { 1e-2 };
            let expected: Array2<f32> = read_npy(data(&format!("musicnn/{stem}.{output}.npy"))).unwrap();
            let found = run(&model, &options(0, None), &patches, model.output_named(output).unwrap());
            assert_eq!(found.dim(), expected.dim());
            for (found, expected) in found.rows().into_iter().zip(expected.rows()) {
                let worst = found.iter().zip(expected).fold(0f32, |worst, (a, b)| worst.max((a - b).abs()));
                // Tags are compared directly, other vectors relative to their largest value.
                let largest = expected.iter().fold(0f32, |largest, v| largest.max(v.abs()));
                let scale = if output == "predictions" { 1.0 } else { largest };
                assert!(worst <= tolerance * scale, "{stem} {output}: {worst} of {scale}");
            }
            // The patches differ, so swapped rows would be noticed.
            let (a, b) = (expected.row(0), expected.row(2));
            assert!(a.iter().zip(b).any(|(a, b)| (a - b).abs() > 10.0 * tolerance), "{stem} {output}");
        }
    }
}

#[test]
fn musicnn_and_vgg_agree_with_onnxruntime() {
    let patches = reference_patches();
    for stem in MODELS.into_iter().chain(VGG) {
        let folder = tempfile::tempdir().unwrap();
        let input = folder.path().join("input.npy");
        write_npy(&input, &patches).unwrap();
        let Some(mut command) = peer("onnx_outputs.py") else { skip!("no peers: run `cargo xtask peers`") };
        let graph = repository().join(format!("models/{stem}.onnx"));
        output_of(command.arg(graph).arg(&input).arg(folder.path()));
        let model = shipped(stem);
        // Measured: 6e-7 for the tags, 1e-5 for the others, whose values reach 20.
        for (index, output) in model.outputs().iter().enumerate() {
            let expected: Array2<f32> = read_npy(folder.path().join(format!("{index}.npy"))).unwrap();
            let worst = deviation(&run(&model, &options(0, None), &patches, index), &expected);
            let allowed = if output.name == "predictions" { 2e-6 } else { 5e-5 };
            assert!(worst <= allowed, "{stem} {}: {worst}", output.name);
        }
    }
}

/// With Essentia's mel-spectrogram, this engine gives the same tags as the original TensorFlow graph.
#[test]
fn mean_tags_of_recordings_are_reproduced() {
    let golden = std::fs::read_to_string(data("golden/musicnn_tags.json")).unwrap();
    let golden: serde_json::Value = serde_json::from_str(&golden).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (file, networks) in golden.as_object().unwrap() {
        let patches = folder.path().join("patches.npy");
        let Some(mut command) = peer("mel_patches.py") else { skip!("no peers: run `cargo xtask peers`") };
        output_of(command.arg(recording(file)).args(["187", "93"]).arg(&patches));
        let patches: Array2<f32> = read_npy(&patches).unwrap();
        for (network, stem) in ["MSD_musicnn", "MTT_musicnn"].into_iter().zip(MODELS) {
            let model = shipped(stem);
            assert_eq!(model.patching(), Some(sleeve::patches::Patching::MUSICNN));
            let tags = run(&model, &options(0, None), &patches, 0).mean_axis(Axis(0)).unwrap();
            let expected = networks[network].as_object().unwrap();
            assert_eq!(expected.len(), model.classes().len());
            for (class, found) in model.classes().iter().zip(&tags) {
                let expected = expected[class].as_f64().unwrap() as f32;
                assert!((found - expected).abs() <= 0.002, "{file} {stem} {class}: {found}, {expected}");
            }
        }
    }
}

/// Runs the graphs in a folder that `make_graphs.py` wrote and compares with the outputs that it wrote.
fn check_graphs(folder: &Path, names: &[&str]) {
    for name in names {
        let model = Model::open(folder.join(format!("{name}.onnx"))).unwrap();
        let input: Array2<f32> = read_npy(folder.join(format!("{name}.input.npy"))).unwrap();
        assert_eq!(model.is_head(), name.starts_with("head"), "{name}");
        for (index, output) in model.outputs().iter().enumerate() {
            let expected: Array2<f32> = read_npy(folder.join(format!("{name}.{index}.npy"))).unwrap();
            assert_eq!(output.dim, expected.ncols(), "{name} {}", output.name);
            for batch in [None, Some(3)] {
                let found = run(&model, &options(2, batch), &input, index);
                let worst = deviation(&found, &expected);
                // For half precision, this engine computes in single precision, onnxruntime in half precision.
                let allowed = if *name == "head_sigmoid" { 2e-3 } else { 1e-5 };
                assert!(worst <= allowed, "{name} {}: {worst}", output.name);
            }
        }
    }
}

const GRAPHS: [&str; 8] = [
    "head_softmax",
    "head_sigmoid",
    "head_identity",
    "fixed_batch",
    "channel_first",
    "channel_last",
    "unsaid_width",
    "attention",
];

#[test]
fn graphs_of_every_shape_run_as_in_onnxruntime() {
    check_graphs(&data("graphs"), &GRAPHS);
}

#[test]
fn fresh_graphs_run_as_in_onnxruntime() {
    for seed in 1..=3 {
        let folder = tempfile::tempdir().unwrap();
        let Some(mut command) = peer("make_graphs.py") else { skip!("no peers: run `cargo xtask peers`") };
        let names = output_of(command.arg(folder.path()).arg(seed.to_string()));
        assert_eq!(String::from_utf8(names).unwrap().split_whitespace().collect::<Vec<_>>(), GRAPHS);
        check_graphs(folder.path(), &GRAPHS);
    }
}

/// The guarantee of `engine/onnx.rs`: a row's outputs have the same bits whatever its neighbours, for any batch size
/// and number of threads.
#[test]
fn a_rows_outputs_do_not_depend_on_its_company() {
    let patches = reference_patches();
    let musicnn = shipped("msd-musicnn-1");
    let embeddings = musicnn.output_named("embeddings").unwrap();
    let folder = data("graphs");
    let mut cases = vec![(musicnn, patches, embeddings)];
    for name in GRAPHS {
        let model = Model::open(folder.join(format!("{name}.onnx"))).unwrap();
        cases.push((model, read_npy(folder.join(format!("{name}.input.npy"))).unwrap(), 0));
    }
    for (model, rows, output) in cases {
        let expected = run(&model, &options(1, None), &rows, output);
        for batch in [None, Some(4)] {
            let alone = |threads: usize, row: usize| {
                run(
                    &model,
                    &options(threads, batch),
                    &rows.slice(ndarray::s![row..=row, ..]).to_owned(),
                    output,
                )
            };
            for threads in [1, 2, 3, 8] {
                let together = run(&model, &options(threads, batch), &rows, output);
                assert_eq!(together, expected, "{} {threads} threads", model.name());
                let last = rows.nrows() - 1;
                for row in [0, 1, last] {
                    assert_eq!(alone(threads, row).row(0), expected.row(row), "{} row {row}", model.name());
                }
            }
            // The same rows in another order.
            let mut reversed = rows.clone();
            reversed.invert_axis(Axis(0));
            let mut found =
                run(&model, &options(2, batch), &reversed.as_standard_layout().to_owned(), output);
            found.invert_axis(Axis(0));
            assert_eq!(found, expected, "{} reversed", model.name());
        }
    }
}

#[test]
fn an_engine_may_be_used_from_many_threads_at_once() {
    let model = shipped("msd-musicnn-1");
    let patches = reference_patches();
    let engine = model.engine(&options(2, None)).unwrap();
    let expected = run(&model, &options(2, None), &patches, 0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut found = Array2::zeros(expected.dim());
                let mut wanted = [(0, found.as_slice_mut().unwrap())];
                engine.run(patches.as_slice().unwrap(), patches.nrows(), &mut wanted).unwrap();
                assert_eq!(found, expected);
            });
        }
    });
}

#[test]
fn several_outputs_come_from_one_run_in_any_order() {
    let model = shipped("mtt-musicnn-1");
    let patches = reference_patches();
    let expected: Vec<Array2<f32>> =
        (0..3).map(|output| run(&model, &options(1, None), &patches, output)).collect();
    let mut found: Vec<Array2<f32>> =
        [2, 0, 2, 1].iter().map(|&output: &usize| Array2::zeros(expected[output].dim())).collect();
    let mut buffers = found.iter_mut().map(|array| array.as_slice_mut().unwrap());
    let mut wanted: Vec<(usize, &mut [f32])> =
        [2, 0, 2, 1].into_iter().map(|output| (output, buffers.next().unwrap())).collect();
    model.engine(&options(1, None)).unwrap().run(patches.as_slice().unwrap(), 7, &mut wanted).unwrap();
    for (found, output) in found.iter().zip([2, 0, 2, 1]) {
        assert_eq!(found, &expected[output]);
    }
}

#[test]
fn lengths_that_do_not_fit_are_refused() {
    let model = shipped("msd-musicnn-1");
    let engine = model.engine(&options(1, None)).unwrap();
    let row = vec![0.0; 187 * 96];
    let mut tags = vec![0.0; 50];
    engine.run(&row, 1, &mut [(0, &mut tags)]).unwrap();
    engine.run(&[], 0, &mut [(0, &mut [])]).unwrap();
    engine.run(&row, 1, &mut []).unwrap();
    for (reason, input, rows, output, buffer) in [
        ("187", &row[1..], 1, 0, 50),
        ("rows of", &row, 2, 0, 100),
        ("rows of", &row, usize::MAX, 0, 50),
        ("output 3", &row, 1, 3, 50),
        ("predictions", &row, 1, 0, 49),
        ("embeddings", &row, 1, 1, 50),
    ] {
        let mut buffer = vec![0.0; buffer];
        let error = engine.run(input, rows, &mut [(output, &mut buffer)]).unwrap_err().to_string();
        assert!(error.contains(reason) || error.contains("values"), "{error}");
    }
    for (threads, batch) in [(1, Some(0)), (1, Some(usize::MAX)), (1, Some(1 << 20)), (1 << 20, None)] {
        assert!(matches!(model.engine(&options(threads, batch)), Err(sleeve::Error::InvalidArgument(_))));
    }
    assert_eq!(model.engine(&options(3, None)).unwrap().batch_size(), 3);
    assert_eq!(model.engine(&options(3, Some(5))).unwrap().batch_size(), 5);
}
