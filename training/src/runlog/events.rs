//! TensorBoard's event files: records of TensorFlow's format, each a Protocol Buffers message `Event`.
//!
//! A record is the length of the message in eight bytes, a checksum of these, the message, and a checksum of it, all
//! little-endian (tensorflow/core/lib/io/record_writer.h). Of `Event` (tensorflow/core/util/event.proto) this
//! writes wall_time (1), step (2), file_version (3), summary (5) and session_log (7); of `Summary.Value` tag (1) and
//! simple_value (2).

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crc::{CRC_32_ISCSI, Crc};

use super::Entry;
use crate::error::{Error, Result};
use crate::export::protobuf::Message;

/// `SessionLog.START`.
const START: i64 = 1;
/// The checksum of TensorFlow's records, CRC-32C.
static CHECKSUM: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// Appends events to a file of its own.
pub struct EventWriter {
    path: PathBuf,
    file: File,
}

impl EventWriter {
    /// Begins a new event file in `folder`, which is made if need be.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn create(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
        let seconds = now() as u64;
        // TensorBoard reads the files of a folder in the order of their names.
        let mut number = 0;
        let (path, file) = loop {
            let name = format!("events.out.tfevents.{seconds:010}.{:010}.{number}", std::process::id());
            let path = folder.join(name);
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => break (path, file),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(Error::io(&path, error)),
            }
        };
        let mut writer = EventWriter { path, file };
        let mut event = Message::new();
        event.double(1, now()).text(3, "brain.Event:2");
        writer.append(event)?;
        Ok(writer)
    }

    /// Says that a session starts at `step`: what other files of the folder hold from there on is not shown.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn start(&mut self, step: u64) -> Result<()> {
        let mut session = Message::new();
        session.int(1, START);
        let mut event = Message::new();
        event.double(1, now()).int(2, step as i64).message(7, &session);
        self.append(event)
    }

    /// Appends the values of an entry, as scalars.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&mut self, entry: &Entry) -> Result<()> {
        let mut summary = Message::new();
        for (name, &value) in &entry.values {
            let mut one = Message::new();
            one.text(1, name).float(2, value as f32);
            summary.message(1, &one);
        }
        let mut event = Message::new();
        event.double(1, entry.time).int(2, entry.step as i64).message(5, &summary);
        self.append(event)
    }

    fn append(&mut self, event: Message) -> Result<()> {
        let record = record(&event.into_bytes());
        self.file.write_all(&record).map_err(|error| Error::io(&self.path, error))
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// A message in its frame.
fn record(message: &[u8]) -> Vec<u8> {
    let length = (message.len() as u64).to_le_bytes();
    let mut record = length.to_vec();
    record.extend(masked(&length).to_le_bytes());
    record.extend(message);
    record.extend(masked(message).to_le_bytes());
    record
}

/// The checksum as it stands in a record: turned and shifted, so that a checksum of data that holds checksums is none
/// of its own.
fn masked(bytes: &[u8]) -> u32 {
    CHECKSUM.checksum(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The polynomial's usual check value, masked.
    #[test]
    fn the_checksum_is_that_of_records() {
        assert_eq!(masked(b"123456789"), 0xc78a_b0e5);
    }
}
