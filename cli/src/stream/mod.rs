//! `sleeve stream`: tags of audio in real time. One thread writes the audio to the stream, another runs the model.

mod args;
mod show;
mod source;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use sleeve::extractor::Extractor;
use sleeve::stream::{Capacity, State, Stream, StreamOptions, StreamReader};

pub use args::Args;
use show::Lines;
use source::Source;

use crate::default_model;
use crate::terminal::note;

/// The polling interval of the reader, much shorter than the hop between patches.
const PAUSE: Duration = Duration::from_millis(5);

pub fn run(args: &Args) -> Result<ExitCode> {
    let extractor = extractor(args)?;
    let source = Source::open(args)?;
    let (rate, channels) = source.nature();
    let options = StreamOptions::new(rate, channels).capacity(Capacity::Seconds(args.capacity));
    let (writer, reader) = Stream::open(&extractor, &options)?;
    let mut lines = Lines::new(&extractor, args.top, args.all);
    let audio = std::thread::Builder::new().name("audio".into()).spawn(move || source.write(writer))?;
    // After an error here, the audio thread is not joined, because it may be waiting for standard input.
    read_all(reader, &mut lines)?;
    audio.join().expect("the audio thread does not panic")?;
    if lines.patches() == 0 {
        let seconds = extractor.patching().duration();
        note(format_args!(
            "no complete patch of {seconds:.1} s; use --last-patch repeat for short recordings"
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn extractor(args: &Args) -> Result<Extractor> {
    let name = match &args.model {
        Some(name) => name,
        None => default_model::of_tags()?,
    };
    let builder =
        Extractor::builder(args.model_args.open(name)?).threads(args.threads).last_patch(args.last_patch);
    let mut builder = args.audio.apply(builder);
    if let Some(frames) = args.patch_hop {
        builder = builder.patch_hop(frames);
    }
    Ok(builder.build()?)
}

/// Reads the recording to its end. The reader is then dropped, which closes the stream.
fn read_all(mut reader: StreamReader, lines: &mut Lines) -> Result<()> {
    loop {
        match reader.read(lines)?.state {
            State::More => {}
            State::Waiting => std::thread::sleep(PAUSE),
            // Abandoned if the source failed; its thread returns the error.
            State::Finished | State::Abandoned => return Ok(()),
        }
    }
}
