//! Which panics count: those of our own code, and those that nothing contains.

use std::collections::BTreeSet;
use std::sync::Mutex;

/// Panics of dependencies that the library turns into errors are only noted, each place once; libFuzzer's hook would end
/// the process with them. `cargo xtask fuzz` lists them.
pub fn note_contained() {
    static NOTED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let abort = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        // What is neither from a registry nor in the standard library is in this repository.
        let foreign = place.split_once("/registry/src/").and_then(|(_, rest)| Some(rest.split_once('/')?.1));
        let is_std = place.starts_with("/rustc/");
        match foreign.or(is_std.then_some(place.as_str())) {
            Some(place) if sleeve::internal::is_contained() => {
                if NOTED.lock().is_ok_and(|mut noted| noted.insert(place.to_owned())) {
                    eprintln!("contained panic: {place}");
                }
            }
            _ => abort(panic),
        }
    }));
}
