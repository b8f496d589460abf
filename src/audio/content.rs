//! What identifies a recording whatever its file's name and tags are.

use std::path::Path;

use sha2::{Digest, Sha256};

use super::input::Input;
use super::reader::{contain, open};
use super::source::{Decoded, Source, Warnings};
use crate::{Error, Result};

/// The SHA-256 of a file's encoded audio, without its tags and pictures: it stays the same when the file is moved, renamed
/// or given other tags. The packets of the container are hashed, with their lengths, and not decoded; of PCM, the
/// samples. What no embedded decoder reads, or what is damaged, is hashed as a whole file.
///
/// Two files that have the same hash decode to the same samples, unless their tags say how much to cut off at the ends
/// (iTunSMPB).
///
/// # Errors
/// `Io` if the file cannot be read; `Audio` if it is not a regular file.
///
/// ```no_run
/// let hash = sleeve::audio::content_hash("song.flac")?;
/// # Ok::<(), sleeve::Error>(())
/// ```
pub fn content_hash(path: impl AsRef<Path>) -> Result<[u8; 32]> {
    let path = path.as_ref();
    let mut whole = Input::open(path)?;
    let input = Input::open(path)?;
    // Third-party demuxers may panic; then it is one of those that are hashed as a whole.
    if let Ok(hash) = contain(|| of_packets(open(input)?.as_mut())) {
        return Ok(hash);
    }
    let mut hash = Sha256::new();
    hash.update(b"sleeve file\0");
    let mut buffer = vec![0; 1 << 16];
    loop {
        match whole.read_up_to(&mut buffer).map_err(|error| Error::io(path, error))? {
            0 => return Ok(hash.finalize().into()),
            length => hash.update(&buffer[..length]),
        }
    }
}

fn of_packets(source: &mut dyn Source) -> Decoded<[u8; 32]> {
    let info = source.info();
    let mut hash = Sha256::new();
    hash.update(b"sleeve audio\0");
    hash.update(info.format.as_bytes());
    hash.update(info.sample_rate.to_le_bytes());
    hash.update(info.channels.to_le_bytes());
    let (mut bytes, mut warnings) = (Vec::new(), Warnings::default());
    while source.encoded(&mut bytes, &mut warnings)? {
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(&bytes);
    }
    Ok(hash.finalize().into())
}
