//! `sleeve-train retrieve` from end to end, on synthetic collections.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use sha2::{Digest, Sha256};
use sleeve_files::npy::{Dtype, NpyWriter};
use sleeve_training::evaluation::results::Results;
use sleeve_training::features::{Content, FEATURES, Store};
use sleeve_training::splits::{Part, SPLIT};
use sleeve_training::table::{Builder, Cell, write_table};

use crate::support;
use crate::support::formula::uniform;

fn train(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sleeve-train")).args(arguments).output().expect("the program")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs it on a collection and returns its output.
fn retrieve(folder: &Path, more: &[&str]) -> String {
    let (set, cache, out) = (folder.join("set"), folder.join("cache"), folder.join("results"));
    let mut arguments = vec!["retrieve", set.to_str().unwrap(), "--cache", cache.to_str().unwrap()];
    arguments.extend(["--out", out.to_str().unwrap(), "--name", "made", "--resamples", "500"]);
    arguments.extend(more);
    let output = train(&arguments);
    assert!(output.status.success(), "{arguments:?}: {}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

fn results(folder: &Path, encoder: &str) -> Results {
    Results::load(&folder.join(format!("results/retrieval/made/{encoder}.json"))).expect("written")
}

/// A track of a synthetic collection.
struct Made {
    path: String,
    content: String,
    part: Part,
    release: i64,
    artist: Option<i64>,
}

/// Five tracks of each of the artists on three releases (2, 2 and 1), a third of the artists in validation.
fn tracks(artists: i64) -> Vec<Made> {
    let mut tracks = Vec::new();
    for artist in 0..artists {
        for track in 0..5 {
            let path = format!("{artist:02}/{track}.wav");
            let content = Sha256::digest(&path).iter().map(|byte| format!("{byte:02x}")).collect();
            let part = if artist % 3 == 2 { Part::Validation } else { Part::Test };
            tracks.push(Made { path, content, part, release: artist * 3 + track / 2, artist: Some(artist) });
        }
    }
    tracks
}

fn write_split(folder: &Path, tracks: &[Made], excluded: &str) {
    let set = folder.join("set");
    std::fs::create_dir_all(&set).expect("room");
    let mut split = Builder::new(&SPLIT);
    for (track, at) in tracks.iter().zip(0..) {
        let artists: Vec<i64> = track.artist.into_iter().collect();
        split.push([
            Cell::Id(at),
            Cell::Text(&track.path),
            Cell::Text(&track.content),
            Cell::Id(0),
            Cell::Id(0),
            Cell::Float(None),
            Cell::Text(track.part.name()),
            Cell::Ids(&[track.release]),
            Cell::Ids(&[]),
            Cell::Ids(&artists),
            Cell::Ids(&[track.artist.unwrap_or(0) % 4]),
            Cell::Words(&[]),
            Cell::Words(&[]),
            Cell::Ints(&[]),
        ]);
    }
    write_table(&SPLIT.path(&set), &SPLIT, &split.finish()).expect("room");
    std::fs::write(set.join("never.tsv"), format!("path\tother\n{excluded}")).expect("room");
}

/// Features: an artist has its own bands, a release is louder or softer, and every frame has a little noise. `of` gives
/// the artist whose bands a track has.
fn write_features(folder: &Path, tracks: &[Made], of: impl Fn(usize, &Made) -> i64) {
    let store = Store::new(folder.join("features"));
    let mut listed = Builder::new(&FEATURES);
    for (at, track) in tracks.iter().enumerate() {
        let bands = uniform(&format!("artist {}", of(at, track)), 96);
        let noise = uniform(&format!("track {at}"), 96 + 150 * 96);
        let gain = 0.8 + 0.4 * uniform(&format!("release {}", track.release), 1)[0];
        let path = store.path(Content::from_hex(&track.content).expect("64 digits"));
        std::fs::create_dir_all(path.parent().expect("in folders")).expect("room");
        let mut writer = NpyWriter::create(&path, 96, Dtype::F16).expect("room");
        for frame in 0..150 {
            let value = |band: usize| {
                2.0 + gain * bands[band] + 0.15 * noise[band] + 0.3 * noise[96 + frame * 96 + band]
            };
            let row: Vec<f32> = (0..96).map(|band| value(band) as f32).collect();
            writer.write_rows(&row).expect("room");
        }
        writer.finish().expect("room");
        listed.push([
            Cell::Text("music"),
            Cell::Text(&track.path),
            Cell::Text(&track.content),
            Cell::Int(Some(150)),
            Cell::MaybeText(None),
            Cell::MaybeText(None),
        ]);
    }
    write_table(&store.table(None), &FEATURES, &listed.finish()).expect("room");
}

fn metric(results: &Results, key: &str) -> f64 {
    results.metrics.get(key).unwrap_or_else(|| panic!("no {key} in {:?}", results.metrics)).value
}

#[test]
fn artists_with_a_sound_of_their_own_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let tracks = tracks(24);
    // The first two tracks of artist 0 on other releases are the same recording, and one of artist 1 is in validation
    // too.
    write_split(folder, &tracks, "00/0.wav\t00/2.wav\n01/0.wav\t02/0.wav\n");
    write_features(folder, &tracks, |_, track| track.artist.unwrap());
    let features = folder.join("features");
    let features = features.to_str().unwrap();
    let more = ["--features", features, "--encoder", "mel-statistics"];
    let printed = retrieve(folder, &more);
    let found = results(folder, "mel-statistics");
    let count = |key: &str| found.counts[key];
    // 16 artists in test, five tracks each, one of them left out.
    assert_eq!((count("tracks"), count("artists"), count("near_duplicates_of_other_parts")), (79, 16, 1));
    assert_eq!(
        (count("same_artist_queries"), count("same_artist_artists"), count("same_artist_groups")),
        (79, 16, 16)
    );
    // The single tracks of third releases, and one whose only partner was left out.
    assert_eq!((count("same_release_queries"), count("same_release_without_relevant")), (62, 17));
    assert_eq!(count("artists_in_other_parts"), 0);
    let map = metric(&found, "same_artist_map");
    assert!(map > 0.9, "{printed}");
    let chance = metric(&found, "same_artist_map_chance");
    assert!((0.03..0.12).contains(&chance), "{chance}");
    let [low, high] = found.metrics["same_artist_map"].interval.unwrap();
    assert!(low <= map && map <= high && low > chance);
    assert!(metric(&found, "same_release_map") > 2.0 * metric(&found, "same_release_map_chance"));
    // The label is the artist's number modulo four, which features do not depend on.
    let label = metric(&found, "same_label_map");
    assert!((label - metric(&found, "same_label_map_chance")).abs() < 0.15, "{label}");
    for part in
        ["made: 79 tracks by 16 artists", "same artist: 79 queries by 16 artists", "chance", "mel-statistics"]
    {
        assert!(printed.contains(part), "{part}: {printed}");
    }
    // Running it again gives the same bytes.
    let path = folder.join("results/retrieval/made/mel-statistics.json");
    let before = std::fs::read(&path).unwrap();
    assert_eq!(retrieve(folder, &more), printed);
    assert!(std::fs::read(&path).unwrap() == before);
    // Both parts.
    retrieve(folder, &[&more[..], &["--part", "validation,test"]].concat());
    let both = results(folder, "mel-statistics");
    assert_eq!((both.counts["tracks"], both.counts["near_duplicates_of_other_parts"]), (120, 0));
    assert_eq!(both.protocol["parts"], serde_json::json!("validation+test"));
}

#[test]
fn what_says_nothing_of_artists_scores_as_chance_and_worse_than_what_does() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let tracks = tracks(30);
    write_split(folder, &tracks, "");
    // Bands depend only on the track's number.
    write_features(folder, &tracks, |at, _| 1000 + at as i64);
    let features = folder.join("features");
    let features = features.to_str().unwrap();
    retrieve(folder, &["--features", features, "--encoder", "mel-statistics"]);
    let found = results(folder, "mel-statistics");
    let [low, high] = found.metrics["same_artist_map"].interval.unwrap();
    let chance = metric(&found, "same_artist_map_chance");
    assert!(low - 0.03 < chance && chance < high + 0.03, "{low} {high} {chance}");
}

#[test]
fn encoders_are_compared_and_stacked_from_the_cache() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let tracks = tracks(9);
    write_split(folder, &tracks, "");
    write_features(folder, &tracks, |_, track| track.artist.unwrap());
    let features = folder.join("features");
    let features = features.to_str().unwrap();
    let more = [
        ["--features", features].as_slice(),
        &["--encoder", "mel-statistics", "--encoder", "random:3", "--stack", "mel-statistics+random-3"],
        &["--against", "random-3", "--threads", "2"],
    ]
    .concat();
    let printed = retrieve(folder, &more);
    assert!(printed.contains("mel-statistics over random-3: MAP"), "{printed}");
    assert!(printed.contains("mel-statistics+random-3 over random-3: MAP"), "{printed}");
    let (alone, against) = (results(folder, "mel-statistics"), results(folder, "random-3"));
    let over = &alone.metrics["same_artist_map_over_random-3"];
    let difference = metric(&alone, "same_artist_map") - metric(&against, "same_artist_map");
    assert!((over.value - difference).abs() < 1e-12);
    assert!(over.interval.is_some());
    assert!(!against.metrics.keys().any(|key| key.contains("_over_")));
    let stack = results(folder, "mel-statistics+random-3");
    let dimensions: Vec<usize> = stack.encoders.iter().map(|source| source.dimensions).collect();
    assert_eq!(dimensions, [192, 1280]);
    assert!(stack.protocol.contains_key("stack"));
    // Cached embeddings are reused: the random network works without features.
    let empty = folder.join("nothing");
    std::fs::create_dir_all(&empty).unwrap();
    let again = retrieve(folder, &["--audio", empty.to_str().unwrap(), "--encoder", "random:3"]);
    assert!(again.contains("random-3"), "{again}");
    assert_eq!(metric(&results(folder, "random-3"), "same_artist_map"), metric(&against, "same_artist_map"));
}

#[test]
fn folds_are_searched_apart_and_counted_together() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (left, right) = (folder.join("left"), folder.join("right"));
    // The same tracks; the test part of one fold is the validation part of the other.
    for (place, tested) in [(&left, 0), (&right, 1)] {
        let mut tracks = tracks(12);
        for track in &mut tracks {
            let is_tested = track.artist.unwrap() % 2 == tested;
            track.part = if is_tested { Part::Test } else { Part::Validation };
        }
        write_split(place, &tracks, "");
        write_features(folder, &tracks, |at, track| track.artist.unwrap() + i64::from(at % 4 == 0));
    }
    let features = folder.join("features");
    let one = ["--features", features.to_str().unwrap(), "--encoder", "mel-statistics"];
    let [alone_left, alone_right] = [&left, &right].map(|place| {
        retrieve(place, &one);
        results(place, "mel-statistics")
    });
    let (set, cache) = (right.join("set"), folder.join("cache"));
    let more = [set.to_str().unwrap(), "--encoder", "random:{}", "--against", "random-k"];
    let printed = retrieve(&left, &[&one[..], &more].concat());
    assert!(printed.contains("mel-statistics over random-k: MAP"), "{printed}");
    let both = results(&left, "mel-statistics");
    assert_eq!(both.protocol["folds"], 2);
    for association in ["same_artist", "same_release"] {
        let queries = |results: &Results| results.counts[&format!("{association}_queries")];
        let groups = |results: &Results| results.counts[&format!("{association}_groups")];
        assert_eq!(queries(&both), queries(&alone_left) + queries(&alone_right));
        assert_eq!(groups(&both), 12);
        let key = format!("{association}_map");
        let weighted = |results: &Results| metric(results, &key) * queries(results) as f64;
        let expected = (weighted(&alone_left) + weighted(&alone_right)) / queries(&both) as f64;
        assert!((metric(&both, &key) - expected).abs() < 1e-12);
    }
    // Two networks with one name.
    let random = results(&left, "random-k");
    assert_eq!(random.encoders[0].identity.split(' ').count(), 2);
    let set = left.join("set");
    let alone =
        ["retrieve", set.to_str().unwrap(), "--encoder", "random:{}", "--cache", cache.to_str().unwrap()];
    let output = train(&[&alone[..], &one[..2]].concat());
    assert!(text(&output.stderr).contains("the number of a fold"), "{}", text(&output.stderr));
}

#[test]
fn a_model_is_adapted_to_a_collection() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let tracks = tracks(12);
    write_split(folder, &tracks, "");
    write_features(folder, &tracks, |_, track| track.artist.unwrap());
    let at = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let base = sleeve_tests::repository().join("models/msd-musicnn-1.onnx");
    let (set, features, cache, out) = (at("set"), at("features"), at("cache"), at("models"));
    let arguments =
        ["adapt", &set, "--model", base.to_str().unwrap(), "--features", &features, "--cache", &cache];
    let named = ["--part", "test", "--out", &out, "--name", "fit"];
    let adapt = |more: &[&str]| train(&[&arguments[..], &named, more].concat());
    let output = adapt(&[]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    assert!(said.contains("40 tracks") && said.contains("artist") && said.contains("fit.onnx"), "{said}");
    let again = adapt(&[]);
    assert!(text(&again.stderr).contains("exists already"), "{}", text(&again.stderr));
    let bytes = || std::fs::read(folder.join("models/fit.onnx")).unwrap();
    let first = bytes();
    assert!(adapt(&["--replace"]).status.success());
    assert!(bytes() == first, "the same model of the same pairs");
    assert!(adapt(&["--replace", "--weights", "release=1"]).status.success());
    assert!(bytes() != first);

    // On its training tracks, releases are found better; the tags are those of the original model.
    let fit = at("models/fit.onnx");
    retrieve(folder, &["--features", &features, "--encoder", &fit, "--encoder", "msd-musicnn-1"]);
    let map = |encoder: &str| metric(&results(folder, encoder), "same_release_map");
    println!("same release: {:.3} -> {:.3}", map("msd-musicnn-1"), map("fit"));
    assert!(map("fit") > map("msd-musicnn-1") + 0.02, "{} {}", map("fit"), map("msd-musicnn-1"));
    let model = sleeve::model::Model::open(&fit).unwrap();
    assert_eq!((model.name(), model.classes().len()), ("fit", 50));
    assert!(model.warnings().is_empty());

    for (more, reason) in [
        (&["--weights", "album=1"][..], "album is not an association"),
        (&["--weights", "artist=x"], "not a number"),
        (&["--shrinkage", "0"], "shrinkage"),
        (&["--model", "msd-musicnn-1"], "cannot be used multiple times"),
    ] {
        let output = adapt(&[&["--replace"], more].concat());
        assert!(
            !output.status.success() && text(&output.stderr).contains(reason),
            "{}",
            text(&output.stderr)
        );
    }
}

#[test]
fn codecs_and_loudness_are_told_from_music() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut tracks = tracks(5);
    let music = folder.join("music");
    for track in &mut tracks {
        // An artist has a chord, a release a tempo, a track a phase.
        let artist = track.artist.unwrap() as f64;
        let name = track.path.clone();
        let phase = uniform(&name, 2);
        let samples: Vec<f32> = (0..16_000 * 4)
            .map(|at| {
                let time = f64::from(at) / 16_000.0 + phase[0];
                let tone =
                    |ratio: f64| (time * std::f64::consts::TAU * ratio * 220.0 * 1.19f64.powf(artist)).sin();
                let beat = ((time * (1.5 + (track.release % 3) as f64)).fract() * -4.0).exp();
                (beat * (tone(1.0) + 0.6 * tone(2.0) + 0.3 * tone(3.01)) * (0.2 + 0.1 * phase[1])) as f32
            })
            .collect();
        let path = music.join(&track.path);
        support::wav::write(&path, 16_000, &samples);
        let bytes = std::fs::read(&path).unwrap();
        track.content = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    }
    write_split(folder, &tracks, "");
    let small = format!("vggish={}", support::data("vggish/small.onnx").display());
    let music = music.to_str().unwrap();
    let more = [
        ["--audio", music, "--encoder", "mel-statistics", "--encoder", &small].as_slice(),
        &["--encoder", "mtt-musicnn-1", "--stack", "vggish+mtt-musicnn-1", "--confounds"],
    ]
    .concat();
    let printed = retrieve(folder, &more);
    let mut altered: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for encoder in ["mel-statistics", "vggish", "mtt-musicnn-1", "vggish+mtt-musicnn-1"] {
        let found = results(folder, encoder);
        for (key, figure) in found.metrics.iter().filter(|(key, _)| key.starts_with("altered_")) {
            altered.entry(key.clone()).or_default().push(figure.value);
        }
    }
    for name in ["quieter_6_db", "quieter_12_db"] {
        for what in ["cosine", "found", "same_artist_map"] {
            let values = &altered[&format!("altered_{name}_{what}")];
            assert_eq!(values.len(), 4, "{printed}");
            assert!(
                values.iter().all(|value| (0.0..=1.000_001).contains(value)),
                "{name} {what}: {values:?}"
            );
        }
        let cosines = &altered[&format!("altered_{name}_cosine")];
        assert!(cosines.iter().all(|&value| value > 0.5 && value < 0.999_999), "{cosines:?}");
    }
    let further = |name: &str| altered[&format!("altered_{name}_cosine")][0];
    assert!(further("quieter_12_db") < further("quieter_6_db"), "{printed}");
    let codecs = [("mp3_64_kbit", "lame"), ("vorbis_lowest", "oggenc"), ("opus_32_kbit", "opusenc")];
    for (name, program) in codecs {
        if support::have(program) || support::have("ffmpeg") {
            let cosine = further(name);
            assert!(cosine > 0.9 && cosine < 0.999_999_9, "{name}: {cosine}");
        } else {
            assert!(printed.contains(&format!("not altered by {name}")), "{printed}");
        }
    }
    assert!(printed.contains("mtt-musicnn-1, quieter_6_db: cosine with the original 0."), "{printed}");
    if !support::have("ffmpeg") {
        support::skip("codecs_and_loudness_are_told_from_music", "no ffmpeg");
    }
}

#[test]
fn recordings_that_cannot_be_heard_are_named_and_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let tracks = tracks(6);
    write_split(folder, &tracks, "");
    write_features(folder, &tracks, |_, track| track.artist.unwrap());
    let store = Store::new(folder.join("features"));
    std::fs::remove_file(store.path(Content::from_hex(&tracks[3].content).unwrap())).unwrap();
    let features = folder.join("features");
    let printed =
        retrieve(folder, &["--features", features.to_str().unwrap(), "--encoder", "mel-statistics"]);
    assert!(printed.contains("1 recordings could not be decoded"), "{printed}");
    assert_eq!(results(folder, "mel-statistics").counts["unheard"], 1);
}

#[test]
fn wrong_arguments_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut tracks = tracks(3);
    tracks.iter_mut().for_each(|track| track.part = Part::Test);
    write_split(folder, &tracks, "");
    write_features(folder, &tracks, |_, track| track.artist.unwrap());
    let (set, cache, features) = (folder.join("set"), folder.join("cache"), folder.join("features"));
    let fails = |more: &[&str]| {
        let mut all = vec!["retrieve", set.to_str().unwrap(), "--cache", cache.to_str().unwrap()];
        all.extend(more);
        let output = train(&all);
        assert!(!output.status.success(), "{all:?}: {}", text(&output.stdout));
        text(&output.stderr)
    };
    let features = features.to_str().unwrap();
    let one = ["--features", features, "--encoder", "mel-statistics"];
    let with = |more: &[&str]| fails(&[&one[..], more].concat());
    assert!(fails(&["--features", features]).contains("--encoder"));
    assert!(fails(&["--encoder", "mel-statistics"]).contains("audio or of features"));
    assert!(with(&["--part", "validation"]).contains("no track is in the part validation"));
    assert!(with(&["--part", "tset"]).contains("train, validation or test"));
    assert!(with(&["--against", "nobody"]).contains("nobody"));
    assert!(with(&["--stack", "mel-statistics+nobody"]).contains("nobody"));
    assert!(with(&["--stack", "mel-statistics"]).contains("two or more encoders"));
    assert!(with(&["--stack", "mel-statistics+mel-statistics"]).contains("named once"));
    assert!(with(&["--encoder", "mel-statistics"]).contains("mel-statistics"));
    assert!(with(&["--confounds"]).contains("--audio"));
    assert!(with(&["--threads", "0"]).contains("--threads"));
    let help = text(&train(&["retrieve", "--help"]).stdout);
    for part in ["section 3", "--confounds", "near-duplicate", "bootstrap"] {
        assert!(help.to_lowercase().contains(&part.to_lowercase()), "{part}: {help}");
    }
}
