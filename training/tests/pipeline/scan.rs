//! `scan` on real recordings with the tags of common taggers.

use std::path::{Path, PathBuf};

use lofty::config::{ParseOptions, WriteOptions};
use lofty::file::AudioFile;
use lofty::id3::v2::Id3v2Tag;
use lofty::mpeg::MpegFile;
use lofty::ogg::VorbisFile;
use lofty::tag::Accessor;
use sleeve_training::scan::{COLLECTION, Options, Report, audio_sha256, scan};
use sleeve_training::table::{Rows, TableReader};

fn recording(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/audio").join(name)
}

/// Two tagged recordings, a copy, a broken one, and a file that is not music.
fn collection(folder: &Path) {
    std::fs::create_dir_all(folder.join("sub/deep")).unwrap();
    let ogg = folder.join("sub/deep/a.ogg");
    std::fs::copy(recording("ground.ogg"), &ogg).unwrap();
    let mut file =
        VorbisFile::read_from(&mut std::fs::File::open(&ogg).unwrap(), ParseOptions::new()).unwrap();
    let tags = file.vorbis_comments_mut();
    for key in ["TITLE", "ARTIST", "ALBUM", "DATE", "LABEL", "TRACKNUMBER"] {
        let _ = tags.remove(key).count();
    }
    for (key, value) in [
        ("TITLE", "Östermalm"),
        ("ARTIST", "One"),
        ("ARTIST", "Two"),
        ("ALBUM", "Stockholm"),
        ("DATE", "1999-03-01"),
        ("LABEL", "Svek"),
        ("TRACKNUMBER", "3"),
        ("DISCOGS_RELEASE_ID", "1"),
        ("discogs_artistid", "7"),
    ] {
        tags.push(key.to_owned(), value.to_owned());
    }
    file.save_to_path(&ogg, WriteOptions::default()).unwrap();

    let mp3 = folder.join("b.mp3");
    std::fs::copy(recording("idle_tune.mp3"), &mp3).unwrap();
    let mut file = MpegFile::read_from(&mut std::fs::File::open(&mp3).unwrap(), ParseOptions::new()).unwrap();
    let mut tag = Id3v2Tag::new();
    tag.set_title("Song".to_owned());
    tag.set_artist("Somebody".to_owned());
    tag.insert_user_text("discogs_albumid".to_owned(), "https://www.discogs.com/release/42-Name".to_owned());
    file.set_id3v2(tag);
    file.save_to_path(&mp3, WriteOptions::default()).unwrap();

    std::fs::copy(&mp3, folder.join("copy of b.mp3")).unwrap();
    std::fs::write(folder.join("broken.flac"), b"fLaC and no more").unwrap();
    std::fs::write(folder.join("empty.ogg"), b"").unwrap();
    std::fs::write(folder.join("notes.txt"), b"not music").unwrap();
}

fn rows(path: &Path) -> Rows {
    let columns: Vec<&str> = COLLECTION.columns.iter().map(|column| column.name).collect();
    TableReader::open(path, &COLLECTION, &columns).unwrap().next().unwrap().unwrap()
}

#[test]
fn tags_durations_ids_and_hashes() {
    let folder = tempfile::tempdir().unwrap();
    let music = folder.path().join("music");
    collection(&music);
    let out = folder.path().join("collection.parquet");
    let report = scan(&music, &out, &Options::default(), |_| ()).unwrap();
    assert_eq!((report.tracks, report.unchanged, report.unreadable.len()), (3, 0, 2), "{report:?}");
    let listed = std::fs::read_to_string(folder.path().join("collection.parquet.unreadable.tsv")).unwrap();
    assert!(listed.contains("broken.flac\t") && listed.contains("empty.ogg\t"), "{listed}");

    let rows = rows(&out);
    let paths: Vec<&str> = rows.texts("path").iter().flatten().collect();
    assert_eq!(paths, ["b.mp3", "copy of b.mp3", "sub/deep/a.ogg"]);
    assert_eq!(rows.texts("title").value(2), "Östermalm");
    assert_eq!(rows.word_list("artists", 2).collect::<Vec<_>>(), ["One", "Two"]);
    assert_eq!((rows.texts("album").value(2), rows.texts("label").value(2)), ("Stockholm", "Svek"));
    assert_eq!((rows.ints("year").value(2), rows.ints("track_number").value(2)), (1999, 3));
    assert_eq!(
        (rows.id_list("discogs_releases", 2), rows.id_list("discogs_artists", 2)),
        (&[1][..], &[7][..])
    );
    assert_eq!(rows.id_list("discogs_releases", 0), [42]);
    assert_eq!((rows.texts("format").value(0), rows.texts("format").value(2)), ("mp3", "vorbis"));
    // Durations as the catalogue has them.
    assert!((rows.floats("duration_s").value(2) - 29.54).abs() < 0.1);
    assert!((rows.floats("duration_s").value(0) - 44.72).abs() < 0.2);
    let hashes = rows.texts("sha256");
    assert_eq!(hashes.value(0), audio_sha256(&music.join("b.mp3")).unwrap());
    assert!(hashes.value(0) == hashes.value(1) && hashes.value(0) != hashes.value(2));
}

#[test]
fn only_what_changed_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let music = folder.path().join("music");
    collection(&music);
    let out = folder.path().join("collection.parquet");
    let again = || -> Report { scan(&music, &out, &Options::default(), |_| ()).unwrap() };
    again();
    let first = std::fs::read(&out).unwrap();
    assert_eq!(again().unchanged, 3);
    assert_eq!(std::fs::read(&out).unwrap(), first, "the same table");
    std::fs::remove_file(music.join("copy of b.mp3")).unwrap();
    std::fs::copy(recording("sky.ogg"), music.join("a new one.ogg")).unwrap();
    std::fs::copy(recording("sky.ogg"), music.join("sub/deep/a.ogg")).unwrap();
    let report = again();
    assert_eq!((report.tracks, report.unchanged), (3, 1));
    assert_eq!(rows(&out).texts("title").value(2), rows(&out).texts("title").value(0), "the new tags");
}
