//! What the commands are given: short files, a long one, and a dump.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use sleeve_benches::repository;

const RATE: usize = 16_000;
/// Recordings of which all files are links, for a file system has no more than 65,000 of one.
const RECORDINGS: usize = 20;
/// Long enough for a patch of MusiCNN's.
const SAMPLES: usize = RATE * 32 / 10;
/// Files in a folder.
const TOGETHER: usize = 1000;

/// Short files in folders of a thousand, hard links to twenty recordings.
pub fn music(folder: &Path, files: usize) -> Result<()> {
    ensure!(files <= RECORDINGS * 60_000, "{files} files: more than there can be links");
    let originals = folder.with_extension("originals");
    fs::create_dir_all(&originals)?;
    for at in 0..RECORDINGS {
        let mut file = Vec::new();
        wav(&mut file, at as u32, SAMPLES)?;
        fs::write(originals.join(format!("{at}.wav")), file)?;
    }
    for at in 0..files {
        let folder = folder.join(format!("{:04}", at / TOGETHER));
        if at % TOGETHER == 0 {
            fs::create_dir_all(&folder)?;
        }
        let link = folder.join(format!("{:03}.wav", at % TOGETHER));
        fs::hard_link(originals.join(format!("{}.wav", at % RECORDINGS)), &link)
            .with_context(|| link.display().to_string())?;
    }
    Ok(())
}

/// A recording of so many seconds.
pub fn long(out: &mut impl Write, seconds: usize) -> Result<()> {
    wav(out, 1, seconds * RATE)
}

/// Noise with a beat, mono, in 16 bits.
fn wav(out: &mut impl Write, seed: u32, samples: usize) -> Result<()> {
    let bytes = u32::try_from(2 * samples).context("longer than a WAV file can be")?;
    let rate = RATE as u32;
    out.write_all(b"RIFF")?;
    out.write_all(&(36 + bytes).to_le_bytes())?;
    out.write_all(b"WAVEfmt \x10\0\0\0\x01\0\x01\0")?;
    for value in [rate, 2 * rate] {
        out.write_all(&value.to_le_bytes())?;
    }
    out.write_all(b"\x02\0\x10\0data")?;
    out.write_all(&bytes.to_le_bytes())?;
    let mut noise = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    for at in 0..samples {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let beat = 1.0 - (at % (RATE / 2)) as f32 / (RATE / 2) as f32;
        let value = ((noise >> 16) as f32 - 32_768.0) * 0.6 * beat;
        out.write_all(&(value as i16).to_le_bytes())?;
    }
    Ok(())
}

/// A dump of releases that the tests have.
pub struct Dump {
    beginning: String,
    /// What follows the id in each release.
    releases: Vec<String>,
}

/// How a release begins.
const RELEASE: &str = "<release id=\"";

impl Dump {
    pub fn read() -> Result<Self> {
        let file = repository().join("training/tests/data/discogs/discogs_20200806_releases.xml.gz");
        let unpacked = Command::new("gzip").arg("-dc").arg(&file).output().context("cannot start gzip")?;
        ensure!(unpacked.status.success(), "{} cannot be unpacked", file.display());
        let text = String::from_utf8(unpacked.stdout)?;
        let end = text.rfind("</releases>").context("the dump has an end")?;
        let (beginning, rest) = text[..end].split_once(RELEASE).context("the dump has releases")?;
        let releases = rest.split(RELEASE).map(|release| {
            let after = release.find('"').context("an id has an end")?;
            Ok(release[after..].to_owned())
        });
        Ok(Dump { beginning: beginning.to_owned(), releases: releases.collect::<Result<_>>()? })
    }

    /// Writes at least so many bytes. Each release has an id of its own, for of several with one id the last is kept.
    pub fn write(&self, out: &mut impl Write, bytes: u64) -> std::io::Result<()> {
        let mut out = std::io::BufWriter::with_capacity(1 << 20, out);
        out.write_all(self.beginning.as_bytes())?;
        let mut written = 0;
        for (id, release) in (1_u64..).zip(self.releases.iter().cycle()) {
            if written >= bytes {
                break;
            }
            write!(out, "{RELEASE}{id}{release}")?;
            written += (RELEASE.len() + release.len()) as u64;
        }
        out.write_all(b"</releases>")?;
        out.flush()
    }
}
