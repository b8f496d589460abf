//! Playlists, paths and samples.

use std::collections::HashSet;

use super::*;

/// The cosines of neighbours.
fn steps(library: &Library, list: &[Match]) -> Vec<f32> {
    list.windows(2).map(|pair| library.cosine(pair[0].track, pair[1].track)).collect()
}

fn lowest(values: &[f32]) -> f32 {
    values.iter().copied().fold(1.0, f32::min)
}

fn mean(values: &[f32]) -> f32 {
    values.iter().sum::<f32>() / values.len() as f32
}

#[test]
fn a_playlist_goes_on_without_jumps() {
    let (_folder, library) = library(25, 12, 20);
    for seed in [0, 100, 299] {
        let query = Query::new().track(seed).count(40);
        let list = library.playlist(&query, &PlaylistOptions::default()).unwrap();
        assert_eq!((list.len(), list[0].track), (40, seed));
        let different: HashSet<usize> = list.iter().map(|found| found.track).collect();
        assert_eq!(different.len(), 40);
        let artist = |found: &Match| library.track(found.track).artist.to_owned();
        for window in list.windows(3) {
            assert!(artist(&window[0]) != artist(&window[1]) && artist(&window[0]) != artist(&window[2]));
        }
        // Beside the nearest in the order of their cosines, which follow each other by chance.
        let plain = library.find(&query).unwrap();
        let free = PlaylistOptions { artist_gap: 0, ..PlaylistOptions::default() };
        let list = library.playlist(&query, &free).unwrap();
        let (ours, theirs) = (steps(&library, &list), steps(&library, &plain));
        assert!(mean(&ours) > mean(&theirs) && lowest(&ours) >= lowest(&theirs) - 0.05);
    }
}

#[test]
fn a_seed_makes_a_playlist_and_another_one_another() {
    let (_folder, library) = library(20, 10, 20);
    let query = Query::new().track(4).weighted_track(50, -0.5).count(15).max_per_artist(3);
    let made = |variety, seed, threads| {
        let options = PlaylistOptions { variety, seed, ..PlaylistOptions::default() };
        let list = library.playlist(&query.clone().threads(threads), &options).unwrap();
        list.into_iter().map(|found| found.track).collect::<Vec<_>>()
    };
    assert_eq!(made(0.0, 1, 1), made(0.0, 2, 2));
    assert_eq!(made(0.5, 1, 1), made(0.5, 1, 3));
    assert_ne!(made(0.5, 1, 0), made(0.5, 2, 0));
    assert!(!made(0.5, 1, 0).contains(&50));
    for wrong in [-0.1, 1.1, f32::NAN] {
        let options = PlaylistOptions { drift: wrong, ..PlaylistOptions::default() };
        assert!(library.playlist(&query, &options).unwrap_err().to_string().contains("drift"));
    }
    // As many as there are.
    let all = library.playlist(&query.clone().count(1000), &PlaylistOptions::default()).unwrap();
    assert_eq!(all.len(), 60);
}

#[test]
fn a_path_leads_from_one_track_to_another() {
    let (_folder, library) = library(30, 20, 12);
    for (from, to) in [(0, 599), (40, 300), (17, 18)] {
        for count in [2, 3, 8, 25] {
            let path = library.path_between(from, to, count, &PathOptions::default()).unwrap();
            assert_eq!((path.len(), path[0].track, path[count - 1].track), (count, from, to));
            let different: HashSet<usize> = path.iter().map(|found| found.track).collect();
            assert_eq!(different.len(), count);
            assert!(path.iter().skip(1).map(|found| found.cosine).eq(steps(&library, &path)));
        }
        let direct = library.cosine(from, to);
        let path = library.path_between(from, to, 10, &PathOptions::default()).unwrap();
        assert!(direct > 0.7 || lowest(&steps(&library, &path)) > direct);
    }
    let options = PathOptions { filter: Filter::new().artist("Artist 3"), ..PathOptions::default() };
    let path = library.path_between(0, 599, 6, &options).unwrap();
    assert!(path[1..5].iter().all(|found| found.track / 20 == 3));
    for (from, to, count) in [(0, 0, 5), (0, 1, 1), (0, 600, 5), (0, 1, 601)] {
        assert!(library.path_between(from, to, count, &PathOptions::default()).is_err());
    }
    assert!(library.path_between(0, 599, 40, &options).unwrap_err().to_string().contains("too few"));
}

#[test]
fn a_sample_covers_the_library() {
    let (_folder, library) = library(15, 20, 40);
    let sample = library.sample(15, &SampleOptions::default()).unwrap();
    let groups: HashSet<usize> = sample.iter().map(|found| found.track / 20).collect();
    // One of each group, which are far from each other.
    assert_eq!(groups.len(), 15);
    assert!(sample[1..].is_sorted_by(|one, other| one.cosine <= other.cosine + 1e-6));
    let again = SampleOptions { threads: 1, ..SampleOptions::default() };
    assert_eq!(sample, library.sample(15, &again).unwrap());
    let other = SampleOptions { seed: 9, ..SampleOptions::default() };
    assert_ne!(sample[0], library.sample(15, &other).unwrap()[0]);
    let filtered = SampleOptions { filter: Filter::new().artist("artist 2"), ..SampleOptions::default() };
    let all = library.sample(1000, &filtered).unwrap();
    let different: HashSet<usize> = all.iter().map(|found| found.track).collect();
    assert!(different.len() == 20 && different.iter().all(|track| track / 20 == 2));
    assert!(library.sample(0, &SampleOptions::default()).unwrap().is_empty());
}
