//! Several recordings through a stream: finished, abandoned, waiting, with either handle dropped.

use sleeve::stream::{State, WriteError};
use sleeve_tests::audio::music;
use sleeve_tests::rows::RowBits;
use sleeve_tests::streams::{drain, offline, open, plain, whole};

#[test]
fn recordings_wait_in_the_queue_one_behind_the_other() {
    let extractor = plain();
    let (mut writer, mut reader) = open(&extractor, 22_050, 2, 100_000);
    let recordings: Vec<Vec<f32>> =
        [0.4, 0.0, 0.01, 0.6].map(|seconds| music(22_050, 2, seconds)).into_iter().collect();
    for samples in &recordings {
        writer.write(samples).unwrap();
        writer.finish();
        writer.finish();
        assert_eq!(writer.write(&[0.0; 2]), Err(WriteError::Finished));
        assert_eq!(writer.write_i16(&[]), Err(WriteError::Finished));
        writer.reset().unwrap();
        // Nothing to abandon.
        writer.reset().unwrap();
    }
    for samples in &recordings {
        let mut rows = RowBits::default();
        assert_eq!(drain(&mut reader, &mut rows), State::Finished);
        assert_eq!(rows, offline(&extractor, samples, 22_050, 2));
    }
    let mut rows = RowBits::default();
    assert_eq!(drain(&mut reader, &mut rows), State::Waiting);
    writer.finish();
    for _ in 0..3 {
        assert_eq!(drain(&mut reader, &mut rows), State::Finished, "until the next recording begins");
    }
    writer.reset().unwrap();
    assert_eq!(drain(&mut reader, &mut rows), State::Waiting);
    assert!(rows.is_empty());
}

#[test]
fn an_abandoned_recording_gives_nothing_more_and_spoils_nothing() {
    let extractor = plain();
    let (mut writer, mut reader) = open(&extractor, 44_100, 1, 50_000);
    let (first, second) = (music(44_100, 1, 0.9), music(44_100, 1, 0.5));
    let mut rows = RowBits::default();
    // Part of it was processed. What is still in the queue, including whole patches, is discarded.
    writer.write(&first[..20_000]).unwrap();
    drain(&mut reader, &mut rows);
    let heard = rows.len();
    assert!(heard > 0);
    writer.write(&first[20_000..]).unwrap();
    writer.reset().unwrap();
    assert_eq!(drain(&mut reader, &mut rows), State::Abandoned);
    assert_eq!(rows.len(), heard);
    assert_eq!(drain(&mut reader, &mut rows), State::Waiting);
    assert_eq!(whole(&mut writer, &mut reader, &second, 1), offline(&extractor, &second, 44_100, 1));
    // A finished recording before it is still processed.
    writer.reset().unwrap();
    writer.write(&second).unwrap();
    writer.finish();
    writer.reset().unwrap();
    writer.write(&first[..9]).unwrap();
    writer.reset().unwrap();
    rows = RowBits::default();
    assert_eq!(drain(&mut reader, &mut rows), State::Finished);
    assert_eq!(rows, offline(&extractor, &second, 44_100, 1));
    assert_eq!(drain(&mut reader, &mut rows), State::Abandoned);
    assert_eq!(drain(&mut reader, &mut rows), State::Waiting);
    assert_eq!(writer.available(), 50_000);
}

#[test]
fn a_full_queue_still_takes_an_end_or_a_reset() {
    let extractor = plain();
    let (mut writer, mut reader) = open(&extractor, 16_000, 2, 10);
    assert_eq!(writer.write(&[0.5; 2 * 25]).unwrap(), 10);
    assert_eq!(writer.write(&[0.5; 2]).unwrap(), 0);
    assert_eq!(writer.available(), 0);
    writer.finish();
    writer.reset().unwrap();
    assert_eq!(writer.write(&[0.5; 2]).unwrap(), 0, "still full");
    let mut rows = RowBits::default();
    assert_eq!(drain(&mut reader, &mut rows), State::Finished);
    assert_eq!(rows, offline(&extractor, &[0.5; 20], 16_000, 2));
    assert_eq!(writer.write(&[0.5; 2 * 11]).unwrap(), 10);
    writer.reset().unwrap();
    assert_eq!(drain(&mut reader, &mut rows), State::Abandoned);
    assert_eq!(writer.available(), 10);
}

#[test]
fn endless_recordings_that_nobody_hears_are_refused_and_none_is_lost() {
    let extractor = plain();
    let (mut writer, mut reader) = open(&extractor, 16_000, 1, 1_000);
    let mut finished = 0;
    loop {
        writer.write(&[0.1; 3]).unwrap();
        writer.finish();
        finished += 1;
        match writer.reset() {
            Ok(()) => {}
            Err(error) => break assert_eq!(error, WriteError::Busy),
        }
    }
    assert_eq!(finished, 64);
    for attempt in 0..finished {
        assert_eq!(drain(&mut reader, &mut RowBits::default()), State::Finished, "{attempt}");
    }
    writer.reset().unwrap();
    assert_eq!(drain(&mut reader, &mut RowBits::default()), State::Waiting);
}

#[test]
fn either_handle_may_go_first() {
    let extractor = plain();
    let samples = music(16_000, 1, 0.5);
    let mut rows = RowBits::default();

    // The writer is dropped in the middle of a recording: it stays abandoned.
    let (mut writer, mut reader) = open(&extractor, 16_000, 1, 8_000);
    writer.write(&samples).unwrap();
    drop(writer);
    for _ in 0..3 {
        assert_eq!(drain(&mut reader, &mut rows), State::Abandoned);
    }
    assert!(rows.is_empty());

    // The writer is dropped before writing, and at the end.
    let (writer, mut reader) = open(&extractor, 16_000, 1, 8_000);
    drop(writer);
    assert_eq!(drain(&mut reader, &mut rows), State::Abandoned);
    let (mut writer, mut reader) = open(&extractor, 16_000, 1, 8_000);
    writer.write(&samples).unwrap();
    writer.finish();
    drop(writer);
    for _ in 0..3 {
        assert_eq!(drain(&mut reader, &mut rows), State::Finished);
    }
    assert_eq!(rows, offline(&extractor, &samples, 16_000, 1));

    // The reader is dropped, with a free queue and with a full one.
    for pushed in [0, 100, 8_000] {
        let (mut writer, reader) = open(&extractor, 16_000, 1, 8_000);
        writer.write(&samples[..pushed]).unwrap();
        drop(reader);
        assert_eq!(writer.write(&samples), Err(WriteError::Closed));
        assert_eq!(writer.write_i16(&[]), Err(WriteError::Closed));
        assert_eq!(writer.reset(), Err(WriteError::Closed));
        writer.finish();
        writer.finish();
    }
}
