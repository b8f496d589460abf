//! VGGish: its spectrogram and its network, compared with stored values of torchvggish from PyPI
//! (`tests/peers/vggish_reference.py`).

use std::fs::File;
use std::path::{Path, PathBuf};

use ndarray::{Array0, Array2, Array3};
use ndarray_npy::NpzReader;
use sleeve::audio::{MonoReader, Resampler};
use sleeve::engine::EngineOptions;
use sleeve_training::evaluation::encoders::vggish::{BANDS, FRAMES, VggIsh};
use sleeve_training::evaluation::encoders::{Encoder, FrontEnd, open};

use crate::support;
use crate::support::formula::uniform;

fn reference() -> NpzReader<File> {
    let path = support::data("vggish/reference.npz");
    NpzReader::new(File::open(path).expect("stored")).expect("an archive of arrays")
}

fn small() -> PathBuf {
    support::data("vggish/small.onnx")
}

fn options() -> EngineOptions {
    EngineOptions::default().threads(1)
}

/// The examples of the reference.
fn examples() -> Array3<f32> {
    let count = 3;
    let (all, bands, frames) = (
        uniform("examples", count * FRAMES * BANDS),
        uniform("bands", count * BANDS),
        uniform("frames", count * FRAMES),
    );
    Array3::from_shape_fn((count, FRAMES, BANDS), |(example, frame, band)| {
        let value = all[(example * FRAMES + frame) * BANDS + band];
        (value * bands[example * BANDS + band] * frames[example * FRAMES + frame] * 8.0 - 4.0) as f32
    })
}

#[test]
fn the_network_is_that_of_torchvggish() {
    let mut stored = reference();
    let before: Array2<f32> = stored.by_name("before").unwrap();
    let after: Array2<f32> = stored.by_name("after").unwrap();
    let mut encoder = VggIsh::open(small().to_str().unwrap(), &options()).unwrap();
    let found = encoder.embed(examples().view()).unwrap();
    assert_eq!((found.dim(), encoder.dimensions()), (before.dim(), before.ncols()));
    let largest = before.iter().fold(0.0f32, |most, value| most.max(value.abs()));
    // Examples that differ, and values that the ReLU clips: otherwise the test shows little.
    assert!((&before.row(0) - &before.row(1)).iter().any(|value| value.abs() > 0.1 * largest));
    assert!(before.iter().any(|&value| value < 0.0) && after.iter().any(|&value| value > 0.0));
    for ((&found, &before), &after) in found.iter().zip(&before).zip(&after) {
        assert!((found - before).abs() < 1e-4 * largest, "{found} {before}");
        assert!((found.max(0.0) - after).abs() < 1e-4 * largest, "{found} {after}");
    }
    // One by one, and by a sibling: the same bits.
    let mut sibling = encoder.sibling().unwrap();
    assert_eq!((sibling.identity(), sibling.front_end()), (encoder.identity(), FrontEnd::VggIsh));
    for (at, row) in found.outer_iter().enumerate() {
        let one = examples().slice_move(ndarray::s![at..at + 1, .., ..]);
        assert_eq!(sibling.embed(one.view()).unwrap().row(0), row);
    }
}

#[test]
fn the_spectrogram_is_that_of_torchvggish() {
    let mut stored = reference();
    for name in ["music1", "music2"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../tests/data/golden/{name}.wav"));
        let mut reader = MonoReader::open(path, 16_000, Resampler::default()).unwrap();
        let mut samples = Vec::new();
        while reader.read(&mut samples).unwrap() > 0 {}
        let found = FrontEnd::VggIsh.of_samples(&samples);
        let count: Array0<i64> = stored.by_name(&format!("{name}_frames")).unwrap();
        assert_eq!(found.nrows() as i64, count.into_scalar(), "{name}");
        let expected: Array2<f32> = stored.by_name(name).unwrap();
        let part = found.slice(ndarray::s![100..140, ..]);
        assert_eq!(part.dim(), expected.dim());
        let worst = (&part - &expected).iter().fold(0.0f32, |most, value| most.max(value.abs()));
        assert!(worst < 1e-5, "{name}: {worst}");
        assert!(
            expected.iter().any(|value| (value - expected[[0, 0]]).abs() > 1.0),
            "{name} is not one tone"
        );
    }
}

#[test]
fn files_that_are_no_vggish_are_refused() {
    for (name, reason) in [("vggish=msd-musicnn-1", "187 x 96"), ("vggish=/no/such.onnx", "such.onnx")] {
        let error = open::open(name, &options()).err().expect("an error").to_string();
        assert!(error.contains(reason), "{name}: {error}");
    }
    let mut encoder = open::open(&format!("vggish={}", small().display()), &options()).unwrap();
    assert_eq!((encoder.name(), encoder.frames()), ("vggish", FRAMES));
    let error = encoder.embed(Array3::zeros((1, 95, BANDS)).view()).unwrap_err().to_string();
    assert!(error.contains("95 x 64"), "{error}");
}
