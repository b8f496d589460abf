//! Code that tests and benchmarks of this crate share.
#![allow(dead_code)]

pub mod compare;
pub mod dataset;
pub mod formula;
pub mod perturbed;
pub mod scale;
pub mod synthetic;
pub mod wav;

use std::io::Read;
use std::path::{Path, PathBuf};

use sleeve_training::discogs::{Options, Progress, Report, ingest, open};

/// A file under `tests/data/`.
pub fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// The real sample of releases, decompressed.
pub fn real_releases() -> String {
    let mut text = String::new();
    let source = open(&data("discogs/discogs_20200806_releases.xml.gz"), &Progress::default());
    let mut stream = source.expect("the sample").stream;
    stream.read_to_string(&mut text).expect("the sample");
    text
}

/// Makes the tables of a dump in `out`; no record may be damaged.
pub fn tables_of(dump: &Path, out: &Path) -> Report {
    let mut damaged = |one: &_| panic!("{one:?}");
    ingest(dump, out, &Options::default(), &Progress::default(), &mut damaged).expect("a dump")
}

/// The peak memory of this process in bytes, if the system reports it.
pub fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
}

/// Resets the peak memory, if the system allows it; returns whether it did.
pub fn reset_peak_memory() -> bool {
    std::fs::write("/proc/self/clear_refs", "5").is_ok()
}

/// User and system time of this process, if the system reports it.
pub fn cpu_seconds() -> f64 {
    let Ok(line) = std::fs::read_to_string("/proc/self/stat") else { return f64::NAN };
    let fields: Vec<&str> = line.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(f64::NAN);
    (ticks(11) + ticks(12)) / 100.0
}

/// Whether a program is in `PATH`.
pub fn have(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Records that a test could not run. With `SLEEVE_TEST_ALL=1` this fails. The file in `SLEEVE_TEST_SKIPS` lists what
/// was skipped.
pub fn skip(test: &str, reason: &str) {
    use std::io::Write;
    let strict = std::env::var_os("SLEEVE_TEST_ALL").is_some_and(|value| value == "1");
    assert!(!strict, "skipped under SLEEVE_TEST_ALL=1: {reason}");
    eprintln!("skipped: {reason}");
    if let Some(path) = std::env::var_os("SLEEVE_TEST_SKIPS") {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
        file.and_then(|mut file| writeln!(file, "{test}: {reason}")).expect("the list of skips is writable");
    }
}
