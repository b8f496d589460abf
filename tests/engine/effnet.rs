//! The fused EfficientNet-B0 engine compared with onnxruntime, and its guarantees about batches, threads, NaN and other
//! graphs.
//!
//! The graphs are from `peers/make_effnet.py`, which writes one kind of network as several exporters would.

use std::sync::Arc;

use ndarray::{Array2, Axis};
use sleeve::engine::effnet::{EffnetEngine, KernelSet, Network, Refusal};
use sleeve::engine::{Engine, EngineChoice, EngineOptions, Precision, Purpose};
use sleeve::model::Model;
use sleeve_tests::effnet::{
    PATCH, Random, cosine, distinct, expected, folder, golden_file, golden_patches, graph, relative_error,
};
use sleeve_tests::{output_of, repository, skip};

/// Rows of the batches that are compared: below, at and above the sizes at which groups change.
const BATCHES: [usize; 7] = [1, 2, 3, 7, 8, 64, 65];

/// The styles of `make_effnet.py` with a seed each. Random weights can give features that hardly differ between
/// patches, or that amplify rounding errors more than trained networks do. These seeds do neither.
const GRAPHS: [(&str, u32); 6] =
    [("torch", 3), ("folded", 3), ("folded", 6), ("half", 6), ("tensorflow", 6), ("tensorflow", 8)];

/// Rows for comparisons: patches whose embeddings differ (every cosine below 0.9), repeated.
struct Case {
    network: Arc<Network>,
    patches: Vec<f32>,
    /// The graph's outputs for them, from onnxruntime.
    expected: Vec<Array2<f32>>,
}

fn case(style: &str, seed: u32) -> Option<Case> {
    let graph = graph(style, seed, None)?;
    let golden = golden_patches();
    let outputs = expected(&graph, golden_file())?;
    let order = distinct(&outputs[1]);
    let bytes = std::fs::read(&graph).unwrap();
    let network = Network::recognise(bytes).unwrap_or_else(|why| panic!("{style} {seed}: {why}"));
    Some(Case {
        network: Arc::new(network),
        patches: golden.select(Axis(0), &order).into_raw_vec_and_offset().0,
        expected: outputs.iter().map(|output| output.select(Axis(0), &order)).collect(),
    })
}

fn engine(network: &Arc<Network>, set: KernelSet, threads: usize) -> EffnetEngine {
    let options = EngineOptions::default().threads(threads);
    EffnetEngine::with_kernels(network.clone(), &options, set).unwrap()
}

/// The kernel sets of a precision that this CPU can run.
fn available(precision: Precision) -> impl Iterator<Item = KernelSet> {
    KernelSet::ALL.into_iter().filter(move |set| set.precision() == precision && set.is_available())
}

/// Both outputs of a batch.
fn run(engine: &EffnetEngine, patches: &[f32]) -> [Vec<f32>; 2] {
    let rows = patches.len() / PATCH;
    let mut first = vec![0.0; rows * engine.outputs()[0].dim];
    let mut second = vec![0.0; rows * engine.outputs()[1].dim];
    engine.run(patches, rows, &mut [(0, &mut first), (1, &mut second)]).unwrap();
    [first, second]
}

#[test]
fn outputs_are_those_of_onnxruntime() {
    for (style, seed) in GRAPHS {
        let Some(case) = case(style, seed) else { skip!("no peers; run `cargo xtask peers`") };
        for set in available(Precision::F32) {
            // The bits are the same on any number of threads (tested below): one engine of two is enough.
            let counts: &[usize] = if set == best() { &[1, 2] } else { &[2] };
            for &threads in counts {
                let engine = engine(&case.network, set, threads);
                let (mut worst_error, mut worst_cosine) = (0.0f64, 1.0f64);
                // The portable kernels take a second for ten patches: their large batches are compared on one graph.
                let all = set != KernelSet::Portable || (style, seed) == GRAPHS[0];
                for rows in BATCHES.into_iter().filter(|&rows| all || rows <= 8) {
                    let found = run(&engine, &case.patches[..rows * PATCH]);
                    for (found, expected) in found.iter().zip(&case.expected) {
                        let dim = expected.len_of(Axis(1));
                        let expected: Vec<f32> = expected.iter().take(rows * dim).copied().collect();
                        worst_error = worst_error.max(relative_error(found, &expected));
                        for (found, expected) in found.chunks_exact(dim).zip(expected.chunks_exact(dim)) {
                            worst_cosine = worst_cosine.min(cosine(found, expected));
                        }
                    }
                }
                println!(
                    "{style} {seed}, {set}, {threads} threads: error {worst_error:.1e}, cosine {worst_cosine:.9}"
                );
                assert!(worst_error <= 1e-5, "{style} {seed}, {set}: relative error {worst_error:e}");
                assert!(worst_cosine >= 0.999_999, "{style} {seed}, {set}: cosine {worst_cosine}");
            }
        }
    }
}

#[test]
fn bf16_stays_close() {
    for (style, seed) in [("folded", 3), ("half", 6), ("tensorflow", 6), ("tensorflow", 8)] {
        let Some(case) = case(style, seed) else { skip!("no peers; run `cargo xtask peers`") };
        if KernelSet::best(Precision::Bf16).is_none() {
            skip!("CPU lacks AVX-512 BF16");
        }
        for set in available(Precision::Bf16) {
            let engine = engine(&case.network, set, 1);
            let mut worst = 1.0f64;
            for rows in BATCHES {
                let found = run(&engine, &case.patches[..rows * PATCH]);
                for (found, expected) in found.iter().zip(&case.expected) {
                    let dim = expected.len_of(Axis(1));
                    for (found, expected) in found.chunks_exact(dim).zip(expected.rows()) {
                        worst = worst.min(cosine(found, &expected.to_vec()));
                    }
                }
            }
            println!("{style} {seed}, {set}: cosine {worst:.6}");
            assert!(worst >= 0.9995, "{style} {seed}, {set}: cosine {worst}");
        }
    }
}

/// Every kernel set that this CPU can run.
fn every_kind(network: &Arc<Network>, threads: usize) -> Vec<EffnetEngine> {
    let sets = KernelSet::ALL.into_iter().filter(|set| set.is_available());
    sets.map(|set| engine(network, set, threads)).collect()
}

/// The fastest set in f32.
fn best() -> KernelSet {
    KernelSet::best(Precision::Auto).unwrap()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn a_patch_has_the_same_bits_in_any_company() {
    let Some(case) = case("folded", 3) else { skip!("no peers; run `cargo xtask peers`") };
    for (index, alone) in every_kind(&case.network, 1).iter().enumerate() {
        let singles: Vec<[Vec<f32>; 2]> =
            case.patches.chunks_exact(PATCH).take(19).map(|patch| run(alone, patch)).collect();
        for threads in [1, 2, 3] {
            let engine = &every_kind(&case.network, threads)[index];
            let mut random = Random(threads as u64);
            for rows in [1, 2, 3, 5, 7, 8, 13, 17, 19] {
                let order: Vec<usize> = (0..rows).map(|_| random.draw() as usize % singles.len()).collect();
                let batch: Vec<f32> =
                    order.iter().flat_map(|&i| &case.patches[i * PATCH..(i + 1) * PATCH]).copied().collect();
                let found = run(engine, &batch);
                for output in 0..2 {
                    let dim = engine.outputs()[output].dim;
                    for (row, &i) in found[output].chunks_exact(dim).zip(&order) {
                        let name = engine.describe();
                        assert_eq!(bits(row), bits(&singles[i][output]), "{name}, batch of {rows}");
                    }
                }
            }
        }
    }
}

#[test]
fn engines_can_be_used_from_several_threads_at_once() {
    let Some(case) = case("folded", 3) else { skip!("no peers; run `cargo xtask peers`") };
    for threads in [1, 2] {
        let engine = engine(&case.network, best(), threads);
        let expected = run(&engine, &case.patches[..8 * PATCH]);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..3 {
                        assert_eq!(run(&engine, &case.patches[..8 * PATCH]), expected);
                    }
                });
            }
        });
    }
}

#[test]
fn nan_stays_in_its_row() {
    let Some(case) = case("torch", 3) else { skip!("no peers; run `cargo xtask peers`") };
    for engine in every_kind(&case.network, 1) {
        let mut patches = case.patches[..3 * PATCH].to_vec();
        let clean = run(&engine, &patches);
        patches[PATCH + 5000] = f32::NAN;
        let found = run(&engine, &patches);
        for (found, clean) in found.iter().zip(&clean) {
            let dim = found.len() / 3;
            assert!(found[dim..2 * dim].iter().all(|value| value.is_nan()), "{}", engine.describe());
            assert_eq!(bits(&found[..dim]), bits(&clean[..dim]));
            assert_eq!(bits(&found[2 * dim..]), bits(&clean[2 * dim..]));
        }
    }
}

#[test]
fn denormals_and_silence_are_ordinary_input() {
    let Some(case) = case("torch", 3) else { skip!("no peers; run `cargo xtask peers`") };
    for engine in every_kind(&case.network, 2) {
        let silence = run(&engine, &[0.0; PATCH]);
        let denormal = run(&engine, &[1e-40; PATCH]);
        assert!(silence[1].iter().all(|value| value.is_finite()));
        assert_eq!(bits(&silence[1]), bits(&denormal[1]), "{}", engine.describe());
        // Denormals still work in the caller's arithmetic.
        assert!(std::hint::black_box(f32::MIN_POSITIVE) * 0.5 > 0.0);
    }
}

#[test]
fn outputs_are_asked_for_one_by_one() {
    let Some(case) = case("tensorflow", 6) else { skip!("no peers; run `cargo xtask peers`") };
    let engine = engine(&case.network, best(), 1);
    let names: Vec<&str> = engine.outputs().iter().map(|output| output.name.as_str()).collect();
    assert_eq!(names, ["PartitionedCall:0", "PartitionedCall:1"]);
    assert_eq!(engine.outputs()[0].purpose, Purpose::Predictions);
    assert_eq!(engine.outputs()[1].purpose, Purpose::Embeddings);
    let [predictions, embeddings] = run(&engine, &case.patches[..2 * PATCH]);
    let mut alone = vec![0.0; 2 * 1280];
    engine.run(&case.patches[..2 * PATCH], 2, &mut [(1, &mut alone)]).unwrap();
    assert_eq!(alone, embeddings);
    let (mut a, mut b) = (vec![0.0; 2 * 1280], vec![0.0; 2 * 400]);
    engine.run(&case.patches[..2 * PATCH], 2, &mut [(1, &mut a), (0, &mut b)]).unwrap();
    assert_eq!((a, b), (embeddings, predictions));
    engine.run(&[], 0, &mut []).unwrap();
}

#[test]
fn wrong_arguments_are_errors() {
    let Some(case) = case("folded", 3) else { skip!("no peers; run `cargo xtask peers`") };
    let engine = engine(&case.network, best(), 1);
    let patch = &case.patches[..PATCH];
    let mut room = vec![0.0; 1280];
    assert!(engine.run(&patch[1..], 1, &mut [(1, &mut room)]).is_err());
    assert!(engine.run(patch, 2, &mut [(1, &mut room)]).is_err());
    assert!(engine.run(patch, usize::MAX, &mut [(1, &mut room)]).is_err());
    assert!(engine.run(patch, 1, &mut [(2, &mut room)]).is_err());
    assert!(engine.run(patch, 1, &mut [(1, &mut room[1..])]).is_err());
    let options = EngineOptions::default().precision(Precision::Fp16);
    assert!(EffnetEngine::new(case.network.clone(), &options).is_err());
}

#[test]
fn models_run_on_it_by_default() {
    for (style, seed) in [("half", 6), ("tensorflow", 6)] {
        let Some(case) = case(style, seed) else { skip!("no peers; run `cargo xtask peers`") };
        let bytes = std::fs::read(graph(style, seed, None).unwrap()).unwrap();
        let model = Model::from_bytes(style, bytes, None).unwrap();
        let options = EngineOptions::default().threads(1);
        let engine = model.engine(&options).unwrap();
        assert_eq!(engine.name(), "effnet");
        assert_eq!(engine.outputs(), model.outputs());
        let mut found = vec![0.0; 1280];
        engine.run(&case.patches[..PATCH], 1, &mut [(1, &mut found)]).unwrap();
        assert!(relative_error(&found, &case.expected[1].row(0).to_vec()) < 1e-5);
        // The other engine gives the same: both read the graph in the same way.
        let other = model.engine(&options.engine(EngineChoice::Onnx)).unwrap();
        assert_eq!(other.name(), "onnx");
        let mut plain = vec![0.0; 1280];
        other.run(&case.patches[..PATCH], 1, &mut [(1, &mut plain)]).unwrap();
        assert!(relative_error(&found, &plain) < 1e-4, "{}", relative_error(&found, &plain));
    }
}

/// Keras' own network through tf2onnx, in the environment that `cargo xtask test` creates for it.
#[test]
fn keras_as_tf2onnx_converts_it() {
    let path = folder().join("keras.onnx");
    let python = repository().join("target/keras/bin/python");
    if !python.exists() {
        skip!("no Keras; run `cargo xtask test`");
    }
    let mut command = std::process::Command::new(python);
    output_of(command.arg(repository().join("tests/peers/keras_effnet.py")).arg(&path));
    let network = Network::recognise(std::fs::read(&path).unwrap()).unwrap();
    let network = Arc::new(network);
    let Some(outputs) = expected(&path, golden_file()) else { skip!("no peers; run `cargo xtask peers`") };
    let patches = golden_patches().into_raw_vec_and_offset().0;
    for set in available(Precision::F32) {
        let found = run(&engine(&network, set, 1), &patches);
        for (found, expected) in found.iter().zip(&outputs) {
            let error = relative_error(found, expected.as_slice().unwrap());
            println!("{set}: {error:.1e}");
            assert!(error <= 1e-5, "{set}: {error:e}");
        }
    }
}

/// Mutations of `make_effnet.py`, and part of the reason why each is refused.
const NEAR_MISSES: [(&str, &str); 11] = [
    ("width", "channels"),
    ("kernel", "kernel"),
    ("missing-block", "block 6.2"),
    ("grouped", "groups"),
    ("relu", "SiLU"),
    ("no-residual", "not added"),
    ("residual-elsewhere", "not its input"),
    ("no-gate", "squeeze-and-excite"),
    ("dilated", "dilated"),
    ("max-pool", "GlobalMaxPool"),
    ("padding-value", "border of 1"),
];

#[test]
fn near_misses_are_refused_with_a_reason() {
    for (mutation, words) in NEAR_MISSES {
        let Some(path) = graph("folded", 9, Some(mutation)) else {
            skip!("no peers; run `cargo xtask peers`")
        };
        let bytes = std::fs::read(&path).unwrap();
        match Network::recognise(bytes.clone()) {
            Ok(_) => panic!("{mutation} is taken for an EfficientNet-B0"),
            Err(Refusal::Malformed(why)) => panic!("{mutation}: {why}"),
            Err(Refusal::Different(why)) => {
                println!("{mutation}: {why}");
                assert!(why.contains(words), "{mutation}: {why}");
            }
        }
        if mutation == "width" {
            let model = Model::from_bytes("near miss", bytes, None).unwrap();
            // Its layer norm is not the other fused engine's, either.
            assert_eq!(model.engine(&EngineOptions::default()).unwrap().name(), "onnx");
            let forced = EngineOptions::default().engine(EngineChoice::Effnet);
            let error = model.engine(&forced).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains("not an EfficientNet-B0") && error.contains(words), "{error}");
        }
        std::fs::remove_file(path).unwrap();
    }
}

#[test]
fn damaged_files_never_panic() {
    let Some(path) = graph("half", 6, None) else { skip!("no peers; run `cargo xtask peers`") };
    let bytes = std::fs::read(path).unwrap();
    for nothing in [&b""[..], b"not a model at all"] {
        assert!(matches!(Network::recognise(nothing), Err(Refusal::Malformed(_))));
    }
    let mut random = Random(3);
    for i in 0..60 {
        let end = if i < 30 { random.draw() as usize % 4096 } else { random.draw() as usize % bytes.len() };
        // A truncated file may still be a valid message, but not this network.
        assert!(Network::recognise(&bytes[..end]).is_err(), "cut to {end} bytes");
    }
    // The structure is mostly at the front; weights contain no lengths.
    let mut damaged = bytes.clone();
    for _ in 0..150 {
        let places: Vec<usize> = (0..3).map(|_| random.draw() as usize % (1 << 15)).collect();
        for &place in &places {
            damaged[place] = random.draw() as u8;
        }
        let _ = Network::recognise(damaged.clone());
        for &place in &places {
            damaged[place] = bytes[place];
        }
    }
}

#[test]
fn workspaces_and_opening_are_small() {
    let Some(path) = graph("half", 6, None) else { skip!("no peers; run `cargo xtask peers`") };
    let bytes = std::fs::read(path).unwrap();
    let network = Arc::new(Network::recognise(bytes).unwrap());
    for engine in every_kind(&network, 1) {
        let workspace = engine.workspace_bytes();
        assert!(workspace < 24 << 20, "{}: {workspace} bytes", engine.describe());
    }
}
