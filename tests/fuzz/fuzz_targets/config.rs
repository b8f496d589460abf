//! Configurations of training: an error, or one that is the same when it was written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sleeve_training::config::Config;

#[path = "shared/place.rs"]
mod place;

fuzz_target!(|data: &[u8]| {
    let Ok(config) = Config::load(place::put("toml", data)) else { return };
    // Seeds beyond TOML's integers have no text.
    let Ok(text) = config.to_toml() else { return };
    let again = Config::load(place::put("toml", text.as_bytes())).expect("what was written can be read");
    assert_eq!(again.to_toml().expect("it was written before"), text);
});
