//! A published model of each front end, with its heads, from C: what Essentia's front ends and onnxruntime give.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use ndarray::Array2;
use ndarray_npy::read_npy;
use sleeve_tests::native::{self, Linking};
use sleeve_tests::zoo::{ZOO, assert_close, expected, music, zoo};
use sleeve_tests::{output_of, repository, skip};

/// One of each front end. The others are tried in Rust, and differ in nothing that C adds.
const MODELS: [&str; 8] = [
    "discogs-effnet-bsdynamic-1",
    "discogs-maest-5s-pw-2",
    "msd-musicnn-1",
    "audioset-vggish-3",
    "openl3-music-mel128-emb512-3",
    "deeptemp-k4-3",
    "crepe-tiny-1",
    "fsd-sinet-vgg41-tlpf-1",
];

#[test]
fn every_front_end_gives_what_essentia_and_onnxruntime_give() {
    if let Some(tool) = native::missing(&["gcc"]) {
        skip!("no {tool}");
    }
    let Some(folder) = zoo() else { skip!("no peers: run `cargo xtask peers`") };
    let program = native::build(&repository().join("tests/c/outputs.c"), Linking::Shared, &[]);
    let out = tempfile::tempdir().unwrap();
    let mut tried = 0;
    for (stem, _, _, heads) in ZOO.into_iter().filter(|(stem, ..)| MODELS.contains(stem)) {
        tried += 1;
        let models: Vec<PathBuf> =
            [stem].iter().chain(heads).map(|name| folder.join(format!("{name}.onnx"))).collect();
        let mut command = Command::new(&program);
        command.arg(music(stem)).arg(out.path()).args(models).env(native::PLUGIN, native::NO_PLUGIN);
        let lines = String::from_utf8(output_of(&mut command)).unwrap();
        let expected: BTreeMap<String, Array2<f32>> = expected(&folder, stem);
        let mut compared = 0;
        for (index, line) in lines.lines().enumerate() {
            let [model, tensor, _, dim] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
            let bytes = fs::read(out.path().join(format!("{index}.f32"))).unwrap();
            let values: Vec<f32> =
                bytes.chunks_exact(4).map(|four| f32::from_ne_bytes(four.try_into().unwrap())).collect();
            let dim: usize = dim.parse().unwrap();
            let found = Array2::from_shape_vec((values.len() / dim, dim), values).unwrap();
            // Tokens that are stacked, and readings, are tested in the library.
            let wanted = match heads.contains(&model) {
                true => Some(read_npy(folder.join("expected").join(format!("{model}.npy"))).unwrap()),
                false => expected.get(tensor).cloned(),
            };
            if let Some(wanted) = wanted {
                assert_close(&format!("{model} {tensor}"), &found, &wanted);
                compared += 1;
            }
        }
        assert!(compared > heads.len(), "{stem}: {lines}");
    }
    assert_eq!(tried, MODELS.len());
}
