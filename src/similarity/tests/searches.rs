//! Searches beside plain ones.

use super::*;

/// The best tracks by a plain search.
fn plain(library: &Library, query: &[f32], accept: impl Fn(usize) -> bool) -> Vec<(usize, f64)> {
    let mut all: Vec<(usize, f64)> = (0..library.len())
        .filter(|&track| accept(track))
        .map(|track| (track, plain_cosine(query, library.vector(track))))
        .collect();
    all.sort_by(|one, other| other.1.total_cmp(&one.1));
    all
}

/// The same cosines as a plain search, where rounding may exchange equal ones.
#[track_caller]
fn agree(found: &[Match], plain: &[(usize, f64)], count: usize) {
    assert_eq!(found.len(), count.min(plain.len()));
    for (found, plain) in found.iter().zip(plain) {
        assert!((f64::from(found.cosine) - plain.1).abs() < 1e-6, "{found:?} {plain:?}");
    }
}

#[test]
fn a_search_finds_what_a_plain_one_finds() {
    for (groups, each, dim) in [(1, 1, 1), (7, 9, 5), (30, 10, 33), (600, 10, 64), (20, 20, 200)] {
        let (_folder, library) = library(groups, each, dim);
        for seed in (0..library.len()).step_by(library.len().div_ceil(7)) {
            let plain = plain(&library, library.vector(seed), |track| track != seed);
            let mut first = None;
            for threads in [1, 2, 5] {
                let query = Query::new().track(seed).count(12).threads(threads);
                let found = library.find(&query).unwrap();
                agree(&found, &plain, 12);
                assert_eq!(first.get_or_insert(found.clone()), &found);
            }
            let query = Query::new().track(seed).count(12).precision(Precision::Int8);
            agree(&library.find(&query).unwrap(), &plain, 12);
            // Everything that there is, and nothing.
            assert_eq!(library.find(&query.clone().count(1_000_000)).unwrap().len(), library.len() - 1);
            assert!(library.find(&query.count(0)).unwrap().is_empty());
        }
    }
}

#[test]
fn seeds_add_up_and_negative_ones_subtract() {
    let (_folder, library) = library(40, 6, 50);
    let seeds = [(3, 1.0_f32), (77, 0.5), (150, -0.8)];
    let mut sum = vec![0.0_f32; 50];
    for (track, weight) in seeds {
        library.unit_vector(track).iter().zip(&mut sum).for_each(|(value, sum)| *sum += weight * value);
    }
    let plain = plain(&library, &sum, |track| !seeds.iter().any(|seed| seed.0 == track));
    let query =
        seeds.iter().fold(Query::new(), |query, &(track, weight)| query.weighted_track(track, weight));
    agree(&library.find(&query.clone().count(30)).unwrap(), &plain, 30);
    // The same as vectors, whose lengths do not matter.
    let scaled: Vec<f32> = sum.iter().map(|value| 1e-3 * value).collect();
    let by_vector = library.find(&Query::new().vector(scaled).count(5)).unwrap();
    assert!(by_vector[0].cosine >= library.find(&query).unwrap()[0].cosine - 1e-6);
}

#[test]
fn what_cannot_be_asked_is_refused_in_words() {
    let (_folder, library) = library(3, 3, 8);
    let refused = |query: Query, word: &str| {
        let error = library.find(&query).unwrap_err();
        assert!(
            matches!(error, crate::Error::InvalidArgument(_)) && error.to_string().contains(word),
            "{error}"
        );
    };
    refused(Query::new(), "seed");
    refused(Query::new().track(9), "no track 9");
    refused(Query::new().vector([1.0; 7]), "7 values");
    refused(Query::new().vector([0.0; 8]), "direction");
    refused(Query::new().vector([f32::NAN; 8]), "direction");
    refused(Query::new().weighted_track(0, f32::INFINITY), "weight");
    refused(Query::new().weighted_track(0, 0.0), "weight");
    refused(Query::new().track(0).weighted_track(0, -1.0), "cancel");
    refused(
        Query::new().track(0).filter(Filter::new().above("jazz", 0.1)),
        "`jazz`: the library has ambient, rock",
    );
}

#[test]
fn filters_keep_what_they_name() {
    let (_folder, library) = library(12, 8, 16);
    let track = |track: usize| library.track(track);
    type Takes<'a> = Box<dyn Fn(usize) -> bool + 'a>;
    let cases: Vec<(Filter, Takes<'_>)> = vec![
        (Filter::new().artist("ARTIST 3").artist("artist 4"), Box::new(|at| [3, 4].contains(&(at / 8)))),
        (Filter::new().album("album 1"), Box::new(|at| at % 8 >= 4)),
        (Filter::new().folder("artist 5"), Box::new(|at| at / 8 == 5)),
        (Filter::new().folder("/music/artist 5"), Box::new(|at| at / 8 == 5)),
        // A folder is not the beginning of a name.
        (Filter::new().folder("artist 1"), Box::new(|at| at / 8 == 1)),
        (Filter::new().genre("folk"), Box::new(|at| at / 8 % 2 == 0)),
        (Filter::new().years(1962..=1964), Box::new(move |at| (2..=4).contains(&(at % 8)))),
        (Filter::new().above("ambient", 0.3).below("Rock", 0.5), {
            Box::new(|at| library.activations(at)[0] > 0.3 && library.activations(at)[1] < 0.5)
        }),
        (Filter::new().without(7).artist("Artist 0"), Box::new(|at| at < 8 && at != 7)),
        (Filter::new().label("none"), Box::new(|_| false)),
    ];
    for (filter, takes) in cases {
        let found = library.find(&Query::new().track(95).count(1000).filter(filter.clone())).unwrap();
        let mut numbers: Vec<usize> = found.iter().map(|found| found.track).collect();
        numbers.sort_unstable();
        let expected: Vec<usize> = (0..95).filter(|&at| takes(at)).collect();
        assert_eq!(numbers, expected, "{filter:?} {:?}", track(0));
    }
}

#[test]
fn artists_and_albums_are_limited() {
    let (_folder, library) = library(10, 12, 24);
    let query = Query::new().track(0).count(20);
    let per = |found: &[Match], key: &dyn Fn(usize) -> String| {
        let mut counts = std::collections::HashMap::new();
        found.iter().for_each(|found| *counts.entry(key(found.track)).or_insert(0) += 1);
        counts.values().copied().max().unwrap()
    };
    let artist = |track: usize| library.track(track).artist.to_owned();
    let album = |track: usize| format!("{} {}", artist(track), library.track(track).album);
    let free = library.find(&query).unwrap();
    assert!(per(&free, &artist) > 2);
    let found = library.find(&query.clone().max_per_artist(2)).unwrap();
    assert_eq!((found.len(), per(&found, &artist)), (20, 2));
    assert!(found.is_sorted_by(|one, other| one.cosine >= other.cosine));
    let found = library.find(&query.clone().count(25).max_per_album(1)).unwrap();
    assert_eq!((found.len(), per(&found, &album)), (25, 1));
    // There are only so many.
    assert_eq!(library.find(&query.clone().count(usize::MAX).max_per_artist(3)).unwrap().len(), 30);
    assert_eq!(library.find(&query.count(1000).max_per_artist(3)).unwrap().len(), 30);
}

#[test]
fn near_duplicates_are_kept_left_out_or_listed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("music.library");
    let mut writer = LibraryWriter::create(&path, "/music", &origin(32)).unwrap();
    let mut random = Random::new(5);
    let originals = tracks(5, 4, 32);
    for (track, embedding) in &originals {
        writer.add(track, embedding).unwrap();
    }
    // Copies of every second one, and one of another duration, which is not one.
    for (number, (track, embedding)) in originals.iter().step_by(2).enumerate() {
        let vector = embedding.vector.iter().map(|value| value + 0.02 * random.normal() as f32).collect();
        let longer = if number == 3 { 60.0 } else { 0.5 };
        let path = track.path.with_extension("mp3");
        let copy = Track { path, seconds: track.seconds + longer, ..track.clone() };
        writer.add(&copy, &Embedding { vector, ..embedding.clone() }).unwrap();
    }
    writer.finish().unwrap();
    let library = Library::open(&path).unwrap();
    assert_eq!(library.duplicate_rule(), DuplicateRule::default());
    let rule = DuplicateRule { cosine: 0.99, seconds: 2.0 };
    let groups = library.duplicates(&rule, 0);
    let expected: Vec<Vec<usize>> = (0..10).filter(|&n| n != 3).map(|n| vec![2 * n, 20 + n]).collect();
    assert_eq!(groups.iter().map(|group| group.tracks.clone()).collect::<Vec<_>>(), expected);
    assert!(groups.iter().all(|group| group.cosine > 0.99 && group.cosine < 1.0));
    assert_eq!(groups, library.duplicates(&rule, 1));

    let query = Query::new().track(0).count(100).duplicate_rule(rule);
    assert_eq!(library.find(&query).unwrap().len(), 29);
    let found = library.find(&query.clone().duplicates(Duplicates::LeaveOut)).unwrap();
    // The nine copies are left out, or the originals where the copy is the better match.
    assert_eq!(found.len(), 20);
    assert!(!found.iter().any(|found| found.track == 20));
    let listed = library.find(&query.duplicates(Duplicates::List)).unwrap();
    assert_eq!(listed.len(), 29);
    assert_eq!((listed[0].track, listed[0].duplicate_of), (20, Some(0)));
    assert_eq!(listed.iter().filter(|found| found.duplicate_of.is_some()).count(), 9);
}
