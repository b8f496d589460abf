//! The fused engine compared with onnxruntime: on 200 random graphs, and on the networks that it is made for.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ndarray::Array2;
use ndarray_npy::read_npy;
use sleeve::engine::effnet::KernelSet;
use sleeve::engine::fused::{FusedEngine, Network};
use sleeve::engine::{Engine, EngineChoice, EngineOptions, InputSpec, OutputSpec, Precision, Purpose};
use sleeve::internal::onnx;
use sleeve::model::Model;
use sleeve_tests::effnet::{cosine, relative_error};
use sleeve_tests::{once_a_run, output_of, peer, repository, skip};

const GRAPHS: usize = 200;

/// Networks of the repository.
const MODELS: [&str; 3] = ["msd-musicnn-1", "mtt-musicnn-1", "msd-vgg-1"];

/// Networks with random weights, and whether they are narrow, for a short test: kernels and fusions are those of the full
/// width in others.
const ZOO: [(&str, bool); 10] = [
    ("msd-musicnn-1", false),
    ("audioset-yamnet-1", false),
    ("deepsquare-k16-3", false),
    ("deeptemp-k4-3", false),
    ("fsd-sinet-vgg41-tlpf-1", false),
    ("crepe-tiny-1", false),
    ("mood_happy-msd-musicnn-1", false),
    ("genre_discogs400-discogs-effnet-1", false),
    ("openl3-music-mel128-emb512-3", true),
    ("audioset-vggish-3", true),
];

fn folder() -> PathBuf {
    repository().join("target/tmp/fused")
}

/// All cases, made once a run: a folder of the random graphs and the repository's networks, and one of the others.
fn cases() -> Option<[PathBuf; 2]> {
    let folders = [folder().join("cases"), folder().join("zoo")];
    let (mut random, makers) =
        (peer("fused_cases.py")?, [(true, peer("make_zoo.py")?), (false, peer("make_zoo.py")?)]);
    once_a_run("fused", || {
        let models = MODELS.map(|name| repository().join("models").join(format!("{name}.onnx")));
        output_of(random.arg(&folders[0]).args(["--graphs", &GRAPHS.to_string()]).args(models));
        for (narrow, mut maker) in makers {
            let stems = ZOO.iter().filter(|(_, is_narrow)| *is_narrow == narrow).map(|(stem, _)| stem);
            maker.arg(&folders[1]).args(stems).arg("--examples");
            output_of(if narrow { maker.arg("--narrow") } else { &mut maker });
        }
    });
    Some(folders)
}

/// A network with rows of its input and onnxruntime's outputs for them.
struct Case {
    name: String,
    file: Vec<u8>,
    row: Vec<usize>,
    input: Array2<f32>,
    expected: Vec<Array2<f32>>,
}

impl Case {
    fn read(folder: &Path, name: &str, file: &Path) -> Self {
        let file = std::fs::read(file).unwrap();
        let signature = onnx::Model::read(file.clone()).unwrap().signature();
        let dims = signature.inputs[0].dims.clone().unwrap();
        let expected = |index: usize| read_npy(folder.join(format!("{name}.{index}.npy"))).unwrap();
        Case {
            name: name.to_owned(),
            file,
            row: dims[1..].iter().map(|dim| dim.unwrap()).collect(),
            input: read_npy(folder.join(format!("{name}.input.npy"))).unwrap(),
            expected: (0..signature.outputs.len()).map(expected).collect(),
        }
    }

    fn engine(&self, set: KernelSet, threads: usize) -> FusedEngine {
        let network = Network::read(self.file.clone(), &self.row, set);
        let network = network.unwrap_or_else(|why| panic!("{}: {why}", self.name));
        let outputs: Vec<OutputSpec> =
            network.outputs().iter().map(|(name, dim)| OutputSpec::new(name, Purpose::Other, *dim)).collect();
        let input = InputSpec::Vector { dim: self.row.iter().product() };
        let options = EngineOptions::default().threads(threads);
        FusedEngine::new(Arc::new(network), input, outputs, &options).unwrap()
    }

    /// The rows `first..first + count` of the input, repeated from the start where there are no more.
    fn rows(&self, first: usize, count: usize) -> Vec<f32> {
        (first..first + count).flat_map(|row| self.input.row(row % self.input.nrows()).to_vec()).collect()
    }

    /// The error of all rows with these kernels, relative to the expected outputs.
    fn check(&self, set: KernelSet) -> f64 {
        let rows = self.input.nrows();
        let found = run(&self.engine(set, 1), &self.rows(0, rows), rows);
        let mut worst = 0.0f64;
        for (index, (found, expected)) in found.iter().zip(&self.expected).enumerate() {
            let expected: Vec<f32> = expected.iter().copied().collect();
            if expected.iter().all(|&value| value == 0.0) {
                assert_eq!(found, &expected, "{}, {set}, output {index}", self.name);
                continue;
            }
            let (error, alike) = (relative_error(found, &expected), cosine(found, &expected));
            assert!(error <= 1e-5, "{}, {set}, output {index}: relative error {error:e}", self.name);
            assert!(alike >= 0.999_999, "{}, {set}, output {index}: cosine {alike}", self.name);
            worst = worst.max(error);
        }
        worst
    }
}

fn run(engine: &dyn Engine, input: &[f32], rows: usize) -> Vec<Vec<f32>> {
    let mut found: Vec<Vec<f32>> =
        engine.outputs().iter().map(|output| vec![f32::NAN; rows * output.dim]).collect();
    let mut wanted: Vec<(usize, &mut [f32])> = found.iter_mut().map(Vec::as_mut_slice).enumerate().collect();
    engine.run(input, rows, &mut wanted).unwrap();
    found
}

fn f32_sets() -> impl Iterator<Item = KernelSet> {
    KernelSet::ALL.into_iter().filter(|set| set.precision() == Precision::F32 && set.is_available())
}

fn best() -> KernelSet {
    KernelSet::best(Precision::F32).unwrap()
}

#[test]
fn random_graphs_are_those_of_onnxruntime() {
    let Some([folder, _]) = cases() else { skip!("no peers; run `cargo xtask peers`") };
    let mut worst = (0.0, String::new());
    for number in 0..GRAPHS {
        let name = format!("graph_{number}");
        let case = Case::read(&folder, &name, &folder.join(format!("{name}.onnx")));
        for set in f32_sets() {
            let error = case.check(set);
            if error > worst.0 {
                worst = (error, format!("{name}, {set}"));
            }
        }
    }
    println!("largest error {:.1e} ({})", worst.0, worst.1);
}

/// The networks, with the folder of their rows.
fn networks(folders: &[PathBuf; 2]) -> impl Iterator<Item = Case> {
    let own = MODELS.iter().map(|name| (&folders[0], *name, repository().join("models")));
    let zoo = ZOO.iter().map(|(stem, _)| (&folders[1], *stem, folders[1].clone()));
    own.chain(zoo).map(|(folder, name, files)| Case::read(folder, name, &files.join(format!("{name}.onnx"))))
}

#[test]
fn networks_are_those_of_onnxruntime() {
    let Some(folders) = cases() else { skip!("no peers; run `cargo xtask peers`") };
    for case in networks(&folders) {
        for set in f32_sets() {
            println!("{}, {set}: error {:.1e}", case.name, case.check(set));
        }
    }
}

#[test]
fn bits_do_not_depend_on_batch_position_neighbours_or_threads() {
    let Some(folders) = cases() else { skip!("no peers; run `cargo xtask peers`") };
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    for case in networks(&folders) {
        let engines = [case.engine(best(), 1), case.engine(best(), 2), case.engine(best(), 3)];
        let alone: Vec<Vec<Vec<f32>>> =
            (0..case.input.nrows()).map(|row| run(&engines[0], &case.rows(row, 1), 1)).collect();
        let batches: &[usize] = if case.name.contains("sinet") { &[1, 3, 16] } else { &[1, 2, 3, 7, 16, 64] };
        for &count in batches {
            let first = count % 3;
            for (engine, threads) in engines.iter().zip(1..) {
                // One engine of several threads is enough for the large batches.
                if threads > 1 && count > 7 && threads != 2 {
                    continue;
                }
                let found = run(engine, &case.rows(first, count), count);
                for (index, found) in found.iter().enumerate() {
                    let dim = engine.outputs()[index].dim;
                    for (at, found) in found.chunks_exact(dim).enumerate() {
                        let expected = &alone[(first + at) % case.input.nrows()][index];
                        assert_eq!(
                            bits(found),
                            bits(expected),
                            "{}, {count} rows, {threads} threads",
                            case.name
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn nan_gives_nan_and_stays_in_its_row() {
    let Some(folders) = cases() else { skip!("no peers; run `cargo xtask peers`") };
    for case in networks(&folders).filter(|case| !case.name.contains("vgg")) {
        let width = case.input.ncols();
        for set in f32_sets().filter(|set| *set != KernelSet::Portable) {
            let engine = case.engine(set, 1);
            let mut rows = case.rows(0, 3);
            let clean = run(&engine, &rows, 3);
            rows[width + width / 2] = f32::NAN;
            for (index, (found, clean)) in run(&engine, &rows, 3).iter().zip(&clean).enumerate() {
                let dim = engine.outputs()[index].dim;
                let middle = &found[dim..2 * dim];
                assert!(middle.iter().any(|value| value.is_nan()), "{}, {set}", case.name);
                assert_eq!((&found[..dim], &found[2 * dim..]), (&clean[..dim], &clean[2 * dim..]));
            }
        }
    }
}

#[test]
fn denormals_do_not_slow_it() {
    let file = repository().join("models/msd-musicnn-1.onnx");
    let model = Model::open(file).unwrap();
    let engine = model.engine(&EngineOptions::default().threads(1)).unwrap();
    let length = engine.input().len();
    let fastest = |value: f32| {
        let input = vec![value; length];
        let times = (0..9).map(|_| {
            let start = std::time::Instant::now();
            run(&*engine, &input, 1);
            start.elapsed()
        });
        times.min().unwrap()
    };
    fastest(1.0);
    let (normal, denormal) = (fastest(1.0), fastest(1e-41));
    assert!(denormal < 3 * normal, "{denormal:?}, but {normal:?} without denormals");
}

#[test]
fn it_is_chosen_where_it_fits_and_says_why_not_elsewhere() {
    let open = |name: &str| Model::open(repository().join("models").join(name)).unwrap();
    let options = || EngineOptions::default().threads(2);
    for name in ["msd-musicnn-1.onnx", "mtt-musicnn-1.onnx", "msd-vgg-1.onnx"] {
        let engine = open(name).engine(&options()).unwrap();
        assert_eq!(engine.name(), "fused");
        assert!(engine.describe().ends_with("f32, 2 threads"), "{}", engine.describe());
        let onnx = open(name).engine(&options().engine(EngineChoice::Onnx)).unwrap();
        assert_eq!(onnx.name(), "onnx");
    }
    // An EfficientNet-B0 has an engine of its own.
    assert_eq!(open("debian-multitask-1.onnx").engine(&options()).unwrap().name(), "effnet");
    let bf16 =
        open("msd-musicnn-1.onnx").engine(&options().engine(EngineChoice::Fused).precision(Precision::Bf16));
    assert!(bf16.err().unwrap().to_string().contains("bf16"));
    // A transpose of the batch.
    let node = onnx::Node::new("Transpose", &["x"], "y", vec![onnx::Attribute::of_ints("perm", vec![1, 0])]);
    let io = ["x", "y"].map(|name| onnx::ValueInfo::rows(name, &[4]));
    let graph = onnx::Graph {
        node: vec![node],
        input: vec![io[0].clone()],
        output: vec![io[1].clone()],
        ..onnx::Graph::default()
    };
    let file = onnx::file_of(graph, Vec::new()).to_bytes();
    let why = Network::read(file, &[4], best()).unwrap_err();
    assert!(why.contains("batch"), "{why}");
}

#[test]
fn a_workspace_is_small() {
    for (name, most) in [("msd-musicnn-1", 8), ("mtt-musicnn-1", 8), ("msd-vgg-1", 24)] {
        let file = std::fs::read(repository().join("models").join(format!("{name}.onnx"))).unwrap();
        let network = Network::read(file, &[187, 96], best()).unwrap();
        assert!(network.workspace_bytes() < most << 20, "{name}: {} bytes", network.workspace_bytes());
    }
}

/// A graph that is not what it declares goes to the ONNX engine, which says so.
#[test]
fn a_graph_of_another_shape_than_declared_is_passed_on() {
    let model = Model::from_bytes("wrong", sleeve_tests::small_model::with_a_wrong_shape(), None).unwrap();
    let options = EngineOptions::default().threads(1);
    let engine = model.engine(&options).unwrap();
    assert_eq!(engine.name(), "onnx");
    let mut values = [0.0; 5];
    assert!(engine.run(&vec![0.1; engine.input().len()], 1, &mut [(0, &mut values)]).is_err());
    let forced = model.engine(&options.engine(EngineChoice::Fused)).map(|_| ()).unwrap_err().to_string();
    assert!(
        forced.contains("not for the fused engine") && forced.contains("(\"predictions\", 3)"),
        "{forced}"
    );
}
