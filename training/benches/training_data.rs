//! Measures the data steps other than `discogs`: precision and recall of `match`, and `pairs` at the paper's scale.
//! `--tracks N` sets that scale (default 4,000,000).

#[path = "../tests/support/mod.rs"]
mod support;

use std::time::Instant;

use sleeve_training::pairs::tables::{Split, write_pairs};
use sleeve_training::pairs::{Association, Order};
use sleeve_training::stats::stats;

fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    println!("match, on the tracklists of 1,000 real releases:");
    support::perturbed::print(&support::perturbed::measure(folder.path(), 1));

    let tracks = option("--tracks").unwrap_or(4_000_000);
    support::scale::write_split(folder.path(), tracks, 1);
    let before = support::reset_peak_memory();
    let start = Instant::now();
    let split = Split::read(folder.path(), None).expect("just written");
    let read = start.elapsed().as_secs_f64();
    let counts = write_pairs(&split, &Association::ALL, Order::Uniform, 1, folder.path()).expect("room");
    let all = start.elapsed().as_secs_f64();
    let peak = support::peak_memory();
    let sizes = |links: &sleeve_training::links::Links| {
        let mut sizes = vec![0u32; links.distinct()];
        links.values().iter().for_each(|&value| sizes[value as usize] += 1);
        sizes.into_iter().max().unwrap_or(0)
    };
    println!(
        "\npairs, on {tracks} synthetic tracks; the largest label has {} tracks, the largest artist {}:",
        sizes(&split.metadata.labels),
        sizes(&split.metadata.artists)
    );
    drop(split);
    println!("{}", stats(folder.path()).expect("just written"));
    let pairs: u64 = counts.iter().map(|(_, _, count)| count).sum();
    println!(
        "{pairs} pairs of all four associations in {all:.1} s (goal: under 60), of which {read:.1} s reading"
    );
    if let (true, Some(peak)) = (before, peak) {
        println!("peak memory {:.2} GB (goal: under 4)", peak as f64 / 1e9);
    }
}

fn option(name: &str) -> Option<usize> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1)?.parse().ok()
}
