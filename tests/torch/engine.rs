//! The libtorch plugin on networks with random weights: it agrees with the built-in engines and onnxruntime, in every
//! precision and for every batch.

use std::sync::Arc;

use ndarray::{Array2, Axis};
use sleeve::audio::{MonoReader, Resampler};
use sleeve::engine::plugin::Library;
use sleeve::engine::{Device, Engine, EngineChoice, EngineOptions, Precision};
use sleeve::front_end::{FrontEnd, Spectrogram};
use sleeve::model::Model;
use sleeve_tests::effnet::{
    PATCH, Random, cosine, distinct, expected, golden_file, golden_patches, graph, relative_error,
};
use sleeve_tests::{recording, skip, torch_engine};

/// Networks in several exporters' styles (see `tests/engine/effnet.rs`): symmetric padding, weights in half precision,
/// and TensorFlow's padding, normalisation and dense layers.
const GRAPHS: [(&str, u32); 3] = [("torch", 3), ("half", 6), ("tensorflow", 6)];

/// A model, patches for which its outputs differ, and onnxruntime's outputs for them.
struct Case {
    model: Model,
    patches: Vec<f32>,
    expected: Vec<Array2<f32>>,
}

fn case(style: &str, seed: u32) -> Option<Case> {
    let path = graph(style, seed, None)?;
    let outputs = expected(&path, golden_file())?;
    let order = distinct(&outputs[1]);
    Some(Case {
        model: Model::open(path).unwrap(),
        patches: golden_patches().select(Axis(0), &order).into_raw_vec_and_offset().0,
        expected: outputs.iter().map(|output| output.select(Axis(0), &order)).collect(),
    })
}

fn options(engine: EngineChoice, device: Device, precision: Precision, threads: usize) -> EngineOptions {
    EngineOptions::default().engine(engine).device(device).precision(precision).threads(threads)
}

fn on_cpu(model: &Model, engine: EngineChoice, precision: Precision, threads: usize) -> Arc<dyn Engine> {
    model.engine(&options(engine, Device::Cpu, precision, threads)).unwrap()
}

/// Both outputs of a batch.
fn run(engine: &dyn Engine, patches: &[f32]) -> [Vec<f32>; 2] {
    let rows = patches.len() / PATCH;
    let mut first = vec![0.0; rows * engine.outputs()[0].dim];
    let mut second = vec![0.0; rows * engine.outputs()[1].dim];
    engine.run(patches, rows, &mut [(0, &mut first), (1, &mut second)]).unwrap();
    [first, second]
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// The worst relative error and cosine of both outputs' rows.
fn compare(found: &[Vec<f32>; 2], expected: &[Vec<f32>; 2], dims: [usize; 2]) -> (f64, f64) {
    let (mut error, mut worst) = (0.0f64, 1.0f64);
    for ((found, expected), dim) in found.iter().zip(expected).zip(dims) {
        error = error.max(relative_error(found, expected));
        for (found, expected) in found.chunks_exact(dim).zip(expected.chunks_exact(dim)) {
            worst = worst.min(cosine(found, expected));
        }
    }
    (error, worst)
}

fn dims(engine: &dyn Engine) -> [usize; 2] {
    [engine.outputs()[0].dim, engine.outputs()[1].dim]
}

#[test]
fn every_engine_gives_the_same_embeddings() {
    if torch_engine().is_none() {
        skip!("no libtorch; run `cargo xtask libtorch`");
    }
    for (style, seed) in GRAPHS {
        let Some(case) = case(style, seed) else { skip!("no peers; run `cargo xtask peers`") };
        let rows = 11;
        let patches = &case.patches[..rows * PATCH];
        let peer = [0, 1].map(|index| {
            let expected = &case.expected[index];
            expected.iter().take(rows * expected.ncols()).copied().collect::<Vec<f32>>()
        });
        for choice in [EngineChoice::Torch, EngineChoice::Effnet, EngineChoice::Onnx] {
            let engine = on_cpu(&case.model, choice, Precision::Auto, 2);
            assert_eq!(engine.outputs(), case.model.outputs());
            let (error, worst) = compare(&run(&*engine, patches), &peer, dims(&*engine));
            println!(
                "{style} {seed}, {} ({}): error {error:.1e}, cosine {worst:.9}",
                engine.name(),
                engine.describe()
            );
            assert!(error <= 1e-4 && worst >= 0.999_999, "{style} {seed}: {error:e}, {worst}");
        }
    }
}

/// MusiCNN and the VGG beside it, converted to TorchScript operator by operator, on real patches.
#[test]
fn musicnn_is_the_same_on_libtorch() {
    if torch_engine().is_none() {
        skip!("no libtorch; run `cargo xtask libtorch`");
    }
    // The map of `sleeve-musicnn-1` amplifies the rounding to bfloat16 (0.9963 on these patches): it weighs up directions in
    // which patches differ little.
    for (name, least_cosine) in [
        ("msd-musicnn-1", 0.9995),
        ("mtt-musicnn-1", 0.9995),
        ("sleeve-musicnn-1", 0.995),
        ("msd-vgg-1", 0.999),
        ("mtt-vgg-1", 0.999),
    ] {
        let model = Model::open(sleeve_tests::repository().join("models").join(name)).unwrap();
        let mut samples = Vec::new();
        let mut reader = MonoReader::open(recording("ground.ogg"), 16_000, Resampler::Linear).unwrap();
        while reader.read(&mut samples).unwrap() > 0 {}
        let bands = Spectrogram::new(FrontEnd::MusiCnn).compute(&samples);
        let rows = 5;
        let patches = &bands.as_slice().unwrap()[..rows * 187 * 96];
        let outputs = |choice, precision| {
            let engine = on_cpu(&model, choice, precision, 2);
            let mut values: Vec<Vec<f32>> =
                engine.outputs().iter().map(|output| vec![0.0; rows * output.dim]).collect();
            let mut wanted: Vec<(usize, &mut [f32])> =
                values.iter_mut().map(Vec::as_mut_slice).enumerate().collect();
            engine.run(patches, rows, &mut wanted).unwrap();
            values
        };
        let exact = outputs(EngineChoice::Onnx, Precision::F32);
        for (precision, limit, least) in [(Precision::F32, 1e-5, 0.0), (Precision::Bf16, 0.1, 1e-4)] {
            for (at, (found, exact)) in outputs(EngineChoice::Torch, precision).iter().zip(&exact).enumerate()
            {
                let error = relative_error(found, exact);
                let dim = model.outputs()[at].dim;
                let pairs = found.chunks_exact(dim).zip(exact.chunks_exact(dim));
                let worst = pairs.map(|(found, exact)| cosine(found, exact)).fold(1.0, f64::min);
                println!("{name}, {precision}, output {at}: error {error:.1e}, cosine {worst:.6}");
                assert!(error <= limit && error >= least, "{name}, {precision}, output {at}: {error:e}");
                let bound = if precision == Precision::F32 { 0.999_999 } else { least_cosine };
                assert!(worst >= bound, "{name}, {precision}, output {at}: cosine {worst}");
            }
        }
    }
}

#[test]
fn bf16_is_bf16_and_stays_close() {
    if torch_engine().is_none() {
        skip!("no libtorch; run `cargo xtask libtorch`");
    }
    // The second network amplifies rounding more than the others: even the fused engine, which rounds less, has almost
    // the same error.
    for (style, seed, wanted) in [("half", 1, 0.9995), ("half", 6, 0.9994), ("tensorflow", 6, 0.9995)] {
        let Some(case) = case(style, seed) else { skip!("no peers; run `cargo xtask peers`") };
        let patches = &case.patches[..8 * PATCH];
        let exact = run(&*on_cpu(&case.model, EngineChoice::Torch, Precision::F32, 1), patches);
        let engine = on_cpu(&case.model, EngineChoice::Torch, Precision::Bf16, 1);
        assert!(engine.describe().contains("bf16"), "{}", engine.describe());
        let found = run(&*engine, patches);
        let [_, dim] = dims(&*engine);
        let error = relative_error(&found[1], &exact[1]);
        let pairs = found[1].chunks_exact(dim).zip(exact[1].chunks_exact(dim));
        let least = pairs.map(|(found, exact)| cosine(found, exact)).fold(1.0, f64::min);
        let fused = run(&*on_cpu(&case.model, EngineChoice::Effnet, Precision::Bf16, 1), patches);
        let fused = relative_error(&fused[1], &exact[1]);
        println!("{style} {seed}: error {error:.1e} (fused engine {fused:.1e}), cosine {least:.6}");
        assert!(least >= wanted, "{style} {seed}: cosine {least}");
        assert!(error <= 1.5 * fused, "{style} {seed}: error {error:e}, fused engine {fused:e}");
        // The rounding of products to eight bits must be visible. (The plugin refuses a network whose convolutions have
        // another type than requested; see `files.rs`.)
        assert!(error > 1e-4, "{style} {seed}: {error:e}: this looks like f32");
    }
}

#[test]
fn a_patch_has_the_same_bits_in_any_company() {
    if torch_engine().is_none() {
        skip!("no libtorch; run `cargo xtask libtorch`");
    }
    let Some(case) = case("half", 6) else { skip!("no peers; run `cargo xtask peers`") };
    for precision in [Precision::F32, Precision::Bf16] {
        for threads in [1, 2] {
            same_bits(&*on_cpu(&case.model, EngineChoice::Torch, precision, threads), &case.patches);
        }
    }
}

/// Patches give the same bits alone and in batches of many sizes, in any order.
fn same_bits(engine: &dyn Engine, patches: &[f32]) {
    let singles: Vec<[Vec<f32>; 2]> =
        patches.chunks_exact(PATCH).take(11).map(|patch| run(engine, patch)).collect();
    let mut random = Random(5);
    for rows in [2, 3, 8, 9, 17] {
        let order: Vec<usize> = (0..rows).map(|_| random.draw() as usize % singles.len()).collect();
        let batch: Vec<f32> =
            order.iter().flat_map(|&i| &patches[i * PATCH..(i + 1) * PATCH]).copied().collect();
        let found = run(engine, &batch);
        for (output, dim) in dims(engine).into_iter().enumerate() {
            for (row, &i) in found[output].chunks_exact(dim).zip(&order) {
                assert_eq!(bits(row), bits(&singles[i][output]), "{}, batch of {rows}", engine.describe());
            }
        }
    }
}

#[test]
fn an_engine_can_be_used_from_several_threads_at_once() {
    if torch_engine().is_none() {
        skip!("no libtorch; run `cargo xtask libtorch`");
    }
    let Some(case) = case("half", 6) else { skip!("no peers; run `cargo xtask peers`") };
    let engine = on_cpu(&case.model, EngineChoice::Torch, Precision::F32, 1);
    let expected = run(&*engine, &case.patches[..3 * PATCH]);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..2 {
                    assert_eq!(run(&*engine, &case.patches[..3 * PATCH]), expected);
                }
            });
        }
    });
}

#[test]
fn nan_stays_in_its_row() {
    if torch_engine().is_none() {
        skip!("no libtorch; run `cargo xtask libtorch`");
    }
    let Some(case) = case("torch", 3) else { skip!("no peers; run `cargo xtask peers`") };
    let engine = on_cpu(&case.model, EngineChoice::Torch, Precision::F32, 1);
    let mut patches = case.patches[..3 * PATCH].to_vec();
    let clean = run(&*engine, &patches);
    patches[PATCH + 5000] = f32::NAN;
    for (found, clean) in run(&*engine, &patches).iter().zip(&clean) {
        let dim = found.len() / 3;
        assert!(found[dim..2 * dim].iter().all(|value| value.is_nan()));
        assert_eq!(bits(&found[..dim]), bits(&clean[..dim]));
        assert_eq!(bits(&found[2 * dim..]), bits(&clean[2 * dim..]));
    }
}

#[test]
fn wrong_arguments_are_errors() {
    if torch_engine().is_none() {
        skip!("no libtorch; run `cargo xtask libtorch`");
    }
    let Some(case) = case("half", 6) else { skip!("no peers; run `cargo xtask peers`") };
    let engine = on_cpu(&case.model, EngineChoice::Torch, Precision::F32, 1);
    let patch = &case.patches[..PATCH];
    let mut room = vec![0.0; 1280];
    assert!(engine.run(&patch[1..], 1, &mut [(1, &mut room)]).is_err());
    assert!(engine.run(patch, 2, &mut [(1, &mut room)]).is_err());
    assert!(engine.run(patch, usize::MAX, &mut [(1, &mut room)]).is_err());
    assert!(engine.run(patch, 1, &mut [(2, &mut room)]).is_err());
    assert!(engine.run(patch, 1, &mut [(1, &mut room[1..])]).is_err());
    engine.run(&[], 0, &mut []).unwrap();

    let refused = |device, precision, batch_size| {
        let options = options(EngineChoice::Torch, device, precision, 1).batch_size(batch_size);
        case.model.engine(&options).err().expect("it is refused").to_string()
    };
    let fp16 = refused(Device::Cpu, Precision::Fp16, None);
    assert!(fp16.contains("fp16") && fp16.contains("CPU"), "{fp16}");
    assert!(refused(Device::Cpu, Precision::F32, Some(0)).contains("batch size"));
}

#[test]
fn cuda_gives_the_same_embeddings_in_every_precision() {
    if torch_engine().is_none() {
        skip!("no libtorch; run `cargo xtask libtorch`");
    }
    let Ok(devices) = Library::torch().unwrap().cuda_devices() else { skip!("no CUDA device") };
    for (style, seed) in GRAPHS {
        let Some(case) = case(style, seed) else { skip!("no peers; run `cargo xtask peers`") };
        let exact = run(&*on_cpu(&case.model, EngineChoice::Effnet, Precision::F32, 2), &case.patches);
        for (precision, most, least) in [
            (Precision::F32, 1e-4, 0.999_999),
            (Precision::Bf16, 0.1, 0.999),
            (Precision::Fp16, 0.02, 0.9995),
        ] {
            let all = (0..devices.len() as u32).collect();
            for device in [Device::Cuda(vec![0]), Device::Cuda(all)] {
                let mut options = options(EngineChoice::Auto, device, precision, 1);
                // Several batches at once, the last one partial.
                options.batch_size = Some(8);
                let engine = case.model.engine(&options).unwrap();
                assert!(engine.describe().contains(&devices[0]), "{}", engine.describe());
                let (error, worst) = compare(&run(&*engine, &case.patches), &exact, dims(&*engine));
                println!("{style} {seed}, {}: error {error:.1e}, cosine {worst:.6}", engine.describe());
                assert!(error <= most && worst >= least, "{style} {seed}, {precision}: {error:e}, {worst}");
                same_bits(&*engine, &case.patches);
            }
        }
    }
}
