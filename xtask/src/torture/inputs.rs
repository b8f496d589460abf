//! What the commands read: recordings, and a Discogs dump.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::scene::Work;
use crate::run::{output, repository};

const RATE: usize = 16_000;

/// Recordings that differ, of four artists with two releases each.
pub fn music(folder: &Path, work: Work) -> Result<()> {
    fs::create_dir_all(folder)?;
    for at in 0..work.recordings {
        fs::write(folder.join(format!("{at:02}.wav")), wav(at, work.seconds))?;
    }
    Ok(())
}

fn wav(at: usize, seconds: usize) -> Vec<u8> {
    let mut noise = at as u32 + 1;
    let samples = (0..seconds * RATE).flat_map(|time| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let seconds = time as f64 / RATE as f64;
        let tone = (seconds * 110.0 * (at + 1) as f64 * std::f64::consts::TAU).sin();
        let beat = (seconds * (1.0 + at as f64 / 4.0)).fract();
        let value = (tone * 0.4 + f64::from(noise >> 16) / 65_536.0 * 0.3) * (1.0 - beat);
        ((value * 32_000.0) as i16).to_le_bytes()
    });
    let samples: Vec<u8> = samples.collect();
    let chunk = |name: &[u8; 4], bytes: &[u8]| {
        let mut chunk = name.to_vec();
        chunk.extend((bytes.len() as u32).to_le_bytes());
        chunk.extend(bytes);
        chunk.extend(&[0][..bytes.len() % 2]);
        chunk
    };
    let mut format = vec![1, 0, 1, 0];
    format.extend((RATE as u32).to_le_bytes());
    format.extend((2 * RATE as u32).to_le_bytes());
    format.extend([2, 0, 16, 0]);
    let mut tags = b"INFO".to_vec();
    tags.extend(chunk(b"IART", format!("Artist {}", at / 4).as_bytes()));
    tags.extend(chunk(b"IPRD", format!("Release {}", at / 2).as_bytes()));
    tags.extend(chunk(b"INAM", format!("Track {at}").as_bytes()));
    let mut whole = b"WAVE".to_vec();
    whole.extend(chunk(b"fmt ", &format));
    whole.extend(chunk(b"LIST", &tags));
    whole.extend(chunk(b"data", &samples));
    chunk(b"RIFF", &whole)
}

/// A dump of the releases that the tests have, many times over.
pub fn dump(path: &Path) -> Result<()> {
    let folder = repository().join("training/tests/data/discogs");
    let releases =
        output(Command::new("gzip").arg("-dc").arg(folder.join("discogs_20200806_releases.xml.gz")))?;
    let first = releases.find("<release ").context("the dump has releases")?;
    let end = releases.rfind("</releases>").context("the dump has an end")?;
    let text = format!("{}{}{}", &releases[..first], releases[first..end].repeat(4), &releases[end..]);
    Ok(fs::write(path, text)?)
}
