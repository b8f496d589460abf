//! Steps that are done again, stopped, or shared by several collections.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use sleeve_training::pairs::Order;
use sleeve_training::pairs::tables::drawn_order;
use sleeve_training::splits::SPLIT;
use sleeve_training::table::TableReader;

use super::{Place, Tags, fails, train};

/// Twelve artists of two albums with three songs, tagged.
fn library(place: &Place) {
    for artist in 0..12 {
        for album in 0..2 {
            for song in 0..3 {
                let name = format!("{artist:02}/{album}/{song}.wav");
                let artist_name = format!("Artist {}", char::from(b'A' + artist));
                place.song(
                    &name,
                    1.0 + song as f32 * 0.2,
                    Tags {
                        title: &format!("Song {}", i32::from(artist) * 100 + album * 10 + song),
                        artist: &artist_name,
                        album: &format!("Album {} {album}", char::from(b'A' + artist)),
                        album_artist: &artist_name,
                        label: &format!("Label {}", artist % 3),
                        genre: if artist % 2 == 0 { "Rock" } else { "Jazz" },
                        ..Tags::default()
                    },
                );
            }
        }
    }
    place.scan();
    train(&[&"match", &place.at("collection.parquet"), &"--source", &"tags", &"--out", &place.at("set")]);
}

fn split(place: &Place) {
    train(&[&"split", &place.at("set"), &"--validation", &"12", &"--test", &"12", &"--releases", &"1"]);
}

#[test]
fn stale_tables_are_removed() {
    let place = Place::new();
    library(&place);
    let set = place.at("set");
    let has = |name: &str| set.join(name).exists();
    split(&place);
    std::fs::write(place.at("never.tsv"), "path\tother\n00/0/0.wav\t00/0/1.wav\n").unwrap();
    train(&[&"pairs", &set, &"--never", &place.at("never.tsv")]);
    assert!(has("never.tsv") && has("pairs_label_test.parquet"));
    // Another association with the same list: the others stay.
    train(&[&"pairs", &set, &"--association", &"artist", &"--never", &place.at("never.tsv")]);
    assert!(has("never.tsv") && has("pairs_label_test.parquet"));
    // Without the list, pairs drawn with it do not belong to these.
    train(&[&"pairs", &set, &"--association", &"artist"]);
    assert!(!has("never.tsv") && !has("pairs_label_test.parquet") && has("pairs_artist_train.parquet"));
    train(&[&"pairs", &set, &"--balanced", &"artist", &"--rounds", &"2"]);
    assert_eq!(drawn_order(&set).unwrap(), Order::ByArtist { rounds: Some(2) });
    train(&[&"pairs", &set]);
    assert_eq!(drawn_order(&set).unwrap(), Order::Uniform);
    // Another split has other rows.
    split(&place);
    assert!(!has("pairs_artist_train.parquet") && !has("pairs.json") && has("split.parquet"));
    assert!(train(&[&"stats", &set]).contains('-'));
    train(&[&"match", &place.at("collection.parquet"), &"--source", &"tags", &"--out", &set]);
    assert!(!has("split.parquet") && !has("styles.parquet") && has("matched.parquet"));
}

#[test]
fn no_training_track_is_an_error_with_numbers() {
    let place = Place::new();
    library(&place);
    let said = fails(&[&"split", &place.at("set"), &"--releases", &"1"]);
    assert!(said.contains("no track is left for training: of 72 matched tracks"), "{said}");
    assert!(said.contains("50000 for validation and 50000 for test were asked for"), "{said}");
    assert!(!place.at("set").join("split.parquet").exists());
    // A test set alone must be asked for.
    let said = train(&[&"split", &place.at("set"), &"--styles", &"0", &"--test", &"all"]);
    assert!(said.contains("0 training, 0 validation and 72 test tracks"), "{said}");
}

#[test]
fn copies_are_never_in_two_parts() {
    let place = Place::new();
    library(&place);
    // The same audio under other artists' names.
    for artist in 1..12 {
        let copy = place.at(&format!("music/{artist:02}/0/copy.wav"));
        std::fs::copy(place.at(&format!("music/{:02}/0/0.wav", artist - 1)), &copy).unwrap();
        let name = format!("Artist {}", char::from(b'A' + artist));
        super::tag(
            &copy,
            Tags { title: "Copy", artist: &name, album: "Copies", genre: "Rock", ..Tags::default() },
            false,
        );
    }
    place.scan();
    train(&[&"match", &place.at("collection.parquet"), &"--source", &"tags", &"--out", &place.at("set")]);
    for seed in ["1", "2", "3"] {
        train(&[
            &"split",
            &place.at("set"),
            &"--validation",
            &"12",
            &"--test",
            &"12",
            &"--releases",
            &"1",
            &"--seed",
            &seed,
        ]);
        let rows = TableReader::open(&SPLIT.path(&place.at("set")), &SPLIT, &["sha256", "part"]).unwrap();
        let rows = rows.map(Result::unwrap).next().unwrap();
        let parts: BTreeSet<(&str, &str)> = (0..rows.len())
            .map(|row| (rows.texts("sha256").value(row), rows.texts("part").value(row)))
            .collect();
        let hashes: BTreeSet<&str> = parts.iter().map(|(hash, _)| *hash).collect();
        assert_eq!(parts.len(), hashes.len(), "seed {seed}");
        assert!(rows.len() > hashes.len(), "some copies are left to be in one part");
    }
}

#[test]
fn one_folder_of_features_serves_several_collections() {
    let place = Place::new();
    for folder in ["one", "two"] {
        for song in 0..3 {
            let name = format!("{folder}/{song}.wav");
            place.song(&name, 1.0 + song as f32 * 0.1, Tags::default());
        }
        train(&[
            &"scan",
            &place.at(&format!("music/{folder}")),
            &"--out",
            &place.at(&format!("{folder}.parquet")),
        ]);
    }
    let features = place.at("features");
    for (folder, listed) in [("one", 3), ("two", 6), ("one", 6)] {
        let (music, table) = (place.at(&format!("music/{folder}")), place.at(&format!("{folder}.parquet")));
        train(&[&"features", &music, &"--collection", &table, &"--out", &features]);
        let store = sleeve_training::features::Store::new(&features);
        assert_eq!(store.listed().unwrap().values().filter(|frames| frames.is_some()).count(), listed);
        // Both have files of the same names, with other audio: a name alone does not say which.
        assert_eq!(store.named().unwrap().len(), if listed == 3 { 3 } else { 0 });
    }
}

#[test]
fn a_killed_scan_keeps_what_it_has_read() {
    let place = Place::new();
    for song in 0..120 {
        place.song(&format!("{song:03}.wav"), 60.0, Tags { title: "Song", ..Tags::default() });
    }
    let (music, table) = (place.at("music"), place.at("collection.parquet"));
    let mut child = Command::new(env!("CARGO_BIN_EXE_sleeve-train"))
        .args(["scan".as_ref(), music.as_os_str(), "--out".as_ref(), table.as_os_str()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let journal = place.at("collection.parquet.scanning.jsonl");
    let lines = || {
        std::fs::read_to_string(&journal)
            .map_or(0, |text| text.lines().filter(|line| line.ends_with('}')).count())
    };
    while lines() < 5 && child.try_wait().unwrap().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!table.exists(), "it was killed in time");
    let kept = lines();
    assert!((5..120).contains(&kept), "{kept}");
    // A line that was cut is passed over.
    let mut text = std::fs::read_to_string(&journal).unwrap();
    text.push_str("{\"path\":\"half");
    std::fs::write(&journal, text).unwrap();
    let said = place.scan();
    assert!(said.contains(&format!("120 tracks ({kept} unchanged), 0 unreadable")), "{kept}: {said}");
    assert!(!journal.exists());
    assert!(place.scan().contains("(120 unchanged)"));
}
