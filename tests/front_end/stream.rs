//! A signal in pieces gives the same bits as the whole signal, in every front end.

use proptest::prelude::*;
use sleeve::front_end::{FrontEnd, OPENL3_FRAMES, Spectrogram, SpectrogramStream};

use super::signals::Noise;

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// Samples from silence to beyond full scale, sometimes with values that no recording should contain.
fn signal(longest: usize) -> impl Strategy<Value = Vec<f32>> {
    let sample = prop_oneof![
        20 => -1.0f32..1.0,
        2 => Just(0.0f32),
        2 => -1e-8f32..1e-8,
        1 => -1e-38f32..1e-38,
        1 => -1e6f32..1e6,
    ];
    prop::collection::vec(sample, 0..longest)
}

fn front_end() -> impl Strategy<Value = FrontEnd> {
    // Half of the cases for the one that most models have.
    prop_oneof![Just(FrontEnd::MusiCnn), prop::sample::select(FrontEnd::ALL.to_vec())]
}

/// Where frames begin before the first sample.
fn before(front_end: FrontEnd) -> usize {
    if front_end == FrontEnd::VggishOriginal { 0 } else { front_end.frame_size() / 2 }
}

fn has_chunks(front_end: FrontEnd) -> bool {
    matches!(front_end, FrontEnd::OpenL3Mel128 | FrontEnd::OpenL3Mel256)
}

/// How many frames are complete once so many samples are given.
fn complete(front_end: FrontEnd, given: usize) -> usize {
    if has_chunks(front_end) {
        return (given + 24_000) / 48_000 * OPENL3_FRAMES;
    }
    let more = (given + before(front_end)).checked_sub(front_end.frame_size());
    more.map_or(0, |more| 1 + more / front_end.hop())
}

fn pushed(stream: &mut SpectrogramStream, samples: &[f32], chunks: &[usize]) -> Vec<f32> {
    let front_end = stream.front_end();
    let mut frames = Vec::new();
    let mut rest = samples;
    for &chunk in chunks.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (now, later) = rest.split_at(chunk.min(rest.len()));
        stream.push(now, &mut frames);
        rest = later;
        // Every complete frame has been returned.
        let given = samples.len() - rest.len();
        let count = frames.len() / front_end.bands();
        assert_eq!(count, complete(front_end, given), "{front_end} after {given} samples");
    }
    stream.finish(&mut frames);
    frames
}

fn the_same_in_pieces(front_end: FrontEnd, samples: &[f32], chunks: &[usize]) {
    let whole = Spectrogram::new(front_end).compute(samples);
    assert_eq!(whole.dim(), (front_end.frame_count(samples.len() as u64) as usize, front_end.bands()));
    let mut stream = SpectrogramStream::new(front_end);
    let frames = pushed(&mut stream, samples, chunks);
    assert_eq!(bits(&frames), bits(whole.as_slice().unwrap()), "{front_end}");
    // A finished stream can be reused, and so can one that was reset halfway.
    assert_eq!(bits(&pushed(&mut stream, samples, &[1000])), bits(&frames), "{front_end}");
    stream.push(samples, &mut Vec::new());
    stream.reset();
    assert_eq!(bits(&pushed(&mut stream, samples, &[333])), bits(&frames), "{front_end}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn any_chunking_gives_the_bits_of_the_whole(
        front_end in front_end(),
        samples in signal(12_000),
        chunks in prop::collection::vec(prop_oneof![1usize..5, 1usize..700, Just(256), 1usize..9000], 1..12),
    ) {
        the_same_in_pieces(front_end, &samples, &chunks);
    }

    #[test]
    fn frames_one_by_one_give_the_bits_of_the_whole(front_end in front_end(), samples in signal(6000)) {
        let mut spectrogram = Spectrogram::new(front_end);
        let whole = spectrogram.compute(&samples);
        // OpenL3's first chunk begins half a second early.
        let mut padded = vec![0.0; before(front_end) + if has_chunks(front_end) { 24_000 } else { 0 }];
        padded.extend_from_slice(&samples);
        padded.resize(padded.len() + 60_000, 0.0);
        for (index, expected) in whole.rows().into_iter().enumerate() {
            let mut frame = vec![0.0; front_end.bands()];
            spectrogram.frame(&padded[index * front_end.hop()..][..front_end.frame_size()], &mut frame);
            let expected = bits(expected.as_slice().unwrap());
            prop_assert_eq!(bits(&frame), expected, "{}, frame {}", front_end, index);
        }
    }

    #[test]
    fn a_spoilt_sample_spoils_only_the_frames_that_hold_it(
        front_end in front_end().prop_filter("frames by their number", |front_end| !has_chunks(*front_end)),
        samples in signal(6000).prop_filter("some samples", |samples| !samples.is_empty()),
        position in any::<prop::sample::Index>(),
        wrong in prop_oneof![Just(f32::NAN), Just(f32::INFINITY), Just(f32::NEG_INFINITY)],
    ) {
        let mut spectrogram = Spectrogram::new(front_end);
        let clean = spectrogram.compute(&samples);
        let mut spoilt = samples.clone();
        let position = position.index(samples.len());
        spoilt[position] = wrong;
        let spoilt = spectrogram.compute(&spoilt);
        for (index, (spoilt, clean)) in spoilt.rows().into_iter().zip(clean.rows()).enumerate() {
            let begins = index * front_end.hop();
            let holds = (position + before(front_end)).wrapping_sub(begins) < front_end.frame_size();
            if !holds {
                let (spoilt, clean) = (bits(&spoilt.to_vec()), bits(&clean.to_vec()));
                prop_assert_eq!(spoilt, clean, "{}, frame {}", front_end, index);
            }
        }
    }
}

#[test]
fn chunks_of_a_second_in_pieces() {
    for (front_end, length) in [
        (FrontEnd::OpenL3Mel128, 24_000),
        (FrontEnd::OpenL3Mel128, 24_001),
        (FrontEnd::OpenL3Mel256, 72_000),
        (FrontEnd::OpenL3Mel128, 130_000),
    ] {
        let samples = Noise(length as u64).take(length, 0.5);
        the_same_in_pieces(front_end, &samples, &[1, 47_999, 10_000, 100_000]);
    }
    // A chunk holds none of the samples of another.
    let samples = Noise(5).take(100_000, 0.5);
    let mut spectrogram = Spectrogram::new(FrontEnd::OpenL3Mel128);
    let whole = spectrogram.compute(&samples);
    let mut spoilt = samples.clone();
    spoilt[24_000] = f32::NAN;
    let spoilt = spectrogram.compute(&spoilt);
    assert_eq!(whole.nrows(), 3 * OPENL3_FRAMES);
    for (index, (spoilt, clean)) in spoilt.rows().into_iter().zip(whole.rows()).enumerate() {
        // The second chunk's first sample is in those of its frames that begin before it.
        let holds = (199..199 + 5).contains(&index);
        assert_eq!(spoilt.iter().all(|value| value.is_nan()), holds, "frame {index}");
        assert!(holds || spoilt == clean, "frame {index}");
    }
}

/// What `each_frame` gives for a file, `each_frame_of_samples` gives for its samples: every front end, one channel and
/// two, resampled, levelled, normalised.
#[test]
fn samples_in_memory_give_the_frames_of_their_file() {
    use sleeve::audio::{AudioOptions, Level, Resampler};
    use sleeve::extractor::{each_frame, each_frame_of_samples};

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stereo.wav");
    let spec = hound::WavSpec {
        channels: 2,
        sample_rate: 22_050,
        bits_per_sample: 32,
        sample_format: hound::SampleFormat::Float,
    };
    let mut noise = Noise(7);
    let samples: Vec<f32> = (0..2 * 22_050 * 3 + 246).map(|_| 0.2 * noise.next()).collect();
    let mut writer = hound::WavWriter::create(&path, spec).unwrap();
    samples.iter().for_each(|&sample| writer.write_sample(sample).unwrap());
    writer.finalize().unwrap();
    for front_end in FrontEnd::ALL {
        for level in [Level::None, Level::Track] {
            let options = AudioOptions::new().level(level).resampler(Resampler::Linear);
            let (mut of_file, mut of_samples) = (Vec::new(), Vec::new());
            let keep = |frames: &mut Vec<f32>, more: &[f32]| {
                frames.extend_from_slice(more);
                Ok(())
            };
            let file =
                each_frame(&path, front_end, options.clone(), |more| keep(&mut of_file, more)).unwrap();
            let memory = each_frame_of_samples(&samples, 2, 22_050, front_end, options, |more| {
                keep(&mut of_samples, more)
            })
            .unwrap();
            assert!(!of_file.is_empty());
            assert_eq!(bits(&of_samples), bits(&of_file), "{front_end}, level {level}");
            assert_eq!(memory.level, file.level);
        }
    }
}
