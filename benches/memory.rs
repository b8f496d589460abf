//! Peak memory of `sleeve extract` on a three-hour file compared with a three-minute file.
//!
//! Run with the default model, and with the models given, such as one with 1,280 values.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use sleeve_benches::{peak_memory, program, recording};

fn main() -> Result<()> {
    let models: Vec<String> = std::env::args().skip(1).collect();
    if models.iter().any(|argument| argument.starts_with('-')) {
        println!("memory [MODEL...]   further models to run, such as an .onnx with 1280 values");
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let (short, long) = (looped(folder.path(), 180)?, looped(folder.path(), 3 * 3600)?);
    println!("{:24} {:>10} {:>10} {:>7}", "peak memory of extract", "3 minutes", "3 hours", "ratio");
    let mut all: Vec<Option<&str>> = vec![None];
    all.extend(models.iter().map(|model| Some(model.as_str())));
    for model in all {
        let [short, long] = [&short, &long].map(|file| run(file, model, folder.path()));
        let (short, long) = (short?, long?);
        let name = model.map_or("default model".into(), |model| {
            Path::new(model).file_stem().unwrap_or_default().to_string_lossy().into_owned()
        });
        let mb = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
        println!("{name:24} {:>10} {:>10} {:>7.2}", mb(short), mb(long), long as f64 / short as f64);
    }
    Ok(())
}

/// A recording repeated to about `seconds`, without encoding it again.
fn looped(folder: &Path, seconds: u32) -> Result<PathBuf> {
    let path = folder.join(format!("{seconds}.mp3"));
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-stream_loop", "-1", "-i"])
        .arg(recording("idle_tune.mp3"))
        .args(["-t", &seconds.to_string(), "-c", "copy"])
        .arg(&path)
        .status()
        .context("cannot start ffmpeg")?;
    ensure!(status.success(), "ffmpeg failed");
    Ok(path)
}

fn run(file: &Path, model: Option<&str>, folder: &Path) -> Result<u64> {
    let mut command = Command::new(program());
    command
        .args(["extract", "--quiet"])
        .arg("--output")
        .arg(folder.join("out"))
        .arg(file)
        .stdout(Stdio::null());
    if let Some(model) = model {
        command.args(["--model", model]);
    }
    let (status, peak) = peak_memory(&mut command)?;
    if !status.success() {
        bail!("extract failed on {}", file.display());
    }
    Ok(peak)
}
