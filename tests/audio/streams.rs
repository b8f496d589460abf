//! `MonoStream`: the same bits however the signal is split, and the same as from a file.

use proptest::prelude::*;
use sleeve::Error;
use sleeve::audio::{MonoReader, MonoStream, Resampler};
use sleeve_tests::audio::music;

/// Pushes `samples` in pieces split at `cuts`, and returns the bits.
fn push(samples: &[f32], rate: u32, channels: u16, resampler: Resampler, cuts: &[usize]) -> Vec<u32> {
    let mut stream = MonoStream::new(rate, channels, 16_000, resampler).unwrap();
    let mut out = Vec::new();
    let mut rest = samples;
    for cut in cuts {
        let (now, later) = rest.split_at((cut * usize::from(channels)).min(rest.len()));
        stream.push(now, &mut out).unwrap();
        rest = later;
    }
    stream.push(rest, &mut out).unwrap();
    stream.finish(&mut out).unwrap();
    stream.finish(&mut out).unwrap();
    out.iter().map(|sample| sample.to_bits()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn results_do_not_depend_on_the_chunks(
        rate in prop::sample::select(vec![8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000, 192_000, 44_099]),
        channels in 1_u16..=6,
        frames in 0_usize..12_000,
        sinc in any::<bool>(),
        cuts in prop::collection::vec(0_usize..3_000, 0..40),
    ) {
        let resampler = if sinc { Resampler::Sinc } else { Resampler::Linear };
        let mut samples = music(rate, usize::from(channels), 1.6);
        samples.truncate(frames * usize::from(channels));
        let whole = push(&samples, rate, channels, resampler, &[]);
        let cut = push(&samples, rate, channels, resampler, &cuts);
        prop_assert_eq!(&whole, &cut);
        let ones = push(&samples, rate, channels, resampler, &vec![1; frames.min(2_000)]);
        prop_assert_eq!(&whole, &ones);
        let frames = samples.len() / usize::from(channels);
        let exact = (frames as f64 * 16_000.0 / f64::from(rate)).ceil() as i64;
        prop_assert!((whole.len() as i64 - exact).abs() <= i64::from(!sinc));
    }
}

#[test]
fn a_pushed_signal_equals_the_file_that_holds_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stereo.wav");
    let samples = music(44_100, 2, 3.0);
    let spec = hound::WavSpec {
        channels: 2,
        sample_rate: 44_100,
        bits_per_sample: 32,
        sample_format: hound::SampleFormat::Float,
    };
    let mut writer = hound::WavWriter::create(&path, spec).unwrap();
    samples.iter().for_each(|sample| writer.write_sample(*sample).unwrap());
    writer.finalize().unwrap();
    for resampler in [Resampler::Linear, Resampler::Sinc] {
        let mut reader = MonoReader::open(&path, 16_000, resampler).unwrap();
        let mut read = Vec::new();
        while reader.read(&mut read).unwrap() > 0 {}
        let read: Vec<u32> = read.iter().map(|sample| sample.to_bits()).collect();
        assert_eq!(push(&samples, 44_100, 2, resampler, &[777, 1, 0, 50_000]), read);
    }
}

#[test]
fn bad_pushes_are_refused_with_their_place() {
    let mut stream = MonoStream::new(44_100, 2, 16_000, Resampler::Linear).unwrap();
    let mut out = Vec::new();
    stream.push(&[0.0; 20], &mut out).unwrap();
    assert!(matches!(stream.push(&[0.0; 3], &mut out), Err(Error::InvalidArgument(_))));
    let before = out.len();
    let bad = [0.0, 0.0, 0.0, f32::NEG_INFINITY];
    match stream.push(&bad, &mut out) {
        Err(Error::NonFinite { index: 11, value, .. }) => assert_eq!(value, f32::NEG_INFINITY),
        other => panic!("{other:?}"),
    }
    assert_eq!(out.len(), before, "no sample was accepted");
    stream.push(&[0.5; 20], &mut out).unwrap();
    stream.finish(&mut out).unwrap();
    assert_eq!(out.len(), (20.0 * f64::from(16_000_f32 / 44_100.0)).ceil() as usize);
    assert!(matches!(stream.push(&[0.0; 2], &mut out), Err(Error::InvalidArgument(_))));
    assert!(MonoStream::new(44_100, 0, 16_000, Resampler::Linear).is_err());
    assert!(MonoStream::new(44_100, 1, 0, Resampler::Sinc).is_err());
}

#[test]
fn a_reset_stream_is_as_good_as_a_new_one() {
    let samples = music(44_100, 2, 0.4);
    for resampler in [Resampler::Linear, Resampler::Sinc] {
        let fresh = push(&samples, 44_100, 2, resampler, &[1_000]);
        let mut stream = MonoStream::new(44_100, 2, 16_000, resampler).unwrap();
        for finish in [false, true] {
            stream.push(&samples[..9_000], &mut Vec::new()).unwrap();
            if finish {
                stream.finish(&mut Vec::new()).unwrap();
            }
            stream.reset();
            let mut out = Vec::new();
            stream.push(&samples, &mut out).unwrap();
            stream.finish(&mut out).unwrap();
            assert_eq!(out.iter().map(|sample| sample.to_bits()).collect::<Vec<u32>>(), fresh, "{resampler}");
            stream.reset();
            let wrong = stream.push(&[0.0, f32::NAN], &mut Vec::new());
            assert!(matches!(wrong, Err(Error::NonFinite { index: 0, .. })), "frames count from 0 again");
        }
    }
}
