//! Writing allocates nothing, and a reset reuses everything.

use std::time::Duration;

use sleeve::extractor::{Extractor, Rows};
use sleeve::model::Model;
use sleeve::stream::{Capacity, State, Stream, StreamOptions, WriteError};
use sleeve_tests::audio::music;
use sleeve_tests::small_model;

use crate::calls_of_this_thread;

/// The number of calls of the allocator on this thread during `work`.
fn calls(work: impl FnOnce()) -> usize {
    let before = calls_of_this_thread();
    work();
    calls_of_this_thread() - before
}

#[test]
fn the_writer_never_calls_the_allocator() {
    assert!(calls(|| drop(vec![0_u8; 100])) >= 2, "calls are counted");
    let extractor = Extractor::builder(Model::bundled("msd-musicnn-1").unwrap()).build().unwrap();
    let options = StreamOptions::new(48_000, 2).capacity(Capacity::Seconds(1.0));
    let (mut writer, mut reader) = Stream::open(&extractor, &options).unwrap();
    let samples = music(48_000, 2, 4.0);
    let integers: Vec<i16> = samples.iter().map(|sample| (sample * 32_767.0) as i16).collect();
    let pushing = std::thread::spawn(move || {
        let mut pushed = 0;
        let during = calls(|| {
            let (mut rest, mut integers) = (samples.as_slice(), integers.as_slice());
            while !rest.is_empty() {
                rest = &rest[2 * writer.write(&rest[..128.min(rest.len())]).unwrap()..];
                integers = &integers[2 * writer.write_i16(&integers[..128.min(integers.len())]).unwrap()..];
                pushed += 1;
                if writer.available() == 0 {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
            assert_eq!(
                writer.write(&samples[..3]),
                Err(WriteError::PartialFrame { samples: 3, channels: 2 })
            );
            writer.finish();
            assert_eq!(writer.write(&samples), Err(WriteError::Finished));
            writer.reset().unwrap();
            writer.write(&samples).unwrap();
            writer.reset().unwrap();
            while writer.reset() != Err(WriteError::Busy) {
                if writer.write(&samples[..2]) == Err(WriteError::Closed) {
                    break;
                }
                writer.finish();
            }
            while writer.reset() != Err(WriteError::Closed) {
                std::thread::sleep(Duration::from_millis(1));
            }
            assert_eq!(writer.write(&samples), Err(WriteError::Closed));
        });
        (during, pushed)
    });
    // The model runs at the same time.
    let mut patches = 0;
    let mut sink = |rows: &Rows<'_>| {
        patches += rows.times.len();
        Ok(())
    };
    while reader.read(&mut sink).unwrap().state != State::Finished {
        std::thread::sleep(Duration::from_millis(1));
    }
    drop(reader);
    let (during, pushed) = pushing.join().unwrap();
    assert_eq!(during, 0, "calls of the allocator by the pushing thread");
    assert!(pushed > 1_000 && patches > 2, "{pushed} pushes, {patches} patches");
}

#[test]
fn a_reset_and_the_next_recording_allocate_nothing_new() {
    use sleeve::audio::Resampler;
    let samples = music(44_100, 2, 1.5);
    for resampler in [Resampler::Linear, Resampler::Sinc] {
        let extractor = Extractor::builder(small_model::model()).resampler(resampler);
        // No patch becomes complete, because an engine may allocate.
        let extractor = extractor.threads(1).patch_hop(4).build().unwrap();
        let (mut writer, mut reader) = Stream::open(&extractor, &StreamOptions::new(44_100, 2)).unwrap();
        let mut sink = |_: &Rows<'_>| Ok(());
        let short = 2 * 2_000;
        let mut record = |samples: &[f32], finish: bool| {
            calls(|| {
                writer.write(samples).unwrap();
                while reader.read(&mut sink).unwrap().state == State::More {}
                if finish {
                    writer.finish();
                    assert_eq!(reader.read(&mut sink).unwrap().state, State::Finished);
                }
                writer.reset().unwrap();
                reader.read(&mut sink).unwrap();
            })
        };
        assert!(record(&samples, true) > 0, "{resampler}: the first recording allocates its buffers");
        for finish in [true, false, true] {
            assert_eq!(record(&samples[..short], finish), 0, "{resampler}, finished: {finish}");
        }
    }
}
