//! Library files: what is written is read, whatever happens to them.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::Error;

fn contents(library: &Library) -> Vec<(Track, Embedding)> {
    let mut all: Vec<(Track, Embedding)> = (0..library.len())
        .map(|track| {
            let embedding = Embedding {
                vector: library.vector(track).to_vec(),
                activations: library.activations(track).to_vec(),
                patches: library.patches(track).unwrap().to_vec(),
            };
            (library.track(track).to_track(), embedding)
        })
        .collect();
    all.sort_by(|one, other| one.0.path.cmp(&other.0.path));
    all
}

fn sorted(mut all: Vec<(Track, Embedding)>) -> Vec<(Track, Embedding)> {
    all.sort_by(|one, other| one.0.path.cmp(&other.0.path));
    all
}

#[test]
fn what_is_added_changed_and_removed_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("music.library");
    let mut all = tracks(6, 5, 7);
    // Some with patches.
    for (number, (_, embedding)) in all.iter_mut().enumerate() {
        embedding.patches = vec![number as f32; 7 * (number % 3)];
    }
    let mut writer = LibraryWriter::create(&path, "/music", &origin(7)).unwrap();
    assert!(!path.exists() && writer.library().is_empty());
    for (number, (track, embedding)) in all.iter().enumerate() {
        writer.add(track, embedding).unwrap();
        if number % 7 == 6 {
            writer.flush().unwrap();
            // Whoever opens it now sees all of it, and whoever had opened it what there was.
            assert_eq!(Library::open(&path).unwrap().len(), number + 1);
        }
    }
    let before = Library::open(&path).unwrap();
    assert!(!before.has_changed());
    writer.finish().unwrap();
    assert!(before.has_changed() && before.len() == 28);
    let library = Library::open(&path).unwrap();
    assert_eq!(contents(&library), sorted(all.clone()));
    assert_eq!((library.root(), library.dim()), (std::path::Path::new("/music"), 7));
    assert_eq!(library.find_path("/music/artist 2/track 3.ogg"), Some(13));
    assert_eq!(library.find_path("artist 2/track 3.ogg"), Some(13));
    assert_eq!(library.find_path("artist 2"), None);

    // A track is moved, one gets another title, two are removed, one is added.
    let mut writer = LibraryWriter::open(&path).unwrap();
    let moved = Track { path: "elsewhere.ogg".into(), ..all[3].0.clone() };
    writer.replace(3, &moved).unwrap();
    all[3].0 = moved;
    all[4].0.tags.title = "Another".into();
    writer.replace(4, &all[4].0).unwrap();
    writer.remove(10).unwrap();
    writer.remove(29).unwrap();
    writer.remove(29).unwrap();
    assert!(writer.remove(30).is_err() && writer.replace(30, &all[0].0).is_err());
    let new = (Track { path: "new.ogg".into(), ..all[0].0.clone() }, all[0].1.clone());
    writer.add(&new.0, &new.1).unwrap();
    writer.finish().unwrap();
    all.remove(29);
    all.remove(10);
    all.push(new);
    let library = Library::open(&path).unwrap();
    assert_eq!(contents(&library), sorted(all.clone()));
    assert_eq!(before.track(3).title, "Track 3");
    // Searches do not find what was removed.
    let found = library.find(&Query::new().track(0).count(100)).unwrap();
    assert_eq!(found.len(), library.len() - 1);
    let int8 = library.find(&Query::new().track(0).count(100).precision(Precision::Int8)).unwrap();
    assert_eq!(found, int8);
    assert_eq!(library.sample(100, &SampleOptions::default()).unwrap().len(), library.len());

    // In one piece, in the order of paths.
    LibraryWriter::open(&path).unwrap().rewrite().unwrap();
    let whole = Library::open(&path).unwrap();
    assert_eq!(contents(&whole), sorted(all));
    assert!(whole.tracks().map(|track| track.path()).is_sorted());
    assert!(library.has_changed());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn many_small_changes_end_in_one_piece() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("music.library");
    LibraryWriter::create(&path, "", &origin(4)).unwrap().finish().unwrap();
    let all = tracks(8, 10, 4);
    for (number, (track, embedding)) in all.iter().enumerate() {
        let mut writer = LibraryWriter::open(&path).unwrap();
        writer.add(track, embedding).unwrap();
        if number % 2 == 1 {
            writer.remove(0).unwrap();
        }
        writer.finish().unwrap();
    }
    assert_eq!(Library::open(&path).unwrap().len(), 40);
    let rewritten = fs::metadata(&path).unwrap().len();
    assert!(rewritten < 40 * 400, "{rewritten}");
}

#[test]
fn a_new_library_takes_the_place_of_the_old_one_when_it_has_its_tracks() {
    let (_folder, library) = library(5, 2, 3);
    let other = origin(9);
    drop(LibraryWriter::create(library.path(), "", &other).unwrap());
    assert!(!library.has_changed());
    let mut writer = LibraryWriter::create(library.path(), "/new", &other).unwrap();
    assert!(writer.library().is_empty());
    let all = tracks(6, 3, 9);
    for (track, embedding) in &all[1..] {
        writer.add(track, embedding).unwrap();
    }
    assert!(!library.has_changed());
    writer.flush().unwrap();
    assert!(library.has_changed());
    let now = Library::open(library.path()).unwrap();
    assert_eq!((now.len(), now.dim(), now.root()), (17, 9, Path::new("/new")));
    writer.add(&all[0].0, &all[0].1).unwrap();
    writer.finish().unwrap();
    assert!(now.has_changed());
    assert_eq!(Library::open(library.path()).unwrap().len(), 18);
}

#[test]
fn one_writer_at_a_time() {
    let (_folder, library) = library(2, 2, 3);
    let writer = LibraryWriter::open(library.path()).unwrap();
    let error = LibraryWriter::open(library.path()).unwrap_err();
    assert!(
        matches!(&error, Error::Library { .. }) && error.to_string().contains("another process"),
        "{error}"
    );
    assert!(LibraryWriter::create(library.path(), "", &origin(3)).is_err());
    drop(writer);
    LibraryWriter::open(library.path()).unwrap();
    assert_eq!(Library::open(library.path()).unwrap().len(), 4);
}

#[test]
fn what_was_not_committed_is_not_there() {
    let (_folder, library) = library(2, 3, 5);
    let path = library.path();
    let committed = fs::read(path).unwrap();
    // A process ended while it appended.
    fs::write(path, [committed.as_slice(), &[0x5A; 1000]].concat()).unwrap();
    assert_eq!(contents(&Library::open(path).unwrap()), contents(&library));
    let mut writer = LibraryWriter::open(path).unwrap();
    let (track, embedding) = tracks(2, 3, 5).remove(0);
    writer.add(&Track { path: "new".into(), ..track }, &embedding).unwrap();
    writer.finish().unwrap();
    assert_eq!(Library::open(path).unwrap().len(), 7);
}

#[test]
fn damage_anywhere_is_refused_with_the_files_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("music.library");
    let mut writer = LibraryWriter::create(&path, "/music", &origin(5)).unwrap();
    let all = tracks(1, 4, 5);
    for (number, (track, embedding)) in all.iter().enumerate() {
        let patches = vec![1.0; 5 * (number % 3)];
        writer.add(track, &Embedding { patches, ..embedding.clone() }).unwrap();
        if number == 1 {
            writer.flush().unwrap();
        }
    }
    writer.finish().unwrap();
    let mut writer = LibraryWriter::open(&path).unwrap();
    writer.remove(2).unwrap();
    writer.finish().unwrap();
    let whole = fs::read(&path).unwrap();
    let expected = contents(&Library::open(&path).unwrap());
    let copy = folder.path().join("damaged.library");
    let read = |bytes: &[u8]| -> crate::Result<Vec<(Track, Embedding)>> {
        fs::write(&copy, bytes).unwrap();
        let library = Library::open(&copy)?;
        (0..library.len()).try_for_each(|track| library.patches(track).map(drop))?;
        Ok(contents(&library))
    };
    assert_eq!(read(&whole).unwrap(), expected);
    let refused = |bytes: &[u8], what: &str| {
        let error = read(bytes).expect_err(what);
        assert!(matches!(error, Error::Library { .. }), "{what}: {error}");
        assert!(error.to_string().contains("damaged.library"), "{error}");
    };
    for length in (0..whole.len()).step_by(29).chain([whole.len() - 1]) {
        refused(&whole[..length], "cut");
    }
    // Every byte counts, padding included, except the padding behind patches, which is never read.
    let mut harmless = 0;
    // Of the commit slots, some are enough: each is read again for a while, since a writer might be at work.
    for at in (0..whole.len()).filter(|at| !(64..192).contains(at) || at % 9 == 0) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        match read(&bytes) {
            Ok(found) => {
                assert_eq!(found, expected, "byte {at}");
                harmless += 1;
            }
            Err(error) => assert!(matches!(error, Error::Library { .. }), "byte {at}: {error}"),
        }
    }
    assert!(harmless < 128, "{harmless} bytes do not matter");
    // Other files.
    refused(b"", "empty");
    refused(&[0; 10_000], "zeros");
    refused(b"slv-near, and then something that goes on", "an old index");
    assert!(read(b"slv-near\x02\0\0\0......").unwrap_err().to_string().contains("index the library again"));
    let mut version = whole.clone();
    version[8] = 2;
    assert!(read(&version).unwrap_err().to_string().contains("version 2"));
    assert!(matches!(Library::open(folder.path()), Err(Error::Library { .. } | Error::Io { .. })));
    assert!(matches!(Library::open(folder.path().join("none")), Err(Error::Io { .. })));
}

#[test]
fn what_cannot_be_added_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("music.library");
    let mut writer = LibraryWriter::create(&path, "", &origin(3)).unwrap();
    let (track, good) = tracks(1, 1, 3).remove(0);
    let with = |vector: Vec<f32>| Embedding { vector, ..good.clone() };
    let cases = [
        (track.clone(), with(vec![1.0; 2]), "2 values"),
        (track.clone(), with(vec![0.0; 3]), "direction"),
        (track.clone(), with(vec![f32::INFINITY; 3]), "direction"),
        (track.clone(), with(vec![1e-45, 0.0, 0.0]), "direction"),
        (track.clone(), Embedding { activations: vec![], ..good.clone() }, "0 activations"),
        (track.clone(), Embedding { activations: vec![f32::NAN; 2], ..good.clone() }, "finite"),
        (track.clone(), Embedding { patches: vec![1.0; 4], ..good.clone() }, "whole vectors"),
        (Track { seconds: f64::INFINITY, ..track.clone() }, good.clone(), "duration"),
        (Track { path: PathBuf::new(), ..track.clone() }, good.clone(), "path"),
    ];
    for (track, embedding, word) in cases {
        let error = writer.add(&track, &embedding).unwrap_err();
        assert!(matches!(error, Error::InvalidArgument(_)) && error.to_string().contains(word), "{error}");
    }
    assert_eq!(writer.pending(), 0);
    assert!(LibraryWriter::create(folder.path().join("none"), "", &Origin::other("x", "0", 0)).is_err());
}

#[test]
fn vectors_of_another_model_are_refused_by_name() {
    let (_folder, library) = library(1, 2, 3);
    library.check_origin(&origin(3)).unwrap();
    let mut moved = origin(3);
    moved.place = "elsewhere".into();
    moved.ffmpeg = true;
    library.check_origin(&moved).unwrap();
    let change = |change: &dyn Fn(&mut Origin)| {
        let mut other = origin(3);
        change(&mut other);
        library.check_origin(&other).unwrap_err().to_string()
    };
    let text = change(&|origin| (origin.model, origin.sha256) = ("other".into(), "11".into()));
    assert!(text.contains("music.library: made with test") && text.contains("not with other"), "{text}");
    assert!(change(&|origin| origin.level = "track".into()).contains("level none, not track"));
    assert!(change(&|origin| origin.hop = 31).contains("hop 0, not 31"));
    assert!(change(&|origin| origin.dim = 4).contains("size 3, not 4"));
    assert!(change(&|origin| origin.front_end = "vggish".into()).contains("front end"));
}

#[test]
fn readers_see_whole_states_while_a_writer_goes_on() {
    let (_folder, library) = library(1, 3, 6);
    let path = library.path().to_owned();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let (mut opened, mut last) = (0, 0);
            while !done.load(std::sync::atomic::Ordering::Acquire) {
                let library = Library::open(&path).unwrap();
                assert!(library.len() >= last);
                (opened, last) = (opened + 1, library.len());
                assert_eq!(library.find(&Query::new().track(0).count(1000)).unwrap().len(), last - 1);
            }
            (opened, last)
        });
        for round in 0..60 {
            let mut writer = LibraryWriter::open(&path).unwrap();
            for (number, (track, embedding)) in tracks(1, 4, 6).into_iter().enumerate() {
                let track = Track { path: format!("{round}/{number}").into(), ..track };
                writer.add(&track, &embedding).unwrap();
                writer.flush().unwrap();
            }
            writer.finish().unwrap();
        }
        done.store(true, std::sync::atomic::Ordering::Release);
        let (opened, _) = reader.join().unwrap();
        assert!(opened > 1);
    });
    assert_eq!(Library::open(&path).unwrap().len(), 243);
}
