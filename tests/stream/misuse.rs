//! Misuse of streams: bad samples, bad options, slices of a wrong length, sinks that fail.

use sleeve::Error;
use sleeve::audio::{Level, Resampler};
use sleeve::extractor::{Extractor, Rows};
use sleeve::patches::LastPatch;
use sleeve::stream::{Capacity, State, Stream, StreamOptions, WriteError};
use sleeve_tests::audio::music;
use sleeve_tests::rows::RowBits;
use sleeve_tests::small_model;
use sleeve_tests::streams::{downmixed, drain, failure, offline, open, plain, small, whole};

#[test]
fn a_bad_sample_is_refused_with_its_frame_after_all_that_came_before() {
    let extractor = small(4, LastPatch::Discard, Resampler::Linear, 8);
    let good = music(44_100, 2, 1.0);
    for (value, chunk) in [(f32::NAN, 30_000), (f32::INFINITY, 64), (f32::NEG_INFINITY, 1)] {
        let (mut writer, mut reader) = open(&extractor, 44_100, 2, 30_000);
        let mut bad = good.clone();
        bad[2 * 20_123 + 1] = value;
        bad[2 * 20_500] = f32::NAN;
        let mut rows = RowBits::default();
        for samples in bad.chunks(2 * chunk).take(20_123 / chunk) {
            writer.write(samples).unwrap();
            drain(&mut reader, &mut rows);
        }
        let pushed = 20_123 / chunk * chunk;
        writer.write(&bad[2 * pushed..2 * 30_000.min(bad.len() / 2)]).unwrap();
        for _ in 0..3 {
            match failure(&mut reader, &mut rows) {
                Error::NonFinite { index: 20_123, value: found, .. } => {
                    assert_eq!(found.to_bits(), value.to_bits());
                }
                other => panic!("{other}"),
            }
        }
        let text = failure(&mut reader, &mut rows).to_string();
        let of_mono = downmixed(&good[..2 * 20_123], 44_100, 2);
        let mut mono = [of_mono.clone(), vec![value]].concat();
        let offline_text = extractor.extract_samples(&mono, 44_100).err().unwrap().to_string();
        assert_eq!(text, offline_text);
        // All patches that are complete before the bad sample, however the samples were written.
        mono.pop();
        let expected = RowBits::of(&extractor.extract_samples(&mono, 44_100).unwrap());
        assert!(expected.starts_with(&rows));
        assert!(rows.len() + 1 >= expected.len() && !rows.is_empty(), "{} of {}", rows.len(), expected.len());
        // Later samples are discarded, so the writer is never blocked. The next recording works normally.
        assert_eq!(writer.available(), 30_000);
        writer.write(&good[..2_000]).unwrap();
        writer.finish();
        assert!(matches!(reader.read(&mut rows), Err(Error::NonFinite { index: 20_123, .. })));
        writer.reset().unwrap();
        let rows = whole(&mut writer, &mut reader, &good, 2);
        assert_eq!(rows, offline(&extractor, &good, 44_100, 2));
        // Frames are counted from the start of their recording.
        writer.reset().unwrap();
        writer.write(&[0.0, 0.0, 0.5, value]).unwrap();
        assert!(matches!(failure(&mut reader, &mut RowBits::default()), Error::NonFinite { index: 1, .. }));
    }
}

#[test]
fn a_sink_s_error_or_panic_loses_the_recording_and_no_other() {
    let extractor = plain();
    let samples = music(16_000, 1, 0.5);
    let expected = offline(&extractor, &samples, 16_000, 1);
    let (mut writer, mut reader) = open(&extractor, 16_000, 1, 8_000);
    writer.write(&samples).unwrap();
    let mut enough = |_: &Rows<'_>| Err(Error::Unavailable("enough".into()));
    assert!(matches!(reader.read(&mut enough), Err(Error::Unavailable(reason)) if reason == "enough"));
    let again = reader.read(&mut RowBits::default()).unwrap_err();
    assert!(again.to_string().contains("enough"), "{again}");
    writer.reset().unwrap();
    writer.write(&samples).unwrap();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        reader.read(&mut |_: &Rows<'_>| panic!("in a sink")).map(|_| ())
    }));
    assert!(panicked.is_err());
    let again = reader.read(&mut RowBits::default()).unwrap_err();
    assert!(again.to_string().contains("panicked"), "{again}");
    writer.reset().unwrap();
    assert_eq!(whole(&mut writer, &mut reader, &samples, 1), expected);
}

#[test]
fn options_that_cannot_be_are_refused() {
    let refusal = |options: StreamOptions| match Stream::open(&plain(), &options) {
        Err(Error::InvalidArgument(reason)) => reason,
        Err(other) => panic!("{options:?}: {other}"),
        Ok(_) => panic!("{options:?} was accepted"),
    };
    for rate in [0, 1, 999, 768_001, 1 << 31, u32::MAX] {
        assert!(refusal(StreamOptions::new(rate, 2)).contains(&format!("{rate} Hz")));
    }
    assert!(refusal(StreamOptions::new(48_000, 0)).contains("channel"));
    let capacities = [
        Capacity::Frames(0),
        Capacity::Frames(1 << 28),
        Capacity::Frames(usize::MAX),
        Capacity::Seconds(0.0),
        Capacity::Seconds(-1.0),
        Capacity::Seconds(1e9),
        Capacity::Seconds(f64::INFINITY),
        Capacity::Seconds(f64::NAN),
    ];
    for capacity in capacities {
        assert!(refusal(StreamOptions::new(48_000, 2).capacity(capacity)).contains("queue"), "{capacity:?}");
    }
    assert!(refusal(StreamOptions::new(48_000, u16::MAX)).contains("queue"), "10 s of 65,535 channels");
    // The smallest capacity, and the largest number of channels.
    let options = StreamOptions::new(48_000, 2).capacity(Capacity::Seconds(1e-9));
    assert_eq!(Stream::open(&plain(), &options).unwrap().0.available(), 1);
    let (mut writer, mut reader) = open(&plain(), 768_000, u16::MAX, 3);
    assert_eq!(writer.write(&vec![0.25; 4 * usize::from(u16::MAX)]).unwrap(), 3);
    writer.finish();
    let mut rows = RowBits::default();
    assert_eq!(drain(&mut reader, &mut rows), State::Finished);
    assert_eq!(rows.len(), 1);
}

#[test]
fn slices_of_no_whole_frames_are_refused_whole() {
    let (mut writer, mut reader) = open(&plain(), 48_000, 3, 100);
    for samples in [1, 2, 4, 299, 3_001] {
        let error = WriteError::PartialFrame { samples, channels: 3 };
        assert_eq!(writer.write(&vec![0.0; samples]), Err(error));
        assert_eq!(writer.write_i16(&vec![0; samples]), Err(error));
        assert!(error.to_string().contains(&format!("{samples} samples")));
        assert_eq!(Error::from(error).to_string(), error.to_string());
    }
    assert_eq!(writer.available(), 100);
    assert_eq!(writer.write(&[]), Ok(0));
    assert_eq!(writer.write_i16(&[]), Ok(0));
    let mut rows = RowBits::default();
    assert_eq!(drain(&mut reader, &mut rows), State::Waiting);
    writer.finish();
    assert_eq!(drain(&mut reader, &mut rows), State::Finished);
    assert!(rows.is_empty(), "an empty recording has no rows");
}

#[test]
fn a_stream_cannot_be_levelled() {
    let extractor = Extractor::builder(small_model::model()).level(Level::Track).build().unwrap();
    let error = Stream::open(&extractor, &StreamOptions::new(44_100, 2)).map(|_| ()).unwrap_err();
    assert!(
        matches!(&error, Error::InvalidArgument(reason) if reason.contains("cannot be levelled")),
        "{error}"
    );
}
