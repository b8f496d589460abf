//! Checkpoints in safetensors: an error, or one that is the same when it was written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sleeve_training::checkpoint::Checkpoint;

#[path = "shared/place.rs"]
mod place;

fuzz_target!(|data: &[u8]| {
    let path = place::put("safetensors", data);
    let Ok(checkpoint) = Checkpoint::read(&path) else { return };
    checkpoint.write(&path).expect("what was read can be written");
    let written = std::fs::read(&path).expect("it was written");
    Checkpoint::read(&path).expect("what was written can be read").write(&path).expect("once more");
    assert!(std::fs::read(&path).expect("it was written") == written);
});
