use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::*;

/// `each` vectors around each of `count` random directions of 64 values.
fn clusters(count: usize, each: usize, spread: f64) -> Array2<f32> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(5);
    let mut draw = || random.random_range(-1.0..1.0);
    let middles: Vec<Vec<f64>> = (0..count).map(|_| (0..64).map(|_| draw()).collect()).collect();
    Array2::from_shape_fn((count * each, 64), |(row, column)| {
        (middles[row / each][column] + spread * draw()) as f32
    })
}

#[test]
fn neighbours_stay_neighbours() {
    let all = clusters(12, 25, 0.3);
    let made = places(all.view(), &Options { steps: 400, ..Options::default() }).unwrap();
    // The nearest track on the map is in the same cluster.
    let found = &made.places;
    let nearest = |own: usize| {
        let distance = |other: &usize| {
            (found[[own, 0]] - found[[*other, 0]]).hypot(found[[own, 1]] - found[[*other, 1]])
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
    let chance = trust::trustworthiness(directions(all.view()).unwrap().view(), chance.view(), 12).unwrap();
    assert!((0.4..0.6).contains(&chance), "{chance}");
}

#[test]
fn a_seed_gives_one_map() {
    let all = clusters(5, 12, 0.5);
    let made = |seed| places(all.view(), &Options { seed, steps: 100, ..Options::default() }).unwrap().places;
    assert_eq!(made(1), made(1));
    assert_ne!(made(1), made(2));
}

#[test]
fn every_small_number_of_tracks_has_a_map() {
    for count in 0..40 {
        let made =
            places(clusters(1, count, 1.0).view(), &Options { steps: 50, ..Options::default() }).unwrap();
        assert_eq!(made.places.dim(), (count, 2));
        assert!(made.places.iter().all(|place| (0.0..=1.0).contains(place)), "{count}");
        assert!(made.trust.is_none_or(|trust| (0.0..=1.0).contains(&trust)), "{count}: {:?}", made.trust);
    }
    // Copies of tracks, more than there are neighbours that count.
    let values = Array2::from_shape_fn(
        (50, 4),
        |(row, column)| if row < 45 { 1.0 } else { (row + column * column) as f32 },
    );
    let made = places(values.view(), &Options { steps: 100, perplexity: 5.0, ..Options::default() }).unwrap();
    assert!(made.places.iter().all(|place| place.is_finite()));
}

#[test]
fn vectors_that_are_all_the_same_have_places() {
    let made = places(Array2::ones((7, 4)).view(), &Options::default()).unwrap();
    assert!(made.trust.is_none());
    for (at, row) in made.places.rows().into_iter().enumerate() {
        assert!(made.places.rows().into_iter().skip(at + 1).all(|other| other != row), "{at}");
    }
}

#[test]
fn what_has_no_place_is_an_error() {
    let fails = |values: &Array2<f32>| places(values.view(), &Options::default()).unwrap_err().to_string();
    for (wrong, said) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf")] {
        let mut values = Array2::from_shape_fn((4, 4), |(row, column)| (row * 4 + column) as f32);
        values[[2, 1]] = wrong;
        assert_eq!(fails(&values), format!("value 1 of the vector of track 2 is {said}"));
    }
    let mut values = Array2::<f32>::ones((4, 4));
    values.row_mut(3).fill(0.0);
    assert!(fails(&values).contains("track 3 is zero"));
}
