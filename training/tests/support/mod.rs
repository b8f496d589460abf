//! What the tests and the benchmarks of this crate share.
#![allow(dead_code)]

pub mod perturbed;

use std::io::Read;
use std::path::{Path, PathBuf};

use sleeve_training::discogs::{Options, Progress, Report, ingest, open};

/// A file under `tests/data/`.
pub fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// The real sample of releases, unpacked.
pub fn real_releases() -> String {
    let mut text = String::new();
    let (mut stream, _) =
        open(&data("discogs/discogs_20200806_releases.xml.gz"), &Progress::default()).expect("the sample");
    stream.read_to_string(&mut text).expect("the sample");
    text
}

/// Makes the tables of a dump in `out`, in which nothing may be damaged.
pub fn tables_of(dump: &Path, out: &Path) -> Report {
    let mut damaged = |one: &_| panic!("{one:?}");
    ingest(dump, out, &Options::default(), &Progress::default(), &mut damaged).expect("a dump")
}
