//! Any bytes as an audio file: decoded, downmixed and resampled, to the end or to an error; then levelled, too.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sleeve::audio::{AudioOptions, AudioReader, Level, MonoReader, Resampler};

#[path = "shared/panics.rs"]
mod panics;

/// A quarter of a minute: enough to reach every state of a decoder. The limit is needed because a few bytes of FLAC can
/// mean a minute of silence.
const MAX_SAMPLES: usize = 1 << 18;

fuzz_target!(init: panics::note_contained(), |bytes: &[u8]| {
    let Ok(reader) = AudioReader::from_bytes("fuzz", bytes) else { return };
    let claimed = reader.info().clone();
    assert!(claimed.channels > 0 && claimed.sample_rate > 0);
    let Ok(reader) = MonoReader::new(reader, 16_000, Resampler::Linear) else { return };
    // To be measured, a recording is decoded to its end.
    if read(reader) < MAX_SAMPLES
        && let Ok(reader) =
            MonoReader::from_bytes("fuzz", bytes, 16_000, AudioOptions::new().level(Level::Track))
    {
        read(reader);
    }
});

/// Reads the recording to its end, to an error or to the limit, and returns the number of samples.
fn read(mut reader: MonoReader) -> usize {
    let (mut samples, mut total) = (Vec::new(), 0);
    while total < MAX_SAMPLES {
        samples.clear();
        match reader.read(&mut samples) {
            Ok(0) | Err(_) => break,
            Ok(count) => {
                assert_eq!(count, samples.len());
                assert!(samples.iter().all(|sample| sample.is_finite()));
                total += count;
            }
        }
    }
    total
}
