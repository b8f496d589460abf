//! `features`, compared with decoding and the mel-spectrogram alone, which `extract` does too, on the same files in the
//! same run, alternating. `--rounds N` sets the number of rounds (default 7).
//!
//! One thread each, CPU time of the process. The recordings of `examples/audio` are typical. The same audio as WAV,
//! whose decoding takes almost no time, is the worst case.

#[path = "../tests/support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};

use sleeve::audio::{MonoReader, Resampler};
use sleeve::front_end::musicnn::SAMPLE_RATE;
use sleeve::front_end::{FrontEnd, SpectrogramStream};
use sleeve_training::features::Work;
use sleeve_training::scan::{Options, scan};

fn main() {
    let rounds = option("--rounds").unwrap_or(7);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let recordings = folder.path().join("recordings");
    let waves = folder.path().join("waves");
    std::fs::create_dir_all(&recordings).expect("room");
    let mut seconds = 0.0;
    let audio = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/audio");
    for entry in std::fs::read_dir(audio).expect("the examples' recordings") {
        let path = entry.expect("a file").path();
        if !path.extension().is_some_and(|ending| ending == "ogg" || ending == "mp3" || ending == "opus") {
            continue;
        }
        std::fs::copy(&path, recordings.join(path.file_name().expect("a name"))).expect("room");
        let mut reader = MonoReader::open(&path, 44_100, Resampler::default()).expect("a recording");
        let mut samples = Vec::new();
        while reader.read(&mut samples).expect("a recording") > 0 {}
        seconds += samples.len() as f64 / 44_100.0;
        let name = format!("{}.wav", path.file_stem().expect("a name").to_string_lossy());
        support::wav::write(&waves.join(name), 44_100, &samples);
    }
    println!("{seconds:.0} s of music, median of {rounds}, one thread, ms of CPU per minute of music\n");
    println!("{:<24}{:>14}{:>10}{:>8}", "", "decode + mel", "features", "ratio");
    for (name, music) in [("MP3, Vorbis, Opus", &recordings), ("WAV, 44.1 kHz mono", &waves)] {
        let table = folder.path().join("collection.parquet");
        scan(music, &table, &Options::default(), |_| {}).expect("a folder of music");
        let (mut alone, mut whole) = (Vec::new(), Vec::new());
        // The recordings are short and the clock has a resolution of 10 ms, so each is measured several times.
        let times = 20;
        for round in 0..rounds {
            alone.push(cpu(|| (0..times).for_each(|_| hear(music))));
            whole.push(cpu(|| {
                (0..times).for_each(|at| {
                    // Files are deleted only at the end: file systems are slower just after a deletion.
                    let out = music.with_extension(format!("features-{round}-{at}"));
                    let work = Work::list(music, &table, &out, None).expect("just scanned");
                    let report = work.run(1, |_| {}).expect("room");
                    assert!(report.unreadable.is_empty() && report.present == 0);
                });
            }));
        }
        let minutes = seconds * f64::from(times) / 60.0;
        let [alone, whole] = [alone, whole].map(|times| median(times) / minutes * 1e3);
        println!("{name:<24}{alone:>14.1}{whole:>10.1}{:>8.2}", whole / alone);
    }
    println!("\ngoal: at most 1.20");
}

/// Decodes every file of a folder, computes its mel-spectrogram and discards it.
fn hear(music: &Path) {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(music).expect("a folder").map(|entry| entry.expect("a file").path()).collect();
    paths.sort();
    for path in paths {
        let mut reader = MonoReader::open(&path, SAMPLE_RATE, Resampler::default()).expect("a recording");
        let mut mel = SpectrogramStream::new(FrontEnd::MusiCnn);
        let (mut samples, mut frames, mut count) = (Vec::new(), Vec::new(), 0);
        loop {
            samples.clear();
            frames.clear();
            let read = reader.read(&mut samples).expect("a recording");
            match read {
                0 => mel.finish(&mut frames),
                _ => mel.push(&samples, &mut frames),
            }
            count += frames.len();
            if read == 0 {
                break;
            }
        }
        assert!(count > 0);
    }
}

/// CPU time in seconds of some work, over all threads of this process.
fn cpu(work: impl FnOnce()) -> f64 {
    let start = support::cpu_seconds();
    work();
    support::cpu_seconds() - start
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn option(name: &str) -> Option<usize> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1)?.parse().ok()
}
