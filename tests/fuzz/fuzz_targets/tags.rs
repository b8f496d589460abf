//! Tags as music taggers write them, in any container: read, or the reason why not.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sleeve_training::scan::read_tags;

#[path = "shared/panics.rs"]
mod panics;
#[path = "shared/place.rs"]
mod place;

fuzz_target!(init: panics::note_contained(), |data: &[u8]| {
    match read_tags(&place::put("audio", data)) {
        Ok(_) => {}
        Err(reason) => assert!(!reason.is_empty()),
    }
});
