use std::path::Path;

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::*;

/// `each` vectors around each of `count` random directions of 64 values.
fn clusters(count: usize, each: usize, spread: f64) -> Embeddings {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(5);
    let mut draw = || random.random_range(-1.0..1.0);
    let middles: Vec<Vec<f64>> = (0..count).map(|_| (0..64).map(|_| draw()).collect()).collect();
    let values = Array2::from_shape_fn((count * each, 64), |(row, column)| {
        (middles[row / each][column] + spread * draw()) as f32
    });
    let names = (0..count * each).map(|row| format!("{}/{row}.ogg", row / each)).collect();
    named(names, values)
}

fn named(names: Vec<String>, values: Array2<f32>) -> Embeddings {
    let sources = names.iter().map(|name| Path::new("music").join(name)).collect();
    Embeddings { folder: "out".into(), names, sources, values, empty: 0 }
}

#[test]
fn neighbours_stay_neighbours() {
    let all = clusters(12, 25, 0.3);
    let made = map(&all, &Options { steps: 400, ..Options::default() }).unwrap();
    // The nearest recording on the map is in the same cluster.
    let places = &made.places;
    let nearest = |own: usize| {
        let distance = |other: &usize| {
            (places[[own, 0]] - places[[*other, 0]]).hypot(places[[own, 1]] - places[[*other, 1]])
        };
        let others = (0..300).filter(|&other| other != own);
        others.min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap()
    };
    let same = (0..300).filter(|&own| nearest(own) / 25 == own / 25).count();
    assert!(same >= 297, "{same} of 300");
    let trust = made.trust.unwrap();
    assert!((0.9..=1.0).contains(&trust), "{trust}");
    // Random positions have half the trustworthiness.
    let mut random = Xoshiro256PlusPlus::seed_from_u64(9);
    let chance = Array2::from_shape_fn((300, 2), |_| random.random_range(-1.0..1.0));
    let chance = trust::trustworthiness(directions(&all).unwrap().view(), chance.view(), 12).unwrap();
    assert!((0.4..0.6).contains(&chance), "{chance}");
}

#[test]
fn a_seed_gives_one_map() {
    let all = clusters(5, 12, 0.5);
    let made = |seed| map(&all, &Options { seed, steps: 100, ..Options::default() }).unwrap().places;
    assert_eq!(made(1), made(1));
    assert_ne!(made(1), made(2));
}

#[test]
fn every_small_number_of_recordings_has_a_map() {
    for count in 3..40 {
        let made = map(&clusters(1, count, 1.0), &Options { steps: 50, ..Options::default() }).unwrap();
        assert_eq!(made.places.dim(), (count, 2));
        assert!(made.places.iter().all(|place| place.is_finite()), "{count}");
        assert!(made.trust.is_none_or(|trust| (0.0..=1.0).contains(&trust)), "{count}: {:?}", made.trust);
    }
    // Copies of recordings, more than there are neighbours that count.
    let values = Array2::from_shape_fn(
        (50, 4),
        |(row, column)| if row < 45 { 1.0 } else { (row + column * column) as f32 },
    );
    let copies = named((0..50).map(|row| row.to_string()).collect(), values);
    let made = map(&copies, &Options { steps: 100, perplexity: 5.0, ..Options::default() }).unwrap();
    assert!(made.places.iter().all(|place| place.is_finite()));
}

#[test]
fn what_has_no_place_is_told() {
    let fails = |all: &Embeddings| map(all, &Options::default()).unwrap_err().to_string();
    let all =
        |values: Array2<f32>| named((0..values.nrows()).map(|row| format!("a/{row}.ogg")).collect(), values);
    assert_eq!(fails(&all(Array2::ones((2, 4)))), "out: 2 recordings with embeddings; a map needs 3");
    assert_eq!(fails(&all(Array2::ones((4, 4)))), "out: all 4 embeddings are the same");
    for (wrong, said) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf")] {
        let mut values = Array2::from_shape_fn((4, 4), |(row, column)| (row * 4 + column) as f32);
        values[[2, 1]] = wrong;
        assert_eq!(fails(&all(values)), format!("out/a/2.ogg: value 1 of its embedding is {said}"));
    }
    let mut values = Array2::<f32>::ones((4, 4));
    values.row_mut(3).fill(0.0);
    assert!(fails(&all(values)).starts_with("out/a/3.ogg: its embedding is zero"));
}

#[test]
fn large_groups_have_colours() {
    let map = Map { places: Array2::from_shape_fn((60, 2), |(row, _)| row as f64), trust: Some(0.5) };
    // Groups of 1 to 9 recordings, and fifteen recordings without a group.
    let groups: Vec<Option<String>> =
        (1..=9_usize).flat_map(|size| vec![Some(format!("g{size}")); size]).chain(vec![None; 15]).collect();
    let scatter = picture(&map, &groups, "t", "release");
    let sizes: Vec<usize> = scatter.groups.iter().map(|group| group.points.len()).collect();
    assert_eq!(sizes, [9, 8, 7, 6, 5, 4, 3, 2]);
    assert_eq!((scatter.others.len(), scatter.others_label.as_str()), (16, "others (9 releases in all)"));
    assert!(scatter.note.contains("0.500"));
}
