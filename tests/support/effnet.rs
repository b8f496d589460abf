//! EfficientNet-B0 networks with random weights, from `peers/make_effnet.py`, and patches to run them on.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use ndarray::{Array2, Array3, Axis, s};
use ndarray_npy::{read_npy, write_npy};

use crate::{data, once_a_run, output_of, peer, repository};

/// Frames of a patch.
pub const FRAMES: usize = 128;
/// Mel bands of a frame.
pub const BANDS: usize = 96;
/// Values of a patch.
pub const PATCH: usize = FRAMES * BANDS;

/// The folder for graphs and their outputs.
pub fn folder() -> PathBuf {
    let folder = repository().join("target/effnet-tests");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// All patches of the golden mel-spectrograms, half overlapping, and a few of noise.
pub fn golden_patches() -> Array3<f32> {
    let mut rows: Vec<f32> = Vec::new();
    for name in ["chords", "impulses", "music1", "music2", "noise", "speech", "sweep"] {
        let mel: Array2<f32> = read_npy(data(&format!("golden/{name}.mel.npy"))).unwrap();
        assert_eq!(mel.len_of(Axis(1)), BANDS);
        for first in (0..mel.len_of(Axis(0)).saturating_sub(FRAMES - 1)).step_by(62) {
            rows.extend(mel.slice(s![first..first + FRAMES, ..]).iter());
        }
    }
    let mut random = Random(7);
    for level in [0.5f32, 1.0, 2.0] {
        rows.extend((0..PATCH).map(|_| (random.unit() * level + 0.5 * level).max(0.0)));
    }
    Array3::from_shape_vec((rows.len() / PATCH, FRAMES, BANDS), rows).unwrap()
}

/// A small random number generator, the same in every run.
pub struct Random(pub u64);

impl Random {
    /// The next 31 bits.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    /// In -1..1.
    pub fn unit(&mut self) -> f32 {
        self.draw() as f32 / (1u64 << 30) as f32 - 1.0
    }
}

/// The golden patches as a file, for calibration and for onnxruntime.
pub fn golden_file() -> &'static Path {
    static FILE: OnceLock<PathBuf> = OnceLock::new();
    FILE.get_or_init(|| {
        let path = folder().join("golden.npy");
        once_a_run("golden.npy", || write_npy(&path, &golden_patches()).unwrap());
        path
    })
}

/// The graph of a style and seed; `None` without peers.
pub fn graph(style: &str, seed: u32, mutation: Option<&str>) -> Option<PathBuf> {
    let name = format!("{style}-{seed}-{}.onnx", mutation.unwrap_or("whole"));
    let path = folder().join(&name);
    let mut command = peer("make_effnet.py")?;
    command.arg(&path).args(["--style", style, "--seed", &seed.to_string()]);
    match mutation {
        Some(mutation) => command.args(["--mutate", mutation]),
        None => command.arg("--patches").arg(golden_file()),
    };
    once_a_run(&name, || drop(output_of(&mut command)));
    Some(path)
}

/// onnxruntime's outputs for the patches in a file. They are cached by the names of graph and file.
pub fn expected(graph: &Path, patches: &Path) -> Option<Vec<Array2<f32>>> {
    let stem = format!("{}-{}-", graph.file_stem()?.display(), patches.file_stem()?.display());
    let prefix = folder().join(&stem);
    let mut command = peer("run_onnx.py")?;
    command.arg(graph).arg(patches).arg(&prefix);
    once_a_run(&stem, || drop(output_of(&mut command)));
    Some((0..2).map(|i| read_npy(format!("{}{i}.npy", prefix.display())).unwrap()).collect())
}

/// The cosine of the angle between two vectors.
pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// The norm of the difference, relative to the norm of `expected`.
pub fn relative_error(found: &[f32], expected: &[f32]) -> f64 {
    let square = |x: f64| x * x;
    let error: f64 = found.iter().zip(expected).map(|(&a, &b)| square(f64::from(a) - f64::from(b))).sum();
    (error / expected.iter().map(|&b| square(f64::from(b))).sum::<f64>()).sqrt()
}

/// 65 indexes of patches whose embeddings differ (every cosine below 0.9), repeated.
///
/// # Panics
/// If there are fewer than ten: a test's tolerance could hide swapped patches and errors in folding.
pub fn distinct(embeddings: &Array2<f32>) -> Vec<usize> {
    let mut distinct: Vec<usize> = Vec::new();
    let row = |i: usize| embeddings.row(i).to_vec();
    for i in 0..embeddings.len_of(Axis(0)) {
        if distinct.iter().all(|&other| cosine(&row(i), &row(other)) < 0.9) {
            distinct.push(i);
        }
    }
    assert!(distinct.len() >= 10, "only {} patches have different embeddings", distinct.len());
    (0..65).map(|i| distinct[i * 7 % distinct.len()]).collect()
}
