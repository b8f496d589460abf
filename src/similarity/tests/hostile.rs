//! Files that someone made to do harm: every checksum is right, and nothing else is certain.

use std::fs;

use super::*;
use crate::internal::mend_library;

/// Asks a library everything, if it can be opened.
fn ask(path: &std::path::Path) {
    let Ok(library) = Library::open(path) else { return };
    for track in 0..library.len() {
        let _ = (library.track(track).to_track(), library.patches(track), library.activations(track));
        assert_eq!(library.vector(track).len(), library.dim());
    }
    if !library.is_empty() {
        let query = Query::new().track(0).count(3).threads(1);
        let _ = (library.find(&query), library.find(&query.clone().precision(Precision::Int8)));
        let _ = library.playlist(&query, &PlaylistOptions::default());
        let _ = library.path_between(0, library.len() - 1, 3, &PathOptions::default());
    }
    let _ = (library.duplicates(&DuplicateRule::default(), 1), library.sample(2, &SampleOptions::default()));
    if let Ok(mut writer) = LibraryWriter::open(path) {
        let track = Track { path: "x".into(), ..Track::default() };
        let vector = vec![1.0; library.dim()];
        let activations = vec![0.0; library.classes().len()];
        let _ = writer.add(&track, &Embedding { vector, activations, patches: Vec::new() });
        let _ = writer.finish();
    }
}

#[test]
fn hostile_files_are_refused_or_read_and_never_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hostile.library");
    let mut writer = LibraryWriter::create(&path, "/m", &origin(3)).unwrap();
    for (number, (track, embedding)) in tracks(1, 4, 3).into_iter().enumerate() {
        writer.add(&track, &Embedding { patches: vec![1.0; 3 * number], ..embedding }).unwrap();
        if number == 1 {
            writer.flush().unwrap();
        }
    }
    writer.finish().unwrap();
    let mut writer = LibraryWriter::open(&path).unwrap();
    writer.remove(1).unwrap();
    writer.finish().unwrap();
    let whole = fs::read(&path).unwrap();
    let mut random = Random::new(11);
    let mut opened = 0;
    for round in 0..1500 {
        let mut bytes = whole.clone();
        for _ in 0..1 + random.below(3) {
            // Mostly where lengths and numbers are.
            let at = match random.below(4) {
                0 => random.below(bytes.len()),
                1 => 64 + random.below(128),
                _ => {
                    let header = bytes.windows(4).enumerate().filter(|(_, bytes)| bytes == b"SEGM");
                    let headers: Vec<usize> = header.map(|(at, _)| at).collect();
                    headers[random.below(headers.len())] + random.below(160)
                }
            };
            bytes[at] = match random.below(4) {
                0 => 0,
                1 => 0xFF,
                2 => bytes[at].wrapping_add(1),
                _ => random.next() as u8,
            };
        }
        if round % 10 == 0 {
            bytes.truncate(random.below(bytes.len()));
        }
        mend_library(&mut bytes);
        fs::write(&path, &bytes).unwrap();
        opened += usize::from(Library::open(&path).is_ok());
        ask(&path);
    }
    // The checksums were right, or nothing would have been tested.
    assert!(opened > 50, "{opened}");
}

/// What fuzzing found, mended.
#[test]
fn what_fuzzing_found_is_read_or_refused() {
    let found = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/fuzz/library");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("found.library");
    // The folder is not in the published package.
    for entry in fs::read_dir(found).into_iter().flatten() {
        let mut bytes = fs::read(entry.unwrap().path()).unwrap();
        mend_library(&mut bytes);
        fs::write(&path, &bytes).unwrap();
        ask(&path);
    }
}
