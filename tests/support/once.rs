//! What several tests need and one of them makes, whichever process they are in: nextest runs each test in its own.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::sync::OnceLock;
use std::time::SystemTime;

use crate::repository;

/// Calls `make` once in a run of the tests; whoever asks meanwhile waits. What is made lies in files whose places the
/// callers know. If `make` panics, the next one who asks tries again.
pub fn once_a_run(name: &str, make: impl FnOnce()) {
    let folder = repository().join("target/test-once");
    std::fs::create_dir_all(&folder).expect("target/ is writable");
    // Held while it is made, and let go of even if the process is killed.
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

/// What this run is called: by nextest for all its processes; else each process is a run.
fn run() -> &'static str {
    static RUN: OnceLock<String> = OnceLock::new();
    RUN.get_or_init(|| {
        std::env::var("NEXTEST_RUN_ID").unwrap_or_else(|_| {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            format!("{} {}", std::process::id(), now.as_nanos())
        })
    })
}
