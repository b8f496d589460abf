//! The source of the audio, and the thread that writes it to the stream.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use sleeve::audio::AudioReader;
use sleeve::stream::{StreamWriter, WriteError};
use sleeve_files::names::shown;

use super::args::{Args, Format};
use crate::terminal::warn;

/// How long to wait while the queue is full. An audio callback cannot wait: it would have to drop samples.
const FULL_PAUSE: Duration = Duration::from_millis(2);
/// Blocks of a file per second, as a sound card would request them.
const BLOCKS: u32 = 100;

/// An opened source.
pub enum Source {
    Raw { format: Format, rate: u32, channels: u16 },
    File { reader: Box<AudioReader>, fast: bool },
}

impl Source {
    pub fn open(args: &Args) -> Result<Self> {
        Ok(match &args.path {
            None => Source::Raw { format: args.format, rate: args.rate, channels: args.channels },
            Some(path) => Source::File {
                reader: Box::new(AudioReader::open_with(path, &args.audio.ffmpeg.ffmpeg)?),
                fast: args.fast,
            },
        })
    }

    /// Sample rate in Hz and channels.
    pub fn nature(&self) -> (u32, u16) {
        match self {
            Source::Raw { rate, channels, .. } => (*rate, *channels),
            Source::File { reader, .. } => (reader.info().sample_rate, reader.info().channels),
        }
    }

    /// Writes all audio and marks the end. On an error the writer is dropped, which abandons the recording.
    pub fn write(self, mut writer: StreamWriter) -> Result<()> {
        let (rate, channels) = self.nature();
        match self {
            Source::Raw { format, .. } => {
                write_raw(&mut writer, io::stdin().lock(), format, channels.into())?
            }
            Source::File { reader, fast } => write_file(&mut writer, *reader, rate, channels, fast)?,
        }
        writer.finish();
        Ok(())
    }
}

fn write_raw(writer: &mut StreamWriter, mut input: impl Read, format: Format, channels: usize) -> Result<()> {
    let width = format.bytes() * channels;
    let (mut bytes, mut held) = (vec![0; width.max(4096)], 0);
    let (mut floats, mut integers) = (Vec::new(), Vec::new());
    loop {
        // What has arrived is written at once: waiting for more would delay the results.
        let count = match input.read(&mut bytes[held..]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read.context("standard input")?,
        };
        if count == 0 {
            if held > 0 {
                warn(format_args!(
                    "standard input ends inside a sample frame; its last {held} bytes are ignored"
                ));
            }
            return Ok(());
        }
        held += count;
        let whole = held / width * width;
        match format {
            Format::F32 => {
                floats.clear();
                floats.extend(
                    bytes[..whole].chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])),
                );
                write_all(&floats, channels, |samples| writer.write(samples))?;
            }
            Format::S16 => {
                integers.clear();
                integers.extend(bytes[..whole].chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])));
                write_all(&integers, channels, |samples| writer.write_i16(samples))?;
            }
        }
        bytes.copy_within(whole..held, 0);
        held -= whole;
    }
}

fn write_file(
    writer: &mut StreamWriter,
    mut reader: AudioReader,
    rate: u32,
    channels: u16,
    fast: bool,
) -> Result<()> {
    let channels = usize::from(channels);
    let started = Instant::now();
    let (mut samples, mut frames) = (Vec::new(), 0_u64);
    let block = (rate / BLOCKS).max(1) as usize;
    while reader.read(&mut samples)? > 0 {
        if (reader.info().sample_rate, usize::from(reader.info().channels)) != (rate, channels) {
            bail!("{}: the sample rate or number of channels changes", shown(reader.path()));
        }
        for samples in samples.chunks(block * channels) {
            write_all(samples, channels, |samples| writer.write(samples))?;
            frames += (samples.len() / channels) as u64;
            if !fast {
                let due = Duration::from_secs_f64(frames as f64 / f64::from(rate));
                std::thread::sleep(due.saturating_sub(started.elapsed()));
            }
        }
        samples.clear();
    }
    for warning in reader.warnings() {
        warn(format_args!("{}: {warning}", shown(reader.path())));
    }
    Ok(())
}

/// Writes all samples, and waits while the queue is full.
fn write_all<T>(
    samples: &[T],
    channels: usize,
    mut write: impl FnMut(&[T]) -> Result<usize, WriteError>,
) -> Result<()> {
    let mut rest = samples;
    while !rest.is_empty() {
        let written = write(rest)?;
        rest = &rest[written * channels..];
        if written == 0 {
            std::thread::sleep(FULL_PAUSE);
        }
    }
    Ok(())
}
