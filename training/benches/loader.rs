//! Batches from a warm cache: the loaders' patches per second, and how long a device waits for them. `--tracks N` sets
//! the size of the data set (default 2,000, 384 MB). Devices are simulated by their patches per second: two CPU cores,
//! the paper's six GPUs, and the goal for one current GPU. CPU time measures the cost of a patch when other load keeps
//! the threads waiting.

#[path = "../tests/support/mod.rs"]
mod support;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sleeve_training::batches::{Dataset, PairLoader, Readers};
use sleeve_training::config::Config;
use sleeve_training::features::{Content, FEATURES, Store};
use sleeve_training::pairs::tables::{Split, write_pairs};
use sleeve_training::pairs::{Association, Order};
use sleeve_training::splits::{Part, SPLIT};
use sleeve_training::table::{Builder, Cell, TableReader, write_table};

/// Patches per second.
const DEVICES: [f64; 3] = [200.0, 2_900.0, 29_000.0];
/// The maximum time of one measurement.
const MOST: Duration = Duration::from_secs(5);
/// Frames of a recording.
const FRAMES: usize = 1000;

fn main() {
    let tracks = option("--tracks").unwrap_or(2000);
    let temporary = tempfile::tempdir().expect("a temporary folder");
    let folder = temporary.path();
    write(folder, tracks);
    let dataset = Dataset::open(folder, &folder.join("features")).expect("just written");
    let config = Config::shipped("track").expect("it is shipped");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!(
        "{tracks} recordings of {FRAMES} frames, track pairs, batches of {} pairs, {cores} cores\n",
        config.objective.associations()[0].pairs
    );
    // Warm up the cache.
    epoch(&dataset, &config, 0, 1, Duration::ZERO);
    print!("threads  patches/s  CPU/patch     a device waits, at");
    DEVICES.iter().for_each(|rate| print!(" {rate:>7}/s"));
    println!();
    for threads in [0, 1, 2, 4, 8].into_iter().filter(|&threads| threads <= 2 * cores) {
        let cpu = support::cpu_seconds();
        let (patches, all, _) = epoch(&dataset, &config, threads, 10, Duration::ZERO);
        let each = 1e6 * (support::cpu_seconds() - cpu) / patches as f64;
        let alone = patches as f64 / all;
        print!("{threads:>7} {alone:>10.0} {each:>9.1} us {:>20}", "");
        for rate in DEVICES {
            // The simulated time that the device needs for a batch.
            let busy = Duration::from_secs_f64(2.0 * config.objective.associations()[0].pairs as f64 / rate);
            let (_, all, waited) = epoch(&dataset, &config, threads, 5, busy);
            print!(" {:>7.2} %", 100.0 * waited / all);
        }
        println!();
    }
    println!("\nincluding the first batch of each epoch, which is not ready yet");
}

/// Runs epochs: returns patches, seconds, and seconds spent in `next`.
fn epoch(
    dataset: &Arc<Dataset>,
    config: &Config,
    threads: usize,
    epochs: u64,
    busy: Duration,
) -> (usize, f64, f64) {
    let readers = Readers::new(threads, config.data.ahead);
    let task = &config.objective.associations()[0];
    let loader = PairLoader::new(dataset, config, task, Part::Train, &readers).expect("pairs");
    let (mut patches, mut waited) = (0, Duration::ZERO);
    let start = Instant::now();
    for epoch in 0..epochs {
        let mut batches = loader.epoch(epoch, 0, 1);
        for batch in batches.by_ref() {
            patches += 2 * batch.expect("features").len();
            if !busy.is_zero() {
                std::thread::sleep(busy);
            }
            if start.elapsed() > MOST {
                break;
            }
        }
        waited += batches.waited();
        if start.elapsed() > MOST {
            break;
        }
    }
    (patches, start.elapsed().as_secs_f64(), waited.as_secs_f64())
}

fn write(folder: &Path, tracks: usize) {
    support::scale::write_split(folder, tracks, 1);
    let split = Split::read(folder, None).expect("just written");
    write_pairs(&split, &[Association::Track], Order::Uniform, 1, folder).expect("room");
    let store = Store::new(folder.join("features"));
    let mut listed = Builder::new(&FEATURES);
    let mut track = 0;
    for rows in TableReader::open(&SPLIT.path(folder), &SPLIT, &["path", "sha256"]).expect("just written") {
        let rows = rows.expect("just written");
        for row in 0..rows.len() {
            let (path, sha256) = (rows.texts("path").value(row), rows.texts("sha256").value(row));
            let content = Content::from_hex(sha256).expect("hexadecimal");
            support::dataset::write_features(&store.path(content), track, FRAMES);
            listed.push([
                Cell::Text("music"),
                Cell::Text(path),
                Cell::Text(sha256),
                Cell::Int(Some(FRAMES as i32)),
                Cell::MaybeText(None),
                Cell::MaybeText(None),
            ]);
            track += 1;
        }
    }
    write_table(&store.table(None), &FEATURES, &listed.finish()).expect("room");
}

fn option(name: &str) -> Option<usize> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1)?.parse().ok()
}
