//! Batches of a small known data set: their content, that all processes get the same batches, and errors.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sleeve_training::batches::{
    Dataset, MultitaskLoader, PATCH, PairBatch, PairLoader, Readers, TagBatch, TagLoader,
};
use sleeve_training::config::{Config, Objective};
use sleeve_training::features::Store;
use sleeve_training::pairs::Association;
use sleeve_training::pairs::tables::{PAIRS, path};
use sleeve_training::splits::Part;
use sleeve_training::table::{Builder, TableReader, write_table};

use crate::support;
use crate::support::dataset::{
    TRACKS, artist, config, features, frames, name, open, part, place, readers, styles, write,
};

fn loader(folder: &Path, config: &Config, part: Part) -> PairLoader {
    PairLoader::new(&open(folder), config, &config.objective.associations()[0], part, &readers()).unwrap()
}

fn batches(loader: &PairLoader, epoch: u64, group: usize, groups: usize) -> Vec<PairBatch> {
    loader.epoch(epoch, group, groups).collect::<Result<_, _>>().unwrap()
}

/// The pairs of batches with the first frames of their patches, which must match the tracks.
fn places(batches: &[PairBatch]) -> Vec<[(u32, usize); 2]> {
    let rows = batches.iter().flat_map(|batch| {
        assert_eq!((batch.anchors.len(), batch.positives.len()), (batch.len() * PATCH, batch.len() * PATCH));
        let tracks = batch.anchor_tracks.iter().zip(&batch.positive_tracks);
        tracks.zip(batch.anchors.chunks(PATCH).zip(batch.positives.chunks(PATCH)))
    });
    rows.map(|((&a, &b), (anchor, positive))| {
        let both = [place(anchor), place(positive)];
        assert_eq!([both[0].0, both[1].0], [a, b]);
        both
    })
    .collect()
}

/// The pairs of the table.
fn table(folder: &Path, association: Association, part: Part) -> BTreeSet<(u32, u32)> {
    let rows = TableReader::open(&path(folder, association, part), &PAIRS, &["anchor", "positive"]).unwrap();
    let pairs = rows.flat_map(|rows| {
        let rows = rows.unwrap();
        let both = rows.ids("anchor").values().iter().zip(rows.ids("positive").values());
        both.map(|(&a, &b)| (a as u32, b as u32)).collect::<Vec<_>>()
    });
    pairs.collect()
}

fn tracks(places: &[[(u32, usize); 2]]) -> BTreeSet<(u32, u32)> {
    places.iter().map(|&[(a, _), (b, _)]| (a, b)).collect()
}

#[test]
fn an_epoch_has_every_pair_once_over_all_groups() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[]);
    for association in Association::ALL {
        let changes = ["objective.associations.0.pairs=3"];
        let loader = loader(folder.path(), &config(association.name(), &changes), Part::Train);
        let mut wanted = table(folder.path(), association, Part::Train);
        // A track that is no longer than a patch has no pair with itself: both patches would be the same.
        let all = wanted.len();
        wanted.retain(|&(a, b)| a != b || frames(a) > 128);
        assert_eq!(all - wanted.len(), if association == Association::Track { 3 } else { 0 });
        assert_eq!(loader.pairs(), wanted.len());
        for groups in [1, 2, 5] {
            let mut seen = BTreeSet::new();
            let mut sizes = vec![Vec::new(); groups];
            for (group, sizes) in sizes.iter_mut().enumerate() {
                let of_group = batches(&loader, 4, group, groups);
                assert_eq!(of_group.len(), loader.steps(4, groups).unwrap());
                sizes.extend(of_group.iter().map(PairBatch::len));
                assert!(of_group.iter().all(|batch| batch.allowed.is_none()));
                for pair in tracks(&places(&of_group)) {
                    assert!(seen.insert(pair), "{pair:?} twice");
                }
            }
            assert!(seen.is_subset(&wanted));
            assert!(wanted.len() - seen.len() < 2 * groups, "{} of {}", seen.len(), wanted.len());
            // Full except in the last step, whose batches are as equal as possible.
            let steps = sizes[0].len();
            for step in 0..steps {
                let of_step: Vec<usize> = sizes.iter().map(|sizes| sizes[step]).collect();
                let (least, most) = (*of_step.iter().min().unwrap(), *of_step.iter().max().unwrap());
                assert!(if step + 1 < steps {
                    (least, most) == (3, 3)
                } else {
                    least >= 2 && most <= least + 1
                });
            }
        }
    }
}

#[test]
fn batches_follow_from_seed_epoch_and_group_alone() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[]);
    let make = |seed: u64, threads: usize| {
        let config = config("artist", &["objective.associations.0.pairs=4", &format!("run.seed={seed}")]);
        let task = &config.objective.associations()[0];
        PairLoader::new(&open(folder.path()), &config, task, Part::Train, &Readers::new(threads, 2)).unwrap()
    };
    let plain = make(1, 0);
    let one = batches(&plain, 0, 0, 2);
    for threads in [1, 4] {
        assert_eq!(batches(&make(1, threads), 0, 0, 2), one);
    }
    for other in [batches(&plain, 1, 0, 2), batches(&plain, 0, 1, 2), batches(&make(2, 0), 0, 0, 2)] {
        assert_ne!(places(&other), places(&one));
    }
    // Another epoch has another crop of each track.
    let crops = |epoch| -> BTreeMap<u32, usize> {
        let all = (0..2).flat_map(|group| places(&batches(&plain, epoch, group, 2)));
        all.flatten().filter(|&(track, _)| frames(track) > 200).collect()
    };
    let (one, other) = (crops(0), crops(1));
    let same = one.iter().filter(|(track, start)| other.get(track) == Some(start)).count();
    assert!(one.len() > 20 && same < 4, "{same} of {}", one.len());
}

#[test]
fn the_crops_of_validation_are_fixed() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[]);
    let options = ["data.crops=3", "data.redraw_pairs=true", "data.artist_unique=true", "data.least_steps=9"];
    let plain = loader(folder.path(), &config("release", &[]), Part::Validation);
    let loader = loader(folder.path(), &config("release", &options), Part::Validation);
    let first = batches(&loader, 0, 0, 1);
    assert_eq!(first, batches(&loader, 17, 0, 1));
    assert_eq!(first, batches(&plain, 3, 0, 1));
    assert_eq!(tracks(&places(&first)), table(folder.path(), Association::Release, Part::Validation));
}

#[test]
fn the_two_patches_of_a_track_are_apart() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[]);
    let loader = loader(folder.path(), &config("track", &["objective.associations.0.pairs=8"]), Part::Train);
    for epoch in 0..20 {
        for [(a, one), (b, other)] in places(&batches(&loader, epoch, 0, 1)) {
            assert_eq!(a, b);
            assert!(one != other || frames(a) <= 128, "track {a} at {one}");
        }
    }
}

#[test]
fn options_beyond_the_paper() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[]);
    let folder = folder.path();
    let with = |name: &str, change: &str| {
        loader(folder, &config(name, &["objective.associations.0.pairs=6", change]), Part::Train)
    };
    // Several crops: every pair occurs as often, in rounds.
    let crops = with("artist", "data.crops=3");
    let pairs = table(folder, Association::Artist, Part::Train).len();
    let all = places(&batches(&crops, 0, 0, 1));
    assert_eq!((all.len(), tracks(&all).len()), (3 * (pairs - pairs % 6 % 2), pairs));
    let long: Vec<_> = all.iter().filter(|both| frames(both[0].0) > 300).collect();
    assert_eq!(long.iter().collect::<BTreeSet<_>>().len(), long.len(), "with crops of their own");

    // Pairs that are drawn again: the condition holds, and epochs differ.
    let drawn = with("artist", "data.redraw_pairs=true");
    let of = |epoch| tracks(&places(&batches(&drawn, epoch, 0, 1)));
    assert_eq!(of(1), of(1));
    assert_ne!(of(0), of(1));
    let own = |&(a, b): &(u32, u32)| artist(a) == artist(b) && a / 2 != b / 2 && part(a) == Part::Train;
    assert!(of(0).iter().chain(&of(1)).all(own));

    // All artists in a batch differ.
    let unique = with("label", "data.artist_unique=true");
    let batches_of = batches(&unique, 0, 0, 1);
    for batch in &batches_of {
        let artists = |tracks: &[u32]| tracks.iter().map(|&track| artist(track)).collect::<Vec<_>>();
        let all = [artists(&batch.anchor_tracks), artists(&batch.positive_tracks)].concat();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    }
    assert!(tracks(&places(&batches_of)).len() > 10);

    // More steps, with smaller batches.
    let shrunk = with("artist", "data.least_steps=4");
    assert!(shrunk.steps(0, 2).unwrap() >= 4 && with("artist", "data.crops=1").steps(0, 2).unwrap() < 4);
}

#[test]
fn related_negatives_are_masked_out() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[]);
    for name in ["track", "release", "artist", "label"] {
        let config = config(name, &["objective.associations.0.pairs=16", "data.mask_related=true"]);
        let mut masked = 0;
        for batch in batches(&loader(folder.path(), &config, Part::Train), 0, 0, 1) {
            let allowed = batch.allowed.as_ref().unwrap();
            assert_eq!(allowed.len(), batch.len() * batch.len());
            for (row, &a) in batch.anchor_tracks.iter().enumerate() {
                for (column, &b) in batch.positive_tracks.iter().enumerate() {
                    let related = match name {
                        "track" => a == b,
                        "release" => a / 2 == b / 2,
                        "artist" => a == b || artist(a) == artist(b) && a / 2 != b / 2,
                        _ => a == b || artist(a) % 4 == artist(b) % 4 && artist(a) != artist(b),
                    };
                    assert_eq!(
                        allowed[row * batch.len() + column],
                        row == column || !related,
                        "{name} {a} {b}"
                    );
                    masked += usize::from(row != column && related);
                }
            }
        }
        // For track and release pairs, no other pair of a batch is related.
        assert_eq!(masked > 0, matches!(name, "artist" | "label"), "{name}");
    }
}

#[test]
fn tags_come_with_their_tracks() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[5]);
    let make = |changes: &[&str], part| {
        let config = config("tags", changes);
        let Objective::Tags(tags) = &config.objective else { panic!() };
        TagLoader::new(&open(folder.path()), &config, tags, part, &readers()).unwrap()
    };
    let check = |batches: &[TagBatch], classes: &[String]| {
        let mut seen = BTreeSet::new();
        for batch in batches {
            let rows = batch.patches.chunks(PATCH).zip(batch.tags.chunks(classes.len()));
            for (&track, (patch, tags)) in batch.tracks.iter().zip(rows) {
                assert_eq!(place(patch).0, track);
                let own: Vec<f32> = classes
                    .iter()
                    .map(|class| f32::from(u8::from(styles(track).contains(&class.as_str()))))
                    .collect();
                assert_eq!(tags, own);
                assert!(seen.insert(track));
            }
        }
        seen
    };
    let train = make(&["objective.patches=7"], Part::Train);
    assert_eq!(train.classes(), ["House", "Acid"]);
    assert_eq!((train.tracks(), train.without_features()), (63, 1));
    let groups: Vec<Vec<TagBatch>> =
        (0..3).map(|group| train.epoch(2, group, 3).collect::<Result<_, _>>().unwrap()).collect();
    assert!(groups.iter().all(|group| group.len() == train.steps(2, 3).unwrap()));
    let seen = check(&groups.concat(), train.classes());
    assert_eq!(seen, (0..TRACKS).filter(|&track| part(track) == Part::Train && track != 5).collect());
    let validation = make(&["objective.classes=1"], Part::Validation);
    let fixed: Vec<TagBatch> = validation.epoch(0, 0, 1).collect::<Result<_, _>>().unwrap();
    assert_eq!(fixed, validation.epoch(9, 0, 1).collect::<Result<Vec<_>, _>>().unwrap());
    assert_eq!(check(&fixed, validation.classes()).len(), 32);
    let twice = make(&["data.crops=2"], Part::Train);
    assert_eq!(twice.epoch(0, 0, 1).map(|batch| batch.unwrap().len()).sum::<usize>(), 126);
}

#[test]
fn several_associations_share_a_step() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[]);
    let changes = [
        "objective.associations.track.pairs=4",
        "objective.associations.release.pairs=4",
        "objective.associations.artist.pairs=8",
        "objective.associations.label.pairs=4",
    ];
    for (length, longest) in [("longest", true), ("shortest", false)] {
        let length = format!("objective.epoch={length}");
        let config = config("multitask", &[&changes[..], &[length.as_str()]].concat());
        let Objective::Multitask(multitask) = &config.objective else { panic!() };
        let loader =
            MultitaskLoader::new(&open(folder.path()), &config, multitask, Part::Train, &readers()).unwrap();
        let steps: Vec<usize> = loader.tasks().iter().map(|task| task.steps(0, 2).unwrap()).collect();
        let wanted = if longest { *steps.iter().max().unwrap() } else { *steps.iter().min().unwrap() };
        assert!(steps.iter().any(|&other| other != wanted));
        for group in 0..2 {
            let epoch: Vec<Vec<PairBatch>> = loader.epoch(0, group, 2).collect::<Result<_, _>>().unwrap();
            assert_eq!((epoch.len(), wanted), (loader.steps(0, 2).unwrap(), epoch.len()));
            for (at, task) in loader.tasks().iter().enumerate() {
                let own: Vec<PairBatch> = epoch.iter().map(|step| step[at].clone()).collect();
                let alone = batches(task, 0, group, 2);
                let same = alone.len().min(own.len());
                assert_eq!(own[..same], alone[..same]);
                // The next round, with other crops.
                let again: BTreeSet<_> = places(&own[same..]).into_iter().collect();
                assert!(again.is_disjoint(
                    &places(&alone).into_iter().filter(|both| frames(both[0].0) > 300).collect()
                ));
            }
        }
    }
}

#[test]
fn what_is_missing_is_named() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    write(folder, &[]);
    let store = Store::new(folder.join("features"));
    let config = config("artist", &[]);
    let error = |epoch: u64| {
        let outcome: Result<Vec<PairBatch>, _> =
            loader(folder, &config, Part::Train).epoch(epoch, 0, 1).collect();
        outcome.unwrap_err().to_string()
    };
    // Missing, truncated, of another shape, not an array.
    let file = features(&store, 13);
    let bytes = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    let said = error(0);
    assert!(said.contains(file.to_str().unwrap()) && said.contains(&name(13)), "{said}");
    for (bytes, reason) in [
        (&bytes[..bytes.len() - 1], "bytes of values"),
        (&bytes[..100], "ends within its header"),
        (b"RIFF0000WAVE", "does not begin as one"),
    ] {
        std::fs::write(&file, bytes).unwrap();
        let said = error(1);
        assert!(said.contains(file.to_str().unwrap()) && said.contains(&name(13)), "{said}");
        assert!(said.contains(reason), "{said}");
    }
    std::fs::write(&file, &bytes).unwrap();
    assert!(loader(folder, &config, Part::Train).epoch(1, 0, 1).all(|batch| batch.is_ok()));
    // Tracks that the features table does not list.
    let table = store.table(None);
    std::fs::rename(&table, folder.join("kept")).unwrap();
    let open = || Dataset::open(folder, &folder.join("features")).map(|_| ()).unwrap_err().to_string();
    assert!(open().contains("sleeve-train features"), "{}", open());
    let other = tempfile::tempdir().unwrap();
    assert!(
        Dataset::open(folder, &other.path().join("none"))
            .map(|_| ())
            .unwrap_err()
            .to_string()
            .contains("none")
    );
    let mut rows = Builder::new(&sleeve_training::features::FEATURES);
    write_table(&table, &sleeve_training::features::FEATURES, &rows.finish()).unwrap();
    let refused = |config: &Config| {
        let task = &config.objective.associations()[0];
        let made = PairLoader::new(&support::dataset::open(folder), config, task, Part::Train, &readers());
        made.map(|_| ()).unwrap_err().to_string()
    };
    let said = refused(&config);
    assert!(
        said.contains("tracks of") && said.contains(".ogg") && said.contains("sleeve-train features"),
        "{said}"
    );
    // Pairs of another data set.
    std::fs::rename(folder.join("kept"), &table).unwrap();
    let pairs = path(folder, Association::Artist, Part::Train);
    std::fs::copy(path(folder, Association::Artist, Part::Validation), &pairs).unwrap();
    let said = refused(&config);
    assert!(said.contains("not in the part train") && said.contains("draw the pairs again"), "{said}");
    std::fs::remove_file(&pairs).unwrap();
    assert!(refused(&config).contains("pairs_artist_train.parquet"));
}

#[test]
fn no_pairs_are_explained_with_counts() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    write(folder, &[]);
    let empty = |association: Association| {
        let mut rows = Builder::new(&PAIRS);
        write_table(&path(folder, association, Part::Train), &PAIRS, &rows.finish()).unwrap();
        let config = config(association.name(), &[]);
        let task = &config.objective.associations()[0];
        let made = PairLoader::new(&open(folder), &config, task, Part::Train, &readers());
        made.map(|_| ()).unwrap_err().to_string()
    };
    let said = empty(Association::Artist);
    for part in [
        "no artist pairs in train (64 tracks of 96)",
        "64 of the tracks can be in one, of 16 different artists, 16 of which have two tracks or more",
        "96 pairs of tracks share the artist, 32 of them also the release",
    ] {
        assert!(said.contains(part), "{said}");
    }
    let said = empty(Association::Release);
    assert!(said.contains("of 32 different releases, 32 of which have two tracks or more"), "{said}");
    assert!(empty(Association::Track).contains("no track pairs in train (64 tracks of 96)"));
    assert!(empty(Association::Label).contains("of them also the artist"));
    // Too few for the groups, and for a batch.
    let loader = loader(folder, &config("artist", &[]), Part::Validation);
    let said = loader.epoch(0, 0, 9).next().unwrap().unwrap_err().to_string();
    assert!(said.contains("too few") && said.contains("9 groups"), "{said}");
    assert!(loader.steps(0, 0).is_err());
    assert!(loader.epoch(0, 2, 2).next().unwrap().is_err());
}

#[test]
fn recordings_that_cannot_be_read_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[8, 9, 10, 11]);
    let loader = loader(folder.path(), &config("artist", &[]), Part::Train);
    let wanted = table(folder.path(), Association::Artist, Part::Train);
    let without = wanted.iter().filter(|(a, _)| artist(*a) == 2).count();
    // All four are of one artist, who is in validation or training.
    assert_eq!(part(8), Part::Validation);
    assert_eq!((loader.without_features(), without), (0, 0));
    let validation = support::dataset::open(folder.path());
    let config = config("artist", &["data.redraw_pairs=true"]);
    let task = &config.objective.associations()[0];
    let validation = PairLoader::new(&validation, &config, task, Part::Validation, &readers()).unwrap();
    assert_eq!((validation.without_features(), validation.pairs()), (2, 14));
    assert!(
        batches(&validation, 0, 0, 1).iter().all(|batch| batch.anchor_tracks.iter().all(|&a| artist(a) != 2))
    );
}

#[test]
fn tracks_have_names() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[]);
    let data = open(folder.path());
    assert_eq!(data.names(&[70, 3, 3, 0]).unwrap(), [name(70), name(3), name(3), name(0)]);
    assert!(data.names(&[TRACKS]).unwrap_err().to_string().contains("no track 96"));
    assert!(data.names(&[]).unwrap().is_empty());
}
