//! Frames per second of every front end on one core, compared with Essentia. Both take turns in one run.
//!
//! With names of front ends, only those: `cargo xtask bench mel vggish crepe`.

use std::path::Path;

use anyhow::{Result, ensure};
use sleeve::front_end::musicnn::{FRAME_SIZE, HOP};
use sleeve::front_end::{FrontEnd, Spectrogram, SpectrogramStream};
use sleeve_benches::realfft_mel::RealFftMel;
use sleeve_benches::{Peer, cpu, median};

/// Minimum CPU time of our turns, in seconds: about as long as the peer's.
const TURN: f64 = 0.03;

/// A way to compute the frames of all samples; returns their number.
type Way = (&'static str, Box<dyn FnMut(&[f32]) -> usize>);

fn main() -> Result<()> {
    let names: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let wanted = names.iter().map(|name| name.parse()).collect::<Result<Vec<FrontEnd>, _>>()?;
    let folder = tempfile::tempdir()?;
    // Essentia has nothing for VGGish's original frames.
    for front_end in FrontEnd::ALL.into_iter().filter(|each| *each != FrontEnd::VggishOriginal) {
        if wanted.is_empty() || wanted.contains(&front_end) {
            compare(front_end, folder.path())?;
        }
    }
    Ok(())
}

fn compare(front_end: FrontEnd, folder: &Path) -> Result<()> {
    let (length, rounds) = if front_end == FrontEnd::MusiCnn { (60, 15) } else { (20, 9) };
    let samples = noise(length * front_end.sample_rate() as usize);
    let file = folder.join(front_end.name()).with_extension("f32");
    std::fs::write(&file, samples.iter().flat_map(|sample| sample.to_le_bytes()).collect::<Vec<u8>>())?;
    let mut peer = Peer::start("peers", "mel.py", &file)?;

    let mut ours = ways(front_end);
    let theirs = [
        ("loop", "Essentia, loop over FrameGenerator"),
        ("network", "Essentia, network from memory"),
        ("file", "Essentia, network from a WAV file"),
    ];
    let theirs = &theirs[..peer.ask("ways")?[0] as usize];
    let mut our_times = vec![Vec::new(); ours.len()];
    let mut their_times = vec![Vec::new(); theirs.len()];
    let mut frames = 0;
    for round in 0..=rounds {
        for ((way, _), times) in theirs.iter().zip(&mut their_times) {
            let answer = peer.ask(way)?;
            frames = answer[0] as usize;
            times.push(answer[1]);
        }
        for ((name, compute), times) in ours.iter_mut().zip(&mut our_times) {
            let mut passes = 0;
            let mut count = 0;
            let started = cpu::process_seconds();
            let mut seconds = 0.0;
            while seconds < TURN {
                count = compute(&samples);
                passes += 1;
                seconds = cpu::process_seconds() - started;
            }
            ensure!(count.abs_diff(frames) <= 1, "{name}: {count} frames, Essentia has {frames}");
            times.push(seconds / f64::from(passes));
        }
        // The first round warms up.
        if round == 0 {
            our_times.iter_mut().chain(&mut their_times).for_each(Vec::clear);
        }
    }

    let fastest = their_times.iter().map(|times| median(times)).fold(f64::INFINITY, f64::min);
    println!("{front_end}: {length} s of noise, {frames} frames, one core, medians of {rounds} turns\n");
    println!(
        "{:40} {:>12} {:>10} {:>14} {:>20}",
        "", "frames/s", "us/frame", "x real time", "x Essentia's fastest"
    );
    let line = |name: &str, times: &[f64]| {
        let seconds = median(times);
        println!(
            "{name:40} {:>12.0} {:>10.3} {:>14.0} {:>20.2}",
            frames as f64 / seconds,
            seconds / frames as f64 * 1e6,
            length as f64 / seconds,
            fastest / seconds
        );
    };
    for ((_, name), times) in theirs.iter().zip(&their_times) {
        line(name, times);
    }
    for ((name, _), times) in ours.iter().zip(&our_times) {
        line(name, times);
    }
    println!();
    Ok(())
}

fn ways(front_end: FrontEnd) -> Vec<Way> {
    let mut whole = Spectrogram::new(front_end);
    let mut stream = SpectrogramStream::new(front_end);
    let mut small = SpectrogramStream::new(front_end);
    let second = front_end.sample_rate() as usize;
    let mut ways: Vec<Way> = vec![
        ("Sleeve, whole signal", Box::new(move |samples| whole.compute(samples).nrows())),
        ("Sleeve, stream, 1 s a push", Box::new(move |samples| streamed(&mut stream, samples, second))),
        (
            "Sleeve, stream, a hop a push",
            Box::new(move |samples| streamed(&mut small, samples, front_end.hop())),
        ),
    ];
    if front_end == FrontEnd::MusiCnn {
        let mut single = Spectrogram::new(front_end);
        let mut usual = RealFftMel::new();
        ways.push((
            "Sleeve, frame by frame",
            Box::new(move |samples| {
                let mut mel = [0.0; 96];
                let frames = samples.windows(FRAME_SIZE).step_by(HOP);
                frames.map(|frame| single.frame(frame, std::hint::black_box(&mut mel))).count() + 2
            }),
        ));
        ways.push((
            "usual form (realfft, libm), by frame",
            Box::new(move |samples| {
                let mut mel = Vec::new();
                samples.windows(FRAME_SIZE).step_by(HOP).for_each(|frame| usual.frame(frame, &mut mel));
                std::hint::black_box(mel).len() / 96 + 2
            }),
        ));
    }
    ways
}

fn streamed(stream: &mut SpectrogramStream, samples: &[f32], chunk: usize) -> usize {
    let bands = stream.front_end().bands();
    let mut frames = Vec::new();
    let mut count = 0;
    for chunk in samples.chunks(chunk) {
        stream.push(chunk, &mut frames);
        count += frames.len() / bands;
        frames.clear();
    }
    stream.finish(&mut frames);
    count + frames.len() / bands
}

fn noise(samples: usize) -> Vec<f32> {
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((state >> 40) as f32) / (1u64 << 23) as f32 - 1.0
    };
    (0..samples).map(|_| 0.3 * next()).collect()
}
