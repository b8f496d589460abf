//! The families of published networks as TorchScript, with random weights: libtorch gives what onnxruntime gives.

use std::path::{Path, PathBuf};

use ndarray::Array2;
use ndarray_npy::read_npy;
use sleeve::engine::{Device, EngineChoice, EngineOptions, Precision};
use sleeve::model::Model;
use sleeve_tests::effnet::{cosine, relative_error};
use sleeve_tests::{output_of, peer, repository, skip, torch_engine};

/// One network of each kind, narrow where there is a narrow one (`peers/make_zoo.py`), and how close bf16 must be: the
/// lowest cosine of a row.
const NETWORKS: [(&str, f64); 10] = [
    ("audioset-vggish-3", 0.998),
    ("audioset-yamnet-1", 0.98),
    ("crepe-tiny-1", 0.999),
    ("deepsquare-k16-3", 0.995),
    ("deeptemp-k4-3", 0.998),
    ("discogs-maest-5s-pw-2", 0.99),
    ("fsd-sinet-vgg41-tlpf-1", 0.9995),
    ("fsd-sinet-vgg42-aps-1", 0.9995),
    ("msd-musicnn-1", 0.99),
    ("openl3-music-mel128-emb512-3", 0.99),
];

/// Writes the networks, inputs for them, and onnxruntime's outputs.
fn zoo() -> Option<PathBuf> {
    let folder = repository().join("target/zoo-tests/torch");
    let mut command = peer("make_zoo.py")?;
    command.arg(&folder).args(["--narrow", "--examples"]).args(NETWORKS.map(|(stem, _)| stem));
    output_of(&mut command);
    Some(folder)
}

fn rows(file: &Path) -> Array2<f32> {
    read_npy(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

#[test]
fn every_family_is_the_same_on_libtorch() {
    if torch_engine().is_none() {
        skip!("no libtorch; run `cargo xtask libtorch`");
    }
    let Some(folder) = zoo() else { skip!("no peers; run `cargo xtask peers`") };
    let mut wrong = Vec::new();
    for (stem, least_cosine) in NETWORKS {
        // Without the metadata, whose mistakes are tested elsewhere.
        let graph = std::fs::read(folder.join(format!("{stem}.onnx"))).unwrap();
        let model = Model::from_bytes(stem, graph, None).unwrap();
        let input = rows(&folder.join(format!("{stem}.input.npy")));
        let count = input.nrows();
        for (precision, limit, least_cosine) in
            [(Precision::F32, 1e-5, 0.999_999), (Precision::Bf16, 0.2, least_cosine)]
        {
            let options = EngineOptions::default()
                .engine(EngineChoice::Torch)
                .device(Device::Cpu)
                .precision(precision)
                .threads(2);
            let engine = match model.engine(&options) {
                Ok(engine) => engine,
                Err(error) => {
                    wrong.push(format!("{stem}, {precision}: {error}"));
                    continue;
                }
            };
            let mut values: Vec<Vec<f32>> =
                engine.outputs().iter().map(|output| vec![0.0; count * output.dim]).collect();
            let mut wanted: Vec<(usize, &mut [f32])> =
                values.iter_mut().map(Vec::as_mut_slice).enumerate().collect();
            engine.run(input.as_slice().unwrap(), count, &mut wanted).unwrap();
            for (index, found) in values.iter().enumerate() {
                let expected = rows(&folder.join(format!("{stem}.{index}.npy")));
                let (name, dim) = (&model.outputs()[index].name, expected.ncols());
                assert_eq!(found.len(), count * dim, "{stem} {name}");
                let expected = expected.as_slice().unwrap();
                let error = relative_error(found, expected);
                let pairs = found.chunks_exact(dim).zip(expected.chunks_exact(dim));
                let worst = pairs.map(|(found, expected)| cosine(found, expected)).fold(1.0, f64::min);
                let text = format!("{stem} {name}, {precision}: error {error:.1e}, cosine {worst:.6}");
                println!("{text}");
                // Not so either if they are NaN.
                let is_close = error <= limit && worst >= least_cosine;
                if !is_close {
                    wrong.push(text);
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
