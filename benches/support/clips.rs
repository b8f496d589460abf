//! Clips in several formats, cut from the recordings of `examples/audio/`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::recording;

/// Makes clips of 10 to 40 s in `folder` with ffmpeg, cycling through the formats.
///
/// # Errors
/// If ffmpeg is not there or fails.
pub fn clips(folder: &Path, count: usize) -> Result<Vec<PathBuf>> {
    let formats: [(&str, &[&str]); 4] = [
        ("mp3", &["-c:a", "libmp3lame", "-b:a", "192k"]),
        ("ogg", &["-c:a", "libvorbis", "-q:a", "5"]),
        ("flac", &[]),
        ("wav", &[]),
    ];
    let sources = ["idle_tune.mp3", "ground.ogg", "sky.ogg"];
    let mut made = Vec::new();
    for index in 0..count {
        let (ending, options) = formats[index % formats.len()];
        let path = folder.join(format!("{index}.{ending}"));
        // Lengths spread evenly over 10 to 40 s, in mixed order.
        let (seconds, start) = (10 + index * 13 % 31, index * 7 % 20);
        let status = Command::new("ffmpeg")
            .args(["-v", "error", "-stream_loop", "-1", "-i"])
            .arg(recording(sources[index % sources.len()]))
            .args(["-ss", &start.to_string(), "-t", &seconds.to_string(), "-ar", "44100", "-ac", "2"])
            .args(options)
            .arg(&path)
            .status()
            .context("ffmpeg encodes the clips")?;
        ensure!(status.success(), "ffmpeg could not encode {}", path.display());
        made.push(path);
    }
    Ok(made)
}
