//! The synthetic collection for tests: every step runs on it, it has enough pairs, and its traits are audible.

use sleeve::front_end::{FrontEnd, Spectrogram};
use sleeve_training::batches::{PairLoader, Readers};
use sleeve_training::pairs::Association;
use sleeve_training::splits::Part;
use sleeve_training::stats::stats;

use crate::support::dataset::{config, open};
use crate::support::synthetic::{LABELS, SIZE, STYLES, Size, Track, data_set, samples};

#[test]
fn every_association_has_pairs_enough() {
    let temporary = tempfile::tempdir().unwrap();
    let start = std::time::Instant::now();
    let set = data_set(temporary.path(), SIZE);
    println!("made in {:.1} s", start.elapsed().as_secs_f64());
    let stats = stats(&set).unwrap();
    println!("{stats}");
    let all = SIZE.all().len() as u64;
    assert_eq!((stats.tracks.iter().sum::<u64>(), all), (all, 576));
    assert_eq!(stats.distinct, [144, 24, LABELS as u64]);
    for row in &stats.rows {
        let [train, validation, _] = row.pairs.map(Option::unwrap);
        assert!(train >= 60 && validation >= 30, "{}: {train}, {validation}", row.association.name());
    }
    // It can be loaded in batches.
    let data = open(&set);
    for association in Association::ALL {
        let config = config(association.name(), &["run.groups=1"]);
        let readers = Readers::new(1, 2);
        let task = &config.objective.associations()[0];
        let loader = PairLoader::new(&data, &config, task, Part::Train, &readers).unwrap();
        let pairs: usize = loader.epoch(0, 0, 1).map(|batch| batch.unwrap().len()).sum();
        assert!(pairs >= 60, "{}: {pairs}", association.name());
    }
}

/// Tracks whose nearest neighbour, by the mean and deviation of mel bands alone, has the same trait.
#[test]
fn traits_can_be_heard() {
    let size = Size { artists: 12, releases: 2, seconds: 5, ..SIZE };
    let tracks = size.all();
    let mut mel = Spectrogram::new(FrontEnd::MusiCnn);
    let places: Vec<Vec<f32>> = tracks
        .iter()
        .map(|&track| {
            let frames = mel.compute(&samples(size, track));
            let mean = frames.mean_axis(ndarray::Axis(0)).unwrap();
            let deviation = frames.std_axis(ndarray::Axis(0), 0.0);
            mean.iter().chain(&deviation).copied().collect()
        })
        .collect();
    let share = |same: &dyn Fn(Track, Track) -> bool, among: &dyn Fn(Track, Track) -> bool| {
        let mut hits = 0;
        for (at, place) in places.iter().enumerate() {
            let distance = |other: &usize| -> f32 {
                place.iter().zip(&places[*other]).map(|(a, b)| (a - b) * (a - b)).sum()
            };
            let others = (0..places.len()).filter(|&other| other != at && among(tracks[at], tracks[other]));
            let nearest = others.min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap();
            hits += usize::from(same(tracks[at], tracks[nearest]));
        }
        hits as f64 / tracks.len() as f64
    };
    let artist = share(&|a, b| a.artist == b.artist, &|a, b| a.release != b.release);
    let label = share(&|a, b| a.label == b.label, &|a, b| a.artist != b.artist);
    let release = share(&|a, b| a.release == b.release, &|a, b| a.artist == b.artist && a.label == b.label);
    println!("nearest of the same artist {artist:.2}, label {label:.2}, release {release:.2}");
    // Chance levels: an eighth or less, a third or less, and three of seven.
    assert!(artist > 0.6 && label > 0.6 && release > 0.55, "{artist} {label} {release}");
    // The same samples each time, and different ones for different tracks.
    assert_eq!(samples(size, tracks[3]), samples(size, tracks[3]));
    assert_ne!(samples(size, tracks[3]), samples(size, tracks[2]));
    assert!(tracks.iter().all(|track| samples(size, *track).iter().all(|sample| sample.abs() <= 1.0)));
    assert!(tracks.iter().flat_map(|track| track.styles()).all(|style| STYLES.contains(&style)));
}
