//! `sleeve mel`: the mel-spectrogram of an audio file, as values, as a picture, or as a summary.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use sleeve::extractor::{Summary, each_frame};
use sleeve::front_end::FrontEnd;
use sleeve_files::AtomicFile;
use sleeve_files::names::shown;
use sleeve_files::npy::{Dtype, NpyWriter};

use crate::audio::AudioArgs;
use crate::terminal::{note, print, warn};

/// Compute the mel-spectrogram that is the input of music models: by default MusiCNN's, 96 bands up to 8 kHz every 16 ms
#[derive(clap::Args)]
pub struct Args {
    /// An audio file
    #[arg(value_name = "PATH")]
    path: PathBuf,

    /// The front end: musicnn, vggish, vggish-original, tempocnn, fsd-sinet, openl3-mel128, openl3-mel256, or crepe (frames of the waveform)
    #[arg(long, default_value = "musicnn", value_name = "NAME")]
    front_end: FrontEnd,

    /// Write the values (float32 [frames, bands]) to a .npy file, or a picture to a .png file
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
    let summary = each_frame(&args.path, args.front_end, args.audio.options(), take)?;
    for warning in &summary.warnings {
        warn(format_args!("{}: {warning}", shown(&args.path)));
    }
    Ok(summary)
}

fn write_npy(args: &Args, output: &Path) -> Result<()> {
    let mut file = NpyWriter::create(output, args.front_end.bands(), Dtype::F32)?;
    frames(args, |frames| file.write_rows(frames).map_err(sleeve::Error::sink))?;

    let count = file.finish()?;
    note(format_args!("{}: float32 [{count}, {}]", shown(output), args.front_end.bands()));
    Ok(())
}

fn draw(args: &Args, output: &Path) -> Result<()> {
    if args.front_end != FrontEnd::MusiCnn {
        bail!(
            "pictures are drawn of the front end musicnn, not of {}; a .npy file holds the values",
            args.front_end
        );
    }
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
    let bands = args.front_end.bands();
    let mut sums = vec![0.0_f64; bands];
    let (mut count, mut loudest) = (0_u64, (f32::NEG_INFINITY, 0_u64));
    let Summary { seconds, .. } = frames(args, |more| {
        for frame in more.chunks_exact(bands) {
            sums.iter_mut().zip(frame).for_each(|(sum, &value)| *sum += f64::from(value));
            let level = frame.iter().sum::<f32>() / bands as f32;
            if level > loudest.0 {
                loudest = (level, count);
            }
            count += 1;
        }
        Ok(())
    })?;
    let what = if args.front_end == FrontEnd::Crepe { "samples" } else { "bands" };
    let mut text = format!("{}: {seconds:.1} s, {count} frames of {bands} {what}\n", shown(&args.path));
    if count > 0 && args.front_end != FrontEnd::Crepe {
        let mean = sums.iter().sum::<f64>() / (count * bands as u64) as f64;
        let loudest = args.front_end.seconds(loudest.1);
        text += &format!("  mean value {mean:.2}, loudest frame at {loudest:.2} s\n");
        text += &format!("  low to high  {}\n", sparks(&sums, bands.div_ceil(48)));
    }
    print(&(text + "  --output FILE.npy writes the values, --output FILE.png draws them\n"))
}

/// The spectrum as a row of block characters, `per` bands in each.
fn sparks(sums: &[f64], per: usize) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let groups: Vec<f64> = sums.chunks(per).map(|group| group.iter().sum()).collect();
    // Decibels have no zero: the lowest is the shortest then.
    let lowest = groups.iter().copied().fold(0.0, f64::min);
    let highest = groups.iter().map(|value| value - lowest).fold(f64::MIN_POSITIVE, f64::max);
    groups.iter().map(|value| BLOCKS[(((value - lowest) / highest * 7.99) as usize).min(7)]).collect()
}
