//! The pool algorithm against a naive implementation.

use proptest::prelude::*;
use rand::SeedableRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::*;

fn metadata(tracks: &[(&[u32], &[u32], &[u32])]) -> TrackMetadata {
    TrackMetadata {
        releases: Links::from_lists(tracks.iter().map(|track| track.0), 64),
        artists: Links::from_lists(tracks.iter().map(|track| track.1), 64),
        labels: Links::from_lists(tracks.iter().map(|track| track.2), 64),
    }
}

/// A naive implementation: lists of sets, all candidates listed for every anchor.
fn plain(
    association: Association,
    metadata: &TrackMetadata,
    excluded: &ExcludedPairs,
    seed: u64,
) -> Vec<(u32, u32)> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let condition = association.condition(metadata, excluded).unwrap();
    let mut left: Vec<u32> =
        (0..metadata.tracks() as u32).filter(|&track| association.eligible(metadata, track)).collect();
    let mut anchors = left.clone();
    anchors.shuffle(&mut random);
    let mut pairs = Vec::new();
    for anchor in anchors {
        if !left.contains(&anchor) {
            continue;
        }
        let candidates: Vec<u32> =
            left.iter().copied().filter(|&other| condition.holds(anchor, other)).collect();
        if let Some(&positive) = candidates.choose(&mut random) {
            left.retain(|&track| track != anchor && track != positive);
            pairs.push((anchor, positive));
        }
    }
    pairs
}

/// The chi-square statistic of counts against expected ones, and the value that it exceeds once in a million times
/// (Wilson and Hilferty's approximation).
fn chi_square(counts: &[f64], expected: &[f64]) -> (f64, f64) {
    let value =
        counts.iter().zip(expected).map(|(count, expected)| (count - expected).powi(2) / expected).sum();
    let freedom = (counts.len() - 1) as f64;
    let term = 2.0 / (9.0 * freedom);
    (value, freedom * (1.0 - term + 4.75 * term.sqrt()).powi(3))
}

/// Track 0 shares one, two, three and four releases with others, and is excluded from some.
fn many_links() -> TrackMetadata {
    metadata(&[
        (&[0, 1, 2, 3], &[0, 1], &[0, 1, 2]),
        (&[0], &[0], &[0]),
        (&[0, 1], &[1, 2], &[0, 1]),
        (&[0, 1, 2], &[2], &[0, 1, 2]),
        (&[0, 1, 2, 3], &[3], &[2]),
        (&[4], &[0, 1], &[5]),
        (&[5], &[0], &[0, 2]),
        (&[6], &[1], &[1]),
        (&[7], &[4], &[0, 1, 2]),
    ])
}

#[test]
fn partners_are_uniform_however_many_links_they_share() {
    let (metadata, excluded) = (many_links(), ExcludedPairs::default());
    let mut random = Xoshiro256PlusPlus::seed_from_u64(5);
    for association in [Association::Release, Association::Artist, Association::Label] {
        let condition = association.condition(&metadata, &excluded).unwrap();
        let partners: Vec<u32> = (0..9).filter(|&other| condition.holds(0, other)).collect();
        assert!(partners.len() >= 3, "{association:?}");
        let mut pool = Pool::new(condition);
        let mut counts = [0.0; 9];
        let draws = 60_000;
        for _ in 0..draws {
            counts[pool.draw(0, &mut random).unwrap() as usize] += 1.0;
        }
        let counts: Vec<f64> = partners.iter().map(|&partner| counts[partner as usize]).collect();
        assert_eq!(counts.iter().sum::<f64>(), f64::from(draws), "{association:?}: only partners");
        let expected = vec![f64::from(draws) / partners.len() as f64; partners.len()];
        let (value, limit) = chi_square(&counts, &expected);
        assert!(value < limit, "{association:?}: {value} >= {limit}, {counts:?}");
    }
}

#[test]
fn pairs_are_distributed_as_by_definition() {
    let (metadata, excluded) = (many_links(), ExcludedPairs::default());
    for association in [Association::Release, Association::Artist, Association::Label] {
        let runs = 20_000;
        let count = |draw: &dyn Fn(u64) -> Vec<(u32, u32)>| {
            let mut counts = vec![0.0; 81];
            for seed in 0..runs {
                draw(seed).into_iter().for_each(|(a, b)| counts[(a * 9 + b) as usize] += 1.0);
            }
            counts
        };
        let fast = count(&|seed| generate(association, &metadata, &excluded, Order::Uniform, seed));
        let slow = count(&|seed| plain(association, &metadata, &excluded, seed));
        // Two samples of the same size: the variance of their difference is the sum.
        let (fast, slow): (Vec<f64>, Vec<f64>) =
            fast.into_iter().zip(slow).filter(|(fast, slow)| fast + slow > 0.0).unzip();
        let value: f64 = fast.iter().zip(&slow).map(|(a, b)| (a - b).powi(2) / (a + b)).sum();
        let (_, limit) = chi_square(&fast, &fast);
        assert!(value < limit, "{association:?}: {value} >= {limit}\n{fast:?}\n{slow:?}");
    }
}

#[test]
fn an_artist_who_has_a_label_for_himself_is_no_trap() {
    // 60,000 tracks of one artist on one label, and one of another: without remembering anchors without candidates, the
    // time is quadratic.
    // this takes the square of that.
    let count = 60_000u32;
    let artists = (0..count).map(|track| [u32::from(track == 0)]);
    let metadata = TrackMetadata {
        releases: Links::from_lists((0..count).map(|track| [track]), count),
        artists: Links::from_lists(artists, 2),
        labels: Links::from_lists((0..count).map(|_| [0]), 1),
    };
    assert_eq!(
        generate(Association::Label, &metadata, &ExcludedPairs::default(), Order::Uniform, 1).len(),
        1
    );
}

#[test]
fn balanced_by_artist_takes_turns() {
    // Artist 0 has 30 tracks, artists 1 to 5 two each: the first round has one of each artist.
    let of = |track: u32| if track < 30 { 0 } else { 1 + (track - 30) / 2 };
    let metadata = TrackMetadata {
        releases: Links::from_lists((0..40).map(|track| [track]), 40),
        artists: Links::from_lists((0..40).map(|track| [of(track)]), 6),
        labels: Links::from_lists((0..40).map(|_| [0]), 1),
    };
    let order = Order::ByArtist { rounds: None };
    let pairs = generate(Association::Track, &metadata, &ExcludedPairs::default(), order, 3);
    let mut first: Vec<u32> = pairs[..6].iter().map(|&(anchor, _)| of(anchor)).collect();
    first.sort_unstable();
    assert_eq!((first, pairs.len()), (vec![0, 1, 2, 3, 4, 5], 40));
    let order = Order::ByArtist { rounds: Some(1) };
    assert_eq!(generate(Association::Artist, &metadata, &ExcludedPairs::default(), order, 3).len(), 6);
}

#[test]
fn tracks_of_nobody_have_the_turns_of_one_artist() {
    // 5,000 tracks; of five, three have no artist, and the others are of 96 artists.
    let artist = |track: u32| if track % 5 < 3 { None } else { Some(track / 5 % 96) };
    let metadata = TrackMetadata {
        releases: Links::from_lists((0..5000).map(|track| [track / 2]), 2500),
        artists: Links::from_lists(
            (0..5000).map(|track| artist(track).map_or_else(Vec::new, |of| vec![of])),
            96,
        ),
        labels: Links::from_lists(
            (0..5000).map(|track| if track < 2500 { vec![track % 7] } else { vec![] }),
            7,
        ),
    };
    let draw = |association, rounds| {
        generate(association, &metadata, &ExcludedPairs::default(), Order::ByArtist { rounds }, 3)
    };
    assert_eq!(draw(Association::Track, Some(1)).len(), 97);
    assert_eq!(draw(Association::Track, Some(3)).len(), 3 * 97);
    assert_eq!(draw(Association::Track, None).len(), 5000);
    // A turn is not lost by a track that cannot be in a pair, or is in one.
    let release = draw(Association::Release, Some(2));
    let of_nobody = release.iter().filter(|pair| artist(pair.0).is_none()).count();
    assert_eq!(of_nobody, 2);
    let label = draw(Association::Label, Some(1));
    assert!(label.len() > 90, "{}: every artist has tracks with a label", label.len());
    let mut offered: Vec<u32> = label.iter().filter_map(|pair| artist(pair.0)).collect();
    offered.sort_unstable();
    assert!(offered.is_sorted_by(|a, b| a < b), "one anchor an artist");
}

prop_compose! {
    fn lists(tracks: usize)(lists in prop::collection::vec(prop::collection::vec(0u32..12, 0..5), tracks)) -> Vec<Vec<u32>> {
        lists
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn pairs_keep_their_conditions(
        (releases, artists, labels) in (2usize..40).prop_flat_map(|tracks| (lists(tracks), lists(tracks), lists(tracks))),
        forbidden in prop::collection::vec((0u32..40, 0u32..40), 0..20),
        seed in any::<u64>(),
        balanced in any::<bool>(),
    ) {
        let metadata = TrackMetadata {
            releases: Links::from_lists(&releases, 12),
            artists: Links::from_lists(&artists, 12),
            labels: Links::from_lists(&labels, 12),
        };
        let mut excluded = ExcludedPairs::default();
        forbidden.iter().for_each(|&(a, b)| excluded.add_pair(a, b));
        excluded.add_copies(&[0, 1]);
        let order = if balanced { Order::ByArtist { rounds: None } } else { Order::Uniform };
        for association in Association::ALL {
            let pairs = generate(association, &metadata, &excluded, order, seed);
            prop_assert_eq!(&pairs, &generate(association, &metadata, &excluded, order, seed));
            let mut used = vec![false; metadata.tracks()];
            for &(anchor, positive) in &pairs {
                prop_assert!(association.eligible(&metadata, anchor) && association.eligible(&metadata, positive));
                match association.condition(&metadata, &excluded) {
                    Some(condition) => {
                        prop_assert!(condition.holds(anchor, positive));
                        prop_assert!(!std::mem::replace(&mut used[positive as usize], true));
                    }
                    None => prop_assert_eq!(anchor, positive),
                }
                prop_assert!(!std::mem::replace(&mut used[anchor as usize], true));
            }
        }
    }
}

#[test]
fn recordings_on_both_sides_are_found() {
    let mut excluded = ExcludedPairs::default();
    excluded.add_copies(&[1, 4, 7]);
    excluded.add_copies(&[2, 3]);
    excluded.add_pair(0, 5);
    excluded.add_pair(8, 9);
    let mut across: Vec<u32> = excluded.across(|track| track < 5).into_iter().collect();
    across.sort_unstable();
    assert_eq!(across, [0, 1, 4]);
    assert!(excluded.across(|_| true).is_empty() && excluded.across(|_| false).is_empty());
}
