//! Mel frames per second on one core, compared with Essentia. Both take turns in one run.

use anyhow::{Result, ensure};
use sleeve::front_end::musicnn::{FRAME_SIZE, HOP, SAMPLE_RATE};
use sleeve::front_end::{FrontEnd, Spectrogram, SpectrogramStream};
use sleeve_benches::realfft_mel::RealFftMel;
use sleeve_benches::{Peer, cpu, median};

const SECONDS: usize = 60;
const ROUNDS: usize = 15;
/// Minimum CPU time of our turns, in seconds: about as long as the peer's.
const TURN: f64 = 0.03;

/// A way to compute the mel-spectrogram of all samples; returns the frames.
type Way = (&'static str, Box<dyn FnMut(&[f32]) -> usize>);

fn main() -> Result<()> {
    let samples = noise(SECONDS * SAMPLE_RATE as usize);
    let file = std::env::temp_dir().join(format!("sleeve-bench-mel-{}.f32", std::process::id()));
    let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    std::fs::write(&file, bytes)?;
    // After its first answer, the peer has read the file.
    let peer = Peer::start("peers", "mel.py", &file).and_then(|mut peer| peer.ask("loop").map(|_| peer));
    let _ = std::fs::remove_file(&file);
    let mut peer = peer?;

    let mut ours = ways();
    let theirs = [
        ("loop", "Essentia, loop over FrameGenerator"),
        ("network", "Essentia, network from memory"),
        ("file", "Essentia, network from a WAV file"),
    ];
    let mut our_times = vec![Vec::new(); ours.len()];
    let mut their_times = vec![Vec::new(); theirs.len()];
    let mut frames = 0;
    for round in 0..=ROUNDS {
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
    println!("{SECONDS} s of noise, {frames} frames, one core, medians of {ROUNDS} turns\n");
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
            SECONDS as f64 / seconds,
            fastest / seconds
        );
    };
    for ((_, name), times) in theirs.iter().zip(&their_times) {
        line(name, times);
    }
    for ((name, _), times) in ours.iter().zip(&our_times) {
        line(name, times);
    }
    Ok(())
}

fn ways() -> Vec<Way> {
    let mut whole = Spectrogram::new(FrontEnd::MusiCnn);
    let mut single = Spectrogram::new(FrontEnd::MusiCnn);
    let mut stream = SpectrogramStream::new(FrontEnd::MusiCnn);
    let mut small = SpectrogramStream::new(FrontEnd::MusiCnn);
    let mut usual = RealFftMel::new();
    vec![
        ("Sleeve, whole signal", Box::new(move |samples| whole.compute(samples).nrows())),
        ("Sleeve, stream, 1 s a push", Box::new(move |samples| streamed(&mut stream, samples, 16_000))),
        ("Sleeve, stream, 256 samples a push", Box::new(move |samples| streamed(&mut small, samples, HOP))),
        (
            "Sleeve, frame by frame",
            Box::new(move |samples| {
                let mut mel = [0.0; 96];
                let frames = samples.windows(FRAME_SIZE).step_by(HOP);
                frames.map(|frame| single.frame(frame, std::hint::black_box(&mut mel))).count() + 2
            }),
        ),
        (
            "usual form (realfft, libm), by frame",
            Box::new(move |samples| {
                let mut mel = Vec::new();
                samples.windows(FRAME_SIZE).step_by(HOP).for_each(|frame| usual.frame(frame, &mut mel));
                std::hint::black_box(mel).len() / 96 + 2
            }),
        ),
    ]
}

fn streamed(stream: &mut SpectrogramStream, samples: &[f32], chunk: usize) -> usize {
    let mut frames = Vec::new();
    let mut count = 0;
    for chunk in samples.chunks(chunk) {
        stream.push(chunk, &mut frames);
        count += frames.len() / 96;
        frames.clear();
    }
    stream.finish(&mut frames);
    count + frames.len() / 96
}

fn noise(samples: usize) -> Vec<f32> {
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((state >> 40) as f32) / (1u64 << 23) as f32 - 1.0
    };
    (0..samples).map(|_| 0.3 * next()).collect()
}
