//! The beginning of a library file: a magic number, the version, what made the vectors, and how much of the file is
//! committed.
//!
//! All numbers are little-endian.
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0 | 8 | `SLEEVLIB` |
//! | 8 | 4 | version: 1 |
//! | 12 | 4 | length of the header, a multiple of 64: where the first segment begins |
//! | 16 | 4 | length of the identity |
//! | 20 | 4 | CRC-32 of bytes 0 to 20, and of bytes 192 to the end of the header |
//! | 24 | 40 | zero |
//! | 64 | 64 | commit slot 0 |
//! | 128 | 64 | commit slot 1 |
//! | 192 | | the identity: JSON with `root` (the library's folder, as hexadecimal digits of its bytes) and `origin`; then zeros |
//!
//! A commit slot is four numbers of 8 bytes (sequence number, committed length of the file, rows, segments), the CRC-32 of
//! all segment headers one after the other, 24 bytes of zero, and the CRC-32 of the 60 bytes before. The slot with the
//! larger sequence number counts. A writer appends a segment behind the committed length, syncs it, and then overwrites
//! the other slot: so whoever opens the file sees everything up to one commit. What is behind the committed length was
//! being written when a process ended, and the next writer overwrites it.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sleeve_files::names;

use super::origin::Origin;

pub(super) const MAGIC: &[u8; 8] = b"SLEEVLIB";
/// The first bytes of the index files of development versions before 0.3.
const OLD_MAGIC: &[u8; 8] = b"slv-near";
pub(super) const VERSION: u32 = 1;
/// Segments and sections begin at multiples of this.
pub(super) const ALIGNMENT: usize = 64;
const SLOTS: [u64; 2] = [64, 128];
const SLOT: usize = 64;
const IDENTITY: usize = 192;
/// The longest identity.
const MAX_IDENTITY: usize = 1 << 24;
/// Attempts to read a slot that a writer may just be overwriting, and the pause between them.
const ATTEMPTS: usize = 50;
const PAUSE: Duration = Duration::from_millis(1);

/// What a library belongs to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Identity {
    /// The folder's path, as hexadecimal digits of its bytes; empty if the library is not one folder.
    root: String,
    pub origin: Origin,
}

impl Identity {
    pub fn new(root: &Path, origin: Origin) -> Self {
        Identity { root: names::to_hex(&names::to_portable(root)), origin }
    }

    pub fn root(&self) -> Option<PathBuf> {
        names::from_hex(&self.root).map(|bytes| names::from_portable(&bytes))
    }
}

/// How much of a file is committed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Commit {
    pub sequence: u64,
    pub length: u64,
    pub rows: u64,
    pub segments: u64,
    /// The CRC-32 of all segment headers.
    pub chain: u32,
}

impl Commit {
    fn to_bytes(self) -> [u8; SLOT] {
        let mut out = [0; SLOT];
        for (at, value) in [self.sequence, self.length, self.rows, self.segments].into_iter().enumerate() {
            out[8 * at..8 * at + 8].copy_from_slice(&value.to_le_bytes());
        }
        out[32..36].copy_from_slice(&self.chain.to_le_bytes());
        let check = crc32fast::hash(&out[..SLOT - 4]);
        out[SLOT - 4..].copy_from_slice(&check.to_le_bytes());
        out
    }

    fn read(bytes: &[u8; SLOT]) -> Option<Self> {
        let number = |at: usize| u64::from_le_bytes(bytes[8 * at..8 * at + 8].try_into().expect("8 bytes"));
        let narrow = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes"));
        let commit = Commit {
            sequence: number(0),
            length: number(1),
            rows: number(2),
            segments: number(3),
            chain: narrow(32),
        };
        // The next number must be one.
        (commit.to_bytes() == *bytes && commit.sequence < u64::MAX).then_some(commit)
    }

    /// Overwrites the older of the two slots.
    pub fn write(self, file: &File) -> io::Result<()> {
        write_at(file, &self.to_bytes(), SLOTS[(self.sequence % 2) as usize])
    }
}

/// A whole header, whose slots both hold `commit`.
pub(super) fn header(identity: &Identity, commit: Commit) -> io::Result<Vec<u8>> {
    let json = serde_json::to_vec(identity)?;
    if json.len() > MAX_IDENTITY {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the names of its activations are too long"));
    }
    let length = (IDENTITY + json.len()).next_multiple_of(ALIGNMENT);
    let mut out = vec![0; length];
    out[..8].copy_from_slice(MAGIC);
    for (at, value) in [(8, VERSION), (12, length as u32), (16, json.len() as u32)] {
        out[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }
    out[IDENTITY..IDENTITY + json.len()].copy_from_slice(&json);
    let check = check_of(&out);
    out[20..24].copy_from_slice(&check.to_le_bytes());
    for slot in SLOTS {
        out[slot as usize..slot as usize + SLOT].copy_from_slice(&commit.to_bytes());
    }
    Ok(out)
}

/// The length of the header of an identity.
pub(super) fn length_of(identity: &Identity) -> io::Result<u64> {
    let nothing = Commit { sequence: 0, length: 0, rows: 0, segments: 0, chain: 0 };
    Ok(header(identity, nothing)?.len() as u64)
}

fn check_of(header: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&header[..20]);
    hasher.update(&header[IDENTITY..]);
    hasher.finalize()
}

/// Reads and checks the header: its length, the identity and the commit. Fails with the reason.
pub(super) fn read(file: &File) -> Result<(u64, Identity, Commit), String> {
    let size = file.metadata().map_err(|error| error.to_string())?.len();
    let mut start = [0; IDENTITY];
    let there = (size as usize).min(IDENTITY);
    read_at(file, &mut start[..there], 0).map_err(|error| error.to_string())?;
    if start[..there.min(8)] == OLD_MAGIC[..there.min(8)] && there >= 8 {
        return Err("an index of a development version before 0.3, which this version does not read; index the library \
                    again into another file"
            .to_owned());
    }
    if there < 8 || start[..8] != *MAGIC {
        return Err("not a library file: it begins with other bytes".to_owned());
    }
    if there < IDENTITY {
        return Err(format!("it is cut: {size} bytes of its header"));
    }
    let number = |at: usize| u32::from_le_bytes(start[at..at + 4].try_into().expect("4 bytes"));
    let version = number(8);
    if version != VERSION {
        return Err(format!("it has version {version}, and this program reads version {VERSION}"));
    }
    let (length, identity) = (number(12) as usize, number(16) as usize);
    let fits = identity <= MAX_IDENTITY && length == (IDENTITY + identity).next_multiple_of(ALIGNMENT);
    if !fits || start[24..64].iter().any(|&byte| byte != 0) {
        return Err("it is damaged in the header".to_owned());
    }
    if size < length as u64 {
        return Err(format!("it is cut: {size} bytes of at least {length}"));
    }
    let mut whole = vec![0; length];
    read_at(file, &mut whole, 0).map_err(|error| error.to_string())?;
    if check_of(&whole) != number(20) || whole[IDENTITY + identity..].iter().any(|&byte| byte != 0) {
        return Err("it is damaged in the header".to_owned());
    }
    let identity: Identity = serde_json::from_slice(&whole[IDENTITY..IDENTITY + identity])
        .map_err(|error| format!("it does not say what made it: {error}"))?;
    identity.origin.check()?;
    identity.root().ok_or("it is damaged in the header")?;
    Ok((length as u64, identity, read_commit(file)?))
}

/// Reads the newer of the two commit slots.
pub(super) fn read_commit(file: &File) -> Result<Commit, String> {
    let mut attempt = 0;
    loop {
        let mut commits = [None; 2];
        for (slot, commit) in SLOTS.into_iter().zip(&mut commits) {
            let mut bytes = [0; SLOT];
            read_at(file, &mut bytes, slot).map_err(|error| error.to_string())?;
            *commit = Commit::read(&bytes);
        }
        if let [Some(one), Some(other)] = commits {
            return Ok(if one.sequence > other.sequence { one } else { other });
        }
        attempt += 1;
        if attempt == ATTEMPTS {
            return Err("it is damaged in the header".to_owned());
        }
        std::thread::sleep(PAUSE);
    }
}

/// Makes the checksums of a file right, as far as its lengths allow: for tests with damage that checksums would hide.
pub fn mend(file: &mut [u8]) {
    let number = |file: &[u8], at: usize| u32::from_le_bytes(file[at..at + 4].try_into().expect("4 bytes"));
    if file.len() < IDENTITY {
        return;
    }
    let start = number(file, 12) as usize;
    if start < IDENTITY || start > file.len() {
        return;
    }
    let check = check_of(&file[..start]);
    file[20..24].copy_from_slice(&check.to_le_bytes());
    let (mut at, mut chain) = (start, crc32fast::Hasher::new());
    while let Some(length) = super::segment::mend(file, at) {
        chain.update(&file[at..at + super::segment::HEADER]);
        let Some(next) = at.checked_add(length).filter(|&next| next > at && next < file.len()) else { break };
        at = next;
    }
    let chain = chain.finalize().to_le_bytes();
    for slot in SLOTS.map(|slot| slot as usize) {
        file[slot + 32..slot + 36].copy_from_slice(&chain);
        let check = crc32fast::hash(&file[slot..slot + SLOT - 4]);
        file[slot + SLOT - 4..slot + SLOT].copy_from_slice(&check.to_le_bytes());
    }
}

/// Reads exactly these bytes, without moving the file's position.
pub(super) fn read_at(file: &File, out: &mut [u8], at: u64) -> io::Result<()> {
    #[cfg(unix)]
    return std::os::unix::fs::FileExt::read_exact_at(file, out, at);
    #[cfg(windows)]
    {
        let mut done = 0;
        while done < out.len() {
            let more = std::os::windows::fs::FileExt::seek_read(file, &mut out[done..], at + done as u64)?;
            if more == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            done += more;
        }
        Ok(())
    }
    #[cfg(not(any(unix, windows)))]
    {
        let _ = (file, out, at);
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Writes these bytes, without moving the file's position.
fn write_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    #[cfg(unix)]
    return std::os::unix::fs::FileExt::write_all_at(file, bytes, at);
    #[cfg(windows)]
    {
        let mut done = 0;
        while done < bytes.len() {
            done += std::os::windows::fs::FileExt::seek_write(file, &bytes[done..], at + done as u64)?;
        }
        Ok(())
    }
    #[cfg(not(any(unix, windows)))]
    {
        let _ = (file, bytes, at);
        Err(io::ErrorKind::Unsupported.into())
    }
}
