//! The mel-spectrogram of an audio file: as numbers, as a picture, or in a few words.

#[path = "../plot/mod.rs"]
mod plot;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Parser;
use sleeve::atomic::AtomicFile;
use sleeve::audio::Resampler;
use sleeve::mel::BANDS;
use sleeve::npy::{Dtype, NpyWriter};

/// The mel-spectrogram that music models hear: 96 bands to 8 kHz, a frame every 16 ms.
#[derive(Parser)]
#[command(name = "mel", version, max_term_width = 100)]
struct Args {
    /// An audio file
    #[arg(value_name = "PATH")]
    path: PathBuf,

    /// Write float32 [frames, 96] to a .npy file, or a picture to a .png file
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// How audio at other rates is brought to 16 kHz: linear, as Essentia's models expect, or sinc
    #[arg(long, default_value = "linear")]
    resampler: Resampler,
}

fn main() -> ExitCode {
    // `| head` ends the program quietly.
    sigpipe::reset();
    let args = Args::parse();
    env_logger::Builder::from_env(env_logger::Env::new().filter_or("SLEEVE_LOG", "sleeve=warn,mel=warn"))
        .format_timestamp(None)
        .init();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    match &args.output {
        None => summarise(args),
        Some(output) => match output.extension().map(|ending| ending.to_ascii_lowercase()) {
            Some(ending) if ending == "npy" => write_npy(args, output),
            Some(ending) if ending == "png" => draw(args, output),
            _ => bail!("{}: its name must end in .npy or .png", output.display()),
        },
    }
}

fn write_npy(args: &Args, output: &Path) -> Result<()> {
    let mut file = NpyWriter::create(output, BANDS, Dtype::F32)?;
    plot::each_frame(&args.path, args.resampler, |frames| Ok(file.write_rows(frames)?))?;
    let frames = file.finish()?;
    eprintln!("{}: float32 [{frames}, {BANDS}]", output.display());
    Ok(())
}

fn draw(args: &Args, output: &Path) -> Result<()> {
    let mut columns = plot::Columns::new();
    let seconds = plot::each_frame(&args.path, args.resampler, |frames| {
        columns.push(frames);
        Ok(())
    })?;
    let name = args.path.file_name().unwrap_or_default().to_string_lossy();
    let mut file = AtomicFile::create(output)?;
    plot::spectrogram(&columns, &format!("{name}, {seconds:.1} s"), &mut file)
        .with_context(|| format!("cannot draw {}", output.display()))?;
    Ok(file.commit()?)
}

fn summarise(args: &Args) -> Result<()> {
    let mut sums = vec![0.0_f64; BANDS];
    let (mut frames, mut loudest) = (0_u64, (0.0_f32, 0_u64));
    let seconds = plot::each_frame(&args.path, args.resampler, |more| {
        for frame in more.chunks_exact(BANDS) {
            sums.iter_mut().zip(frame).for_each(|(sum, &value)| *sum += f64::from(value));
            let level = frame.iter().sum::<f32>() / BANDS as f32;
            if level > loudest.0 {
                loudest = (level, frames);
            }
            frames += 1;
        }
        Ok(())
    })?;
    println!("{}: {seconds:.1} s, {frames} frames of {BANDS} bands", args.path.display());
    if frames > 0 {
        let mean = sums.iter().sum::<f64>() / (frames * BANDS as u64) as f64;
        println!("  mean log energy {mean:.2}, loudest frame at {:.2} s", loudest.1 as f64 * 0.016);
        println!("  low to high  {}", sparks(&sums));
    }
    println!("  --output FILE.npy writes the numbers, --output FILE.png draws them");
    Ok(())
}

/// The spectrum as a row of blocks, two bands a block.
fn sparks(sums: &[f64]) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let pairs: Vec<f64> = sums.chunks(2).map(|pair| pair.iter().sum()).collect();
    let highest = pairs.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    pairs.iter().map(|value| BLOCKS[((value / highest * 7.99) as usize).min(7)]).collect()
}
