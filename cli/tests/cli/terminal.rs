//! Standard output that cannot be written.

#![cfg(target_os = "linux")]

use std::fs::File;
use std::process::Stdio;

use crate::{Place, sleeve};

/// What prints a result, in a place with a recording, an index of it, and nothing else.
const COMMANDS: &[&[&str]] = &[
    &["extract", "lib", "--model", "msd-musicnn-1"],
    &["mel", "lib/a.wav"],
    &["similar", "index", "i", "lib"],
    &["similar", "find", "i", "lib/a.wav"],
    &["similar", "find", "i", "lib/a.wav", "--json"],
    &["similar", "playlist", "i", "lib/a.wav"],
    &["similar", "path", "i", "lib/a.wav", "lib/b.wav", "-n", "2"],
    &["similar", "sample", "i"],
    &["similar", "duplicates", "i", "--duplicate-cosine", "-1", "--duplicate-seconds", "60"],
    &["similar", "stats", "i"],
    &["stream", "--fast", "lib/a.wav"],
    &["models"],
    &["models", "msd-musicnn-1", "--classes"],
    &["devices"],
    &["completions", "bash"],
    &["man"],
    &["--help"],
    &["extract", "--help"],
    &["--version"],
];

fn place() -> Place {
    let place = Place::new();
    place.song("lib/a.wav");
    place.put("lib/b.wav", &crate::wav(4.0));
    let mut command = sleeve("similar");
    let output = command.args(["index", "i", "lib"]).current_dir(place.path()).output().unwrap();
    assert!(output.status.success());
    place
}

#[test]
fn a_full_disk_is_an_error() {
    let place = place();
    for arguments in COMMANDS {
        let mut command = sleeve(arguments[0]);
        command.args(&arguments[1..]).current_dir(place.path());
        command.stdout(File::options().write(true).open("/dev/full").unwrap());
        let output = command.stderr(Stdio::piped()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        let last = said.lines().last().unwrap_or_default();
        assert!(last.starts_with("error: standard output: "), "{arguments:?}: {said}");
        assert!(!said.contains("panicked"), "{said}");
    }
}

#[test]
fn a_closed_pipe_is_a_quiet_end() {
    use std::os::unix::process::ExitStatusExt;
    let place = place();
    for arguments in COMMANDS {
        let mut command = sleeve(arguments[0]);
        command.args(&arguments[1..]).current_dir(place.path());
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = command.stdout(writer).stderr(Stdio::piped()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.signal(), Some(13), "{arguments:?}: {:?} {said}", output.status);
        assert_eq!(said, "", "{arguments:?}");
    }
}

#[test]
fn messages_that_cannot_be_written_do_no_harm() {
    let place = place();
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let mut command = place.extract(&["lib", "nowhere.wav", "-o", "v"]);
    assert_eq!(command.stderr(full()).status().unwrap().code(), Some(1));
    assert_eq!(place.index("v/index.json")["files"].as_array().unwrap().len(), 2);
    let mut command = place.extract(&["--nonsense"]);
    assert_eq!(command.stderr(full()).status().unwrap().code(), Some(2));
}

/// With overflow checks, as in tests, these inputs make a decoder panic, which is a failure of the recording alone.
#[test]
fn a_panic_in_a_decoder_is_told_as_an_error_and_prints_no_backtrace() {
    let place = Place::new();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/fuzz/decode");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let mut extract = place.extract(&files.collect::<Vec<_>>());
    extract.args(["-o", "v", "-v"]);
    let output = extract.env("RUST_BACKTRACE", "1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("the decoder failed ("), "{said}");
    assert!(!said.contains("panicked") && !said.contains("backtrace"), "{said}");
}
