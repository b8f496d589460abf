//! A small data set whose features contain their track and position.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sleeve_files::npy::{Dtype, NpyWriter};
use sleeve_training::batches::{Dataset, PATCH, Readers};
use sleeve_training::config::Config;
use sleeve_training::features::{Content, FEATURES, Store};
use sleeve_training::pairs::tables::{Split, write_pairs};
use sleeve_training::pairs::{Association, Order};
use sleeve_training::splits::{Part, SPLIT, STYLES};
use sleeve_training::table::{Builder, Cell, write_table};

/// Tracks of the data set; four of each artist, two of each release, and a label for every third artist.
pub const TRACKS: u32 = 96;

/// The artist of a track.
pub fn artist(track: u32) -> u32 {
    track / 4
}

/// The part of a track: of three artists, two are in training.
pub fn part(track: u32) -> Part {
    if artist(track) % 3 == 2 { Part::Validation } else { Part::Train }
}

/// Mel frames of a track; the first two have fewer than a patch.
pub fn frames(track: u32) -> usize {
    match track {
        0 => 50,
        1 => 1,
        2 => 128,
        _ => 150 + 5 * track as usize,
    }
}

/// The name of a track's file.
pub fn name(track: u32) -> String {
    format!("{track:03}.ogg")
}

/// A substitute for the SHA-256 of a track's file.
pub fn sha256(track: u32) -> String {
    format!("{:016x}{track:048x}", u64::from(track + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// A track's features.
pub fn features(store: &Store, track: u32) -> PathBuf {
    store.path(Content::from_hex(&sha256(track)).expect("hexadecimal"))
}

/// The styles of a track.
pub fn styles(track: u32) -> Vec<&'static str> {
    match track % 3 {
        0 => vec!["Acid", "House"],
        1 => vec!["House"],
        _ => vec![],
    }
}

/// Writes everything; features of `unread` are missing, as if those recordings could not be read.
pub fn write(folder: &Path, unread: &[u32]) {
    let mut split = Builder::new(&SPLIT);
    let mut listed = Builder::new(&FEATURES);
    let store = Store::new(folder.join("features"));
    for track in 0..TRACKS {
        let (name, sha256) = (name(track), sha256(track));
        split.push([
            Cell::Id(track.into()),
            Cell::Text(&name),
            Cell::Text(&sha256),
            Cell::Id(0),
            Cell::Id(0),
            Cell::Float(None),
            Cell::Text(part(track).name()),
            Cell::Ids(&[100 + i64::from(track / 2)]),
            Cell::Ids(&[]),
            Cell::Ids(&[1000 + i64::from(artist(track))]),
            Cell::Ids(&[10 + i64::from(artist(track) % 4)]),
            Cell::Words(&styles(track)),
            Cell::Words(&[]),
            Cell::Ints(&[]),
        ]);
        let has = !unread.contains(&track);
        let reason = (!has).then_some("damaged");
        let count = has.then_some(frames(track) as i32);
        listed.push([
            Cell::Text("music"),
            Cell::Text(&name),
            Cell::Text(&sha256),
            Cell::Int(count),
            Cell::MaybeText(reason),
            Cell::MaybeText(None),
        ]);
        if has {
            write_features(&features(&store, track), track, frames(track));
        }
    }
    write_table(&SPLIT.path(folder), &SPLIT, &split.finish()).expect("room");
    write_table(&store.table(None), &FEATURES, &listed.finish()).expect("room");
    let mut table = Builder::new(&STYLES);
    for (style, count) in [("House", 64), ("Acid", 32)] {
        table.push([
            Cell::Text(style),
            Cell::Id(count),
            Cell::Int(Some(9)),
            Cell::Int(Some(9)),
            Cell::Int(Some(9)),
        ]);
    }
    write_table(&STYLES.path(folder), &STYLES, &table.finish()).expect("room");
    let split = Split::read(folder, None).expect("just written");
    write_pairs(&split, &Association::ALL, Order::Uniform, 1, folder).expect("room");
}

/// Frames that contain their track's number, their own number, and zeros.
pub fn write_features(path: &Path, track: u32, frames: usize) {
    std::fs::create_dir_all(path.parent().expect("in folders")).expect("room");
    let mut writer = NpyWriter::create(path, 96, Dtype::F16).expect("room");
    for frame in 0..frames {
        let mut row = [0.0; 96];
        (row[0], row[1], row[95]) = (track as f32, frame as f32, 0.5);
        writer.write_rows(&row).expect("room");
    }
    writer.finish().expect("room");
}

/// Opens the data set.
pub fn open(folder: &Path) -> Arc<Dataset> {
    Dataset::open(folder, &folder.join("features")).expect("just written")
}

/// Two threads that prefetch batches.
pub fn readers() -> Arc<Readers> {
    Readers::new(2, 3)
}

/// A shipped configuration with changes.
pub fn config(name: &str, changes: &[&str]) -> Config {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("configs/{name}.toml"));
    Config::load_with(path, changes).expect("a configuration")
}

/// The track and the first frame in a patch's values; it must be complete.
pub fn place(patch: &[f32]) -> (u32, usize) {
    assert_eq!(patch.len(), PATCH);
    let (track, start) = (patch[0] as u32, patch[1] as usize);
    let count = frames(track);
    for (at, frame) in patch.chunks(96).enumerate() {
        let expected = if count < 128 { at % count } else { start + at };
        assert_eq!((frame[0] as u32, frame[1] as usize, frame[95]), (track, expected, 0.5), "frame {at}");
        assert!(frame[2..95].iter().all(|&value| value == 0.0));
    }
    (track, start)
}
