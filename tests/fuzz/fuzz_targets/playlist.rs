//! Playlists of every kind: the first byte chooses the extension.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sleeve_cli::internal::{is_playlist, read_playlist};

#[path = "shared/place.rs"]
mod place;

fuzz_target!(|data: &[u8]| {
    let Some((kind, bytes)) = data.split_first() else { return };
    let extension = ["m3u", "m3u8", "pls", "xspf"][usize::from(kind % 4)];
    let path = place::put(extension, bytes);
    assert!(is_playlist(&path));
    if let Ok(entries) = read_playlist(&path) {
        assert!(entries.len() <= bytes.len());
        assert!(entries.iter().all(|entry| !entry.place.is_empty()));
    }
});
