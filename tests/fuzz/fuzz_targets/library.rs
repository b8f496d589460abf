//! Library files: no panic, whatever they claim. The checksums are made right first, for otherwise nearly every input ends
//! at them.
#![no_main]

use std::path::PathBuf;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use sleeve::similarity::{Library, PlaylistOptions, Query, SampleOptions};

/// Where inputs become files, because a library is mapped from one.
fn place() -> &'static PathBuf {
    static PLACE: OnceLock<PathBuf> = OnceLock::new();
    PLACE.get_or_init(|| {
        let memory = std::path::Path::new("/dev/shm");
        let folder = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        folder.join(format!("sleeve-fuzz-{}.library", std::process::id()))
    })
}

fuzz_target!(|data: &[u8]| {
    let mut bytes = data.to_vec();
    sleeve::internal::mend_library(&mut bytes);
    std::fs::write(place(), &bytes).expect("the file can be written");
    let Ok(library) = Library::open(place()) else { return };
    for track in 0..library.len() {
        let about = library.track(track);
        assert!(about.seconds >= 0.0);
        assert_eq!(library.vector(track).len(), library.dim());
        let _ = (library.activations(track), library.patches(track));
    }
    if library.is_empty() || library.dim() > 4096 {
        return;
    }
    let query = Query::new().track(0).count(3).threads(1);
    let found = library.find(&query).expect("a track has a direction");
    assert!(found.iter().all(|found| found.cosine.abs() <= 1.0));
    let _ = library.playlist(&query, &PlaylistOptions::default());
    let _ = library.duplicates(&library.duplicate_rule(), 1);
    let _ = library.sample(2, &SampleOptions::default());
});
