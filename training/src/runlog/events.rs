//! TensorBoard's event files: records in TensorFlow's format, each a Protocol Buffers message `Event`.
//!
//! A record is the length of the message in eight bytes, a checksum of these, the message, and a checksum of it, all
//! little-endian (tensorflow/core/lib/io/record_writer.h). The fields of `Event` (tensorflow/core/util/event.proto)
//! that are used here are declared at the end.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crc::{CRC_32_ISCSI, Crc};
use prost::Message;

use super::Entry;
use crate::error::{Error, Result};

/// `SessionLog.START`.
const START: i32 = 1;
/// The checksum of TensorFlow's records, CRC-32C.
static CHECKSUM: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// Appends events to one file.
pub struct EventWriter {
    path: PathBuf,
    file: File,
}

impl EventWriter {
    /// Creates a new event file in `folder`, which is created if it does not exist.
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
        writer.append(Event { file_version: Some("brain.Event:2".into()), ..Event::at(now()) })?;
        Ok(writer)
    }

    /// Marks the start of a session at `step`: TensorBoard then hides what other files of the folder have from there
    /// on.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn start(&mut self, step: u64) -> Result<()> {
        let session_log = Some(SessionLog { status: Some(START) });
        self.append(Event { step: Some(step as i64), session_log, ..Event::at(now()) })
    }

    /// Appends the values of an entry, as scalars.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&mut self, entry: &Entry) -> Result<()> {
        let scalar = |(name, &value): (&String, &f64)| Scalar {
            tag: Some(name.clone()),
            simple_value: Some(value as f32),
        };
        let summary = Some(Summary { value: entry.values.iter().map(scalar).collect() });
        self.append(Event { step: Some(entry.step as i64), summary, ..Event::at(entry.time) })
    }

    fn append(&mut self, event: Event) -> Result<()> {
        let record = record(&event.encode_to_vec());
        self.file.write_all(&record).map_err(|error| Error::io(&self.path, error))
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// A message as a record.
fn record(message: &[u8]) -> Vec<u8> {
    let length = (message.len() as u64).to_le_bytes();
    let mut record = length.to_vec();
    record.extend(masked(&length).to_le_bytes());
    record.extend(message);
    record.extend(masked(message).to_le_bytes());
    record
}

/// The masked checksum of a record: rotated and shifted, because a CRC of data that contains CRCs would be weak.
fn masked(bytes: &[u8]) -> u32 {
    CHECKSUM.checksum(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(double, optional, tag = "1")]
    wall_time: Option<f64>,
    #[prost(int64, optional, tag = "2")]
    step: Option<i64>,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
    #[prost(message, optional, tag = "7")]
    session_log: Option<SessionLog>,
}

impl Event {
    fn at(wall_time: f64) -> Event {
        Event { wall_time: Some(wall_time), ..Event::default() }
    }
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Scalar>,
}

/// `Summary.Value`.
#[derive(Clone, PartialEq, Message)]
struct Scalar {
    #[prost(string, optional, tag = "1")]
    tag: Option<String>,
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
}

#[derive(Clone, PartialEq, Message)]
struct SessionLog {
    #[prost(int32, optional, tag = "1")]
    status: Option<i32>,
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
