//! Work that several tests need and that one of them does, across processes: nextest runs each test in its own process.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::sync::OnceLock;
use std::time::SystemTime;

use crate::repository;

/// Calls `make` once per run of the tests; other callers wait meanwhile. The result is in files whose paths the callers
/// know. If `make` panics, the next caller tries again.
pub fn once_a_run(name: &str, make: impl FnOnce()) {
    let folder = repository().join("target/test-once");
    std::fs::create_dir_all(&folder).expect("target/ is writable");
    // Held during `make`, and released even if the process is killed.
    let mut lock =
        File::options().create(true).truncate(false).read(true).write(true).open(folder.join(name)).unwrap();
    lock.lock().unwrap();
    let mut made_in = String::new();
    lock.read_to_string(&mut made_in).unwrap();
    if made_in != run() {
        make();
        lock.set_len(0).unwrap();
        lock.rewind().unwrap();
        lock.write_all(run().as_bytes()).unwrap();
    }
}

/// The name of this run: nextest sets it for all its processes; otherwise each process is a run.
fn run() -> &'static str {
    static RUN: OnceLock<String> = OnceLock::new();
    RUN.get_or_init(|| {
        std::env::var("NEXTEST_RUN_ID").unwrap_or_else(|_| {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            format!("{} {}", std::process::id(), now.as_nanos())
        })
    })
}
