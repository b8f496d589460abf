//! What the fuzz targets `checkpoint`, `config` and `tags` check, of a seed each and of what they have found.

use std::fs;
use std::path::{Path, PathBuf};

use sleeve_training::checkpoint::Checkpoint;
use sleeve_training::config::Config;
use sleeve_training::scan::read_tags;

use crate::support;

/// The inputs of a target, as files in a folder that may be written to.
fn inputs(target: &str, folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(support::data("fuzz").join(target)).unwrap();
    let copy = |entry: std::io::Result<fs::DirEntry>| {
        let from = entry.unwrap().path();
        let to = folder.join(from.file_name().unwrap());
        fs::copy(from, &to).unwrap();
        to
    };
    let inputs: Vec<PathBuf> = entries.map(copy).collect();
    assert!(!inputs.is_empty());
    inputs
}

/// Whole checkpoints are too large to be stored; those here end at the tensors that they lack. So does every part of
/// them, and what has one byte changed, if not before.
#[test]
fn checkpoints_without_their_tensors_are_refused_with_the_file_s_name() {
    let folder = tempfile::tempdir().unwrap();
    for path in inputs("checkpoint", folder.path()) {
        let whole = fs::read(&path).unwrap();
        let refused = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            let error = Checkpoint::read(&path).unwrap_err().to_string();
            assert!(error.contains(path.file_name().unwrap().to_str().unwrap()), "{error}");
            error
        };
        let lacks = refused(&whole);
        assert!(lacks.contains("not the tensors of such a network"), "{lacks}");
        (0..whole.len()).for_each(|length| drop(refused(&whole[..length])));
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1 << (at % 8);
            refused(&changed);
        }
    }
}

#[test]
fn a_configuration_is_refused_or_the_same_when_it_was_written_and_read() {
    let folder = tempfile::tempdir().unwrap();
    let shipped = ["track", "release", "artist", "label", "tags", "multitask"].map(|name| {
        let path = folder.path().join(format!("{name}-shipped.toml"));
        fs::write(&path, Config::shipped(name).unwrap().to_toml().unwrap()).unwrap();
        path
    });
    let mut read = 0;
    for path in inputs("config", folder.path()).into_iter().chain(shipped) {
        let Ok(text) = Config::load(&path).and_then(|config| config.to_toml()) else { continue };
        fs::write(&path, &text).unwrap();
        assert_eq!(Config::load(&path).unwrap().to_toml().unwrap(), text, "{}", path.display());
        read += 1;
    }
    assert!(read >= 6, "{read}");
}

/// lofty divides by the rate of a Speex stream, which may be 0.
#[test]
fn tags_are_read_or_there_is_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let (mut read, mut contained) = (0, 0);
    for path in inputs("tags", folder.path()) {
        match read_tags(&path) {
            Ok(_) => read += 1,
            Err(reason) => {
                assert!(!reason.is_empty(), "{}", path.display());
                contained += usize::from(reason.contains("attempt to divide by zero"));
            }
        }
    }
    assert!(read > 0 && contained > 0, "{read} read, {contained} contained");
}
