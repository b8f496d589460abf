//! Helpers for tests of streams.

use std::sync::OnceLock;

use sleeve::Error;
use sleeve::audio::{MonoStream, Resampler};
use sleeve::extractor::Extractor;
use sleeve::model::Model;
use sleeve::patches::LastPatch;
use sleeve::stream::{Capacity, ReadOutcome, State, Stream, StreamOptions, StreamReader, StreamWriter};

use crate::rows::RowBits;
use crate::small_model;

/// The small model with its head.
pub fn small(hop: usize, last_patch: LastPatch, resampler: Resampler, batch_size: usize) -> Extractor {
    static MODELS: OnceLock<(Model, Model)> = OnceLock::new();
    let (model, head) = MODELS.get_or_init(|| (small_model::model(), small_model::head())).clone();
    let builder = Extractor::builder(model).head(head).threads(1).patch_hop(hop);
    builder.last_patch(last_patch).resampler(resampler).batch_size(batch_size).build().unwrap()
}

/// The same with a small hop, and with a last patch.
pub fn plain() -> Extractor {
    small(4, LastPatch::Repeat, Resampler::Linear, 8)
}

/// A stream with a queue of `frames` frames.
pub fn open(extractor: &Extractor, rate: u32, channels: u16, frames: usize) -> (StreamWriter, StreamReader) {
    let options = StreamOptions::new(rate, channels).capacity(Capacity::Frames(frames));
    Stream::open(extractor, &options).unwrap()
}

/// The mean of the channels at the signal's own rate.
pub fn downmixed(samples: &[f32], rate: u32, channels: u16) -> Vec<f32> {
    let mut mono = Vec::new();
    let mut stream = MonoStream::new(rate, channels, rate, Resampler::Linear).unwrap();
    stream.push(samples, &mut mono).unwrap();
    mono
}

/// The offline extractor's rows for interleaved samples.
pub fn offline(extractor: &Extractor, samples: &[f32], rate: u32, channels: u16) -> RowBits {
    RowBits::of(&extractor.extract_samples(&downmixed(samples, rate, channels), rate).unwrap())
}

/// Reads until there is nothing left to process.
pub fn drain(reader: &mut StreamReader, rows: &mut RowBits) -> State {
    loop {
        let before = rows.len() as u64;
        let ReadOutcome { rows: given, state, .. } = reader.read(rows).unwrap();
        assert_eq!(rows.len() as u64 - before, given);
        if state != State::More {
            return state;
        }
        assert!(given > 0, "`More` only after rows");
    }
}

/// Writes all samples, and reads whenever the queue is full.
pub fn push_all(
    writer: &mut StreamWriter,
    reader: &mut StreamReader,
    samples: &[f32],
    channels: u16,
    rows: &mut RowBits,
) {
    let mut rest = samples;
    while !rest.is_empty() {
        rest = &rest[writer.write(rest).unwrap() * usize::from(channels)..];
        drain(reader, rows);
    }
}

/// Writes a whole recording and finishes it.
pub fn whole(
    writer: &mut StreamWriter,
    reader: &mut StreamReader,
    samples: &[f32],
    channels: u16,
) -> RowBits {
    let mut rows = RowBits::default();
    push_all(writer, reader, samples, channels, &mut rows);
    writer.finish();
    assert_eq!(drain(reader, &mut rows), State::Finished);
    rows
}

/// The error of the next read that fails.
pub fn failure(reader: &mut StreamReader, rows: &mut RowBits) -> Error {
    loop {
        match reader.read(rows) {
            Ok(ReadOutcome { state: State::More, .. }) => {}
            Ok(pulled) => panic!("{pulled:?}"),
            Err(error) => return error,
        }
    }
}
