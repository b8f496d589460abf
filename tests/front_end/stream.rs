//! A signal in pieces gives the same bits as the whole signal.

use proptest::prelude::*;
use sleeve::front_end::musicnn::{BANDS, FRAME_SIZE, HOP, frame_count};
use sleeve::front_end::{FrontEnd, Spectrogram, SpectrogramStream};

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

fn pushed(stream: &mut SpectrogramStream, samples: &[f32], chunks: &[usize]) -> Vec<f32> {
    let mut frames = Vec::new();
    let mut rest = samples;
    for &chunk in chunks.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (now, later) = rest.split_at(chunk.min(rest.len()));
        stream.push(now, &mut frames);
        rest = later;
        // Every complete frame has been returned: a frame needs 256 samples after its middle.
        let given = samples.len() - rest.len();
        assert_eq!(frames.len() / BANDS, given / HOP, "after {given} samples");
    }
    stream.finish(&mut frames);
    frames
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_chunking_gives_the_bits_of_the_whole(
        samples in signal(12_000),
        chunks in prop::collection::vec(prop_oneof![1usize..5, 1usize..700, Just(256), 1usize..9000], 1..12),
    ) {
        let whole = Spectrogram::new(FrontEnd::MusiCnn).compute(&samples);
        prop_assert_eq!(whole.nrows() as u64, frame_count(samples.len() as u64));
        let mut stream = SpectrogramStream::new(FrontEnd::MusiCnn);
        let frames = pushed(&mut stream, &samples, &chunks);
        prop_assert_eq!(bits(&frames), bits(whole.as_slice().unwrap()));
        // A finished stream can be reused, and so can one that was reset halfway.
        prop_assert_eq!(bits(&pushed(&mut stream, &samples, &[1000])), bits(&frames));
        stream.push(&samples, &mut Vec::new());
        stream.reset();
        prop_assert_eq!(bits(&pushed(&mut stream, &samples, &[333])), bits(&frames));
    }

    #[test]
    fn frames_one_by_one_give_the_bits_of_the_whole(samples in signal(6000)) {
        let mut mel = Spectrogram::new(FrontEnd::MusiCnn);
        let whole = mel.compute(&samples);
        let mut padded = vec![0.0; HOP];
        padded.extend_from_slice(&samples);
        padded.resize((whole.nrows() + 1) * HOP, 0.0);
        for (index, expected) in whole.rows().into_iter().enumerate() {
            let mut frame = [0.0; BANDS];
            mel.frame(&padded[index * HOP..][..FRAME_SIZE], &mut frame);
            prop_assert_eq!(bits(&frame), bits(expected.as_slice().unwrap()), "frame {}", index);
        }
    }

    #[test]
    fn a_spoilt_sample_spoils_only_the_frames_that_hold_it(
        samples in signal(6000).prop_filter("some samples", |samples| !samples.is_empty()),
        position in any::<prop::sample::Index>(),
        wrong in prop_oneof![Just(f32::NAN), Just(f32::INFINITY), Just(f32::NEG_INFINITY)],
    ) {
        let mut mel = Spectrogram::new(FrontEnd::MusiCnn);
        let clean = mel.compute(&samples);
        let mut spoilt = samples.clone();
        let position = position.index(samples.len());
        spoilt[position] = wrong;
        for (index, (spoilt, clean)) in mel.compute(&spoilt).rows().into_iter().zip(clean.rows()).enumerate() {
            let holds = (position + HOP).wrapping_sub(index * HOP) < FRAME_SIZE;
            if !holds {
                prop_assert_eq!(bits(&spoilt.to_vec()), bits(&clean.to_vec()), "frame {}", index);
            }
        }
    }
}
