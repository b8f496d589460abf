//! `sleeve mel`: the mel-spectrogram of an audio file, as values, as a picture, or as a summary.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use sleeve::extractor::{Summary, each_frame};
use sleeve::front_end::musicnn::BANDS;
use sleeve_files::AtomicFile;
use sleeve_files::names::shown;
use sleeve_files::npy::{Dtype, NpyWriter};

use crate::audio::AudioArgs;
use crate::terminal::{note, print, warn};

/// Compute the mel-spectrogram that is the input of music models: 96 bands up to 8 kHz, every 16 ms
#[derive(clap::Args)]
pub struct Args {
    /// An audio file
    #[arg(value_name = "PATH")]
    path: PathBuf,

    /// Write the values (float32 [frames, 96]) to a .npy file, or a picture to a .png file
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    #[command(flatten)]
    audio: AudioArgs,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    match &args.output {
        None => summarise(args),
        Some(output) => match output.extension().map(|ending| ending.to_ascii_lowercase()) {
            Some(ending) if ending == "npy" => write_npy(args, output),
            Some(ending) if ending == "png" => draw(args, output),
            _ => bail!("{}: its name must end in .npy or .png", shown(output)),
        },
    }?;
    Ok(ExitCode::SUCCESS)
}

/// Passes every mel frame of the file to `take`, and prints warnings about the file.
fn frames(args: &Args, take: impl FnMut(&[f32]) -> sleeve::Result<()>) -> Result<Summary> {
    let summary = each_frame(&args.path, args.audio.options(), take)?;
    for warning in &summary.warnings {
        warn(format_args!("{}: {warning}", shown(&args.path)));
    }
    Ok(summary)
}

fn write_npy(args: &Args, output: &Path) -> Result<()> {
    let mut file = NpyWriter::create(output, BANDS, Dtype::F32)?;
    frames(args, |frames| file.write_rows(frames).map_err(sleeve::Error::sink))?;

    let count = file.finish()?;
    note(format_args!("{}: float32 [{count}, {BANDS}]", shown(output)));
    Ok(())
}

fn draw(args: &Args, output: &Path) -> Result<()> {
    let mut columns = sleeve_plot::Columns::new();
    let Summary { seconds, .. } = frames(args, |frames| {
        columns.push(frames);
        Ok(())
    })?;
    let name = shown(args.path.file_name().unwrap_or_default());
    let mut file = AtomicFile::create(output)?;
    sleeve_plot::spectrogram(&columns, &format!("{name}, {seconds:.1} s"), &mut file)
        .with_context(|| format!("cannot draw {}", shown(output)))?;
    Ok(file.commit()?)
}

fn summarise(args: &Args) -> Result<()> {
    let mut sums = vec![0.0_f64; BANDS];
    let (mut count, mut loudest) = (0_u64, (0.0_f32, 0_u64));
    let Summary { seconds, .. } = frames(args, |more| {
        for frame in more.chunks_exact(BANDS) {
            sums.iter_mut().zip(frame).for_each(|(sum, &value)| *sum += f64::from(value));
            let level = frame.iter().sum::<f32>() / BANDS as f32;
            if level > loudest.0 {
                loudest = (level, count);
            }
            count += 1;
        }
        Ok(())
    })?;
    let mut text = format!("{}: {seconds:.1} s, {count} frames of {BANDS} bands\n", shown(&args.path));
    if count > 0 {
        let mean = sums.iter().sum::<f64>() / (count * BANDS as u64) as f64;
        let loudest = loudest.1 as f64 * 0.016;
        text += &format!("  mean log energy {mean:.2}, loudest frame at {loudest:.2} s\n");
        text += &format!("  low to high  {}\n", sparks(&sums));
    }
    print(&(text + "  --output FILE.npy writes the values, --output FILE.png draws them\n"))
}

/// The spectrum as a row of block characters, two bands per character.
fn sparks(sums: &[f64]) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let pairs: Vec<f64> = sums.chunks(2).map(|pair| pair.iter().sum()).collect();
    let highest = pairs.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    pairs.iter().map(|value| BLOCKS[((value / highest * 7.99) as usize).min(7)]).collect()
}
