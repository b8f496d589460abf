//! Libraries of random vectors, and what is asked of them beside plain answers.

mod files;
mod hostile;
mod playlists;
mod searches;

use super::random::Random;
use super::*;

/// A library with groups of similar tracks: `groups` artists with `each` tracks of `dim` values.
fn library(groups: usize, each: usize, dim: usize) -> (tempfile::TempDir, Library) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("music.library");
    let mut writer = LibraryWriter::create(&path, "/music", &origin(dim)).unwrap();
    for (track, embedding) in tracks(groups, each, dim) {
        writer.add(&track, &embedding).unwrap();
    }
    writer.finish().unwrap();
    let library = Library::open(&path).unwrap();
    (folder, library)
}

fn origin(dim: usize) -> Origin {
    let mut origin = Origin::other("test", "00", dim);
    origin.classes = vec!["ambient".to_owned(), "rock".to_owned()];
    origin
}

fn tracks(groups: usize, each: usize, dim: usize) -> Vec<(Track, Embedding)> {
    let mut random = Random::new((groups * each * dim) as u64);
    let mut all = Vec::new();
    for group in 0..groups {
        let middle: Vec<f64> = (0..dim).map(|_| random.normal()).collect();
        for number in 0..each {
            let vector = middle.iter().map(|value| (value + 0.6 * random.normal()) as f32).collect();
            let mut sha256 = [0; 32];
            sha256[..8].copy_from_slice(&(all.len() as u64).to_le_bytes());
            let track = Track {
                path: format!("artist {group}/track {number}.ogg").into(),
                seconds: 100.0 + 7.0 * random.below(30) as f64,
                sha256,
                bytes: 1000 + number as u64,
                modified: Some(number as i64),
                tags: Tags {
                    artist: format!("Artist {group}"),
                    album: format!("Album {}", number / 4),
                    title: format!("Track {number}"),
                    genre: if group % 2 == 0 { "Rock; Folk".into() } else { "Ambient".into() },
                    year: Some(1960 + number as i32),
                    ..Tags::default()
                },
            };
            let activations = vec![random.unit() as f32, random.unit() as f32];
            all.push((track, Embedding { vector, activations, patches: Vec::new() }));
        }
    }
    all
}

/// The cosine in double precision.
fn plain_cosine(one: &[f32], other: &[f32]) -> f64 {
    let dot =
        |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum() };
    dot(one, other) / (dot(one, one) * dot(other, other)).sqrt()
}
