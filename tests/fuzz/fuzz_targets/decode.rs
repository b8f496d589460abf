//! Any bytes as an audio file: decoded, downmixed and resampled, to the end or to an error.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sleeve::audio::{AudioReader, MonoReader, Resampler};

/// Enough to reach every state of a decoder. The limit is needed because a few bytes of FLAC can mean a minute of
/// silence.
const MAX_SAMPLES: usize = 1 << 22;

fuzz_target!(|bytes: &[u8]| {
    // The reader catches panics of decoders, but libFuzzer's hook would abort before that.
    std::panic::set_hook(Box::new(|_| {}));
    let Ok(reader) = AudioReader::from_bytes("fuzz", bytes) else { return };
    let claimed = reader.info().clone();
    assert!(claimed.channels > 0 && claimed.sample_rate > 0);
    let Ok(mut reader) = MonoReader::new(reader, 16_000, Resampler::Linear) else { return };
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
});
