//! The mel-spectrogram that models are given, frame by frame and in constant memory:
//! `cargo run --release --example mel -- song.mp3`.

use sleeve::audio::Resampler;
use sleeve::extractor::each_frame;
use sleeve::front_end::FrontEnd;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: mel AUDIO_FILE")?;
    // That of MusiCNN and of the Discogs models; others have their own.
    let front_end = FrontEnd::MusiCnn;
    let bands = front_end.bands();
    let (mut count, mut loudest) = (0, (0, f32::MIN));
    let summary = each_frame(&path, front_end, Resampler::Linear, |frames| {
        // Some frames at a time, 96 values each: log10(1 + 10000 x) of the energy x in each band.
        for frame in frames.chunks_exact(bands) {
            let mean = frame.iter().sum::<f32>() / bands as f32;
            if mean > loudest.1 {
                loudest = (count, mean);
            }
            count += 1;
        }
        Ok(())
    })?;
    let seconds = front_end.seconds(loudest.0);
    println!("{path}: {:.1} s, {count} frames of {bands} bands", summary.seconds);
    println!("the loudest frame is at {seconds:.2} s, mean log energy {:.2}", loudest.1);
    Ok(())
}
