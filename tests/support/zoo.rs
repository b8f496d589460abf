//! The families of models that Essentia's authors publish, with random weights (`peers/make_zoo.py`), and what they should
//! give for a recording (`peers/zoo_expected.py`): Essentia's front ends and onnxruntime's networks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ndarray::{Array2, s};
use ndarray_npy::read_npy;
use sleeve::audio::{MonoReader, Resampler};

use crate::{once_a_run, output_of, peer, recording, repository};

/// Models that take audio, a row or two of each family, and heads of theirs: (stem, front end, sample rate, heads).
pub const ZOO: [(&str, &str, u32, &[&str]); 17] = [
    (
        "discogs-effnet-bs64-1",
        "musicnn",
        16_000,
        &[
            "genre_discogs400-discogs-effnet-1",
            "mtg_jamendo_genre-discogs-effnet-1",
            "approachability_regression-discogs-effnet-1",
            "nsynth_instrument-discogs-effnet-1",
        ],
    ),
    // One patch, and any number.
    ("discogs-effnet-bs1-1", "musicnn", 16_000, &[]),
    ("discogs-effnet-bsdynamic-1", "musicnn", 16_000, &["genre_electronic-discogs-effnet-1"]),
    (
        "discogs_artist_embeddings-effnet-bs64-1",
        "musicnn",
        16_000,
        &["fma_small-discogs_artist_embeddings-effnet-1"],
    ),
    ("discogs-maest-5s-pw-2", "musicnn", 16_000, &["genre_discogs400-discogs-maest-5s-pw-1"]),
    ("discogs-maest-10s-fs-2", "musicnn", 16_000, &[]),
    ("discogs-maest-30s-pw-519l-2", "musicnn", 16_000, &["genre_discogs519-discogs-maest-30s-pw-519l-1"]),
    (
        "msd-musicnn-1",
        "musicnn",
        16_000,
        &["mood_happy-msd-musicnn-1", "deam-msd-musicnn-2", "moods_mirex-msd-musicnn-1"],
    ),
    (
        "audioset-vggish-3",
        "vggish",
        16_000,
        &["danceability-audioset-vggish-1", "emomusic-audioset-vggish-2"],
    ),
    ("audioset-yamnet-1", "vggish", 16_000, &["gender-audioset-yamnet-1"]),
    ("openl3-music-mel128-emb512-3", "openl3-mel128", 48_000, &["mood_sad-openl3-music-mel128-emb512-1"]),
    ("openl3-env-mel256-emb6144-3", "openl3-mel256", 48_000, &[]),
    ("deepsquare-k16-3", "tempocnn", 11_025, &[]),
    ("deeptemp-k4-3", "tempocnn", 11_025, &[]),
    ("crepe-tiny-1", "crepe", 16_000, &[]),
    ("fsd-sinet-vgg41-tlpf-1", "fsd-sinet", 22_050, &[]),
    ("fsd-sinet-vgg42-aps-1", "fsd-sinet", 22_050, &[]),
];

/// The largest relative distance that is allowed. Front ends differ by 5e-5, and Essentia's own rounding in quiet bands by more.
const TOLERANCE: f64 = 5e-4;

pub fn folder() -> PathBuf {
    repository().join("target/tmp/zoo")
}

/// The recording for a model: half a minute and a little more for those whose patches are long, MAEST's and TempoCNN's,
/// and eight seconds for others, of which some are slow.
pub fn music(stem: &str) -> PathBuf {
    match has_long_patches(stem) {
        true => piece("long.wav", 33),
        false => piece("short.wav", 8),
    }
}

fn has_long_patches(stem: &str) -> bool {
    ["maest", "deepsquare", "deeptemp"].iter().any(|family| stem.contains(family))
}

fn piece(name: &str, seconds: u32) -> PathBuf {
    let path = folder().join(name);
    once_a_run(&format!("zoo-{name}"), || {
        let mut samples = Vec::new();
        for file in ["ground.ogg", "sky.ogg"] {
            let mut reader = MonoReader::open(recording(file), RATE, Resampler::Linear).unwrap();
            while reader.read(&mut samples).unwrap() > 0 {}
        }
        samples.truncate((seconds * RATE) as usize);
        let sample_format = hound::SampleFormat::Int;
        let spec = hound::WavSpec { channels: 1, sample_rate: RATE, bits_per_sample: 16, sample_format };
        std::fs::create_dir_all(folder()).unwrap();
        let mut writer = hound::WavWriter::create(&path, spec).unwrap();
        samples.iter().for_each(|sample| writer.write_sample((sample * 32_000.0) as i16).unwrap());
        writer.finalize().unwrap();
    });
    path
}

const RATE: u32 = 44_100;

/// The models and what they should give, made once a run. `None` without peers.
pub fn zoo() -> Option<PathBuf> {
    let makers = [(true, peer("make_zoo.py")?), (false, peer("make_zoo.py")?)];
    let listeners = [(true, peer("zoo_expected.py")?), (false, peer("zoo_expected.py")?)];
    once_a_run("zoo", || {
        // MAEST alone is too large to be made with the published number of channels.
        for (narrow, mut maker) in makers {
            let stems = ZOO.iter().flat_map(|(stem, _, _, heads)| std::iter::once(stem).chain(heads.iter()));
            maker.arg(folder()).args(stems.filter(|stem| stem.contains("maest") == narrow));
            output_of(if narrow { maker.arg("--narrow") } else { &mut maker });
        }
        for (long, mut expected) in listeners {
            let models = ZOO.iter().filter(|(stem, ..)| has_long_patches(stem) == long);
            let recording = music(models.clone().next().expect("models of both kinds").0);
            let chains = models.map(|(stem, _, _, heads)| {
                heads.iter().fold((*stem).to_owned(), |chain, head| format!("{chain}+{head}"))
            });
            output_of(expected.arg(recording).arg(folder()).arg(folder().join("expected")).args(chains));
        }
    });
    Some(folder())
}

/// The distance of two arrays, relative to the second.
fn distance(found: &Array2<f32>, expected: &Array2<f32>) -> f64 {
    assert_eq!(found.dim(), expected.dim());
    let sum = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>().sqrt();
    let difference = sum(&mut found.iter().zip(expected).map(|(a, b)| f64::from(*a) - f64::from(*b)));
    difference / sum(&mut expected.iter().map(|value| f64::from(*value)))
}

/// Both agree, and rows in another order would not.
pub fn assert_close(what: &str, found: &Array2<f32>, expected: &Array2<f32>) {
    let far = distance(found, expected);
    let reversed = expected.slice(s![..;-1, ..]).to_owned();
    let apart = distance(&reversed, expected);
    println!("{what}: {:?}, {far:.1e}, reversed {apart:.1e}", found.dim());
    assert!(far <= TOLERANCE, "{what}: {far:.1e}");
    assert!(
        expected.nrows() == 1 || apart > 5.0 * TOLERANCE,
        "{what}: the rows are too similar: {apart:.1e}"
    );
}

/// Every output of a model by its name.
pub fn expected(folder: &Path, stem: &str) -> BTreeMap<String, Array2<f32>> {
    let names = std::fs::read(folder.join("expected").join(format!("{stem}.json"))).unwrap();
    let names: BTreeMap<String, String> = serde_json::from_slice(&names).unwrap();
    names
        .into_iter()
        .map(|(name, file)| (name, read_npy(folder.join("expected").join(file)).unwrap()))
        .collect()
}
